import { sharedSymbol } from './brand.js'
import type { Clock } from './clock.js'
import type { InspectedTiers } from './coherence/inspected-tiers.js'
import type { ProcessBoard } from './coherence/process-board.js'
import type { Turn } from './coherence/shared-turns.js'
import type { TakenIds } from './coherence/taken-ids.js'
import { type Counters, newCounters } from './counters.js'
import { isDueEarly, type Recomputable } from './early-refresh.js'
import type { Content, Entry, NewEntry } from './entry.js'
import type { EntryStore } from './entry-store.js'
import type { CacheEvents, GuardedEmitter, Invalidated } from './events.js'
import type { Absence, Found } from './found.js'
import { type Gauges, newGauges } from './gauges.js'
import type { InvalidateSettings } from './invalidate-options.js'
import type { RunMark } from './mark.js'
import { Meters } from './meters.js'
import type { CoreSettings } from './options.js'
import type { Invalidation } from './receipt.js'
import { Recordings } from './recordings.js'
import { ShadowEvents, type ShadowHooks, type ShadowStats, ShadowStore, shadowSettings } from './shadow-store.js'
import type { StoreResult } from './two-tier-writer.js'

/**
 * The property of a `FallbackCache` that holds its engine. A symbol shared by all copies of this package in a process,
 * which no type declaration contains.
 */
export const ENGINE = sharedSymbol('engine')

/** What a cache counts. */
export interface Counts {
  readonly counters: Counters
  readonly meters: Meters
  /** Omitted if the engine counts the bodies that it records by itself. */
  readonly recordings?: Recordings
}

/**
 * The interface of a cache for `src/http`: entries of its own in both tiers, and the counters, gauges and events of the
 * cache. Obtained with `engineOf`; not visible to users of the package.
 */
export class CacheEngine {
  /** The source of time of the cache. */
  readonly clock: Clock
  /** The counters, as shown by `stats().counters`. */
  readonly counters: Counters
  /** Gauges of work in progress, as shown by `stats()`. */
  readonly gauges: Gauges = newGauges()
  /** What is counted by route, as shown by `stats().traffic`. */
  readonly meters: Meters
  /** The response bodies that are being recorded. */
  readonly recordings: Recordings
  readonly #settings: CoreSettings
  readonly #events: GuardedEmitter
  readonly #entries: EntryStore
  #shadow: CacheEngine | undefined

  constructor(settings: CoreSettings, counts: Counts, events: GuardedEmitter, entries: EntryStore) {
    this.clock = settings.clock
    this.counters = counts.counters
    this.meters = counts.meters
    this.recordings = counts.recordings ?? new Recordings(settings.clock, settings.maxRecordingBytes)
    this.#settings = settings
    this.#events = events
    this.#entries = entries
  }

  /** Why nothing is found and nothing is stored: the option `enabled` is false, or the cache was closed. */
  get inactive(): 'closed' | 'disabled' | undefined {
    if (!this.#entries.isClosed) return undefined
    return this.#settings.enabled ? 'closed' : 'disabled'
  }

  /** The option `keyPrefix`. */
  get keyPrefix(): string {
    return this.#settings.keyPrefix
  }

  /** Whether the cache was closed. */
  get isClosed(): boolean {
    return this.inactive === 'closed'
  }

  /** Whether Redis is configured. */
  get isShared(): boolean {
    return this.#entries.isShared
  }

  /** See {@link EntryStore.board}. */
  board(): Promise<ProcessBoard | undefined> {
    return this.#entries.board()
  }

  /** See {@link EntryStore.takenIds}. */
  get takenIds(): TakenIds | undefined {
    return this.#entries.takenIds
  }

  /** The longest handler time whose result is stored, in ms. */
  get maxHandlerTime(): number {
    return this.#settings.maxHandlerTime
  }

  /** Emits an event of the cache. */
  emit<Name extends keyof CacheEvents>(event: Name, payload: CacheEvents[Name][0]): void {
    this.#events.tell(event, payload)
  }

  /** Emits `invalidated` once an invalidation has taken effect, unless it was a dry run. */
  async telling(invalidation: Promise<Invalidation>, named: Partial<Invalidated>): Promise<Invalidation> {
    const receipt = await invalidation
    if (receipt.counted === undefined) this.tellInvalidated(named, receipt.durable)
    return receipt
  }

  /** Emits `invalidated`, if it has a listener. */
  tellInvalidated(named: Partial<Invalidated>, durable: boolean): void {
    if (this.#events.listenerCount('invalidated') === 0) return
    const none = { paths: [], prefixes: [], tags: [], keys: [], all: false, group: '', soft: false }
    this.#events.tell('invalidated', { ...none, ...named, durable })
  }

  /** Like `FallbackCache.invalidatePrefixes`, without the event. */
  invalidatePrefixes(prefixes: readonly string[], { soft, ...how }: InvalidateSettings): Promise<Invalidation> {
    return this.#entries.invalidate(
      prefixes.map((prefix) => ({ kind: 'prefix', prefix, ignoreCase: true, soft })),
      how,
    )
  }

  /** Like `FallbackCache.invalidateTags`, without the event. */
  invalidateTags(tags: readonly string[], { soft, ...how }: InvalidateSettings): Promise<Invalidation> {
    return this.#entries.invalidate(
      tags.map((tag) => ({ kind: 'tag', tag, soft })),
      how,
    )
  }

