import { AsyncLocalStorage } from 'node:async_hooks'
import { execFile } from 'node:child_process'
import {
  channel,
  subscribe,
  type TracingChannelSubscribers,
  tracingChannel,
  unsubscribe,
} from 'node:diagnostics_channel'
import { promisify } from 'node:util'
import Router from '@koa/router'
import express from 'express'
import Koa from 'koa'
import { afterEach, describe, expect, it } from 'vitest'
import type { HandlerMessage, RequestMessage } from '../../src/index.js'
import { FallbackCache } from '../../src/index.js'
import { fallbackCache } from '../../src/middleware/express.js'
import { fallbackCache as koaCache } from '../../src/middleware/koa.js'
import { type Ask, ask } from '../middleware/hosts/client.js'
import { listen } from '../middleware/hosts/listen.js'
import { RedisServer } from '../support/redis-server.js'
import { until } from '../support/until.js'

const closing: (() => unknown)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

/** The messages of a channel while a test runs. */
function heard<Message>(name: string): Message[] {
  const messages: Message[] = []
  const listener = (message: unknown): void => {
    messages.push(message as Message)
  }
  subscribe(name, listener)
  closing.push(() => unsubscribe(name, listener))
  return messages
}

function traced(name: string): readonly [string, Record<string, unknown>][] {
  const events: [string, Record<string, unknown>][] = []
  const handlers = Object.fromEntries(
    ['start', 'end', 'asyncStart', 'asyncEnd', 'error'].map((event) => [
      event,
      (message: object) => events.push([event, { ...message }]),
    ]),
  ) as unknown as TracingChannelSubscribers<object>
  const tracing = tracingChannel(name)
  tracing.subscribe(handlers)
  closing.push(() => tracing.unsubscribe(handlers))
  return events
}

async function served(cached: ReturnType<typeof fallbackCache>, app: express.Express, isFront = false) {
  closing.push(() => cached.close())
  const site = await listen(isFront ? cached.serve(app) : (app as never))
  closing.push(() => site.close())
  return (path: string, options?: Ask) => ask(site.port, path, options)
}

describe.each([true, false])('fallback-cache:request, hits in front: %s', (isFront) => {
  it('tells each request once, with its route, its result and what it saved', async () => {
    const cached = fallbackCache({ ttl: 60, keyPrefix: 'shop:' })
    const app = express().use(cached)
    app.get('/products/:id', (_req, res) => setTimeout(() => res.send('0123456789'), 20))
    const get = await served(cached, app, isFront)
    const messages = heard<RequestMessage>('fallback-cache:request')
    await get('/products/1')
    await get('/products/1')
    await get('/products/1', { method: 'POST' })
    expect(messages.map(({ request: _, saved, ...rest }) => ({ ...rest, hasSaved: (saved ?? 0) > 0.01 }))).toEqual([
      {
        ...OF_SHOP,
        result: 'miss',
        tier: 'origin',
        reason: 'uri-miss',
        ttl: undefined,
        size: undefined,
        hasSaved: false,
      },
      { ...OF_SHOP, result: 'hit', tier: 'memory', reason: undefined, ttl: 60, size: 10, hasSaved: true },
      {
        ...{ keyPrefix: 'shop:', route: undefined, result: 'bypass', tier: 'origin', reason: 'method' },
        ...{ ttl: undefined, size: undefined, hasSaved: false },
      },
    ])
    expect(messages.map(({ request }) => (request as { url?: string }).url)).toEqual(Array(3).fill('/products/1'))
  })
})

const OF_SHOP = { keyPrefix: 'shop:', route: '/products/:id' }

describe('fallback-cache:handler', () => {
  it('tells each run, with the time it took, and gives it the stores that are bound to it', async () => {
    const cached = fallbackCache({ ttl: 60 })
    const app = express().use(cached)
    const storage = new AsyncLocalStorage<HandlerMessage>()
    const start = channel('tracing:fallback-cache:handler:start')
    start.bindStore(storage as AsyncLocalStorage<unknown>)
    closing.push(() => start.unbindStore(storage as AsyncLocalStorage<unknown>))
    const seen: unknown[] = []
    app.get('/products/:id', (_req, res) => {
      seen.push(storage.getStore()?.reason)
      setTimeout(() => res.send('product'), 20)
    })
    const get = await served(cached, app, true)
    const events = traced('fallback-cache:handler')
    for (let at = 0; at < 2; at++) await get('/products/1')
    expect(seen).toEqual(['uri-miss'])
    expect(events.map(([name]) => name)).toEqual(['start', 'end', 'asyncStart', 'asyncEnd'])
    const [, ended] = events[3] ?? []
    expect(ended).toMatchObject({ route: '/products/:id', result: true, reason: 'uri-miss' })
    expect(ended?.seconds).toBeGreaterThan(0.015)
  })

  it('tells runs of Koa, and their errors', async () => {
    const cached = koaCache({ ttl: 60 })
    closing.push(() => cached.close())
    const router = new Router().get('/broken', () => {
      throw new Error('broken')
    })
    const app = new Koa().use(cached).use(router.routes())
    app.silent = true
    const site = await listen(app.callback())
    closing.push(() => site.close())
    const events = traced('fallback-cache:handler')
    await ask(site.port, '/broken')
    expect(events.map(([name]) => name)).toContain('asyncEnd')
    expect(events.at(-1)?.[1]).toMatchObject({ route: '/broken', result: false })
  })
})

