import { createHash } from 'node:crypto'
import type { RequestListener } from 'node:http'
import { Readable } from 'node:stream'
import { type FallbackCacheMiddleware, fallbackCache } from 'fallback-cache/koa'
import { Redis } from 'ioredis'
import Koa, { type Middleware } from 'koa'
import { idOf } from '../page.js'
import { boundsOf, type Candidate, type Handler, type Open, type Setup } from './setup.js'

/** Koa without a cache. */
export const uncached: Open = (_setup, handler) => ({ listener: application(handler) })

/** The least a Koa middleware can do for a hit. Knows no HTTP. */
export const handWritten: Open = (_setup, handler) => {
  const kept = new Map<string, { readonly etag: string; readonly body: Buffer }>()
  return {
    listener: application(handler, async (ctx, next) => {
      const hit = kept.get(ctx.originalUrl)
      if (hit !== undefined) {
        ctx.body = hit.body
        ctx.res.setHeader('Content-Type', 'application/json; charset=utf-8')
        ctx.res.setHeader('ETag', hit.etag)
        for (const [name, value] of handler.fields) ctx.res.setHeader(name, value)
        return
      }
      await next()
      const body = Buffer.from(JSON.stringify(ctx.body))
      kept.set(ctx.originalUrl, { etag: `"${createHash('sha1').update(body).digest('base64url')}"`, body })
    }),
  }
}

/** The same with ioredis: `getBuffer`, auto-pipelined. */
export const handWrittenRedis: Open = ({ redisPort }, handler) => {
  const redis = new Redis({ host: '127.0.0.1', port: redisPort, db: 2, enableAutoPipelining: true })
  return {
    listener: application(handler, async (ctx, next) => {
      const hit = await redis.getBuffer(ctx.originalUrl)
      if (hit !== null) {
        ctx.body = hit
        ctx.res.setHeader('Content-Type', 'application/json; charset=utf-8')
        return
      }
      await next()
      redis.set(ctx.originalUrl, JSON.stringify(ctx.body), 'EX', 300).catch(() => {})
    }),
  }
}

/** This library in memory. */
export const oursMemory: Open = (setup, handler) => ours(setup, handler, {})

/** This library, every read asking Redis. */
export const oursRedis: Open = (setup, handler) =>
  ours(setup, handler, { redis: `redis://127.0.0.1:${setup.redisPort}` })

/** The same with room for one entry in memory: each hit moves its body from Redis. */
export const oursRedisOnly: Open = (setup, handler) =>
  ours(setup, handler, { redis: `redis://127.0.0.1:${setup.redisPort}`, maxEntries: 1 })

/** This library, memory answering what Redis confirms. */
export const oursConfirmed: Open = (setup, handler) =>
  ours(setup, handler, { redis: `redis://127.0.0.1:${setup.redisPort}`, read: 'confirmed' })

/** This library in front of Koa, in memory. */
export const oursInFront: Open = (setup, handler) => inFront(setup, handler, {})

/** The same, every read asking Redis. */
export const oursInFrontRedis: Open = (setup, handler) =>
  inFront(setup, handler, { redis: `redis://127.0.0.1:${setup.redisPort}` })

/** The same, memory answering what Redis confirms. */
export const oursInFrontConfirmed: Open = (setup, handler) =>
  inFront(setup, handler, { redis: `redis://127.0.0.1:${setup.redisPort}`, read: 'confirmed' })

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

/** koa-cash over a Map. */
export const koaCashMemory: Open = (_setup, handler) => {
  const kept = new Map<string, unknown>()
  return koaCashOver(handler, { get: (key) => kept.get(key), set: (key, value) => kept.set(key, value) })
}

/** koa-cash over ioredis. */
export const koaCashRedis: Open = ({ redisPort }, handler) => {
  const redis = new Redis({ host: '127.0.0.1', port: redisPort, db: 5, enableAutoPipelining: true })
  return koaCashOver(handler, {
    get: async (key) => JSON.parse((await redis.get(key)) ?? 'null') as unknown,
    set: (key, value) => redis.set(key, JSON.stringify(value), 'EX', 300),
  })
}

interface CashStore {
  get(key: string): unknown
  set(key: string, value: unknown): unknown
}

async function koaCashOver(handler: Handler, store: CashStore): Promise<Candidate> {
  const { default: koaCash } = await import('koa-cash')
  const cash = koaCash(store)
  return {
    listener: application(handler, cash, async (ctx, next) => {
      // koa-cash has no types for what it adds to ctx.
      if (await (ctx as unknown as { cashed(): Promise<boolean> }).cashed()) return
      await next()
    }),
  }
}

function ours(setup: Setup, handler: Handler, options: object, also: Also = asItIs): Candidate {
  const cached = also(fallbackCache({ ttl: 300, ...boundsOf(setup), ...options }))
  return { listener: application(handler, cached), memoryBytes: () => cached.stats().memoryBytes }
}

function inFront(setup: Setup, handler: Handler, options: object, also: Also = asItIs): Candidate {
  const cached = also(fallbackCache({ ttl: 300, ...boundsOf(setup), ...options }))
  return {
    listener: cached.serve(koa(handler, cached)),
    answered: () => {
      const { memoryHits, redisHits, misses, bypassed } = cached.stats().counters
      return memoryHits + redisHits + misses + bypassed
    },
    memoryBytes: () => cached.stats().memoryBytes,
  }
}

/** The listener of the application that all have in common, behind these middlewares. */
export function application(handler: Handler, ...caches: readonly Middleware[]): RequestListener {
  return koa(handler, ...caches).callback()
}

function koa(handler: Handler, ...caches: readonly Middleware[]): Koa {
  const app = new Koa()
  for (const cache of caches) app.use(cache)
  app.use(async (ctx) => {
    if (ctx.path.startsWith('/stream/')) {
      ctx.type = 'json'
      ctx.body = Readable.from(handler.stream(ctx.path.slice('/stream/'.length)), { objectMode: false })
      return
    }
    for (const [name, value] of handler.fields) ctx.res.setHeader(name, value)
    const page = handler.page(idOf(ctx.path))
    ctx.body = page instanceof Promise ? await page : page
  })
  return app
}

/** What is done with the middleware besides. */
type Also = (cached: FallbackCacheMiddleware) => FallbackCacheMiddleware

const asItIs: Also = (cached) => cached
