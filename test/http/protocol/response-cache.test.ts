import type { RequestListener } from 'node:http'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { buildKey } from '../../../src/core/build-key.js'
import { engineOf } from '../../../src/core/fallback-cache.js'
import { headText } from '../../../src/http/store/stored-text.js'
import { fallbackCache, type MiddlewareOptions } from '../../../src/middleware/express.js'
import { type Ask, ask } from '../../middleware/hosts/client.js'
import { listen } from '../../middleware/hosts/listen.js'
import { ManualClock } from '../../support/manual-clock.js'
import { storedHead } from '../../support/stored-head.js'

const open: { close(): Promise<unknown> }[] = []
let clock = new ManualClock()

beforeEach(() => {
  clock = new ManualClock()
})
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})

/** A cached site of one handler, which sees how often it has run in `x-run`. */
async function site(options: MiddlewareOptions, handler: RequestListener = (_req, res) => void res.end('page')) {
  const cached = fallbackCache({ clock, ...options })
  let runs = 0
  const running = await listen((req, res) =>
    cached(req, res, () => {
      res.setHeader('X-Run', ++runs)
      handler(req, res)
    }),
  )
  open.push(cached, running)
  const get = (path: string, fields: Ask['fields'] = {}) =>
    ask(running.port, path, { fields: { host: 'a.example', ...fields } })
  return { cached, get, runs: () => runs }
}

