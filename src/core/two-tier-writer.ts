import { isTraced, STORES } from './channels.js'
import type { Clock } from './clock.js'
import { keyRecordsFor } from './coherence/invalidator.js'
import type { JudgedMemory } from './coherence/judged-memory.js'
import type { Mirror } from './coherence/mirror.js'
import type { SharedAccess } from './coherence/shared-access.js'
import type { Counters } from './counters.js'
import { shortened } from './early-refresh.js'
import { type Content, type Entry, makeEntryId, type NewEntry, wholeMoments } from './entry.js'
import type { GuardedEmitter } from './events.js'
import type { RunMark } from './mark.js'
import type { CoreSettings } from './options.js'
import { NOWHERE } from './stamp.js'
import { entrySize, type MemorySlot } from './tiers/memory-tier.js'

/** The reason why a result was not stored. */
export type Refused = 'invalidated' | 'too-slow' | 'too-large' | 'expired' | 'closed'

/** The outcome of storing a result. */
export interface StoreResult {
  /** Whether the entry is in memory now. */
  readonly stored: boolean
  /** The reason if it was not stored. */
  readonly reason?: Refused
  /** The entry that was put into memory. */
  readonly entry?: Entry
  /** Resolves to true when Redis has stored the entry, or to false if it will not. Never rejects. */
  readonly written: Promise<boolean>
}

const notWritten = Promise.resolve(false)

/** The parts of a store of entries that storing needs. */
interface StoringParts {
  readonly settings: CoreSettings
  readonly counters: Counters
  readonly events: GuardedEmitter
  readonly mirror: Mirror
  readonly memory: JudgedMemory
}

/** Puts entries into both tiers, unless an invalidation since the start of their handler covers them. */
export class TwoTierWriter {
  readonly #settings: CoreSettings
  readonly #clock: Clock
  readonly #counters: Counters
  readonly #events: GuardedEmitter
  readonly #mirror: Mirror
  readonly #memory: JudgedMemory
  readonly #shared: SharedAccess
  /** Set when the store is closed: nothing is stored from then on. */
  isClosed: boolean

  constructor({ settings, counters, events, mirror, memory }: StoringParts, shared: SharedAccess) {
    this.#settings = settings
    this.#clock = settings.clock
    this.#counters = counters
    this.#events = events
    this.#mirror = mirror
    this.#memory = memory
    this.#shared = shared
    this.isClosed = !settings.enabled
  }

  /**
   * Marks the start of a handler: call it directly before the handler, and pass the mark to {@link store} with the
   * result.
   */
  mark(): RunMark {
    return {
      sequence: this.#mirror.sequence,
      stamp: this.#shared.store?.coherence.stamp ?? NOWHERE,
      startedAt: this.#clock.monotonic(),
    }
  }

