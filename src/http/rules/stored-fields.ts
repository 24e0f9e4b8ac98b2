import type { CacheControl } from '../syntax/cache-control.js'
import { equalsStrongly, equalsWeakly, isWeak } from '../syntax/entity-tag.js'
import { emptyFields, type Fields, fieldValue, hasField, listMembers } from '../syntax/fields.js'
import { type EpochMilliseconds, formatHttpDate, parseHttpDate } from '../syntax/http-date.js'
import { isStrongLastModified } from './conditional.js'

/**
 * The fields of a response that are stored (RFC 9111, section 3.1): all but hop-by-hop ones, those that Connection names,
 * Proxy-*, those that `private="…"` and `no-cache="…"` name, and Age, which is calculated anew on every use. Date is added
 * when it is missing or unreadable (RFC 9110, section 6.6.1).
 *
 * @param omitted - further names to leave out, in lower case
 */
export function storedFields(
  fields: Fields,
  control: CacheControl,
  receivedAt: EpochMilliseconds,
  omitted: readonly string[] = [],
): Fields {
  const stored = withDate(endToEndFields(fields), receivedAt)
  delete stored.age
  for (const name of [...control.privateFields, ...control.noCacheFields, ...omitted]) delete stored[name]
  return stored
}

/**
 * The head of a stored response once a 304 or a HEAD response came for it (RFC 9111, section 3.2), as if it had arrived now: each field of the update replaces
 * the stored one, except those that are not stored and those that describe the stored bytes. Age is the update's own. Judge it like a new response, then take its {@link storedFields}.
 *
 * @param control - the directives of the update
 * @param omitted - further names that the update must not bring in, in lower case
 */
export function updatedFields(
  stored: Fields,
  update: Fields,
  control: CacheControl,
  receivedAt: EpochMilliseconds,
  omitted: readonly string[] = [],
): Fields {
  const updated: Record<string, string | readonly string[] | undefined> = Object.assign(emptyFields(), stored)
  const fresh = storedFields(update, control, receivedAt, omitted)
  for (const name of Object.keys(fresh)) {
    if (!DESCRIBES_BYTES.has(name)) updated[name] = fresh[name]
  }
  // A tag that was made weak, or taken away, when the stored bytes were coded on the way stays so.
  const entityTag = fieldValue(stored, 'etag')
  if (entityTag === undefined || entityTag === `W/${fieldValue(fresh, 'etag')}`) updated.etag = stored.etag
  if (hasField(update, 'age')) updated.age = update.age
  else delete updated.age
  return updated
}

/**
 * Whether a 304 response updates this stored response (RFC 9111, section 4.3.4): an equal strong validator; else an equal
 * weak one. A 304 without any validator is about the stored response whose validators were sent, if it was a single one.
 *
 * Servers that code on the way (nginx, CDNs) make the tag of a 200 weak, or take it away, and leave that of its 304. Then the
 * strong validator that they share is Last-Modified.
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
 * Whether a 304 response that updates nothing says all the same that the stored response is still right (RFC 9111, section
 * 4.3.3): its entity tag means the same, as it did when it was compared (RFC 9110, section 13.1.2), or was not asked about.
 *
 * @param notModified - the fields of the 304
 */
export function isConfirmedBy(stored: Fields, notModified: Fields): boolean {
  const ours = fieldValue(stored, 'etag')
  const entityTag = fieldValue(notModified, 'etag')
  return entityTag !== undefined && (ours === undefined || equalsWeakly(entityTag, ours))
}

/**
 * Whether a 200 response to HEAD says that the stored response is still right: its validators and its Content-Length agree
 * (RFC 9111, section 4.3.5). If not, the stored response is to be taken for stale.
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

/** Fields without those that are for one connection only: hop-by-hop ones, those that Connection names, and Proxy-* (RFC 9110, section 7.6.1). */
export function endToEndFields(fields: Fields): Record<string, string | readonly string[] | undefined> {
  const kept = emptyFields()
  const connection = fieldValue(fields, 'connection')
  const named = connection === undefined ? NO_NAMES : new Set(listMembers(connection.toLowerCase()))
  for (const name of Object.keys(fields)) {
    const value = fields[name]
    if (value === undefined || HOP_BY_HOP.has(name) || name.startsWith('proxy-') || named.has(name)) continue
    kept[name] = value
  }
  return kept
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

/** What an update may not change, for the stored bytes stay what they are (RFC 9111, section 3.2). */
const DESCRIBES_BYTES: ReadonlySet<string> = new Set(['content-length', 'content-encoding', 'content-range'])

/** Whether both were last modified at one moment, and that is a strong validator (RFC 9110, section 8.8.2.2). */
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
