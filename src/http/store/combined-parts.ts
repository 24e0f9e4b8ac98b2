import { equalsStrongly } from '../syntax/entity-tag.js'
import { type Fields, fieldValue } from '../syntax/fields.js'
import { type ContentRange, contentRangeOf, lengthOf } from '../syntax/range.js'
import type { RouteFields } from './route-fields.js'
import type { StoredResponse } from './stored-response.js'

/** A stored part and one that arrives, of the same representation and without a gap between them. */
export interface CombinedParts {
  readonly stored: StoredResponse
  readonly held: ContentRange
  readonly arriving: ContentRange
  /** Where the two begin and end together, both inclusive. */
  readonly first: number
  readonly last: number
  readonly completeLength: number
  /** Whether they are the whole representation. */
  readonly isWhole: boolean
}

/**
 * What a stored 206 and an arriving one are together: the same strong entity tag, length and coding say that both are of
 * one representation (RFC 9111, section 3.4; RFC 9110, section 15.3.7.3). `undefined` when they are not, when a gap is
 * left between them, or when together they are too large.
 *
 * @param arriving - the fields of the arriving 206
 * @param limit - bytes
 */
export function combinedParts(stored: StoredResponse, arriving: Fields, limit: number): CombinedParts | undefined {
  const held = contentRangeOf(stored.byName)
  const more = contentRangeOf(arriving)
  if (stored.status !== 206 || held === undefined || more === undefined) return undefined
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

/** The bytes of both; `undefined` when they contradict each other where they overlap. */
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

/** The fields of both, already united, with the place and the length that they have together. */
export function combinedFields(route: RouteFields, parts: CombinedParts): RouteFields {
  const own = {
    'content-length': String(parts.last - parts.first + 1),
    'content-range': parts.isWhole ? undefined : `bytes ${parts.first}-${parts.last}/${parts.completeLength}`,
  }
  return { ...route, fields: { ...route.fields, ...own }, deciding: { ...route.deciding, ...own } }
}

function isSameRepresentation(stored: StoredResponse, arriving: Fields): boolean {
  const own = fieldValue(stored.byName, 'etag')
  const other = fieldValue(arriving, 'etag')
  if (stored.ownEntityTag || own === undefined || other === undefined || !equalsStrongly(own, other)) return false
  return SAME.every((name) => fieldValue(stored.byName, name) === fieldValue(arriving, name))
}

/** What would be read wrongly if it were not the same. */
const SAME = ['content-encoding', 'content-type'] as const
