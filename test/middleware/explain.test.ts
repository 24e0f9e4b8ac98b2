import { createServer, METHODS } from 'node:http'
import { Readable } from 'node:stream'
import express from 'express'
import Koa from 'koa'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../src/core/clock.js'
import type { Explanation, RequestDescription } from '../../src/index.js'
import { fallbackCache as expressCache, type MiddlewareOptions } from '../../src/middleware/express.js'
import { fallbackCache as koaCache } from '../../src/middleware/koa.js'
import { ManualClock } from '../support/manual-clock.js'
import { RedisServer } from '../support/redis-server.js'
import { gate } from './contract-stage.js'
import { type Ask, ask } from './hosts/client.js'
import { listen } from './hosts/listen.js'

const open: { close(): Promise<void> }[] = []
let clock: ManualClock

beforeEach(() => {
  clock = new ManualClock(Date.now())
})
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})

type Handler = (req: express.Request, res: express.Response) => unknown

async function serve(options: MiddlewareOptions, handler: Handler) {
  const cached = expressCache({ clock, ttl: 60, ...options })
  const app = express().set('env', 'test')
  app.use(cached, (req, res) => void handler(req, res))
  const running = await listen(app)
  open.push(cached, running)
  const host = `127.0.0.1:${running.port}`
  const url = (path: string) => `http://${host}${path}`
  return {
    cached,
    url,
    get: (path: string, fields = {}, more: Ask = {}) => ask(running.port, path, { ...more, fields }),
  }
}

interface Explaining {
  explain(description: RequestDescription): Promise<Explanation>
}

