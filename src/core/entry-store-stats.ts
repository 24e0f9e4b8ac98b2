import { type ChangeStats, NO_CHANGES } from './coherence/change-stats.js'
import type { JournalStats, KnownStats } from './coherence/journal.js'
import type { LogStats } from './coherence/log-position.js'
import type { Mirror, MirrorStats } from './coherence/mirror.js'
import type { OutageStats } from './coherence/outages.js'
import type { BoardStats } from './coherence/process-board.js'
import type { RetiredStats } from './coherence/retired-keys.js'
import type { RetirementStats } from './coherence/retirement.js'
import type { SharedAccess } from './coherence/shared-access.js'
import type { DurationStats } from './histogram.js'
import type { MemoryStats, MemoryTier } from './tiers/memory-tier.js'

/** Statistics of the tiers and the invalidation log. */
export interface EntryStoreStats {
  readonly memory: MemoryStats
  /** When the entry that will be evicted next was stored, in epoch ms. */
  readonly oldestStoredAt: number | undefined
  readonly mirror: MirrorStats
  /** `undefined` without Redis, and until its code is loaded. */
  readonly journal: (JournalStats & KnownStats) | undefined
  readonly outage: OutageStats
  /** `undefined` without Redis, and until its code is loaded. */
  readonly log: LogStats | undefined
  /** Entries whose write to Redis failed and will be retried. */
  readonly pendingWrites: number
  /** Keys recently invalidated by requests with unsafe methods. */
  readonly retired: RetiredStats & Partial<RetirementStats>
  /** What is known of changes by other processes. */
  readonly changes: ChangeStats
  /** Operations that wait for Redis, given up or not. */
  readonly commandsInFlight: number
  /** `undefined` without Redis, and until its code is loaded. */
  readonly redisReads: DurationStats | undefined
  readonly isConnected: boolean
  readonly redisError: string | undefined
  readonly circuitState: 'closed' | 'open' | 'half_open'
  readonly circuitFailures: number
  /** `undefined` without Redis, and until its code is loaded. */
  readonly board: BoardStats | undefined
  /** The memory of the store that follows; `undefined` without one. */
  readonly shadow: Pick<MemoryStats, 'entries' | 'bytes' | 'maxBytes'> | undefined
}

/** What a store of entries consists of. */
interface MeasuredStore {
  readonly memory: MemoryTier
  readonly mirror: Mirror
  readonly shared: SharedAccess
  readonly shadow: EntryStoreStats['shadow']
}

const NO_OUTAGE: OutageStats = { seconds: 0, currentSeconds: null }

/** The statistics of a store of entries at this moment. */
export function entryStoreStats({ memory, mirror, shared, shadow }: MeasuredStore): EntryStoreStats {
  const { store, failure, isConfigured } = shared
  const coherence = store?.coherence
  const connection = coherence?.connection
  return {
    memory: memory.stats(),
    oldestStoredAt: memory.oldest()?.entry.storedAt,
    mirror: mirror.stats(),
    journal: coherence?.stats(),
    outage: coherence?.outageStats() ?? NO_OUTAGE,
    log: coherence?.logStats(),
    pendingWrites: store?.writer.pending ?? 0,
    retired: store?.retirement.stats() ?? mirror.retired.stats(),
    changes: coherence?.changes?.stats() ?? NO_CHANGES,
    commandsInFlight: connection?.tier.inFlight ?? 0,
    redisReads: store?.reader.reads.stats(),
    isConnected: connection === undefined ? !isConfigured : connection.isUsed,
    redisError: connection === undefined ? failure?.message : connection.error,
    circuitState: connection?.breaker.state ?? 'closed',
    circuitFailures: connection?.breaker.failures ?? 0,
    board: store?.board.stats(),
    shadow,
  }
}
