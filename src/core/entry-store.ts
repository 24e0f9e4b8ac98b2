import { isTraced, STORES } from './channels.js'
import type { Clock } from './clock.js'
import type { Cover } from './coherence/cover.js'
import type { InspectedTiers } from './coherence/inspected-tiers.js'
import { type HowToInvalidate, Invalidator, keyRecordsFor } from './coherence/invalidator.js'
import { JudgedMemory } from './coherence/judged-memory.js'
import { Mirror } from './coherence/mirror.js'
import type { ProcessBoard } from './coherence/process-board.js'
import { RetiredKeys } from './coherence/retired-keys.js'
import { SharedAccess } from './coherence/shared-access.js'
import type { Turn } from './coherence/shared-turns.js'
import type { TakenIds } from './coherence/taken-ids.js'
import type { Counters } from './counters.js'
import { shortened } from './early-refresh.js'
import { type Content, type Entry, makeEntryId, type NewEntry, wholeMoments } from './entry.js'
import { type EntryStoreStats, entryStoreStats } from './entry-store-stats.js'
import type { GuardedEmitter } from './events.js'
import type { Absence, Found } from './found.js'
import type { RunMark } from './mark.js'
import type { CoreSettings } from './options.js'
import type { Invalidation } from './receipt.js'
import { nowhere, type Stamp } from './stamp.js'
import { type EvictionReason, entrySize, type MemorySlot, type MemoryStats, MemoryTier } from './tiers/memory-tier.js'

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

/**
 * Entries in two tiers, Redis first and memory as the fallback, checked against the invalidations that this process
 * knows.
 *
 * The content of entries is opaque here. Faults of Redis never make a method throw or reject.
 */
export class EntryStore {
  readonly #settings: CoreSettings
  readonly #clock: Clock
  readonly #counters: Counters
  readonly #events: GuardedEmitter
  readonly #memory: JudgedMemory
  readonly #mirror: Mirror
  readonly #shared: SharedAccess
  readonly #invalidator: Invalidator
  /** The store that follows the invalidations of this one. */
  #follower: EntryStore | undefined
  /** True after {@link close}, and from the start if the cache is disabled: nothing is found and nothing is stored. */
  #closed: boolean

