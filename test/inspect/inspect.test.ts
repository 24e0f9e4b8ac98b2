import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FallbackCache } from '../../src/core/fallback-cache.js'
import { type EntrySummary, inspectorOf, type PageQuery } from '../../src/inspect/index.js'
import { type FallbackCacheMiddleware, fallbackCache } from '../../src/middleware/express.js'
import { RedisServer } from '../support/redis-server.js'
import { until } from '../support/until.js'

const SECRET = 'value-of-a-cookie'

let server: RedisServer
const ends: (() => unknown)[] = []
beforeAll(async () => {
  server = await RedisServer.start()
})
afterAll(async () => {
  for (const end of ends) await end()
  await server?.stop()
})

/** A cache with Redis, whose application answers at the returned address. */
async function serve(keyPrefix: string) {
  const cached = fallbackCache({
    ttl: 60,
    redis: server.url,
    redisTimeout: 5_000,
    keyPrefix,
    group: 'shop',
    cacheStatus: 'debug',
  })
  const app = express()
  app.use(cached)
  app.get('/products/:id', (req, res) => {
    res.vary('Accept-Language').set('X-Made', 'yes')
    res.json({ id: req.params.id, theme: req.get('cookie') === undefined ? 'none' : 'some' })
  })
  app.get('/plain', (_req, res) => void res.set('Cache-Control', 'max-age=60, stale-while-revalidate=30').send('plain'))
  const listening = createServer(app).listen(0, '127.0.0.1')
  await once(listening, 'listening')
  ends.push(
    () => listening.close(),
    () => cached.close(),
  )
  await until('connected', () => cached.stats().connected)
  const url = `http://127.0.0.1:${(listening.address() as AddressInfo).port}`
  return { cached, url }
}

/** All entries, page by page. */
async function all(cached: FallbackCacheMiddleware | FallbackCache, query: PageQuery = {}): Promise<EntrySummary[]> {
  const inspector = inspectorOf(cached instanceof FallbackCache ? cached : cached.cache)
  const entries: EntrySummary[] = []
  let cursor: string | undefined
  do {
    const page = await inspector.page({ ...query, cursor })
    entries.push(...page.entries)
    cursor = page.cursor
  } while (cursor !== undefined)
  return entries
}

