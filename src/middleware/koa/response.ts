import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import type { FieldList, FieldValue, Reply, ResponseHead } from '../../http/port/index.js'
import { fieldOf } from '../node/node-response.js'
import type { OuterFields } from '../node/outer-fields.js'
import { inWireText } from '../node/wire-text.js'
import { knownFields, layFields } from '../node-internals/outgoing-fields.js'
import { type Answered, hasNoContent, messageOf } from './body.js'

/** What of a Koa context is an answer. */
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

/** Has Koa send an answer from the cache. */
export function reply(ctx: KoaAnswer, { status, reason, removed, fields, checkedNames, body }: Reply): void {
  const { res } = ctx
  ctx.status = status
  // It may have been stored over HTTP/1.1, and http2 warns who sets one.
  if (reason !== undefined && ctx.req.httpVersionMajor === 1) ctx.message = reason
  for (const name of removed) res.removeHeader(name)
  layFields(res, fields, checkedNames)
  if (body !== undefined) putBody(ctx, body)
  else if (hasNoContent(status)) ctx.body = null
  // For HEAD, Koa would take the length of what is there for that of the answer to GET.
  else if (ctx.method !== 'HEAD' || ctx.body !== undefined) setBody(ctx, NOTHING)
}

/** Has Koa send an answer from the cache in place of what the handlers have put on the context. */
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
 * As {@link setBody}, for bytes whose fields are all set. Where there was no body and the status is set, Koa's setter would
 * keep them, copy all fields to see whether there is a type, and set the length once more.
 */
function putBody(ctx: KoaAnswer, body: Buffer): void {
  if (ctx.body !== undefined || !putAside(ctx, body)) setBody(ctx, body)
}

/** Has Koa send an object at `ctx.body` as the JSON that has been made of it: type and status are set. */
export function putJson(ctx: KoaAnswer, text: string): void {
  const { res } = ctx
  if (!putAside(ctx, text)) setBody(ctx, text)
  else if (!res.hasHeader('Content-Length') && !res.hasHeader('Transfer-Encoding')) {
    res.setHeader('Content-Length', Buffer.byteLength(text))
  }
}

/** Sets the body past Koa's setter, where that is Koa's. */
function putAside(ctx: KoaAnswer, body: Buffer | string): boolean {
  if (Object.hasOwn(ctx, 'body')) return false
  const response: { _body?: unknown } = ctx.response
  response._body = body
  return ctx.body === body
}

/** Sets `ctx.body` and no field: Koa gives a body a type, and takes the length of the one before away. */
export function setBody(ctx: KoaAnswer, body: unknown): void {
  const { res } = ctx
  const type = res.getHeader('Content-Type')
  const length = res.getHeader('Content-Length')
  ctx.body = body
  if (type === undefined) res.removeHeader('Content-Type')
  if (length !== undefined) res.setHeader('Content-Length', length)
}

const NOTHING = Buffer.alloc(0)

/** The head of what the handlers have put on the context, as Koa is going to send it. */
export class KoaResponseHead implements ResponseHead {
  readonly outer: ResponseHead['outer']
  readonly isUnanswered: boolean
  readonly #outerFields: OuterFields | undefined
  readonly #ctx: KoaAnswer
  /** What Koa sends for want of a body. */
  readonly #message: string | undefined

  /** What Koa sends as a text. */
  readonly #text: unknown

  /**
   * @param outer - `undefined`: where the head is all that matters
   * @param body - the bytes that Koa is going to send, or their text; `undefined`: not known yet
   */
  constructor(ctx: KoaAnswer, outer: OuterFields | undefined, isUnanswered = false, body?: Buffer | string) {
    this.isUnanswered = isUnanswered
    this.outer = outer?.values ?? NONE
    this.#outerFields = outer
    this.#ctx = ctx
    this.#text = body
    this.#message = ctx.headerSent || ctx.method === 'HEAD' ? undefined : messageOf(ctx)
  }

  get status(): number {
    return this.#ctx.status
  }

  /** Koa sets a reason phrase with every status; only another one was the handler's. HTTP/2 has none, and warns who reads it. */
  get reason(): string | undefined {
    if (this.#ctx.req.httpVersionMajor >= 2) return undefined
    const { statusMessage } = this.#ctx.res
    return statusMessage === '' || statusMessage === STATUS_CODES[this.status] ? undefined : statusMessage
  }

  get user(): unknown {
    return this.#ctx.state.user
  }

  get session(): unknown {
    return sessionOf(this.#ctx)
  }

  field(name: string): FieldValue | undefined {
    return this.#isReplaced(name) ? this.#fieldOfMessage(name) : fieldOf(this.#ctx.res, name)
  }

  isSetByRoute(name: string): boolean {
    return this.#isReplaced(name) || this.#outerFields?.isSet(name) === true
  }

  fields(): FieldList {
    return inWireText(this.#fields(), this.outer, this.#text, this.#ctx.res.end)
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

  /** Whether Koa, after all middleware, takes the field away or sets another value: nothing is sent, or the reason phrase is. */
  #isReplaced(name: string): boolean {
    return (this.#message !== undefined || hasNoContent(this.status)) && CONTENT_FIELDS.has(name)
  }

  /** What Koa sets when it sends the reason phrase. */
  #fieldOfMessage(name: string): string | undefined {
    if (this.#message === undefined) return undefined
    if (name === 'content-type') return 'text/plain; charset=utf-8'
    return name === 'content-length' ? String(Buffer.byteLength(this.#message)) : undefined
  }
}

const NONE: ResponseHead['outer'] = Object.freeze({})

const CONTENT_FIELDS = new Set(['content-type', 'content-length', 'transfer-encoding'])

/** The names of all fields in their own case, which the answers of HTTP/2 do not keep. */
function fieldNames(res: ServerResponse & { getRawHeaderNames?(): string[] }): string[] {
  return res.getRawHeaderNames?.() ?? res.getHeaderNames()
}

/** koa-session has properties of its own beside those of the user, and leaves them out of `toJSON()`. */
export function sessionOf(ctx: object): unknown {
  const session: unknown = Reflect.get(ctx, 'session')
  const toJson = (session as { readonly toJSON?: unknown } | null | undefined)?.toJSON
  return typeof toJson === 'function' ? toJson.call(session) : session
}
