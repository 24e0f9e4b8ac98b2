import type { CacheStats } from '../../core/cache-stats.js'
import type { FallbackCache, InvalidateOptions, Invalidation } from '../../core/fallback-cache.js'
import type { ShadowReport } from '../shadow/shadow-report.js'
import type { VerifyReport } from '../shadow/verify-report.js'
import type { Invalidate } from '../store/named-paths.js'
import type { Policy } from './policy.js'
import type { ResponseCache } from './response-cache.js'

/** The properties of the middleware of every framework. */
export interface CacheControls {
  /** The core: a cache for values of any type, in which responses are stored too. */
  readonly cache: FallbackCache
  /**
   * Invalidates the stored responses of a path: all its queries and variants, in any letter case, with or without a
   * trailing slash, and all paths below it. Without arguments: the whole group.
   *
   * ```ts
   * await cached.invalidate`/products/${req.params.id}`          // an id with any characters
   * await cached.invalidate(['products', req.params.id])         // the same
   * await cached.invalidate('/products')                         // a path as text
   * ```
   *
   * A text may contain a decoded id. If it can be read in two ways, both paths are invalidated: `/products/what?` as
   * the path that ends with an escaped question mark, and as `/products/what`.
   *
   * With `{ soft: true }` the responses become stale, and are sent while the handler makes them again:
   * `invalidate('/products', { soft: true })`, `invalidate({ soft: true })` for the whole group.
   *
   * @returns `{ durable: true }` once it takes effect in every process; in this process it takes effect at once
   * @throws TypeError (as a rejection) for `undefined`, an empty value, and a pattern (`/products/:id`, `/products/*`)
   */
  readonly invalidate: Invalidate<Invalidation>
  /** Invalidates the responses that have at least one of these tags. */
  invalidateTags(tags: readonly string[], options?: InvalidateOptions): Promise<Invalidation>
  /** The statistics of the core. */
  stats(): CacheStats
  /**
   * What the cache would have done so far; `undefined` unless `mode` is `'shadow'`, and until its code is loaded, some
   * milliseconds after the middleware was made.
   */
  shadowReport(): ShadowReport | undefined
  /**
   * The hits that were compared with their handlers so far; `undefined` unless `mode` is `'verify'`, and until its code
   * is loaded, some milliseconds after the middleware was made.
   */
  verifyReport(): VerifyReport | undefined
  /** Closes the core, unless it was passed as an option. Requests continue without the cache. */
  close(): Promise<void>
}

/** Creates the controls of a protocol, to be added to a middleware. */
export function controlsOf<Context extends object>(
  responses: ResponseCache<Context>,
  { cache, ownsCache, shadow }: Pick<Policy<Context>, 'cache' | 'ownsCache' | 'shadow'>,
): CacheControls {
  return {
    cache,
    invalidate: responses.invalidations.invalidate,
    invalidateTags: (tags, options) => responses.invalidations.invalidateTags(tags, options),
    stats: () => cache.stats(),
    shadowReport: () => shadow?.report(),
    verifyReport: () => responses.verifyReport(),
    close: () => (ownsCache ? cache.close() : Promise.resolve()),
  }
}

/** What the purge endpoint of a middleware works with. */
export function purgedBy<Context extends object>(
  { invalidations }: ResponseCache<Context>,
  { cache, engine }: Pick<Policy<Context>, 'cache' | 'engine'>,
) {
  return {
    cache,
    clock: engine.clock,
    sharedIds: () => engine.takenIds,
    invalidatePaths: (paths: readonly string[], options: InvalidateOptions) =>
      invalidations.invalidatePaths(paths, options),
    invalidateAll: (options: InvalidateOptions) => invalidations.invalidate(options),
    invalidateTags: (tags: readonly string[], options: InvalidateOptions) =>
      invalidations.invalidateTags(tags, options),
  }
}