  /** Whether an invalidation since `mark` covers this key or these tags. */
  isInvalidated(key: string, tags: readonly string[], mark: RunMark): boolean {
    // Records of single keys expire, so for a mark this old they can no longer be checked.
    if (this.#clock.monotonic() - mark.startedAt > keyRecordsFor(this.#settings)) return true
    return this.#isOvertaken(key, tags, mark)
  }

  /**
   * Stores an entry in both tiers: in memory before it returns, in Redis in the background.
   *
   * Refused if an invalidation since `mark` covers the entry.
   */
  store(key: string, entry: NewEntry, mark: RunMark): StoreResult {
    const put = this.#put(key, entry, mark)
    if (!('slot' in put)) return { stored: false, reason: put.refusal, written: notWritten }
    const { slot, isNewest } = put
    const written = (isNewest ? this.#write(key, slot) : undefined) ?? notWritten
    if (!isNewest || this.#memory.tier.peek(key) === slot) return { stored: true, entry: slot.entry, written }
    return { stored: false, reason: 'too-large', written }
  }

  /**
   * Stores a value provided by the caller. It counts as newer than everything in the log at this moment, even records
   * that this process does not know yet. It is in memory before the method returns, and is covered by all later
   * invalidations.
   *
   * Resolves when Redis has stored it, or will not for now; never rejects.
   */
  async assign(key: string, entry: NewEntry): Promise<void> {
    const put = this.#put(key, entry, this.mark())
    if (!('slot' in put)) return
    const store = this.#shared.store ?? (await this.#shared.opened())
    const advanced = store === undefined ? put.slot : await store.writer.advance(key, put.slot)
    if (advanced !== undefined) await this.#write(key, advanced, true)
  }

  /**
   * Replaces the content of an entry in both tiers. Timestamps, tags and log position are unchanged, so that an
   * invalidation that covers the entry also covers the new content.
   *
   * @param was - the entry that must be in memory, before and after the new content is made
   * @param make - returns the new content, or `undefined` to keep the old; only called if the entry is in memory
   * @returns false if the entry was replaced, invalidated or evicted in the meantime, or if it would become too large
   * for a tier that has it. Rejects if `make` rejects
   */
  async amend(key: string, was: Entry, make: () => Promise<Content | undefined>): Promise<boolean> {
    if (this.#memory.slotOf(key, was) === undefined) return false
    const made = await make()
    const slot = this.#memory.slotOf(key, was)
    if (made === undefined || slot === undefined) return false
    const { storedAt, staleAt, deleteAt, tags } = was
    const id = this.#shared.isConfigured ? makeEntryId(made.body.length) : undefined
    const entry: Entry = { storedAt, staleAt, deleteAt, tags, meta: made.meta, body: made.body, id, memo: undefined }
    if (entrySize(key, entry) > this.#settings.maxBytes) return false
    const fitsRedis = entry.body.length <= this.#settings.maxRedisBytes
    if (this.#shared.isConfigured && !fitsRedis && was.body.length <= this.#settings.maxRedisBytes) return false
    const amended: MemorySlot = { ...slot, entry }
    this.#memory.tier.put(key, amended)
    if (fitsRedis) await this.#shared.store?.writer.amend(key, was, amended)
    return true
  }

  #put(key: string, entry: NewEntry, mark: RunMark): Put {
    const tags = entry.tags ?? []
    const refusal = this.#refusal(key, tags, entry, mark)
    if (refusal !== undefined) {
      if (refusal === 'invalidated') this.#counters.lateStores++
      this.#events.tell('skip', { key, reason: refusal })
      return { refusal }
    }
    const kept: Entry = {
      ...shortened(wholeMoments(entry), Math.floor(entry.storedAt ?? this.#clock.now()), this.#settings.lifetimeJitter),
      tags,
      meta: entry.meta ?? '',
      body: entry.body,
      id: this.#shared.isConfigured ? makeEntryId(entry.body.length) : undefined,
      memo: undefined,
    }
    const slot: MemorySlot = {
      entry: kept,
      sequence: mark.sequence,
      softened: false,
      knownAt: mark.startedAt,
      stamp: mark.stamp,
      writtenIn: undefined,
    }
    const isNewest = this.#memory.replace(key, slot)
    this.#counters.stores++
    this.#counters.storedBytes += entry.body.length
    this.#events.tell('store', { key, tags })
    return { slot, isNewest }
  }

  #refusal(key: string, tags: readonly string[], entry: NewEntry, mark: RunMark): StoreResult['reason'] {
    if (this.isClosed) return 'closed'
    if (this.#isOvertaken(key, tags, mark)) return 'invalidated'
    if (this.#clock.monotonic() - mark.startedAt > this.#settings.maxHandlerTime) return 'too-slow'
    return entry.deleteAt <= this.#clock.now() ? 'expired' : undefined
  }

  #isOvertaken(key: string, tags: readonly string[], { sequence }: RunMark): boolean {
    return this.#mirror.coversSince(key, tags, sequence) || this.#mirror.retired.mayCoverResult(key, sequence)
  }

  /** Writes an entry that memory has to Redis, if there is one. */
  #write(key: string, slot: MemorySlot, isAssigned = false): Promise<boolean> | undefined {
    if (!isTraced(STORES)) return this.#writeToRedis(key, slot, isAssigned)
    const { tags, body } = slot.entry
    const write = async () => (await this.#writeToRedis(key, slot, isAssigned)) ?? false
    return STORES.tracePromise(write, { keyPrefix: this.#settings.keyPrefix, key, tags, size: body.length })
  }

  #writeToRedis(key: string, slot: MemorySlot, isAssigned: boolean): Promise<boolean> | undefined {
    const { store, isLoading } = this.#shared
    if (store !== undefined) return store.writer.write(key, slot, isAssigned)
    return isLoading ? this.#writeOnceOpened(key, slot, isAssigned) : undefined
  }

  /** If it takes too long, the entry is written with all others when Redis is first connected. */
  async #writeOnceOpened(key: string, slot: MemorySlot, isAssigned: boolean): Promise<boolean> {
    const store = await this.#shared.opened()
    return (await store?.writer.write(key, slot, isAssigned)) ?? false
  }
}

/** The outcome of putting an entry into memory. */
type Put =
  | { readonly slot: MemorySlot; readonly isNewest: boolean }
  | { readonly refusal: StoreResult['reason'] & string }
