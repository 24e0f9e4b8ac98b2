import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerOptions } from 'node:http'
import { shown } from '../../core/option-checks.js'
import type { ResponseCache } from '../../http/protocol/index.js'
import { scopeOf } from '../../http/protocol/index.js'
import type { MadeResponses } from '../node-internals/made-responses.js'
import type { Interior } from './application.js'
import { answerEarly } from './early-answers.js'
import type { FrontDoorOptions } from './front-door-options.js'
import { FrontExchange, type Unopened } from './front-exchange.js'

/** Makes a server of the options that an application needs, which are to be kept, and a listener. */
export type CreateServer<S extends Server> = (options: ServerOptions, listener: RequestListener) => S

/** As {@link FrontDoorOptions}, with the server to be made. */
export interface ServeOptions<S extends Server = Server> extends FrontDoorOptions {
  /**
   * Makes the server: `(options, listener) => https.createServer({ ...options, key, cert }, listener)`.
   *
   * @defaultValue `http.createServer`
   */
  readonly createServer?: CreateServer<S> | undefined
}

/** What a middleware carries to answer hits in front of the application that it is mounted in. */
export interface FrontDoor<Application> {
  /**
   * A server of an application in which this middleware is mounted with `app.use()`, before anything else: what the middleware would
   * answer from the cache is answered before the framework is entered, by the same rules. All else goes through the application.
   *
   * ```ts
   * app.use(cached)
   * cached.serve(app).listen(3000)
   * ```
   */
  serve<S extends Server = Server>(app: Application, options?: ServeOptions<S>): S
  /** As {@link serve}, for a server of your own: the listener of its `'request'` event. */
  listener(app: Application, options?: FrontDoorOptions): RequestListener
}

/** Answers hits itself and lets an application have all else. */
export class Doorway<Context extends object> {
  readonly #responses: ResponseCache<Context>
  readonly #interior: Interior
  #hasWarned = false
  /** Those of its own server, if it has one. */
  #made: MadeResponses | undefined

  constructor(responses: ResponseCache<Context>, interior: Interior) {
    this.#responses = responses
    this.#interior = interior
  }

  /** The listener of a server's `'request'` event. */
  readonly listener: RequestListener = (request, response) => {
    if (this.#made?.see(request, response) === true) return
    const interior = this.#interior
    // A copy that a refresh has sent is awaited inside; what somebody has answered already is not for us.
    if (!this.#isOpenTo(request) || scopeOf(request) !== undefined || response.headersSent) {
      return interior.enter(request, response)
    }
    const exchange = new FrontExchange<Context>(interior, request, response)
    if (!this.#responses.mayDecideAhead(exchange)) return interior.enter(request, response)
    this.#decide(exchange)
  }

  /**
   * A server of the application: node's own, unless there is another maker.
   *
   * @param own - the options that the application needs
   */
  serve<S extends Server>(own: ServerOptions, make: CreateServer<S> | undefined): S {
    // Without a maker the type parameter is what it is by default.
    const server = make === undefined ? (createServer(own, this.listener) as Server as S) : make(own, this.listener)
    if (typeof server?.listen !== 'function') {
      throw new TypeError(
        `createServer must return a server, got ${shown(server)}: (options, listener) => createServer(options, listener)`,
      )
    }
    this.#made = answerEarly(server, this.listener, (request, unopened) => this.#answerEarly(request, unopened))
    return server
  }

  /** @returns whether the request has been answered, or has its response now */
  #answerEarly(request: IncomingMessage, unopened: Unopened): boolean {
    if (!this.#isOpenTo(request)) return false
    const exchange = new FrontExchange<Context>(this.#interior, request, undefined, unopened)
    if (!exchange.isOrdinary || !this.#responses.mayDecideAhead(exchange)) return false
    this.#decide(exchange)
    exchange.open()
    return true
  }

  #decide(exchange: FrontExchange<Context>): void {
    const handled = this.#responses.handle(exchange)
    if (handled !== undefined) void handled.catch(throwOutside)
  }

  #isOpenTo(request: IncomingMessage): boolean {
    const { method } = request
    if (method !== 'GET' && method !== 'HEAD') return false
    const responses = this.#responses
    const interior = this.#interior
    if (!responses.asksAboutRequests && interior.isOpenTo(request)) return true
    if (!this.#hasWarned) this.#hasWarned = warn(responses.asksAboutRequests ? ASKS : interior.obstacle)
    return false
  }
}

const ASKS =
  'the options skip, key and user, and values of vary such as req:tenant, need the request as the framework makes it, so every request goes through the application'

function warn(obstacle: string | undefined): boolean {
  if (obstacle === undefined) return false
  process.emitWarning(`hits are not answered in front of the application: ${obstacle}`, 'FallbackCacheWarning')
  return true
}

/** Where an error of the application would have surfaced without us. */
function throwOutside(error: unknown): void {
  process.nextTick(() => {
    throw error
  })
}
