import type { ServerResponse } from 'node:http'
import { Readable, Stream } from 'node:stream'
import type { ReadableStream as WebStream } from 'node:stream/web'
import { unwatchedValue } from '../node/index.js'

/** The properties of a Koa context that determine which bytes Koa will send. */
export interface Answered {
  readonly method: string
  readonly body: unknown
  readonly status: number
  readonly message: string
  readonly response: object
  readonly res: Pick<ServerResponse, 'statusCode'>
}

/** The body of a response, after the handler and before Koa's `respond()`. */
export type KoaBody = WholeBody | StreamBody | Unanswered

/** A body whose bytes are all known. */
export interface WholeBody {
  readonly kind: 'whole'
  /** A string is sent as UTF-8. */
  readonly bytes: Buffer | string
  /**
   * Origin of the bytes: the body unchanged, an object as JSON, the reason phrase that Koa sends if there is no body,
   * or an empty body.
   */
  readonly from: 'body' | 'json' | 'message' | 'nothing'
}

/** A body that is still to be read. */
export interface StreamBody {
  readonly kind: 'stream'
  open(): Readable
}

/** No handler answered, or the body cannot be sent: outer middleware or Koa's error handler may still answer. */
export interface Unanswered {
  readonly kind: 'unanswered'
}

/** Determines the body that Koa will send for the state of the context. */
export function koaBody(ctx: Answered): KoaBody {
  const body = bodyOfGet(ctx)
  return unwatchedValue(ctx, 'method') === 'HEAD' && body.kind !== 'unanswered' ? NOTHING : body
}

function bodyOfGet(ctx: Answered): KoaBody {
  const body = unwatchedValue(ctx, 'body')
  if (hasNoContent(ctx.res.statusCode)) return NOTHING
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

/** Whether responses with this status have no body, even if the handler set one. */
export function hasNoContent(status: number): boolean {
  return status === 204 || status === 205 || status === 304
}

/**
 * Whether this Koa version sends `ReadableStream`, `Blob` and `Response` bodies (Koa 3) or serializes them as JSON (Koa
 * 2). Detected by `ctx.back()`, which Koa 3 introduced.
 */
export function sendsWebBodies(response: object): boolean {
  return 'back' in response
}

const NOTHING: WholeBody = { kind: 'whole', bytes: '', from: 'nothing' }

function whole(bytes: Buffer | string, from: WholeBody['from']): WholeBody {
  return { kind: 'whole', bytes, from }
}

/** Like `respond()`: the reason phrase as text, unless the handler set the body to `null` or did not answer. */
function missingBody(ctx: Answered): KoaBody {
  if (privatesOf(ctx)._explicitNullBody === true) return NOTHING
  const message = messageOf(ctx)
  return message === undefined ? { kind: 'unanswered' } : whole(message, 'message')
}

/** The reason phrase that Koa will send as the body, to any method but HEAD; `undefined` if it sends something else. */
export function messageOf(ctx: Answered): string | undefined {
  const body = unwatchedValue(ctx, 'body')
  if (body !== null && body !== undefined) return undefined
  const { statusCode: status } = ctx.res
  if (hasNoContent(status)) return undefined
  const { _explicitNullBody, _explicitStatus } = privatesOf(ctx)
  return _explicitNullBody !== true && _explicitStatus === true ? ctx.message || String(status) : undefined
}

/** Private flags without a public accessor, the same in Koa 2 and 3. */
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
  // Not serializable: Koa fails on it too, and reports the error where users expect it.
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
