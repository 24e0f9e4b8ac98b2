import type { IncomingMessage, ServerResponse } from 'node:http'
import type { InputsRead } from '../../http/port/index.js'
import { scopeOf } from '../../http/protocol/index.js'
import { descriptorOf, watchFilledContext, watchOriginalUrl, watchQuery, watchRequest } from '../node/index.js'

/** The properties of a Koa context that are watched. */
interface WatchableContext {
  readonly req: IncomingMessage
  readonly res: ServerResponse
  readonly request: object & { _accept?: { readonly headers?: object } | undefined; memoizedURL?: unknown }
  readonly response: object
  readonly state: object
  readonly app: { readonly request: object; readonly context: object }
}

/** The `cookies` object of a Koa context. */
interface Cookies {
  readonly request?: object
  get(name: string, options?: object): string | undefined
}

/**
 * Like `watchRequest`, for a Koa context: a cookie read with `ctx.cookies.get` is recorded by its name, not as the
 * whole field.
 */
export function watchContext(context: object, inputs: InputsRead): void {
  const ctx = context as WatchableContext
  const { headers } = ctx.req
  watchRequest(ctx.req, inputs, ctx.app.request)
  watchQuery(ctx.request, inputs)
  watchOriginalUrl(ctx, inputs)
  watchOriginalUrl(ctx.request, inputs)
  // Koa keeps the URL that earlier middleware asked for.
  if (ctx.request.memoizedURL !== undefined) ctx.request.memoizedURL = undefined
  watchFilledContext(ctx, inputs)
  defineCookies(ctx.app.context)
  dropNegotiator(ctx, inputs, headers)
}

/** Koa keeps the negotiator that earlier middleware used, which holds the unwatched headers. */
function dropNegotiator({ request }: WatchableContext, inputs: InputsRead, headers: object): void {
  const { _accept: negotiator } = request
  if (negotiator === undefined) return
  // Middleware in front may have set one of its own, with fields that are not those of the request.
  if (negotiator.headers !== headers) inputs.filled('request:accept', false)
  else request._accept = undefined
}

const DEFINED = new WeakSet<object>()

/** Overrides Koa's `cookies` getter, once per application; Koa creates the cookies object on first access. */
function defineCookies(prototype: object): void {
  if (DEFINED.has(prototype)) return
  DEFINED.add(prototype)
  const known = descriptorOf(prototype, 'cookies')
  const get = known?.get
  if (known === undefined || get === undefined) return
  Object.defineProperty(prototype, 'cookies', {
    ...known,
    configurable: true,
    get(this: { readonly req: object }) {
      const { req } = this
      const cookies: Cookies = get.call(this)
      const inputs = scopeOf(req)?.recording.inputs
      return inputs?.isCounting === true ? watchedCookies(cookies, inputs, req) : cookies
    },
  })
}

/** Proxies of watched cookies objects, with the inputs they record to. */
const WATCHED = new WeakMap<Cookies, { readonly inputs: InputsRead; readonly cookies: Cookies }>()

function watchedCookies(cookies: Cookies, inputs: InputsRead, request: object): Cookies {
  const known = WATCHED.get(cookies)
  if (known?.inputs === inputs) return known.cookies
  // Middleware in front may have put an object of its own here, or a method.
  const isOwn = cookies.request !== request || Object.hasOwn(cookies, 'get')
  const get: Cookies['get'] = (name, options) => {
    if (isOwn) inputs.filled(COOKIES, false)
    inputs.cookie(String(name))
    inputs.pause()
    try {
      return cookies.get(name, options)
    } finally {
      inputs.resume()
    }
  }
  const watched = new Proxy(cookies, {
    get: (target, name) => {
      if (name === 'get') return get
      if (typeof name === 'string' && !OF_COOKIES.has(name)) inputs.filled(COOKIES, false)
      return Reflect.get(target, name, target)
    },
    set: (target, name, value) => Reflect.set(target, name, value, target),
  })
  WATCHED.set(cookies, { inputs, cookies: watched })
  return watched
}

const COOKIES = 'ctx:cookies'

/** The properties of the package cookies, and those by which objects of all kinds are told apart. */
const OF_COOKIES: ReadonlySet<string> = new Set([
  ...['set', 'secure', 'request', 'response', 'keys', 'constructor'],
  ...['then', 'toJSON', 'inspect', 'valueOf', 'toString'],
])
