import type { ServerResponse } from 'node:http'
import type { HttpBindings } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { type FallbackCacheMiddleware, fallbackCache, type MiddlewareOptions } from 'fallback-cache/express'
import type { Context, MiddlewareHandler, Next } from 'hono'
import { routePath } from 'hono/route'
import { sendHeadLate } from './late-head.js'

/** What a Hono application has to be typed with: `new Hono<HonoEnv>()`. */
export interface HonoEnv {
  Bindings: HttpBindings
  Variables: { user?: unknown; session?: unknown }
}

/** A cache for Hono on @hono/node-server: the middleware, and all that the cache carries (`invalidate`, `stats`, …). */
export type HonoCache = Omit<FallbackCacheMiddleware, 'with'> & { readonly middleware: MiddlewareHandler<HonoEnv> }

/**
 * The cache as a Hono middleware. What is stored is what leaves for the socket: it works with node's own request and
 * response, which node-server hands through.
 *
 * ```ts
 * const cached = honoCache({ ttl: 60 })
 * app.use(cached.middleware)
 * ```
 */
export function honoCache(options: MiddlewareOptions = {}): HonoCache {
  const cached = fallbackCache(options)
  const middleware: MiddlewareHandler<HonoEnv> = async (c, next) => {
    const { incoming, outgoing } = c.env
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
  return Object.assign(cached, { middleware })
}

async function run(c: Context<HonoEnv>, next: Next, isGone: () => boolean): Promise<void> {
  const { incoming, outgoing } = c.env
  showFields(c)
  await next()
  // The pattern of the route, for `stats().traffic.routes`.
  const route = { path: routePath(c, -1) }
  Object.assign(incoming, { user: c.get('user'), session: c.get('session'), route })
  // What the route has taken away of the fields that middleware in front of the cache has set.
  for (const name of outgoing.getHeaderNames()) if (!c.res.headers.has(name)) outgoing.removeHeader(name)
  sendHeadLate(outgoing as ServerResponse)
  endLate(outgoing as ServerResponse, isGone)
}

/** When a body breaks, node-server ends the response with the error's text and destroys it then: that is no end. */
function endLate(response: ServerResponse, isGone: () => boolean): void {
  const { end } = response
  response.end = (...args: unknown[]) => {
    response.end = end
    // The client has left: a body that is sent with this very call is whole all the same, one that streams is cut off.
    if (isGone()) return response.headersSent ? response : end.apply(response, args as never)
    queueMicrotask(() => {
      if (!response.destroyed) end.apply(response, args as never)
    })
    return response
  }
}

/** To look at `c.res` makes a response, which Hono would lay over that of the route; what `c.header()` has set stays. */
function forgetResponse(c: Context<HonoEnv>): void {
  c.res = undefined
  c.finalized = false
}

/**
 * node-server makes the fields of a request out of its raw fields. The cache looks at `incoming.headers`: there it notes which fields
 * the handler reads, and there it has hidden conditions.
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
