import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { Arrival, FrontedApplication } from '../front-door/index.js'
import {
  allows,
  checkNamed,
  describeObstacle,
  type FrontDoorOptions,
  NOT_MOUNTED,
  originalOf,
} from '../front-door/index.js'
import type { NodeRequest } from '../node/index.js'
import { isEncrypted } from '../node/index.js'
import { sessionOf } from './response.js'

/** The properties of a Koa application, version 2 or 3, that are used here. */
export interface KoaApplication {
  readonly middleware: readonly unknown[]
  readonly proxy: boolean
  /** The prototypes of its contexts and requests. */
  readonly context: object
  readonly request: object
  callback(): (request: IncomingMessage, response: ServerResponse) => Promise<void>
  createContext(
    request: IncomingMessage,
    response: ServerResponse,
  ): { readonly protocol: string; readonly host: string }
}

/** A Koa application as the front door sees it. */
export class FrontedKoa implements FrontedApplication {
  readonly poweredBy = undefined
  readonly #app: KoaApplication
  readonly #middleware: unknown
  readonly #skipOnHit: FrontDoorOptions['skipOnHit']
  #callback: RequestListener | undefined
  #seen: readonly unknown[] = []
  #seenLength = -1
  #isMounted = false
  isFirst = false
  #blocking: readonly unknown[] = []

  /** @throws RangeError if `skipOnHit` lists a function that is not mounted before the cache */
  constructor(app: KoaApplication, middleware: unknown, { skipOnHit }: FrontDoorOptions) {
    this.#app = app
    this.#middleware = middleware
    this.#skipOnHit = skipOnHit
    const place = app.middleware.findIndex((run) => originalOf(run) === middleware)
    // The application may not be complete yet: listed middleware may be mounted later.
    if (place < 0) return
    const before = app.middleware.slice(0, place)
    checkNamed(
      skipOnHit,
      before.map((run) => ({ run, name: nameOf(run) })),
    )
  }

  get enter(): RequestListener {
    this.#callback ??= this.#app.callback()
    return this.#callback
  }

  get obstacle(): string | undefined {
    if (!this.#isMounted) return NOT_MOUNTED
    return this.#blocking.length === 0 ? undefined : describeObstacle(this.#blocking.map(nameOf))
  }

  isOpenTo(): boolean {
    this.#look()
    // A `state` on the shared context may already hold a user: Koa creates `state` per context.
    return this.#isMounted && this.#blocking.length === 0 && !('state' in this.#app.context)
  }

  protocolOf(arrival: Arrival): string {
    if (!this.#isOrdinary) return this.#asKoa(arrival).protocol
    const { socket } = arrival.raw
    return isEncrypted(socket) ? 'https' : 'http'
  }

  hostOf(arrival: Arrival, forwarded: boolean, host: string | undefined): string {
    const isPlain = host !== undefined && this.#isOrdinary && !forwarded && PLAIN_HOST.test(host)
    return isPlain ? host : this.#asKoa(arrival).host
  }

  /** koa-session defines `session` on the context prototype and reads the cookie on first access. */
  sessionOf(arrival: Arrival): unknown {
    if ('session' in this.#app.context) return sessionOf(this.#asKoa(arrival))
    return (arrival.raw as NodeRequest).session
  }

  /** Whether no proxy is trusted, and `ctx.host` and `ctx.protocol` are not overridden. */
  get #isOrdinary(): boolean {
    const { proxy, context, request } = this.#app
    return !proxy && !definesOrigin(context) && !definesOrigin(request)
  }

  /** Creates a separate context with Koa's own method, which does not change request or response. */
  #asKoa({ raw, response }: Arrival): { readonly protocol: string; readonly host: string } {
    return this.#app.createContext(raw, response)
  }

  #look(): void {
    const { middleware } = this.#app
    if (middleware.length === this.#seenLength && this.#seen.every((run, at) => middleware[at] === run)) return
    this.#seenLength = middleware.length
    const place = middleware.findIndex((run) => originalOf(run) === this.#middleware)
    this.#isMounted = place >= 0
    this.isFirst = place === 0
    this.#seen = middleware.slice(0, place + 1)
    this.#blocking = middleware.slice(0, Math.max(0, place)).filter((run) => !allows(this.#skipOnHit, run, nameOf(run)))
  }
}

/** Whether a value is a Koa application. */
export function isKoaApplication(app: unknown): app is KoaApplication {
  if (typeof app !== 'object' || app === null) return false
  const { middleware, callback, createContext } = app as Record<string, unknown>
  return Array.isArray(middleware) && typeof callback === 'function' && typeof createContext === 'function'
}

function definesOrigin(prototype: object): boolean {
  return Object.hasOwn(prototype, 'host') || Object.hasOwn(prototype, 'protocol')
}

/** Hosts that Koa would neither split nor parse. */
const PLAIN_HOST = /^[\w.:[\]-]+$/

/** The name of a middleware function; koa-convert stores the original name in `_name`. */
function nameOf(run: unknown): string {
  const { _name, name } = run as { readonly _name?: string; readonly name?: string }
  return _name || name || ''
}
