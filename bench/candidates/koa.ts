import { createHash } from 'node:crypto'
import type { RequestListener } from 'node:http'
import { fallbackCache } from 'fallback-cache/koa'
import { Redis } from 'ioredis'
import Koa, { type Middleware } from 'koa'
import { idOf } from '../page.js'
import type { Handler, Open, Setup } from './setup.js'

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
  const redis = new Redis({ host: '127.0.0.1', port: redisPort, enableAutoPipelining: true })
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

/** This library in memory, hits answered in front of Koa. */
export const oursInFront: Open = (setup, handler) => ours(setup, handler, {}, true)

/** The same, every read asking Redis. */
export const oursInFrontRedis: Open = (setup, handler) =>
  ours(setup, handler, { redis: `redis://127.0.0.1:${setup.redisPort}` }, true)

/** koa-cash over a Map. */
export const koaCashMemory: Open = async (_setup, handler) => {
  const { default: koaCash } = await import('koa-cash')
  const kept = new Map<string, unknown>()
  const cash = koaCash({ get: (key) => kept.get(key), set: (key, value) => kept.set(key, value) })
  return {
    listener: application(handler, cash, async (ctx, next) => {
      // koa-cash has no types for what it adds to ctx.
      if (await (ctx as unknown as { cashed(): Promise<boolean> }).cashed()) return
      await next()
    }),
  }
}

function ours(
  { maxEntries }: Setup,
  handler: Handler,
  options: { readonly redis?: string },
  inFront = false,
): ReturnType<Open> {
  const cached = fallbackCache({ ttl: 300, maxEntries, maxBytes: 2 ** 30, ...options })
  const app = koa(handler, cached)
  const memoryBytes = () => cached.stats().memoryBytes
  return { listener: app.callback(), memoryBytes, ...(inFront && { server: cached.serve(app) }) }
}

function application(handler: Handler, ...caches: readonly Middleware[]): RequestListener {
  return koa(handler, ...caches).callback()
}

function koa(handler: Handler, ...caches: readonly Middleware[]): Koa {
  const app = new Koa()
  for (const cache of caches) app.use(cache)
  app.use(async (ctx) => {
    const page = handler.page(idOf(ctx.path))
    ctx.body = page instanceof Promise ? await page : page
  })
  return app
}
