import type { IncomingMessage, RequestListener } from 'node:http'
import { pathOf } from '../../http/port/index.js'
import type { Arrival, FrontedApplication } from '../front-door/index.js'
import {
  allows,
  checkNamed,
  describeObstacle,
  type FrontDoorOptions,
  type MiddlewareBefore,
  NOT_MOUNTED,
  originalOf,
} from '../front-door/index.js'
import type { NodeRequest } from '../node/index.js'
import { isEncrypted } from '../node/index.js'

/** The properties of an Express application, version 4 or 5, that are used here. */
export interface ExpressApplication extends RequestListener {
  /** The prototypes of its requests and responses. */
  readonly request: object
  readonly response: object
  // biome-ignore lint/suspicious/noExplicitAny: what Express' own declaration says
  get: (name: string) => any
  enabled(setting: string): boolean
}

/** A route, with the handlers of its methods; `methods._all` if one is for every method. */
interface ExpressRoute {
  readonly path: unknown
  readonly methods: Readonly<Record<string, boolean | undefined>>
  readonly stack: readonly Layer[]
}

/** One middleware or route in the stack of a router. */
export interface Layer {
  readonly handle: (...args: never[]) => unknown
  readonly name?: string
  /** Express 5: whether the layer applies to every path. */
  readonly slash?: boolean
  /** Express 4: whether the layer applies to every path. */
  readonly regexp?: { readonly fast_slash?: boolean }
  readonly route?: ExpressRoute | undefined
  /** The part of a path that has matched; newer versions return it. */
  readonly path?: string | undefined
  match(path: string): boolean | { readonly path: string }
}

/** A router, which is the handle of the layer that mounts it. */
export interface Router {
  readonly stack?: readonly Layer[]
}

const NO_LAYERS: readonly Layer[] = []

/** An Express application as the front door sees it. */
export class FrontedExpress implements FrontedApplication {
  readonly enter: RequestListener
  readonly #app: ExpressApplication
  readonly #middleware: unknown
  readonly #skipOnHit: FrontDoorOptions['skipOnHit']
  /** The layers up to the cache, as of the last inspection. */
  #seen: readonly unknown[] = []
  #seenLength = -1
  #isMounted = false
  isFirst = false
  /** Middleware before the cache for every path that hits must not bypass. */
  #blocking: readonly Layer[] = []
  /** The same, for specific paths. */
  #blockingSome: readonly Layer[] = []

  /** @throws RangeError if `skipOnHit` lists a function that is not mounted before the cache */
  constructor(app: ExpressApplication, middleware: unknown, { skipOnHit }: FrontDoorOptions) {
    this.enter = app
    this.#app = app
    this.#middleware = middleware
    this.#skipOnHit = skipOnHit
    const stack = stackOf(app)
    const place = placeOf(middleware, stack)
    // The application may not be complete yet: listed middleware may be mounted later.
    if (place >= 0) checkNamed(skipOnHit, stack.slice(0, place).filter(isOfUser).map(namedLayer))
  }

  get poweredBy(): string | undefined {
    return this.#app.enabled('x-powered-by') ? 'Express' : undefined
  }