describe('fallback-cache:store and fallback-cache:invalidate', () => {
  it('tell what is stored and invalidated, and how it ended', async () => {
    const server = await RedisServer.start()
    closing.push(() => server.stop())
    const cache = new FallbackCache({ redis: server.url, defaultTtl: 60, keyPrefix: 'shop:' })
    closing.push(() => cache.close())
    await until('connected', () => cache.stats().connected || undefined)
    const [stores, invalidations] = [traced('fallback-cache:store'), traced('fallback-cache:invalidate')]
    await cache.set('a', 'value', { tags: ['t'] })
    await cache.getOrSet('b', () => 'value')
    await cache.invalidateTags(['t'])
    await until('both', () => stores.filter(([name]) => name === 'asyncEnd').length === 2 || undefined)
    expect(stores[0]).toEqual(['start', { keyPrefix: 'shop:', key: 'a', tags: ['t'], size: 7 }])
    expect(stores.find(([name]) => name === 'asyncEnd')?.[1]).toMatchObject({ result: true })
    expect(invalidations.at(-1)).toEqual([
      'asyncEnd',
      { keyPrefix: 'shop:', covers: ['tt'], result: { durable: true } },
    ])
  })

  it('tell of a cache without Redis too', async () => {
    const cache = new FallbackCache({ defaultTtl: 60 })
    closing.push(() => cache.close())
    const stores = traced('fallback-cache:store')
    await cache.set('a', 1)
    expect(stores.at(-1)).toEqual(['asyncEnd', { keyPrefix: '', key: 'a', tags: [], size: 1, result: false }])
    expect(await cache.get('a')).toBe(1)
  })
})

describe('the channels of events', () => {
  it('tell outages, recoveries and changes of the circuit breaker, and what is not stored', async () => {
    const server = await RedisServer.start()
    closing.push(() => server.stop())
    const logger = { info: () => {}, warn: () => {} }
    const cached = fallbackCache({ redis: server.url, ttl: 60, keyPrefix: 'shop:', logger })
    const app = express().use(cached)
    app.get('/own', (_req, res) => res.set('Cache-Control', 'no-store').send('own'))
    const get = await served(cached, app)
    const [outages, recoveries] = [heard<object>('fallback-cache:outage'), heard<object>('fallback-cache:recovery')]
    const skips = heard<object>('fallback-cache:skip')
    await until('connected', () => cached.stats().connected || undefined)
    await get('/own')
    expect(skips).toEqual([{ keyPrefix: 'shop:', key: expect.any(String), reason: 'no-store' }])
    await server.kill()
    await until('lost', () => outages.length > 0 || undefined)
    await server.restart()
    await until('back', () => recoveries.length > 1 || undefined, { timeout: 20_000 })
    expect(recoveries.at(-1)).toMatchObject({ keyPrefix: 'shop:', seconds: expect.any(Number) })
  })

  it('tell that the circuit breaker opens', async () => {
    const circuit = heard<object>('fallback-cache:circuit')
    const logger = { info: () => {}, warn: () => {} }
    const cache = new FallbackCache({ redis: 'redis://127.0.0.1:1', circuitBreaker: { threshold: 1 }, logger })
    closing.push(() => cache.close())
    await until('an opening', () => circuit.length > 0 || undefined)
    expect(circuit[0]).toEqual({ keyPrefix: '', from: 'closed', to: 'open' })
  })
})

describe('NODE_DEBUG=fallback-cache', () => {
  it('prints what happens to requests, without their queries', async () => {
    const program = `
      import express from 'express'
      import { fallbackCache } from './src/middleware/express.ts'
      const cached = fallbackCache({ ttl: 60 })
      const app = express().use(cached)
      app.get('/products/:id', (_req, res) => res.send('product'))
      const server = app.listen(0, async () => {
        for (let at = 0; at < 2; at++) await fetch('http://127.0.0.1:' + server.address().port + '/products/1?secret=1')
        await cached.invalidate('/products')
        server.close()
      })`
    const environment = { ...process.env, NODE_DEBUG: 'fallback-cache' }
    const args = ['--import', 'tsx', '--input-type=module', '-e', program]
    const { stderr } = await promisify(execFile)(process.execPath, args, { env: environment })
    expect(stderr).toMatch(/FALLBACK-CACHE \d+: miss origin GET \/products\/1 route=\/products\/:id reason=uri-miss\n/)
    expect(stderr).toMatch(/hit memory GET \/products\/1 route=\/products\/:id ttl=60 saved=[\d.]+s\n/)
    expect(stderr).toMatch(/invalidate /)
    expect(stderr).not.toContain('secret')
  })
})

describe("Server-Timing, with cacheStatus: 'debug'", () => {
  it('tells where the answer came from and what its handler took, after the timings of others', async () => {
    const cached = fallbackCache({ ttl: 60, cacheStatus: 'debug' })
    const app = express()
    app.use((_req, res, next) => {
      res.set('Server-Timing', 'db;dur=3')
      next()
    })
    app.use(cached)
    app.get('/page', (_req, res) => setTimeout(() => res.send('page'), 20))
    app.get('/own', (_req, res) => res.set('Cache-Control', 'no-store').send('own'))
    const get = await served(cached, app)
    expect((await get('/page')).field('server-timing')).toMatch(
      /^db;dur=3, cache;desc="miss uri-miss", handler;dur=[\d.]+$/,
    )
    expect((await get('/page')).field('server-timing')).toMatch(/^db;dur=3, cache;desc="hit memory", handler;dur=\d\d/)
    expect((await get('/own')).field('server-timing')).toContain('cache;desc="miss uri-miss"')
  })

  it('is not sent otherwise', async () => {
    const cached = fallbackCache({ ttl: 60 })
    const app = express().use(cached)
    app.get('/page', (_req, res) => res.send('page'))
    const get = await served(cached, app)
    for (let at = 0; at < 2; at++) expect((await get('/page')).field('server-timing')).toBeUndefined()
  })
})
