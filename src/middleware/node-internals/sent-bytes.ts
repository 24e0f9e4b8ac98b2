import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'

type Send = (data: string | Uint8Array, encoding?: unknown, ...rest: readonly unknown[]) => boolean

/** The property under which a response, or a stream of http2, stores what was counted. */
const SENT = Symbol('fallback-cache.sent')

interface Sending {
  /** The private method through which Node.js sends all of a body, and the framing of its chunks. */
  _send?: Send
  chunkedEncoding?: boolean
  [SENT]?: SentBytes
}

/** Decides about bytes that are sent by other methods than those of the response itself. */
export interface SentGuard {
  /** Whether the bytes that are sent now are its own; all others are dropped. */
  readonly isSending: boolean
  /** Called once, when the body is ended by such a method. @returns what is sent before */
  beforeEnd(): Uint8Array | undefined
}

interface SendingStream {
  write: Send
  end: (...args: unknown[]) => unknown
  readonly writableEnded: boolean
  [SENT]?: SentBytes
}

/**
 * Counts the bytes of a response's body that are sent from now on, by whichever method: `write` and `end` of the
 * prototype, and `write` of an http2 stream, pass by the methods of the response itself.
 */
export function countSent(response: ServerResponse): SentBytes {
  if ('stream' in response) return countOfStream(response.stream as SendingStream)
  isCountable ??= check()
  return isCountable ? countOfMessage(response) : new SentBytes()
}

/**
 * Drops the bytes of a response's body that are sent from now on, except those of the guard; `undefined`: stops dropping
 * them.
 */
export function guardSent(response: ServerResponse, guard: SentGuard | undefined): void {
  countSent(response).guard = guard
}

/** The bytes of a body that were sent. */
export class SentBytes {
  /** In bytes, without head and framing. */
  body = 0
  guard: SentGuard | undefined
  readonly stream: SendingStream | undefined
  /** What remains of the current chunk and its line ends. */
  #rest = 0

  constructor(stream?: SendingStream) {
    this.stream = stream
  }

  /** Whether the body was ended by a method that does not report it. */
  get isEnded(): boolean {
    return this.stream?.writableEnded === true
  }

  /** Ends the guard. @returns the bytes of its own that are to be sent now */
  lastOfGuard(): Uint8Array | undefined {
    const { guard } = this
    this.guard = undefined
    return guard?.beforeEnd()
  }

  add(data: unknown, encoding: unknown, isChunked: boolean): void {
    const size = typeof data === 'string' ? Buffer.byteLength(data, encoding as BufferEncoding) : sizeOf(data)
    if (!isChunked) {
      this.body += size
    } else if (this.#rest > 0) {
      this.#rest -= size
    } else if (size > 0) {
      // Each chunk begins with its size, in a call of its own.
      const chunk = Number.parseInt(String(data), 16)
      this.body += chunk
      this.#rest = chunk + LINE_ENDS
    }
  }
}

const LINE_ENDS = 4

/** Whether Node.js accepts a chunk; for other values it reports an error itself. */
function isData(data: unknown): boolean {
  return typeof data === 'string' || data instanceof Uint8Array
}

function sizeOf(data: unknown): number {
  return data instanceof Uint8Array ? data.byteLength : 0
}

function countOfMessage(response: ServerResponse): SentBytes {
  const sending = response as unknown as Sending
  const known = sending[SENT]
  if (known !== undefined) return known
  const sent = new SentBytes()
  sending[SENT] = sent
  // The same function for all responses: see `watchResponse`.
  if (sending._send === send) sending._send = sendCounted
  return sent
}

function countOfStream(stream: SendingStream): SentBytes {
  const known = stream[SENT]
  if (known !== undefined) return known
  const sent = new SentBytes(stream)
  const { write, end } = stream
  stream[SENT] = sent
  stream.write = (data, encoding, ...rest) => {
    sent.add(data, encoding, false)
    if (sent.guard?.isSending === false && isData(data)) return drop([encoding, ...rest])
    return write.call(stream, data, encoding, ...rest)
  }
  stream.end = (...args) => {
    if (sent.guard?.isSending !== false) return end.apply(stream, args)
    const body = sent.lastOfGuard()
    return end.apply(stream, [...(body === undefined ? [] : [body]), ...args.filter(isCallback)])
  }
  return sent
}

function isCallback(value: unknown): value is () => void {
  return typeof value === 'function'
}

/** Behaves as if the bytes were sent. */
function drop(args: readonly unknown[]): true {
  const callback = args.find(isCallback)
  if (callback !== undefined) process.nextTick(callback, null)
  return true
}

const { write } = ServerResponse.prototype as unknown as { readonly write: (data: Uint8Array) => boolean }
const send = Reflect.get(ServerResponse.prototype, '_send') as Send

function sendCounted(this: Sending, data: string | Uint8Array, encoding?: unknown, ...rest: unknown[]): boolean {
  const sent = this[SENT]
  sent?.add(data, encoding, this.chunkedEncoding === true)
  if (sent?.guard?.isSending === false) {
    if (!isEnd(data, rest, this.chunkedEncoding === true)) return drop(rest)
    const body = sent.lastOfGuard()
    if (body !== undefined) write.call(this, body)
    // From Node.js 24.22 on, the last bytes may come with the callback of `end`.
    if (this.chunkedEncoding !== true) return send.call(this, '', 'latin1', ...rest)
  }
  return send.call(this, data, encoding, ...rest)
}

/** Whether `end` sends these bytes: the empty chunk with its callback; in a body without chunks nothing, or the last bytes. */
function isEnd(data: string | Uint8Array, [callback]: readonly unknown[], isChunked: boolean): boolean {
  if (!isCallback(callback)) return false
  if (isChunked) return typeof data === 'string' && data.startsWith('0\r\n')
  return data.length === 0 || callback.name === 'bound onFinish'
}

let isCountable: boolean | undefined

/** Self-test: whether this Node.js sends all of a body, and nothing else, through its private method. */
function check(): boolean {
  if (typeof send !== 'function') return false
  return [true, false].every((isChunked) => {
    const response = new ServerResponse(new IncomingMessage(new Socket()))
    response.useChunkedEncodingByDefault = isChunked
    const sent = countOfMessage(response)
    response.write('text')
    response.write(Buffer.from('\r\n'))
    response.cork()
    response.write('c3a9', 'hex')
    response.write('é')
    response.uncork()
    response.end('end')
    return sent.body === 13
  })
}
