import { type IncomingMessage, ServerResponse } from 'node:http'
import type { Request } from 'express'
import { shown } from '../core/option-checks.js'
import type {
  DetachedRun,
  Exchange,
  FieldChanges,
  FieldValue,
  Recording,
  RefreshHead,
  Reply,
  RequestContent,
  RequestHead,
  ResponseHandle,
  ResponseHead,
} from '../http/port/index.js'
import type {
  Explanation,
  FallbackCacheMiddlewareOptions,
  RefiningOptions,
  RequestDescription,
} from '../http/protocol/index.js'
import { type CacheControls, controlsOf, ResponseCache, readPolicy, refined } from '../http/protocol/index.js'
import { type ExpressApplication, expressHost, FrontedExpress, isExpressApplication } from './express/application.js'
import { expressRoute } from './express/route-pattern.js'
import {
  checkFrontDoorOptions,
  Doorway,
  type FrontDoor,
  type FrontDoorOptions,
  matchingPrototypes,
} from './front-door/index.js'
import {
  changeFields,
  checkExplained,
  checkIsCalled,
  described,
  describedContent,
  detachedRun,
  fieldOf,
  filledIn,
  isEncrypted,
  keepContent,
  lineOf,
  misplaced,
  type NodeRequest,
  otherOriginOf,
  readContent,
  rewrittenUrl,
  sendPreparedOver,
  sendReply,
  streamsBody,
  userOf,
  watchFilled,
  watchRequest,
  watchResponse,
} from './node/index.js'

declare global {
  namespace Express {
    interface Response {
      /** Lets a handler control the caching of its own response; available behind the middleware. */
      fallbackCache: ResponseHandle
    }
  }
}

/** The options of {@link fallbackCache}; functions in them are called with `req`. */
export type MiddlewareOptions = FallbackCacheMiddlewareOptions<Request>

export type { FinishedResponse } from '../http/port/index.js'
export type { FrontDoorOptions, ServeOptions } from './front-door/index.js'

/** A middleware for Express 4 and 5, and for other frameworks that call `(req, res, next)`. */
export interface FallbackCacheMiddleware extends CacheControls, FrontDoor<ExpressApplication> {
  (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void): void
  /** The same cache with other options, for a single route. Options that are not given are unchanged. */
  with(options: RefiningOptions<Request>): FallbackCacheMiddleware
  /**
   * Explains what the cache would do with a request, and why, without running, counting or changing anything.
   * `String()` of the result is a short readable text. Outside a request, pass a description: `{ url:
   * 'https://shop.example/products/1', headers }`. Never rejects: for an invalid argument, the explanation is a `fault`
   * that shows the correct call.
   */
  explain(request: IncomingMessage | RequestDescription): Promise<Explanation>
}

/**
 * Creates a middleware that answers requests from the cache and stores the responses of handlers (RFC 9111).
 *
 * ```ts
 * app.use(fallbackCache({ ttl: 60 }))
 * ```
 *
 * @throws TypeError or RangeError for invalid options
 */
export function fallbackCache(options: MiddlewareOptions = {}, ...rest: readonly never[]): FallbackCacheMiddleware {
  checkIsCalled(options, rest)
  const policy = readPolicy(options)
  const responses = new ResponseCache(policy)
  const ignored = policy.inputs?.ignored
  const middleware = (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void): void => {
    if (typeof next !== 'function') throw misplaced('express', request)
    // Other frameworks pass a plain Node.js request; the user's functions are written for it.
    const handled = responses.handle(new ExpressExchange(request as Request, response, next, ignored))
    if (handled !== undefined) void handled.catch(throwOutside)
  }
  const doorway = (app: ExpressApplication, options: FrontDoorOptions, of: 'serve' | 'listener') => {
    if (!isExpressApplication(app)) throw new TypeError(`${of}() takes an Express application, got ${shown(app)}`)
    checkFrontDoorOptions(options, of)
    return new Doorway(responses, new FrontedExpress(app, middleware, options))
  }
  const listener: FallbackCacheMiddleware['listener'] = (app, options = {}) =>
    doorway(app, options, 'listener').listener
  const serve: FallbackCacheMiddleware['serve'] = (app, options = {}) =>
    doorway(app, options, 'serve').serve(matchingPrototypes(app), options.createServer)
  return Object.assign(middleware, controlsOf(responses, policy), {
    serve,
    listener,
    explain: (request: IncomingMessage | RequestDescription) =>
      responses.explain(() => {
        checkExplained(request, 'express')
        return new ExplainedExchange(request, ignored)
      }),
    with: (refinement: RefiningOptions<Request>) => fallbackCache(refined(options, refinement, policy.cache)),
  })
}

