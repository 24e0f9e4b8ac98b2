import type { IncomingMessage, ServerResponse } from 'node:http'
import { parse } from 'node:querystring'
import { getRequestListener, type HttpBindings } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import type { Context, MiddlewareHandler, Next } from 'hono'
import { routePath } from 'hono/route'
import type { Explanation, RequestDescription } from '../index.js'
import {
  fallbackCache as expressCache,
  type FallbackCacheMiddleware,
  type MiddlewareOptions,
} from '../middleware/express.js'
import { tellContextActs } from './context-acts.js'
import { type FetchInfo, fetchWithNode } from './fetch-with-node.js'
import { bindingsOf, observeBindings, observedRecord, showChangedFields, showRewritten } from './hono-request.js'
import { LateFields } from './late-fields.js'
import { endWithWhole, sendHeadLate, tellFields } from './late-head.js'
import { observeOwn, ownValues } from './own-values.js'
import { type SharedControls, sharedControls } from './shared-controls.js'
import { areShown, list, readShownValues, shownValue, showParsed, showValues } from './shown-values.js'

/** The options of {@link fallbackCache}; functions in them are called with the request of Node.js (`c.env.incoming`). */
export type HonoCacheOptions = MiddlewareOptions

/** The types of a Hono application on `@hono/node-server`: `new Hono<HonoEnv>()`. */
export interface HonoEnv {
  Bindings: HttpBindings
  Variables: { user?: unknown; session?: unknown }
}

/** A middleware for Hono on `@hono/node-server`, and the controls of its cache (`invalidate`, `stats` and others). */
export interface HonoCache extends MiddlewareHandler<HonoEnv>, SharedControls {
  /** The same cache with other options, for a single route. Options that are not given are unchanged. */
  with(options: Parameters<FallbackCacheMiddleware['with']>[0]): HonoCache
  /** Explains what the cache would do with a request, and why. See `explain` of `fallback-cache/express`. */
  explain(request: Context<HonoEnv> | RequestDescription): Promise<Explanation>
  /**
   * The application for a runtime that passes a web `Request` and takes a web `Response`: `Bun.serve({ fetch:
   * cached.fetch(app) })`, `Deno.serve(cached.fetch(app))`, `export default { fetch: cached.fetch(app) }`. The address of the
   * client is that of `c.env.incoming.socket`. Not for edge runtimes, which have no `node:http`.
   */
  fetch(app: HonoApplication): (request: Request, info?: FetchInfo) => Promise<Response>
}