  /**
   * @param leader - a store whose invalidations cover the entries of this one too, and which does not know them otherwise
   * @throws TypeError if the `redis` option is a client of an unsupported type
   */
  constructor(settings: CoreSettings, counters: Counters, events: GuardedEmitter, leader?: EntryStore) {
    this.#settings = settings
    this.#closed = !settings.enabled
    this.#clock = settings.clock
    this.#counters = counters
    this.#events = events
    const retired = new RetiredKeys(() => settings.clock.monotonic(), keyRecordsFor(settings))
    this.#mirror = leader === undefined ? new Mirror(settings.maxMirrorBytes, retired) : leader.#mirror
    const tier = new MemoryTier(settings.maxEntries, settings.maxBytes, (key, reason) => {
      counters.evictions++
      events.tell('evict', { key, reason })
    })
    this.#memory = new JudgedMemory(tier, this.#mirror, settings.clock, events)
    const own = { settings, counters, events, mirror: this.#mirror, memory: this.#memory }
    this.#shared = new SharedAccess(own, { onRecords: (covers) => this.#invalidator.dropKeys(covers) })
    this.#invalidator = new Invalidator(own, this.#shared)
    if (leader !== undefined) leader.#lead(this)
  }

  get isClosed(): boolean {
    return this.#closed
  }

  /** Whether Redis is configured. */
  get isShared(): boolean {
    return this.#shared.isConfigured
  }

  /** Where processes tell of themselves; `undefined` without Redis. */
  async board(): Promise<ProcessBoard | undefined> {
    return (await this.#shared.opened())?.board
  }

  /** Ids that are taken among all processes; `undefined` without Redis, and until its code is loaded. */
  get takenIds(): TakenIds | undefined {
    return this.#shared.store?.takenIds
  }

  /**
   * False if the last command sent to Redis was not answered in time, or there is no connection. True without Redis.
   */
  get isAnswering(): boolean {
    const connection = this.#shared.store?.coherence.connection
    if (connection === undefined) return !this.isShared
    return connection.isConnected && connection.breaker.failures === 0
  }

  /**
   * Looks up an entry, in Redis first. For layers that store entries of their own; values are read by
   * `FallbackCache.get`.
   *
   * Returns synchronously if only memory is used: without Redis, with an open breaker, or in memory-first mode. Entries
   * past `staleAt` are returned until `deleteAt`; the caller decides whether a stale entry may be used. Never throws or
   * rejects.
   */
  find(key: string): Found | undefined | Promise<Found | undefined> {
    const { store } = this.#shared
    if (store !== undefined) return store.reader.find(key)
    if (this.#shared.isLoading) return this.#findOnceOpened(key)
    return this.isShared ? this.#findAlone(key) : this.#memory.find(key, false)
  }

  /**
   * Like {@link find}, but without side effects: no counters, no events, no LRU update, no removal. An entry read from
   * Redis is not kept in memory. Never rejects.
   */
  async peek(key: string): Promise<Found | Absence> {
    const store = this.#shared.store ?? (await this.#shared.opened())
    return store === undefined ? this.#memory.peek(key, this.isShared) : store.reader.peek(key)
  }

  /**
   * Marks the start of a handler: call it directly before the handler, and pass the mark to {@link store} with the
   * result.
   */
  mark(): RunMark {
    return {
      sequence: this.#mirror.sequence,
      stamp: this.#shared.store?.coherence.stamp ?? nowhere,
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
    const id = this.isShared ? makeEntryId(made.body.length) : undefined
    const entry: Entry = { storedAt, staleAt, deleteAt, tags, meta: made.meta, body: made.body, id, memo: undefined }
    if (entrySize(key, entry) > this.#settings.maxBytes) return false
    const fitsRedis = entry.body.length <= this.#settings.maxRedisBytes
    if (this.isShared && !fitsRedis && was.body.length <= this.#settings.maxRedisBytes) return false
    const amended: MemorySlot = { ...slot, entry }
    this.#memory.tier.put(key, amended)
    if (fitsRedis) await this.#shared.store?.writer.amend(key, was, amended)
    return true
  }

  /**
   * Acquires the turn to compute a missing entry, among all processes.
   *
   * @param look - checks whether another process has stored the entry; called after each wait
   * @param tags - the tags known before the computation
   * @param patience - maximum time to wait for another process, in ms
   * @returns undefined if there is no way to ask (no usable Redis, or `singleFlightLease` is false): compute without a
   * turn. Otherwise the turn, or the entry that another process has stored
   */
  takeTurn<T>(
    key: string,
    look: () => T | undefined | Promise<T | undefined>,
    tags: readonly string[] = [],
    patience?: number,
  ): undefined | Promise<Turn<T>> {
    const shared = this.#shared.store
    // The last command failed or timed out: do not make a request wait for Redis twice.
    if (shared?.turns === undefined || !this.isAnswering) return undefined
    const isOvertaken = ({ incarnation, position }: Stamp): boolean =>
      incarnation !== shared.coherence.stamp.incarnation || this.#mirror.coversAfter(key, tags, position)
    return shared.turns.take(key, shared.coherence.stamp, { look, isOvertaken, patience })
  }

  /** See {@link Invalidator.invalidate}. */
  invalidate(covers: readonly Cover[], how?: HowToInvalidate): Promise<Invalidation> {
    return this.#invalidator.invalidate(covers, how)
  }

  /** See {@link Invalidator.delete}. */
  delete(key: string): Promise<{ readonly existed: boolean; readonly durable: boolean }> {
    return this.#invalidator.delete(key)
  }

  /** See {@link Invalidator.retire}. */
  retire(keys: readonly string[]): Promise<ReadonlyMap<string, Entry>> {
    return this.#invalidator.retire(keys)
  }

  /** The tiers, for a look at what is stored. */
  inspected(): InspectedTiers {
    const memory = this.#memory
    const { store } = this.#shared
    if (store?.coherence.connection.isConnected !== true) return { memory, redis: undefined }
    const { port, coherence } = store
    const { keyPrefix } = this.#settings
    const { incarnation } = coherence.stamp
    const { tier } = coherence.connection
    // A look that takes too long must not open the circuit breaker.
    const run = <T>(operation: () => Promise<T>): Promise<T> => tier.probe(operation)
    return { memory, redis: { port, keyPrefix, incarnation, mirror: this.#mirror, run } }
  }

  /** Usage of memory. */
  get usage(): Pick<MemoryStats, 'entries' | 'bytes' | 'maxBytes'> {
    const { entries, bytes, maxBytes } = this.#memory.tier.stats()
    return { entries, bytes, maxBytes }
  }

  stats(): EntryStoreStats {
    const [memory, mirror, shared] = [this.#memory.tier, this.#mirror, this.#shared]
    return entryStoreStats({ memory, mirror, shared, shadow: this.#follower?.usage })
  }

  /** Sends pending invalidations to Redis, as long as it takes them and for a few seconds at most, and stops. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#shared.close()
    this.#memory.tier.clear()
    await this.#follower?.close()
  }

  /** Removes an entry from memory, of this process only. */
  protected drop(key: string, reason: EvictionReason): void {
    if (this.#memory.tier.delete(key)) this.#events.tell('evict', { key, reason })
  }

  #lead(follower: EntryStore): void {
    this.#follower = follower
    this.#invalidator.followedBy((key) => follower.drop(key, 'invalidated'))
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
      id: this.isShared ? makeEntryId(entry.body.length) : undefined,
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
    if (this.#closed) return 'closed'
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

  async #findOnceOpened(key: string): Promise<Found | undefined> {
    const store = await this.#shared.opened()
    return store === undefined ? this.#findAlone(key) : store.reader.find(key)
  }

  /** Finds in memory although Redis is configured, because its code is not there. */
  #findAlone(key: string): Found | undefined {
    this.#counters.redisSkipped++
    const knownAt = this.#memory.tier.peek(key)?.knownAt
    const isConfirmed =
      knownAt !== undefined && this.#clock.monotonic() - knownAt <= this.#settings.maxStaleWhileDisconnected
    return isConfirmed ? this.#memory.find(key, true) : undefined
  }
}

/** The outcome of putting an entry into memory. */
type Put =
  | { readonly slot: MemorySlot; readonly isNewest: boolean }
  | { readonly refusal: StoreResult['reason'] & string }
