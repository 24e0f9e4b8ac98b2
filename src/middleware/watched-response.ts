import { type OutgoingHttpHeaders, OutgoingMessage, type ServerResponse } from 'node:http'
import type { FieldList, FieldValue, Onward, Recording, Reply, ResponseHead } from '../http/exchange.js'
import { fieldOf, type NodeRequest, type NodeResponse, SMALL, sendReply, userOf } from './node-response.js'
import { knownFields, layFields } from './outgoing-fields.js'
import { foldHead, isFinalStatus } from './write-head.js'

/**
 * Tells a recording what is written to a node response from now on.
 *
 * The methods of this one response are replaced, and what they do for the application stays what it is: return values,
 * backpressure, callbacks, `finish` and `close`. What middleware outside ours does in its own `writeHead` comes later and is
 * not seen, what the route does is seen.
 *
 * @param restore - puts the request's own fields back; called before the head is passed on
 */
export function watchResponse(
  request: NodeRequest,
  response: ServerResponse,
  recording: Recording,
  restore: () => void,
): void {
  const watch = new Watch(request, response, recording, restore)
  // Somebody nearer to the client watches as well, and is told by what we call.
  const methods = WATCH in response ? methodsOf(watch) : METHODS
  if (methods === METHODS) (response as Watched)[WATCH] = watch
  response.writeHead = methods.writeHead
  response.write = methods.write
  response.end = methods.end
  if (recording.wants === 'head') return
  response.addTrailers = methods.addTrailers
  // Nobody calls it for a client that leaves: the handler has given up.
  response.destroy = methods.destroy
  response.once('close', methods.onClose)
}

/** Where a response has its watch. */
const WATCH = Symbol('fallback-cache.watch')

/** A response that is watched. */
type Watched = ServerResponse & { [WATCH]: Watch }

/** What takes the place of a response's own methods, and hears of its end. */
interface WatchedMethods {
  writeHead(...args: unknown[]): ServerResponse
  write(...args: unknown[]): boolean
  end(...args: unknown[]): ServerResponse
  addTrailers(...args: unknown[]): void
  destroy(...args: unknown[]): ServerResponse
  onClose(): void
}

/**
 * The same functions for all responses: a closure that is assigned to a property of a response, and knows the response,
 * has V8 keep both, and what they know, until the next full collection. That is several KB a request.
 */
const METHODS: WatchedMethods & ThisType<Watched> = {
  writeHead(...args) {
    return this[WATCH].writeHead(args)
  },
  write(...args) {
    return this[WATCH].write(args)
  },
  end(...args) {
    return this[WATCH].end(args)
  },
  addTrailers(...args) {
    this[WATCH].addTrailers(args)
  },
  destroy(...args) {
    return this[WATCH].destroy(args)
  },
  onClose() {
    this[WATCH].close()
  },
}

/** The functions of one more watch of the same response. */
function methodsOf(watch: Watch): WatchedMethods {
  return {
    writeHead: (...args) => watch.writeHead(args),
    write: (...args) => watch.write(args),
    end: (...args) => watch.end(args),
    addTrailers: (...args) => watch.addTrailers(args),
    destroy: (...args) => watch.destroy(args),
    onClose: () => watch.close(),
  }
}

const { end } = OutgoingMessage.prototype

class Watch implements ResponseHead {
  readonly outer: OutgoingHttpHeaders
  readonly #request: NodeRequest
  readonly #response: ServerResponse
  readonly #recording: Recording
  readonly #restore: () => void
  readonly #writeHead: (...args: never[]) => ServerResponse
  readonly #write: (...args: never[]) => boolean
  readonly #end: (...args: never[]) => ServerResponse
  readonly #addTrailers: (...args: never[]) => void
  readonly #destroy: (...args: never[]) => ServerResponse
  #begun = false
  /** `end` is under way with the whole body: the head is judged, and node sends it with the bytes. */
  #whole: Uint8Array | string | undefined
  #instead: Reply | undefined
  #records = false
  #before: Promise<unknown> | undefined
  #ended = false
  /** Our own answer is going out: what is called now is called by us. */
  #isSending = false

  constructor(request: NodeRequest, response: ServerResponse, recording: Recording, restore: () => void) {
    this.#request = request
    this.#response = response
    this.#recording = recording
    this.#restore = restore
    this.#writeHead = response.writeHead
    this.#write = response.write
    this.#end = response.end
    this.#addTrailers = response.addTrailers
    this.#destroy = response.destroy
    this.outer = recording.wants === 'response' ? response.getHeaders() : NONE
  }

  get status(): number {
    return this.#response.statusCode
  }

