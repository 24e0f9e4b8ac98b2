import type { Context, Middleware, Next } from 'koa'
import { shown } from '../core/option-checks.js'
import type {
  DetachedRun,
  Exchange,
  FieldChanges,
  FieldValue,
  Onward,
  Recording,
  RefreshHead,
  Reply,
  RequestContent,
  RequestHead,
  ResponseHandle,
} from '../http/port/index.js'
import type {
  Explanation,
  FallbackCacheMiddlewareOptions,
  RefiningOptions,
  RequestDescription,
} from '../http/protocol/index.js'
import { type CacheControls, controlsOf, ResponseCache, readPolicy, refined } from '../http/protocol/index.js'
import { Doorway, type FrontDoor } from './front-door/front-door.js'
import { checkFrontDoorOptions, type FrontDoorOptions } from './front-door/front-door-options.js'
import { isKoaApplication, type KoaApplication, KoaInterior } from './koa/application.js'
import { type KoaBody, koaBody, sendsWebBodies } from './koa/body.js'
import { isOutermost } from './koa/outermost.js'
import { KoaResponseHead, putJson, reply, replyInstead, sessionOf, setBody } from './koa/response.js'
import { watchContext } from './koa/watched-context.js'
import { Departure } from './node/departure.js'
import { described, describedContent } from './node/described.js'
import { detachedRun } from './node/detached.js'
import { checkExplained, checkIsCalled, misplaced } from './node/misuse.js'
import { changeFields, fieldOf, lineOf, rewrittenUrl, streamsBody } from './node/node-response.js'
import { otherOriginOf } from './node/origin-fields.js'
import { OuterFields } from './node/outer-fields.js'
import { keepContent, type ParsedRequest, readContent } from './node/request-content.js'
import { drain, tee } from './node/tee.js'
import { watchTrailers } from './node/trailers.js'
import { filledIn } from './node/watched-filled.js'
import { watchResponse } from './node/watched-response.js'
import { layFields } from './node-internals/outgoing-fields.js'
import { sendPreparedOver } from './node-internals/prepared-head.js'

declare module 'koa' {
  interface ExtendableContext {
    /** What a handler can say about its own answer; there behind `fallbackCache()`. */
    fallbackCache: ResponseHandle
  }
}

/** The options of {@link fallbackCache}; functions among them are given the `ctx`. */
export type MiddlewareOptions = FallbackCacheMiddlewareOptions<Context>

export type { FinishedResponse } from '../http/port/index.js'
export type { ServeOptions } from './front-door/front-door.js'
export type { FrontDoorOptions } from './front-door/front-door-options.js'

/** What {@link fallbackCache} returns: a Koa middleware that carries its cache. */
export interface FallbackCacheMiddleware extends Middleware, CacheControls, FrontDoor<KoaApplication> {
  /** The same cache with other options: for a route that differs. What is not given stays as it is. */
  with(options: RefiningOptions<Context>): FallbackCacheMiddleware
  /**
   * What the cache would do with a request and why: nothing runs, is counted or changes. `String()` of it is a few lines for a
   * reader. Outside of requests by a description: `{ url: 'https://shop.example/products/1', headers }`. Never rejects: what is
   * neither is explained as a `fault` that says what to write.
   */
  explain(request: Context | RequestDescription): Promise<Explanation>
}

/**
 * A Koa middleware that answers from the cache, and keeps what the handlers below it leave at `ctx.body`. For Koa 2 and 3.
 *
 * ```ts
 * app.use(fallbackCache({ ttl: 60 }))
 * ```
 *
 * @throws TypeError or RangeError when an option cannot be read
 */
export function fallbackCache(options: MiddlewareOptions = {}, ...rest: readonly never[]): FallbackCacheMiddleware {
  checkIsCalled(options, rest)
  const policy = readPolicy(options)
  const responses = new ResponseCache(policy)
  const ignored = policy.inputs?.ignored
  const middleware: Middleware = (ctx, next) => {
    if (typeof next !== 'function') throw misplaced('koa', ctx)
    return responses.handle(new KoaExchange(ctx, next, middleware, ignored))
  }
  const doorway = (app: KoaApplication, options: FrontDoorOptions, of: 'serve' | 'listener') => {
    if (!isKoaApplication(app)) throw new TypeError(`${of}() takes a Koa application, got ${shown(app)}`)
    checkFrontDoorOptions(options, of)
    return new Doorway(responses, new KoaInterior(app, middleware, options))
  }
  const listener: FallbackCacheMiddleware['listener'] = (app, options = {}) =>
    doorway(app, options, 'listener').listener
  const serve: FallbackCacheMiddleware['serve'] = (app, options = {}) =>
    doorway(app, options, 'serve').serve({}, options.createServer)
  return Object.assign(middleware, controlsOf(responses, policy), {
    serve,
    listener,
    explain: (asked: Context | RequestDescription) =>
      responses.explain(() => {
        checkExplained(asked, 'koa')
        return new ExplainedExchange(asked, ignored)
      }),
    with: (refinement: RefiningOptions<Context>) => fallbackCache(refined(options, refinement, policy.cache)),
  })
}

