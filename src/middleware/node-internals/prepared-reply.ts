import { STATUS_CODES } from 'node:http'
import type { Reply } from '../../http/port/index.js'
import { emptyFields } from '../../http/port/index.js'
import type { OutgoingFields } from './outgoing-fields.js'

/** A serialized response, with the inputs it was serialized for. */
export interface Prepared {
  /** Compared by identity: a modified copy of a reply shares its memo. */
  readonly reply: Reply
  readonly poweredBy: string | undefined
  readonly keepAliveTimeout: number
  readonly maxRequests: number | null | undefined
  readonly reason: string
  readonly head: string
  /** Made when a response has to show them. */
  fields: OutgoingFields | undefined
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
export const JOINED = 256 * 1024

/** The joined answers, oldest first, and the maximum size of all of them in bytes. */
const joinedOnes: Joined[] = []
const MAX_JOINED = 8 * 1024 * 1024
let joinedBytes = 0

/** Maximum size in bytes of a body that is sent as text, without a Buffer, until it proves to be sent often. */
const SMALL = 4096

/** The number of sends that counts as often, within the one second for which an answer is prepared. */
export const OFTEN = 16

/** The serialized form of a reply, created on first use. */
export function preparedFor(
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
  const names = judged(checkedNames)
  // Less than all names may be used: the last one is that of an optional field.
  const count = reply.fields.length >> 1
  if (count > names.sendable || (poweredBy !== undefined && names.poweredByAt < count)) return false
  const reason = reply.reason ?? STATUS_CODES[status] ?? 'unknown'
  let head = `HTTP/1.1 ${status} ${reason}\r\n`
  let length: string | undefined
  if (poweredBy !== undefined && !removed.includes('x-powered-by')) head += `X-Powered-By: ${poweredBy}\r\n`
  for (let at = 0; at < count; at += 1) {
    const name = reply.fields[2 * at]
    const value = reply.fields[2 * at + 1]
    if (typeof name !== 'string' || typeof value !== 'string') return false
    head += `${name}: ${value}\r\n`
    if (at === names.lengthAt) length = value
  }
  const isFitting = body === undefined ? (length !== undefined) === (status !== 304) : length === String(body.length)
  if (names.dateAt >= count || !isFitting) return false
  head += `Connection: keep-alive\r\n${keepAlive(keepAliveTimeout, maxRequests)}\r\n`
  return {
    reply,
    poweredBy,
    keepAliveTimeout,
    maxRequests,
    reason,
    head,
    fields: undefined,
    sent: 0,
    bytes: undefined,
    joined: undefined,
  }
}

/** What the names of fields decide by themselves. The indexes of names that there are not are infinite. */
interface Judged {
  /** How many of the names, from the first on, differ from each other and are not of connections. */
  readonly sendable: number
  readonly dateAt: number
  readonly lengthAt: number
  readonly poweredByAt: number
}

/** The replies of a route share the list of their names. */
const JUDGED = new WeakMap<readonly string[], Judged>()

function judged(names: readonly string[]): Judged {
  const known = JUDGED.get(names)
  if (known !== undefined) return known
  // A second setHeader would replace the first value.
  const refused = names.findIndex((name, at) => OF_CONNECTIONS.has(name) || names.indexOf(name) !== at)
  const indexOf = (name: string): number => (names.includes(name) ? names.indexOf(name) : Number.POSITIVE_INFINITY)
  const made: Judged = {
    sendable: refused < 0 ? names.length : refused,
    dateAt: indexOf('date'),
    lengthAt: indexOf('content-length'),
    poweredByAt: indexOf('x-powered-by'),
  }
  JUDGED.set(names, made)
  return made
}

/** The fields of a prepared answer, as a response shows them. */
export function fieldsOf(prepared: Prepared): OutgoingFields {
  if (prepared.fields !== undefined) return prepared.fields
  const { reply, poweredBy } = prepared
  const { checkedNames = [], removed } = reply
  const fields = emptyFields() as unknown as OutgoingFields
  if (poweredBy !== undefined && !removed.includes('x-powered-by')) fields['x-powered-by'] = ['X-Powered-By', poweredBy]
  for (let at = 0; at < reply.fields.length; at += 2) {
    fields[checkedNames[at / 2] ?? ''] = [String(reply.fields[at]), reply.fields[at + 1] ?? '']
  }
  prepared.fields = fields
  return fields
}

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

/** Head and body in one piece; `undefined` if they are sent separately. */
export function wholeOf({ reply: { body }, head, bytes, joined }: Prepared): Buffer | string | undefined {
  if (joined?.bytes !== undefined) return joined.bytes
  if (body === undefined) return bytes ?? head
  return bytes === undefined ? head + body.toString('latin1') : undefined
}
