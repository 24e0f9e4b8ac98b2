import { IncomingMessage, ServerResponse, STATUS_CODES } from 'node:http'
import type { Reply } from '../../http/port/index.js'
import { emptyFields } from '../../http/port/index.js'
import { hasMethodsOfNode, METHODS_OF_NODE } from './node-methods.js'
import { hasNoFields, type OutgoingFields, onlyField, showFields } from './outgoing-fields.js'
import { ordinaryTrial, ResponseTrial, trialReply } from './response-trial.js'

/** Private properties of Node.js's response that are used here. */
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

/** A serialized response, with the inputs it was serialized for. */
interface Prepared {
  /** Compared by identity: a modified copy of a reply shares its memo. */
  readonly reply: Reply
  readonly poweredBy: string | undefined
  readonly keepAliveTimeout: number
  readonly maxRequests: number | null | undefined
  readonly reason: string
  readonly head: string
  readonly fields: OutgoingFields
  /** Number of times it was sent. */
  sent: number
  /** The head as bytes; `undefined` for an answer that is sent as text. */
  bytes: Buffer | undefined
  /** Head and body in one Buffer; `undefined` for a large body, which is not copied. */
  joined: Joined | undefined
}

/** Head and body in one Buffer. Holds no reference to the reply, because it may outlive the reply. */
interface Joined {
  /** `undefined` after it was dropped to make room for others. */
  bytes: Buffer | undefined
  /** Size in bytes, including the related strings and objects. */
  readonly size: number
}

/** The value of `reply.memo`. `false`: the reply cannot be prepared. */
type Memo = Prepared | false | undefined

/**
 * Maximum size in bytes of a body that is copied next to its head, so that a hit takes one write instead of two; the
 * copy is made about once a second.
 */
const JOINED = 256 * 1024

/** The joined answers, oldest first, and the maximum size of all of them in bytes. */
const joinedOnes: Joined[] = []
const MAX_JOINED = 8 * 1024 * 1024
let joinedBytes = 0

/** Maximum size in bytes of a body that is sent as text, without a Buffer, until it proves to be sent often. */
const SMALL = 4096

/** The number of sends that counts as often, within the one second for which an answer is prepared. */
const OFTEN = 16

const { end, write, writeHead, send, implicitHeader, emit, push } = METHODS_OF_NODE

/**
 * Sends a reply with a pre-serialized head, if the response is unmodified and no other code observes it.
 *
 * Only the construction of the head is skipped. The bytes go through Node.js's own queue and `end()`, so pipelining,
 * backpressure, keep-alive, timeouts, `finish`, `close` and response observers work as usual.
 *
 * @param poweredBy - the X-Powered-By that the framework would have set first
 * @returns false if the reply must be sent normally; nothing was done then
 */
export function sendPrepared(response: ServerResponse, reply: Reply, poweredBy: string | undefined): boolean {
  return (
    isSupported && hasNoFields(response) && isUntouched(response, reply) && sendUntouched(response, reply, poweredBy)
  )
}

/** Like {@link sendPrepared}, for a response with no field, or only X-Powered-By. */
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

/** The server's connection settings that appear in every head. */
export interface ConnectionLimits {
  readonly keepAliveTimeout: number
  readonly maxRequestsPerSocket: number | null
}

/**
 * The complete serialized answer to a request without a response object, for a server whose responses are
 * {@link isOfNode}; `undefined` if it must be sent over a response object. A string is to be written as latin1.
 */
export function preparedAnswer(
  reply: Reply,
  method: string | undefined,
  { keepAliveTimeout, maxRequestsPerSocket }: ConnectionLimits,
  poweredBy: string | undefined,
): Buffer | string | undefined {
  // A HEAD response must have no body, and a reply to another method must have one.
  if (!isSupported || (reply.status !== 304 && (method === 'HEAD') !== (reply.body === undefined))) return undefined
  const prepared = preparedFor(reply, keepAliveTimeout, maxRequestsPerSocket, poweredBy)
  return prepared === false ? undefined : wholeOf(prepared)
}

/** Head and body in one piece; `undefined` if they are sent separately. */
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

/** Whether a response is unmodified, its connection stays open, and the reply fits the request's method. */
function isUntouched(response: ServerResponse, { status, body }: Reply): boolean {
  const { _hasBody: hasBody } = response as unknown as Internals
  // A HEAD response must have no body, and a reply to another method must have one.
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

/** The serialized form of a reply, created on first use. */
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

/** Serializes a reply; false if Node.js would not send exactly one line per field and the body unchanged. */
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
    // Node.js encodes this field in a special way.
    if (lower === 'content-disposition' && !ASCII.test(value)) return false
    // A second setHeader would replace the first value.
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

/** Converts an answer to bytes, because it is sent repeatedly. */
function inBytes(prepared: Prepared): void {
  if (prepared.bytes !== undefined) return
  prepared.bytes = Buffer.from(prepared.head, 'latin1')
  const { body } = prepared.reply
  if (body !== undefined && body.length <= JOINED) prepared.joined = join(prepared.bytes, body)
}

/** Copies head and body into one Buffer, and drops the oldest copies beyond the size limit. */
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

/** Fields that change how Node.js writes a head, in addition to Date and Content-Length. */
const OF_CONNECTIONS = new Set(['connection', 'keep-alive', 'transfer-encoding', 'trailer', 'expect', 'upgrade'])

/**
 * Whether a new response is a plain Node.js one: no other code has patched it, listens to it or its request, or traces
 * it.
 */
export function isOfNode(response: ServerResponse): boolean {
  const { req: request } = response
  const { _traceEventId: trace } = response as unknown as { readonly _traceEventId?: unknown }
  return (
    isAsMade(response) &&
    hasNoFields(response) &&
    // Subclasses may override any method. Express's prototypes inherit `constructor`, so they pass this check.
    response.constructor === ServerResponse &&
    request.constructor === IncomingMessage &&
    // Node.js's own 'finish' listener.
    response.listenerCount('finish') === 1 &&
    response.eventNames().length === 1 &&
    request.eventNames().length === 0 &&
    response.emit === emit &&
    request.emit === emit &&
    request.push === push &&
    trace === undefined &&
    // Present while a PerformanceObserver observes 'http' entries.
    !Object.getOwnPropertySymbols(response).some(({ description }) => description === 'ServerResponseStatistics')
  )
}

/**
 * Self-test: whether this Node.js sends the same bytes for a prepared answer, as text and as bytes, as it sends
 * normally.
 */
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

// At the end of the module, because check() uses constants declared above.
const isSupported = check()
