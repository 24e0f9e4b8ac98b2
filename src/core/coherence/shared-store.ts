import type { RedisPort } from '../tiers/redis-client.js'
import type { Changes } from './changes.js'
import { Coherence, type CoherenceDuties } from './coherence.js'
import type { CoherenceParts } from './coherence-parts.js'
import type { Counted, Meet } from './covered-entries.js'
import { countInRedis } from './covered-in-redis.js'
import { EntryReader } from './entry-reader.js'
import { EntryWriter } from './entry-writer.js'
import { JudgedFrames } from './judged-frames.js'
import type { JudgedMemory } from './judged-memory.js'
import { Ownership } from './ownership.js'
import { ProcessBoard } from './process-board.js'
import { Retirement } from './retirement.js'
import { SharedEntries } from './shared-entries.js'
import type { SharedParts } from './shared-parts.js'
import { SharedTurns } from './shared-turns.js'
import { Sweep } from './sweep.js'
import { TakenIds } from './taken-ids.js'
import { tellInvalidation } from './tell-invalidation.js'

/** What a cache with Redis does with the entries that its processes share. */
export interface SharedStore {
  readonly port: RedisPort
  readonly coherence: Coherence
  readonly frames: JudgedFrames
  readonly reader: EntryReader
  readonly writer: EntryWriter
  readonly retirement: Retirement
  readonly sweep: Sweep
  /** `undefined` if processes do not wait for one another. */
  readonly turns: SharedTurns | undefined
  readonly board: ProcessBoard
  readonly takenIds: TakenIds
  /** `undefined` unless memory answers what Redis has confirmed. */
  readonly changes: Changes | undefined
  /** Counts the entries in Redis that an invalidation would cover. */
  count(meet: Meet): Promise<Counted>
  /** Sends pending invalidations to Redis, for a limited time, and stops. */
  close(): Promise<void>
}

/** The parts of a cache that has a client. */
export interface OpenParts extends CoherenceParts {
  readonly memory: JudgedMemory
  /** Listens to the client, like {@link RedisPort.watch}. */
  readonly watch: RedisPort['watch']
}

/** Opens the shared store, and begins to connect. */
export function openSharedStore(
  { watch, ...own }: OpenParts,
  { onRecords }: Pick<CoherenceDuties, 'onRecords'>,
): SharedStore {
  const { port, settings, memory, events } = own
  const { keyPrefix, singleFlightLease } = settings
  const coherence: Coherence = new Coherence(own, {
    onRecords,
    onForget: () => {
      const heldEntries = memory.tier.stats().entries > 0
      memory.tier.clear()
      if (heldEntries) tellInvalidation(events, [{ kind: 'all' }], 'log')
    },
    onConnected: () => {
      retirement.resume()
      return writer.startWriteBack()
    },
    holdsEntries: () => memory.tier.stats().entries > 0,
  })
  const { changes } = coherence
  const { tier } = coherence.connection
  const entries = new SharedEntries({ port, settings }, tier, {
    follow: (head, askedAt) => coherence.follow(head, askedAt),
    countsChanges: () => coherence.countsChanges,
  })
  const ownership = new Ownership({ port, settings }, tier)
  const parts: SharedParts = { ...own, coherence, entries, ownership, changes }
  const writer: EntryWriter = new EntryWriter(parts)
  const frames = new JudgedFrames(parts)
  const reader = new EntryReader(parts, frames)
  const retirement: Retirement = new Retirement(parts)
  const sweep = new Sweep(parts)
  const turns = singleFlightLease > 0 ? new SharedTurns(parts) : undefined
  const board = new ProcessBoard(parts)
  const takenIds = new TakenIds(parts)
  coherence.open(watch)
  const count = (meet: Meet): Promise<Counted> =>
    countInRedis({ port, tier, keyPrefix, incarnation: coherence.stamp.incarnation }, meet)
  const close = async (): Promise<void> => {
    writer.stop()
    await sweep.stop()
    await coherence.close()
  }
  return { port, coherence, frames, reader, writer, retirement, sweep, turns, board, takenIds, changes, count, close }
}
