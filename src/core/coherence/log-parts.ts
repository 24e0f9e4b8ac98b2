import type { Clock } from '../clock.js'
import type { Journal } from './journal.js'
import type { Knowledge } from './knowledge.js'
import type { Mirror } from './mirror.js'
import type { Nonces } from './nonces.js'
import type { SharedLog } from './shared-log.js'

/** The log of invalidations, and everything that this process remembers of it. */
export interface LogParts {
  readonly log: SharedLog
  readonly journal: Journal
  readonly mirror: Mirror
  readonly nonces: Nonces
  readonly knowledge: Knowledge
  readonly clock: Clock
}
