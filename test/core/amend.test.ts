import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Content, Entry } from '../../src/core/entry.js'
import { engineOf, FallbackCache } from '../../src/core/fallback-cache.js'
import type { FallbackCacheOptions } from '../../src/core/options.js'
import { ManualClock } from '../support/manual-clock.js'
import { RedisServer } from '../support/redis-server.js'
import { until } from '../support/until.js'

const open: FallbackCache[] = []

afterEach(async () => {
  await Promise.all(open.splice(0).map((cache) => cache.close()))
})

function cacheOf(options: FallbackCacheOptions): FallbackCache {
  const cache = new FallbackCache(options)
  open.push(cache)
  return cache
}

function content(text: string, meta = 'm'): Content {
  return { meta, body: Buffer.from(text) }
}

async function stored(cache: FallbackCache, key: string, what: Content, tags: readonly string[] = []): Promise<Entry> {
  const storedAt = engineOf(cache).clock.now()
  const moments = { storedAt, staleAt: storedAt + 60_000, deleteAt: storedAt + 90_000 }
  const { entry, written } = engineOf(cache).store(key, { ...moments, tags, ...what }, engineOf(cache).mark())
  await written
  if (entry === undefined) throw new Error('it was not stored')
  return entry
}

async function found(cache: FallbackCache, key: string) {
  const { entry } = (await engineOf(cache).find(key)) ?? {}
  if (entry === undefined) return undefined
  const { storedAt, staleAt, deleteAt, tags, meta, body } = entry
  return { storedAt, staleAt, deleteAt, tags, meta, body, text: body.toString() }
}

describe('FallbackCache.amend', () => {
  it('puts other content in the place of what an entry holds, and leaves the rest as it is', async () => {
    const clock = new ManualClock(1_000_000)
    const cache = cacheOf({ clock })
    const was = await stored(cache, 'k', content('old'), ['t'])
    clock.advance(1000)
    const before = cache.stats()
    expect(await engineOf(cache).amend('k', was, async () => content('old and new', 'n'))).toBe(true)
    expect(await found(cache, 'k')).toMatchObject({
      text: 'old and new',
      meta: 'n',
      tags: ['t'],
      storedAt: 1_000_000,
      staleAt: 1_060_000,
      deleteAt: 1_090_000,
    })
    const after = cache.stats()
    expect(after.memoryBytes - before.memoryBytes).toBe(' and new'.length)
    expect(after.counters.stores).toBe(before.counters.stores)
    await cache.invalidateTags(['t'])
    expect(await found(cache, 'k')).toBeUndefined()
  })

  it('leaves an entry alone for which there is no other content', async () => {
    const cache = cacheOf({})
    const was = await stored(cache, 'k', content('old'))
    expect(await engineOf(cache).amend('k', was, async () => undefined)).toBe(false)
    expect((await found(cache, 'k'))?.text).toBe('old')
  })

  it('does not ask for content of an entry that is not there', async () => {
    const cache = cacheOf({})
    const was = await stored(cache, 'k', content('old'))
    const fail = () => Promise.reject(new Error('asked'))
    await cache.delete('k')
    expect(await engineOf(cache).amend('k', was, fail)).toBe(false)
    await stored(cache, 'k', content('old'))
    expect(await engineOf(cache).amend('k', was, fail)).toBe(false)
  })

  const ends: readonly (readonly [string, (cache: FallbackCache, clock: ManualClock) => unknown])[] = [
    ['its key is deleted', (cache) => cache.delete('a:k')],
    ['its prefix is invalidated', (cache) => cache.invalidatePrefix('a:')],
    ['its tag is invalidated', (cache) => cache.invalidateTags(['t'])],
    ['all is cleared', (cache) => cache.clear()],
    ['its lifetime ends', (_cache, clock) => clock.advance(90_000)],
    ['the cache is closed', (cache) => cache.close()],
  ]
  for (const [what, end] of ends) {
    it(`brings nothing back when ${what} while the content is made`, async () => {
      const clock = new ManualClock(1_000_000)
      const cache = cacheOf({ clock })
      const was = await stored(cache, 'a:k', content('old'), ['t'])
      const amended = engineOf(cache).amend('a:k', was, async () => {
        await end(cache, clock)
        return content('new')
      })
      expect(await amended).toBe(false)
      expect(await found(cache, 'a:k')).toBeUndefined()
    })
  }

  it('gives way to what replaced the entry while the content was made', async () => {
    const cache = cacheOf({})
    const was = await stored(cache, 'k', content('old'))
    const amended = engineOf(cache).amend('k', was, async () => {
      await stored(cache, 'k', content('old', 'replaced'))
      return content('new')
    })
    expect(await amended).toBe(false)
    expect((await found(cache, 'k'))?.meta).toBe('replaced')
  })

  it('keeps an entry as it is when it would not fit into memory any more', async () => {
    const cache = cacheOf({ maxBytes: 4096 })
    const was = await stored(cache, 'k', content('x'.repeat(2048)))
    expect(await engineOf(cache).amend('k', was, async () => content('x'.repeat(4000)))).toBe(false)
    expect((await found(cache, 'k'))?.body).toHaveLength(2048)
  })
})

