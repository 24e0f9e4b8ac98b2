import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerOptions } from 'node:http'
import { shown } from '../../core/option-checks.js'
import type { ResponseCache } from '../../http/protocol/index.js'
import { scopeOf } from '../../http/protocol/index.js'
import { throwOutside } from '../node/index.js'
import type { MadeResponses } from '../node-internals/index.js'
import { answerEarly, type Unopened } from '../node-internals/index.js'
import type { FrontedApplication } from './application.js'
import type { FrontDoorOptions } from './front-door-options.js'
import { FrontExchange } from './front-exchange.js'

/** Creates a server with a listener. The given options are required by the application and must be passed on. */
export type CreateServer<S extends Server> = (options: ServerOptions, listener: RequestListener) => S

/** {@link FrontDoorOptions}, plus how the server is created. */
export interface ServeOptions<S extends Server = Server> extends FrontDoorOptions {
  /**
   * Creates the server: `(options, listener) => https.createServer({ ...options, key, cert }, listener)`.
   *
   * @defaultValue `http.createServer`
   */
  readonly createServer?: CreateServer<S> | undefined
}

/** The methods of a middleware that serve hits in front of its application. */
export interface FrontDoor<Application> {
  /**
   * Creates a server for an application in which this middleware is mounted with `app.use()` before anything else. Hits
   * are served before the framework is entered, by the same rules as in the middleware. All other requests go through
   * the application.
   *
   * ```ts
   * app.use(cached)
   * cached.serve(app).listen(3000)
   * ```
   */
  serve<S extends Server = Server>(app: Application, options?: ServeOptions<S>): S
  /** Like {@link serve}, for a server of your own: returns the listener for its `'request'` event. */
  listener(app: Application, options?: FrontDoorOptions): RequestListener
}

/** Serves hits in front of an application, and passes all other requests to it. */
export class Doorway<Context extends object> {
  readonly #responses: ResponseCache<Context>
  readonly #application: FrontedApplication
  #hasWarned = false
  /** The response observer of the server created by {@link serve}, if any. */
  #made: MadeResponses | undefined

  constructor(responses: ResponseCache<Context>, application: FrontedApplication) {
    this.#responses = responses
    this.#application = application
  }

  /** The listener for a server's `'request'` event. */
  readonly listener: RequestListener = (request, response) => {
    if (this.#made?.see(request, response) === true) return
    const application = this.#application
    // A request with a scope belongs to a revalidation; a response with sent headers was answered by other code.
    if (!this.#isOpenTo(request) || scopeOf(request) !== undefined || response.headersSent) {
      return application.enter(request, response)
    }
    const exchange = new FrontExchange<Context>(application, request, response)
    if (!this.#responses.mayDecideAhead(exchange)) return application.enter(request, response)
    this.#decide(exchange)
  }

  /**
   * Creates a server for the application, by default with `http.createServer`.
   *
   * @param own - the options that the application needs
   */
  serve<S extends Server>(own: ServerOptions, make: CreateServer<S> | undefined): S {
    // Without `make`, the type parameter has its default.
    const server = make === undefined ? (createServer(own, this.listener) as Server as S) : make(own, this.listener)
    if (typeof server?.listen !== 'function') {
      throw new TypeError(
        `createServer must return a server, got ${shown(server)}: (options, listener) => createServer(options, listener)`,
      )
    }
    this.#made = answerEarly(server, this.listener, (request, unopened) => this.#answerEarly(request, unopened))
    return server
  }

  /** @returns whether the request was answered or now has a response object */
  #answerEarly(request: IncomingMessage, unopened: Unopened): boolean {
    if (!this.#isOpenTo(request)) return false
    const exchange = new FrontExchange<Context>(this.#application, request, undefined, unopened)
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
    const application = this.#application
    if (!responses.asksAboutRequests && application.isOpenTo(request)) return true
    if (!this.#hasWarned) this.#hasWarned = warn(responses.asksAboutRequests ? ASKS : application.obstacle)
    return false
  }
}

const ASKS =
  'the options skip, key and user, shadow mode, and values of vary such as req:tenant need the request as the framework makes it, so every request goes through the application'

function warn(obstacle: string | undefined): boolean {
  if (obstacle === undefined) return false
  process.emitWarning(`the front door does not answer hits: ${obstacle}`, 'FallbackCacheWarning')
  return true
}
