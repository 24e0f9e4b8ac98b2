import type { Seconds } from './cache-control.js'
import type { Fields } from './fields.js'
import type { EpochMilliseconds } from './http-date.js'
import type { ResponseControl } from './targeted.js'

/** What gives a lifetime to responses that state none. */
export interface FreshnessPolicy {
  /** Whether 10 % of the time since Last-Modified is a lifetime (RFC 9111, section 4.2.2). */
  readonly heuristic: boolean
  /** The lifetime of responses that state none and have a status of `ttlStatuses`; `undefined`: none. */
  readonly ttl: Seconds | undefined
  /** The statuses that `ttl` is for. */
  readonly ttlStatuses: ReadonlySet<number>
  /** Like `ttl`, but for single statuses; goes before it and needs no `ttlStatuses`. `false`: such a response is never stored. */
  readonly statusTtl: ReadonlyMap<number, Seconds | false>
}

/** How long a response stays fresh, and who says so. */
export interface Freshness {
  readonly lifetime: Seconds
  readonly source: 's-maxage' | 'max-age' | 'expires' | 'heuristic' | 'ttl'
}

/**
 * How long a response stays fresh in a shared cache, counted from its generation: s-maxage, max-age, Expires − Date, the heuristic,
 * the route's ttl, in this order (RFC 9111, section 4.2.1); `undefined` when nothing says.
 *
 * @param receivedAt - stands in for a missing Date
 */
export function freshnessLifetime(
  _status: number,
  _fields: Fields,
  _by: ResponseControl,
  _receivedAt: EpochMilliseconds,
  _policy: FreshnessPolicy,
): Freshness | undefined {
  throw new Error('not written yet')
}

/** The lifetime that the response states itself, by s-maxage, max-age or Expires; what cannot be read is 0; `undefined` when it states none. */
export function explicitLifetime(
  _fields: Fields,
  _by: ResponseControl,
  _receivedAt: EpochMilliseconds,
): Freshness | undefined {
  throw new Error('not written yet')
}

/** Whether a status may be stored without explicit freshness (RFC 9110, section 15.1). */
export function isHeuristicallyCacheable(status: number): boolean {
  return HEURISTICALLY_CACHEABLE.has(status)
}

const HEURISTICALLY_CACHEABLE: ReadonlySet<number> = new Set([
  200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501,
])
