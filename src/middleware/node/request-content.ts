import type { IncomingMessage } from 'node:http'
import type { RequestContent } from '../../http/port/index.js'
import { streamsBody } from './node-response.js'

/** The properties that body parsers set on a request, or on Koa's `ctx.request`. */
export interface ParsedRequest {
  readonly body?: unknown
  readonly rawBody?: unknown
}

/**
 * Reads the content of a request, if it has at most `limit` bytes, and puts it back: a later reader (a body parser, a
 * pipe, an async iteration) finds an unread request.
 *
 * @param parsed - the object on which a body parser would have stored the content
 */
export function readContent(
  request: IncomingMessage,
  limit: number,
  parsed: ParsedRequest,
): RequestContent | Promise<RequestContent> {
  if (isTouched(request)) return keptBytes(request, parsed) ?? 'consumed'
  const { 'content-length': length, 'transfer-encoding': coding } = request.headers
  if (Number(length) > limit) return 'too-large'
  if (coding === undefined && !streamsBody(request) && (length === undefined || Number(length) === 0)) return NOTHING
  // Waits until data received with the head is parsed: reading an empty stream would end it before anyone listens.
  return new Promise((resolve) => process.nextTick(() => new Peek(request, limit, resolve).start()))
}

/** Like {@link readContent}'s result, but also passes the bytes to `keep`, for a background run. */
export function keepContent(
  read: RequestContent | Promise<RequestContent>,
  keep: (content: Buffer) => void,
): RequestContent | Promise<RequestContent> {
  if (read instanceof Promise) return read.then((content) => keepContent(content, keep))
  if (typeof read !== 'string') keep(read)
  return read
}

const NOTHING = Buffer.alloc(0)

/** Whether other code has started to read the request, or has a listener for its data. */
function isTouched(request: IncomingMessage): boolean {
  if (request.readableDidRead || request.readableEnded || request.destroyed) return true
  if (request.readableFlowing === true || request.readableEncoding !== null) return true
  return request.listenerCount('readable') > 0 || request.listenerCount('data') > 0
}

/** The bytes that a body parser kept; unknown if it only kept a parsed object. */
function keptBytes({ headers }: IncomingMessage, { body, rawBody }: ParsedRequest): Buffer | undefined {
  const coding = headers['content-encoding'] ?? 'identity'
  // The kept bytes are decoded, so they do not match Content-Encoding.
  if (coding.toLowerCase() !== 'identity') return undefined
  for (const kept of [rawBody, body]) {
    if (kept instanceof Uint8Array) return Buffer.from(kept)
    if (typeof kept === 'string' && !OTHER_CHARSET.test(headers['content-type'] ?? '')) return Buffer.from(kept)
  }
  return undefined
}

const OTHER_CHARSET = /;\s*charset\s*=(?!\s*"?utf-8"?\s*(?:;|$))/i

/** Reads a request to its end and puts the bytes back before the stream emits 'end'. */
class Peek {
  readonly #request: IncomingMessage
  readonly #limit: number
  readonly #resolve: (content: RequestContent) => void
  readonly #wasPaused: boolean
  #chunks: Buffer[] = []
  #length = 0

  constructor(request: IncomingMessage, limit: number, resolve: (content: RequestContent) => void) {
    this.#request = request
    this.#limit = limit
    this.#resolve = resolve
    this.#wasPaused = request.isPaused()
  }

  start(): void {
    const request = this.#request
    if (request.destroyed) {
      this.#resolve('incomplete')
    } else if (isComplete(request) && request.readableLength === 0) {
      this.#resolve(NOTHING)
    } else {
      request.on('readable', this.#onReadable)
      request.on('close', this.#onLost)
      request.on('error', this.#onLost)
    }
  }

  readonly #onReadable = (): void => {
    const request = this.#request
    while (request.readableLength > 0 && this.#length <= this.#limit) {
      const chunk: Buffer | null = request.read()
      if (chunk === null) break
      this.#chunks.push(chunk)
      this.#length += chunk.length
    }
    if (this.#length > this.#limit) this.#finish('too-large')
    else if (isComplete(request) && request.readableLength === 0) this.#finish(Buffer.concat(this.#chunks))
  }

  readonly #onLost = (): void => this.#finish('incomplete')

  #finish(content: RequestContent): void {
    const request = this.#request
    request.off('readable', this.#onReadable)
    request.off('close', this.#onLost)
    request.off('error', this.#onLost)
    if (this.#length > 0 && !request.destroyed) request.unshift(Buffer.concat(this.#chunks))
    if (this.#wasPaused) request.pause()
    forgetReading(request)
    this.#chunks = []
    this.#resolve(content)
  }
}

/** Whether all bytes have arrived. For HTTP/2, `request.complete` only becomes true after they were read. */
function isComplete(request: IncomingMessage): boolean {
  if (request.httpVersionMajor < 2) return request.complete
  const { stream } = request as { readonly stream?: { readonly readableEnded?: boolean } }
  return stream?.readableEnded === true
}

/** Resets the read flags: `fetch` rejects a stream that was read from, and Node.js only drains unread requests. */
function forgetReading(request: IncomingMessage): void {
  const state: unknown = Reflect.get(request, '_readableState')
  if (typeof state === 'object' && state !== null) Reflect.set(state, 'dataEmitted', false)
  if (Reflect.get(request, '_consumed') === true) Reflect.set(request, '_consumed', false)
}
