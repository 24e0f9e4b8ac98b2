import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http'
import type { Exchange, FieldChanges, FieldValue, Recording, Reply, RequestHead } from '../http/exchange.js'
import { isPlainField } from '../http/plain-fields.js'
import type { ResponseCache } from '../http/response-cache.js'
import { handOn, scopeOf } from '../http/scope.js'
import { runDetached } from './detached.js'
import type { FrontDoorOptions } from './front-door-options.js'
import type { Interior } from './interior.js'
import { fieldOf, sendReply, streamsBody, userOf } from './node-response.js'
import { sendPrepared } from './prepared-head.js'
import { hasUnreadFields } from './unread-fields.js'

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

/** The server of an application: node's own, unless there is another maker. */
export function serveWith<S extends Server>(
  listener: RequestListener,
  own: ServerOptions,
  make: CreateServer<S> | undefined,
): S {
  if (make !== undefined) return make(own, listener)
  // Without a maker the type parameter is what it is by default.
  return createServer(own, listener) as Server as S
}

/** A listener that answers hits itself and lets the application have all else. */
export function frontDoor<Context extends object>(
  responses: ResponseCache<Context>,
  interior: Interior,
): RequestListener {
  let hasWarned = false
  return (request, response) => {
    const { method } = request
    if (method !== 'GET' && method !== 'HEAD') return interior.enter(request, response)
    if (responses.asksAboutRequests || !interior.isOpenTo(request)) {
      if (!hasWarned) hasWarned = warn(responses.asksAboutRequests ? ASKS : interior.obstacle)
      return interior.enter(request, response)
    }
    // A copy that a refresh has sent is awaited inside; what somebody has answered already is not for us.
    if (scopeOf(request) !== undefined || response.headersSent) return interior.enter(request, response)
    const exchange = new FrontExchange<Context>(interior, request, response)
    if (!responses.mayDecideAhead(exchange)) return interior.enter(request, response)
    const handled = responses.handle(exchange)
    if (handled !== undefined) void handled.catch(throwOutside)
  }
}

const ASKS =
  'the options skip, key and user are functions of the request as the framework makes it, so every request goes through the application'

function warn(obstacle: string | undefined): boolean {
  if (obstacle === undefined) return false
  process.emitWarning(`hits are not answered in front of the application: ${obstacle}`, 'FallbackCacheWarning')
  return true
}

/** A request that the framework does not have yet. */
class FrontExchange<Context extends object> implements Exchange<Context>, RequestHead {
  readonly raw: IncomingMessage
  readonly isPlain: boolean
  readonly #interior: Interior
  readonly #response: ServerResponse
  #host: string | undefined
  #isForwarded = false

  constructor(interior: Interior, request: IncomingMessage, response: ServerResponse) {
    this.raw = request
    this.#interior = interior
    this.#response = response
    this.isPlain = hasUnreadFields(request) && this.#scan(request.rawHeaders)
    this.#isForwarded ||= !this.isPlain
  }

  /** No function of the user's is asked about a request in front of the application. */
  get context(): Context {
    return this.raw as Context
  }

  get request(): RequestHead {
    return this
  }

  get user(): unknown {
    return userOf(this.raw, this.#response)
  }

  get session(): unknown {
    return this.#interior.sessionOf(this.raw, this.#response)
  }

  get method(): string {
    return this.raw.method ?? 'GET'
  }

  get originalMethod(): string | undefined {
    const { originalMethod } = this.raw as { readonly originalMethod?: unknown }
    return typeof originalMethod === 'string' ? originalMethod : undefined
  }

  get url(): string {
    return this.raw.url ?? '/'
  }

  get hasBody(): boolean {
    return streamsBody(this.raw)
  }

  get protocol(): string {
    return this.#interior.protocolOf(this.raw, this.#response, this.#isForwarded)
  }

  get host(): string {
    return this.#interior.hostOf(this.raw, this.#response, this.#isForwarded, this.#host)
  }

  get headers(): RequestHead['headers'] {
    return this.raw.headers
  }

  field(name: string): FieldValue | undefined {
    return fieldOf(this.#response, name)
  }

  reply(reply: Reply): void {
    const response = this.#response
    const { poweredBy } = this.#interior
    if (sendPrepared(response, reply, poweredBy)) return
    if (poweredBy !== undefined) response.setHeader('X-Powered-By', poweredBy)
    sendReply(response, reply)
  }

  /** The application has the request, and with it the middleware, if it comes so far. */
  forward(recording: Recording, changes?: FieldChanges): void {
    const { raw } = this
    const { method, url, protocol, host } = this
    handOn(raw, { head: { method, url, protocol, host }, changes })
    this.#response.once('close', () => {
      if (scopeOf(raw)?.isAwaited === true) recording.abort('aborted')
    })
    this.#interior.enter(raw as IncomingMessage & { readonly req: never }, this.#response as never)
  }

  refresh(changes: FieldChanges, introduce: (raw: object) => void, done: () => void): boolean {
    return runDetached(this.raw, this.url, undefined, changes, introduce, done)
  }

  /** Looks at the fields as they came, which is cheaper than having node make a record of them. */
  #scan(raw: readonly string[]): boolean {
    for (let at = 0; at < raw.length; at += 2) {
      const name = raw[at] ?? ''
      if (name.length === 4 && name.toLowerCase() === 'host') {
        if (this.#host !== undefined) return false
        this.#host = raw[at + 1]
      } else if (isPlainField(name)) {
        if (isForwardedField(name)) this.#isForwarded = true
      } else {
        return false
      }
    }
    return true
  }
}

function isForwardedField(name: string): boolean {
  return (name.length === 16 || name.length === 17) && /^x-forwarded-(?:host|proto)$/i.test(name)
}

/** Where an error of the application would have surfaced without us. */
function throwOutside(error: unknown): void {
  process.nextTick(() => {
    throw error
  })
}
