import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import type { FieldList, FieldValue, Reply, ResponseHead } from '../../http/port/index.js'
import type { OuterFields } from '../node/index.js'
import {
  fieldOf,
  inWireText,
  knownFields,
  layReply,
  lineOf,
  NO_OUTER_FIELDS,
  setField,
  unwatchedValue,
} from '../node/index.js'
import { type Answered, hasNoContent, type KoaBody, messageOf } from './body.js'

/** The properties of a Koa context that form a response. */
export interface KoaAnswer extends Answered {
  status: number
  message: string
  body: unknown
  readonly headerSent: boolean
  readonly req: IncomingMessage
  readonly res: ServerResponse
  readonly state: { readonly user?: unknown }
  readonly session?: unknown
}

/** Puts a reply from the cache on the context, for Koa to send. */
export function reply(ctx: KoaAnswer, answer: Reply): void {
  const { res } = ctx
  const { status, reason, removed, body } = answer
  ctx.status = status
  // HTTP/2 has no reason phrase, and http2 warns when one is set.
  if (reason !== undefined && ctx.req.httpVersionMajor === 1) ctx.message = reason
  for (const name of removed) res.removeHeader(name)
  layReply(res, answer)
  if (body !== undefined) putBody(ctx, body)
  else if (hasNoContent(status)) ctx.body = null
  // For HEAD, Koa would use the length of the existing body as the length of the GET response.
  else if (ctx.method !== 'HEAD' || ctx.body !== undefined) setBody(ctx, NOTHING)
}

/** Puts a reply from the cache on the context, replacing what the handlers set. */
export function replyInstead(ctx: KoaAnswer, outer: ResponseHead['outer'], answer: Reply): void {
  if (ctx.headerSent) return
  const { res } = ctx
  for (const name of res.getHeaderNames()) {
    if (!(name in outer)) res.removeHeader(name)
  }
  for (const [name, value] of Object.entries(outer)) {
    if (value !== undefined) res.setHeader(name, value)
  }
  reply(ctx, answer)
}

/**
 * Like {@link setBody}, for a body whose fields are already set. If there was no body before and the status is set, it
 * skips Koa's setter, which would keep the fields but copy all of them to look for a type, and set the length again.
 */
function putBody(ctx: KoaAnswer, body: Buffer): void {
  if (ctx.body === undefined && putAside(ctx, body)) return
  const hasLength = ctx.res.hasHeader('Content-Length')
  setBody(ctx, body)
  if (!hasLength) ctx.res.removeHeader('Content-Length')
}

/** Replaces an object at `ctx.body` by its JSON text; type and status are already set. */
export function putJson(ctx: KoaAnswer, text: string): void {
  const { res } = ctx
  if (!putAside(ctx, text)) setBody(ctx, text)
  else if (!res.hasHeader('Content-Length') && !res.hasHeader('Transfer-Encoding')) {
    res.setHeader('Content-Length', Buffer.byteLength(text))
  }
}

/** Sets the body without Koa's setter, if the `body` property is Koa's; returns whether it was set. */
function putAside(ctx: KoaAnswer, body: Buffer | string): boolean {
  if (Object.hasOwn(ctx, 'body')) return false
  const response: { _body?: unknown } = ctx.response
  response._body = body
  return unwatchedValue(ctx, 'body') === body
}

/** Sets `ctx.body` and restores the fields, because Koa's setter adds a type and removes the previous length. */
export function setBody(ctx: KoaAnswer, body: unknown): void {
  const { res } = ctx
  const type = res.getHeader('Content-Type')
  const length = res.getHeader('Content-Length')
  ctx.body = body
  if (type === undefined) res.removeHeader('Content-Type')
  if (length !== undefined) res.setHeader('Content-Length', length)
}

const NOTHING = Buffer.alloc(0)

/** The response head that Koa will send for the state of the context. */
export class KoaResponseHead implements ResponseHead {
  readonly outer: ResponseHead['outer']
  readonly isUnanswered: boolean
  readonly #outerFields: OuterFields | undefined
  readonly #ctx: KoaAnswer
  /** Whether there is a body, so that Koa sends no reason phrase in its place. */
  readonly #hasBody: boolean
  /** The reason phrase that Koa sends if there is no body; `null`: not looked for yet. */
  #phrase: string | undefined | null = null

  /** The body, or its text; `undefined` if not known yet. */
  readonly #body: Buffer | string | undefined

