import type { Milliseconds } from './age.js'
import type { CacheControl, Seconds } from './cache-control.js'
import type { Fields } from './fields.js'
import type { EpochMilliseconds } from './http-date.js'

/** What a stored response must tell to be judged. */
export interface Reusable {
  /** Its directives: of the targeted field or of Cache-Control. */
  readonly control: CacheControl
  readonly receivedAt: EpochMilliseconds
  readonly initialAge: Milliseconds
  readonly staleAt: EpochMilliseconds
  readonly staleWhileRevalidate: Seconds
  readonly staleIfError: Seconds
}

/**
 * The verdict about a stored response for one request (RFC 9111, section 4):
 * - `fresh`: send it;
 * - `stale-while-revalidate`: send it, and refresh it in the background;
 * - `max-stale`: send it, for the client said that it takes stale ones;
 * - `stale`: validate it first, its lifetime is over (`fwd=stale`);
 * - `no-cache`: validate it first, it said so (`fwd=stale`);
 * - `request`: validate it first, the request said so (`fwd=request`).
 */
export type Reuse = 'fresh' | 'stale-while-revalidate' | 'max-stale' | 'stale' | 'no-cache' | 'request'

/**
 * Whether a stored response may be sent without asking the handler (RFC 9111, sections 4 and 5.2).
 *
 * @param wishes - the directives of the request; `undefined` when they do not count, as for ordinary clients in the application preset
 */
export function mayReuse(_stored: Reusable, _wishes: CacheControl | undefined, _now: EpochMilliseconds): Reuse {
  throw new Error('not written yet')
}

/** Whether a stored response may be sent in place of an error (RFC 9111, section 4.2.4; RFC 5861, section 4). */
export function mayReuseOnError(
  _stored: Reusable,
  _wishes: CacheControl | undefined,
  _now: EpochMilliseconds,
): boolean {
  throw new Error('not written yet')
}

/** The directives of a request: of Cache-Control, or `no-cache` for `Pragma: no-cache` without it (RFC 9111, sections 5.2.1 and 5.4); `undefined` when it has none. */
export function requestControl(_request: Fields): CacheControl | undefined {
  throw new Error('not written yet')
}
