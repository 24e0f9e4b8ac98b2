import type { Stamp } from './stamp.js'

/** The moment a handler started, as far as invalidations go. */
export interface RunMark {
  /** The newest invalidation this process knew of. */
  readonly sequence: number
  /** Its place in the shared log. */
  readonly stamp: Stamp
  /** Monotonic milliseconds. */
  readonly startedAt: number
}
