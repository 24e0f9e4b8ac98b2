import { type IncomingHttpHeaders, type IncomingMessage, OutgoingMessage, type ServerResponse } from 'node:http'
import { isPlain } from '../../core/plain-object.js'
import type { FieldChanges, FieldValue, Reply } from '../../http/port/index.js'
import { keepFileName, layFields, layStoredFields } from '../node-internals/index.js'
import { SMALL } from './chunk.js'
import { type SendingMethods, sendsItself } from './held-answer.js'
import { isRecorded } from './outer-fields.js'

/** A request with the properties that other middleware sets. */
export interface NodeRequest extends IncomingMessage {
  readonly user?: unknown
  readonly auth?: unknown
  readonly session?: unknown
}

/**
 * A response that may belong to http2, whose compatibility layer has no raw names because all names are in lower case.
 */
export type NodeResponse = ServerResponse & {
  getRawHeaderNames?(): string[]
  readonly locals?: { readonly user?: unknown }
}

/** Sends a reply over a response: sets its fields, replacing existing ones, then sends all bytes at once. */
export function sendReply(response: ServerResponse, reply: Reply): void {
  putHead(response, reply)
  // Set as a property, an empty reason phrase means the standard one.
  if (reply.reason === '' && !('stream' in response)) response.writeHead(reply.status, '')
  // With latin1, a Buffer or no body, Node.js writes the head as latin1, so that field bytes above 0x7f survive.
  if (reply.body === undefined) response.end()
  else if (reply.body.length <= SMALL && response.end === end) response.end(reply.body.toString('latin1'), 'latin1')
  else response.end(reply.body)
}

/**
 * Sets status, reason and fields of a reply on a response that has no head yet.
 *
 * @param methods - those that will send the body
 */
export function putHead(response: ServerResponse, reply: Reply, methods: SendingMethods = response): void {
  response.statusCode = reply.status
  // HTTP/2 has no reason phrase, and http2 warns when one is set.
  if (reply.reason !== undefined && !('stream' in response)) response.statusMessage = reply.reason
  layReply(response, reply, methods)
  for (const name of reply.removed) response.removeHeader(name)
  if (reply.status === 206 && 'flush' in response) forbidTransform(response)
}

/**
 * Sets the fields of a reply. Without a length that only the cache knows, if middleware in front may add bytes: Node.js
 * counts what it gets in one piece.
 */
export function layReply(response: ServerResponse, reply: Reply, methods: SendingMethods = response): void {
  const { fields, checkedNames, isLengthAdded } = reply
  if (checkedNames === undefined) keepFileName(response, fields)
  // Another cache in front has to see which fields are set behind it.
  const lay = isRecorded(response) ? layFields : layStoredFields
  if (!isLengthAdded || sendsItself(response, methods)) {
    lay(response, fields, checkedNames)
    return
  }
  const at = fields.findIndex((name, index) => index % 2 === 0 && String(name).toLowerCase() === 'content-length')
  lay(response, at < 0 ? fields : [...fields.slice(0, at), ...fields.slice(at + 2)])
}

const { end } = OutgoingMessage.prototype

/**
 * Keeps the compression middleware, recognizable by `response.flush`, from compressing a partial body, which could then
 * not be combined with others. It only respects no-transform (RFC 9110, section 7.7).
 */
function forbidTransform(response: ServerResponse): void {
  const control = response.getHeader('Cache-Control')
  response.setHeader('Cache-Control', control === undefined ? 'no-transform' : `${control}, no-transform`)
}

/** One field of a response, with a number converted to a string. */
export function fieldOf(response: ServerResponse, name: string): FieldValue | undefined {
  return lineOf(response.getHeader(name))
}

/** A field's value, with a number converted to a string. */
export function lineOf(value: FieldValue | number | undefined): FieldValue | undefined {
  return typeof value === 'number' ? String(value) : value
}

/**
 * The URL of a request if middleware has rewritten it; `undefined` if it is the original URL, or only lacks the mount
 * path.
 *
 * @param base - the path at which the application or router is mounted; `''` if not mounted or unknown
 */
export function rewrittenUrl(original: string, url: string | undefined, base: string): string | undefined {
  if (url === undefined || url === original) return undefined
  const rest = original.startsWith(base) ? original.slice(base.length) : undefined
  // If the mount path is the whole path, the remaining URL has an added slash: "/" or "/?query".
  return rest === url || (rest !== undefined && !rest.startsWith('/') && `/${rest}` === url) ? undefined : url
}

/** Whether an HTTP/2 request has a body, a field that announces one may be lost, or the connection is handed to another protocol. */
export function streamsBody(request: IncomingMessage): boolean {
  // Set by Node.js before it emits 'upgrade'; without a listener for that it is an ordinary request.
  if ((request as { readonly upgrade?: unknown }).upgrade === true) return true
  if (request.httpVersionMajor < 2) return isCut(request)
  const { stream } = request as { readonly stream?: { readonly endAfterHeaders?: boolean } }
  return stream?.endAfterHeaders === false
}

/** Whether Node.js may have dropped the last fields: it keeps `maxHeadersCount` of them, by default 1,000; 0 is all. */
function isCut({ rawHeaders, socket }: IncomingMessage): boolean {
  const most =
    (socket as { readonly server?: { readonly maxHeadersCount?: number | null } } | null)?.server?.maxHeadersCount ??
    1_000
  return most > 0 && rawHeaders?.length >= 2 * most
}

/** Changes fields of a request. @returns a function that restores them */
export function changeFields(request: IncomingMessage, changes: FieldChanges | undefined): () => void {
  if (changes === undefined) return nothing
  const { headers } = request
  const before: IncomingHttpHeaders = {}
  for (const name of Object.keys(changes)) {
    before[name] = headers[name]
    apply(headers, name, changes[name])
  }
  let isRestored = false
  return () => {
    if (isRestored) return
    isRestored = true
    for (const name of Object.keys(before)) apply(headers, name, before[name])
  }
}

function nothing(): void {}

function apply(headers: IncomingHttpHeaders, name: string, value: string | string[] | undefined): void {
  if (value === undefined) delete headers[name]
  else headers[name] = value
}

/** The user found by authentication middleware: `req.user` (passport), `req.auth` (JWT) or `res.locals.user`. */
export function userOf(request: NodeRequest, response: ServerResponse | undefined): unknown {
  return userAmong(request.user, request.auth, response)
}

/** A function tells who is asking when it is called, which is observed. */
function hasClaims(auth: unknown): boolean {
  if (typeof auth !== 'object' || auth === null) return Boolean(auth) && typeof auth !== 'function'
  return Object.keys(auth).length > 0 || !isPlain(auth)
}

/** Like {@link userOf}, with the values of the request. */
export function userAmong(user: unknown, auth: unknown, response: ServerResponse | undefined): unknown {
  return user || (hasClaims(auth) ? auth : undefined) || (response as NodeResponse | undefined)?.locals?.user
}
