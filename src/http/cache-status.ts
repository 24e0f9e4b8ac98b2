import type { Seconds } from './cache-control.js'

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

/** One member of a Cache-Status list (RFC 9211, section 2): `fallback-cache; hit; ttl=42; detail=memory`. */
export function cacheStatusMember(_cache: string, _status: CacheStatus): string {
  throw new Error('not written yet')
}

/**
 * A Cache-Status value with our member after those of the caches nearer to the origin: "the last member represents the cache closest to the user"
 * (RFC 9211, section 2).
 *
 * @param upstream - what the response already carries
 */
export function appendCacheStatus(upstream: string | undefined, member: string): string {
  return upstream === undefined || upstream === '' ? member : `${upstream}, ${member}`
}
