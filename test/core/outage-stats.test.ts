import { afterEach, describe, expect, it } from 'vitest'
import { FallbackCache } from '../../src/core/fallback-cache.js'
import { RedisServer } from '../support/redis-server.js'
import { until } from '../support/until.js'

const closing: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

describe('stats()', () => {
  it('tells how long Redis was lost, in all and now, and since when the log was not read', async () => {
    const server = await RedisServer.start()
    closing.push(() => server.stop())
    const logger = { info: () => {}, warn: () => {} }
    const cache = new FallbackCache({ redis: server.url, defaultTtl: 60, logger })
    closing.push(() => cache.close())
    await until('connected', () => cache.stats().connected || undefined)
    expect(cache.stats().outage).toEqual({ seconds: 0, currentSeconds: null })
    expect(cache.stats().log?.lagSeconds).toBeLessThan(2)
    expect(cache.stats().log?.position).toBeGreaterThan(0)
    await server.kill()
    await until('lost', () => !cache.stats().connected || undefined)
    const first = cache.stats()
    await until('time', () => (cache.stats().outage.currentSeconds ?? 0) > 0.2 || undefined)
    const later = cache.stats()
    expect(later.outage.seconds).toBe(later.outage.currentSeconds)
    expect(later.log?.lagSeconds).toBeGreaterThan((first.log?.lagSeconds ?? 0) + 0.1)
    await server.restart()
    await until('connected again', () => cache.stats().connected || undefined, { timeout: 20_000 })
    const { outage, counters } = cache.stats()
    expect(outage.currentSeconds).toBeNull()
    expect(outage.seconds).toBeGreaterThan(0.2)
    expect(counters.outages).toBe(1)
  })

  it('says as an invalidation that memory was dropped, if it held anything', async () => {
    const server = await RedisServer.start()
    closing.push(() => server.stop())
    const cache = new FallbackCache({ redis: server.url, defaultTtl: 60, logger: { info: () => {}, warn: () => {} } })
    closing.push(() => cache.close())
    const told: unknown[] = []
    cache.on('invalidate', (event) => told.push(event))
    const afterFlush = async (key: string): Promise<boolean> => {
      await server.command('FLUSHALL')
      await until('the flush is noticed', async () => (await cache.get(key)) === null && cache.stats().connected)
      return (await cache.invalidateKey('other')).durable
    }
    await until('connected', () => cache.stats().connected || undefined)
    expect(await afterFlush('a')).toBe(true)
    expect(told).toEqual([{ covers: ['kother'], origin: 'local' }])
    await cache.set('a', 'kept')
    expect(await afterFlush('a')).toBe(true)
    expect(told.slice(1)).toEqual([
      { covers: ['a'], origin: 'log' },
      { covers: ['kother'], origin: 'local' },
    ])
  })

  it('counts the bytes that are stored, and that go to Redis and come from it', async () => {
    const server = await RedisServer.start()
    closing.push(() => server.stop())
    const cache = new FallbackCache({ redis: server.url, defaultTtl: 60 })
    closing.push(() => cache.close())
    await until('connected', () => cache.stats().connected || undefined)
    await cache.set('a', 'x'.repeat(1000))
    await cache.get('a')
    const { storedBytes, redisBytesRead, redisBytesWritten } = cache.stats().counters
    expect(storedBytes).toBe(1002)
    expect(redisBytesWritten).toBeGreaterThan(1002)
    expect(redisBytesRead).toBe(redisBytesWritten)
  })

  it('counts values with their computations, and the time that hits have saved', async () => {
    const cache = new FallbackCache({ defaultTtl: 60 })
    closing.push(() => cache.close())
    const compute = () => new Promise<string>((resolve) => setTimeout(() => resolve('made'), 30))
    for (let at = 0; at < 3; at++) await cache.getOrSet('a', compute)
    const { traffic } = cache.stats()
    expect(traffic.requests).toMatchObject({ hit: { memory: 2 }, miss: { origin: 1 } })
    expect(traffic.handler.count).toBe(1)
    expect(traffic.savedSeconds).toBeGreaterThan(0.05)
    expect(JSON.parse(JSON.stringify(traffic))).toEqual(traffic)
  })

  it('counts the openings of the circuit breaker', async () => {
    const cache = new FallbackCache({ redis: 'redis://127.0.0.1:1', circuitBreaker: { threshold: 1 }, logger: quiet })
    closing.push(() => cache.close())
    await until('an opening', () => cache.stats().counters.circuitOpened > 0 || undefined)
  })
})

const quiet = { info: () => {}, warn: () => {} }
