import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Clock, systemClock } from '../../src/core/clock.js'
import { FallbackCache } from '../../src/core/fallback-cache.js'
import type { FallbackCacheOptions } from '../../src/core/options.js'
import { RedisServer } from '../support/redis-server.js'
import { until } from '../support/until.js'

const HOUR = 3_600_000

/** The clock of a machine that can sleep: its wall clock goes on, its monotonic clock and its timers do not. */
class SleepyMachine implements Clock {
  #slept = 0
  readonly monotonic = systemClock.monotonic
  readonly setTimer = systemClock.setTimer
  readonly clearTimer = systemClock.clearTimer
  readonly endOfTurn = systemClock.endOfTurn

  now(): number {
    return systemClock.now() + this.#slept
  }

  sleep(ms: number): void {
    this.#slept += ms
  }
}

let server: RedisServer
let machine: SleepyMachine
const caches: FallbackCache[] = []

beforeAll(async () => {
  server = await RedisServer.start()
})
afterAll(() => server.stop())
beforeEach(() => {
  machine = new SleepyMachine()
})
afterEach(async () => {
  await Promise.all(caches.splice(0).map((cache) => cache.close()))
})

async function make(options: FallbackCacheOptions): Promise<FallbackCache> {
  const cache = new FallbackCache({ redis: server.url, redisTimeout: 2000, clock: machine, ...options })
  caches.push(cache)
  await until('connected', () => cache.stats().connected)
  return cache
}

describe('a process whose machine slept for an hour', () => {
  it('C1: asks the log before memory answers, in memory-first mode too', async () => {
    const [a, b] = [await make({ read: 'memory-first', lease: 30 }), await make({})]
    await a.set('k', 'old', '10h')
    expect(await a.get('k')).toBe('old')
    expect(await b.invalidateKey('k')).toMatchObject({ durable: true })
    machine.sleep(HOUR)
    expect(await a.get('k')).toBeNull()
  })

  it('C9: counts the time asleep for maxStaleWhileDisconnected', async () => {
    const cache = await make({ maxStaleWhileDisconnected: 60, redisTimeout: 100 })
    await cache.set('k', 'old', '10h')
    await server.kill()
    try {
      expect(await cache.get('k')).toBe('old')
      machine.sleep(HOUR)
      expect(await cache.get('k')).toBeNull()
    } finally {
      await server.restart()
    }
  })

  it('keeps no result whose computation spans the sleep', async () => {
    const cache = await make({})
    const made = await cache.getOrSet('k', () => {
      machine.sleep(HOUR)
      return 'from before'
    })
    expect(made).toBe('from before')
    expect(await cache.get('k')).toBeNull()
  })
})

describe('a logger that throws', () => {
  it('keeps nothing from its work, through an outage', async () => {
    const fail = (): never => {
      throw new Error('disk full')
    }
    const cache = await make({ logger: { info: fail, warn: fail }, circuitBreaker: { cooldown: 1 }, redisTimeout: 100 })
    await cache.set('k', 1)
    await server.kill()
    await until('the outage is noticed', async () => (await cache.get('k')) === 1 && !cache.stats().connected)
    await server.restart()
    await until('connected again', () => cache.stats().connected)
  })
})

describe('a cache that is closed while Redis does not answer', () => {
  it('keeps nothing of a reply that comes afterwards', async () => {
    const redis = new Redis(server.port)
    const [writer, cache] = [1, 2].map(() => new FallbackCache({ redis, redisTimeout: 5000 }))
    if (writer === undefined || cache === undefined) throw new Error('no caches')
    caches.push(writer, cache)
    await until('connected', () => writer.stats().connected && cache.stats().connected)
    await writer.set('k', 'old')
    server.freeze()
    const reading = cache.get('k')
    await until('asked', () => cache.stats().commandsInFlight > 0)
    await cache.close()
    server.resume()
    expect(await reading).toBe('old')
    expect(cache.stats()).toMatchObject({ entries: 0, memoryBytes: 0 })
    await writer.close()
    redis.disconnect()
  })
})

describe('an entry that Redis refuses to take', () => {
  it('is remembered for another try while memory holds it, and no longer', async () => {
    const cache = await make({ maxEntries: 10 })
    const limit = await server.command('CONFIG', 'GET', 'maxmemory')
    await server.command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction')
    await server.command('CONFIG', 'SET', 'maxmemory', '1')
    try {
      for (let at = 0; at < 3000; at += 100) {
        await Promise.all(Array.from({ length: 100 }, (_, index) => cache.set(`k${at + index}`, 1)))
      }
      expect(cache.stats().pendingWrites).toBeGreaterThan(0)
      expect(cache.stats().pendingWrites).toBeLessThanOrEqual(1024 + 20)
    } finally {
      await server.command('CONFIG', 'SET', 'maxmemory', String((limit as unknown as string[])[1] ?? '0'))
    }
  })
})

describe('a Redis that does not answer', () => {
  const redisTimeout = 300
  const calls: readonly [string, (cache: FallbackCache) => Promise<unknown>][] = [
    ['get', (cache) => cache.get('k')],
    ['set', (cache) => cache.set('k', 1)],
    ['getOrSet', (cache) => cache.getOrSet('k', () => 1)],
    ['delete', (cache) => cache.delete('k')],
    ['invalidateTags', (cache) => cache.invalidateTags(['t'])],
  ]

  it.each(calls)('costs one redisTimeout for each %s, from the start and later', async (_, call) => {
    const later = await make({ redisTimeout })
    server.freeze()
    try {
      const start = new FallbackCache({ redis: server.url, redisTimeout })
      caches.push(start)
      for (const cache of [start, later]) {
        const begunAt = performance.now()
        await call(cache)
        expect(performance.now() - begunAt).toBeLessThan(redisTimeout * 1.6)
      }
    } finally {
      server.resume()
    }
  })
})
