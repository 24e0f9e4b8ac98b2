import { IncomingMessage, OutgoingMessage, ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import type { Reply } from '../http/exchange.js'
import { hasNoFields, type OutgoingFields, showFields } from './outgoing-fields.js'

/** What of node's response has no public name. */
interface Internals {
  _header: string | null
  _headerSent: boolean
  readonly _hasBody: boolean
  readonly _defaultKeepAlive: boolean
  readonly _removedConnection: boolean
  readonly _expect_continue: boolean
  readonly _keepAliveTimeout: number
  readonly _maxRequestsPerSocket: number | undefined
  readonly maxRequestsOnConnectionReached: boolean
  _send(bytes: Buffer): boolean
}

/** An answer as it goes over the wire, and what it was written for. */
interface Prepared {
  readonly poweredBy: string | undefined
  readonly keepAliveTimeout: number
  readonly maxRequests: number | undefined
  readonly reason: string
  readonly head: string
  readonly fields: OutgoingFields
  /** Head and body; `undefined` for a large body, which is not copied, and when others needed the room. */
  whole: Buffer | undefined
  readonly bytes: Buffer
}

/** A body up to this size is kept together with its head, and both are written at once: a copy once a second, one write less for each hit. Bytes. */
const JOINED = 256 * 1024

/** The joined ones, the oldest first, and the bytes that all of them may take. */
const joined: Prepared[] = []
const MAX_JOINED = 8 * 1024 * 1024
let joinedBytes = 0

/** By the reply, which is the same object as long as it says the same. `false`: not to be prepared. */
const known = new WeakMap<Reply, Prepared | false>()

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
  if (!isSupported || !isUntouched(response)) return false
  const prepared = preparedFor(response, reply, poweredBy)
  if (prepared === undefined) return false
  transmit(response, reply, prepared)
  return true
}

function transmit(response: ServerResponse, reply: Reply, { reason, head, fields, whole, bytes }: Prepared): void {
  const internals = response as unknown as Internals
  response.statusCode = reply.status
  response.statusMessage = reason
  internals._header = head
  internals._headerSent = true
  showFields(response, fields)
  if (whole !== undefined) {
    internals._send(whole)
  } else {
    const { socket } = response
    socket?.cork()
    internals._send(bytes)
    internals._send(reply.body ?? NOTHING)
    socket?.uncork()
  }
  response.end()
}

/** Whether a response is as node makes it for an ordinary request on a connection that stays open. */
function isUntouched(response: ServerResponse): boolean {
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
    internals._hasBody &&
    internals._defaultKeepAlive &&
    !internals._removedConnection &&
    !internals._expect_continue &&
    !internals.maxRequestsOnConnectionReached
  )
}

function preparedFor(response: ServerResponse, reply: Reply, poweredBy: string | undefined): Prepared | undefined {
  const { _keepAliveTimeout: keepAliveTimeout, _maxRequestsPerSocket: maxRequests } = response as unknown as Internals
  const before = known.get(reply)
  if (before === false) return undefined
  if (
    before !== undefined &&
    before.keepAliveTimeout === keepAliveTimeout &&
    before.maxRequests === maxRequests &&
    before.poweredBy === poweredBy
  ) {
    return before
  }
  const prepared = prepare(reply, poweredBy, keepAliveTimeout, maxRequests)
  known.set(reply, prepared ?? false)
  return prepared
}

