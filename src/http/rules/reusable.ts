import { type CacheControl, NO_DIRECTIVES, parseCacheControl, type Seconds } from '../syntax/cache-control.js'
import { type Fields, fieldValue, listMembers } from '../syntax/fields.js'
import type { EpochMilliseconds } from '../syntax/http-date.js'
import type { Milliseconds } from './age.js'
import { forbidsStale } from './stale.js'

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
export function mayReuse(stored: Reusable, wishes: CacheControl | undefined, now: EpochMilliseconds): Reuse {
  if (stored.control.noCache) return 'no-cache'
  if (now < stored.staleAt) return wishes === undefined || acceptsFresh(stored, wishes, now) ? 'fresh' : 'request'
  if (forbidsStale(stored.control)) return 'stale'
  if (wishes !== undefined && asksForFresh(wishes)) {
    return wishes.maxStale !== undefined && acceptsStale(stored, wishes, now) ? 'max-stale' : 'stale'
  }
  if (isWithin(stored, stored.staleWhileRevalidate, now)) return 'stale-while-revalidate'
  return wishes !== undefined && acceptsStale(stored, wishes, now) ? 'max-stale' : 'stale'
}

/** Whether a stored response may be sent in place of an error (RFC 9111, section 4.2.4; RFC 5861, section 4). */
export function mayReuseOnError(stored: Reusable, wishes: CacheControl | undefined, now: EpochMilliseconds): boolean {
  if (stored.control.noCache) return false
  if (wishes?.noCache === true && wishes.staleIfError === undefined) return false
  if (now < stored.staleAt) return true
  if (forbidsStale(stored.control)) return false
  return isWithin(stored, wishes?.staleIfError ?? stored.staleIfError, now)
}

/** Whether a response may be sent to several who have waited for it at the same time: it needs no validation (RFC 9111, section 4). */
export function isForSeveral(stored: Reusable, now: EpochMilliseconds): boolean {
  const reuse = mayReuse(stored, undefined, now)
  return reuse === 'fresh' || reuse === 'stale-while-revalidate'
}

/** The directives of a request: of Cache-Control, or `no-cache` for `Pragma: no-cache` without it (RFC 9111, sections 5.2.1 and 5.4); `undefined` when it has none. */
export function requestControl(request: Fields): CacheControl | undefined {
  const value = fieldValue(request, 'cache-control')
  if (value !== undefined) return parseCacheControl(value)
  const pragma = fieldValue(request, 'pragma')
  if (pragma === undefined) return undefined
  return listMembers(pragma.toLowerCase()).includes('no-cache') ? PRAGMA_NO_CACHE : undefined
}

const PRAGMA_NO_CACHE: CacheControl = Object.freeze({ ...NO_DIRECTIVES, noCache: true })

function acceptsFresh(stored: Reusable, wishes: CacheControl, now: EpochMilliseconds): boolean {
  if (wishes.noCache) return false
  if (wishes.minFresh !== undefined && stored.staleAt - now < wishes.minFresh * 1000) return false
  // A reload sends max-age=0; an immutable response answers it as well (RFC 8246, section 2.1).
  return stored.control.immutable || isYoungEnough(stored, wishes, now)
}

function acceptsStale(stored: Reusable, wishes: CacheControl, now: EpochMilliseconds): boolean {
  if (wishes.noCache || wishes.minFresh !== undefined || wishes.maxStale === undefined) return false
  return isWithin(stored, wishes.maxStale, now) && isYoungEnough(stored, wishes, now)
}

/** Whether a client that has a wish about the age has not been told that a stale response will do (RFC 9111, section 5.2.1.1). */
function asksForFresh(wishes: CacheControl): boolean {
  return wishes.noCache || wishes.maxAge !== undefined || wishes.minFresh !== undefined
}

function isYoungEnough(stored: Reusable, wishes: CacheControl, now: EpochMilliseconds): boolean {
  if (wishes.maxAge === undefined) return true
  // In the very millisecond of its birth nothing is older than max-age=0, and yet a reload asks for a new one.
  return wishes.maxAge > 0 && stored.initialAge + (now - stored.receivedAt) <= wishes.maxAge * 1000
}

/** Whether the staleness is less than so many seconds. */
function isWithin(stored: Reusable, window: Seconds, now: EpochMilliseconds): boolean {
  return now - stored.staleAt < window * 1000
}
