import type { CacheStats, FallbackCache, Invalidation } from '../../core/fallback-cache.js'
import type { Invalidate } from '../store/named-paths.js'
import type { Policy } from './policy.js'
import type { ResponseCache } from './response-cache.js'

/** What the middleware of every framework carries, beside being one. */
export interface CacheControls {
  /** The core: two tiers of anything, of which responses are a part. */
  readonly cache: FallbackCache
  /**
   * Takes out of use what is stored for a path: all its queries and variants, in any letter case, with or without a
   * trailing slash, and everything below it. Without arguments: the whole group.
   *
   * ```ts
   * await cached.invalidate`/products/${req.params.id}`          // whatever the id contains
   * await cached.invalidate(['products', req.params.id])         // the same
   * await cached.invalidate('/products')                         // a path as text
   * ```
   *
   * A text may contain a decoded id. Where it can be read in two ways, both are taken: `/products/what?` names the path that ends with
   * an escaped question mark, and `/products/what`.
   *
   * @returns `{ durable: true }` once every process is bound by it; it holds in this one at once
   * @throws TypeError (as a rejection) for `undefined`, an empty value, and a pattern (`/products/:id`, `/products/*`)
   */
  readonly invalidate: Invalidate<Invalidation>
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
  { cache, ownsCache }: Pick<Policy<Context>, 'cache' | 'ownsCache'>,
): CacheControls {
  return {
    cache,
    invalidate: responses.invalidations.invalidate,
    invalidateTags: (tags) => responses.invalidations.invalidateTags(tags),
    stats: () => cache.stats(),
    close: () => (ownsCache ? cache.close() : Promise.resolve()),
  }
}
