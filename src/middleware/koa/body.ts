import { Readable, Stream } from 'node:stream'
import type { ReadableStream as WebStream } from 'node:stream/web'

/** What of a Koa context decides which bytes Koa is going to send. */
export interface Answered {
  readonly method: string
  readonly body: unknown
  readonly status: number
  readonly message: string
  readonly response: object
}

/** The body of an answer, after the handler and before Koa's `respond()`. */
export type KoaBody = WholeBody | StreamBody | Unanswered

/** All bytes are known. */
export interface WholeBody {
  readonly kind: 'whole'
  /** A string stands for its UTF-8. */
  readonly bytes: Buffer | string
  /** Where they come from: the body as it is, an object written as JSON, the reason phrase that Koa sends for want of a body, or there are none. */
  readonly from: 'body' | 'json' | 'message' | 'nothing'
}

/** The bytes are still to come. */
export interface StreamBody {
  readonly kind: 'stream'
  open(): Readable
}

/** No handler took the request, or what it left cannot be sent: outer middleware or Koa's error handler may still answer. */
export interface Unanswered {
  readonly kind: 'unanswered'
}

/** The body that Koa is going to send for what the handlers left on the context. */
export function koaBody(ctx: Answered): KoaBody {
  const body = bodyOfGet(ctx)
  return ctx.method === 'HEAD' && body.kind !== 'unanswered' ? NOTHING : body
}

function bodyOfGet(ctx: Answered): KoaBody {
  const { body } = ctx
  if (hasNoContent(ctx.status)) return NOTHING
  if (body === null || body === undefined) return missingBody(ctx)
  if (typeof body === 'string' || Buffer.isBuffer(body)) return whole(body, 'body')
  if (body instanceof Stream) return { kind: 'stream', open: () => asReadable(body) }
  if (sendsWebBodies(ctx.response)) {
    if (body instanceof Response) return body.body ? webStream(body.body) : NOTHING
    if (body instanceof ReadableStream) return webStream(body)
    if (body instanceof Blob) return { kind: 'stream', open: () => fromWeb(body.stream()) }
    if (isStreamLike(body)) return { kind: 'stream', open: () => asReadable(body) }
  }
  return json(body)
}

/** Whether answers of this status have no body, whatever the handler set. */
export function hasNoContent(status: number): boolean {
  return status === 204 || status === 205 || status === 304
}

/**
 * Whether this Koa sends `ReadableStream`, `Blob` and `Response` (Koa 3) or takes them for objects to write as JSON
 * (Koa 2). Koa 3 brought `ctx.back()` along with them.
 */
export function sendsWebBodies(response: object): boolean {
  return 'back' in response
}

const NOTHING: WholeBody = { kind: 'whole', bytes: '', from: 'nothing' }

function whole(bytes: Buffer | string, from: WholeBody['from']): WholeBody {
  return { kind: 'whole', bytes, from }
}

/** As `respond()` does: the reason phrase as text, unless the handler asked for no body by `null`, or did not answer. */
function missingBody(ctx: Answered): KoaBody {
  if (privatesOf(ctx)._explicitNullBody === true) return NOTHING
  const message = messageOf(ctx)
  return message === undefined ? { kind: 'unanswered' } : whole(message, 'message')
}

/** The reason phrase that Koa is going to send, to any method but HEAD, for want of a body; `undefined`: it sends something else. */
export function messageOf(ctx: Answered): string | undefined {
  const { body, status } = ctx
  if ((body !== null && body !== undefined) || hasNoContent(status)) return undefined
  const { _explicitNullBody, _explicitStatus } = privatesOf(ctx)
  return _explicitNullBody !== true && _explicitStatus === true ? ctx.message || String(status) : undefined
}

/** Neither has a public name; both are the same in Koa 2 and 3. */
function privatesOf({ response }: Answered): {
  readonly _explicitNullBody?: boolean
  readonly _explicitStatus?: boolean
} {
  return response
}

function json(body: unknown): KoaBody {
  try {
    const text: unknown = JSON.stringify(body)
    if (typeof text === 'string') return whole(text, 'json')
  } catch {}
  // Not to be written as JSON: Koa fails on it in the same way, with the error where users expect it.
  return { kind: 'unanswered' }
}

function isStreamLike(body: unknown): body is NodeJS.ReadableStream {
  const { pipe, on } = body as { readonly pipe?: unknown; readonly on?: unknown }
  return typeof pipe === 'function' && typeof on === 'function'
}

function asReadable(stream: unknown): Readable {
  return stream instanceof Readable ? stream : new Readable().wrap(stream as NodeJS.ReadableStream)
}

function webStream(stream: unknown): StreamBody {
  return { kind: 'stream', open: () => fromWeb(stream) }
}

function fromWeb(stream: unknown): Readable {
  // The global ReadableStream and that of node:stream/web are one class with two declarations.
  return Readable.fromWeb(stream as WebStream)
}
