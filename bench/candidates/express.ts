import { createHash } from 'node:crypto'
import type { OutgoingHttpHeaders } from 'node:http'
import { Readable } from 'node:stream'
import compression from 'compression'
import express, { type Express, type RequestHandler } from 'express'
import { type FallbackCacheMiddleware, fallbackCache } from 'fallback-cache/express'
import { Redis } from 'ioredis'
import { boundsOf, type Candidate, type Handler, type Open, type Setup } from './setup.js'

/** Express without a cache. */
export const uncached: Open = (_setup, handler) => ({ listener: application(handler) })

/** The least an Express middleware can do for a hit: look the URL up, write a head and a Buffer. Knows no HTTP. */
export const handWritten: Open = (_setup, handler) => {
  const kept = new Map<string, { readonly fields: OutgoingHttpHeaders; readonly body: Buffer }>()
  return {
    listener: application(handler, (req, res, next) => {
      const hit = kept.get(req.originalUrl)
      if (hit !== undefined) {
        res.writeHead(200, hit.fields)
        res.end(hit.body)
        return
      }
      const { send } = res
      res.send = (text) => {
        const body = Buffer.from(String(text))
        const etag = `"${createHash('sha1').update(body).digest('base64url')}"`
        const type = 'application/json; charset=utf-8'
        const own = { 'Content-Type': type, 'Content-Length': body.length, ETag: etag }
        kept.set(req.originalUrl, { fields: { ...Object.fromEntries(handler.fields), ...own }, body })
        return send.call(res, text)
      }
      next()
    }),
  }
}

/** The same with ioredis: `getBuffer`, auto-pipelined. */
export const handWrittenRedis: Open = ({ redisPort }, handler) => {
  const redis = clientOf(redisPort, 1)
  return {
    listener: application(handler, (req, res, next) => {
      redis.getBuffer(req.originalUrl).then((body) => {
        if (body !== null) {
          res.writeHead(200, { 'Content-Type': 'application/json; charset=utf-8', 'Content-Length': body.length })
          res.end(body)
          return
        }
        const { send } = res
        res.send = (text) => {
          redis.set(req.originalUrl, String(text), 'EX', 300).catch(() => {})
          return send.call(res, text)
        }
        next()
      }, next)
    }),
  }
}

/** This library in memory. */
export const oursMemory: Open = (setup, handler) => ours(setup, handler, {})

/** This library, every read asking Redis. */
export const oursRedis: Open = (setup, handler) => ours(setup, handler, { redis: urlOf(setup) })

/** The same with room for one entry in memory: each hit moves its body from Redis. */
export const oursRedisOnly: Open = (setup, handler) => ours(setup, handler, { redis: urlOf(setup), maxEntries: 1 })

/** This library, memory answering while the log was looked at within a second. */
export const oursMemoryFirst: Open = (setup, handler) =>
  ours(setup, handler, { redis: urlOf(setup), read: 'memory-first' })

/** This library, memory answering what Redis confirms. */
export const oursConfirmed: Open = (setup, handler) => ours(setup, handler, { redis: urlOf(setup), read: 'confirmed' })

/** This library in front of Express, in memory. */
export const oursInFront: Open = (setup, handler) => inFront(setup, handler, {})

/** The same, every read asking Redis. */
export const oursInFrontRedis: Open = (setup, handler) => inFront(setup, handler, { redis: urlOf(setup) })

/** The same, memory answering what Redis confirms. */
export const oursInFrontConfirmed: Open = (setup, handler) =>
  inFront(setup, handler, { redis: urlOf(setup), read: 'confirmed' })

/** The middleware in memory with all metrics on; see {@link watched}. */
export const oursWatched: Open = async (setup, handler) => {
  const { watched } = await import('./watched.js')
  return ours(setup, handler, {}, (cached) => watched(cached, setup))
}

/** The same in front of the framework. */
export const oursInFrontWatched: Open = async (setup, handler) => {
  const { watched } = await import('./watched.js')
  return inFront(setup, handler, {}, (cached) => watched(cached, setup))
}

/** This library in memory, passing every request by. */
export const oursSkipping: Open = (setup, handler) => ours(setup, handler, { skip: () => true })

/** This library in memory, keeping compressed forms beside what the handler made. */
export const oursPrecompressed: Open = (setup, handler) => ours(setup, handler, { precompress: ['br', 'gzip'] })

/** This library in memory behind what compresses each answer again. */
export const oursCompressed: Open = (setup, handler) => {
  const cached = fallbackCache({ ttl: 300, ...boundsOf(setup) })
  return { listener: application(handler, compression(), cached) }
}

