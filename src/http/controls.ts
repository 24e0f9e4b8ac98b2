import type { CacheStats, FallbackCache, Invalidation } from '../core/fallback-cache.js'
import type { ResponseCache } from './response-cache.js'

/** What the middleware of every framework carries, beside being one. */
export interface CacheControls {
  /** The core: two tiers of anything, of which responses are a part. */
  readonly cache: FallbackCache
  /**
   * Takes out of use what is stored for a path: all its queries and variants, in any letter case, with or without a
   * trailing slash, and all that lies below it. Without a path: the whole group.
   *
   * @param path - as in the URL, from the `/` on; a query is ignored
   * @returns `{ durable: true }` once every process is bound by it; it holds in this one at once
   */
  invalidate(path?: string): Promise<Invalidation>
  /** Takes out of use what carries one of these tags. */
  invalidateTags(tags: readonly string[]): Promise<Invalidation>
  /** What the core has counted. */
  stats(): CacheStats
  /** Closes the core, unless it was handed in. Requests go on without it. */
  close(): Promise<void>
}

/** The controls of a protocol, to be laid on a middleware. */
export function controlsOf<Context extends object>(
  responses: ResponseCache<Context>,
  ownsCache: boolean,
): CacheControls {
  const { cache } = responses
  return {
    cache,
    invalidate: (path) => responses.invalidations.invalidate(path),
    invalidateTags: (tags) => responses.invalidations.invalidateTags(tags),
    stats: () => cache.stats(),
    close: () => (ownsCache ? cache.close() : Promise.resolve()),
  }
}
