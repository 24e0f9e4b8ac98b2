import type { Fields } from './fields.js'
import type { EpochMilliseconds } from './http-date.js'

/**
 * Whether a GET or HEAD request that a stored response answers is to be answered with 304: If-None-Match by weak comparison, else
 * If-Modified-Since (RFC 9110, section 13.2.2; RFC 9111, section 4.3.2). Only for stored 200 and 206 responses.
 *
 * @param receivedAt - stands in for Last-Modified and Date when the stored response has neither
 */
export function isNotModified(
  _request: Fields,
  _stored: Fields,
  _receivedAt: EpochMilliseconds,
  _now: EpochMilliseconds,
): boolean {
  throw new Error('not written yet')
}

/**
 * Whether the Range field of a request counts: there is no If-Range, or it names the stored representation by strong comparison
 * (RFC 9110, section 13.1.5).
 */
export function isRangeApplicable(_request: Fields, _stored: Fields, _now: EpochMilliseconds): boolean {
  throw new Error('not written yet')
}

/** The fields of a 304 for a stored response: those that guide the client's cache, and none that describe the body (RFC 9110, section 15.4.5). */
export function notModifiedFields(_fields: Fields): Fields {
  throw new Error('not written yet')
}

/** The preconditions that ask whether a stored response is still right: If-None-Match, If-Modified-Since; `undefined` when it has no validator (RFC 9111, section 4.3.1). */
export function preconditions(_stored: Fields): Fields | undefined {
  throw new Error('not written yet')
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

/** An entity tag for a body whose handler gave none: weak, for what sits outside may still code the bytes (RFC 9110, section 8.8.3). */
export function makeEntityTag(_body: Uint8Array): string {
  throw new Error('not written yet')
}

/** Whether two entity tags are equal, weak or not (RFC 9110, section 8.8.3.2). */
export function equalsWeakly(_one: string, _other: string): boolean {
  throw new Error('not written yet')
}

/** Whether two entity tags are equal and both strong (RFC 9110, section 8.8.3.2). */
export function equalsStrongly(_one: string, _other: string): boolean {
  throw new Error('not written yet')
}

/** Whether a Last-Modified date is a strong validator: the response was made at least a second after (RFC 9110, section 8.8.2.2). */
export function isStrongLastModified(_fields: Fields, _now: EpochMilliseconds): boolean {
  throw new Error('not written yet')
}
