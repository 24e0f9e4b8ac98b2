import type { Seconds } from './cache-control.js'
import { serializeString, serializeStringOrToken } from './structured-fields.js'

/** Why a request went on to the handler (RFC 9211, section 2.2). */
export type Forward = 'bypass' | 'method' | 'uri-miss' | 'vary-miss' | 'miss' | 'request' | 'stale' | 'partial'

/** What a cache did with a request, as Cache-Status tells it (RFC 9211, section 2). Either `hit` or `fwd`. */
export interface CacheStatus {
  /** The request was answered without the handler. */
  readonly hit?: boolean | undefined
  readonly fwd?: Forward | undefined
  /** The status that the handler answered with; needed when it is not the status that is sent. */
  readonly fwdStatus?: number | undefined
  /** What is left of the freshness lifetime in seconds; negative when it is stale. */
  readonly ttl?: Seconds | undefined
  /** The response was stored. */
  readonly stored?: boolean | undefined
  /** The request waited for the handler run of another one; false when it waited in vain. */
  readonly collapsed?: boolean | undefined
  /** The primary key; only for debugging (RFC 9211, section 6). */
  readonly key?: string | undefined
  /** The tier that answered, or the reason for not storing. */
  readonly detail?: string | undefined
}

/**
 * One member of a Cache-Status list (RFC 9211, section 2): `fallback-cache; hit; ttl=42; detail=memory`. What means nothing
 * without `fwd` is left out where there is none.
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
 * A Cache-Status value with our member after those of the caches nearer to the origin: "the last member represents the
 * cache closest to the user" (RFC 9211, section 2).
 *
 * @param upstream - what the response already carries
 */
export function appendCacheStatus(upstream: string | undefined, member: string): string {
  return upstream === undefined || upstream === '' ? member : `${upstream}, ${member}`
}

/** The name of the cache and the reasons are few. */
function serialized(text: string): string {
  const known = SERIALIZED.get(text)
  if (known !== undefined) return known
  const made = serializeStringOrToken(text)
  // Bounded: a handler may give any text for a reason.
  if (SERIALIZED.size < 256 && text.length <= 64) SERIALIZED.set(text, made)
  return made
}

const SERIALIZED = new Map<string, string>()

/** An Integer has fifteen digits at most (RFC 9651, section 3.3.1). */
function integer(value: number): number {
  const whole = Math.floor(value)
  if (Number.isNaN(whole)) return 0
  return Math.max(-999_999_999_999_999, Math.min(whole, 999_999_999_999_999))
}