/** `undefined` when node would have made something else of it than one line for each field and the body as it is. */
function prepare(
  reply: Reply,
  poweredBy: string | undefined,
  keepAliveTimeout: number,
  maxRequests: number | undefined,
): Prepared | undefined {
  const { status, body, checkedNames, removed } = reply
  if (body === undefined || checkedNames === undefined || status < 200 || status === 204 || status === 304)
    return undefined
  const fields: OutgoingFields = Object.create(null)
  if (poweredBy !== undefined && !removed.includes('x-powered-by')) fields['x-powered-by'] = ['X-Powered-By', poweredBy]
  for (const [index, name] of checkedNames.entries()) {
    const value = reply.fields[index * 2 + 1]
    if (typeof value !== 'string' || OF_CONNECTIONS.has(name)) return undefined
    fields[name] = [String(reply.fields[index * 2]), value]
  }
  if (fields.date === undefined || fields['content-length']?.[1] !== String(body.length)) return undefined
  const reason = reply.reason || STATUS_CODES[status] || 'unknown'
  let head = `HTTP/1.1 ${status} ${reason}\r\n`
  for (const name of Object.keys(fields)) head += `${fields[name]?.join(': ')}\r\n`
  head += `Connection: keep-alive\r\n${keepAlive(keepAliveTimeout, maxRequests)}\r\n`
  const bytes = Buffer.from(head, 'latin1')
  const prepared: Prepared = { poweredBy, keepAliveTimeout, maxRequests, reason, head, fields, whole: undefined, bytes }
  if (body.length <= JOINED) join(prepared, body)
  return prepared
}

/** Puts head and body together, and takes the oldest ones apart when they are too much. */
function join(prepared: Prepared, body: Buffer): void {
  prepared.whole = Buffer.concat([prepared.bytes, body])
  joinedBytes += sizeOf(prepared)
  joined.push(prepared)
  while (joinedBytes > MAX_JOINED) {
    const oldest = joined.shift()
    if (oldest === undefined) return
    joinedBytes -= sizeOf(oldest)
    oldest.whole = undefined
  }
}

/** With the texts and objects around the bytes. */
function sizeOf({ whole, bytes }: Prepared): number {
  return (whole?.length ?? 0) + 4 * bytes.length + 1024
}

function keepAlive(timeout: number, maxRequests: number | undefined): string {
  if (timeout === 0) return ''
  const most = maxRequests !== undefined && Math.trunc(maxRequests) > 0 ? `, max=${maxRequests}` : ''
  return `Keep-Alive: timeout=${Math.floor(timeout / 1000)}${most}\r\n`
}

/** What node looks at when it writes a head, beside Date and Content-Length. */
const OF_CONNECTIONS = new Set(['connection', 'keep-alive', 'transfer-encoding', 'trailer', 'expect', 'upgrade'])

const NOTHING = Buffer.alloc(0)

/** Whether this node sends, for an answer prepared here, what it would have sent by itself. */
function check(): boolean {
  try {
    return [Buffer.from('text'), Buffer.alloc(JOINED + 1, 'x')].every((body) => {
      const fields = ['Content-Type', 'text/plain', 'Date', 'Thu, 01 Jan 1970 00:00:00 GMT', 'X-Latin', 'caf\u00e9']
      const reply: Reply = {
        status: 200,
        reason: undefined,
        fields: [...fields, 'Content-Length', String(body.length)],
        checkedNames: ['content-type', 'date', 'x-latin', 'content-length'],
        removed: [],
        body,
      }
      const ordinary = new Trial()
      ordinary.response.setHeader('X-Powered-By', 'trial')
      for (let at = 0; at < reply.fields.length; at += 2) {
        ordinary.response.setHeader(String(reply.fields[at]), reply.fields[at + 1] ?? '')
      }
      ordinary.response.end(body)
      const prepared = new Trial()
      const made = isUntouched(prepared.response) && preparedFor(prepared.response, reply, 'trial')
      if (!made) return false
      transmit(prepared.response, reply, made)
      return prepared.equals(ordinary)
    })
  } catch {
    return false
  }
}

/** A response to nobody. */
class Trial {
  readonly response: ServerResponse
  readonly #written: Buffer[] = []

  constructor() {
    const socket = new Duplex({
      read() {},
      write: (bytes: Buffer, encoding, done) => {
        this.#written.push(typeof bytes === 'string' ? Buffer.from(bytes, encoding) : bytes)
        done()
      },
    }) as Socket
    const request = new IncomingMessage(socket)
    request.method = 'GET'
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
    const fields = this.response.getHeaders()
    return JSON.stringify({ headersSent, writableEnded, statusCode, statusMessage, writableLength, isLast, fields })
  }
}

// Last: a class can only be used below where it stands.
const isSupported = check()
