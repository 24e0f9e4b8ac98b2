import { OutgoingMessage, type ServerResponse } from 'node:http'
import timers from 'node:timers'
import type { Reply } from '../../http/port/index.js'
import { guardSent, type SentGuard } from '../node-internals/index.js'
import { bytesOf, callbackOf, isChunk } from './chunk.js'
import { holdHead } from './held-head.js'

/** The methods of a response that send data, as they were before the response was watched. */
export interface SendingMethods {
  readonly writeHead: (...args: never[]) => ServerResponse
  readonly write: (...args: never[]) => boolean
  readonly end: (...args: never[]) => ServerResponse
}

/**
 * Sends a cached reply in place of the handler's response, from the handler's head to its `end`.
 *
 * The head is written when the handler writes one, so that the response behaves as usual from there on. The handler's
 * bytes are discarded, also those that it sends by methods of the prototype, and the response finishes when the handler
 * ends it. After one second the client gets the reply regardless.
 */
export class HeldAnswer implements SentGuard {
  readonly #response: ServerResponse
  readonly #reply: Reply
  readonly #methods: SendingMethods
  /** The Content-Length in bytes that the handler must match (`strictContentLength`); `undefined` if unchecked. */
  readonly #announced: number | undefined
  #received = 0
  /** True once the head, and the body if there is one, were sent to the client. */
  #isSent = false
  #timer: NodeJS.Timeout | undefined
  #release: (() => void) | undefined
  #isSending = false

  /** @param announced - the Content-Length of the handler's own head */
  constructor(response: ServerResponse, reply: Reply, methods: SendingMethods, announced: unknown) {
    this.#response = response
    this.#reply = reply
    this.#methods = methods
    this.#announced = response.strictContentLength && announced !== undefined ? Number(announced) : undefined
  }

  /** Writes the head; status and fields are already set on the response. */
  begin(): void {
    const response = this.#response
    if ('stream' in response && hasNoBody(this.#reply)) this.#release = holdHead(response)
    else this.#pass(this.#methods.writeHead, [response.statusCode])
    if (sendsItself(response, this.#methods)) guardSent(response, this)
    this.#timer = setTimer(() => this.#send(), PATIENCE)
    this.#timer.unref()
  }

  get isSending(): boolean {
    return this.#isSending
  }

  /** The handler ends the response by a method of the prototype: the reply is sent before. */
  beforeEnd(): Uint8Array | undefined {
    this.giveUp()
    if (this.#isSent) return undefined
    this.#isSent = true
    return this.#reply.body
  }

  /**
   * Discards a chunk of the handler; takes the arguments of `write`. @throws like Node.js if the Content-Length is
   * exceeded
   */
  write(args: readonly unknown[]): boolean {
    this.#count(args)
    const callback = callbackOf(args)
    if (callback !== undefined) process.nextTick(callback, null)
    return true
  }

  /** Ends the response; takes the arguments of the handler's `end`. @throws like Node.js if bytes are missing */
  end(args: readonly unknown[]): void {
    this.#count(args)
    if (this.#announced !== undefined && this.#received !== this.#announced) throw this.#mismatch(this.#received)
    this.withdraw()
    this.#pass(this.#methods.end, endingWith(this.#isSent ? undefined : this.#reply.body, args))
  }

  /** Lets the handler send its own response. */
  withdraw(): void {
    this.giveUp()
    if (sendsItself(this.#response, this.#methods)) guardSent(this.#response, undefined)
  }

  /** Stops the timer and releases the response, without sending anything. */
  giveUp(): void {
    clearTimer(this.#timer)
    this.#release?.()
    this.#release = undefined
  }

  /**
   * Delayed, because a client that closes its connection after the complete reply would abort a handler that is still
   * running.
   */
  #send(): void {
    const response = this.#response
    if (response.destroyed) return
    const isHeld = this.#release !== undefined
    this.giveUp()
    this.#isSent = true
    const { body } = this.#reply
    if (body !== undefined) this.#pass(this.#methods.write, [body])
    else if (isHeld) this.#pass(this.#methods.writeHead, [response.statusCode])
    else if (!('stream' in response)) this.#pass(flushHeaders, [])
  }

  #count([chunk, encoding]: readonly unknown[]): void {
    if (this.#announced === undefined || !isChunk(chunk)) return
    const received = this.#received + Buffer.byteLength(bytesOf(chunk, encoding))
    if (received > this.#announced) throw this.#mismatch(received)
    this.#received = received
  }

  #mismatch(received: number): Error {
    const text = `Response body's content-length of ${received} byte(s) does not match the content-length of ${this.#announced} byte(s) set in header`
    return Object.assign(new Error(text), { code: 'ERR_HTTP_CONTENT_LENGTH_MISMATCH' })
  }

  #pass<Result>(method: (...args: never[]) => Result, args: readonly unknown[]): Result {
    this.#isSending = true
    try {
      return method.apply(this.#response, args as never[])
    } finally {
      this.#isSending = false
    }
  }
}

const { flushHeaders, write, end } = OutgoingMessage.prototype
const OWN = { write, end }

/** Whether Node.js gets the bytes as they come, with no middleware between that may make others of them. */
export function sendsItself(response: ServerResponse, methods: SendingMethods): boolean {
  const own = 'stream' in response ? (Object.getPrototypeOf(response) as SendingMethods) : OWN
  return methods.write === own.write && methods.end === own.end
}

/** Captured at load time, because a test runner's fake timers would never fire. */
const { setTimeout: setTimer, clearTimeout: clearTimer } = timers

/** How long the reply waits for the handler's `end`, in milliseconds: an endless body never ends. */
const PATIENCE = 1_000

/** The arguments for `end` with this body and the callback of the original call. */
export function endingWith(body: Buffer | undefined, args: readonly unknown[]): unknown[] {
  const callback = callbackOf(args)
  return [...(body === undefined ? [] : [body]), ...(callback === undefined ? [] : [callback])]
}

/** Whether http2 ends the stream together with the head. */
function hasNoBody({ status, body }: Reply): boolean {
  return body === undefined || status === 204 || status === 205 || status === 304
}
