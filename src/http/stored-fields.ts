import type { CacheControl } from './cache-control.js'
import type { Fields } from './fields.js'
import type { EpochMilliseconds } from './http-date.js'

/**
 * The fields of a response that are stored (RFC 9111, section 3.1): all but hop-by-hop ones, those that Connection names, Proxy-*, those that
 * `private="…"` and `no-cache="…"` name, and Age, which is calculated anew on every use. Date is added when it is missing or unreadable.
 */
export function storedFields(_fields: Fields, _control: CacheControl, _receivedAt: EpochMilliseconds): Fields {
  throw new Error('not written yet')
}

/**
 * The fields of a stored response after a 304 or HEAD response came for it (RFC 9111, section 3.2): each field of the update replaces the stored one,
 * except those that are never stored, Content-Length, and those that the stored bytes depend on (Content-Encoding, Content-Type, Content-Range, Transfer-Encoding).
 *
 * @param control - the directives of the update
 */
export function updatedFields(
  _stored: Fields,
  _update: Fields,
  _control: CacheControl,
  _receivedAt: EpochMilliseconds,
): Fields {
  throw new Error('not written yet')
}

/**
 * Whether a 304 response is about this stored response (RFC 9111, section 4.3.4): an equal strong validator; else an equal weak one; else neither has any.
 *
 * @param notModified - the fields of the 304
 */
export function isFreshenedBy(_stored: Fields, _notModified: Fields, _now: EpochMilliseconds): boolean {
  throw new Error('not written yet')
}

/**
 * Whether a 200 response to HEAD says that the stored response is still right: its validators and its Content-Length agree (RFC 9111, section 4.3.5).
 * If not, the stored response is to be taken for stale.
 *
 * @param length - the length of the stored body in bytes
 */
export function isConfirmedByHead(_stored: Fields, _length: number, _head: Fields): boolean {
  throw new Error('not written yet')
}

/** Fields without those that are for one connection only: hop-by-hop ones and those that Connection names (RFC 9110, section 7.6.1). */
export function endToEndFields(_fields: Fields): Fields {
  throw new Error('not written yet')
}