/** A response object in Express, as seen by a handler. */
type Answering = ServerResponse & { fallbackCache?: ResponseHandle; readonly locals?: object }

class ExpressExchange implements Exchange<Request>, RequestHead {
  readonly context: Request
  readonly #response: ServerResponse
  readonly #next: (error?: unknown) => void
  readonly #ignored: ReadonlySet<string> | undefined
  #url: string | undefined
  #content: Buffer | undefined
  #outer: ResponseHead['outer'] | undefined

  constructor(
    request: Request,
    response: ServerResponse,
    next: (error?: unknown) => void,
    ignored: ReadonlySet<string> | undefined,
  ) {
    this.context = request
    this.#response = response
    this.#next = next
    this.#ignored = ignored
  }

  get raw(): object {
    return this.context
  }

  get request(): RequestHead {
    return this
  }

  get user(): unknown {
    return userOf(this.context, this.#response)
  }

  get session(): unknown {
    return (this.context as NodeRequest).session
  }

  get route(): string | undefined {
    return expressRoute(this.context)
  }

  get method(): string {
    return this.context.method
  }

  get originalMethod(): string | undefined {
    const { originalMethod } = this.context as { readonly originalMethod?: unknown }
    return typeof originalMethod === 'string' ? originalMethod : undefined
  }

  get url(): string {
    // connect sets originalUrl in mounted middleware, plain node:http does not. Read once: sub-routers change url.
    this.#url ??= this.context.originalUrl ?? this.context.url ?? '/'
    return this.#url
  }

  get rewritten(): string | undefined {
    const { url, baseUrl = '' } = this.context
    return rewrittenUrl(this.url, url, baseUrl)
  }

  get hasBody(): boolean {
    return streamsBody(this.context)
  }

  get protocol(): string {
    const { headers, socket } = this.context
    // Express only checks its proxy trust for this field; without it the socket determines the protocol.
    if (headers['x-forwarded-proto'] !== undefined) return this.context.protocol ?? 'http'
    return isEncrypted(socket) ? 'https' : 'http'
  }

  get host(): string {
    return expressHost(this.context, this.context.app)
  }

  get otherOrigin(): string | undefined {
    return otherOriginOf(this.context, this.protocol, this.host)
  }

  get headers(): RequestHead['headers'] {
    return this.context.headers
  }

  filled(input: string): string | null | undefined {
    return filledIn({ req: this.context, locals: (this.#response as Answering).locals }, input, this.#ignored)
  }

  field(name: string): FieldValue | undefined {
    return this.#outer === undefined ? fieldOf(this.#response, name) : lineOf(this.#outer[name])
  }

  readContent(limit: number): RequestContent | Promise<RequestContent> {
    return keepContent(readContent(this.context, limit, this.context), (content) => {
      this.#content = content
    })
  }

  reply(reply: Reply): void {
    if (!sendPreparedOver(this.#response, reply)) sendReply(this.#response, reply)
  }

  forward(recording: Recording, changes?: FieldChanges): void {
    const response = this.#response
    ;(response as Answering).fallbackCache = recording.handle
    const restore = changeFields(this.context, changes)
    const { inputs } = recording
    if (inputs !== undefined) {
      watchRequest(this.context, inputs)
      watchFilled(this.context, response, inputs)
    }
    this.#outer = watchResponse(this.context, response, recording, restore)
    this.#next()
  }

  refresh(head: RefreshHead): DetachedRun | undefined {
    return detachedRun(this.context, this.url, this.#content, head)
  }
}

/** An exchange for `explain`, with a real or a described request, which runs nothing. */
class ExplainedExchange extends ExpressExchange {
  readonly #description: RequestDescription | undefined

  constructor(asked: IncomingMessage | RequestDescription, ignored: ReadonlySet<string> | undefined) {
    const description = isRequest(asked) ? undefined : (asked as RequestDescription)
    const request = (description === undefined ? asked : described(description)) as Request
    const response = request.res ?? new ServerResponse(request)
    super(request, response, () => {}, ignored)
    this.#description = description
  }

  override readContent(limit: number): RequestContent | Promise<RequestContent> {
    return this.#description === undefined ? super.readContent(limit) : describedContent(this.#description, limit)
  }
}

function isRequest(asked: IncomingMessage | RequestDescription): asked is IncomingMessage {
  return 'socket' in asked
}

/** Throws where an error of the application would have surfaced without the cache, instead of rejecting our promise. */
function throwOutside(error: unknown): void {
  process.nextTick(() => {
    throw error
  })
}
