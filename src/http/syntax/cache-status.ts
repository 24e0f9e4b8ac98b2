import type { Seconds } from './cache-control.js'
import { serializeString, serializeStringOrToken } from './structured-fields.js'

/** The reason why a request was forwarded to the handler (RFC 9211, section 2.2). */
export type Forward = 'bypass' | 'method' | 'uri-miss' | 'vary-miss' | 'miss' | 'request' | 'stale' | 'partial'

/** How the cache handled a request, in the terms of Cache-Status (RFC 9211, section 2). Has either `hit` or `fwd`. */
export interface CacheStatus {
  /** True if the response came from the cache, without the handler. */
  readonly hit?: boolean | undefined
  readonly fwd?: Forward | undefined
  /** The status code of the handler's response, if it differs from the status sent to the client. */
  readonly fwdStatus?: number | undefined
  /** Remaining freshness lifetime in seconds; negative if the response is stale. */
  readonly ttl?: Seconds | undefined
  /** Whether the response was stored. */
  readonly stored?: boolean | undefined
  /** True if the request shared another request's handler run; false if it waited but could not use the result. */
  readonly collapsed?: boolean | undefined
  /** The primary key; for debugging only (RFC 9211, section 6). */
  readonly key?: string | undefined
  /** The tier that answered, or the reason why the response was not stored. */
  readonly detail?: string | undefined
}

/**
 * Serializes one member of a Cache-Status list (RFC 9211, section 2): `fallback-cache; hit; ttl=42; detail=memory`.
 * Parameters that require `fwd` are omitted without it.
 *
 * @param cache - the name of this cache
 */
export function cacheStatusMember(cache: string, status: CacheStatus): string {
  let member = serialized(cache)
  if (status.hit === true) {
    member += '; hit'
  } else if (status.fwd !== undefined) {
    member += `; fwd=${status.fwd}`
    if (status.fwdStatus !== undefined) member += `; fwd-status=${integer(status.fwdStatus)}`
    if (status.stored !== undefined) member += status.stored ? '; stored' : '; stored=?0'
    if (status.collapsed !== undefined) member += status.collapsed ? '; collapsed' : '; collapsed=?0'
  }
  if (status.ttl !== undefined) member += `; ttl=${integer(status.ttl)}`
  if (status.key !== undefined) member += `; key=${serializeString(status.key)}`
  if (status.detail !== undefined) member += `; detail=${serialized(status.detail)}`
  return member
}

/**
 * Appends our member to a Cache-Status value, after the caches nearer to the origin: "the last member represents the
 * cache closest to the user" (RFC 9211, section 2).
 *
 * @param upstream - the value that the response already has
 */
export function appendCacheStatus(upstream: string | undefined, member: string): string {
  return upstream === undefined || upstream === '' ? member : `${upstream}, ${member}`
}

/** Serializes with a cache of results, because cache names and reasons are few. */
function serialized(text: string): string {
  const known = SERIALIZED.get(text)
  if (known !== undefined) return known
  const made = serializeStringOrToken(text)
  // Bounded, because a handler may supply any text as the reason.
  if (SERIALIZED.size < 256 && text.length <= 64) SERIALIZED.set(text, made)
  return made
}

const SERIALIZED = new Map<string, string>()

/** An Integer has at most fifteen digits (RFC 9651, section 3.3.1). */
function integer(value: number): number {
  const whole = Math.floor(value)
  if (Number.isNaN(whole)) return 0
  return Math.max(-999_999_999_999_999, Math.min(whole, 999_999_999_999_999))
}
