import type { ServerResponse } from 'node:http'
import type { HttpBindings } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import type { Context, MiddlewareHandler, Next } from 'hono'
import { routePath } from 'hono/route'
import type { Explanation, RequestDescription } from '../index.js'
import {
  fallbackCache as expressCache,
  type FallbackCacheMiddleware,
  type MiddlewareOptions,
} from '../middleware/express.js'
import { sendHeadLate } from './late-head.js'

/** The options of {@link fallbackCache}; functions in them are called with the request of Node.js (`c.env.incoming`). */
export type HonoCacheOptions = MiddlewareOptions

/** The types of a Hono application on `@hono/node-server`: `new Hono<HonoEnv>()`. */
export interface HonoEnv {
  Bindings: HttpBindings
  Variables: { user?: unknown; session?: unknown }
}

/** A middleware for Hono on `@hono/node-server`, and the controls of its cache (`invalidate`, `stats` and others). */
export interface HonoCache
  extends MiddlewareHandler<HonoEnv>,
    Pick<FallbackCacheMiddleware, 'cache' | 'invalidate' | 'invalidateTags' | 'stats' | 'close'> {
  /** The same cache with other options, for a single route. Options that are not given are unchanged. */
  with(options: Parameters<FallbackCacheMiddleware['with']>[0]): HonoCache
  /** Explains what the cache would do with a request, and why. See `explain` of `fallback-cache/express`. */
  explain(request: Context<HonoEnv> | RequestDescription): Promise<Explanation>
}

/**
 * Creates a middleware that answers requests from the cache and stores the responses of handlers (RFC 9111), as they are
 * sent to the socket.
 *
 * ```ts
 * const app = new Hono<HonoEnv>()
 * app.use(fallbackCache({ ttl: 60 }))
 * serve({ fetch: app.fetch, port: 3000 })
 * ```
 *
 * It needs the requests and responses of Node.js, which `@hono/node-server` passes on; elsewhere each request is an
 * error that says so.
 *
 * @throws TypeError or RangeError for invalid options
 */
export function fallbackCache(options: HonoCacheOptions = {}): HonoCache {
  return honoCache(expressCache(options))
}

function honoCache(cached: FallbackCacheMiddleware): HonoCache {
  const middleware: MiddlewareHandler<HonoEnv> = async (c, next) => {
    const { incoming, outgoing } = nodeOf(c)
    for (const [name, value] of c.res.headers) outgoing.appendHeader(name, value)
    forgetResponse(c)
    let isGone = false
    const goesOn = await new Promise<boolean>((resolve, reject) => {
      outgoing.once('close', () => {
        isGone = true
        resolve(false)
      })
      cached(incoming as never, outgoing as never, (error) => (error === undefined ? resolve(true) : reject(error)))
    })
    if (goesOn) return run(c, next, () => isGone)
    return RESPONSE_ALREADY_SENT
  }
  const { cache, invalidate, invalidateTags, stats, close } = cached
  return Object.assign(middleware, {
    cache,
    invalidate,
    invalidateTags,
    stats,
    close,
    with: (refinement: Parameters<FallbackCacheMiddleware['with']>[0]) => honoCache(cached.with(refinement)),
    explain: (request: Context<HonoEnv> | RequestDescription) =>
      cached.explain(
        'env' in request ? (nodeOf(request as Context<HonoEnv>).incoming as never) : (request as RequestDescription),
      ),
  })
}

/** @throws TypeError if the application does not run on `@hono/node-server` */
function nodeOf({ env }: Context<HonoEnv>): HttpBindings {
  // Without bindings, as in app.request(), env is undefined or empty.
  const { incoming, outgoing } = (env ?? {}) as Partial<HttpBindings>
  if (incoming !== undefined && outgoing !== undefined) return { incoming, outgoing } as HttpBindings
  throw new TypeError(
    'fallback-cache/hono needs the request and response of Node.js: serve the application with serve() of @hono/node-server',
  )
}

async function run(c: Context<HonoEnv>, next: Next, isGone: () => boolean): Promise<void> {
  const { incoming, outgoing } = c.env
  showFields(c)
  await next()
  Object.assign(incoming, { user: c.get('user'), session: c.get('session'), route: { path: patternOf(c) } })
  // Fields that middleware in front of the cache has set and the route has removed.
  for (const name of outgoing.getHeaderNames()) if (!c.res.headers.has(name)) outgoing.removeHeader(name)
  sendHeadLate(outgoing as ServerResponse)
  endLate(outgoing as ServerResponse, isGone)
}

/** The pattern of the route, for `stats().traffic.routes`; `undefined` if the application uses another copy of Hono than this file. */
function patternOf(c: Context<HonoEnv>): string | undefined {
  try {
    return routePath(c, -1)
  } catch {
    return undefined
  }
}

/** If a body fails, node-server ends the response with the error's text and then destroys it: that is not a regular end. */
function endLate(response: ServerResponse, isGone: () => boolean): void {
  const { end } = response
  response.end = (...args: unknown[]) => {
    response.end = end
    // The client has left: a body that is sent with this very call is complete, one that streams is cut off.
    if (isGone()) return response.headersSent ? response : end.apply(response, args as never)
    queueMicrotask(() => {
      if (!response.destroyed) end.apply(response, args as never)
    })
    return response
  }
}

/** Reading `c.res` creates a response, which Hono would merge into that of the route; what `c.header()` has set remains. */
function forgetResponse(c: Context<HonoEnv>): void {
  c.res = undefined
  c.finalized = false
}

/**
 * node-server makes the fields of a request from its raw fields. The cache observes `incoming.headers`: there it notes
 * which fields the handler reads, and there it has hidden conditions.
 */
function showFields(c: Context<HonoEnv>): void {
  const { incoming } = c.env
  const whole = () => {
    const headers = new Headers()
    for (const [name, value] of Object.entries(incoming.headers)) {
      // The fields of HTTP/2 that start with a colon are its request line.
      if (value !== undefined && !name.startsWith(':')) headers.set(name, String(value))
    }
    return headers
  }
  const get = (name: string) => {
    const value = incoming.headers[name.toLowerCase()]
    return value === undefined ? null : String(value)
  }
  const has = (name: string) => incoming.headers[name.toLowerCase()] !== undefined
  const headers = new Proxy(new Headers(), {
    get: (_target, name) => {
      if (name === 'get') return get
      if (name === 'has') return has
      const all = whole()
      const value: unknown = Reflect.get(all, name, all)
      return typeof value === 'function' ? value.bind(all) : value
    },
  })
  Object.defineProperty(c.req.raw, 'headers', { value: headers, configurable: true })
}
