import timers from 'node:timers'
import type { Context, Next } from 'koa'
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
} from '../../http/port/index.js'
import type { RequestDescription } from '../../http/protocol/index.js'
import {
  addedContent,
  begunKoaAnswer,
  changeFields,
  described,
  describedContent,
  detachedRun,
  drain,
  fieldOf,
  filledIn,
  hasDeparted,
  isClosed,
  keepContent,
  layFields,
  lineOf,
  NO_OUTER_FIELDS,
  OuterFields,
  otherOriginOf,
  type ParsedRequest,
  ResponseFieldsWatch,
  readContent,
  rewrittenUrl,
  sendPreparedOver,
  socketOf,
  streamsBody,
  tee,
  watchEndings,
  watchResponse,
} from '../node/index.js'
import { type KoaBody, koaBody, sendsWebBodies } from './body.js'
import { isOutermost } from './outermost.js'
import { KoaResponseHead, putJson, reply, replyInstead, sessionOf, setBody } from './response.js'
import { koaRoute, reroutedPath } from './route-pattern.js'
import { watchContext } from './watched-context.js'

/** The exchange of a request in Koa. */
export class KoaExchange implements Exchange<Context> {
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

  get route(): string | undefined {
    return koaRoute(this.context as object)
  }

  get request(): RequestHead {
    this.#request ??= new KoaRequestHead(this.context, this.#ignored)
    return this.#request
  }

