import { type FallbackCacheMiddleware, fallbackCache, type MiddlewareOptions } from 'fallback-cache/express'
import type { FastifyReply, FastifyRequest, onRequestHookHandler, onSendHookHandler } from 'fastify'
import { ignoreUnchanged, sendHeadLate } from './late-head.js'

/** A cache for Fastify 5: the two hooks, and all that the middleware carries (`invalidate`, `stats`, …). */
export type FastifyCache = FallbackCacheMiddleware & {
  /** For `onRequest`, of the instance or of a route; after the hooks whose fields are for each client anew. */
  readonly onRequest: onRequestHookHandler
  /** For `onSend` of the instance, once: tells the cache who is logged in. */
  readonly onSend: onSendHookHandler
}

/**
 * The cache as Fastify hooks:
 *
 * ```ts
 * const cached = fastifyCache({ ttl: 60 })
 * app.addHook('onRequest', cached.onRequest)
 * app.addHook('onSend', cached.onSend)
 * ```
 */
export function fastifyCache(options: MiddlewareOptions = {}): FastifyCache {
  const cached = fallbackCache(options)
  const onRequest: onRequestHookHandler = (request, reply, done) => {
    layFields(reply)
    cached(request.raw, reply.raw, (error) => done(error as Error | undefined))
  }
  const onSend: onSendHookHandler = (request, reply, payload, done) => {
    // The pattern of the route, for `stats().traffic.routes`.
    Object.assign(request.raw, whoeverIs(request), { route: { path: request.routeOptions.url } })
    // What the route has taken away of the fields that hooks in front of the cache have set.
    for (const name of reply.raw.getHeaderNames()) if (!reply.hasHeader(name)) reply.raw.removeHeader(name)
    ignoreUnchanged(reply.raw)
    if (typeof payload === 'string' || Buffer.isBuffer(payload)) sendHeadLate(reply.raw)
    done(null, payload)
  }
  return Object.assign(cached, { onRequest, onSend })
}

/** Fastify keeps its fields to itself until the end; the cache has to see what hooks in front of it have set. */
function layFields(reply: FastifyReply): void {
  for (const [name, value] of Object.entries(reply.getHeaders())) {
    if (value !== undefined) reply.raw.setHeader(name, value)
  }
}

/** What authentication and session plugins decorate a request with. */
function whoeverIs(request: FastifyRequest): { readonly user?: unknown; readonly session?: unknown } {
  const { user, session } = request as FastifyRequest & { readonly user?: unknown; readonly session?: unknown }
  return { user, session }
}