describe('the inspector of a cache', () => {
  it('lists what is stored in Redis, with kind, state, tags and lifetime', async () => {
    const { cached, url } = await serve('list:')
    await (await fetch(`${url}/plain`)).text()
    await (await fetch(`${url}/products/1`)).text()
    await cached.cache.set('answer', 42, { ttl: 30, tags: ['numbers'] })
    const entries = await until('all are written', async () => {
      const found = await all(cached)
      return found.length >= 4 && found
    })
    expect(entries.every(({ tier, state }) => tier === 'redis' && state === 'fresh')).toBe(true)
    expect(entries.map(({ kind }) => kind).sort()).toEqual(['response', 'response', 'value', 'variants'])
    expect(entries.find(({ key }) => key === 'answer')).toMatchObject({
      kind: 'value',
      tags: ['numbers'],
      status: undefined,
    })
    const plain = entries.find(({ key }) => key.startsWith('shop:/plain:'))
    expect(plain).toMatchObject({ kind: 'response', status: 200, route: '/plain' })
    expect((plain?.staleAt ?? 0) - (plain?.storedAt ?? 0)).toBeGreaterThan(50_000)
    expect((plain?.deleteAt ?? 0) - (plain?.staleAt ?? 0)).toBeGreaterThanOrEqual(30_000)
  })

  it('shows a response with its fields and the names of what selects it, and no value of an input', async () => {
    const { cached, url } = await serve('one:')
    await (await fetch(`${url}/products/7?color=red`, { headers: { 'Accept-Language': SECRET } })).text()
    const [variant] = await until('it is written', async () => {
      const found = (await all(cached)).filter(({ kind }) => kind === 'response')
      return found.length > 0 && found
    })
    const inspector = inspectorOf(cached.cache)
    const [inMemory, inRedis] = await inspector.entries(variant?.key ?? '')
    expect(inMemory?.tier).toBe('memory')
    expect(inRedis?.tier).toBe('redis')
    for (const entry of [inMemory, inRedis]) {
      expect(entry?.response).toMatchObject({
        method: 'GET',
        origin: url,
        path: '/products/7',
        query: '?color=red',
        isRefined: false,
        selectedBy: ['accept-language', 'cookie'],
        fields: expect.arrayContaining([['X-Made', 'yes']]),
      })
      expect(entry?.body).toBeUndefined()
      expect(JSON.stringify(entry)).not.toContain(SECRET)
    }
    const [marker] = await inspector.entries((variant?.key ?? '').slice(0, -13))
    expect(marker?.variants).toEqual({
      selectedBy: ['accept-language', 'cookie'],
      keys: [{ key: variant?.key, deleteAt: expect.any(Number) }],
    })
    const [whole] = await inspector.entries(variant?.key ?? '', true)
    expect(whole?.body?.toString()).toContain('"id":"7"')
  })

  it('says what invalidations cover before they are swept', async () => {
    const { cached, url } = await serve('judged:')
    const { cache } = cached
    for (const path of ['/plain', '/products/2']) await (await fetch(url + path)).text()
    await cache.set('gone', 1, { ttl: 60, tags: ['old'] })
    await cache.set('soft', 1, { ttl: 60, tags: ['tired'] })
    await until('all are written', async () => (await all(cached)).length >= 5)
    await cache.invalidateTags(['tired'], { soft: true })
    await cache.invalidateTags(['old'])
    await cache.delete('shop:/nothing')
    const states = new Map((await all(cached)).map(({ key, state, kind }) => [key, `${kind} ${state}`]))
    expect(states.get('gone')).toBe('value invalidated')
    expect(states.get('soft')).toBe('value softened')
    expect(states.get('shop:/nothing')).toBe('tombstone none')
    expect((await inspectorOf(cache).entries('gone')).map(({ state }) => state)).toEqual(['invalidated', 'invalidated'])
  })

  it('takes keys of other programs for what they are, and pages through thousands', async () => {
    const keyPrefix = 'many:'
    const cache = new FallbackCache({ redis: server.url, redisTimeout: 5_000, maxInFlight: 2_000, keyPrefix })
    ends.push(() => cache.close())
    await until('connected', () => cache.stats().connected)
    await server.command('RPUSH', `${keyPrefix}list`, 'x')
    await server.command('SET', `${keyPrefix}text`, 'no entry')
    await server.command('SET', `${keyPrefix}cut`, 'fallback-cache/1 abc 1 1 2 3 0 0 100\nshort')
    const names = Array.from({ length: 1200 }, (_, at) => `item-${at}`)
    await Promise.all(names.map((name) => cache.set(name, name)))
    const entries = await all(cache, { limit: 100 })
    expect(new Set(entries.map(({ key }) => key))).toEqual(new Set([...names, 'list', 'text', 'cut']))
    expect(
      entries
        .filter(({ kind }) => kind === 'unreadable')
        .map(({ key }) => key)
        .sort(),
    ).toEqual(['list', 'text'])
    expect((await inspectorOf(cache).entries('cut')).map(({ kind }) => kind)).toEqual(['unreadable'])
    expect(await inspectorOf(cache).entries('list')).toMatchObject([{ kind: 'unreadable', state: 'none' }])
    expect(cache.stats()).toMatchObject({ circuitBreakerState: 'closed', redisError: undefined })
    expect((await all(cache, { prefix: 'item-11', limit: 50 })).length).toBe(111)
    const inMemory = await all(cache, { tier: 'memory', limit: 7 })
    expect(inMemory.every(({ tier, state }) => tier === 'memory' && state === 'fresh')).toBe(true)
    expect(inMemory.length).toBe(cache.stats().entries)
  })

  it('lists the memory of a cache without Redis, in pages', async () => {
    const cache = new FallbackCache()
    ends.push(() => cache.close())
    for (const name of ['a', 'b', 'c']) await cache.set(name, name, { ttl: 1 })
    const inspector = inspectorOf(cache)
    const first = await inspector.page({ limit: 2 })
    expect(first.entries.map(({ key }) => key)).toEqual(['c', 'b'])
    const last = await inspector.page({ limit: 2, cursor: first.cursor })
    expect(last).toMatchObject({ entries: [{ key: 'a', tier: 'memory', kind: 'value' }], cursor: undefined })
    expect((await inspector.entries('a', true))[0]?.body?.toString()).toBe('"a"')
    expect(await inspector.entries('none')).toEqual([])
    await expect(inspector.page({ limit: 0 })).rejects.toThrow('limit must be an integer from 1 to 1000, got 0')
    await expect(inspector.page({ cursor: 'x; drop' })).rejects.toThrow('cursor must be one that an earlier page gave')
  })
})
