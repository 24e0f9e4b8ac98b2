import type { RequestListener, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import apicache from 'apicache'
import apicachePlus from 'apicache-plus'
import cacheableResponse from 'cacheable-response'
import express, { type RequestHandler } from 'express'
import redisCache from 'express-redis-cache'
import { Redis } from 'ioredis'
import Koa from 'koa'
import koaCash from 'koa-cash'
import routeCache from 'route-cache'
import IoRedisStore from 'route-cache/ioRedisStore.js'
import { fallbackCache } from '../../src/middleware/express.js'
import { RedisServer } from '../support/redis-server.js'

// The caches that are compared, each as its documentation says, in front of the same handler.

/** What a handler is asked. */
export interface Asked {
  readonly path: string
  readonly host: string
  readonly field: (name: string) => string
  /** How often the handler has run, this run included. */
  readonly run: number
}

/** What a handler answers. */
export interface Made {
  readonly status?: number
  readonly fields?: Readonly<Record<string, string>>
  readonly body: string | Buffer
  /** The body breaks off in the middle. */
  readonly breaks?: boolean
}

export type Handler = (asked: Asked) => Made | Promise<Made>

export interface Site {
  readonly listener: RequestListener
  /** Takes the page of a path out of the cache. @param request requests that page, with a query */
  clear(path: string, request: (query: string) => unknown): unknown
  close(): unknown
}

export interface Peer {
  readonly name: string
  open(handler: Handler): Site | Promise<Site>
  /** Over a Redis that does not answer; `undefined` where the peer needs a client that this repository does not have. */
  readonly openWithoutRedis?: (handler: Handler) => Site
}

/** A port on which nothing listens. */
const CLOSED = 1

export const PEERS: readonly Peer[] = [
  {
    name: 'fallback-cache',
    open: (handler) => ours(handler, {}),
    openWithoutRedis: (handler) => ours(handler, { redis: `redis://127.0.0.1:${CLOSED}`, logger: SILENT }),
  },
  {
    name: 'apicache',
    open(handler) {
      apicache.clear()
      const clear = (path: string) => apicache.clear(path)
      return { listener: onExpress(handler, apicache.middleware('1 minute')), clear, close: () => apicache.clear() }
    },
  },
  {
    name: 'apicache-plus',
    open: (handler) => apicachePlusCached(handler, undefined),
    openWithoutRedis: (handler) => apicachePlusCached(handler, deadClient()),
  },
  {
    name: 'route-cache',
    open: (handler) => routeCached(handler, undefined),
    openWithoutRedis: (handler) => routeCached(handler, deadClient()),
  },
  {
    // It stores nothing on Node.js 24 and later, which have no res._headers.
    name: 'express-redis-cache',
    open: async (handler) => redisCached(handler, (await ownRedis()).port),
    openWithoutRedis: (handler) => redisCached(handler, CLOSED),
  },
  {
    name: 'cacheable-response',
    open(handler) {
      // It has no call that clears, but makes a page again for a query of its own.
      const clear = (_: string, request: (query: string) => unknown) => request('?force=true')
      return { listener: onCacheableResponse(handler), clear, close: () => {} }
    },
  },
  {
    name: 'koa-cash',
    open(handler) {
      const kept = new Map<string, unknown>()
      const store = { get: (key: string) => kept.get(key), set: (key: string, value: unknown) => kept.set(key, value) }
      return { listener: onKoa(handler, store), clear: (path) => kept.delete(path), close: () => kept.clear() }
    },
    openWithoutRedis(handler) {
      const client = deadClient()
      const store = {
        get: async (key: string) => JSON.parse((await client.get(key)) ?? 'null') as unknown,
        set: (key: string, value: unknown) => client.set(key, JSON.stringify(value)),
      }
      return { listener: onKoa(handler, store), clear: () => {}, close: () => client.disconnect() }
    },
  },
]

const SILENT = { debug() {}, info() {}, warn() {}, error() {} }

function ours(handler: Handler, options: object): Site {
  const cached = fallbackCache({ ttl: 60, ...options })
  return {
    listener: onExpress(handler, cached),
    clear: (path) => cached.invalidate(path),
    close: () => cached.close(),
  }
}

function routeCached(handler: Handler, client: Redis | undefined): Site {
  routeCache.clearCache()
  routeCache.config({ cacheStore: client === undefined ? routeCacheMemory : new IoRedisStore(client) })
  const clear = (path: string) => routeCache.removeCache(path)
  return {
    listener: onExpress(handler, routeCache.cacheSeconds(60)),
    clear,
    close() {
      routeCache.config({ cacheStore: routeCacheMemory })
      client?.disconnect()
    },
  }
}

function apicachePlusCached(handler: Handler, redisClient: Redis | undefined): Site {
  const cache = apicachePlus.newInstance(redisClient === undefined ? {} : { redisClient })
  const clear = (url: string) => cache.clear(cache.getKey({ method: 'GET', url, params: {} }))
  const listener = onExpress(handler, cache.middleware('1 minute'))
  return { listener, clear, close: () => (redisClient === undefined ? cache.clear() : redisClient.disconnect()) }
}

function redisCached(handler: Handler, port: number): Site {
  const cache = redisCache({ host: '127.0.0.1', port, expire: 60 })
  cache.on('error', () => {})
  const clear = (path: string) => new Promise<void>((resolve) => cache.del(path, resolve))
  return { listener: onExpress(handler, cache.route()), clear, close: () => cache.client.end(false) }
}

let redis: Promise<RedisServer> | undefined

/** The Redis of the peers that have no memory of their own. */
function ownRedis(): Promise<RedisServer> {
  redis ??= RedisServer.start()
  return redis
}

/** Ends what the peers have used. */
export async function closePeers(): Promise<void> {
  await (await redis)?.stop()
}

/** The store that route-cache has unless another is given. */
const routeCacheMemory = routeCache.cacheStore

function deadClient(): Redis {
  const client = new Redis({ host: '127.0.0.1', port: CLOSED, maxRetriesPerRequest: 0, retryStrategy: () => 50 })
  client.on('error', () => {})
  return client
}

function onExpress(handler: Handler, cache: RequestHandler): RequestListener {
  let runs = 0
  const app = express().disable('x-powered-by')
  app.use(cache)
  app.use(async (req, res) => {
    runs += 1
    const field = (name: string) => req.get(name) ?? ''
    const made = await handler({ path: req.path, host: req.host, field, run: runs })
    res.status(made.status ?? 200).set({ 'Content-Type': 'text/plain', ...made.fields })
    if (made.breaks !== true) res.send(made.body)
    else
      broken(made)
        .on('error', () => res.destroy())
        .pipe(res)
  })
  app.use(((_error, _req, res, _next) => {
    if (!res.headersSent) res.status(500).end()
  }) as express.ErrorRequestHandler)
  return app
}

/** With `get` and `send`, as its documentation shows, in place of a handler. */
function onCacheableResponse(handler: Handler): RequestListener {
  let runs = 0
  const app = express().disable('x-powered-by')
  const cached = cacheableResponse({
    get: async (exchange) => {
      const req = exchange.req as express.Request
      runs += 1
      const field = (name: string) => req.get(name) ?? ''
      const {
        status = 200,
        fields = {},
        body,
        breaks,
      } = await handler({ path: req.path, host: req.host, field, run: runs })
      if (breaks === true) throw new Error('the body breaks off')
      return { data: { status, fields, body } }
    },
    send: ({ data, res }: { data: Made; res: ServerResponse }) =>
      (res as express.Response)
        .status(data.status ?? 200)
        .set({ 'Content-Type': 'text/plain', ...data.fields })
        .send(data.body),
  })
  app.use((req, res) => cached({ req, res }))
  app.use(((_error, _req, res, _next) => {
    if (!res.headersSent) res.status(500).end()
  }) as express.ErrorRequestHandler)
  return app
}

function onKoa(handler: Handler, store: Parameters<typeof koaCash>[0]): RequestListener {
  let runs = 0
  const app = new Koa()
  app.silent = true
  app.use(koaCash(store))
  app.use(async (ctx) => {
    // koa-cash has no types for what it adds to ctx.
    if (await (ctx as unknown as { cashed(): Promise<boolean> }).cashed()) return
    runs += 1
    const made = await handler({ path: ctx.path, host: ctx.host, field: (name) => ctx.get(name), run: runs })
    ctx.set({ 'Content-Type': 'text/plain', ...made.fields })
    ctx.body = made.breaks === true ? broken(made) : made.body
    ctx.status = made.status ?? 200
  })
  return app.callback()
}

/** A body that ends with an error after its first half. */
function broken({ body }: Made): Readable {
  return Readable.from(
    (async function* () {
      yield body.slice(0, body.length / 2)
      await new Promise((resolve) => setTimeout(resolve, 20))
      throw new Error('the body breaks off')
    })(),
  )
}
