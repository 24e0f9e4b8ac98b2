import type { CacheControl } from '../syntax/cache-control.js'
import { equalsStrongly, equalsWeakly, isWeak } from '../syntax/entity-tag.js'
import { emptyFields, type Fields, fieldValue, hasField, listMembers } from '../syntax/fields.js'
import { type EpochMilliseconds, formatHttpDate, parseHttpDate } from '../syntax/http-date.js'
import { isStrongLastModified } from './conditional.js'

/**
 * Selects the fields of a response to store (RFC 9111, section 3.1): all except hop-by-hop fields, fields named by
 * Connection, Proxy-*, fields named by `private="…"` and `no-cache="…"`, and Age, which is recalculated on every use.
 * Adds Date if it is missing or malformed (RFC 9110, section 6.6.1).
 *
 * @param omitted - further names to omit, in lower case
 */
export function storedFields(
  fields: Fields,
  control: CacheControl,
  receivedAt: EpochMilliseconds,
  omitted: readonly string[] = [],
): Record<string, string | readonly string[] | undefined> {
  const stored = withDate(endToEndFields(fields), receivedAt)
  delete stored.age
  for (const name of [...control.privateFields, ...control.noCacheFields, ...omitted]) delete stored[name]
  return stored
}

/**
 * The head of a stored response after an update by a 304 or a HEAD response (RFC 9111, section 3.2), as if it had just
 * arrived: each field of the update replaces the stored one, except fields that are never stored and fields that
 * describe the stored bytes. Age is taken from the update. Check the result like a new response, then apply
 * {@link storedFields}.
 *
 * @param control - the directives of the update
 */
export function updatedFields(
  stored: Fields,
  update: Fields,
  control: CacheControl,
  receivedAt: EpochMilliseconds,
): Fields {
  const updated: Record<string, string | readonly string[] | undefined> = Object.assign(emptyFields(), stored)
  const fresh = storedFields(update, control, receivedAt)
  for (const name of Object.keys(fresh)) {
    if (!DESCRIBES_BYTES.has(name)) updated[name] = fresh[name]
  }
  // If a proxy that encodes the body made the stored tag weak or removed it, the tag stays that way.
  const entityTag = fieldValue(stored, 'etag')
  if (entityTag === undefined || entityTag === `W/${fieldValue(fresh, 'etag')}`) updated.etag = stored.etag
  if (hasField(update, 'age')) updated.age = update.age
  else delete updated.age
  return updated
}

/**
 * Whether a 304 response updates this stored response (RFC 9111, section 4.3.4): they share a strong validator,
 * otherwise a weak one. A 304 without validators updates the stored response whose validators were sent, if there was
 * only one.
 *
 * Servers that compress responses (nginx, CDNs) make the tag of a 200 weak or remove it, but leave the tag of the 304
 * unchanged. The strong validator that both share is then Last-Modified.
 *
 * @param notModified - the fields of the 304
 */
export function isFreshenedBy(stored: Fields, notModified: Fields, now: EpochMilliseconds): boolean {
  const entityTag = fieldValue(notModified, 'etag')
  if (entityTag !== undefined) {
    const ours = fieldValue(stored, 'etag')
    if (ours === undefined) return sharesLastModified(stored, notModified, now)
    if (isWeak(entityTag)) return equalsWeakly(entityTag, ours)
    return (
      equalsStrongly(entityTag, ours) || (equalsWeakly(entityTag, ours) && sharesLastModified(stored, notModified, now))
    )
  }
  const modifiedAt = parseHttpDate(fieldValue(notModified, 'last-modified'), now)
  return modifiedAt === undefined || modifiedAt === parseHttpDate(fieldValue(stored, 'last-modified'), now)
}

/**
 * Whether a 304 response that does not update the stored response still confirms it (RFC 9111, section 4.3.3): its
 * entity tag is weakly equal, as in the comparison that led to the 304 (RFC 9110, section 13.1.2), or the stored
 * response has none.
 *
 * @param notModified - the fields of the 304
 */
export function isConfirmedBy(stored: Fields, notModified: Fields): boolean {
  const ours = fieldValue(stored, 'etag')
  const entityTag = fieldValue(notModified, 'etag')
  return entityTag !== undefined && (ours === undefined || equalsWeakly(entityTag, ours))
}

/**
 * Whether a 200 response to HEAD confirms the stored response: its validators and Content-Length are equal (RFC 9111,
 * section 4.3.5). Otherwise the stored response must be treated as stale.
 *
 * @param length - the length of the stored body in bytes
 */
export function isConfirmedByHead(stored: Fields, length: number, head: Fields): boolean {
  for (const validator of ['etag', 'last-modified']) {
    if (hasField(head, validator) && fieldValue(head, validator) !== fieldValue(stored, validator)) return false
  }
  const contentLength = fieldValue(head, 'content-length')
  return contentLength === undefined || Number(contentLength) === length
}

/**
 * Removes the fields for a single connection: hop-by-hop fields, fields named by Connection, and Proxy-* (RFC 9110,
 * section 7.6.1).
 */
export function endToEndFields(fields: Fields): Record<string, string | readonly string[] | undefined> {
  const kept = emptyFields()
  const connection = fieldValue(fields, 'connection')
  const named = connection === undefined ? NO_NAMES : new Set(listMembers(connection.toLowerCase()))
  for (const name of Object.keys(fields)) {
    const value = fields[name]
    if (value === undefined || isOfConnection(name) || named.has(name)) continue
    kept[name] = value
  }
  return kept
}

/** Whether a field is always for a single connection, so that it is never stored. @param name - in lower case */
export function isOfConnection(name: string): boolean {
  return HOP_BY_HOP.has(name) || name.startsWith('proxy-')
}

const NO_NAMES: ReadonlySet<string> = new Set()

const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
])

/** Fields that an update must not change, because the stored bytes do not change (RFC 9111, section 3.2). */
const DESCRIBES_BYTES: ReadonlySet<string> = new Set(['content-length', 'content-encoding', 'content-range'])

/** Whether both have the same Last-Modified, and it is a strong validator (RFC 9110, section 8.8.2.2). */
function sharesLastModified(stored: Fields, notModified: Fields, now: EpochMilliseconds): boolean {
  const modifiedAt = parseHttpDate(fieldValue(notModified, 'last-modified'), now)
  if (modifiedAt === undefined || modifiedAt !== parseHttpDate(fieldValue(stored, 'last-modified'), now)) return false
  return isStrongLastModified(stored, now)
}

function withDate(
  fields: Record<string, string | readonly string[] | undefined>,
  receivedAt: EpochMilliseconds,
): Record<string, string | readonly string[] | undefined> {
  if (parseHttpDate(fieldValue(fields, 'date'), receivedAt) === undefined) fields.date = formatHttpDate(receivedAt)
  return fields
}
