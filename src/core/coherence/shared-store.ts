import { shown } from '../option-checks.js'
import { openPort } from '../tiers/open-port.js'
import type { RedisPort } from '../tiers/redis-client.js'
import { Coherence, type CoherenceDuties } from './coherence.js'
import type { CoherenceParts } from './coherence-parts.js'
import { EntryReader } from './entry-reader.js'
import { EntryWriter } from './entry-writer.js'
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
  readonly reader: EntryReader
  readonly writer: EntryWriter
  readonly retirement: Retirement
  readonly sweep: Sweep
  /** `undefined` if processes do not wait for one another. */
  readonly turns: SharedTurns | undefined
  readonly board: ProcessBoard
  readonly takenIds: TakenIds
}

/** The parts of any cache. */
interface OwnParts extends Omit<CoherenceParts, 'port'> {
  readonly memory: JudgedMemory
}

/**
 * Opens the shared store, and begins to connect. Returns `undefined` if no Redis is configured, or the cache is
 * disabled.
 *
 * @throws TypeError if the `redis` option is a client of an unsupported type, or does not fit `keyPrefix`
 */
export function openSharedStore(
  own: OwnParts,
  { onRecords }: Pick<CoherenceDuties, 'onRecords'>,
): SharedStore | undefined {
  const { settings, memory, events } = own
  const { enabled, redis, keyPrefix, singleFlightLease } = settings
  if (redis === undefined || !enabled) return undefined
  const port = openPort(redis, settings)
  if (port.isCluster && /^[^{]*\{\}/.test(port.keyPrefix + keyPrefix)) {
    throw new TypeError(`keyPrefix must not begin an empty hash tag in a cluster, got ${shown(keyPrefix)}`)
  }
  const coherence: Coherence = new Coherence(
    { ...own, port },
    {
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
    },
  )
  const entries = new SharedEntries({ port, settings }, coherence.tier, (head, askedAt) =>
    coherence.follow(head, askedAt),
  )
  const ownership = new Ownership({ port, settings }, coherence.tier)
  const parts: SharedParts = { ...own, port, coherence, entries, ownership }
  const writer: EntryWriter = new EntryWriter(parts)
  const reader = new EntryReader(parts)
  const retirement: Retirement = new Retirement(parts)
  const sweep = new Sweep(parts)
  const turns = singleFlightLease > 0 ? new SharedTurns(parts) : undefined
  const board = new ProcessBoard(parts)
  const takenIds = new TakenIds(parts)
  coherence.open()
  return { port, coherence, reader, writer, retirement, sweep, turns, board, takenIds }
}
