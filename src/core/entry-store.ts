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
import type { Content, Entry, NewEntry } from './entry.js'
import { type EntryStoreStats, entryStoreStats } from './entry-store-stats.js'
import type { GuardedEmitter } from './events.js'
import type { Absence, Found } from './found.js'
import type { RunMark } from './mark.js'
import type { CoreSettings } from './options.js'
import type { Invalidation } from './receipt.js'
import type { Stamp } from './stamp.js'
import { type EvictionReason, type MemoryStats, MemoryTier } from './tiers/memory-tier.js'
import { type StoreResult, TwoTierWriter } from './two-tier-writer.js'

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
  readonly #writer: TwoTierWriter
  readonly #invalidator: Invalidator
  /** The store that follows the invalidations of this one. */
  #follower: EntryStore | undefined

  /**
   * @param leader - a store whose invalidations cover the entries of this one too, and which does not know them otherwise
   * @throws TypeError if the `redis` option is a client of an unsupported type
   */
  constructor(settings: CoreSettings, counters: Counters, events: GuardedEmitter, leader?: EntryStore) {
    this.#settings = settings
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
    this.#writer = new TwoTierWriter(own, this.#shared)
    this.#invalidator = new Invalidator(own, this.#shared)
    if (leader !== undefined) leader.#lead(this)
  }

  /** True after {@link close}, and from the start if the cache is disabled: nothing is found and nothing is stored. */
  get isClosed(): boolean {
    return this.#writer.isClosed
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

  /** See {@link TwoTierWriter.mark}. */
  mark(): RunMark {
    return this.#writer.mark()
  }

  /** See {@link TwoTierWriter.isInvalidated}. */
  isInvalidated(key: string, tags: readonly string[], mark: RunMark): boolean {
    return this.#writer.isInvalidated(key, tags, mark)
  }

  /** See {@link TwoTierWriter.store}. */
  store(key: string, entry: NewEntry, mark: RunMark): StoreResult {
    return this.#writer.store(key, entry, mark)
  }

  /** See {@link TwoTierWriter.assign}. */
  assign(key: string, entry: NewEntry): Promise<void> {
    return this.#writer.assign(key, entry)
  }

  /** See {@link TwoTierWriter.amend}. */
  amend(key: string, was: Entry, make: () => Promise<Content | undefined>): Promise<boolean> {
    return this.#writer.amend(key, was, make)
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
  retire(keys: readonly string[]): Promise<ReadonlyMap<string, Entry>> | undefined {
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
    if (this.isClosed) return
    this.#writer.isClosed = true
    await this.#shared.close()
    this.#memory.tier.close()
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
