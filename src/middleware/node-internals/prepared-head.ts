import { IncomingMessage, ServerResponse, STATUS_CODES } from 'node:http'
import type { Reply } from '../../http/port/index.js'
import { emptyFields } from '../../http/port/index.js'
import { hasMethodsOfNode, METHODS_OF_NODE } from './node-methods.js'
import { hasNoFields, type OutgoingFields, onlyField, showFields } from './outgoing-fields.js'
import { ordinaryTrial, ResponseTrial, trialReply } from './response-trial.js'

/** What of node's response has no public name. */
interface Internals {
  _header: string | null
  _headerSent: boolean
  _hasBody: boolean
  readonly _defaultKeepAlive: boolean
  readonly _removedConnection: boolean
  readonly _expect_continue: boolean
  readonly _keepAliveTimeout: number
  readonly _maxRequestsPerSocket: number | null | undefined
  readonly maxRequestsOnConnectionReached: boolean
  readonly _implicitHeader: unknown
  _send(bytes: Buffer | string, encoding?: 'latin1'): boolean
}

/** An answer as it goes over the wire, and what it was written for. */
interface Prepared {
  /** A copy of a reply, which may differ in anything, has its memo too. */
  readonly reply: Reply
  readonly poweredBy: string | undefined
  readonly keepAliveTimeout: number
  readonly maxRequests: number | null | undefined
  readonly reason: string
  readonly head: string
  readonly fields: OutgoingFields
  /** How often it was sent. */
  sent: number
  /** The head as bytes; `undefined` for an answer that goes out as text. */
  bytes: Buffer | undefined
  /** `undefined` for a large body, which is not copied. */
  joined: Joined | undefined
}

/** Head and body in one. Knows nothing of the reply: it may outlive it by far. */
interface Joined {
  /** `undefined` when others needed the room. */
  bytes: Buffer | undefined
  /** The bytes that it takes, with the texts and objects around them. */
  readonly size: number
}

/** What is known of a reply. `false`: it is not to be prepared. */
type Memo = Prepared | false | undefined

/** A body up to this size is kept together with its head, and both are written at once: a copy once a second, one write less for each hit. Bytes. */
const JOINED = 256 * 1024

/** The joined ones, the oldest first, and the bytes that all of them may take. */
const joinedOnes: Joined[] = []
const MAX_JOINED = 8 * 1024 * 1024
let joinedBytes = 0

/** An answer up to this size is sent as text until it is known that it is sent again and again: that takes no Buffer. Bytes. */
const SMALL = 4096

/** How often that is, within the second for which an answer is prepared. */
const OFTEN = 16

const { end, write, writeHead, send, implicitHeader, emit, push } = METHODS_OF_NODE

/**
 * Sends an answer with a head that was written down before, if this response is as node has made it and nobody watches it.
 *
 * Only the making of the head is left out. The bytes go through node's own queue and `end()`, so that pipelining, backpressure,
 * keep-alive, timeouts, `finish`, `close` and what observes responses stay what they are.
 *
 * @param poweredBy - the X-Powered-By that the framework would have set first
 * @returns false when it has to be sent in the ordinary way; nothing has been done then
 */
export function sendPrepared(response: ServerResponse, reply: Reply, poweredBy: string | undefined): boolean {
  return (
    isSupported && hasNoFields(response) && isUntouched(response, reply) && sendUntouched(response, reply, poweredBy)
  )
}

/** The same for a response that has no field, or nothing but X-Powered-By. */
export function sendPreparedOver(response: ServerResponse, reply: Reply): boolean {
  if (!isSupported || !isUntouched(response, reply)) return false
  const poweredBy = onlyField(response, 'x-powered-by')
  return poweredBy !== false && sendUntouched(response, reply, poweredBy)
}

function sendUntouched(response: ServerResponse, reply: Reply, poweredBy: string | undefined): boolean {
  const { _keepAliveTimeout: keepAliveTimeout, _maxRequestsPerSocket: maxRequestsPerSocket } =
    response as unknown as Internals
  const prepared = preparedFor(reply, keepAliveTimeout, maxRequestsPerSocket, poweredBy)
  if (prepared === false) return false
  transmit(response, prepared)
  return true
}

/** What the server says of itself in every head. */
export interface ConnectionLimits {
  readonly keepAliveTimeout: number
  readonly maxRequestsPerSocket: number | null
}

/**
 * The whole of an answer to a request that has no response, of a server whose responses are {@link isOfNode}; `undefined` when it has to be
 * sent over one. A text stands for its latin1.
 */