  get obstacle(): string | undefined {
    if (!this.#isMounted) return NOT_MOUNTED
    return this.#blocking.length === 0 ? undefined : describeObstacle(this.#blocking.map(nameOf))
  }

  isOpenTo(request: IncomingMessage): boolean {
    this.#look()
    if (!this.#isMounted || this.#blocking.length > 0) return false
    // Mounted in a larger application, this application is not the first to see the request.
    if ('originalUrl' in request && request.originalUrl !== undefined) return false
    // Properties on the application's own prototypes may identify a user.
    if (definesIdentity(this.#app.request, request)) return false
    if ('locals' in this.#app.response) return false
    return this.#blockingSome.length === 0 || !this.#isBlockedFor(request.url ?? '/')
  }

  protocolOf({ raw: request }: Arrival, forwarded: boolean): string {
    // Express only checks its proxy trust for this field; without it the socket determines the protocol.
    if (forwarded && request.headers['x-forwarded-proto'] !== undefined)
      return this.#asExpress(request).protocol ?? 'http'
    return isEncrypted(request.socket) ? 'https' : 'http'
  }

  hostOf({ raw: request }: Arrival, forwarded: boolean, host: string | undefined): string {
    return forwarded || host === undefined ? expressHost(request, this.#app) : host
  }

  sessionOf({ raw }: Arrival): unknown {
    return (raw as NodeRequest).session
  }

  /** A copy of the request with Express's prototype, to read its getters without changing the request. */
  #asExpress({ socket, headers }: IncomingMessage): { readonly protocol?: string } {
    return Object.create(this.#app.request, {
      socket: { value: socket },
      connection: { value: socket },
      headers: { value: headers },
    })
  }

  /** Inspects the middleware stack again if it has changed. */
  #look(): void {
    const stack = stackOf(this.#app)
    if (stack.length === this.#seenLength && this.#seen.every((handle, at) => stack[at]?.handle === handle)) return
    this.#seenLength = stack.length
    const place = placeOf(this.#middleware, stack)
    const mounted = stack[place]
    this.#isMounted = mounted !== undefined && isForAll(mounted)
    this.#seen = stack.slice(0, place + 1).map(({ handle }) => handle)
    this.isFirst = this.#isMounted && !stack.slice(0, place).some(isOfUser)
    const before = stack.slice(0, Math.max(0, place)).filter((layer) => this.#isBlocking(layer))
    this.#blocking = before.filter(isForAll)
    this.#blockingSome = before.filter((layer) => !isForAll(layer))
  }

  #isBlocking(layer: Layer): boolean {
    const { route } = layer
    const handle = originalOf(layer.handle)
    // A function with four parameters only handles errors.
    if (route === undefined && handle.length > 3) return false
    return isOfUser(layer) && !allows(this.#skipOnHit, handle, nameOf(layer))
  }

  #isBlockedFor(url: string): boolean {
    if (url.charCodeAt(0) !== 0x2f || UNLIKE.test(url)) return true
    try {
      return this.#blockingSome.some((layer) => layer.match(pathOf(url)) !== false)
    } catch {
      return true
    }
  }
}

/** Whether a value is an Express application. */
export function isExpressApplication(app: unknown): app is ExpressApplication {
  if (typeof app !== 'function') return false
  const typeOf = (name: string): string => typeof Reflect.get(app, name)
  return (
    typeOf('request') === 'object' &&
    typeOf('response') === 'object' &&
    typeOf('enabled') === 'function' &&
    typeOf('handle') === 'function'
  )
}

/**
 * The host of a request, as Express 5 resolves it. Express 4 removes the port from `req.host`, and connect does not
 * support proxies.
 */
export function expressHost(
  { headers, socket }: IncomingMessage,
  app: Pick<ExpressApplication, 'get'> | undefined,
): string {
  const own = headers.host ?? fieldText(headers[':authority'])
  const forwarded = headers['x-forwarded-host']
  if (forwarded === undefined) return own
  const trust: unknown = app?.get?.('trust proxy fn')
  if (typeof trust !== 'function' || trust(socket.remoteAddress, 0) !== true) return own
  return fieldText(forwarded).split(',', 1)[0]?.trim() ?? own
}

function fieldText(value: string | readonly string[] | undefined): string {
  return typeof value === 'string' ? value : (value?.[0] ?? '')
}

/**
 * URLs that Express passes to a full parser, which drops or escapes some characters: the matched path may then differ.
 */
const UNLIKE = /[\s#\\]/

/** True if the application's request prototype defines `user`, `auth` or `session`, and this request does not yet. */
function definesIdentity(application: object, request: IncomingMessage): boolean {
  // Literal names, because V8 does not cache lookups with a variable name.
  return (
    ('user' in application && !('user' in request)) ||
    ('auth' in application && !('auth' in request)) ||
    ('session' in application && !('session' in request))
  )
}

const OWN_OF_EXPRESS_4 = new Set(['query', 'expressInit'])

/** The middleware of an application. In Express 4 the router does not exist before the first route, and reading `app.router` throws. */
export function stackOf(app: ExpressApplication): readonly Layer[] {
  const { _router, lazyrouter } = app as { readonly _router?: Router; readonly lazyrouter?: unknown }
  const router = lazyrouter === undefined ? (app as { readonly router?: Router }).router : _router
  return router?.stack ?? NO_LAYERS
}

function isForAll({ slash, regexp, route }: Layer): boolean {
  return route === undefined && (slash === true || regexp?.fast_slash === true)
}

function placeOf(middleware: unknown, stack: readonly Layer[]): number {
  return stack.findIndex(({ handle }) => originalOf(handle) === middleware)
}

/** False for middleware that Express 4 itself adds. */
function isOfUser({ handle, regexp }: Layer): boolean {
  return regexp === undefined || !OWN_OF_EXPRESS_4.has(originalOf(handle).name)
}

function namedLayer(layer: Layer): MiddlewareBefore {
  return { run: originalOf(layer.handle), name: nameOf(layer) }
}

function nameOf({ name, handle }: Layer): string {
  return name || originalOf(handle).name
}
