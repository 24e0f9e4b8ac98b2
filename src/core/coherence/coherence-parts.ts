import type { Counters } from '../counters.js'
import type { GuardedEmitter } from '../events.js'
import type { CoreSettings } from '../options.js'
import type { RedisPort } from '../tiers/redis-client.js'
import type { Mirror } from './mirror.js'

/** The parts of a cache with Redis that exist before its coherence. The clock is the one of the settings. */
export interface CoherenceParts {
  readonly port: RedisPort
  readonly mirror: Mirror
  readonly settings: CoreSettings
  readonly counters: Counters
  readonly events: GuardedEmitter
}
