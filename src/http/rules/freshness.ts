import type { Seconds } from '../syntax/cache-control.js'
import { MAX_DELTA_SECONDS } from '../syntax/cache-control.js'
import { type Fields, fieldValue } from '../syntax/fields.js'
import { type EpochMilliseconds, parseHttpDate } from '../syntax/http-date.js'
import type { ResponseControl } from './targeted.js'

/** The lifetime of responses that do not state one. */
export interface FreshnessPolicy {
  /** Whether the lifetime is 10% of the time since Last-Modified (RFC 9111, section 4.2.2). */
  readonly heuristic: boolean
  /** The lifetime of responses without one whose status is in `ttlStatuses`; `undefined` for none. */
  readonly ttl: Seconds | undefined
  /** The statuses for which `ttl` applies. */
  readonly ttlStatuses: ReadonlySet<number>
  /**
   * Like `ttl`, for single statuses; takes precedence over it and ignores `ttlStatuses`. `false`: such a response is
   * never stored.
   */
  readonly statusTtl: ReadonlyMap<number, Seconds | false>
}

/** The freshness lifetime of a response, and its source. */
export interface Freshness {
  readonly lifetime: Seconds
  readonly source: 's-maxage' | 'max-age' | 'expires' | 'heuristic' | 'ttl'
}

/** Maximum heuristic lifetime: even a page that has not changed in ten years may change tomorrow. */
export const MAX_HEURISTIC_LIFETIME: Seconds = 7 * 24 * 60 * 60

/**
 * The freshness lifetime of a response in a shared cache, counted from its generation. Sources in order: s-maxage,
 * max-age, Expires − Date, the heuristic, the route's ttl (RFC 9111, section 4.2.1); `undefined` if none applies.
 *
 * @param receivedAt - replaces a missing Date
 */
export function freshnessLifetime(
  { status, fields }: { readonly status: number; readonly fields: Fields },
  by: ResponseControl,
  receivedAt: EpochMilliseconds,
  policy: FreshnessPolicy,
): Freshness | undefined {
  return (
    explicitLifetime(fields, by, receivedAt) ??
    (policy.heuristic ? heuristicLifetime(status, fields, by, receivedAt) : undefined) ??
    routeLifetime(status, policy)
  )
}

/**
 * The lifetime that the response itself states with s-maxage, max-age or Expires; 0 if malformed; `undefined` if it
 * states none.
 */
export function explicitLifetime(
  fields: Fields,
  by: ResponseControl,
  receivedAt: EpochMilliseconds,
): Freshness | undefined {
  const { sMaxage, maxAge } = by.control
  if (sMaxage !== undefined) return { lifetime: sMaxage, source: 's-maxage' }
  if (maxAge !== undefined) return { lifetime: maxAge, source: 'max-age' }
  const expires = by.targetedBy === undefined ? fieldValue(fields, 'expires') : undefined
  if (expires === undefined) return undefined
  const expiresAt = parseHttpDate(expires, receivedAt) ?? 0
  return { lifetime: seconds(expiresAt - dateOf(fields, receivedAt)), source: 'expires' }
}

/** Whether a status may be stored without explicit freshness (RFC 9110, section 15.1). */
export function isHeuristicallyCacheable(status: number): boolean {
  return HEURISTICALLY_CACHEABLE.has(status)
}

const HEURISTICALLY_CACHEABLE: ReadonlySet<number> = new Set([
  200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501,
])

/**
 * A tenth of the time since the last change, if the status or `public` permits a heuristic (RFC 9111, section 4.2.2).
 */
function heuristicLifetime(
  status: number,
  fields: Fields,
  by: ResponseControl,
  receivedAt: EpochMilliseconds,
): Freshness | undefined {
  if (!isHeuristicallyCacheable(status) && !by.control.public) return undefined
  const modifiedAt = parseHttpDate(fieldValue(fields, 'last-modified'), receivedAt)
  if (modifiedAt === undefined) return undefined
  const unchanged = seconds(dateOf(fields, receivedAt) - modifiedAt)
  if (unchanged === 0) return undefined
  return { lifetime: Math.min(Math.floor(unchanged / 10), MAX_HEURISTIC_LIFETIME), source: 'heuristic' }
}

function routeLifetime(status: number, policy: FreshnessPolicy): Freshness | undefined {
  const lifetime = policy.statusTtl.get(status) ?? (policy.ttlStatuses.has(status) ? policy.ttl : undefined)
  return lifetime === undefined || lifetime === false ? undefined : { lifetime, source: 'ttl' }
}

/** When the response was generated; a malformed Date counts as missing (RFC 9110, section 6.6.1). */
function dateOf(fields: Fields, receivedAt: EpochMilliseconds): EpochMilliseconds {
  return parseHttpDate(fieldValue(fields, 'date'), receivedAt) ?? receivedAt
}

function seconds(milliseconds: number): Seconds {
  return Math.max(0, Math.min(Math.floor(milliseconds / 1000), MAX_DELTA_SECONDS))
}