describe('FallbackCache.amend with Redis', () => {
  let server: RedisServer

  beforeAll(async () => {
    server = await RedisServer.start()
  })
  afterAll(() => server.stop())
  beforeEach(() => server.command('FLUSHALL'))

  async function two(options: FallbackCacheOptions = {}): Promise<[FallbackCache, FallbackCache]> {
    const [a, b] = [1, 2].map(() => cacheOf({ redis: server.url, redisTimeout: 2000, ...options })) as [
      FallbackCache,
      FallbackCache,
    ]
    await until('both are connected', () => a.stats().connected && b.stats().connected)
    return [a, b]
  }

  it('is seen by every process, even by one that has the entry in memory', async () => {
    const [a, b] = await two()
    const was = await stored(a, 'k', content('old'), ['t'])
    expect((await found(b, 'k'))?.text).toBe('old')
    expect(await engineOf(a).amend('k', was, async () => content('new', 'n'))).toBe(true)
    for (const cache of [a, b]) expect(await found(cache, 'k')).toMatchObject({ text: 'new', meta: 'n', tags: ['t'] })
    expect(Number(await server.command('PTTL', 'k'))).toBeGreaterThan(60_000)
    await a.invalidateTags(['t'])
    for (const cache of [a, b]) expect(await found(cache, 'k')).toBeUndefined()
  })

  it('gives way to what another process has stored since', async () => {
    const [a, b] = await two()
    const was = await stored(a, 'k', content('old'))
    await new Promise((resolve) => setTimeout(resolve, 2))
    await engineOf(a).amend('k', was, async () => {
      await stored(b, 'k', content('newer'))
      return content('new')
    })
    for (const cache of [a, b]) expect((await found(cache, 'k'))?.text).toBe('newer')
  })

  for (const [what, bytes] of [
    ['small', 100],
    ['large', 10_000],
  ] as const) {
    it(`gives way to a ${what} value of the same length that another process stored in the same millisecond`, async () => {
      const [a, b] = await two({ clock: new ManualClock(Date.now()) })
      const was = await stored(a, 'k', content('old'.padEnd(bytes)))
      await engineOf(a).amend('k', was, async () => {
        await stored(b, 'k', content('newer'.padEnd(bytes)))
        return content('new'.padEnd(bytes))
      })
      for (const cache of [a, b]) expect((await found(cache, 'k'))?.text.trim()).toBe('newer')
    })
  }

  for (const [what, bytes] of [
    ['small', 100],
    ['large', 10_000],
  ] as const) {
    it(`reaches Redis also for a ${what} entry that was written back after an outage`, async () => {
      const [a, b] = await two({ redisTimeout: 50 })
      await server.kill()
      await until('a knows', async () => {
        await found(a, 'other')
        return !a.stats().connected
      })
      const was = await stored(a, 'k', content('old'.padEnd(bytes)))
      await server.restart()
      await until('it is written back', () => a.stats().counters.writtenBack > 0)
      await until('b is back', () => b.stats().connected)
      await until('a reads it from Redis', async () => (await engineOf(a).find('k'))?.tier === 'redis')
      expect(await engineOf(a).amend('k', was, async () => content('new'.padEnd(bytes)))).toBe(true)
      for (const cache of [a, b]) expect((await found(cache, 'k'))?.text.trim()).toBe('new')
    })
  }

  for (const [what, end] of [
    ['its key', (cache: FallbackCache) => cache.delete('a:k')],
    ['its prefix', (cache: FallbackCache) => cache.invalidatePrefix('a:')],
    ['everything', (cache: FallbackCache) => cache.clear()],
  ] as const) {
    it(`brings nothing back in any process when another one invalidates ${what} during it`, async () => {
      const [a, b] = await two()
      const was = await stored(a, 'a:k', content('old'))
      await engineOf(a).amend('a:k', was, async () => {
        expect(await end(b)).not.toBe(false)
        return content('new')
      })
      for (const cache of [a, b]) expect(await found(cache, 'a:k')).toBeUndefined()
    })
  }

  it('keeps in both tiers what would become too large for Redis as it was', async () => {
    const [a, b] = await two({ maxRedisBytes: 10 })
    const was = await stored(a, 'k', content('old'))
    expect(await engineOf(a).amend('k', was, async () => content('far too long'))).toBe(false)
    for (const cache of [a, b]) expect((await found(cache, 'k'))?.text).toBe('old')
  })

  it('amends in memory what was too large for Redis to begin with', async () => {
    const [a, b] = await two({ maxRedisBytes: 2 })
    const was = await stored(a, 'k', content('old'))
    expect(await engineOf(a).amend('k', was, async () => content('new'))).toBe(true)
    expect((await found(a, 'k'))?.text).toBe('new')
    expect(await found(b, 'k')).toBeUndefined()
  })

  it('writes an entry that was made during an outage back as amended', async () => {
    const [a, b] = await two({ redisTimeout: 50 })
    await server.kill()
    await until('a knows', async () => {
      await found(a, 'other')
      return !a.stats().connected
    })
    const was = await stored(a, 'k', content('old'))
    expect(await engineOf(a).amend('k', was, async () => content('new'))).toBe(true)
    await server.restart()
    await until('written back', () => a.stats().counters.writtenBack > 0)
    await until('b is back', () => b.stats().connected)
    await until('b sees it', async () => (await found(b, 'k'))?.text === 'new')
  })
})