describe('explain', () => {
  it('tells of a hit all that is stored, the answer and its Cache-Status', async () => {
    const { cached, url, get } = await serve({ group: 'shop', tags: ['p:1'] }, (_req, res) => {
      res.set({ 'Cache-Control': 's-maxage=90', Vary: 'Accept-Language', ETag: '"one"' }).send('page')
    })
    await get('/page?b=1', { 'accept-language': 'de' })
    clock.advance(30_000)
    const hit = await get('/page?b=1', { 'accept-language': 'de' })
    const seen = await cached.explain({ url: url('/page?b=1'), headers: { 'Accept-Language': 'de' } })
    expect(seen).toMatchObject({
      outcome: 'hit',
      tier: 'memory',
      status: 200,
      reason: undefined,
      fwd: undefined,
      cacheStatus: hit.field('cache-status'),
      key: { group: 'shop', path: '/page', query: '?b=1', isRefined: false },
      stored: {
        status: 200,
        age: 30,
        lifetimeLeft: 60,
        tags: ['p:1'],
        entityTag: '"one"',
        isOwnEntityTag: false,
        control: { sMaxage: 90 },
        size: 4,
        selecting: [{ name: 'accept-language', stored: 'de', asked: 'de', isEqual: true }],
      },
    })
    expect(seen.stored?.staleAt).toBe(clock.now() + 60_000)
    expect(String(seen)).toBe(seen.text)
    expect(seen.text).toContain('would be: answered from memory with 200')
    expect(JSON.parse(JSON.stringify(seen))).toMatchObject({ outcome: 'hit' })
  })

  const answers: [title: string, headers: Record<string, string>, method: string, status: number][] = [
    ['304', { 'if-none-match': '"one"' }, 'GET', 304],
    ['a part', { range: 'bytes=0-1' }, 'GET', 206],
    ['416', { range: 'bytes=90-' }, 'GET', 416],
    ['a HEAD', {}, 'HEAD', 200],
  ]
  it.each(answers)('says what goes out: %s', async (_title, headers, method, status) => {
    const { cached, url, get } = await serve({}, (_req, res) => res.set('ETag', '"one"').send('page'))
    await get('/page')
    expect(await cached.explain({ method, url: url('/page'), headers })).toMatchObject({ outcome: 'hit', status })
  })

  it('changes nothing: no counter, no event, no order of use', async () => {
    const { cached, url, get } = await serve({ maxEntries: 2 }, (req, res) => res.send(req.path))
    await get('/one')
    await get('/two')
    const before = cached.stats()
    const told: string[] = []
    for (const event of ['hit', 'miss', 'bypass', 'skip', 'evict'] as const)
      cached.cache.on(event, () => told.push(event))
    for (const path of ['/one', '/none']) await cached.explain({ url: url(path) })
    await cached.explain({ url: url('/one'), headers: { cookie: 'sid=1' } })
    expect(cached.stats()).toEqual(before)
    expect(told).toEqual([])
    await get('/three')
    expect(await cached.explain({ url: url('/one') })).toMatchObject({ outcome: 'forward', reason: 'uri-miss' })
  })

  it('says with which conditions a stale response is validated, and what the handler does not see', async () => {
    const { cached, url, get } = await serve({}, (_req, res) => res.set('ETag', '"one"').send('page'))
    await get('/page')
    clock.advance(61_000)
    const headers = { 'if-modified-since': 'Wed, 01 Jan 2020 00:00:00 GMT', range: 'bytes=0-1' }
    const seen = await cached.explain({ url: url('/page'), headers })
    expect(seen).toMatchObject({
      outcome: 'forward',
      reason: 'outlived',
      fwd: 'stale',
      forwarded: { conditions: { 'if-none-match': '"one"' }, hidden: ['if-modified-since'] },
      cacheStatus: 'fallback-cache; fwd=stale',
    })
    expect(seen.text).toContain('handler gets: ')
  })

  it('names credentials and never shows them', async () => {
    const { cached, url, get } = await serve({ vary: ['x-tenant-id'] }, (_req, res) => res.send('page'))
    await get('/page', { 'x-tenant-id': 'secret-1' })
    const headers = { Authorization: 'Bearer secret-2', Cookie: 'theme=dark; sid=secret-3', 'X-Tenant-Id': 'secret-1' }
    const seen = await cached.explain({ url: url('/page'), headers })
    expect(seen).toMatchObject({ outcome: 'pass', reason: 'authorization', fwd: 'bypass' })
    expect(seen.credentials.map(({ name }) => name)).toEqual(['authorization', 'x-tenant-id', 'sid'])
    expect(seen.stored?.selecting).toEqual([
      { name: 'x-tenant-id', stored: '(hidden)', asked: '(hidden)', isEqual: true },
    ])
    expect(JSON.stringify(seen) + seen.text).not.toContain('secret')
  })

  it('shows the response of another variant beside what was asked', async () => {
    const { cached, url, get } = await serve({}, (_req, res) => res.set('Vary', 'Accept-Language').send('page'))
    await get('/page', { 'accept-language': 'de' })
    const seen = await cached.explain({ url: url('/page'), headers: { 'accept-language': 'fr' } })
    expect(seen).toMatchObject({ outcome: 'forward', reason: 'vary-miss', fwd: 'vary-miss' })
  })

  it('tells why nothing is found, and why nothing was stored of late', async () => {
    const { cached, url, get } = await serve({}, (req, res) => {
      if (req.path === '/mine') res.set('Cache-Control', 'private')
      res.send('page')
    })
    await get('/page')
    await cached.invalidate('/page')
    expect(await cached.explain({ url: url('/page') })).toMatchObject({ reason: 'uri-miss', absence: 'invalidated' })
    await get('/mine')
    clock.advance(2_000)
    const seen = await cached.explain({ url: url('/mine') })
    expect(seen).toMatchObject({ absence: 'nothing', refused: { reason: 'private', at: clock.now() - 2_000 } })
    expect(seen.text).toContain('last refused: private, 2 s ago')
  })

  it('says that the route did not want the last response stored', async () => {
    const { cached, url, get } = await serve({ cacheIf: async () => false }, (_req, res) => res.send('page'))
    await get('/page')
    await expect
      .poll(async () => (await cached.explain({ url: url('/page') })).refused)
      .toEqual({ reason: 'cache-if', at: clock.now() })
    expect((await cached.explain({ url: url('/page') })).text).toContain('last refused: cache-if, 0 s ago')
  })

  it('says when a request would wait for a handler that runs', async () => {
    const { opened, open: answer } = gate()
    const { cached, url, get } = await serve({}, async (_req, res) => {
      await opened
      res.send('page')
    })
    const first = get('/page')
    await expect.poll(async () => (await cached.explain({ url: url('/page') })).outcome).toBe('wait')
    answer()
    await first
  })

  it('says that a request is forwarded with its own conditions while a body is slow to end', async () => {
    const { opened, open: end } = gate()
    const { cached, url, get } = await serve({}, async (_req, res) => {
      res.write('page')
      await opened
      res.end()
    })
    const explain = () => cached.explain({ url: url('/page'), headers: { 'If-None-Match': '"one"' } })
    const first = get('/page')
    await expect.poll(async () => (await explain()).outcome).toBe('wait')
    await expect
      .poll(async () => {
        clock.advance(600)
        return (await explain()).outcome
      })
      .toBe('forward')
    expect(await explain()).toMatchObject({ forwarded: { conditions: {}, hidden: [] } })
    end()
    await first
  })

  const others: [string, MiddlewareOptions, Record<string, unknown>, Partial<Explanation>][] = [
    ['an unsafe method', {}, { method: 'post' }, { outcome: 'pass', reason: 'method', fwd: 'method' }],
    ['a body', {}, { headers: { 'content-length': '3' } }, { outcome: 'pass', reason: 'request-body' }],
    ['no path', {}, { url: '*' }, { outcome: 'pass', reason: 'target' }],
    ['skip', { skip: () => true }, {}, { outcome: 'pass', reason: 'skip' }],
    ['a key that throws', { key: () => Promise.reject(new Error('no key')) }, {}, { reason: 'fault', fault: 'no key' }],
    [
      'a key that is none',
      { key: () => ({}) as never },
      {},
      { reason: 'fault', fault: 'key must return a string, a finite number, a boolean or undefined, got an object' },
    ],
    [
      'a user who is described',
      {},
      { user: { id: 1 } },
      { outcome: 'forward', credentials: [{ kind: 'logged-in', name: '' }] },
    ],
    [
      'only-if-cached',
      { preset: 'proxy' },
      { headers: { 'cache-control': 'only-if-cached' } },
      { outcome: 'refuse', status: 504, cacheStatus: 'fallback-cache; detail=only-if-cached' },
    ],
  ]
  it.each(others)('explains %s', async (_title, options, description, expected) => {
    const { cached, url } = await serve(options, (_req, res) => res.send('page'))
    expect(await cached.explain({ url: url('/page'), ...description })).toMatchObject(expected)
  })

  const odd: [unknown, string][] = [
    [undefined, 'explain takes req or a description, got undefined: write explain({ url: "/products/1" })'],
    [null, 'explain takes req or a description, got null: write explain({ url: "/products/1" })'],
    [1, 'explain takes req or a description, got 1: write explain({ url: "/products/1" })'],
    ['/x', 'explain takes req or a description, got "/x": write explain({ url: "/x" })'],
    [[], 'explain takes req or a description, got an array: write explain({ url: "/products/1" })'],
    [
      {},
      'url must be a path such as "/products/1" or a whole URL, got undefined: write explain({ url: "/products/1" })',
    ],
    [{ url: 7 }, 'url must be a path such as "/products/1" or a whole URL, got 7'],
    [{ url: 'products/1' }, 'url must be a path such as "/products/1" or a whole URL, got "products/1"'],
    [{ url: 'http://[' }, 'url must be a path such as "/products/1" or a whole URL, got "http://["'],
    [{ url: '/', method: null }, 'method of the request to explain must be a string, got null'],
    [{ url: '/', host: 7 }, 'host of the request to explain must be a string, got 7'],
    [{ url: '/', headers: null }, 'headers of the request to explain must be an object'],
    [{ url: '/', headers: new Headers() }, 'of a Headers object: Object.fromEntries(headers)'],
    [{ url: '/', headers: { Accept: 1 } }, 'headers["Accept"] must be a string or a list of strings, got 1'],
    [{ url: '/', headers: { Accept: Symbol('x') } }, 'must be a string or a list of strings, got Symbol(x)'],
  ]
  it.each(odd)('never rejects, and says what to write: %o', async (asked, message) => {
    const { cached } = await serve({}, (_req, res) => res.send('page'))
    const koa = koaCache({ clock })
    open.push(koa)
    for (const [middleware, said] of [
      [cached, message],
      [koa, message.replace('takes req', 'takes ctx')],
    ] as const) {
      const seen = await middleware.explain(asked as never)
      expect(seen).toMatchObject({ outcome: 'pass', reason: 'fault' })
      expect(seen.fault).toContain(said)
      expect(String(seen)).toContain(said)
    }
  })

  it('names the argument that the framework has, where it is given that of the other one', async () => {
    const express = expressCache({ clock })
    const koa = koaCache({ clock })
    open.push(express, koa)
    const said: (string | undefined)[] = []
    const app = new Koa()
    app.use(async (ctx) => {
      said.push((await express.explain(ctx as never)).fault, (await koa.explain(ctx.req as never)).fault)
      ctx.body = 'page'
    })
    const running = await listen(createServer(app.callback()))
    open.push(running)
    await ask(running.port, '/')
    expect(said).toEqual([
      'explain of fallback-cache/express takes req: write explain(req)',
      'explain of fallback-cache/koa takes ctx: write explain(ctx)',
    ])
  })

  it('sees a request in Express as it came, while its handler runs', async () => {
    const seen: Explanation[] = []
    const { cached, get } = await serve({}, async (req, res) => {
      seen.push(await cached.explain(req))
      res.set('ETag', '"one"').send('page')
    })
    await get('/page', { 'if-none-match': '"other"' })
    expect(seen[0]).toMatchObject({ outcome: 'forward', forwarded: { conditions: {}, hidden: ['if-none-match'] } })
    await get('/page', { cookie: 'sid=1', range: 'bytes=0-1' })
    clock.advance(61_000)
    await get('/page', { 'if-none-match': '"other"' })
    expect(seen.at(-1)?.stored?.entityTag).toBe('"one"')
  })

  const doors: [string, () => Promise<{ cached: Explaining; seen: Explanation[]; port: number }>][] = [
    [
      'Express',
      async () => {
        const cached = expressCache({ clock, ttl: 60 })
        const app = express()
        const seen: Explanation[] = []
        const look = async (req: express.Request, _res: express.Response, next: express.NextFunction) => {
          seen.push(await cached.explain(req))
          next()
        }
        app.use(cached, look, (_req, res) => void res.set('ETag', '"one"').send('page'))
        const running = await listen(cached.listener(app))
        open.push(cached, running)
        return { cached, seen, port: running.port }
      },
    ],
    [
      'Koa',
      async () => {
        const cached = koaCache({ clock, ttl: 60 })
        const app = new Koa()
        const seen: Explanation[] = []
        const look = async (ctx: Koa.Context, next: Koa.Next) => {
          seen.push(await cached.explain(ctx))
          await next()
        }
        app.use(look).use(cached)
        app.use((ctx) => {
          ctx.etag = 'one'
          ctx.body = 'page'
        })
        const running = await listen(cached.listener(app, { skipOnHit: [look] }))
        open.push(cached, running)
        return { cached, seen, port: running.port }
      },
    ],
  ]
  it.each(doors)('sees as it came what was decided in front of %s', async (_title, start) => {
    const { cached, seen, port } = await start()
    const url = `http://127.0.0.1:${port}/page`
    const fields = { 'if-none-match': '"other"' }
    await ask(port, '/page', { fields })
    expect(seen).toMatchObject([
      { outcome: 'forward', reason: 'uri-miss', forwarded: { conditions: {}, hidden: ['if-none-match'] } },
    ])
    await ask(port, '/page', { fields })
    expect(seen).toHaveLength(1)
    expect(await cached.explain({ url, headers: fields })).toMatchObject({ outcome: 'hit', status: 200 })
    clock.advance(61_000)
    await ask(port, '/page', { fields })
    expect(seen[1]).toMatchObject({
      outcome: 'forward',
      reason: 'outlived',
      forwarded: { conditions: { 'if-none-match': '"one"' }, hidden: [] },
    })
    await ask(port, '/page', { fields: { cookie: 'sid=1' } })
    expect(await cached.explain({ url, headers: fields })).toMatchObject({ outcome: 'hit', stored: { size: 4 } })
  })

  it.skipIf(!METHODS.includes('QUERY'))('knows the answers to QUERY by its content', async () => {
    const seen: Explanation[] = []
    const { cached, url, get } = await serve({ methods: ['GET', 'QUERY'] }, async (req, res) => {
      seen.push(await cached.explain(req))
      res.send('found')
    })
    const fields = { 'content-type': 'text/plain' }
    const query = (body: string) => get('/page', fields, { method: 'QUERY', body })
    const explain = (body?: unknown) =>
      cached.explain({ method: 'QUERY', url: url('/page'), headers: fields, body: body as string })
    await query('one')
    expect(seen).toMatchObject([{ outcome: 'forward', reason: 'uri-miss' }])
    expect((await query('one')).cacheStatus.hit).toBe(true)
    expect(await explain('one')).toMatchObject({ outcome: 'hit', key: seen[0]?.key })
    expect(await explain('two')).toMatchObject({ outcome: 'forward', reason: 'uri-miss' })
    expect(await explain('x'.repeat(65_537))).toMatchObject({ outcome: 'pass', reason: 'request-too-large' })
    expect(await explain({ a: 1 })).toMatchObject({ outcome: 'pass', reason: 'request-consumed' })
    expect(await cached.explain({ url: url('/page'), body: 'one' })).toMatchObject({ reason: 'request-body' })
  })

  it('says of POST that it is forwarded, and may be stored where the route says so', async () => {
    const { cached, url } = await serve({ methods: ['GET', 'POST'] }, (_req, res) => res.send('done'))
    expect(await cached.explain({ method: 'POST', url: url('/page'), body: 'x' })).toMatchObject({
      outcome: 'forward',
      reason: 'method',
      fwd: 'method',
      cacheStatus: 'fallback-cache; fwd=method',
    })
    await cached.close()
    expect(await cached.explain({ method: 'POST', url: url('/page') })).toMatchObject({
      outcome: 'pass',
      reason: 'closed',
      fwd: 'method',
    })
  })

  it('finds responses by their No-Vary-Search, and says what of the query counts', async () => {
    const { cached, url, get } = await serve({ noVarySearch: true }, (_req, res) => {
      res.set({ 'No-Vary-Search': 'params=("utm")', Vary: 'Accept-Language' }).send('page')
    })
    await get('/page?a=1&utm=x', { 'accept-language': 'de' })
    const asked = { url: url('/page?utm=y&a=1'), headers: { 'accept-language': 'de' } }
    const seen = await cached.explain(asked)
    expect(seen).toMatchObject({ outcome: 'hit', key: { query: '?a=1', noVarySearch: 'params=("utm")' } })
    expect(seen.text).toContain('query ?a=1, by No-Vary-Search: params=("utm")')
    expect(await cached.explain({ ...asked, headers: { 'accept-language': 'fr' } })).toMatchObject({
      reason: 'vary-miss',
    })
    expect(await cached.explain({ url: url('/page?a=2') })).toMatchObject({ outcome: 'forward' })
  })

  it('says in which coding the body would go, and which there are', async () => {
    const page = 'a page that is long enough to be encoded. '.repeat(100)
    const { cached, url, get } = await serve({ precompress: ['br', 'gzip'] }, (_req, res) =>
      res.type('html').send(page),
    )
    await get('/page')
    const explain = (coding: string) => cached.explain({ url: url('/page'), headers: { 'accept-encoding': coding } })
    await expect.poll(async () => (await explain('br')).stored?.coding).toBe('br')
    const seen = await explain('gzip, br;q=0.5')
    expect(seen).toMatchObject({
      outcome: 'hit',
      stored: { size: page.length, coding: 'gzip', encodings: [{ coding: 'br' }, { coding: 'gzip' }] },
    })
    for (const { size = 0 } of seen.stored?.encodings ?? []) {
      expect(size).toBeGreaterThan(0)
      expect(size).toBeLessThan(page.length)
    }
    expect(seen.text).toMatch(/encoded: br \d+ bytes, gzip \d+ bytes; this request likes gzip/)
    expect((await explain('zstd')).stored?.coding).toBe('identity')
    const got = await get('/page', { 'accept-encoding': 'br', range: 'bytes=0-9' })
    expect(await cached.explain({ url: url('/page'), headers: { range: 'bytes=0-9' } })).toMatchObject({
      status: got.status,
    })
  })

  it('sees a request in Koa, and a description', async () => {
    const cached = koaCache({ clock, ttl: 60 })
    const app = new Koa()
    const seen: Explanation[] = []
    app.use(async (ctx, next) => {
      seen.push(await cached.explain(ctx))
      await next()
    })
    app.use(cached).use((ctx) => {
      ctx.body = Readable.from(['page'])
    })
    const running = await listen(app.callback())
    open.push(cached, running)
    await ask(running.port, '/page')
    await ask(running.port, '/page')
    expect(seen.map(({ outcome }) => outcome)).toEqual(['forward', 'hit'])
    const url = `http://127.0.0.1:${running.port}/page`
    expect(await cached.explain({ url })).toMatchObject({ outcome: 'hit', stored: { size: 4 } })
  })

  it('knows that a cache for a route looks for itself below another one', async () => {
    const outer = expressCache({ clock, ttl: 60 })
    const inner = expressCache({ clock, ttl: 60, group: 'inner' })
    const app = express()
    app.use(outer)
    app.get('/page', inner, (_req, res) => void res.send('page'))
    const running = await listen(app)
    open.push(outer, inner, running)
    await ask(running.port, '/page')
    const url = `http://127.0.0.1:${running.port}/page`
    expect(await inner.explain({ url })).toMatchObject({ outcome: 'hit', stored: { isNested: true } })
    expect(await outer.explain({ url })).toMatchObject({ outcome: 'forward', reason: 'uri-miss' })
  })

  it('knows the conditions that a cache around another one has hidden from the application', async () => {
    const outer = expressCache({ clock, ttl: 60 })
    const inner = expressCache({ clock, ttl: 60, group: 'inner' })
    const app = express()
    const seen: Explanation[] = []
    app.use(outer, async (req, _res, next) => {
      seen.push(await inner.explain(req))
      next()
    })
    app.get('/page', inner, (_req, res) => void res.set('ETag', '"1"').send('page'))
    const running = await listen(app)
    open.push(outer, inner, running)
    await ask(running.port, '/page')
    const { status } = await ask(running.port, '/page', { fields: { 'if-none-match': '"1"' } })
    expect([status, seen.at(-1)?.outcome, seen.at(-1)?.status]).toEqual([304, 'hit', 304])
  })

  it.skipIf(process.env.SKIP_REDIS === '1')('looks into Redis without keeping what it finds there', async () => {
    const server = await RedisServer.start()
    try {
      const options = { redis: server.url, clock: systemClock, redisTimeout: 5_000, ttl: 60 }
      const { cached, url, get } = await serve(options, (_req, res) => res.send('page'))
      await get('/page')
      // The entry, not the lease of the turn to compute it, `…#turn`.
      const keys = async () => (await server.command('KEYS', '/page*[0-9a-f]')) as string[]
      await expect.poll(keys, { timeout: 10_000 }).toHaveLength(1)
      const other = expressCache(options)
      open.push(other)
      expect(await other.explain({ url: url('/page') })).toMatchObject({ outcome: 'hit', tier: 'redis' })
      expect(other.stats().entries).toBe(0)
      const [key = ''] = await keys()
      await server.command('SET', key, 'of another program')
      expect(await other.explain({ url: url('/page') })).toMatchObject({ reason: 'uri-miss', absence: 'unreadable' })
      expect(other.stats().counters.foreignEntries).toBe(0)
      await cached.invalidate()
      expect(await other.explain({ url: url('/page') })).toMatchObject({ outcome: 'forward' })
    } finally {
      await server.stop()
    }
  })
})
