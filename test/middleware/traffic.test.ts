import type { RequestListener, Server } from 'node:http'
import Router from '@koa/router'
import express5, { type Express } from 'express'
import express4 from 'express4'
import Koa from 'koa'
import mount from 'koa-mount'
import Koa2 from 'koa2'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { CacheStats, RequestStats, RouteStats, TrafficStats } from '../../src/index.js'
import { fallbackCache } from '../../src/middleware/express.js'
import { fallbackCache as koaCache } from '../../src/middleware/koa.js'
import { ManualClock } from '../support/manual-clock.js'
import { RedisServer } from '../support/redis-server.js'
import { until } from '../support/until.js'
import { gate } from './contract-stage.js'
import { type Ask, ask, type Got } from './hosts/client.js'
import { fastify } from './hosts/fastify.js'
import { hono } from './hosts/hono.js'
import type { CacheFace, Host } from './hosts/host.js'
import { listen } from './hosts/listen.js'

const open: { close(): Promise<unknown> }[] = []
let clock = new ManualClock()

beforeEach(() => {
  clock = new ManualClock()
})
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})

interface Site {
  get(path: string, options?: Ask): Promise<Got>
  traffic(): TrafficStats
  waiting(): number
  route(pattern: string): RouteStats | undefined
  /** Opened to let the handler of `/slow/:id` answer. */
  readonly slow: ReturnType<typeof gate>
}

type Answer = (params: { readonly id?: string }) => { readonly status?: number; readonly fields?: object } | undefined

/** The routes of each application. */
function routes(): Readonly<Record<string, Answer>> {
  let runs = 0
  return {
    // Each run takes 40 ms.
    '/products/:id': () => {
      clock.advance(40)
      return { fields: { 'Cache-Control': 'max-age=60, stale-while-revalidate=30', ETag: '"1"' } }
    },
    '/own': () => ({ fields: { 'Cache-Control': 'no-store' } }),
    '/checked': () => ({ fields: { 'Cache-Control': 's-maxage=10', ETag: '"1"' } }),
    '/shaky': () => {
      runs += 1
      return runs > 1 ? { status: 500 } : { fields: { 'Cache-Control': 'max-age=10, stale-if-error=100' } }
    },
    '/slow/:id': () => undefined,
  }
}

async function siteOf(listener: RequestListener | Server, stats: () => CacheStats, slow: Site['slow']): Promise<Site> {
  const running = await listen(listener)
  open.push(running)
  return {
    slow,
    get: (path, options) => ask(running.port, path, options),
    traffic: () => stats().traffic,
    waiting: () => stats().waiting,
    route: (pattern) => stats().traffic.routes.find(({ route }) => route === pattern),
  }
}

function expressSite(make: () => Express, isFront: boolean): Promise<Site> {
  const cached = fallbackCache({ ttl: 60, clock })
  open.push(cached)
  const app = make().use(cached)
  const slow = gate()
  for (const [path, answer] of Object.entries(routes())) {
    app.all(path, async (req, res) => {
      if (path === '/slow/:id') await slow.opened
      const { status = 200, fields = {} } = answer(req.params) ?? {}
      res.set(fields as Record<string, string>)
      if (req.fresh) res.status(304).end()
      else res.status(status).send('0123456789')
    })
  }
  const listener = isFront ? cached.serve(app) : (app as unknown as RequestListener)
  return siteOf(listener, cached.stats, slow)
}

function koaSite(Application: typeof Koa, isFront: boolean): Promise<Site> {
  const cached = koaCache({ ttl: 60, clock })
  open.push(cached)
  const app = new Application()
  const router = new Router()
  const slow = gate()
  for (const [path, answer] of Object.entries(routes())) {
    router.all(path, async (ctx) => {
      if (path === '/slow/:id') await slow.opened
      const { status = 200, fields = {} } = answer(ctx.params) ?? {}
      ctx.status = status
      ctx.set(fields as Record<string, string>)
      ctx.body = '0123456789'
      if (ctx.fresh) ctx.status = 304
    })
  }
  app.use(cached).use(router.routes())
  return siteOf(isFront ? cached.serve(app) : app.callback(), cached.stats, slow)
}

/** All requests that were counted. */
function total({ hit, stale, collapsed, revalidated, miss, bypass }: RequestStats): number {
  const stored = hit.memory + hit.redis + stale.memory + stale.redis + collapsed.memory
  return stored + stale.origin + revalidated.origin + miss.origin + bypass.origin
}

