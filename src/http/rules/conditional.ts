import { equalsStrongly, equalsWeakly, listEntityTags } from '../syntax/entity-tag.js'
import { emptyFields, type Fields, fieldValue, trimWhitespace } from '../syntax/fields.js'
import { type EpochMilliseconds, parseHttpDate } from '../syntax/http-date.js'

/**
 * Whether a request must be answered with 304: evaluates If-None-Match by weak comparison, otherwise If-Modified-Since
 * (RFC 9110, section 13.2.2). A date is evaluated for GET and HEAD only, and only if the response has one (section
 * 13.1.3). Only for 2xx responses (section 13.2.1).
 *
 * @param asked - the method in upper case, and the fields of the request
 * @param receivedAt - replaces Last-Modified and Date if a stored response has neither (RFC 9111, section 4.3.2);
 * `undefined`: without them, If-Modified-Since is ignored
 */
export function isNotModified(
  asked: { readonly method: string; readonly headers: Fields },
  response: Fields,
  receivedAt: EpochMilliseconds | undefined,
  now: EpochMilliseconds,
): boolean {
  const { method, headers: request } = asked
  const noneMatch = fieldValue(request, 'if-none-match')
  if (noneMatch !== undefined) return matchesEntityTag(noneMatch, fieldValue(response, 'etag'))
  const modifiedSince = fieldValue(request, 'if-modified-since')
  if (modifiedSince === undefined || (method !== 'GET' && method !== 'HEAD')) return false
  const since = parseHttpDate(modifiedSince, now)
  const modifiedAt = modificationDate(response, receivedAt, now)
  return since !== undefined && modifiedAt !== undefined && modifiedAt <= since
}

/**
 * Whether a conditional request asks for the whole response, by a reload with `no-cache`; parsed as in Express and Koa.
 */
export function asksForWhole(request: Fields): boolean {
  const control = fieldValue(request, 'cache-control')
  return control !== undefined && NO_CACHE.test(control)
}

const NO_CACHE = /(?:^|,)[ \t]*no-cache[ \t]*(?:,|$)/

/**
 * Whether the Range field of a request applies: there is no If-Range, or it matches the stored representation by strong
 * comparison (RFC 9110, section 13.1.5).
 */
export function isRangeApplicable(request: Fields, stored: Fields, now: EpochMilliseconds): boolean {
  const ifRange = fieldValue(request, 'if-range')
  if (ifRange === undefined) return true
  if (ifRange.slice(0, 3).includes('"')) {
    const entityTag = fieldValue(stored, 'etag')
    return entityTag !== undefined && equalsStrongly(ifRange, entityTag)
  }
  const date = parseHttpDate(ifRange, now)
  return date !== undefined && date === lastModified(stored, now) && isStrongLastModified(stored, now)
}

/**
 * The fields of a 304 for a stored response: those that guide the client's cache, without those that describe the body
 * (RFC 9110, section 15.4.5). Last-Modified is kept, as in the 304 of Express and Koa.
 */
export function notModifiedFields(fields: Fields): Fields {
  const kept = emptyFields()
  for (const name of Object.keys(fields)) {
    const value = fields[name]
    if (value === undefined || DESCRIBES_BODY.has(name)) continue
    kept[name] = value
  }
  return kept
}

/** Whether a field describes the body, so that a 304 does not have it. @param name - in lower case */
export function describesBody(name: string): boolean {
  return DESCRIBES_BODY.has(name)
}

/** The request fields that validate a stored response; a field is `undefined` if the response lacks that validator. */
export interface Preconditions extends Readonly<Record<string, string | undefined>> {
  readonly 'if-none-match': string | undefined
  readonly 'if-modified-since': string | undefined
}

/** The preconditions that validate a stored response; `undefined` if it has no validator (RFC 9111, section 4.3.1). */
export function preconditions(stored: Fields): Preconditions | undefined {
  const entityTag = fieldValue(stored, 'etag')
  const modified = fieldValue(stored, 'last-modified')
  if (entityTag === undefined && modified === undefined) return undefined
  return { 'if-none-match': entityTag, 'if-modified-since': modified }
}

/**
 * Fields that validate the client's copy. Hidden from a handler whose response may be stored; the cache then evaluates
 * them itself.
 */
export const VALIDATING_FIELDS = ['if-none-match', 'if-modified-since'] as const

/** Fields that select one version or a part. The handler evaluates them, unless a usable response is stored. */
export const SELECTIVE_FIELDS = ['if-match', 'if-unmodified-since', 'if-range', 'range'] as const

/** The request fields that make a request conditional or partial. */
export const CONDITIONAL_FIELDS: readonly string[] = [...VALIDATING_FIELDS, ...SELECTIVE_FIELDS]

/**
 * Whether Last-Modified is a strong validator: the response was generated at least one second later (RFC 9110, section
 * 8.8.2.2).
 */
export function isStrongLastModified(fields: Fields, now: EpochMilliseconds): boolean {
  const modifiedAt = lastModified(fields, now)
  const date = parseHttpDate(fieldValue(fields, 'date'), now)
  return modifiedAt !== undefined && date !== undefined && date - modifiedAt >= 1000
}

const DESCRIBES_BODY: ReadonlySet<string> = new Set([
  'content-encoding',
  'content-language',
  'content-length',
  'content-range',
  'content-type',
  'transfer-encoding',
])

function matchesEntityTag(noneMatch: string, stored: string | undefined): boolean {
  if (noneMatch === stored || trimWhitespace(noneMatch) === '*') return true
  return stored !== undefined && listEntityTags(noneMatch).some((entityTag) => equalsWeakly(entityTag, stored))
}

/**
 * Falls back to Date if there is no Last-Modified, and to the time of reception if there is no Date (RFC 9111, section
 * 4.3.2).
 */
function modificationDate(
  response: Fields,
  receivedAt: EpochMilliseconds | undefined,
  now: EpochMilliseconds,
): EpochMilliseconds | undefined {
  const modifiedAt = lastModified(response, now)
  if (modifiedAt !== undefined || receivedAt === undefined) return modifiedAt
  return parseHttpDate(fieldValue(response, 'date'), now) ?? Math.floor(receivedAt / 1000) * 1000
}

function lastModified(fields: Fields, now: EpochMilliseconds): EpochMilliseconds | undefined {
  return parseHttpDate(fieldValue(fields, 'last-modified'), now)
}
