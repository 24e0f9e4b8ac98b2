import type { ServerResponse } from 'node:http'
import type { HttpBindings } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { type FallbackCacheMiddleware, type FallbackCacheOptions, fallbackCache } from 'fallback-cache/express'
import type { Context, MiddlewareHandler, Next } from 'hono'
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
export function honoCache(options: FallbackCacheOptions = {}): HonoCache {
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
  Object.assign(incoming, { user: c.get('user'), session: c.get('session') })
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

/** node-server reads a request's raw fields; what the cache has changed for the handler is in `headers`. */
function showFields(c: Context<HonoEnv>): void {
  const { headers } = c.env.incoming
  const fields = new Headers(c.req.raw.headers)
  const changed = CONDITIONS.filter((name) => fields.get(name) !== (headers[name] ?? null))
  if (changed.length === 0) return
  for (const name of changed) {
    const value = headers[name]
    if (value === undefined) fields.delete(name)
    else fields.set(name, String(value))
  }
  c.req.raw = new Request(c.req.raw, { headers: fields })
}

const CONDITIONS = ['if-none-match', 'if-modified-since', 'if-match', 'if-unmodified-since', 'if-range', 'range']
