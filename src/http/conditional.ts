import { equalsStrongly, equalsWeakly, listEntityTags } from './entity-tag.js'
import { emptyFields, type Fields, fieldValue } from './fields.js'
import { type EpochMilliseconds, parseHttpDate } from './http-date.js'

/**
 * Whether a GET or HEAD request that a stored response answers is to be answered with 304: If-None-Match by weak comparison,
 * else If-Modified-Since (RFC 9110, section 13.2.2; RFC 9111, section 4.3.2). Only for stored 200 and 206 responses.
 *
 * @param receivedAt - stands in for Last-Modified and Date when the stored response has neither
 */
export function isNotModified(
  request: Fields,
  stored: Fields,
  receivedAt: EpochMilliseconds,
  now: EpochMilliseconds,
): boolean {
  const noneMatch = fieldValue(request, 'if-none-match')
  if (noneMatch !== undefined) return matchesEntityTag(noneMatch, fieldValue(stored, 'etag'))
  const modifiedSince = fieldValue(request, 'if-modified-since')
  if (modifiedSince === undefined) return false
  const since = parseHttpDate(modifiedSince, now)
  return since !== undefined && modificationDate(stored, receivedAt, now) <= since
}

/**
 * Whether the Range field of a request counts: there is no If-Range, or it names the stored representation by strong
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
 * The fields of a 304 for a stored response: those that guide the client's cache, and none that describe the body
 * (RFC 9110, section 15.4.5). Last-Modified only where there is no entity tag.
 */
export function notModifiedFields(fields: Fields): Fields {
  const kept = emptyFields()
  const hasEntityTag = fieldValue(fields, 'etag') !== undefined
  for (const name of Object.keys(fields)) {
    const value = fields[name]
    if (value === undefined || DESCRIBES_BODY.has(name) || (name === 'last-modified' && hasEntityTag)) continue
    kept[name] = value
  }
  return kept
}

/** The two fields that ask whether a stored response is still right; `undefined` where it has no such validator. */
export interface Preconditions extends Readonly<Record<string, string | undefined>> {
  readonly 'if-none-match': string | undefined
  readonly 'if-modified-since': string | undefined
}

/** The preconditions that validate a stored response; `undefined` when it has no validator (RFC 9111, section 4.3.1). */
export function preconditions(stored: Fields): Preconditions | undefined {
  const entityTag = fieldValue(stored, 'etag')
  const modified = fieldValue(stored, 'last-modified')
  if (entityTag === undefined && modified === undefined) return undefined
  return { 'if-none-match': entityTag, 'if-modified-since': modified }
}

/** The request fields that make a request conditional or partial; hidden from a handler that fills the cache. */
export const CONDITIONAL_FIELDS: readonly string[] = [
  'if-none-match',
  'if-modified-since',
  'if-match',
  'if-unmodified-since',
  'if-range',
  'range',
]

/** Whether Last-Modified is a strong validator: the response was made at least a second after (RFC 9110, section 8.8.2.2). */
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
  if (noneMatch === stored || noneMatch.trim() === '*') return true
  return stored !== undefined && listEntityTags(noneMatch).some((entityTag) => equalsWeakly(entityTag, stored))
}

/** Without Last-Modified the Date serves, without Date the time of reception (RFC 9111, section 4.3.2). */
function modificationDate(stored: Fields, receivedAt: EpochMilliseconds, now: EpochMilliseconds): EpochMilliseconds {
  return (
    lastModified(stored, now) ?? parseHttpDate(fieldValue(stored, 'date'), now) ?? Math.floor(receivedAt / 1000) * 1000
  )
}

function lastModified(fields: Fields, now: EpochMilliseconds): EpochMilliseconds | undefined {
  return parseHttpDate(fieldValue(fields, 'last-modified'), now)
}
