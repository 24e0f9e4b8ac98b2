import { readFileSync } from 'node:fs'
import { Registry as Successor, AggregatorRegistry as SuccessorOfAggregator } from '@prometheus-io/client'
import express from 'express'
import { AggregatorRegistry, Registry } from 'prom-client'
import { afterEach, describe, expect, it } from 'vitest'
import { FallbackCache } from '../../src/index.js'
import { fallbackCache } from '../../src/middleware/express.js'
import { registerMetrics } from '../../src/observe/prometheus.js'
import { ManualClock } from '../support/manual-clock.js'
import { RedisServer } from '../support/redis-server.js'
import { until } from '../support/until.js'

const closing: (() => unknown)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

/** The value of each series in a text of the Prometheus format. */
function series(text: string): Record<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return Object.fromEntries(
    lines.map((line) => {
      const space = line.lastIndexOf(' ')
      return [line.slice(0, space), Number(line.slice(space + 1))]
    }),
  )
}

async function listen(app: express.Express): Promise<string> {
  return new Promise((resolve) => {
    const server = app.listen(0, '127.0.0.1', () => {
      const address = server.address()
      resolve(`http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`)
    })
    closing.push(() => server.close())
  })
}

describe('registerMetrics', () => {
  it('tells hits, misses, bypasses and refusals of a middleware', async () => {
    const cached = fallbackCache({ ttl: 60 })
    closing.push(() => cached.close())
    const registry = new Registry()
    registerMetrics(registry, cached)
    const app = express().use(cached)
    app.get('/page/:id', (_req, res) => res.send('page'))
    app.get('/own', (_req, res) => res.set('Cache-Control', 'no-store').send('own'))
    const url = await listen(app)
    for (const path of ['/page/1', '/page/1', '/page/1', '/own']) await (await fetch(url + path)).text()
    const found = series(await registry.metrics())
    expect(found['fallback_cache_requests_total{cache="default",result="hit",tier="memory",route="/page/:id"}']).toBe(2)
    expect(found['fallback_cache_requests_total{cache="default",result="miss",tier="origin",route="/own"}']).toBe(1)
    expect(found['fallback_cache_stores_total{cache="default"}']).toBe(1)
    expect(found['fallback_cache_refusals_total{cache="default",reason="no-store",route="/own"}']).toBe(1)
    expect(found['fallback_cache_memory_entries{cache="default"}']).toBe(1)
    // There is no Redis: nothing is said of it.
    expect(Object.keys(found).filter((name) => /redis_connected|circuit_state/.test(name))).toEqual([])
  })

  it('tells of Redis and of an outage', async () => {
    const server = await RedisServer.start()
    closing.push(() => server.stop())
    const cache = new FallbackCache({
      redis: server.url,
      // A busy machine misses no deadline: that would be an outage more.
      redisTimeout: 5000,
      defaultTtl: 60,
      logger: { info: () => {}, warn: () => {} },
    })
    closing.push(() => cache.close())
    const registry = new Registry()
    registerMetrics(registry, cache, { name: 'shop' })
    await until('connected', () => cache.stats().connected)
    await cache.set('a', 1)
    await cache.get('a')
    let found = series(await registry.metrics())
    expect(found['fallback_cache_requests_total{cache="shop",result="hit",tier="redis"}']).toBe(1)
    expect(found['fallback_cache_redis_connected{cache="shop"}']).toBe(1)
    expect(found['fallback_cache_circuit_state{cache="shop",state="closed"}']).toBe(1)
    expect(found['fallback_cache_redis_read_duration_seconds_count{cache="shop"}']).toBe(1)
    expect(found['fallback_cache_redis_read_duration_seconds_bucket{cache="shop",le="+Inf"}']).toBe(1)
    await server.stop()
    await until('disconnected', () => !cache.stats().connected)
    found = series(await registry.metrics())
    expect(found['fallback_cache_redis_connected{cache="shop"}']).toBe(0)
    expect(found['fallback_cache_outages_total{cache="shop"}']).toBe(1)
  })

  it('tells several caches of one registry apart, and refuses two of one name', async () => {
    const registry = new Registry()
    const [one, other] = [new FallbackCache(), new FallbackCache()]
    registerMetrics(registry, one, { name: 'one' })
    registerMetrics(registry, other, { name: 'other' })
    await other.set('a', 1, 60)
    const found = series(await registry.metrics())
    expect(found['fallback_cache_stores_total{cache="one"}']).toBe(0)
    expect(found['fallback_cache_stores_total{cache="other"}']).toBe(1)
    expect(() => registerMetrics(registry, one, { name: 'one' })).toThrow('give each one a name of its own')
  })

  it.each([
    ['prom-client', () => new Registry()],
    ['its successor', () => new Successor()],
  ])('adds its metrics again to a registry of %s that was cleared', async (_name, make) => {
    const registry = make() as Registry
    const [before, after] = [new FallbackCache(), new FallbackCache()]
    registerMetrics(registry, before)
    registry.clear()
    registerMetrics(registry, after)
    await after.set('a', 1, 60)
    expect(series(await registry.metrics())['fallback_cache_stores_total{cache="default"}']).toBe(1)
    expect(() => registerMetrics(registry, after)).toThrow('give each one a name of its own')
  })

  it('names counters for OpenMetrics registries once', async () => {
    const registry = new Registry<typeof Registry.OPENMETRICS_CONTENT_TYPE>()
    registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE)
    registerMetrics(registry, new FallbackCache())
    const text = await registry.metrics()
    expect(text).toContain('fallback_cache_stores_total{cache="default"} 0\n')
    expect(text).not.toContain('total_total')
  })

  it('is aggregated over the workers of a cluster', async () => {
    const workers = await Promise.all(
      [1, 2].map(async (hits) => {
        const registry = new Registry()
        const cache = new FallbackCache({ defaultTtl: 60 })
        registerMetrics(registry, cache)
        await cache.set('a', 1)
        for (let at = 0; at < hits; at++) await cache.get('a')
        return registry.getMetricsAsJSON()
      }),
    )
    const found = series(await AggregatorRegistry.aggregate(workers).metrics())
    expect(found['fallback_cache_requests_total{cache="default",result="hit",tier="memory"}']).toBe(3)
  })

  it('makes a histogram of handler times, whose buckets of several workers add up', async () => {
    const workers = await Promise.all(
      [4, 4, 300].map(async (milliseconds) => {
        const clock = new ManualClock()
        const registry = new Registry()
        const cache = new FallbackCache({ defaultTtl: 60, clock })
        registerMetrics(registry, cache)
        const compute = () => {
          clock.advance(milliseconds)
          return 'made'
        }
        for (let at = 0; at < 2; at++) await cache.getOrSet('a', compute)
        return registry.getMetricsAsJSON()
      }),
    )
    const found = series(await AggregatorRegistry.aggregate(workers).metrics())
    const bucket = (le: string) => found[`fallback_cache_handler_duration_seconds_bucket{cache="default",le="${le}"}`]
    expect(['0.0025', '0.005', '0.25', '0.5', '+Inf'].map(bucket)).toEqual([0, 2, 2, 3, 3])
    expect(found['fallback_cache_handler_duration_seconds_count{cache="default"}']).toBe(3)
    expect(found['fallback_cache_handler_duration_seconds_sum{cache="default"}']).toBeCloseTo(0.308)
    expect(found['fallback_cache_saved_seconds_total{cache="default"}']).toBeCloseTo(0.308)
  })

  it('leaves the label route out if told to', async () => {
    const cached = fallbackCache({ ttl: 60 })
    closing.push(() => cached.close())
    const registry = new Registry()
    registerMetrics(registry, cached, { routes: false })
    const app = express().use(cached)
    app.get('/page/:id', (_req, res) => res.send('page'))
    const url = await listen(app)
    for (const path of ['/page/1', '/page/2', '/none']) await (await fetch(url + path)).text()
    const text = await registry.metrics()
    expect(text).not.toContain('route=')
    expect(series(text)['fallback_cache_requests_total{cache="default",result="miss",tier="origin"}']).toBe(3)
    expect(() => registerMetrics(registry, cached, { name: 'b', routes: 1 as never })).toThrow('true or false')
  })

  it('works with the successor of prom-client, whose cluster aggregation included', async () => {
    const registry = new Successor()
    const cache = new FallbackCache({ defaultTtl: 60 })
    registerMetrics(registry, cache)
    await cache.getOrSet('a', () => 1)
    await cache.getOrSet('a', () => 1)
    const text = await registry.metrics()
    expect(series(text)['fallback_cache_requests_total{cache="default",result="hit",tier="memory"}']).toBe(1)
    expect(text).toContain('# TYPE fallback_cache_handler_duration_seconds histogram')
    const workers = [await registry.getMetricsAsJSON(), await registry.getMetricsAsJSON()]
    const found = series(await SuccessorOfAggregator.aggregate(workers).metrics())
    expect(found['fallback_cache_requests_total{cache="default",result="hit",tier="memory"}']).toBe(2)
    expect(found['fallback_cache_handler_duration_seconds_count{cache="default"}']).toBe(2)
  })

  it('reads the statistics once for each scrape', async () => {
    const cache = new FallbackCache({ defaultTtl: 60 })
    let reads = 0
    const source = {
      stats: () => {
        reads += 1
        return cache.stats()
      },
    }
    const registry = new Registry()
    registerMetrics(registry, source)
    await registry.metrics()
    await registry.metrics()
    expect(reads).toBe(2)
  })

  it('has default labels', async () => {
    const registry = new Registry()
    registry.setDefaultLabels({ app: 'shop' })
    registerMetrics(registry, new FallbackCache())
    expect(await registry.metrics()).toContain('fallback_cache_stores_total{cache="default",app="shop"} 0')
  })

  it('refuses what is no registry, no cache or no name', () => {
    const registry = new Registry()
    const cache = new FallbackCache()
    expect(() => registerMetrics({} as Registry, cache)).toThrow('a Prometheus registry as its first argument')
    expect(() => registerMetrics(registry, {} as FallbackCache)).toThrow('the cache as its second argument')
    expect(() => registerMetrics(registry, cache, { name: '' })).toThrow('the option name must be a non-empty string')
  })
})

describe('docs/monitoring.md', () => {
  it('names every metric, and none that does not exist', async () => {
    const server = await RedisServer.start()
    closing.push(() => server.stop())
    const registry = new Registry()
    registerMetrics(registry, new FallbackCache({ redis: server.url }))
    const text = await registry.metrics()
    const existing = new Set(Array.from(text.matchAll(/^# TYPE (\S+)/gm), ([, name]) => name))
    const named = new Set(
      Array.from(readFileSync('docs/monitoring.md', 'utf8').matchAll(/\bfallback_cache_\w+/g), ([name]) =>
        name.replace(/_bucket$/, ''),
      ),
    )
    expect([...named].sort()).toEqual([...existing].sort())
  })
})
