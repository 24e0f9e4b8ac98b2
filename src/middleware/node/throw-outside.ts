/**
 * Throws an error of the application where it would have surfaced without the cache, instead of rejecting a promise of
 * the cache.
 */
export function throwOutside(error: unknown): void {
  process.nextTick(() => {
    throw error
  })
}
