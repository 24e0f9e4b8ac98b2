import { isRangeApplicable } from '../rules/conditional.js'
import { type FieldList, type Fields, type FieldValue, fieldValue } from '../syntax/fields.js'
import { type ByteRange, contentRangeOf, parseRange } from '../syntax/range.js'
import type { StoredResponse } from './stored-response.js'

/** The part of a stored 206 to send, with its Content-Range. */
export interface PartOfPart {
  /** Replaces the stored Content-Range. */
  readonly contentRange: string
  readonly body: Buffer
}

/**
 * The bytes of a stored 206 for a range request; `undefined` if the requested range is not completely within it (RFC
 * 9111, section 3.3). Requests for several ranges are left to the handler.
 */
export function partWithin(request: Fields, stored: StoredResponse, now: number): PartOfPart | undefined {
  const held = contentRangeOf(stored.byName)
  if (held?.completeLength === undefined || !isRangeApplicable(request, stored.byName, now)) return undefined
  const ranges = parseRange(fieldValue(request, 'range'), held.completeLength)
  if (ranges === undefined || ranges === 'unsatisfiable' || ranges.length !== 1) return undefined
  const [wanted] = ranges
  if (wanted === undefined || !isWithin(wanted, held)) return undefined
  return {
    contentRange: `bytes ${wanted.first}-${wanted.last}/${held.completeLength}`,
    body: stored.body.subarray(wanted.first - held.first, wanted.last - held.first + 1),
  }
}

/** The fields of a stored 206 for a smaller part of it. */
export function fieldsOfPart(list: FieldList, { contentRange, body }: PartOfPart): FieldList {
  const fields: FieldValue[] = []
  for (let at = 0; at < list.length; at += 2) {
    const name = list[at] ?? ''
    fields.push(name, OF_PART.get(String(name).toLowerCase())?.(contentRange, body.length) ?? list[at + 1] ?? '')
  }
  return fields
}

const OF_PART: ReadonlyMap<string, (contentRange: string, length: number) => string> = new Map([
  ['content-range', (contentRange: string) => contentRange],
  ['content-length', (_: string, length: number) => String(length)],
])

function isWithin(wanted: ByteRange, held: ByteRange): boolean {
  return wanted.first >= held.first && wanted.last <= held.last
}