describe('ResponseCache', () => {
  const head = storedHead({ fields: ['X-Run', '0'] })
  const key = buildKey('catalog:/page', { method: 'GET', origin: 'http://a.example', query: '?a=1' })

  const planted: readonly (readonly [string, string, boolean])[] = [
    ['the same identity', headText({ ...head, identity: 'GET http://a.example/page?a=1' }), true],
    ['another identity under a colliding hash', headText({ ...head, identity: 'GET http://a.example/secret' }), false],
    ['a value of the core', '', false],
    ['garbled text', '{"i":', false],
  ]
  for (const [what, meta, hits] of planted) {
    it(`${hits ? 'uses' : 'does not use'} an entry with ${what}`, async () => {
      const { cached, get } = await site({ ttl: 60, group: 'catalog' })
      const now = clock.now()
      const moments = { staleAt: now + 60_000, deleteAt: now + 60_000 }
      engineOf(cached.cache).store(
        key,
        { ...moments, meta, body: Buffer.from('planted') },
        engineOf(cached.cache).mark(),
      )
      const got = await get('/page?a=1')
      expect([got.text, got.cacheStatus.hit]).toEqual([hits ? 'planted' : 'page', hits])
    })
  }

  it('makes keys that string prefixes of the core work on', async () => {
    const { cached, get, runs } = await site({ ttl: 60, group: 'catalog' })
    await get('/products/1')
    await cached.cache.invalidatePrefix('catalog:/products')
    await get('/products/1')
    expect(runs()).toBe(2)
    await cached.cache.invalidatePrefix('catalog:/other')
    await get('/products/1')
    expect(runs()).toBe(2)
  })

  it('tells of what it does', async () => {
    const { cached, get } = await site({ ttl: 60, cacheStatus: 'debug' }, (req, res) => {
      if (req.url === '/private') res.setHeader('Cache-Control', 'private')
      res.end('page')
    })
    const told: unknown[] = []
    for (const event of ['hit', 'miss', 'store', 'skip', 'bypass'] as const) {
      cached.cache.on(event, (payload) => told.push([event, payload]))
    }
    const text = buildKey('/page', { method: 'GET', origin: 'http://a.example', query: '' })
    expect((await get('/page')).cacheStatus.text).toContain(`key="${text}"`)
    await get('/page')
    await get('/private')
    await get('/page', { authorization: 'x' })
    expect(told).toMatchObject([
      ['miss', { key: text }],
      ['store', { key: text }],
      ['hit', { key: text, tier: 'memory', stale: false }],
      ['miss', {}],
      ['skip', { reason: 'private' }],
      ['bypass', { reason: 'authorization', method: 'GET', path: '/page' }],
    ])
    const { counters } = cached.stats()
    expect(counters).toMatchObject({ memoryHits: 1, misses: 2, bypassed: 1, refused: { private: 1, authorization: 1 } })
  })

  it('lets no client have the handler run, unless the route allows it', async () => {
    const ops = (req: { headers: Record<string, unknown> }) => req.headers['x-ops'] === '1'
    const { get, runs } = await site({ ttl: 60, allowRefresh: ops })
    await get('/page')
    await get('/page', { 'cache-control': 'no-cache' })
    expect(runs()).toBe(1)
    const refreshed = await get('/page', { 'cache-control': 'no-cache', 'x-ops': '1' })
    expect([runs(), refreshed.cacheStatus.fwd, refreshed.cacheStatus.stored]).toEqual([2, 'request', true])
    expect((await get('/page')).field('x-run')).toBe('2')
  })

  it('goes by the request as it came, also if the application changes its fields', async () => {
    const { get, runs } = await site({ ttl: 60 }, (req, res) => {
      delete req.headers.authorization
      delete req.headers.cookie
      req.headers['accept-language'] = 'en'
      res.setHeader('Vary', 'Accept-Language')
      res.end('page')
    })
    await get('/page', { authorization: 'alice' })
    await get('/page', { cookie: 'session=alice' })
    expect((await get('/page', { 'accept-language': 'fr' })).cacheStatus.hit).toBe(false)
    expect((await get('/page', { 'accept-language': 'en' })).cacheStatus.hit).toBe(false)
    expect((await get('/page', { 'accept-language': 'fr' })).cacheStatus.hit).toBe(true)
    expect(runs()).toBe(4)
  })

  it('never closes a core that was handed in', async () => {
    const { cached } = await site({ ttl: 60 })
    const derived = cached.with({ ttl: 10 })
    expect(derived.cache).toBe(cached.cache)
    await derived.close()
    await cached.cache.set('a', 1)
    expect(await cached.cache.get('a')).toBe(1)
  })

  describe('in the proxy preset', () => {
    it('obeys the directives of requests (RFC 9111, section 5.2.1)', async () => {
      const { get, runs } = await site({ preset: 'proxy', ttl: 60 })
      expect((await get('/page', { 'cache-control': 'only-if-cached' })).status).toBe(504)
      expect(runs()).toBe(0)
      await get('/page')
      expect((await get('/page', { 'cache-control': 'only-if-cached' })).text).toBe('page')
      expect((await get('/page', { 'cache-control': 'no-cache' })).cacheStatus.fwd).toBe('request')
      clock.advance(10_000)
      expect((await get('/page', { 'cache-control': 'max-age=5' })).cacheStatus.fwd).toBe('request')
      expect(runs()).toBe(3)
    })

    it('stores and repeats cookies where freshness is explicit (RFC 9111, section 7.3)', async () => {
      const { get } = await site({ preset: 'proxy' }, (_req, res) => {
        res.setHeader('Set-Cookie', 'a=1')
        res.setHeader('Cache-Control', 'max-age=60')
        res.end('page')
      })
      await get('/page')
      const hit = await get('/page')
      expect([hit.cacheStatus.hit, hit.lines('set-cookie')]).toEqual([true, ['a=1']])
    })

    it('guesses a lifetime from Last-Modified (RFC 9111, section 4.2.2)', async () => {
      const { get } = await site({ preset: 'proxy' }, (_req, res) => {
        res.setHeader('Date', new Date(clock.now()).toUTCString())
        res.setHeader('Last-Modified', new Date(clock.now() - 1_000_000).toUTCString())
        res.end('page')
      })
      await get('/page')
      expect((await get('/page')).cacheStatus).toMatchObject({ hit: true, ttl: 100 })
    })
  })
})
