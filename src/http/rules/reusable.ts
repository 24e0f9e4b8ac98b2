import { type CacheControl, NO_DIRECTIVES, parseCacheControl, type Seconds } from '../syntax/cache-control.js'
import { type Fields, fieldValue, listMembers } from '../syntax/fields.js'
import type { EpochMilliseconds } from '../syntax/http-date.js'
import type { Milliseconds } from './age.js'
import { forbidsStale } from './stale.js'

/** The properties of a stored response that decide about its reuse. */
export interface Reusable {
  /** Its directives, from the targeted field or from Cache-Control. */
  readonly control: CacheControl
  readonly receivedAt: EpochMilliseconds
  readonly initialAge: Milliseconds
  readonly staleAt: EpochMilliseconds
  readonly staleWhileRevalidate: Seconds
  readonly staleIfError: Seconds
}

/**
 * The result of {@link mayReuse} for a stored response and a request (RFC 9111, section 4):
 * - `fresh`: send it;
 * - `stale-while-revalidate`: send it, and revalidate it in the background;
 * - `max-stale`: send it, because the client accepts stale responses;
 * - `stale`: validate it first, because its lifetime is over (`fwd=stale`);
 * - `no-cache`: validate it first, because the response requires it (`fwd=stale`);
 * - `request`: validate it first, because the request requires it (`fwd=request`).
 */
export type Reuse = 'fresh' | 'stale-while-revalidate' | 'max-stale' | 'stale' | 'no-cache' | 'request'

/**
 * Decides whether a stored response may be sent without running the handler (RFC 9111, sections 4 and 5.2).
 *
 * @param directives - the directives of the request; `undefined` if they are ignored, as for ordinary clients in the
 * application preset
 */
export function mayReuse(stored: Reusable, directives: CacheControl | undefined, now: EpochMilliseconds): Reuse {
  if (stored.control.noCache) return 'no-cache'
  if (now < stored.staleAt)
    return directives === undefined || acceptsFresh(stored, directives, now) ? 'fresh' : 'request'
  if (forbidsStale(stored.control)) return 'stale'
  if (directives !== undefined && asksForFresh(directives)) {
    return directives.maxStale !== undefined && acceptsStale(stored, directives, now) ? 'max-stale' : 'stale'
  }
  if (isWithin(stored, stored.staleWhileRevalidate, now)) return 'stale-while-revalidate'
  return directives !== undefined && acceptsStale(stored, directives, now) ? 'max-stale' : 'stale'
}

/** Whether a stored response may be sent instead of an error (RFC 9111, section 4.2.4; RFC 5861, section 4). */
export function mayReuseOnError(
  stored: Reusable,
  directives: CacheControl | undefined,
  now: EpochMilliseconds,
): boolean {
  if (stored.control.noCache) return false
  if (directives?.noCache === true && directives.staleIfError === undefined) return false
  if (now < stored.staleAt) return true
  if (forbidsStale(stored.control)) return false
  return isWithin(stored, directives?.staleIfError ?? stored.staleIfError, now)
}

/**
 * Whether a response may be sent to several requests that waited for it: only if it needs no validation (RFC 9111,
 * section 4).
 */
export function isForSeveral(stored: Reusable, now: EpochMilliseconds): boolean {
  const reuse = mayReuse(stored, undefined, now)
  return reuse === 'fresh' || reuse === 'stale-while-revalidate'
}

/**
 * The directives of a request: of Cache-Control, or `no-cache` for `Pragma: no-cache` without Cache-Control (RFC 9111,
 * sections 5.2.1 and 5.4); `undefined` if there are none.
 */
export function requestControl(request: Fields): CacheControl | undefined {
  const value = fieldValue(request, 'cache-control')
  if (value !== undefined) return parseCacheControl(value)
  const pragma = fieldValue(request, 'pragma')
  if (pragma === undefined) return undefined
  return listMembers(pragma.toLowerCase()).includes('no-cache') ? PRAGMA_NO_CACHE : undefined
}

const PRAGMA_NO_CACHE: CacheControl = Object.freeze({ ...NO_DIRECTIVES, noCache: true })

function acceptsFresh(stored: Reusable, directives: CacheControl, now: EpochMilliseconds): boolean {
  if (directives.noCache) return false
  if (directives.minFresh !== undefined && stored.staleAt - now < directives.minFresh * 1000) return false
  // A reload sends max-age=0; an immutable response may still be used for it (RFC 8246, section 2.1).
  return stored.control.immutable || isYoungEnough(stored, directives, now)
}

function acceptsStale(stored: Reusable, directives: CacheControl, now: EpochMilliseconds): boolean {
  if (directives.noCache || directives.minFresh !== undefined || directives.maxStale === undefined) return false
  return isWithin(stored, directives.maxStale, now) && isYoungEnough(stored, directives, now)
}

/**
 * Whether a request restricts the age, and so does not accept staleness unless max-stale permits it (RFC 9111, section
 * 5.2.1.1).
 */
function asksForFresh(directives: CacheControl): boolean {
  return directives.noCache || directives.maxAge !== undefined || directives.minFresh !== undefined
}

function isYoungEnough(stored: Reusable, directives: CacheControl, now: EpochMilliseconds): boolean {
  if (directives.maxAge === undefined) return true
  // max-age=0 is never satisfied: a response has age 0 in the millisecond of its creation, but a reload asks for a new
  // one.
  return directives.maxAge > 0 && stored.initialAge + (now - stored.receivedAt) <= directives.maxAge * 1000
}

/** Whether the staleness is less than `window` seconds. */
function isWithin(stored: Reusable, window: Seconds, now: EpochMilliseconds): boolean {
  return now - stored.staleAt < window * 1000
}
