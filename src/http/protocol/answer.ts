import type { Exchange } from '../port/exchange.js'
import type { Reply } from '../port/reply.js'
import type { RequestHead } from '../port/request-head.js'
import { asksForWhole, isNotModified, isRangeApplicable, notModifiedFields } from '../rules/conditional.js'
import { uniteVary } from '../rules/vary.js'
import { toFieldList } from '../store/route-fields.js'
import { fieldsOfPart, partWithin } from '../store/stored-part.js'
import type { StoredResponse } from '../store/stored-response.js'
import { type Fields, type FieldValue, fieldValue } from '../syntax/fields.js'
import { parseRange, partialContent, rangeNotSatisfiable } from '../syntax/range.js'
import type { Lookup } from './lookup.js'

/** A stored response with its complete reply, before conditions and ranges are applied. */
export interface WholeAnswer {
  readonly stored: StoredResponse
  readonly whole: Reply
  /** Epoch ms. */
  readonly now: number
}

/**
 * Selects the reply that one client gets from a stored response: the whole response, a 304, a part, or the header
 * fields only (RFC 9111, section 4.3.2; RFC 9110, sections 13 and 14).
 *
 * @param request - the request as the client sent it, if the handler has run with other fields
 */
export function answerFromStore<Context extends object>(
  { exchange, storage }: Lookup<Context>,
  { stored, whole, now }: WholeAnswer,
  request: Pick<RequestHead, 'method' | 'headers' | 'isPlain' | 'ifNoneMatch'> = exchange.request,
): Reply {
  const reply = withOuterLists(exchange, stored, whole)
  if (request.isPlain && request.method === 'GET') {
    if (request.ifNoneMatch === undefined) return reply
    // Fast path for the most common condition: the client's entity tag matches.
    if (stored.status === 200 && request.ifNoneMatch === stored.byName.etag) return notModified(stored, reply)
  }
  const { method, headers } = request
  if (isAnswered304(request, stored, now, storage.answersAsOrigin)) return notModified(stored, reply)
  if (stored.status === 200) {
    if (method === 'GET' && headers.range !== undefined && isRangeApplicable(headers, rangeValidators(stored), now)) {
      return part(headers, stored, reply) ?? reply
    }
  }
  if (stored.status === 206) return answerFromPart(headers, stored, reply, now)
  return method === 'HEAD' ? bodiless(stored, reply) : reply
}

function answerFromPart(headers: Fields, stored: StoredResponse, reply: Reply, now: number): Reply {
  const part = partWithin(headers, stored, now)
  return part === undefined ? reply : { ...reply, fields: fieldsOfPart(reply.fields, part), body: part.body }
}

/** A response that the handler has just produced, with the fields known so far. */
export interface MadeResponse {
  readonly status: number
  readonly fields: Fields
  readonly now: number
  /** Fields set by earlier middleware and removed by the route. */
  readonly removed: readonly string[]
}

/** A reply whose fields are accessible by name. */
export interface ConditionalAnswer extends Omit<Reply, 'fields'> {
  readonly fields: Fields
}

/**
 * Evaluates the client's If-None-Match and If-Modified-Since, which were hidden from the handler, on the handler's
 * response. Returns the 304 that the framework would have sent, or `undefined` if the response is sent as it is.
 *
 * @param request - the request as the client sent it
 */
export function answerConditions(
  { method, headers }: Pick<RequestHead, 'method' | 'headers'>,
  { status, fields, removed, now }: MadeResponse,
): ConditionalAnswer | undefined {
  if (!isSuccessful(status) || !isConditional(headers) || asksForWhole(headers)) return undefined
  if (!isNotModified({ method, headers }, fields, undefined, now)) return undefined
  return { reason: undefined, removed, status: 304, fields: notModifiedFields(fields), body: undefined }
}

function isAnswered304(
  { method, headers }: Pick<RequestHead, 'method' | 'headers'>,
  stored: StoredResponse,
  now: number,
  asOrigin: boolean,
): boolean {
  if (!isConditional(headers) || !isSuccessful(stored.status) || (asOrigin && asksForWhole(headers))) return false
  return isNotModified({ method, headers }, stored.byName, stored.receivedAt, now)
}

