import type {
  FastifyPluginCallback,
  FastifyReply,
  FastifyRequest,
  onRequestHookHandler,
  onSendHookHandler,
} from 'fastify'
import type { Explanation, RequestDescription } from '../index.js'
import {
  fallbackCache as expressCache,
  type FallbackCacheMiddleware,
  type MiddlewareOptions,
} from '../middleware/express.js'
import { ignoreUnchanged, sendHeadLate } from './late-head.js'

/** The options of {@link fallbackCache}; functions in them are called with the request of Node.js (`request.raw`). */
export type FastifyCacheOptions = MiddlewareOptions

/** The two hooks of a cache, for the options of a route: `app.get('/report', cached.hooks, handler)`. */
export interface FastifyCacheHooks {
  readonly onRequest: onRequestHookHandler
  readonly onSend: onSendHookHandler
}

/** A plugin for Fastify 5, and the controls of its cache (`invalidate`, `stats` and others). */
export interface FastifyCache
  extends FastifyPluginCallback,
    Pick<FallbackCacheMiddleware, 'cache' | 'invalidate' | 'invalidateTags' | 'stats' | 'close'> {
  /** The hooks for a single route, or for `addHook`. */
  readonly hooks: FastifyCacheHooks
  /** The same cache with other options, for a single route. Options that are not given are unchanged. */
  with(options: Parameters<FallbackCacheMiddleware['with']>[0]): FastifyCache
  /** Explains what the cache would do with a request, and why. See `explain` of `fallback-cache/express`. */
  explain(request: FastifyRequest | RequestDescription): Promise<Explanation>
}

/**
 * Creates a plugin that answers requests from the cache and stores the responses of handlers (RFC 9111). It holds for
 * the routes that are registered after it in the same instance, and closes its cache together with the instance.
 *
 * ```ts
 * const cached = fallbackCache({ ttl: 60 })
 * await app.register(cached)
 * ```
 *
 * Register it after plugins whose `onRequest` hooks must run for every request, such as authentication and CORS.
 *
 * @throws TypeError or RangeError for invalid options
 */
export function fallbackCache(options: FastifyCacheOptions = {}): FastifyCache {
  return fastifyCache(expressCache(options))
}

function fastifyCache(cached: FallbackCacheMiddleware): FastifyCache {
  const hooks = hooksOf(cached)
  const plugin: FastifyPluginCallback = (instance, _options, done) => {
    instance.addHook('onRequest', hooks.onRequest)
    instance.addHook('onSend', hooks.onSend)
    instance.addHook('onClose', () => cached.close())
    done()
  }
  const { cache, invalidate, invalidateTags, stats, close } = cached
  return Object.assign(plugin, PLUGIN, {
    cache,
    invalidate,
    invalidateTags,
    stats,
    close,
    hooks,
    with: (refinement: Parameters<FallbackCacheMiddleware['with']>[0]) => fastifyCache(cached.with(refinement)),
    explain: (request: FastifyRequest | RequestDescription) =>
      cached.explain('raw' in request ? (request as FastifyRequest).raw : (request as RequestDescription)),
  })
}

/** What `fastify-plugin` sets: the hooks hold for the instance that registers the plugin. */
const PLUGIN = {
  [Symbol.for('skip-override')]: true,
  [Symbol.for('fastify.display-name')]: 'fallback-cache',
  [Symbol.for('plugin-meta')]: { name: 'fallback-cache', fastify: '5.x' },
}

function hooksOf(cached: FallbackCacheMiddleware): FastifyCacheHooks {
  return {
    onRequest(request, reply, done) {
      layFields(reply)
      cached(request.raw, reply.raw, (error) => done(error as Error | undefined))
    },
    onSend(request, reply, payload, done) {
      // The pattern of the route, for `stats().traffic.routes`.
      Object.assign(request.raw, loggedIn(request), { route: { path: request.routeOptions.url } })
      // Fields that hooks in front of the cache have set and the route has removed.
      for (const name of reply.raw.getHeaderNames()) if (!reply.hasHeader(name)) reply.raw.removeHeader(name)
      ignoreUnchanged(reply.raw)
      if (typeof payload === 'string' || Buffer.isBuffer(payload)) sendHeadLate(reply.raw)
      done(null, payload)
    },
  }
}

/** Fastify keeps its fields to itself until the end; the cache must see those that hooks in front of it have set. */
function layFields(reply: FastifyReply): void {
  for (const [name, value] of Object.entries(reply.getHeaders())) {
    if (value !== undefined) reply.raw.setHeader(name, value)
  }
}

/** The properties that authentication and session plugins add to a request. */
function loggedIn(request: FastifyRequest): { readonly user?: unknown; readonly session?: unknown } {
  const { user, session } = request as FastifyRequest & { readonly user?: unknown; readonly session?: unknown }
  return { user, session }
}