  get reason(): string | undefined {
    // http2 has no reason phrases, and warns when asked for one.
    if (this.#request.httpVersionMajor > 1) return undefined
    return this.#response.statusMessage || undefined
  }

  get user(): unknown {
    return userOf(this.#request, this.#response)
  }

  get session(): unknown {
    return this.#request.session
  }

  field(name: string): FieldValue | undefined {
    return fieldOf(this.#response, name)
  }

  fields(): FieldList {
    const response: NodeResponse = this.#response
    const known = knownFields(response)
    if (known !== undefined) return known
    const names = response.getRawHeaderNames?.() ?? response.getHeaderNames()
    const list: FieldValue[] = []
    for (const name of names) list.push(name, fieldOf(response, name) ?? '')
    return list
  }

  writeHead(args: unknown[]): ServerResponse {
    const response = this.#response
    if (this.#begun || response.headersSent || !isFinalStatus(args[0])) return this.#pass(this.#writeHead, args)
    if (!foldHead(response, args)) return this.#pass(this.#writeHead, args)
    this.#begin()
    if (this.#whole !== undefined || this.#instead !== undefined) return response
    const reason = typeof args[1] === 'string' ? [args[1]] : []
    return this.#pass(this.#writeHead, [response.statusCode, ...reason])
  }

  write(args: unknown[]): boolean {
    const response = this.#response
    if (this.#isSending) return this.#pass(this.#write, args)
    if (this.#ended && this.#instead === undefined) return this.#before === undefined && this.#pass(this.#write, args)
    if (!this.#begun && !response.headersSent) response.writeHead(response.statusCode)
    if (this.#records) this.#records = this.#recording.write(bytesOf(args[0], args[1]))
    if (this.#instead === undefined) return this.#pass(this.#write, args)
    callLater(args)
    return true
  }

  end(args: unknown[]): ServerResponse {
    const response = this.#response
    if (this.#isSending) return this.#pass(this.#end, args)
    if (this.#ended) return this.#endAgain(args)
    const [chunk, encoding] = args
    const bytes =
      chunk === undefined || chunk === null || typeof chunk === 'function' ? undefined : bytesOf(chunk, encoding)
    const isWhole = !this.#begun && !response.headersSent
    if (isWhole) {
      // Through the outermost writeHead, for what the route has laid around the response shall have its say too.
      this.#whole = bytes ?? ''
      response.writeHead(response.statusCode)
      this.#whole = undefined
    } else if (this.#records && bytes !== undefined) {
      this.#records = this.#recording.write(bytes)
    }
    this.#ended = true
    if (this.#before !== undefined) return this.#endAfter(this.#before, args, isWhole ? (bytes ?? '') : undefined)
    this.#finish(args)
    return response
  }

  addTrailers(args: unknown[]): void {
    this.#recording.abort('trailers')
    this.#pass(this.#addTrailers, args)
  }

  destroy(args: unknown[]): ServerResponse {
    this.#recording.abort('aborted')
    return this.#pass(this.#destroy, args)
  }

  close(): void {
    this.#restore()
    this.#recording.leave()
  }

  /** As node answers a second `end`, unless the first one was not ours to pass on yet. */
  #endAgain(args: unknown[]): ServerResponse {
    if (this.#instead === undefined && this.#before === undefined) return this.#pass(this.#end, args)
    callLater(args)
    return this.#response
  }

  #begin(): void {
    this.#begun = true
    this.#restore()
    const onward: Onward = this.#recording.begin(this, this.#whole)
    this.#instead = onward.instead
    this.#records = onward.record && this.#whole === undefined
    this.#before = onward.before
    if (onward.instead === undefined) layFields(this.#response, onward.fields)
    else if (!onward.record) this.#sendInstead(onward.instead)
  }

  #finish(args: unknown[]): void {
    if (this.#instead === undefined) {
      this.#pass(this.#end, this.#end === end ? inOnePiece(args) : args)
    } else {
      if (!this.#response.writableEnded) this.#sendInstead(this.#instead)
      callLater(args)
    }
    this.#recording.end()
  }

  /** The fields of the application are gone, but for those that outer middleware had set. */
  #sendInstead(reply: Reply): void {
    const response = this.#response
    for (const name of response.getHeaderNames()) if (this.outer[name] === undefined) response.removeHeader(name)
    for (const name of Object.keys(this.outer)) response.setHeader(name, this.outer[name] ?? '')
    if (this.#request.httpVersionMajor === 1) response.statusMessage = ''
    this.#isSending = true
    try {
      sendReply(response, reply)
    } finally {
      this.#isSending = false
    }
  }

  /** Nothing may look as if the answer were still open, so the head is settled now; only the last bytes wait. */
  #endAfter(before: Promise<unknown>, args: unknown[], whole: Uint8Array | string | undefined): ServerResponse {
    const response = this.#response
    if (!response.headersSent) {
      if (
        whole !== undefined &&
        !response.hasHeader('content-length') &&
        !response.hasHeader('transfer-encoding') &&
        hasBody(response)
      ) {
        response.setHeader('Content-Length', Buffer.byteLength(whole))
      }
      this.#pass(this.#writeHead, [response.statusCode])
    }
    void before.then(() => {
      this.#before = undefined
      this.#finish(args)
    })
    return response
  }

  /** Calls what was there before us. The arguments are the caller's own, whichever overload they are for. */
  #pass<Result>(method: (...args: never[]) => Result, args: unknown[]): Result {
    return method.apply(this.#response, args as never[])
  }
}

const NONE: OutgoingHttpHeaders = Object.freeze({})

/** The arguments of node's own `end`, with a small Buffer as text; see {@link SMALL}. */
function inOnePiece(args: unknown[]): unknown[] {
  const [chunk, encoding, callback] = args
  if (!Buffer.isBuffer(chunk) || chunk.length > SMALL) return args
  return [chunk.toString('latin1'), 'latin1', typeof encoding === 'function' ? encoding : callback]
}

function hasBody(response: ServerResponse): boolean {
  return response.statusCode !== 204 && response.statusCode !== 304
}

/** The bytes of a chunk; text stays text when it is UTF-8, which the recording encodes itself. */
function bytesOf(chunk: unknown, encoding: unknown): Uint8Array | string {
  if (typeof chunk !== 'string') return chunk instanceof Uint8Array ? chunk : ''
  if (typeof encoding !== 'string' || encoding === 'utf8' || encoding === 'utf-8') return chunk
  return Buffer.isEncoding(encoding) ? Buffer.from(chunk, encoding) : chunk
}

/** The callback of a `write` or `end` whose bytes go nowhere. */
function callLater(args: readonly unknown[]): void {
  const callback = args.find((arg) => typeof arg === 'function')
  if (callback !== undefined) process.nextTick(callback as () => void)
}
