import { createHash } from 'node:crypto'
import express, { type Express, type RequestHandler } from 'express'
import { fallbackCache } from 'fallback-cache/express'
import { Redis } from 'ioredis'
import type { Handler, Open, Setup } from './setup.js'

/** Express without a cache. */
export const uncached: Open = (_setup, handler) => ({ listener: application(handler) })

/** The least an Express middleware can do for a hit: look the URL up, write a head and a Buffer. Knows no HTTP. */
export const handWritten: Open = (_setup, handler) => {
  const kept = new Map<string, { readonly fields: Record<string, string | number>; readonly body: Buffer }>()
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
        kept.set(req.originalUrl, {
          fields: { 'Content-Type': type, 'Content-Length': body.length, ETag: etag },
          body,
        })
        return send.call(res, text)
      }
      next()
    }),
  }
}

/** The same with ioredis: `getBuffer`, auto-pipelined. */
export const handWrittenRedis: Open = ({ redisPort }, handler) => {
  const redis = new Redis({ host: '127.0.0.1', port: redisPort, enableAutoPipelining: true })
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

/** This library, memory answering while the log was looked at within a second. */
export const oursMemoryFirst: Open = (setup, handler) =>
  ours(setup, handler, { redis: urlOf(setup), read: 'memory-first' })

/** This library in memory, hits answered in front of Express. */
export const oursInFront: Open = (setup, handler) => ours(setup, handler, {}, true)

/** The same, every read asking Redis. */
export const oursInFrontRedis: Open = (setup, handler) => ours(setup, handler, { redis: urlOf(setup) }, true)

/** apicache in memory: with a Redis it needs node-redis 3. */
export const apicacheMemory: Open = async (_setup, handler) => {
  const { default: apicache } = await import('apicache')
  return { listener: application(handler, apicache.middleware('5 minutes')) }
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
    // Else a page with less than an hour left would be made anew at every request.
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

function ours(
  { maxEntries }: Setup,
  handler: Handler,
  options: { readonly redis?: string; readonly read?: 'memory-first' },
  inFront = false,
): ReturnType<Open> {
  const cached = fallbackCache({ ttl: 300, maxEntries, maxBytes: 2 ** 30, ...options })
  const app = application(handler, cached)
  const memoryBytes = () => cached.stats().memoryBytes
  return inFront ? { listener: app, server: cached.serve(app), memoryBytes } : { listener: app, memoryBytes }
}

function application(handler: Handler, cache?: RequestHandler): Express {
  const app = express().disable('x-powered-by')
  if (cache !== undefined) app.use(cache)
  app.get('/page/:id', (req, res, next) => {
    const page = handler.page(req.params.id)
    if (page instanceof Promise) page.then((made) => res.json(made), next)
    else res.json(page)
  })
  return app
}

function urlOf({ redisPort }: Setup): string {
  return `redis://127.0.0.1:${redisPort}`
}