  /**
   * @param outer - `undefined` if only the head itself matters
   * @param body - what Koa will send; `undefined` if not known yet
   */
  constructor(ctx: KoaAnswer, outer: OuterFields | undefined, body?: KoaBody) {
    this.isUnanswered = body?.kind === 'unanswered'
    this.outer = outer?.values ?? NO_OUTER_FIELDS
    this.#outerFields = outer
    this.#ctx = ctx
    const isWhole = body?.kind === 'whole'
    this.#body = isWhole ? body.bytes : undefined
    this.#hasBody = isWhole && (body.from === 'body' || body.from === 'json')
  }

  /** Looked for when a field is asked for that depends on it, as none does of a response that is not recorded. */
  get #message(): string | undefined {
    if (this.#phrase === null) {
      const { req, res } = this.#ctx
      this.#phrase = this.#hasBody || res.headersSent || req.method === 'HEAD' ? undefined : messageOf(this.#ctx)
    }
    return this.#phrase
  }

  /** Read where Koa's getter reads it: what a watched context inherits is read through a Proxy. */
  get status(): number {
    return this.#ctx.res.statusCode
  }

  /**
   * The reason phrase if the handler set one: Koa sets the standard phrase with every status. HTTP/2 has none, and
   * http2 warns on reads.
   */
  get reason(): string | undefined {
    if (this.#ctx.req.httpVersionMajor >= 2) return undefined
    const { statusMessage } = this.#ctx.res
    return statusMessage === '' || statusMessage === STATUS_CODES[this.status] ? undefined : statusMessage
  }

  get user(): unknown {
    return userOfContext(this.#ctx)
  }

  get session(): unknown {
    return sessionOf(this.#ctx)
  }

  field(name: string): FieldValue | undefined {
    return this.#isReplaced(name) ? this.#fieldOfMessage(name) : lineOf(setField(this.#ctx.res, name))
  }

  isSetByRoute(name: string): boolean {
    return this.#isReplaced(name) || this.#outerFields?.isSet(name) === true
  }

  get acts(): ResponseHead['acts'] {
    return this.#outerFields?.acts
  }

  fields(): FieldList {
    return inWireText(this.#fields(), this.outer, this.#body, this.#ctx.res.end)
  }

  #fields(): FieldList {
    const { res } = this.#ctx
    const known = this.#isReplaced('content-type') ? undefined : knownFields(res)
    if (known !== undefined) return known
    const fields: FieldValue[] = []
    for (const name of fieldNames(res)) {
      if (!this.#isReplaced(name.toLowerCase())) fields.push(name, fieldOf(res, name) ?? '')
    }
    for (const name of ['Content-Type', 'Content-Length']) {
      const value = this.#fieldOfMessage(name.toLowerCase())
      if (value !== undefined) fields.push(name, value)
    }
    return fields
  }

  /** Whether Koa removes or replaces the field after all middleware, because it sends no body or the reason phrase. */
  #isReplaced(name: string): boolean {
    return CONTENT_FIELDS.has(name) && (this.#message !== undefined || hasNoContent(this.status))
  }

  /** The fields that Koa sets when it sends the reason phrase. */
  #fieldOfMessage(name: string): string | undefined {
    if (this.#message === undefined) return undefined
    if (name === 'content-type') return 'text/plain; charset=utf-8'
    return name === 'content-length' ? String(Buffer.byteLength(this.#message)) : undefined
  }
}

const CONTENT_FIELDS = new Set(['content-type', 'content-length', 'transfer-encoding'])

/** All field names in their original case, which HTTP/2 responses do not keep. */
function fieldNames(res: ServerResponse & { getRawHeaderNames?(): string[] }): string[] {
  const names: string[] = res.getRawHeaderNames?.() ?? Object.getPrototypeOf(res).getHeaderNames.call(res)
  return names.filter((name) => !name.startsWith(':'))
}

/** The session of a context that may be watched. */
export function sessionOf(ctx: object): unknown {
  // Middleware of Express, used through koa-connect, sets it on the request of Node.js.
  const { req } = ctx as { readonly req: object }
  return sessionAsShown(unwatchedValue(ctx, 'session') ?? unwatchedValue(req, 'session'))
}

/** A session without the properties that koa-session adds, and omits in `toJSON()`. */
export function sessionAsShown(session: unknown): unknown {
  const toJson = (session as { readonly toJSON?: unknown } | null | undefined)?.toJSON
  return typeof toJson === 'function' ? toJson.call(session) : session
}

/** The user of a context; middleware of Express, used through koa-connect, sets it on the request of Node.js. */
function userOfContext(ctx: { readonly state: { readonly user?: unknown }; readonly req: object }): unknown {
  return ctx.state.user ?? unwatchedValue(ctx.req, 'user')
}
