import type { IncomingMessage } from 'node:http'
import type { RequestContent } from '../../http/port/index.js'
import { streamsBody } from './node-response.js'

/** What body parsers leave on a request, or on Koa's `ctx.request`. */
export interface ParsedRequest {
  readonly body?: unknown
  readonly rawBody?: unknown
}

/**
 * The bytes of a request's content, if there are no more than `limit`. They are read and put back: whoever comes next
 * (a body parser, a pipe, an async iteration) finds the request as if nobody had looked.
 *
 * @param parsed - where a body parser would have left what it read
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
  // What came with the head is parsed in this turn. To read an empty rest would end the stream before anybody listens.
  return new Promise((resolve) => process.nextTick(() => new Peek(request, limit, resolve).start()))
}

/** The same, and `keep` is called with the bytes: a background run needs them once more. */
export function keepContent(
  read: RequestContent | Promise<RequestContent>,
  keep: (content: Buffer) => void,
): RequestContent | Promise<RequestContent> {
  if (read instanceof Promise) return read.then((content) => keepContent(content, keep))
  if (typeof read !== 'string') keep(read)
  return read
}

const NOTHING = Buffer.alloc(0)

/** Whether somebody has read of it, or is about to. */
function isTouched(request: IncomingMessage): boolean {
  if (request.readableDidRead || request.readableEnded || request.destroyed) return true
  if (request.readableFlowing === true || request.readableEncoding !== null) return true
  return request.listenerCount('readable') > 0 || request.listenerCount('data') > 0
}

/** The bytes that a parser has kept. An object made of them does not tell which they were. */
function keptBytes({ headers }: IncomingMessage, { body, rawBody }: ParsedRequest): Buffer | undefined {
  const coding = headers['content-encoding'] ?? 'identity'
  // What was kept is decoded, and the fields say something else.
  if (coding.toLowerCase() !== 'identity') return undefined
  for (const kept of [rawBody, body]) {
    if (kept instanceof Uint8Array) return Buffer.from(kept)
    if (typeof kept === 'string' && !OTHER_CHARSET.test(headers['content-type'] ?? '')) return Buffer.from(kept)
  }
  return undefined
}

const OTHER_CHARSET = /;\s*charset\s*=(?!\s*"?utf-8"?\s*(?:;|$))/i

/** Reads a request to its end and puts back what was read, before the stream has told anybody that it has ended. */
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

/** Whether all bytes have arrived. In HTTP/2, `complete` of a request means that somebody has read them. */
function isComplete(request: IncomingMessage): boolean {
  if (request.httpVersionMajor < 2) return request.complete
  const { stream } = request as { readonly stream?: { readonly readableEnded?: boolean } }
  return stream?.readableEnded === true
}

/** `fetch` takes no body that somebody has read of, and node drains only a request that nobody has. */
function forgetReading(request: IncomingMessage): void {
  const state: unknown = Reflect.get(request, '_readableState')
  if (typeof state === 'object' && state !== null) Reflect.set(state, 'dataEmitted', false)
  if (Reflect.get(request, '_consumed') === true) Reflect.set(request, '_consumed', false)
}
