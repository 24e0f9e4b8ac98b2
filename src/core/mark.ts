import type { Stamp } from './stamp.js'

declare const phantom: unique symbol

/** A position among the invalidations that a cache knows. Its content is internal to the cache. */
export interface InvalidationMark {
  readonly [phantom]?: never
}

/** The start of a handler, relative to the invalidations known then. */
export interface RunMark extends InvalidationMark {
  /** The newest invalidation that this process knew. */
  readonly sequence: number
  /** Its position in the shared log. */
  readonly stamp: Stamp
  /** Monotonic time in milliseconds. */
  readonly startedAt: number
}
