import type { Entry } from './entry.js'
import type { Tier } from './events.js'

/** The result of a lookup. */
export interface Found {
  readonly entry: Entry
  /** The tier that had the entry. */
  readonly tier: Tier
  /**
   * True if Redis was unavailable: other processes may have invalidated the entry within `maxStaleWhileDisconnected`.
   */
  readonly disconnected: boolean
  /** Whether a soft invalidation covers it: it may be used while it is made again. */
  readonly softened: boolean
}

/**
 * Why a peek found no usable entry: there is none, or it was invalidated, has expired, cannot be read, or may not be
 * used while Redis is unavailable.
 */
export type Absence = 'nothing' | 'invalidated' | 'expired' | 'unreadable' | 'unconfirmed'
