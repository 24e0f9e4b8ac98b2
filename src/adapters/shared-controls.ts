import type { FallbackCacheMiddleware } from '../middleware/express.js'

/** The controls of a cache that are the same in every framework. */
export type SharedControls = Pick<
  FallbackCacheMiddleware,
  'cache' | 'invalidate' | 'invalidateTags' | 'stats' | 'shadowReport' | 'verifyReport' | 'close'
>

/** The controls of a middleware, for the object that stands for it in another framework. */
export function sharedControls(cached: FallbackCacheMiddleware): SharedControls {
  const { cache, invalidate, invalidateTags, stats, shadowReport, verifyReport, close } = cached
  return { cache, invalidate, invalidateTags, stats, shadowReport, verifyReport, close }
}
