import type { Context, Next } from 'koa'
import type {
  DetachedRun,
  Exchange,
  FieldChanges,
  FieldValue,
  InputsRead,
  Recording,
  RefreshHead,
  Reply,
  RequestContent,
  RequestHead,
} from '../../http/port/index.js'
import type { DescribedRequest, Describing, RequestDescription } from '../../http/protocol/index.js'
import {
  changeFields,
  detachedRun,
  fieldOf,
  hasDeparted,
  isClosed,
  keepContent,
  lineOf,
  NO_OUTER_FIELDS,
  type NodeRequest,
  OuterFields,
  onceClosed,
  type ParsedRequest,
  ResponseFieldsWatch,
  readContent,
  sendPreparedOver,
  watchEndings,
  watchResponse,
} from '../node/index.js'
import { isAround, passBy, recordAnswer } from './answer-recording.js'
import { AroundKoa, onceWritten } from './around-koa.js'
import { isOutermost } from './outermost.js'
import { KoaRequestHead } from './request-head.js'
import { reply, replyInstead, sessionAsShown } from './response.js'
import { koaRoute } from './route-pattern.js'
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
    const { state, req } = this.context
    return state.user ?? (req as NodeRequest).user
  }

  get session(): unknown {
    const { session, req } = this.context as Context & { readonly session?: unknown }
    return sessionAsShown(session ?? (req as NodeRequest).session)
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
    const restore = changeFields(ctx.req, changes)
    if (changes !== undefined) recording.restore = restore
    const around = isRecorded && changes !== undefined ? new AroundKoa(recording) : undefined
    if (around !== undefined) watchResponse(ctx.req, ctx.res, around, restore)
    const isPending = () => around !== undefined && isAround(ctx) && !ctx.headerSent
    const { inputs } = recording
    // A sealed context takes none. Through the Proxy of a watched one, it would be set slowly.
    Reflect.set(ctx, 'fallbackCache', recording.handle)
    if (inputs !== undefined) watch(ctx, recording, inputs)
    // Replaces methods of the response, which are not those of middleware in front.
    const outer = isRecorded ? new OuterFields(ctx.res) : undefined
    this.#outer = outer
    const fields = outer && inputs && new ResponseFieldsWatch(ctx.res, outer, inputs)
    if (isRecorded && around === undefined) {
      onceClosed(ctx.res, () => recording.leave())
      watchEndings(ctx.res, ['addTrailers', 'setTrailer', 'detachSocket'], recording)
    }
    // Other clients do not wait for a response that is not stored.
    const unwritten =
      isRecorded && around === undefined ? onceWritten(ctx.res, () => passBy(ctx, outer, recording, true)) : undefined
    try {
      await this.#next()
    } catch (error) {
      const instead = recording.fail(error)
      if (instead === undefined || ctx.headerSent) throw error
      return replyInstead(ctx, outer?.values ?? NO_OUTER_FIELDS, instead)
    } finally {
      unwritten?.()
      if (!isPending()) {
        restore()
        around?.leaveToKoa()
      }
      fields?.stop()
      outer?.acts.stop()
    }
    // The connection may have closed just now, before its event fired.
    if (isRecorded && hasDeparted(ctx.req, ctx.res)) recording.leave()
    if (isPending()) return
    const rest = recordAnswer(ctx, outer, recording)
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
  readonly #describing: Describing

  constructor(asked: Context | RequestDescription, ignored: ReadonlySet<string> | undefined, describing: Describing) {
    const description = isContext(asked) ? undefined : (asked as RequestDescription)
    const context = description === undefined ? (asked as Context) : contextOf(describing.request(description))
    super(context, noNext, noNext, ignored)
    this.#description = description
    this.#describing = describing
  }

  override readContent(limit: number): RequestContent | Promise<RequestContent> {
    const description = this.#description
    return description === undefined ? super.readContent(limit) : this.#describing.content(description, limit)
  }
}

function watch(ctx: Context, recording: Recording, inputs: InputsRead): void {
  try {
    watchContext(ctx, inputs)
  } catch {
    // Middleware in front has fixed a property of the request or the context.
    recording.abort('fault')
  }
}

function isContext(asked: Context | RequestDescription): asked is Context {
  return 'req' in asked && 'res' in asked
}

/** A context for a described request. */
function contextOf(request: DescribedRequest): Context {
  // A response as Koa begins it.
  const res = { statusCode: 404, statusMessage: '', getHeader: () => undefined }
  const context: object = { state: {}, header: request.headers, request, response: {}, req: request, res, ...request }
  // Not all of a context: the properties that this file and the functions in the options read.
  return context as Context
}

async function noNext(): Promise<void> {}
