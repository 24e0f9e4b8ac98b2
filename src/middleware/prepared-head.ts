import { EventEmitter } from 'node:events'
import { OutgoingMessage, ServerResponse, STATUS_CODES } from 'node:http'
import { Readable } from 'node:stream'
import type { Reply } from '../http/exchange.js'
import { emptyFields } from '../http/fields.js'
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
  /** Whether anybody but node had to do with the response that it was written for, or could have. */
  readonly isWatched: boolean
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

const { end, write } = OutgoingMessage.prototype
const { writeHead } = ServerResponse.prototype
const send: unknown = Reflect.get(OutgoingMessage.prototype, '_send')

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
  const known = knownOf(response, reply, poweredBy)
  const prepared = known ?? prepare(response, reply, poweredBy)
  if (known === undefined) reply.memo = prepared
  if (prepared === false) return false
  count(prepared)
  transmit(response, prepared)
  return true
}

/** What the server says of itself in every head. */
export interface Keeping {
  readonly keepAliveTimeout: number
  readonly maxRequestsPerSocket: number | null
}

/**
 * The whole of an answer to a request that has no response: it was sent over one within this second, and nobody but node had to
 * do with that one. A text stands for its latin1.
 */
export function preparedAnswer(
  reply: Reply,
  method: string | undefined,
  { keepAliveTimeout, maxRequestsPerSocket }: Keeping,
  poweredBy: string | undefined,
): Buffer | string | undefined {
  const prepared = reply.memo as Memo
  if (prepared === undefined || prepared === false || prepared.isWatched) return undefined
  if (!isFor(prepared, reply, keepAliveTimeout, maxRequestsPerSocket, poweredBy)) return undefined
  // To HEAD there is none, whatever the reply.
  if (reply.status !== 304 && (method === 'HEAD') !== (reply.body === undefined)) return undefined
  count(prepared)
  return wholeOf(prepared)
}

function count(prepared: Prepared): void {
  prepared.sent += 1
  if (prepared.sent === OFTEN || (prepared.reply.body?.length ?? 0) > SMALL) inBytes(prepared)
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
  const internals = response as unknown as Internals
  return (
    internals._header === null &&
    response.end === end &&
    response.write === write &&
    response.writeHead === writeHead &&
    internals._send === send &&
    response.shouldKeepAlive &&
    response.sendDate &&
    response.statusMessage === undefined &&
    !response.strictContentLength &&
    // To HEAD there is none, whatever the reply.
    (status === 304 ? response.useChunkedEncodingByDefault : internals._hasBody === (body !== undefined)) &&
    internals._defaultKeepAlive &&
    !internals._removedConnection &&
    !internals._expect_continue &&
    !internals.maxRequestsOnConnectionReached
  )
}

/** What was prepared for a response like this one. */
function knownOf(response: ServerResponse, reply: Reply, poweredBy: string | undefined): Memo {
  const memo = reply.memo as Memo
  if (memo === undefined || memo === false) return memo
  const { _keepAliveTimeout: keepAliveTimeout, _maxRequestsPerSocket: maxRequests } = response as unknown as Internals
  return isFor(memo, reply, keepAliveTimeout, maxRequests, poweredBy) ? memo : undefined
}

function isFor(
  prepared: Prepared,
  reply: Reply,
  keepAliveTimeout: number,
  maxRequests: number | null | undefined,
  poweredBy: string | undefined,
): boolean {
  return (
    prepared.reply === reply &&
    prepared.keepAliveTimeout === keepAliveTimeout &&
    prepared.maxRequests === maxRequests &&
    prepared.poweredBy === poweredBy
  )
}

/** False when node would have made something else of it than one line for each field and the body as it is. */
function prepare(response: ServerResponse, reply: Reply, poweredBy: string | undefined): Prepared | false {
  const { _keepAliveTimeout: keepAliveTimeout, _maxRequestsPerSocket: maxRequests } = response as unknown as Internals
  const { status, body, checkedNames, removed } = reply
  if (checkedNames === undefined || status < 200 || status === 204 || (status === 304 && body !== undefined))
    return false
  const fields = emptyFields() as unknown as OutgoingFields
  if (poweredBy !== undefined && !removed.includes('x-powered-by')) fields['x-powered-by'] = ['X-Powered-By', poweredBy]
  for (let at = 0; at < reply.fields.length; at += 2) {
    const name = checkedNames[at / 2]
    const value = reply.fields[at + 1]
    if (name === undefined || typeof value !== 'string' || OF_CONNECTIONS.has(name)) return false
    fields[name] = [String(reply.fields[at]), value]
  }
  const length = fields['content-length']?.[1]
  const isFitting = body === undefined ? (length !== undefined) === (status !== 304) : length === String(body.length)
  if (fields.date === undefined || !isFitting) return false
  const reason = reply.reason || STATUS_CODES[status] || 'unknown'
  let head = `HTTP/1.1 ${status} ${reason}\r\n`
  for (const name of Object.keys(fields)) head += `${fields[name]?.join(': ')}\r\n`
  head += `Connection: keep-alive\r\n${keepAlive(keepAliveTimeout, maxRequests)}\r\n`
  return {
    reply,
    poweredBy,
    keepAliveTimeout,
    maxRequests,
    reason,
    head,
    fields,
    isWatched: isWatched(response),
    sent: 0,
    bytes: undefined,
    joined: undefined,
  }
}

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

/** Whether anybody but node has a hand in a response, or is told of what becomes of it and of its request. */
function isWatched(response: ServerResponse): boolean {
  const { req: request } = response
  const { _traceEventId: trace } = response as unknown as { readonly _traceEventId?: unknown }
  return (
    // Node's own.
    response.listenerCount('finish') !== 1 ||
    response.eventNames().length !== 1 ||
    request.eventNames().length !== 0 ||
    response.emit !== emit ||
    request.emit !== emit ||
    request.push !== push ||
    trace !== undefined ||
    // A PerformanceObserver for http.
    Object.getOwnPropertySymbols(response).some(({ description }) => description === 'ServerResponseStatistics')
  )
}

const { emit } = EventEmitter.prototype
const { push } = Readable.prototype

/** Whether this node sends, for an answer prepared here, what it would have sent by itself: as text, and as bytes. */
function check(): boolean {
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
