import { entryWith } from '../../core/entry.js'
import type { RequestHead } from '../port/request-head.js'
import { isRangeApplicable } from '../rules/conditional.js'
import { uniteVary } from '../rules/vary.js'
import { acceptsIdentity, IDENTITY, preferredCoding } from '../syntax/accept-encoding.js'
import { isWeak } from '../syntax/entity-tag.js'
import { type FieldList, type Fields, type FieldValue, fieldValue } from '../syntax/fields.js'
import { parseRange } from '../syntax/range.js'
import { encodedBody } from './encodings.js'
import { StoredResponse } from './stored-response.js'

/**
 * Selects the representation of a stored response for a request: unencoded, or in the available coding that its
 * Accept-Encoding prefers (RFC 9110, section 12.5.3). A stored response that is never encoded is its only
 * representation.
 *
 * The result is a response with its own entity tag, length and bytes, to which preconditions, ranges and HEAD apply.
 */
export function representationFor(
  stored: StoredResponse,
  request: Pick<RequestHead, 'method' | 'headers'>,
  now: number,
): StoredResponse {
  if (stored.encodings === undefined) return stored
  const { method, headers } = request
  const acceptEncoding = fieldValue(headers, 'accept-encoding')
  const preferred = representation(stored, preferredCoding(acceptEncoding, stored.codings))
  if (!preferred.isEncoded || headers.range === undefined || method !== 'GET' || stored.status !== 200) return preferred
  const identity = representation(stored, IDENTITY)
  return acceptsIdentity(acceptEncoding) && isPartOf(identity, preferred, headers, now) ? identity : preferred
}

/**
 * Whether a range request applies to the unencoded bytes. A range of an encoded body is only useful to a client that
 * has the rest of it, which it shows with If-Range.
 */
function isPartOf(identity: StoredResponse, preferred: StoredResponse, headers: Fields, now: number): boolean {
  if (parseRange(fieldValue(headers, 'range'), identity.body.length) === undefined) return false
  if (headers['if-range'] === undefined) return true
  return !isRangeApplicable(headers, preferred.byName, now) && isRangeApplicable(headers, identity.byName, now)
}

function representation(stored: StoredResponse, coding: string): StoredResponse {
  const known = stored.representations?.get(coding)
  if (known !== undefined) return known
  const made = coding === IDENTITY ? identityOf(stored) : encoded(stored, coding)
  stored.representations?.set(coding, made)
  return made
}

function identityOf(stored: StoredResponse): StoredResponse {
  return represented(stored, withVary(stored.list), stored.body, IDENTITY)
}

function encoded(stored: StoredResponse, coding: string): StoredResponse {
  const { encodings = [], entry } = stored
  const encoding = encodings.find((one) => one.coding === coding)
  if (encoding === undefined) return identityOf(stored)
  const body = encodedBody(entry.body, encodings, encoding)
  const fields: FieldValue[] = []
  const list = withVary(stored.list)
  for (let at = 0; at < list.length; at += 2) {
    const name = list[at] ?? ''
    const lower = String(name).toLowerCase()
    if (OF_OTHER_BYTES.has(lower)) continue
    let value = list[at + 1] ?? ''
    if (lower === 'content-length') value = String(body.length)
    else if (lower === 'etag') value = encodedEntityTag(String(value), `${coding}-${encoding.digest}`)
    fields.push(name, value)
  }
  return represented(stored, [...fields, 'Content-Encoding', coding], body, coding)
}

/**
 * The entity tag of an encoded form. A strong tag identifies exact bytes, so it gets a suffix; a weak tag is kept,
 * because both forms are semantically equivalent (RFC 9110, sections 8.8.1 and 8.8.3.3).
 */
function encodedEntityTag(entityTag: string, mark: string): string {
  if (isWeak(entityTag)) return entityTag
  return entityTag.endsWith('"') ? `${entityTag.slice(0, -1)}-${mark}"` : `${entityTag}-${mark}`
}

function represented(stored: StoredResponse, fields: FieldList, body: Buffer, coding: string): StoredResponse {
  const { isLengthAdded } = stored
  const head = { ...stored, fields, encodings: undefined }
  return new StoredResponse(entryWith(stored.entry, { body }), head, { coding, isLengthAdded })
}

/**
 * Adds Accept-Encoding to Vary, because downstream caches must know that there are several representations (RFC 9110,
 * section 12.5.5).
 */
function withVary(list: FieldList): FieldList {
  const fields = [...list]
  for (let at = 0; at < fields.length; at += 2) {
    if (String(fields[at]).toLowerCase() !== 'vary') continue
    fields[at + 1] = uniteVary(fieldValue({ vary: fields[at + 1] }, 'vary'), 'Accept-Encoding') ?? ''
    return fields
  }
  return [...fields, 'Vary', 'Accept-Encoding']
}

/** Digests of the unencoded bytes (RFC 9530; RFC 3230; RFC 1864). */
const OF_OTHER_BYTES: ReadonlySet<string> = new Set(['content-digest', 'repr-digest', 'digest', 'content-md5'])
