import type { ChangeStats } from './coherence/change-stats.js'
import type { JournalStats, KnownStats } from './coherence/journal.js'
import type { LogStats } from './coherence/log-position.js'
import type { MirrorStats } from './coherence/mirror.js'
import type { OutageStats } from './coherence/outages.js'
import type { BoardStats } from './coherence/process-board.js'
import type { RetiredStats } from './coherence/retired-keys.js'
import type { RetirementStats } from './coherence/retirement.js'
import type { Counters } from './counters.js'
import type { CacheEngine } from './engine.js'
import type { EntryStore } from './entry-store.js'
import type { DurationStats } from './histogram.js'
import type { TrafficStats } from './meters.js'
import type { CoreSettings } from './options.js'
import type { RecordingStats } from './recordings.js'
import type { ShadowStats } from './shadow-store.js'
import type { ValueStore } from './value-store.js'

/** The result of `FallbackCache.stats()`. */
export interface CacheStats {
  /** `'redis'` if Redis is configured. */
  readonly backend: 'redis' | 'memory'
  /** Entries in memory, including expired ones that were not requested since. */
  readonly entries: number
  readonly maxEntries: number
  /** Seconds since the entry that will be evicted next was stored; `null` if memory is empty. */
  readonly oldestAgeSeconds: number | null
  /** The same as `entries`, under the name that the Python package uses when Redis is configured. */
  readonly memoryEntries: number
  readonly memoryBytes: number
  readonly maxBytes: number
  /** Response bodies that are being recorded: their number, and their bytes, which are not part of `memoryBytes`. */
  readonly recordings: RecordingStats
  /** Requests that wait for the handler of another request. */
  readonly waiting: number
  /** Stale responses that are being revalidated in the background. */
  readonly refreshing: number
  readonly keyPrefix: string
  readonly circuitBreakerState: 'closed' | 'open' | 'half_open'
  readonly circuitBreakerFailureCount: number
  /** False while Redis is configured but not trusted, and while it refuses lookups. */
  readonly connected: boolean
  /**
   * Why Redis cannot be used, or which commands it refuses: a message from Redis, which begins with an error code
   * (`READONLY`, `OOM`, `NOPERM`, `NOAUTH`, `LOADING`, …), or from its client. `undefined` if there is no error, and
   * before the first connection attempt.
   */
  readonly redisError: string | undefined
  /** Invalidations that were not sent to Redis and the other processes yet. */
  readonly pendingInvalidations: number
  /** Entries whose write to Redis failed and will be retried; at most 1,024 and twice `entries`. */
  readonly pendingWrites: number
  /** Operations waiting for Redis, including those given up; requests make at most `maxInFlight`, invalidations 16. */
  readonly commandsInFlight: number
  /** Reads of entries that Redis has answered, until their reply came; like `journal` without Redis. */
  readonly redisReads: DurationStats | undefined
  /** Computations of `getOrSet` in progress. */
  readonly computing: number
  /** Usage of the mirror of invalidations. */
  readonly mirror: MirrorStats
  /** Usage of the journal of invalidations issued by this process; `undefined` without Redis, and until its code is loaded. */
  readonly journal: (JournalStats & KnownStats) | undefined
  /**
   * Keys recently invalidated by requests with unsafe methods; the values about Redis are only present if Redis is
   * configured.
   */
  readonly retired: RetiredStats & Partial<RetirementStats>
  /** Keys that have changed in Redis lately, with `read: 'confirmed'`; nothing is recorded otherwise. */
  readonly changes: ChangeStats
  /** What the directory of shadow mode takes; `undefined` if no middleware of this cache is in shadow mode. */
  readonly shadow: ShadowStats | undefined
  /** What a dashboard of this process holds of other processes; like `journal` without Redis. */
  readonly processes: BoardStats | undefined
  /** How long Redis was lost. */
  readonly outage: OutageStats
  /** How far this process has read the log of invalidations; like `journal` without Redis. */
  readonly log: LogStats | undefined
  /** The share of lookups that were answered from memory or Redis, 0 to 1; `null` before the first lookup. */
  readonly hitRatio: number | null
  /** Requests by result, handler time and time saved, in all and by route. */
  readonly traffic: TrafficStats
  readonly counters: Readonly<Counters>
}

/** The parts of a cache that have statistics. */
interface MeasuredParts {
  readonly settings: Pick<CoreSettings, 'keyPrefix'>
  readonly entries: EntryStore
  readonly values: ValueStore
  readonly engine: CacheEngine
}

/** The statistics of a cache at this moment. */
export function cacheStats({ settings, entries, values, engine }: MeasuredParts): CacheStats {
  const { memory, oldestStoredAt, circuitState, circuitFailures, isConnected, board, ...shared } = entries.stats()
  const { clock, counters, gauges, meters, recordings } = engine
  return {
    backend: entries.isShared ? 'redis' : 'memory',
    entries: memory.entries,
    maxEntries: memory.maxEntries,
    oldestAgeSeconds: oldestStoredAt === undefined ? null : (clock.now() - oldestStoredAt) / 1000,
    memoryEntries: memory.entries,
    memoryBytes: memory.bytes,
    maxBytes: memory.maxBytes,
    recordings: recordings.stats(),
    waiting: gauges.waiting,
    refreshing: gauges.refreshing,
    keyPrefix: settings.keyPrefix,
    circuitBreakerState: circuitState,
    circuitBreakerFailureCount: circuitFailures,
    connected: isConnected,
    pendingInvalidations: shared.journal?.pending ?? 0,
    computing: values.computing,
    ...shared,
    processes: board,
    hitRatio: hitRatio(counters),
    traffic: meters.stats(),
    counters: {
      ...counters,
      refused: { ...counters.refused },
      redisErrors: { ...counters.redisErrors },
    },
  }
}

function hitRatio({ memoryHits, redisHits, misses }: Counters): number | null {
  const hits = memoryHits + redisHits
  return hits + misses === 0 ? null : hits / (hits + misses)
}