export function preparedAnswer(
  reply: Reply,
  method: string | undefined,
  { keepAliveTimeout, maxRequestsPerSocket }: ConnectionLimits,
  poweredBy: string | undefined,
): Buffer | string | undefined {
  // To HEAD there is none, whatever the reply.
  if (!isSupported || (reply.status !== 304 && (method === 'HEAD') !== (reply.body === undefined))) return undefined
  const prepared = preparedFor(reply, keepAliveTimeout, maxRequestsPerSocket, poweredBy)
  return prepared === false ? undefined : wholeOf(prepared)
}

/** Head and body in one piece; `undefined`: they are sent in two. */
function wholeOf({ reply: { body }, head, bytes, joined }: Prepared): Buffer | string | undefined {
  if (joined?.bytes !== undefined) return joined.bytes
  if (body === undefined) return bytes ?? head
  return bytes === undefined ? head + body.toString('latin1') : undefined
}

function transmit(response: ServerResponse, prepared: Prepared): void {
  const internals = response as unknown as Internals
  const { status, body } = prepared.reply
  response.statusCode = status
  response.statusMessage = prepared.reason
  internals._header = prepared.head
  internals._headerSent = true
  showFields(response, prepared.fields)
  if (body === undefined) internals._hasBody = false
  const whole = wholeOf(prepared)
  if (typeof whole === 'string') {
    internals._send(whole, 'latin1')
  } else if (whole !== undefined) {
    internals._send(whole)
  } else {
    const { socket } = response
    socket?.cork()
    internals._send(prepared.head, 'latin1')
    if (body !== undefined) internals._send(body)
    socket?.uncork()
  }
  response.end()
}

/** Whether a response is as node makes it for an ordinary request on a connection that stays open, and a reply one to this request. */
function isUntouched(response: ServerResponse, { status, body }: Reply): boolean {
  const { _hasBody: hasBody } = response as unknown as Internals
  // To HEAD there is none, whatever the reply.
  return (
    isAsMade(response) && (status === 304 ? response.useChunkedEncodingByDefault : hasBody === (body !== undefined))
  )
}

function isAsMade(response: ServerResponse): boolean {
  const internals = response as unknown as Internals
  return (
    internals._header === null &&
    response.end === end &&
    response.write === write &&
    response.writeHead === writeHead &&
    internals._send === send &&
    internals._implicitHeader === implicitHeader &&
    response.shouldKeepAlive &&
    response.sendDate &&
    response.statusMessage === undefined &&
    !response.strictContentLength &&
    internals._defaultKeepAlive &&
    !internals._removedConnection &&
    !internals._expect_continue &&
    !internals.maxRequestsOnConnectionReached
  )
}

/** What a reply looks like on its way, written down when it is sent for the first time. */
function preparedFor(
  reply: Reply,
  keepAliveTimeout: number,
  maxRequests: number | null | undefined,
  poweredBy: string | undefined,
): Prepared | false {
  const known = reply.memo as Memo
  const isKnown =
    known !== undefined &&
    (known === false ||
      (known.reply === reply &&
        known.keepAliveTimeout === keepAliveTimeout &&
        known.maxRequests === maxRequests &&
        known.poweredBy === poweredBy))
  const prepared = isKnown ? known : prepare(reply, keepAliveTimeout, maxRequests, poweredBy)
  if (!isKnown) reply.memo = prepared
  if (prepared === false) return false
  prepared.sent += 1
  if (prepared.sent === OFTEN || (reply.body?.length ?? 0) > SMALL) inBytes(prepared)
  return prepared
}

/** False when node would have made something else of it than one line for each field and the body as it is. */
function prepare(
  reply: Reply,
  keepAliveTimeout: number,
  maxRequests: number | null | undefined,
  poweredBy: string | undefined,
): Prepared | false {
  const { status, body, checkedNames, removed } = reply
  if (checkedNames === undefined || status < 200 || status === 204 || (status === 304 && body !== undefined))
    return false
  const fields = emptyFields() as unknown as OutgoingFields
  const reason = reply.reason || STATUS_CODES[status] || 'unknown'
  let head = `HTTP/1.1 ${status} ${reason}\r\n`
  let length: string | undefined
  if (poweredBy !== undefined && !removed.includes('x-powered-by')) {
    fields['x-powered-by'] = ['X-Powered-By', poweredBy]
    head += `X-Powered-By: ${poweredBy}\r\n`
  }
  for (let at = 0; at < reply.fields.length; at += 2) {
    const lower = checkedNames[at / 2]
    const name = reply.fields[at]
    const value = reply.fields[at + 1]
    if (lower === undefined || typeof name !== 'string' || typeof value !== 'string' || OF_CONNECTIONS.has(lower)) {
      return false
    }
    // Node encodes this one in a way of its own.
    if (lower === 'content-disposition' && !ASCII.test(value)) return false
    // The second would take the place of the first.
    if (fields[lower] !== undefined) return false
    fields[lower] = [name, value]
    head += `${name}: ${value}\r\n`
    if (lower === 'content-length') length = value
  }
  const isFitting = body === undefined ? (length !== undefined) === (status !== 304) : length === String(body.length)
  if (fields.date === undefined || !isFitting) return false
  head += `Connection: keep-alive\r\n${keepAlive(keepAliveTimeout, maxRequests)}\r\n`
  return {
    reply,
    poweredBy,
    keepAliveTimeout,
    maxRequests,
    reason,
    head,
    fields,
    sent: 0,
    bytes: undefined,
    joined: undefined,
  }
}