describe.each([
  ['Express 5', () => expressSite(express5, false)],
  ['Express 4', () => expressSite(express4 as unknown as typeof express5, false)],
  ['Express 5, hits in front', () => expressSite(express5, true)],
  ['Koa 3', () => koaSite(Koa, false)],
  ['Koa 2', () => koaSite(Koa2 as unknown as typeof Koa, false)],
  ['Koa 3, hits in front', () => koaSite(Koa, true)],
])('stats().traffic in %s', (_name, start) => {
  it('counts each request once, by its route and its result', async () => {
    const site = await start()
    await site.get('/products/1')
    await site.get('/products/1')
    await site.get('/products/2')
    await site.get('/own')
    await site.get('/products/1', { method: 'POST' })
    const etag = await site.get('/products/2', { fields: { 'If-None-Match': '"1"' } })
    expect(etag.status).toBe(304)
    await site.get('/nowhere')
    expect(site.route('/products/:id')?.requests).toEqual({
      ...NONE,
      hit: { memory: 2, redis: 0 },
      miss: { origin: 2 },
      bypass: { origin: 1 },
    })
    expect(site.route('/own')).toMatchObject({ requests: { miss: { origin: 1 } }, refused: { 'no-store': 1 } })
    expect(site.route('')?.requests.miss.origin).toBe(1)
    expect(site.route('/products/:id')?.refused).toMatchObject({ method: 1 })
    expect(total(site.traffic().requests)).toBe(7)
    expect(site.traffic().requests.hit.memory).toBe(2)
  })

  it('sums up the time that handlers took, and that hits have saved, and the bytes', async () => {
    const site = await start()
    for (const path of ['/products/1', '/products/1', '/products/1', '/products/2']) await site.get(path)
    const products = site.route('/products/:id')
    expect(products?.handler).toEqual({ count: 2, seconds: 0.08, buckets: { '0.04': 2 } })
    expect(products?.savedSeconds).toBeCloseTo(0.08)
    expect(products?.servedBytes).toBe(20)
    expect(site.traffic()).toMatchObject({ handler: { count: 2 }, servedBytes: 20 })
  })

  it('tells stale answers, and counts their refreshes as runs but as no requests', async () => {
    const site = await start()
    await site.get('/products/1')
    clock.advance(70_000)
    await site.get('/products/1')
    await until('the refresh', () => site.route('/products/:id')?.handler.count === 2 || undefined)
    expect(site.route('/products/:id')?.requests).toMatchObject({ stale: { memory: 1 }, miss: { origin: 1 } })
    expect(total(site.traffic().requests)).toBe(2)
  })

  it('tells what the handler has confirmed, and what stood in for its error', async () => {
    const site = await start()
    for (const path of ['/checked', '/shaky']) await site.get(path)
    clock.advance(20_000)
    for (const path of ['/checked', '/shaky']) expect((await site.get(path)).text).toBe('0123456789')
    expect(site.route('/checked')?.requests).toMatchObject({ revalidated: { origin: 1 }, miss: { origin: 1 } })
    expect(site.route('/shaky')?.requests).toMatchObject({ stale: { origin: 1 }, miss: { origin: 1 } })
    expect(total(site.traffic().requests)).toBe(4)
  })

  it('tells requests that waited for another', async () => {
    const site = await start()
    const all = [1, 2, 3].map(() => site.get('/slow/1'))
    // The handler is reached by one.
    await until('two that wait', () => site.waiting() === 2 || undefined)
    site.slow.open()
    await Promise.all(all)
    expect(site.route('/slow/:id')?.requests).toMatchObject({ collapsed: { memory: 2 }, miss: { origin: 1 } })
    expect(total(site.traffic().requests)).toBe(3)
  })
})

const NONE: RequestStats = {
  hit: { memory: 0, redis: 0 },
  stale: { memory: 0, redis: 0, origin: 0 },
  collapsed: { memory: 0 },
  revalidated: { origin: 0 },
  miss: { origin: 0 },
  bypass: { origin: 0 },
}