/** An application of Hono. */
export interface HonoApplication {
  fetch(request: Request, env: HttpBindings): Response | Promise<Response>
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
 * It needs the requests and responses of Node.js, which `@hono/node-server` passes on; with `Bun.serve` and `Deno.serve`
 * see {@link HonoCache.fetch}. Elsewhere each request is an error that says so.
 *
 * @throws TypeError or RangeError for invalid options
 */
export function fallbackCache(options: HonoCacheOptions = {}, ...rest: readonly never[]): HonoCache {
  if (rest.length > 0) {
    throw new TypeError(
      'fallbackCache must be called, with one object of options: write app.use(fallbackCache({ ttl: 60 }))',
    )
  }
  return honoCache(expressCache(options), new LateFields(options.inputs))
}

function honoCache(cached: FallbackCacheMiddleware, lateFields: LateFields): HonoCache {
  const middleware: MiddlewareHandler<HonoEnv> = async (c, next) => {
    const { incoming, outgoing } = nodeOf(c)
    // Status and fields that middleware in front has set with `c.status()` and `c.header()`.
    const begun = c.newResponse(null)
    outgoing.statusCode = begun.status
    for (const [name, value] of begun.headers) outgoing.appendHeader(name, value)
    forgetResponse(c)
    // A handler behind the cache may have passed on another request (`app.fetch`), with other fields.
    if (!areShown(outgoing as ServerResponse) || !Object.hasOwn(c.req.raw, 'headers')) showChangedFields(c)
    showRewritten(c)
    const variables = areShown(outgoing as ServerResponse) ? undefined : showVariables(c)
    let isGone = false
    const goesOn = await new Promise<boolean>((resolve, reject) => {
      outgoing.once('close', () => {
        isGone = true
        resolve(false)
      })
      cached(incoming as never, outgoing as never, (error) => (error === undefined ? resolve(true) : reject(error)))
    })
    if (!goesOn) return c.req.method === 'HEAD' || c.req.routeIndex > 0 ? alreadySent(c) : RESPONSE_ALREADY_SENT
    if (variables !== undefined) {
      observeOwn(c, outgoing as ServerResponse)
      observeVariables(c, variables)
      observeBindings(c, variables)
      observeQuery(c)
    }
    return run(c, next, { lateFields, inFront: begun.headers, isGone: () => isGone })
  }
  return Object.assign(middleware, {
    ...sharedControls(cached),
    fetch: (app: HonoApplication) =>
      // Other runtimes do not accept the `Response` with which node-server would replace the global one.
      fetchWithNode(getRequestListener(app.fetch as never, { overrideGlobalObjects: false })),
    with: (refinement: Parameters<FallbackCacheMiddleware['with']>[0]) =>
      honoCache(cached.with(refinement), 'inputs' in refinement ? new LateFields(refinement.inputs) : lateFields),
    explain: (request: Context<HonoEnv> | RequestDescription) =>
      cached.explain(
        'env' in request ? (nodeOf(request as Context<HonoEnv>).incoming as never) : (request as RequestDescription),
      ),
  })
}

/**
 * A response that may be copied or changed: Hono answers HEAD with a copy of the response to GET, and middleware in front
 * may set fields after `next()`. A copy of node-server's own lightweight responses would be sent once more, which breaks
 * the connection: only of a response whose body was looked at does the copy say that it was sent. One that middleware in
 * front puts in its place is not sent.
 */
function alreadySent(c: Context<HonoEnv>): Response {
  const response = new Response(null, RESPONSE_ALREADY_SENT)
  void response.body?.cancel()
  c.res = response
  Object.defineProperty(c, 'res', { get: () => response, set: () => {}, configurable: true })
  return response
}

/** Variables with a separate rule. */
const OF_LOGGED_IN = new Set(['user', 'session'])

type Variables = Readonly<Record<string, unknown>>

/** Shows the cache the variables that middleware in front of it has set: see `showValues`. */
function showVariables(c: Context<HonoEnv>): Variables {
  const variables: Variables = { ...c.var, ...bindingsOf(c), ...ownValues(c) }
  showValues(c.env.outgoing as ServerResponse, { ...variables })
  const { user, session } = variables
  const incoming = c.env.incoming as IncomingMessage
  showParsed(incoming, { query: parse(incoming.url?.split('?', 2)[1] ?? ''), user, session })
  return variables
}

/** Lets reads of the variables that middleware in front of the cache has set go through what the cache observes. */
function observeVariables(c: Context<HonoEnv>, before: Variables): void {
  const outgoing = c.env.outgoing as ServerResponse
  const get = c.get.bind(c) as (name: string) => unknown
  const observed = (name: string) => {
    const value = get(name)
    const isOfFront = value === undefined || (Object.hasOwn(before, name) && Object.is(before[name], value))
    return isOfFront && !OF_LOGGED_IN.has(name) ? shownValue(outgoing, name) : value
  }
  c.get = observed as typeof c.get
  const { var: variables } = Object.getOwnPropertyDescriptors(Object.getPrototypeOf(c)) as {
    readonly var: { get(): object }
  }
  Object.defineProperty(c, 'var', {
    get: () => observedRecord(variables.get.call(c), observed, () => readShownValues(outgoing)),
  })
}

/** Hono parses the parameters from the URL; the cache observes those of `incoming.query`. */
function observeQuery(c: Context<HonoEnv>): void {
  const { query: shown } = c.env.incoming as { readonly query?: object }
  const { query, queries } = c.req
  const note = (name: string | undefined) => {
    if (name === undefined) list(shown ?? {})
    else Reflect.get(shown ?? {}, name)
  }
  const noting = (method: (name: string) => unknown) => (name: string) => {
    note(name)
    return method.call(c.req, name)
  }
  Object.assign(c.req, { query: noting(query as never), queries: noting(queries as never) })
}

/** @throws TypeError if the application does not run on `@hono/node-server` */
function nodeOf({ env }: Context<HonoEnv>): HttpBindings {
  // Without bindings, as in app.request(), env is undefined or empty.
  const { incoming, outgoing } = (env ?? {}) as Partial<HttpBindings>
  if (incoming !== undefined && outgoing !== undefined) return { incoming, outgoing } as HttpBindings
  throw new TypeError(
    'fallback-cache/hono needs the request and response of Node.js: serve the application with serve() of @hono/node-server, or with Bun.serve({ fetch: cached.fetch(app) }) or Deno.serve(cached.fetch(app))',
  )
}

interface Run {
  readonly lateFields: LateFields
  /** What `c.header()` has set in front of the cache. */
  readonly inFront: Headers
  /** Whether the client has left. */
  readonly isGone: () => boolean
}

async function run(c: Context<HonoEnv>, next: Next, { lateFields, inFront, isGone }: Run): Promise<void> {
  const { incoming, outgoing } = c.env
  showFields(c)
  const ended = tellContextActs(c, outgoing as ServerResponse, lateFields)
  await next()
  ended()
  Object.assign(incoming, { user: c.get('user'), session: c.get('session'), route: { path: patternOf(c) } })
  // Fields that middleware in front of the cache has set and the route has removed.
  for (const name of inFront.keys()) if (!c.res.headers.has(name)) outgoing.removeHeader(name)
  const told = tellFields(outgoing as ServerResponse, (name) => lateFields.note(outgoing as ServerResponse, name))
  sendHeadLate(outgoing as ServerResponse, (fields) => {
    told()
    lateFields.noteHead(outgoing as ServerResponse, fields?.['content-encoding']?.toString())
  })
  endLate(outgoing as ServerResponse, isGone)
  endWithWhole(outgoing as ServerResponse)
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
