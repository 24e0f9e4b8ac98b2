import type { Entry } from './entry.js'
import type { Tier } from './events.js'

/** What a lookup found. */
export interface Found {
  readonly entry: Entry
  /** Where it came from. */
  readonly tier: Tier
  /** True when Redis could not be asked: others may have invalidated it within `maxStaleWhileDisconnected`. */
  readonly disconnected: boolean
}

/**
 * Why a look without a trace has nothing to show: nothing is there, or what is there was invalidated, is past its use,
 * cannot be read, or may not be used while Redis cannot be asked.
 */
export type Absence = 'nothing' | 'invalidated' | 'expired' | 'unreadable' | 'unconfirmed'
