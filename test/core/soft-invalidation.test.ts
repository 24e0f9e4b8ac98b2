import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { engineOf, FallbackCache } from '../../src/core/fallback-cache.js'
import { RedisServer } from '../support/redis-server.js'
import { until } from '../support/until.js'

const open: FallbackCache[] = []
afterEach(async () => {
  await Promise.all(open.splice(0).map((cache) => cache.close()))
})

function make(redis?: string): FallbackCache {
  const cache = new FallbackCache(redis === undefined ? {} : { redis, redisTimeout: 1000 })
  open.push(cache)
  return cache
}

/** Whether a lookup finds an entry, and in which state. */
async function state(cache: FallbackCache, key: string): Promise<'fresh' | 'softened' | 'nothing'> {
  const found = await engineOf(cache).find(key)
  return found === undefined ? 'nothing' : found.softened ? 'softened' : 'fresh'
}

describe('a soft invalidation of values in memory', () => {
  it.each([
    ['a prefix', (cache: FallbackCache) => cache.invalidatePrefix('user:', { soft: true })],
    ['a tag', (cache: FallbackCache) => cache.invalidateTags(['users'], { soft: true })],
    ['clear', (cache: FallbackCache) => cache.clear({ soft: true })],
  ])('by %s: getOrSet gives the old value, and computes it once more', async (_by, invalidate) => {
    const cache = make()
    const options = { ttl: 60, tags: ['users'] }
    let runs = 0
    const compute = async () => ++runs
    expect(await cache.getOrSet('user:1', compute, options)).toBe(1)
    await invalidate(cache)
    const values = await Promise.all([1, 2, 3].map(() => cache.getOrSet('user:1', compute, options)))
    expect(values).toEqual([1, 1, 1])
    await until('the new value', async () => (await cache.get('user:1')) === 2 || undefined)
    expect(await cache.getOrSet('user:1', compute, options)).toBe(2)
  })

  it('is not found by get, and replaced by set', async () => {
    const cache = make()
    await cache.set('a', 1)
    await cache.invalidatePrefix('', { soft: true })
    expect(await cache.get('a')).toBe(null)
    await cache.set('a', 2)
    expect(await cache.get('a')).toBe(2)
  })

  it('yields to a hard one, whichever came first', async () => {
    const cache = make()
    await cache.set('a', 1)
    await cache.set('b', 1)
    await cache.invalidatePrefix('a', { soft: true })
    await cache.clear()
    await cache.invalidatePrefix('b', { soft: true })
    expect(await state(cache, 'a')).toBe('nothing')
    expect(await state(cache, 'b')).toBe('nothing')
  })

  it('makes the result of a handler stale that it overtook', async () => {
    const cache = make()
    const entry = { staleAt: Date.now() + 60_000, deleteAt: Date.now() + 60_000, body: Buffer.from('1') }
    const mark = engineOf(cache).mark()
    await cache.invalidatePrefix('a', { soft: true })
    engineOf(cache).store('a', entry, mark)
    expect(await state(cache, 'a')).toBe('softened')
  })

  it('takes true or false, and no other option', async () => {
    const cache = make()
    expect(() => cache.invalidateTags(['a'], { soft: 'yes' } as object)).toThrow(
      'soft must be true or false, got "yes"',
    )
    expect(() => cache.clear({ sotf: true } as object)).toThrow('unknown option "sotf" of clear; did you mean "soft"?')
  })
})

describe.skipIf(process.env.SKIP_REDIS === '1')('a soft invalidation in Redis', () => {
  let server: RedisServer
  beforeAll(async () => {
    server = await RedisServer.start()
  })
  afterAll(() => server.stop())
  const connected = async () => {
    const cache = make(server.url)
    await until('connected', () => cache.stats().connected || undefined)
    return cache
  }

  it('applies in every process, also in those that start later, and never overrides a hard one', async () => {
    const [a, b] = [await connected(), await connected()]
    for (const key of ['soft', 'both', 'fresh']) await a.set(key, 1, { ttl: 60, tags: [key] })
    for (const key of ['soft', 'both', 'fresh']) expect(await b.get(key)).toBe(1)
    await b.invalidateTags(['both'], { soft: true })
    await a.invalidateTags(['both'])
    await b.invalidateTags(['both', 'soft'], { soft: true })
    const late = await connected()
    for (const cache of [a, b, late]) {
      expect(await state(cache, 'soft')).toBe('softened')
      expect(await state(cache, 'both')).toBe('nothing')
      expect(await state(cache, 'fresh')).toBe('fresh')
    }
    await a.set('soft', 2)
    for (const cache of [a, b, late]) expect(await cache.get('soft')).toBe(2)
  })

  it('removes nothing from Redis', async () => {
    const [a] = [await connected()]
    await a.set('kept', 1, { ttl: 60 })
    await a.clear({ soft: true })
    await a.invalidatePrefix('other')
    await until(
      'a sweep',
      async () => Number(await server.command('EXISTS', '{fallback-cache}:sweep')) === 0 || undefined,
    )
    expect(await server.command('EXISTS', 'kept')).toBe(1)
  })

  it('is a hard one of the same entries to a version that does not know it', async () => {
    const a = await connected()
    await a.invalidateTags(['one'], { soft: true })
    await a.invalidateTags(['two'])
    const records = (await server.command('XREVRANGE', '{fallback-cache}:log', '+', '-', 'COUNT', '2')) as [
      string,
      string[],
    ][]
    expect(records.map(([, fields]) => fields.slice(2))).toEqual([
      ['c', '["ttwo"]'],
      ['c', '["tone"]', 's', '["stone"]'],
    ])
  })

  it('made while Redis is down applies everywhere once it is back', async () => {
    const [a, b] = [await connected(), await connected()]
    await a.set('k', 1, { ttl: 60 })
    expect(await b.get('k')).toBe(1)
    server.freeze()
    expect(await a.invalidatePrefix('k', { soft: true })).toMatchObject({ durable: false })
    expect(await state(a, 'k')).toBe('softened')
    server.resume()
    await until('told', async () => a.stats().pendingInvalidations === 0 || undefined)
    await until('connected', () => b.stats().connected || undefined)
    expect(await state(b, 'k')).toBe('softened')
  })
})
