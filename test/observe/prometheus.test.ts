import { readFileSync } from 'node:fs'
import express from 'express'
import { AggregatorRegistry, Registry } from 'prom-client'
import { afterEach, describe, expect, it } from 'vitest'
import { FallbackCache } from '../../src/index.js'
import { fallbackCache } from '../../src/middleware/express.js'
import { registerMetrics } from '../../src/observe/prometheus.js'
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
    app.get('/page', (_req, res) => res.send('page'))
    app.get('/own', (_req, res) => res.set('Cache-Control', 'no-store').send('own'))
    const url = await listen(app)
    for (const path of ['/page', '/page', '/page', '/own']) await (await fetch(url + path)).text()
    const found = series(await registry.metrics())
    expect(found['fallback_cache_requests_total{cache="default",result="hit",tier="memory"}']).toBe(2)
    expect(found['fallback_cache_requests_total{cache="default",result="miss",tier="origin"}']).toBe(2)
    expect(found['fallback_cache_stores_total{cache="default"}']).toBe(1)
    expect(found['fallback_cache_refusals_total{cache="default",reason="no-store"}']).toBe(1)
    expect(found['fallback_cache_memory_entries{cache="default"}']).toBe(1)
    // There is no Redis: nothing is said of it.
    expect(Object.keys(found).filter((name) => /redis_connected|circuit_state/.test(name))).toEqual([])
  })

  it('tells of Redis and of an outage', async () => {
    const server = await RedisServer.start()
    closing.push(() => server.stop())
    const cache = new FallbackCache({ redis: server.url, defaultTtl: 60, logger: { info: () => {}, warn: () => {} } })
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
      Array.from(readFileSync('docs/monitoring.md', 'utf8').matchAll(/\bfallback_cache_\w+/g), ([name]) => name),
    )
    expect([...named].sort()).toEqual([...existing].sort())
  })
})
