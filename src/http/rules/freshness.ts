import type { Seconds } from '../syntax/cache-control.js'
import { MAX_DELTA_SECONDS } from '../syntax/cache-control.js'
import { type Fields, fieldValue } from '../syntax/fields.js'
import { type EpochMilliseconds, parseHttpDate } from '../syntax/http-date.js'
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

/** No heuristic lifetime is longer: a page that has not changed in ten years may change tomorrow. */
export const MAX_HEURISTIC_LIFETIME: Seconds = 7 * 24 * 60 * 60

/**
 * How long a response stays fresh in a shared cache, counted from its generation: s-maxage, max-age, Expires − Date, the
 * heuristic, the route's ttl, in this order (RFC 9111, section 4.2.1); `undefined` when nothing says.
 *
 * @param receivedAt - stands in for a missing Date
 */
export function freshnessLifetime(
  status: number,
  fields: Fields,
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

/** The lifetime that the response states itself, by s-maxage, max-age or Expires; what cannot be read is 0; `undefined` when it states none. */
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

/** A tenth of the time since the last change, where status or `public` allow the guess (RFC 9111, section 4.2.2). */
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

/** When the response was made; a Date that cannot be read counts as missing (RFC 9110, section 6.6.1). */
function dateOf(fields: Fields, receivedAt: EpochMilliseconds): EpochMilliseconds {
  return parseHttpDate(fieldValue(fields, 'date'), receivedAt) ?? receivedAt
}

function seconds(milliseconds: number): Seconds {
  return Math.max(0, Math.min(Math.floor(milliseconds / 1000), MAX_DELTA_SECONDS))
}