  get isClosed(): boolean {
    return isClosed(this.context.res)
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
    // If this middleware is not outermost, outer middleware may still change the response.
    if (!isOutermost(app, this.#middleware) || !sendPreparedOver(res, answer)) reply(this.context, answer)
  }

  async forward(recording: Recording, changes?: FieldChanges): Promise<void> {
    const ctx = this.context
    const isRecorded = recording.wants === 'response'
    const outer = isRecorded ? new OuterFields(ctx.res) : undefined
    this.#outer = outer
    const restore = changeFields(ctx.req, changes)
    const { inputs } = recording
    if (inputs !== undefined) watchContext(ctx, inputs)
    const fields = outer && inputs && new ResponseFieldsWatch(ctx.res, outer, inputs)
    if (isRecorded) ctx.res.once('close', () => recording.leave())
    if (isRecorded) watchEndings(ctx.res, ['addTrailers', 'setTrailer', 'detachSocket'], recording)
    ctx.fallbackCache = recording.handle
    try {
      await this.#next()
    } catch (error) {
      const instead = recording.fail(error)
      if (instead === undefined || ctx.headerSent) throw error
      return replyInstead(ctx, outer?.values ?? NO_OUTER_FIELDS, instead)
    } finally {
      restore()
      fields?.stop()
    }
    // The connection may have closed just now, before its event fired.
    if (isRecorded && hasDeparted(ctx.req, ctx.res)) recording.leave()
    const rest = record(ctx, outer, recording)
    if (rest !== undefined) await rest
  }

  refresh(head: RefreshHead): DetachedRun | undefined {
    const { req, originalUrl } = this.context
    return detachedRun(req, originalUrl, this.#content, head)
  }
}

/** An exchange for `explain`, with a real or a described request, which runs nothing. */
export class ExplainedKoaExchange extends KoaExchange {
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
  // A response as Koa begins it.
  const res = { statusCode: 404, statusMessage: '', getHeader: () => undefined }
  const context: object = { state: {}, header: request.headers, request, response: {}, req: request, res, ...request }
  // Not all of a context: the properties that this file and the functions in the options read.
  return context as Context
}

async function noNext(): Promise<void> {}

/** The head of a Koa request; properties that are expensive to compute are computed on access. */
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

  /** Set by koa-methodoverride and similar middleware. */
  get originalMethod(): string | undefined {
    return (this.#ctx.req as { readonly originalMethod?: string }).originalMethod
  }

  get hasBody(): boolean {
    return streamsBody(this.#ctx.req) || this.#added === false
  }

  get #added(): string | undefined | false {
    const { request, url } = this.#ctx
    const { body } = request as { readonly body?: unknown }
    const hasNoContent = this.method === 'GET' || this.method === 'HEAD'
    return addedContent(hasNoContent ? body : undefined, parsedQuery(request), url)
  }

  get rewritten(): string | undefined {
    // koa-mount sets its mount path, except for nested mounts.
    const { mountPath = '' } = this.#ctx as { readonly mountPath?: string }
    const url = rewrittenUrl(this.url, this.#ctx.url, mountPath === '/' ? '' : mountPath)
    const path = reroutedPath(this.#ctx as object)
    const added = this.#added
    if (path === undefined && typeof added !== 'string') return url
    return JSON.stringify([url ?? this.url, path, added])
  }

  get protocol(): string {
    // Koa's getter throws without a connection; a request without a plain origin passes by the cache.
    this.#protocol ??= socketOf(this.#ctx.req) === null ? '' : this.#ctx.protocol
    return this.#protocol
  }

  get host(): string {
    this.#host ??= this.#ctx.host
    return this.#host
  }

  get begun(): string | undefined {
    return begunKoaAnswer(this.#ctx)
  }

  filled(input: string): string | null | undefined {
    const ctx = this.#ctx
    return filledIn(
      { req: ctx.req, ctx, request: ctx.request, state: ctx.state, response: ctx.res },
      input,
      this.#ignored,
    )
  }

  get otherOrigin(): string | undefined {
    return otherOriginOf(this.#ctx.req, this.protocol, this.host)
  }
}

/** The query that middleware in front has had parsed, and may have added to; `undefined` if it has not. */
function parsedQuery(request: object): unknown {
  const { _querycache: parsed } = request as { readonly _querycache?: Readonly<Record<string, unknown>> }
  return parsed === undefined ? undefined : parsed[(request as { readonly querystring: string }).querystring]
}

/** Records what the handlers set on the context, and prepares it for Koa to send. */
function record(ctx: Context, outer: OuterFields | undefined, recording: Recording): void | Promise<void> {
  // The handler writes to the response directly, so ctx.body is not the response.
  if (ctx.respond === false || ctx.headerSent) return passBy(ctx, outer, recording)
  // If only the head is needed, the body is left to Koa, which serializes an object itself.
  const body = recording.wants === 'head' ? UNKNOWN : koaBody(ctx)
  const isUnanswered = body.kind === 'unanswered' && body !== UNKNOWN
  const bytes = body.kind === 'whole' ? body.bytes : undefined
  const onward = recording.begin(new KoaResponseHead(ctx, outer, isUnanswered, bytes), bytes)
  if (onward.before !== undefined) return onward.before.then(() => passOn(ctx, { outer, recording, body }, onward))
  return passOn(ctx, { outer, recording, body }, onward)
}

/** A response of the handlers, and its recording. */
interface RecordedBody {
  readonly outer: OuterFields | undefined
  readonly recording: Recording
  readonly body: KoaBody
}

function passOn(
  ctx: Context,
  { outer, recording, body }: RecordedBody,
  { fields, instead, record }: Onward,
): void | Promise<void> {
  if (instead !== undefined) {
    const answer = () => replyInstead(ctx, outer?.values ?? NO_OUTER_FIELDS, instead)
    return record ? finish(body, recording).then(answer) : answer()
  }
  layFields(ctx.res, fields)
  if (record) watch(ctx, body, recording)
}

const UNKNOWN: KoaBody = { kind: 'unanswered' }

/** Does not record a response written around Koa. If only its head is needed, waits for it. */
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

// Captured at load time, because a test runner's fake timers would never fire.
const { setImmediate } = timers

/** Ends the response to which middleware in front, such as koa-compress, was still passing on a stream that failed. */
function breakOff(ctx: Context, copy: unknown, error: Error): void {
  const { res } = ctx
  if (ctx.body === copy || res.writableEnded) return
  if (res.headersSent) res.destroy()
  else ctx.onerror(error)
}

function watch(ctx: Context, body: KoaBody, recording: Recording): void {
  if (body.kind === 'stream') {
    // Koa 2 listens for errors of every stream that was set as ctx.body, including the handler's own.
    const silent = !sendsWebBodies(ctx.response)
    const copy = tee(body.open(), recording, {
      silent,
      onBroken: (error) => void setImmediate(breakOff, ctx, copy, error),
    })
    setBody(ctx, copy)
  } else if (body.kind === 'whole') {
    // Replaces the object by its JSON text, so that Koa does not serialize it again.
    if (body.from === 'json') putJson(ctx, String(body.bytes))
    recording.end()
  } else {
    recording.abort('aborted')
  }
}
