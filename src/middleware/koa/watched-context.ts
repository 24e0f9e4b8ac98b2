import type { IncomingMessage } from 'node:http'
import type { InputsRead } from '../../http/port/index.js'
import { scopeOf } from '../../http/protocol/index.js'
import { watchFilledContext } from '../node/watched-filled.js'
import { watchQuery } from '../node/watched-query.js'
import { watchRequest } from '../node/watched-request.js'

/** What of a Koa context is watched. */
interface WatchableContext {
  readonly req: IncomingMessage
  readonly request: object & { _accept?: unknown }
  readonly state: object
  readonly app: { readonly request: object; readonly context: object }
}

/** The cookies of a Koa context. */
interface Cookies {
  get(name: string, options?: object): string | undefined
}

/** As `watchRequest`, for a Koa context: of a cookie that is read by `ctx.cookies.get` the name counts, not the whole field. */
export function watchContext(context: object, inputs: InputsRead): void {
  const ctx = context as WatchableContext
  watchRequest(ctx.req, inputs, ctx.app.request)
  watchQuery(ctx.request, inputs)
  watchFilledContext(ctx, inputs)
  defineCookies(ctx.app.context)
  // Koa keeps the negotiator that middleware in front has used, and that keeps the fields.
  if (ctx.request._accept !== undefined) ctx.request._accept = undefined
}

const DEFINED = new WeakSet<object>()

/** Lays a getter over that of Koa, once an application: Koa makes the cookies of a context when they are asked for. */
function defineCookies(prototype: object): void {
  if (DEFINED.has(prototype)) return
  DEFINED.add(prototype)
  const known = cookiesOf(prototype)
  const get = known?.get
  if (known === undefined || get === undefined) return
  Object.defineProperty(prototype, 'cookies', {
    ...known,
    configurable: true,
    get(this: { readonly req: object }) {
      const cookies: Cookies = get.call(this)
      const inputs = scopeOf(this.req)?.recording.inputs
      return inputs?.isCounting === true ? watchedCookies(cookies, inputs) : cookies
    },
  })
}

function cookiesOf(prototype: object | null): PropertyDescriptor | undefined {
  if (prototype === null) return undefined
  return Object.getOwnPropertyDescriptor(prototype, 'cookies') ?? cookiesOf(Object.getPrototypeOf(prototype))
}

/** The cookies of contexts under watch, with the inputs that they tell. */
const WATCHED = new WeakMap<Cookies, { readonly inputs: InputsRead; readonly cookies: Cookies }>()

function watchedCookies(cookies: Cookies, inputs: InputsRead): Cookies {
  const known = WATCHED.get(cookies)
  if (known?.inputs === inputs) return known.cookies
  const get: Cookies['get'] = (name, options) => {
    inputs.cookie(String(name))
    inputs.pause()
    try {
      return cookies.get(name, options)
    } finally {
      inputs.resume()
    }
  }
  const watched = new Proxy(cookies, {
    get: (target, name) => (name === 'get' ? get : Reflect.get(target, name, target)),
    set: (target, name, value) => Reflect.set(target, name, value, target),
  })
  WATCHED.set(cookies, { inputs, cookies: watched })
  return watched
}