const ASCII = /^[ -~]*$/

/** Has an answer ready as bytes, for it is sent more than once. */
function inBytes(prepared: Prepared): void {
  if (prepared.bytes !== undefined) return
  prepared.bytes = Buffer.from(prepared.head, 'latin1')
  const { body } = prepared.reply
  if (body !== undefined && body.length <= JOINED) prepared.joined = join(prepared.bytes, body)
}

/** Puts head and body together, and takes the oldest ones apart when they are too much. */
function join(head: Buffer, body: Buffer): Joined {
  const bytes = Buffer.concat([head, body])
  const joined: Joined = { bytes, size: bytes.length + 4 * head.length + 1024 }
  joinedBytes += joined.size
  joinedOnes.push(joined)
  while (joinedBytes > MAX_JOINED) {
    const oldest = joinedOnes.shift()
    if (oldest === undefined) break
    joinedBytes -= oldest.size
    oldest.bytes = undefined
  }
  return joined
}

function keepAlive(timeout: number, maxRequests: number | null | undefined): string {
  if (timeout === 0) return ''
  const most = typeof maxRequests === 'number' && Math.trunc(maxRequests) > 0 ? `, max=${maxRequests}` : ''
  return `Keep-Alive: timeout=${Math.floor(timeout / 1000)}${most}\r\n`
}

/** What node looks at when it writes a head, beside Date and Content-Length. */
const OF_CONNECTIONS = new Set(['connection', 'keep-alive', 'transfer-encoding', 'trailer', 'expect', 'upgrade'])

/** Whether nobody but node has a hand in a response that it has just made, or will be told what becomes of it and of its request. */
export function isOfNode(response: ServerResponse): boolean {
  const { req: request } = response
  const { _traceEventId: trace } = response as unknown as { readonly _traceEventId?: unknown }
  return (
    isAsMade(response) &&
    hasNoFields(response) &&
    // What another class does with each of its own must not be missed. Express' prototypes inherit this.
    response.constructor === ServerResponse &&
    request.constructor === IncomingMessage &&
    // Node's own.
    response.listenerCount('finish') === 1 &&
    response.eventNames().length === 1 &&
    request.eventNames().length === 0 &&
    response.emit === emit &&
    request.emit === emit &&
    request.push === push &&
    trace === undefined &&
    // A PerformanceObserver for http.
    !Object.getOwnPropertySymbols(response).some(({ description }) => description === 'ServerResponseStatistics')
  )
}

/** Whether this node sends, for an answer prepared here, what it would have sent by itself: as text, and as bytes. */
function check(): boolean {
  if (!hasMethodsOfNode) return false
  const [small, large] = [Buffer.from('text'), Buffer.alloc(JOINED + 1, 'x')]
  try {
    return (
      isSentAlike('GET', trialReply(200, small, small.length)) &&
      isSentAlike('GET', trialReply(200, large, large.length)) &&
      isSentAlike('GET', trialReply(304, undefined, undefined)) &&
      isSentAlike('HEAD', trialReply(200, undefined, small.length))
    )
  } catch {
    return false
  }
}

function isSentAlike(method: string, reply: Reply): boolean {
  const ordinary = ordinaryTrial(method, reply)
  return ['as text', 'as bytes'].every((form) => {
    const prepared = new ResponseTrial(method)
    if (form === 'as bytes') (reply.memo as Prepared).sent = OFTEN - 1
    if (!isUntouched(prepared.response, reply)) return false
    return sendUntouched(prepared.response, reply, 'trial') && prepared.equals(ordinary)
  })
}

// Last: what it calls can only be used below where it stands.
const isSupported = check()