class KoaExchange implements Exchange<Context> {
  readonly context: Context
  readonly #next: Next
  readonly #middleware: unknown
  readonly #ignored: ReadonlySet<string> | undefined
  #request: RequestHead | undefined
  #content: Buffer | undefined
  #outer: OuterFields | undefined

  constructor(ctx: Context, next: Next, middleware: unknown, ignored: ReadonlySet<string> | undefined) {
    this.context = ctx
    this.#ignored = ignored
    this.#next = next
    this.#middleware = middleware
  }

  get raw(): object {
    return this.context.req
  }

  get user(): unknown {
    return this.context.state.user
  }

  get session(): unknown {
    return sessionOf(this.context)
  }

  get request(): RequestHead {
    this.#request ??= new KoaRequestHead(this.context, this.#ignored)
    return this.#request
  }

  field(name: string): FieldValue | undefined {
    if (this.#outer === undefined) return fieldOf(this.context.res, name)
    return lineOf(this.#outer.values[name])
  }

  readContent(limit: number): RequestContent | Promise<RequestContent> {
    const { req, request } = this.context
    return keepContent(readContent(req, limit, request as ParsedRequest), (content) => {
      this.#content = content
    })
  }

  reply(answer: Reply): void {
    const { app, res } = this.context
    // Whoever stands around us may change the answer yet.
    if (!isOutermost(app, this.#middleware) || !sendPreparedOver(res, answer)) reply(this.context, answer)
  }

  async forward(recording: Recording, changes?: FieldChanges): Promise<void> {
    const ctx = this.context
    const isRecorded = recording.wants === 'response'
    const outer = isRecorded ? new OuterFields(ctx.res) : undefined
    this.#outer = outer
    const restore = changeFields(ctx.req, changes)
    if (recording.inputs !== undefined) watchContext(ctx, recording.inputs)
    const departure = isRecorded ? watchDeparture(ctx, recording) : undefined
    if (isRecorded) watchTrailers(ctx.res, ['addTrailers', 'setTrailer'], recording)
    ctx.fallbackCache = recording.handle
    try {
      await this.#next()
    } catch (error) {
      const instead = recording.fail(error)
      if (instead === undefined || ctx.headerSent) throw error
      return replyInstead(ctx, outer?.values ?? NONE, instead)
    } finally {
      restore()
    }
    // A connection that has just broken, of which nothing has told yet.
    if (departure?.isOver) recording.leave(() => true)
    const rest = record(ctx, outer, recording)
    if (rest !== undefined) await rest
  }

  refresh(head: RefreshHead): DetachedRun | undefined {
    const { req, originalUrl } = this.context
    return detachedRun(req, originalUrl, this.#content, head)
  }
}

/** A request that is only looked at, or was only described. */
class ExplainedExchange extends KoaExchange {
  readonly #description: RequestDescription | undefined

  constructor(asked: Context | RequestDescription, ignored: ReadonlySet<string> | undefined) {
    const description = isContext(asked) ? undefined : (asked as RequestDescription)
    super(description === undefined ? (asked as Context) : describedContext(description), noNext, noNext, ignored)
    this.#description = description
  }

  override readContent(limit: number): RequestContent | Promise<RequestContent> {
    return this.#description === undefined ? super.readContent(limit) : describedContent(this.#description, limit)
  }
}

function isContext(asked: Context | RequestDescription): asked is Context {
  return 'req' in asked && 'res' in asked
}

function describedContext(description: RequestDescription): Context {
  const request = described(description)
  return {
    state: {},
    header: request.headers,
    request,
    req: request,
    res: NO_RESPONSE,
    ...request,
  } as unknown as Context
}

const NO_RESPONSE = { getHeader: () => undefined }

async function noNext(): Promise<void> {}

/** A request as Koa tells of it; of what takes a while to find out, only what is asked for. */
class KoaRequestHead implements RequestHead {
  readonly method: string
  readonly url: string
  readonly headers: RequestHead['headers']
  readonly #ctx: Context
  readonly #ignored: ReadonlySet<string> | undefined
  #protocol: string | undefined
  #host: string | undefined

  constructor(ctx: Context, ignored: ReadonlySet<string> | undefined) {
    this.#ignored = ignored
    this.method = ctx.method
    this.url = ctx.originalUrl
    this.headers = ctx.req.headers
    this.#ctx = ctx
  }

  /** Left there by koa-methodoverride and its like. */
  get originalMethod(): string | undefined {
    return (this.#ctx.req as { readonly originalMethod?: string }).originalMethod
  }

  get hasBody(): boolean {
    return streamsBody(this.#ctx.req)
  }

  get rewritten(): string | undefined {
    // koa-mount says where it is mounted, but for mounts in mounts.
    const { mountPath = '' } = this.#ctx as { readonly mountPath?: string }
    return rewrittenUrl(this.url, this.#ctx.url, mountPath === '/' ? '' : mountPath)
  }

  get protocol(): string {
    this.#protocol ??= this.#ctx.protocol
    return this.#protocol
  }

  get host(): string {
    this.#host ??= this.#ctx.host
    return this.#host
  }

  filled(input: string): string | null | undefined {
    const ctx = this.#ctx
    return filledIn({ req: ctx.req, ctx, state: ctx.state }, input, this.#ignored)
  }

  get otherOrigin(): string | undefined {
    return otherOriginOf(this.#ctx.req, this.protocol, this.host)
  }
}

/** Tells the recording when the client leaves before its answer is complete. */
function watchDeparture({ req, res }: Context, recording: Recording): Departure {
  const departure = new Departure(req, res)
  res.once('close', () => {
    if (!res.writableFinished) departure.note()
    recording.leave(() => departure.wasSeen)
  })
  return departure
}

/** Tells the recording what the handlers left on the context, and prepares it to be sent by Koa. */
function record(ctx: Context, outer: OuterFields | undefined, recording: Recording): void | Promise<void> {
  // Written around Koa, or about to be: there is nothing at ctx.body to look at.
  if (ctx.respond === false || ctx.headerSent) return passBy(ctx, outer, recording)
  // Where the head is all that matters, an object is written as JSON by Koa alone.
  const body = recording.wants === 'head' ? UNKNOWN : koaBody(ctx)
  const isUnanswered = body.kind === 'unanswered' && body !== UNKNOWN
  const bytes = body.kind === 'whole' ? body.bytes : undefined
  const onward = recording.begin(new KoaResponseHead(ctx, outer, isUnanswered, bytes), bytes)
  if (onward.before !== undefined) return onward.before.then(() => passOn(ctx, outer, recording, body, onward))
  return passOn(ctx, outer, recording, body, onward)
}

function passOn(
  ctx: Context,
  outer: OuterFields | undefined,
  recording: Recording,
  body: KoaBody,
  { fields, instead, record }: Onward,
): void | Promise<void> {
  if (instead !== undefined) {
    const answer = () => replyInstead(ctx, outer?.values ?? NONE, instead)
    return record ? finish(body, recording).then(answer) : answer()
  }
  layFields(ctx.res, fields)
  if (record) watch(ctx, body, recording)
}

const NONE: OuterFields['values'] = Object.freeze({})

const UNKNOWN: KoaBody = { kind: 'unanswered' }

/** Bytes that go around Koa are not kept. Where the head is all that matters, it is waited for. */
function passBy(ctx: Context, outer: OuterFields | undefined, recording: Recording): void {
  if (!ctx.headerSent && recording.wants === 'head') {
    watchResponse(ctx.req, ctx.res, recording, () => {})
    return
  }
  if (ctx.headerSent) recording.begin(new KoaResponseHead(ctx, outer))
  recording.abort('aborted')
}

async function finish(body: KoaBody, recording: Recording): Promise<void> {
  if (body.kind === 'stream') await drain(body.open(), recording)
  else if (body.kind === 'whole') recording.end()
  else recording.abort('aborted')
}

function watch(ctx: Context, body: KoaBody, recording: Recording): void {
  if (body.kind === 'stream') {
    // Koa 2 listens for errors of every stream that was at ctx.body, the handler's own included.
    setBody(ctx, tee(body.open(), recording, !sendsWebBodies(ctx.response)))
  } else if (body.kind === 'whole') {
    // Koa need not write the object once more.
    if (body.from === 'json') putJson(ctx, String(body.bytes))
    recording.end()
  } else {
    recording.abort('aborted')
  }
}
