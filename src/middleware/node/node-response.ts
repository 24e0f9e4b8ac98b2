import { type IncomingHttpHeaders, type IncomingMessage, OutgoingMessage, type ServerResponse } from 'node:http'
import type { FieldChanges, FieldValue, Reply } from '../../http/port/index.js'
import { layFields } from '../node-internals/outgoing-fields.js'

/** What middleware leaves on a request for others. */
export interface NodeRequest extends IncomingMessage {
  readonly user?: unknown
  readonly auth?: unknown
  readonly session?: unknown
}

/** A response as it may be: http2's compatibility layer has no raw names, for there all names are in lower case. */
export type NodeResponse = ServerResponse & {
  getRawHeaderNames?(): string[]
  readonly locals?: { readonly user?: unknown }
}

/** Sends an answer over a node response: the fields over those that are there, then all bytes at once. */
export function sendReply(response: ServerResponse, reply: Reply): void {
  putHead(response, reply)
  // With latin1, a Buffer or nothing, node writes the head as latin1, so that bytes above 0x7f in fields survive.
  if (reply.body === undefined) response.end()
  else if (reply.body.length <= SMALL && response.end === end) response.end(reply.body.toString('latin1'), 'latin1')
  else response.end(reply.body)
}

/** Puts status, reason and fields of an answer on a node response that has no head yet. */
export function putHead(response: ServerResponse, reply: Reply): void {
  response.statusCode = reply.status
  // It may have been stored over HTTP/1.1, and http2 warns who sets one.
  if (reply.reason !== undefined && !('stream' in response)) response.statusMessage = reply.reason
  layFields(response, reply.fields, reply.checkedNames)
  for (const name of reply.removed) response.removeHeader(name)
  if (reply.status === 206 && 'flush' in response) forbidTransform(response)
}

const { end } = OutgoingMessage.prototype

/** Node joins a text to the head and sends both in one piece; a larger body is better sent without being copied. Bytes. */
export const SMALL = 4096

/**
 * Has compression, which gives responses their `flush`, leave a part alone: compressed by itself, it is no part of
 * anything. It obeys nothing but no-transform (RFC 9110, section 7.7).
 */
function forbidTransform(response: ServerResponse): void {
  const control = response.getHeader('Cache-Control')
  response.setHeader('Cache-Control', control === undefined ? 'no-transform' : `${control}, no-transform`)
}

/** One field of a node response, as lines of text. */
export function fieldOf(response: ServerResponse, name: string): FieldValue | undefined {
  return lineOf(response.getHeader(name))
}

/** A field's value as lines of text. */
export function lineOf(value: FieldValue | number | undefined): FieldValue | undefined {
  return typeof value === 'number' ? String(value) : value
}

/**
 * The URL of a request, if it is another one than it came with and not what mounting leaves of it.
 *
 * @param base - the path below which the application or router is mounted; `''`: nowhere, or the host does not say
 */
export function rewrittenUrl(original: string, url: string | undefined, base: string): string | undefined {
  if (url === undefined || url === original) return undefined
  const rest = original.startsWith(base) ? original.slice(base.length) : undefined
  // What is left of a mount path that is the whole path gets a slash.
  return rest === url || (rest !== undefined && !rest.startsWith('/') && `/${rest}` === url) ? undefined : url
}

/** Whether an HTTP/2 request goes on after its fields. */
export function streamsBody(request: IncomingMessage): boolean {
  if (request.httpVersionMajor < 2) return false
  const { stream } = request as { readonly stream?: { readonly endAfterHeaders?: boolean } }
  return stream?.endAfterHeaders === false
}

/** Changes fields of a node request. @returns what puts them back */
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

/** Whom authentication in front of the cache or behind it has found: `req.user` (passport), `req.auth` (JWT), `res.locals.user`. */
export function userOf(request: NodeRequest, response: ServerResponse | undefined): unknown {
  const { auth } = request
  const hasClaims = typeof auth === 'object' && auth !== null && Object.keys(auth).length > 0
  return request.user || (hasClaims ? auth : undefined) || (response as NodeResponse | undefined)?.locals?.user
}