describe('the pattern of a route', () => {
  it('has the mount paths of Express in front, and no values of parameters in them', async () => {
    const cached = fallbackCache({ ttl: 60 })
    open.push(cached)
    const items = express5.Router({ mergeParams: true })
    items.get('/items/:id', (_req, res) => res.send('item'))
    items.get('/', (_req, res) => res.send('all'))
    const app = express5().use(cached)
    app.use('/shops/:shop', items)
    app.use(
      '/api',
      express5().use(
        '/v1',
        express5.Router().get(/^\/re.+/, (_req, res) => res.send('re')),
      ),
    )
    const site = await siteOf(app as unknown as RequestListener, cached.stats, gate())
    for (let shop = 0; shop < 20; shop++) for (const path of ['/items/1', '/']) await site.get(`/shops/${shop}${path}`)
    await site.get('/api/v1/regex')
    const found = site.traffic().routes.map(({ route }) => route)
    expect(found).toContain('/shops/0/items/:id')
    expect(found).toContain('/shops/7')
    expect(found).not.toContain('/shops/8')
    expect(found).toContain('*/items/:id')
    expect(found).toContain(String.raw`/api/v1/^\/re.+/`)
    expect(site.route('*/items/:id')?.requests.miss.origin).toBe(12)
    expect(site.route('*')?.requests.miss.origin).toBe(12)
  })

  it('has the mount path of koa-mount in front', async () => {
    const cached = koaCache({ ttl: 60 })
    open.push(cached)
    const inner = new Koa().use(
      new Router()
        .get('/u/:id', (ctx) => {
          ctx.body = 'user'
        })
        .routes(),
    )
    const app = new Koa().use(cached).use(mount('/api', inner))
    const site = await siteOf(app.callback(), cached.stats, gate())
    for (const id of [1, 2, 1]) await site.get(`/api/u/${id}`)
    expect(site.route('/api/u/:id')?.requests).toMatchObject({ hit: { memory: 1 }, miss: { origin: 2 } })
  })

  it('comes with the response from Redis, to a process that has never run the route', async () => {
    const server = await RedisServer.start()
    open.push({ close: async () => server.stop() })
    const start = async () => {
      const cached = fallbackCache({ ttl: 60, redis: server.url })
      open.push(cached)
      const app = express5().use(cached)
      app.get('/products/:id', (_req, res) => setTimeout(() => res.send('product'), 30))
      await until('connected', () => cached.stats().connected || undefined)
      return siteOf(app as unknown as RequestListener, cached.stats, gate())
    }
    const [one, other] = [await start(), await start()]
    await one.get('/products/1')
    await until('a hit', async () => (await other.get('/products/1')).cacheStatus.hit || undefined)
    expect(other.route('/products/:id')?.requests.hit.redis).toBe(1)
    expect(other.route('/products/:id')?.savedSeconds).toBeGreaterThan(0.02)
  })

  it('counts nested middlewares as one', async () => {
    const cached = fallbackCache({ ttl: 60 })
    open.push(cached)
    const app = express5().use(cached)
    app.get('/joined', cached.with({ ttl: 30 }), (_req, res) => res.send('joined'))
    app.get('/inner', cached.with({ skip: () => false }), (_req, res) => res.send('inner'))
    app.get('/skipped', cached.with({ skip: () => true }), (_req, res) => res.send('skipped'))
    const site = await siteOf(app as unknown as RequestListener, cached.stats, gate())
    for (const path of ['/joined', '/inner', '/skipped']) for (let at = 0; at < 2; at++) await site.get(path)
    expect(site.route('/joined')?.requests).toMatchObject({ hit: { memory: 1 }, miss: { origin: 1 } })
    expect(site.route('/inner')?.requests).toMatchObject({ hit: { memory: 1 }, miss: { origin: 1 } })
    expect(site.route('/skipped')?.requests).toMatchObject({ bypass: { origin: 2 } })
    expect(total(site.traffic().requests)).toBe(6)
  })
})

describe.each([
  ['Fastify', fastify],
  ['Hono', hono],
] as const)('the adapter for %s', (_name, host) => {
  it('tells the pattern of the route', async () => {
    const cached = (host as Host<CacheFace>).fallbackCache({ ttl: 60 })
    open.push(cached)
    const answer = () => ({ body: 'product' })
    const site = await (host as Host<CacheFace>).start({ use: [cached], routes: [{ path: '/products/:id', answer }] })
    open.push(site)
    for (const path of ['/products/1', '/products/1', '/products/2']) await ask(site.port, path)
    const found = cached.stats().traffic.routes.find(({ route }) => route === '/products/:id')
    expect(found?.requests).toMatchObject({ hit: { memory: 1 }, miss: { origin: 2 } })
  })
})
