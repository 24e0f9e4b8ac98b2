import { OutgoingMessage, type ServerResponse } from 'node:http'
import type { Onward, Recording, Reply } from '../../http/port/index.js'
import { countSent, hasHadFields, hideFields, type SentBytes } from '../node-internals/index.js'
import { bytesOf, callbackOf, copied, inOnePiece, isChunk } from './chunk.js'
import { hasDeparted } from './departure.js'
import { HandlerHead } from './handler-head.js'
import { endingWith, HeldAnswer, type SendingMethods, sendsItself } from './held-answer.js'
import { type LaidFields, layOver, NONE_LAID, putInstead, takeOff } from './laid-fields.js'
import type { NodeRequest } from './node-response.js'
import { ResponseFieldsWatch } from './watched-response-fields.js'
import { foldHead, isStatusOfAnswer } from './write-head.js'

const { end, write } = OutgoingMessage.prototype

/** A response whose methods are replaced: what happens at each call of a replaced method. */
export class ResponseWatch {
  readonly head: HandlerHead
  /** The watch of another cache, if that gets what this one sends. */
  around: ResponseWatch | undefined
  readonly #fieldsWatch: ResponseFieldsWatch | undefined
  readonly #request: NodeRequest
  readonly #response: ServerResponse
  readonly #recording: Recording
  readonly #restore: () => void
  readonly #before: SendingMethods
  readonly #addTrailers: (...args: never[]) => void
  readonly #destroy: (...args: never[]) => ServerResponse
  #begun = false
  /** The reply to send in place of the handler's response. */
  #instead: Reply | undefined
  /** The same reply, after its head was written and before the handler's `end`. */
  #held: HeldAnswer | undefined
  #records = false
  /** What Node.js sends of a body that comes in pieces, and what of it has passed the methods here, in bytes. */
  #sent: SentBytes | undefined
  #passed = 0
  #waitsFor: Promise<unknown> | undefined
  #ended = false
  #isPaused = false
  /** Fields that the recording has set over the handler's, with their previous values. */
  #laid: LaidFields = NONE_LAID

  constructor(request: NodeRequest, response: ServerResponse, recording: Recording, restore: () => void) {
    this.#request = request
    this.#response = response
    this.#recording = recording
    this.#restore = restore
    this.#before = { writeHead: response.writeHead, write: response.write, end: response.end }
    this.#addTrailers = response.addTrailers
    this.#destroy = response.destroy
    this.head = new HandlerHead(request, response, recording.wants === 'response')
    const { outerFields } = this.head
    const { inputs } = recording
    this.#fieldsWatch = outerFields && inputs && new ResponseFieldsWatch(response, outerFields, inputs)
  }

