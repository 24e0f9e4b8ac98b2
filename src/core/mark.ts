import type { Stamp } from './stamp.js'

declare const phantom: unique symbol

/** A moment among the invalidations that a cache knows of. What is in it is for the cache alone. */
export interface InvalidationMark {
  readonly [phantom]?: never
}

/** The moment a handler started, as far as invalidations go. */
export interface RunMark extends InvalidationMark {
  /** The newest invalidation this process knew of. */
  readonly sequence: number
  /** Its place in the shared log. */
  readonly stamp: Stamp
  /** Monotonic milliseconds. */
  readonly startedAt: number
}
