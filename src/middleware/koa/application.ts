import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { Arrival, Interior } from '../front-door/application.js'
import {
  allows,
  checkNamed,
  describeObstacle,
  type FrontDoorOptions,
  NOT_MOUNTED,
} from '../front-door/front-door-options.js'
import type { NodeRequest } from '../node/node-response.js'
import { isEncrypted } from '../node/origin-fields.js'
import { sessionOf } from './response.js'

/** What of a Koa application, 2 or 3, is looked at. */
export interface KoaApplication {
  readonly middleware: readonly unknown[]
  readonly proxy: boolean
  /** The prototypes of its contexts and requests. */
  readonly context: object
  readonly request: object
  callback(): (request: IncomingMessage, response: ServerResponse) => Promise<void>
}

/** A Koa application, seen from in front of it. */
export class KoaInterior implements Interior {
  readonly poweredBy = undefined
  readonly #app: KoaApplication
  readonly #middleware: unknown
  readonly #skipOnHit: FrontDoorOptions['skipOnHit']
  #callback: RequestListener | undefined
  #seen: readonly unknown[] = []
  #seenLength = -1
  #isMounted = false
  #blocking: readonly unknown[] = []

  /** @throws RangeError for `skipOnHit` with something that does not stand before the cache */
  constructor(app: KoaApplication, middleware: unknown, { skipOnHit }: FrontDoorOptions) {
    this.#app = app
    this.#middleware = middleware
    this.#skipOnHit = skipOnHit
    const place = app.middleware.indexOf(middleware)
    // An application that is not complete yet may still get what is named.
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
    // Koa gives each context a state of its own. Where that of all of them is something else, it may know who it is.
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

  /** koa-session and its like give all contexts a session, which is read from a cookie when somebody asks for it. */
  sessionOf(arrival: Arrival): unknown {
    if ('session' in this.#app.context) return sessionOf(this.#asKoa(arrival))
    return (arrival.raw as NodeRequest).session
  }

  /** Whether no proxy is trusted, and nobody has given the application another idea of `ctx.host` and `ctx.protocol`. */
  get #isOrdinary(): boolean {
    const { proxy, context, request } = this.#app
    return !proxy && !definesOrigin(context) && !definesOrigin(request)
  }

  /** A context of its own, as Koa makes it: it changes nothing about request and response. */
  #asKoa({ raw, response }: Arrival): { readonly protocol: string; readonly host: string } {
    const app = this.#app as unknown as {
      createContext(
        request: IncomingMessage,
        response: ServerResponse,
      ): { readonly protocol: string; readonly host: string }
    }
    return app.createContext(raw, response)
  }

  #look(): void {
    const { middleware } = this.#app
    if (middleware.length === this.#seenLength && this.#seen.every((run, at) => middleware[at] === run)) return
    this.#seenLength = middleware.length
    const place = middleware.indexOf(this.#middleware)
    this.#isMounted = place >= 0
    this.#seen = middleware.slice(0, place + 1)
    this.#blocking = middleware.slice(0, Math.max(0, place)).filter((run) => !allows(this.#skipOnHit, run, nameOf(run)))
  }
}

/** Whether something is a Koa application. */
export function isKoaApplication(app: unknown): app is KoaApplication {
  if (typeof app !== 'object' || app === null) return false
  const { middleware, callback, createContext } = app as Record<string, unknown>
  return Array.isArray(middleware) && typeof callback === 'function' && typeof createContext === 'function'
}

function definesOrigin(prototype: object): boolean {
  return Object.hasOwn(prototype, 'host') || Object.hasOwn(prototype, 'protocol')
}

/** One that Koa would neither split nor parse. */
const PLAIN_HOST = /^[\w.:[\]-]+$/

/** Koa names converted generators by `_name`. */
function nameOf(run: unknown): string {
  const { _name, name } = run as { readonly _name?: string; readonly name?: string }
  return _name || name || ''
}
