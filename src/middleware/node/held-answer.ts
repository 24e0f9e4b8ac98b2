import { OutgoingMessage, type ServerResponse } from 'node:http'
import type { Reply } from '../../http/port/index.js'
import { bytesOf, callbackOf, isChunk } from './chunk.js'
import { holdHead } from './held-head.js'

/** The methods of a response that send, as they were before it was watched. */
export interface SendingMethods {
  readonly writeHead: (...args: never[]) => ServerResponse
  readonly write: (...args: never[]) => boolean
  readonly end: (...args: never[]) => ServerResponse
}

/**
 * An answer of the cache that takes the place of the handler's, from the handler's head to its `end`.
 *
 * Its head is written when the handler writes one, so that the response behaves as node's does from there on. The handler's bytes
 * go nowhere, and the response finishes when the handler ends it. After a second the client has its answer all the same.
 */
export class HeldAnswer {
  readonly #response: ServerResponse
  readonly #reply: Reply
  readonly #methods: SendingMethods
  /** The Content-Length that the handler has to fill (`strictContentLength`), in bytes; `undefined`: any. */
  readonly #announced: number | undefined
  #received = 0
  /** The head, and a body that goes with it, are on their way to the client. */
  #isSent = false
  #timer: NodeJS.Timeout | undefined
  #release: (() => void) | undefined

  /** @param announced - the Content-Length of the handler's own head */
  constructor(response: ServerResponse, reply: Reply, methods: SendingMethods, announced: unknown) {
    this.#response = response
    this.#reply = reply
    this.#methods = methods
    this.#announced = response.strictContentLength && announced !== undefined ? Number(announced) : undefined
  }

  /** Writes the head; status and fields are on the response. */
  begin(): void {
    const response = this.#response
    if ('stream' in response && hasNoBody(this.#reply)) this.#release = holdHead(response)
    else this.#pass(this.#methods.writeHead, [response.statusCode])
    this.#timer = setTimer(() => this.#send(), PATIENCE)
    this.#timer.unref()
  }

  /** Takes a chunk of the handler, with the arguments of a `write`. @throws as node does when it exceeds the Content-Length */
  write(args: readonly unknown[]): boolean {
    this.#count(args)
    const callback = callbackOf(args)
    if (callback !== undefined) process.nextTick(callback, null)
    return true
  }

  /** Ends the response, with the arguments of the handler's `end`. @throws as node does when bytes are missing */
  end(args: readonly unknown[]): void {
    this.#count(args)
    if (this.#announced !== undefined && this.#received !== this.#announced) throw this.#mismatch(this.#received)
    this.giveUp()
    this.#pass(this.#methods.end, endingWith(this.#isSent ? undefined : this.#reply.body, args))
  }

  /** Gives the response back as it is. */
  giveUp(): void {
    clearTimer(this.#timer)
    this.#release?.()
    this.#release = undefined
  }

  /** A client that closes its connection once it has the answer would break off a handler that is not done: so this comes late. */
  #send(): void {
    const response = this.#response
    if (response.destroyed) return
    const isHeld = this.#release !== undefined
    this.giveUp()
    this.#isSent = true
    const { body } = this.#reply
    if (body !== undefined) this.#pass(this.#methods.write, [body])
    else if (isHeld) this.#pass(this.#methods.writeHead, [response.statusCode])
    else if (!('stream' in response)) flushHeaders.call(response)
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
    return method.apply(this.#response, args as never[])
  }
}

const { flushHeaders } = OutgoingMessage.prototype

/** Taken here: timers that a test runner replaces later would never come. */
const setTimer = setTimeout
const clearTimer = clearTimeout

/** How long the answer waits for the handler's `end`, in milliseconds: an endless body has none. */
const PATIENCE = 1_000

/** The arguments of an `end` with this body, and the callback of another one. */
export function endingWith(body: Buffer | undefined, args: readonly unknown[]): unknown[] {
  const callback = callbackOf(args)
  return [...(body === undefined ? [] : [body]), ...(callback === undefined ? [] : [callback])]
}

/** Whether http2 ends the stream with the head. */
function hasNoBody({ status, body }: Reply): boolean {
  return body === undefined || status === 204 || status === 205 || status === 304
}