  /**
   * The engine of shadow mode, made at the first call: what is stored there is in a directory of its own, which follows
   * the invalidations of this cache. It counts for itself, and of its events only faults are told.
   *
   * @param hooks - called for each entry that the directory takes, and for each that leaves it
   */
  shadow(hooks: ShadowHooks): CacheEngine {
    if (this.#shadow !== undefined) return this.#shadow
    const settings = shadowSettings(this.#settings)
    const counts = { counters: newCounters(), meters: new Meters(), recordings: this.recordings }
    const events = new ShadowEvents(this.#events, hooks)
    const entries = new ShadowStore({ settings, counters: counts.counters, events }, this.#entries, hooks)
    this.#shadow = new CacheEngine(settings, counts, events, entries)
    return this.#shadow
  }

  /** See {@link GuardedEmitter.isHeard}. */
  isHeard(event: keyof CacheEvents): boolean {
    return this.#events.isHeard(event)
  }

  /** The number of listeners for an event. */
  listenerCount(event: keyof CacheEvents): number {
    return this.#events.listenerCount(event)
  }

  /** See {@link EntryStore.find}. */
  find(key: string): Found | undefined | Promise<Found | undefined> {
    return this.#entries.find(key)
  }

  /** See {@link EntryStore.peek}. */
  peek(key: string): Promise<Found | Absence> {
    return this.#entries.peek(key)
  }

  /** What is in memory. */
  memory(): ShadowStats {
    return this.#entries.usage
  }

  /** See {@link EntryStore.inspected}. */
  inspected(): InspectedTiers {
    return this.#entries.inspected()
  }

  /** See {@link EntryStore.mark}. */
  mark(): RunMark {
    return this.#entries.mark()
  }

  /** See {@link EntryStore.isInvalidated}. */
  isInvalidated(key: string, tags: readonly string[], mark: RunMark): boolean {
    return this.#entries.isInvalidated(key, tags, mark)
  }

  /** See {@link EntryStore.store}. */
  store(key: string, entry: NewEntry, mark: RunMark): StoreResult {
    return this.#entries.store(key, entry, mark)
  }

  /** See {@link EntryStore.amend}. */
  amend(key: string, was: Entry, make: () => Promise<Content | undefined>): Promise<boolean> {
    return this.#entries.amend(key, was, make)
  }

  /** See {@link EntryStore.retire}. */
  retire(keys: readonly string[]): Promise<ReadonlyMap<string, Entry>> | undefined {
    return this.#entries.retire(keys)
  }

  /** See {@link EntryStore.takeTurn}. */
  takeTurn<T>(
    key: string,
    look: () => T | undefined | Promise<T | undefined>,
    tags: readonly string[] = [],
    patience?: number,
  ): undefined | Promise<Turn<T>> {
    return this.#entries.takeTurn(key, look, tags, patience)
  }

  /** Whether a fresh entry should be recomputed early. */
  isDueEarly(entry: Recomputable): boolean {
    return isDueEarly(entry, this.#settings.earlyRefresh, this.clock.now())
  }
}