/** apicache in memory: with a Redis it needs node-redis 3. */
export const apicacheMemory: Open = async (_setup, handler) => {
  const { default: apicache } = await import('apicache')
  return { listener: application(handler, apicache.middleware('5 minutes')) }
}

/** apicache-plus in memory. */
export const apicachePlusMemory: Open = async (_setup, handler) => {
  const { default: apicache } = await import('apicache-plus')
  return { listener: application(handler, apicache.middleware('5 minutes')) }
}

/** apicache-plus in Redis, through ioredis. */
export const apicachePlusRedis: Open = async ({ redisPort }, handler) => {
  const { default: apicache } = await import('apicache-plus')
  const cache = apicache.newInstance({ redisClient: clientOf(redisPort, 3) })
  return { listener: application(handler, cache.middleware('5 minutes')) }
}

/** route-cache in Redis, through ioredis. */
export const routeCacheRedis: Open = async ({ redisPort }, handler) => {
  const { default: routeCache } = await import('route-cache')
  const { default: IoRedisStore } = await import('route-cache/ioRedisStore.js')
  routeCache.config({ cacheStore: new IoRedisStore(clientOf(redisPort, 4)) })
  return { listener: application(handler, routeCache.cacheSeconds(300)) }
}

/** route-cache in memory. */
export const routeCacheMemory: Open = async (_setup, handler) => {
  const { default: routeCache } = await import('route-cache')
  return { listener: application(handler, routeCache.cacheSeconds(300)) }
}

/** cacheable-response in memory; it takes the place of the handler. */
export const cacheableResponseMemory: Open = async (_setup, handler) => {
  const { default: cacheableResponse } = await import('cacheable-response')
  const answer = cacheableResponse({
    // Else a page with less than an hour left would be made again at every request.
    staleTtl: false,
    get: async ({ req }) => ({
      data: JSON.stringify(await handler.page((req.url ?? '').slice(6).split('?')[0] ?? '')),
      ttl: 300_000,
    }),
    send: ({ data, res }) => {
      res.setHeader('Content-Type', 'application/json; charset=utf-8')
      res.end(data)
    },
  })
  const app = express().disable('x-powered-by')
  app.use((req, res, next) => void answer({ req, res }).catch(next))
  return { listener: app }
}

/** express-redis-cache, which brings node-redis 2. */
export const expressRedisCache: Open = async ({ redisPort }, handler) => {
  const { default: openExpressRedisCache } = await import('express-redis-cache')
  const cache = openExpressRedisCache({ host: '127.0.0.1', port: redisPort, expire: 300 })
  cache.on('error', () => {})
  return { listener: application(handler, cache.route()) }
}

function ours(setup: Setup, handler: Handler, options: object, also: Also = asItIs): Candidate {
  const cached = also(fallbackCache({ ttl: 300, ...boundsOf(setup), ...options }))
  return { listener: application(handler, cached), memoryBytes: () => cached.stats().memoryBytes }
}

function inFront(setup: Setup, handler: Handler, options: object, also: Also = asItIs): Candidate {
  const cached = also(fallbackCache({ ttl: 300, ...boundsOf(setup), ...options }))
  return {
    listener: cached.serve(application(handler, cached)),
    answered: () => {
      const { memoryHits, redisHits, misses, bypassed } = cached.stats().counters
      return memoryHits + redisHits + misses + bypassed
    },
    memoryBytes: () => cached.stats().memoryBytes,
  }
}

/** The application that all have in common, behind these middlewares. */
export function application(handler: Handler, ...caches: readonly RequestHandler[]): Express {
  const app = express().disable('x-powered-by')
  for (const cache of caches) app.use(cache)
  const send: RequestHandler<{ id: string }> = (req, res, next) => {
    for (const [name, value] of handler.fields) res.setHeader(name, value)
    const page = handler.page(req.params.id)
    if (page instanceof Promise) page.then((made) => res.json(made), next)
    else res.json(page)
  }
  app.get('/page/:id', send)
  app.post('/page/:id', send)
  app.get('/stream/:id', (req, res) => {
    res.type('json')
    Readable.from(handler.stream(req.params.id), { objectMode: false }).pipe(res)
  })
  return app
}

/** Candidates that name their keys by the path alone have a database each. */
function clientOf(port: number, db: number): Redis {
  return new Redis({ host: '127.0.0.1', port, db, enableAutoPipelining: true })
}

function urlOf({ redisPort }: Setup): string {
  return `redis://127.0.0.1:${redisPort}`
}

/** What is done with the middleware besides. */
type Also = (cached: FallbackCacheMiddleware) => FallbackCacheMiddleware

const asItIs: Also = (cached) => cached
