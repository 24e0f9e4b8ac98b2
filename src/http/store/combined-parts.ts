import { mayReuseOnError } from '../rules/reusable.js'
import type { StoragePolicy } from '../rules/storage-policy.js'
import { equalsStrongly } from '../syntax/entity-tag.js'
import { type Fields, fieldValue } from '../syntax/fields.js'
import type { EpochMilliseconds } from '../syntax/http-date.js'
import { type ContentRange, contentRangeOf, lengthOf } from '../syntax/range.js'
import { updatedRoute } from './freshened.js'
import type { RouteFields } from './route-fields.js'
import type { StoredResponse } from './stored-response.js'

/** What an arriving 206 makes together with a stored response (RFC 9111, section 3.4). */
export interface Combination {
  /** 200 where the two are the whole representation. */
  readonly status: 200 | 206
  readonly route: RouteFields
  /** What selects the stored response. */
  readonly selecting: readonly string[]
  /** What arrives, by itself. */
  readonly arriving: { readonly status: 206; readonly fields: Fields }
  /** The bytes of both; `undefined` when they contradict each other where they overlap. */
  bodyWith(received: Buffer): Buffer | undefined
}

/** What a response makes together with a stored one; `undefined`: it is stored as it is. */
export function combine(
  part: StoredResponse | undefined,
  status: number,
  route: RouteFields,
  { storage, receivedAt }: { readonly storage: StoragePolicy; readonly receivedAt: EpochMilliseconds },
): Combination | undefined {
  if (part === undefined || status !== 206 || !storage.storePartial) return undefined
  const parts = combinedParts(part, route.fields, storage.maxBodySize)
  if (parts === undefined) return undefined
  return {
    status: parts.isWhole ? 200 : 206,
    route: combinedFields(updatedRoute(part, route, storage.targets, receivedAt), parts),
    selecting: part.selecting,
    arriving: { status, fields: route.fields },
    bodyWith: (received) => combinedBody(parts, received),
  }
}

/** Whether a 206 would replace a complete response that may still be sent instead of an error. */
export function isLesser(status: number, stored: StoredResponse | undefined, now: EpochMilliseconds): boolean {
  return status === 206 && stored?.status === 200 && mayReuseOnError(stored, undefined, now)
}

/** A stored response and an arriving part of the same representation, which overlap or are adjacent. */
export interface CombinedParts {
  readonly stored: StoredResponse
  readonly held: ContentRange
  readonly arriving: ContentRange
  /** First and last byte position of both together, inclusive. */
  readonly first: number
  readonly last: number
  readonly completeLength: number
  /** Whether both together are the whole representation. */
  readonly isWhole: boolean
}

/**
 * Combines a stored 206 or 200 with an arriving 206, if equal strong entity tag, complete length and coding show that
 * both belong to one representation (RFC 9111, section 3.4; RFC 9110, section 15.3.7.3). `undefined` if they do not, if
 * there is a gap between them, or if together they are too large.
 *
 * @param arriving - the fields of the arriving 206
 * @param limit - maximum size of the combined part, in bytes
 */
export function combinedParts(stored: StoredResponse, arriving: Fields, limit: number): CombinedParts | undefined {
  const held = heldRange(stored)
  const more = contentRangeOf(arriving)
  if (held === undefined || more === undefined) return undefined
  const { completeLength } = held
  if (completeLength === undefined || completeLength !== more.completeLength) return undefined
  if (stored.body.length !== lengthOf(held) || !isSameRepresentation(stored, arriving)) return undefined
  if (more.first > held.last + 1 || held.first > more.last + 1) return undefined
  const first = Math.min(held.first, more.first)
  const last = Math.max(held.last, more.last)
  if (last - first + 1 > limit) return undefined
  const isWhole = last - first + 1 === completeLength
  return { stored, held, arriving: more, first, last, completeLength, isWhole }
}

/** The combined bytes; `undefined` if they differ where they overlap. */
export function combinedBody({ stored, held, arriving, first, last }: CombinedParts, body: Buffer): Buffer | undefined {
  const own = stored.body
  const from = Math.max(held.first, arriving.first)
  const to = Math.min(held.last, arriving.last) + 1
  if (to > from) {
    const before = own.subarray(from - held.first, to - held.first)
    if (!before.equals(body.subarray(from - arriving.first, to - arriving.first))) return undefined
  }
  const all = Buffer.allocUnsafeSlow(last - first + 1)
  all.set(own, held.first - first)
  all.set(body, arriving.first - first)
  return all
}

/** The combined fields, with the range and the length of both parts together. */
function combinedFields(route: RouteFields, parts: CombinedParts): RouteFields {
  const own = {
    'content-length': String(parts.last - parts.first + 1),
    'content-range': parts.isWhole ? undefined : `bytes ${parts.first}-${parts.last}/${parts.completeLength}`,
  }
  return { ...route, fields: { ...route.fields, ...own }, deciding: { ...route.deciding, ...own } }
}

/** The range that a stored response holds; `undefined` if it cannot be combined with a part. */
function heldRange({ status, byName, body, encodings }: StoredResponse): ContentRange | undefined {
  if (status === 206) return contentRangeOf(byName)
  if (status !== 200 || body.length === 0 || encodings !== undefined) return undefined
  return { first: 0, last: body.length - 1, completeLength: body.length }
}

function isSameRepresentation(stored: StoredResponse, arriving: Fields): boolean {
  const own = fieldValue(stored.byName, 'etag')
  const other = fieldValue(arriving, 'etag')
  if (stored.ownEntityTag || own === undefined || other === undefined || !equalsStrongly(own, other)) return false
  return SAME.every((name) => fieldValue(stored.byName, name) === fieldValue(arriving, name))
}

/** Fields that must be equal for the bytes to be interpreted in the same way. */
const SAME = ['content-encoding', 'content-type'] as const
