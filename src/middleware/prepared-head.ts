import { IncomingMessage, OutgoingMessage, ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import type { Reply } from '../http/exchange.js'
import { emptyFields } from '../http/fields.js'
import { hasNoFields, type OutgoingFields, showFields } from './outgoing-fields.js'

/** What of node's response has no public name. */
interface Internals {
  _header: string | null
  _headerSent: boolean
  _hasBody: boolean
  readonly _defaultKeepAlive: boolean
  readonly _removedConnection: boolean
  readonly _expect_continue: boolean
  readonly _keepAliveTimeout: number
  readonly _maxRequestsPerSocket: number | undefined
  readonly maxRequestsOnConnectionReached: boolean
  _send(bytes: Buffer | string, encoding?: 'latin1'): boolean
}

/** An answer as it goes over the wire, and what it was written for. */
interface Prepared {
  /** A copy of a reply, which may differ in anything, has its memo too. */
  readonly reply: Reply
  readonly poweredBy: string | undefined
  readonly keepAliveTimeout: number
  readonly maxRequests: number | undefined
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
  return isSupported && isUntouched(response, reply) && sendUntouched(response, reply, poweredBy)
}

function sendUntouched(response: ServerResponse, reply: Reply, poweredBy: string | undefined): boolean {
  const known = knownOf(response, reply, poweredBy)
  const prepared = known ?? prepare(response, reply, poweredBy)
  if (known === undefined) reply.memo = prepared
  if (prepared === false) return false
  prepared.sent += 1
  if (prepared.sent === OFTEN || (reply.body?.length ?? 0) > SMALL) inBytes(prepared)
  transmit(response, prepared)
  return true
}

function transmit(response: ServerResponse, { reply, reason, head, fields, bytes, joined }: Prepared): void {
  const internals = response as unknown as Internals
  const { status, body } = reply
  response.statusCode = status
  response.statusMessage = reason
  internals._header = head
  internals._headerSent = true
  showFields(response, fields)
  if (body === undefined) internals._hasBody = false
  const whole = joined?.bytes
  if (whole !== undefined) {
    internals._send(whole)
  } else if (bytes === undefined) {
    internals._send(body === undefined ? head : head + body.toString('latin1'), 'latin1')
  } else {
    const { socket } = response
    socket?.cork()
    internals._send(bytes)
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
    hasNoFields(response) &&
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
  const isSame =
    memo.reply === reply &&
    memo.keepAliveTimeout === keepAliveTimeout &&
    memo.maxRequests === maxRequests &&
    memo.poweredBy === poweredBy
  return isSame ? memo : undefined
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

function keepAlive(timeout: number, maxRequests: number | undefined): string {
  if (timeout === 0) return ''
  const most = maxRequests !== undefined && Math.trunc(maxRequests) > 0 ? `, max=${maxRequests}` : ''
  return `Keep-Alive: timeout=${Math.floor(timeout / 1000)}${most}\r\n`
}

/** What node looks at when it writes a head, beside Date and Content-Length. */
const OF_CONNECTIONS = new Set(['connection', 'keep-alive', 'transfer-encoding', 'trailer', 'expect', 'upgrade'])

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

function trialReply(status: number, body: Buffer | undefined, length: number | undefined): Reply {
  const fields = ['Content-Type', 'text/plain', 'Date', 'Thu, 01 Jan 1970 00:00:00 GMT', 'X-Latin', 'caf\u00e9']
  const checkedNames = ['content-type', 'date', 'x-latin']
  if (length !== undefined) {
    fields.push('Content-Length', String(length))
    checkedNames.push('content-length')
  }
  return { status, reason: undefined, fields, checkedNames, removed: [], body }
}

function isSentAlike(method: string, reply: Reply): boolean {
  const ordinary = new Trial(method)
  ordinary.response.statusCode = reply.status
  ordinary.response.setHeader('X-Powered-By', 'trial')
  for (let at = 0; at < reply.fields.length; at += 2) {
    ordinary.response.setHeader(String(reply.fields[at]), reply.fields[at + 1] ?? '')
  }
  ordinary.response.end(reply.body)
  return ['as text', 'as bytes'].every((form) => {
    const prepared = new Trial(method)
    if (form === 'as bytes') (reply.memo as Prepared).sent = OFTEN - 1
    if (!isUntouched(prepared.response, reply)) return false
    return sendUntouched(prepared.response, reply, 'trial') && prepared.equals(ordinary)
  })
}

/** A response to nobody. */
class Trial {
  readonly response: ServerResponse
  readonly #written: Buffer[] = []

  constructor(method: string) {
    const socket = new Duplex({
      read() {},
      write: (bytes: Buffer, encoding, done) => {
        this.#written.push(typeof bytes === 'string' ? Buffer.from(bytes, encoding) : bytes)
        done()
      },
    }) as Socket
    const request = new IncomingMessage(socket)
    request.method = method
    request.httpVersionMajor = 1
    request.httpVersionMinor = 1
    this.response = new ServerResponse(request)
    Object.assign(this.response, { _keepAliveTimeout: 5000, _maxRequestsPerSocket: 9 })
    this.response.assignSocket(socket)
  }

  equals(other: Trial): boolean {
    return (
      Buffer.concat(this.#written).equals(Buffer.concat(other.#written)) &&
      this.#written.length > 0 &&
      this.#state() === other.#state()
    )
  }

  #state(): string {
    const { headersSent, writableEnded, statusCode, statusMessage, writableLength } = this.response
    const { _last: isLast } = this.response as unknown as { readonly _last: boolean }
    const { _hasBody: hasBody } = this.response as unknown as Internals
    const fields = this.response.getHeaders()
    return JSON.stringify({
      hasBody,
      headersSent,
      writableEnded,
      statusCode,
      statusMessage,
      writableLength,
      isLast,
      fields,
    })
  }
}

// Last: a class can only be used below where it stands.
const isSupported = check()
