import type { RedisPort } from '../tiers/redis-client.js'
import type { JudgedMemory } from './judged-memory.js'
import type { Mirror } from './mirror.js'

/** Redis, for a look at what is stored there. */
export interface InspectedRedis {
  readonly port: RedisPort
  readonly keyPrefix: string
  /** The current life of the log: entries of another one are not usable. `undefined` if there is no log. */
  readonly incarnation: string | undefined
  /** The known invalidations. */
  readonly mirror: Pick<Mirror, 'coversAfter' | 'softensAfter'>
  /** Sends commands within a deadline. @throws CacheError for every failure */
  run<T>(operation: () => Promise<T>): Promise<T>
}

/** The tiers of a cache, for a look at what is stored in them. */
export interface InspectedTiers {
  readonly memory: JudgedMemory
  /** `undefined` without Redis, and while it cannot be used. */
  readonly redis: InspectedRedis | undefined
}