/**
 * Whether conditions are evaluated for a status (RFC 9110, section 13.2.1): for every 2xx, including 204 and 205, as
 * Express and koa-conditional-get do.
 */
function isSuccessful(status: number): boolean {
  return status >= 200 && status < 300
}

function isConditional(headers: Fields): boolean {
  return headers['if-none-match'] !== undefined || headers['if-modified-since'] !== undefined
}

/** Makes the 304 for a complete reply. The result is cached per reply, so that hits within the same second share it. */
function notModified(stored: StoredResponse, whole: Reply): Reply {
  const known = stored.notModified
  if (known?.of === whole) return known.reply
  const { names, list } = stored
  const fields: FieldValue[] = []
  // Read the fields from the reply, not the stored response: its Vary is already combined with that of outer
  // middleware.
  for (const at of names.keptBy304) fields.push(whole.fields[2 * at] ?? '', whole.fields[2 * at + 1] ?? '')
  for (let at = list.length; at < whole.fields.length; at += 1) fields.push(whole.fields[at] ?? '')
  const reply: Reply = {
    status: 304,
    reason: undefined,
    fields,
    checkedNames: whole.checkedNames && names.of304,
    removed: whole.removed,
    body: undefined,
    memo: undefined,
  }
  stored.notModified = { of: whole, reply }
  return reply
}

/** Makes the reply to HEAD. The result is cached per complete reply. */
function bodiless(stored: StoredResponse, whole: Reply): Reply {
  if (stored.bodiless?.of === whole) return stored.bodiless.reply
  const reply: Reply = { ...whole, body: undefined, memo: undefined }
  stored.bodiless = { of: whole, reply }
  return reply
}

/**
 * Removes Last-Modified if the response has encodings: they share it, so it cannot identify the bytes of one of them
 * (RFC 9110, section 8.8.1).
 */
function rangeValidators({ byName, coding }: StoredResponse): Fields {
  return coding === undefined ? byName : { ...byName, 'last-modified': undefined }
}

function part(headers: Fields, stored: StoredResponse, whole: Reply): Reply | undefined {
  const { body } = stored
  const ranges = parseRange(fieldValue(headers, 'range'), body.length)
  if (ranges === undefined) return undefined
  const own = stored.names.hasVary ? { ...stored.byName, vary: varyOf(whole) } : stored.byName
  const answer = ranges === 'unsatisfiable' ? rangeNotSatisfiable(own, body.length) : partialContent(ranges, own, body)
  const fields = [...toFieldList(answer.fields), ...whole.fields.slice(stored.list.length)]
  return { ...whole, ...answer, reason: undefined, fields, checkedNames: undefined, memo: undefined }
}

/** Returns the Vary of a reply, already combined with that of outer middleware. */
function varyOf({ fields }: Reply): FieldValue | undefined {
  const at = fields.findIndex((name, index) => index % 2 === 0 && String(name).toLowerCase() === 'vary')
  return at < 0 ? undefined : fields[at + 1]
}

/**
 * Combines list fields of the stored response, including Vary, with values that outer middleware has set for this
 * client.
 */
function withOuterLists(exchange: Pick<Exchange, 'field'>, stored: StoredResponse, whole: Reply): Reply {
  if (!stored.names.hasVary && stored.appended.length === 0) return whole
  let fields: FieldValue[] | undefined
  for (let at = 0; at < whole.fields.length; at += 2) {
    const name = String(whole.fields[at]).toLowerCase()
    if (name !== 'vary' && !stored.appended.includes(name)) continue
    const outer = exchange.field(name)
    if (outer === undefined) continue
    fields ??= [...whole.fields]
    fields[at + 1] = united(name, outer, whole.fields[at + 1] ?? '')
  }
  return fields === undefined ? whole : { ...whole, fields }
}

function united(name: string, outer: FieldValue, own: FieldValue): FieldValue {
  if (name === 'vary') return uniteVary(fieldValue({ outer }, 'outer'), fieldValue({ own }, 'own')) ?? outer
  if (typeof outer === 'string' && typeof own === 'string' && name !== 'set-cookie') return `${outer}, ${own}`
  return [outer, own].flat()
}
