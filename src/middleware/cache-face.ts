import type { CacheStats, FallbackCache, Invalidation } from '../core/fallback-cache.js'
import type { Policy } from '../http/policy.js'
import { prefixesOfPath } from '../http/primary-key.js'

/** What the middleware of every framework carries beside being one. */
export interface CacheFace {
  /** The core: its own `get`, `set`, events and invalidations. */
  readonly cache: FallbackCache
  /**
   * Takes the responses of a path, and of all paths below it, out of use: every query, variant, host and spelling
   * (`/products`, `/Products/`). Without an argument: all responses of the group, or all that belong to none.
   *
   * @returns `durable: true` once every process is bound by it
   */
  invalidate(path?: string): Promise<Invalidation>
  /** Takes the responses out of use that carry one of these tags. */
  invalidateTags(tags: readonly string[]): Promise<Invalidation>
  stats(): CacheStats
  /** Ends the core, unless it was handed in by the `cache` option: then it is somebody else's. */
  close(): Promise<void>
}

/** The face of a middleware with this policy. */
export function cacheFace<Context extends object>({ cache, group, ownsCache }: Policy<Context>): CacheFace {
  return {
    cache,
    async invalidate(path) {
      if (path !== undefined && typeof path !== 'string')
        throw new TypeError(`path must be a string, got ${typeof path}`)
      const prefixes = path === undefined ? [group === '' ? '/' : group] : prefixesOfPath(group, path, true)
      return cache.invalidatePrefixes(prefixes, { ignoreCase: path !== undefined })
    },
    invalidateTags: (tags) => cache.invalidateTags(tags),
    stats: () => cache.stats(),
    close: async () => {
      if (ownsCache) await cache.close()
    },
  }
}