  writeHead(args: unknown[]): ServerResponse {
    const response = this.#response
    if (this.#begun || response.headersSent || !isStatusOfAnswer(args[0]))
      return this.#pass(this.#before.writeHead, args)
    const isFirst = !('stream' in response) && !hasHadFields(response)
    if (!foldHead(response, args)) return this.#pass(this.#before.writeHead, args)
    this.head.hasNoReason = args[1] === ''
    this.#begin()
    if (this.head.whole !== undefined || this.#held !== undefined) return response
    const reason = typeof args[1] === 'string' ? [args[1]] : []
    this.#orUndo(() => this.#pass(this.#before.writeHead, [response.statusCode, ...reason]))
    if (isFirst && response.headersSent) hideFields(response)
    return response
  }

  write(args: unknown[]): boolean {
    const response = this.#response
    const [chunk] = args
    if (this.#ended) return this.#writeAfterEnd(args)
    if (!isChunk(chunk)) return this.#pass(this.#before.write, args)
    if (!this.#begun && !response.headersSent) {
      // Node.js discards the chunk and writes no head.
      if (response.destroyed) {
        this.#recording.abort('aborted')
        return this.#pass(this.#before.write, args)
      }
      response.writeHead(response.statusCode)
    }
    const sent = this.#records ? this.#recorded(args) : args
    const isTaken = this.#held === undefined ? this.#pass(this.#before.write, sent) : this.#held.write(args)
    if (!isTaken && this.#records && this.#held === undefined) this.#pause()
    return isTaken
  }

  end(args: unknown[]): ServerResponse {
    const response = this.#response
    if (this.#ended) return this.#endAgain(args)
    const [chunk, encoding] = args
    const isEmpty = !chunk || typeof chunk === 'function'
    if (!isEmpty && !isChunk(chunk)) return this.#pass(this.#before.end, args)
    const bytes = isEmpty ? undefined : bytesOf(chunk as Uint8Array | string, encoding)
    // A handler that ends its response right after a disconnect has noticed the disconnect before this code.
    if (this.#recording.wants === 'response' && hasDeparted(this.#request, response)) this.#recording.leave()
    const isWhole = !this.#begun && !response.headersSent
    if (isWhole) this.#beginWhole(bytes ?? '')
    const isRecorded = !isWhole && this.#records && bytes !== undefined
    const sent = isRecorded ? this.#recorded(args) : args
    this.#ended = true
    if (this.#waitsFor !== undefined) {
      return this.#endAfter(this.#waitsFor, isRecorded ? sent : copied(sent), isWhole ? (bytes ?? '') : undefined)
    }
    this.#orUndo(() => this.#finish(sent))
    return response
  }

  /** Records a chunk. @returns the arguments of `write` or `end` with the copy that was recorded */
  #recorded(args: unknown[]): unknown[] {
    const own = copied(args)
    const [chunk, encoding] = own
    const bytes = bytesOf(chunk as Uint8Array | string, encoding)
    this.#passed += Buffer.byteLength(bytes)
    this.#records = this.#recording.write(bytes as Buffer | string)
    return own
  }

  addTrailers(args: unknown[]): void {
    this.#recording.abort('trailers')
    this.#pass(this.#addTrailers, args)
  }

  destroy(args: unknown[]): ServerResponse {
    this.#recording.abort('aborted')
    this.#held?.giveUp()
    return this.#pass(this.#destroy, args)
  }

  close(): void {
    this.#restore()
    this.#recording.leave()
  }

  #pause(): void {
    if (this.#isPaused) return
    this.#isPaused = true
    this.#recording.pause()
    this.#response.once('drain', () => {
      this.#isPaused = false
      this.#recording.resume()
    })
  }

  /** Calls the outermost writeHead, so that wrappers installed by the route can change the head too. */
  #beginWhole(bytes: Uint8Array | string): void {
    const response = this.#response
    this.head.whole = bytes
    try {
      response.writeHead(response.statusCode)
    } finally {
      this.head.whole = undefined
    }
  }

  #begin(): void {
    const response = this.#response
    this.#begun = true
    this.#restore()
    this.#fieldsWatch?.stop()
    this.head.outerFields?.acts.stop()
    const onward: Onward = this.#recording.begin(this.head, this.head.whole)
    this.#instead = onward.instead
    this.#records = onward.record && this.head.whole === undefined
    if (this.#records) this.#sent = countSent(response)
    this.#waitsFor = onward.before
    if (onward.instead !== undefined) {
      if (this.head.whole === undefined) this.#hold(onward.instead)
      return
    }
    this.#laid = layOver(response, onward)
  }

  #hold(reply: Reply): void {
    const response = this.#response
    const held = new HeldAnswer(response, reply, this.#before, response.getHeader('content-length'))
    this.#putInstead(reply)
    this.#held = held
    held.begin()
  }

  #finish(args: unknown[]): void {
    const { end } = this.#before
    if (this.#records && this.#sent?.isEnded) this.#recording.abort('aborted')
    if (this.#held !== undefined) {
      this.#held.end(args)
    } else if (this.#instead !== undefined) {
      this.#putInstead(this.#instead)
      this.#pass(end, inOnePiece(end, endingWith(this.#instead.body, args)))
    } else {
      this.#pass(end, inOnePiece(end, args))
    }
    if (this.#isBypassed) this.#recording.abort('aborted')
    this.#recording.end()
  }

  /** Whether more was sent than came by the methods here, as by a method of the prototype. */
  get #isBypassed(): boolean {
    // Middleware in front may make other bytes of a body.
    if (!this.#records || this.#sent === undefined || !this.#sendsItself) return false
    const passed = this.#held === undefined ? this.#passed : (this.#instead?.body?.length ?? 0)
    return this.#sent.body > passed
  }

  get #sendsItself(): boolean {
    if (this.around !== undefined) return this.around.#instead === undefined && this.around.#sendsItself
    return sendsItself(this.#response, this.#before)
  }

  #putInstead(reply: Reply): void {
    putInstead(this.#request, this.#response, reply, { fields: this.head.outer, methods: this.#before })
  }

  /** If Node.js rejects the head or the end, the handler may respond differently, so the recording is aborted. */
  #orUndo<Result>(send: () => Result): Result {
    try {
      return send()
    } catch (thrown) {
      this.#recording.abort('aborted')
      this.#records = false
      if (!this.#response.headersSent) this.#undo()
      throw thrown
    }
  }

  #undo(): void {
    const response = this.#response
    this.#begun = false
    this.#ended = false
    this.#instead = undefined
    this.#held?.withdraw()
    this.#held = undefined
    this.#waitsFor = undefined
    takeOff(response, this.#laid)
    this.#laid = NONE_LAID
  }

  /** The response must not look open while it waits, so the head is settled now and only the last bytes are delayed. */
  #endAfter(before: Promise<unknown>, args: unknown[], whole: Uint8Array | string | undefined): ServerResponse {
    const response = this.#response
    if (!response.headersSent) {
      if (whole !== undefined && needsLength(response) && sendsItself(response, this.#before))
        response.setHeader('Content-Length', Buffer.byteLength(whole))
      this.#orUndo(() => this.#pass(this.#before.writeHead, [response.statusCode]))
    }
    const isOfNode = 'finished' in response && !('stream' in response)
    // Later calls of write and end must fail as after any `end`.
    if (isOfNode) response.finished = true
    void before.then(() => {
      this.#waitsFor = undefined
      if (isOfNode) response.finished = false
      try {
        this.#finish(args)
      } catch (thrown) {
        // The handler's `end` has already returned, so the error cannot be thrown to it.
        response.destroy(thrown as Error)
      }
    })
    return response
  }

  /** Behaves like a `write` after `end` in Node.js, bypassing the pending first `end`. */
  #writeAfterEnd(args: unknown[]): boolean {
    if (this.#waitsFor === undefined) return this.#pass(this.#before.write, args)
    if (!('stream' in this.#response)) return this.#pass(write, args)
    process.nextTick(callbackOf(args) ?? nothing)
    return false
  }

  /** Behaves like a second `end` in Node.js, bypassing the pending first one. */
  #endAgain(args: unknown[]): ServerResponse {
    if (this.#waitsFor === undefined) return this.#pass(this.#before.end, args)
    if (!('stream' in this.#response)) return this.#pass(end as SendingMethods['end'], args)
    process.nextTick(callbackOf(args) ?? nothing)
    return this.#response
  }

  /** Calls the previous method with the caller's arguments, for any overload. */
  #pass<Result>(method: (...args: never[]) => Result, args: readonly unknown[]): Result {
    const { inputs } = this.#recording
    // Reads by outer middleware in its own methods are not inputs of the route.
    inputs?.pause()
    try {
      return method.apply(this.#response, args as never[])
    } finally {
      inputs?.resume()
    }
  }
}

/** Whether Node.js would set Content-Length at the end of a body of one piece. */
function needsLength(response: ServerResponse): boolean {
  if (response.statusCode === 204 || response.statusCode === 304) return false
  return !response.hasHeader('content-length') && !response.hasHeader('transfer-encoding')
}

function nothing(): void {}
