import { INVALIDATIONS, isTraced } from '../channels.js'
import type { Clock } from '../clock.js'
import type { Counters } from '../counters.js'
import type { Entry } from '../entry.js'
import type { GuardedEmitter } from '../events.js'
import type { CoreSettings } from '../options.js'
import type { Invalidation } from '../receipt.js'
import { type Cover, coverText, inParts } from './cover.js'
import { countCovered } from './covered-entries.js'
import type { JudgedMemory } from './judged-memory.js'
import type { Mirror } from './mirror.js'
import { processName } from './names.js'
import type { SharedAccess } from './shared-access.js'
import { tellInvalidation } from './tell-invalidation.js'
import { newTombstoneId, TOMBSTONE_GRACE } from './tombstones.js'

/** How long invalidation records of single keys are kept, in ms: as long as their tombstones in Redis. */
export function keyRecordsFor({ maxHandlerTime }: CoreSettings): number {
  return maxHandlerTime + TOMBSTONE_GRACE
}

/** What this process has of its own, to record invalidations. */
interface OwnParts {
  readonly settings: CoreSettings
  readonly counters: Counters
  readonly events: GuardedEmitter
  readonly mirror: Mirror
  readonly memory: JudgedMemory
}

/** Carries invalidations out: in memory and in the mirror of this process at once, then in Redis. */
export class Invalidator {
  readonly #settings: CoreSettings
  readonly #clock: Clock
  readonly #counters: Counters
  readonly #events: GuardedEmitter
  readonly #memory: JudgedMemory
  readonly #mirror: Mirror
  readonly #shared: SharedAccess
  /** The name of this process, without Redis. */
  readonly #ownName = processName(newTombstoneId())
  /** When records of single keys were last removed, in monotonic ms. */
  #agedAt: number
  /** Removes a key from a store that follows the invalidations of this one. */
  #dropThere: ((key: string) => void) | undefined

  constructor({ settings, counters, events, mirror, memory }: OwnParts, shared: SharedAccess) {
    this.#settings = settings
    this.#clock = settings.clock
    this.#counters = counters
    this.#events = events
    this.#mirror = mirror
    this.#memory = memory
    this.#shared = shared
    this.#agedAt = settings.clock.monotonic()
  }

  /**
   * Invalidates the covered entries: in this process before the method returns, in all processes once it resolves with
   * `durable`. A dry run only counts them.
   */
  async invalidate(covers: readonly Cover[], how: HowToInvalidate = NO_MORE): Promise<Invalidation> {
    const at = this.#clock.now()
    const texts = covers.map(coverText)
    if (how.dryRun) {
      const counted = await this.#count(covers)
      return { durable: false, covers: texts, at, position: undefined, confirmedBy: undefined, counted }
    }
    const { durable, position, confirmedBy } = await this.#issue(covers, how.confirm)
    return { durable, covers: texts, at, position, confirmedBy, counted: undefined }
  }

  /** Invalidates one key. `existed`: whether either tier had a usable entry. */
  async delete(key: string): Promise<{ readonly existed: boolean; readonly durable: boolean }> {
    const inMemory = this.#memory.find(key, false) !== undefined
    const { existed, durable } = await this.#issue([{ kind: 'key', key }], false)
    const inRedis = existed.some((head) => this.#shared.store?.frames.wasUsable(key, head) === true)
    return { existed: inMemory || inRedis, durable }
  }

  /**
   * Invalidates keys because a request with an unsafe method succeeded (RFC 9111, section 4.4), together with the keys
   * derived from them (see {@link derivedKey}). Takes effect in this process before the method returns, within bounds.
   * In Redis only the named keys are invalidated, and only for as long as a handler may run: clients determine their
   * number, so no permanent record is kept.
   *
   * @returns a promise that resolves when Redis was told, or will not be for now, with the entries without a body that
   * existed, and never rejects; `undefined` without Redis
   */
  retire(keys: readonly string[]): Promise<ReadonlyMap<string, Entry>> | undefined {
    const own = keys.length > 1 ? [...new Set(keys)] : keys
    if (!this.#shared.isConfigured) {
      // Only Redis has tombstones, and random bytes are dear.
      for (const key of own) this.#retireHere(key, '')
      this.#tellRetired(own)
      return undefined
    }
    const ids = new Map<string, string>()
    for (const key of own) {
      const id = newTombstoneId()
      ids.set(key, id)
      this.#retireHere(key, id)
    }
    this.#tellRetired(own)
    return this.#retireThere(ids)
  }

  #retireHere(key: string, id: string): void {
    this.#mirror.retire(key, id)
    this.#drop(key)
  }

  #tellRetired(keys: readonly string[]): void {
    this.#counters.retired += keys.length
    if (keys.length === 0 || this.#events.listenerCount('invalidate') === 0) return
    tellInvalidation(
      this.#events,
      keys.map((key): Cover => ({ kind: 'key', key })),
      'local',
    )
  }

  async #retireThere(ids: ReadonlyMap<string, string>): Promise<ReadonlyMap<string, Entry>> {
    if (ids.size === 0) return NO_ENTRIES
    const store = this.#shared.store ?? (await this.#shared.opened())
    if (store !== undefined) return store.retirement.send(ids)
    this.#shared.whenOpened(({ retirement }) => void retirement.send(ids))
    return NO_ENTRIES
  }

  /** Removes single keys from memory, and from time to time their old records. */
  dropKeys(covers: readonly Cover[]): void {
    const now = this.#clock.monotonic()
    if (now - this.#agedAt > keyRecordsFor(this.#settings)) {
      this.#agedAt = now
      this.#mirror.ageKeys()
    }
    for (const cover of covers) if (cover.kind === 'key') this.#drop(cover.key)
  }

  /** Removes single keys from another store too, from now on. */
  followedBy(drop: (key: string) => void): void {
    this.#dropThere = drop
  }

  #drop(key: string): void {
    this.#memory.tier.delete(key)
    this.#dropThere?.(key)
  }

  async #count(covers: readonly Cover[]) {
    const store = this.#shared.store ?? (await this.#shared.opened())
    return countCovered(covers, this.#memory.tier, store?.count)
  }

  async #issue(covers: readonly Cover[], confirms: boolean): Promise<Issue> {
    const self = confirms ? [this.#shared.store?.coherence.processName ?? this.#ownName] : undefined
    const alone = { position: undefined, existed: [], confirmedBy: self }
    if (covers.length === 0) return { durable: true, ...alone }
    if (!isTraced(INVALIDATIONS)) return this.#issueSome(covers, confirms, alone)
    const message = { keyPrefix: this.#settings.keyPrefix, covers: covers.map(coverText) }
    let issue: Issue = { durable: false, ...alone }
    await INVALIDATIONS.tracePromise(async () => {
      issue = await this.#issueSome(covers, confirms, alone)
      return { durable: issue.durable }
    }, message)
    return issue
  }

  async #issueSome(covers: readonly Cover[], confirms: boolean, alone: Omit<Issue, 'durable'>): Promise<Issue> {
    this.#counters.invalidations++
    // Recorded before anything is awaited: from here on this process never serves a covered entry.
    const { isConfigured, failure } = this.#shared
    const position = isConfigured && failure === undefined ? undefined : 0
    const recorded = inParts(covers).map((part) => this.#mirror.record(part, position))
    this.dropKeys(covers)
    tellInvalidation(this.#events, covers, 'local')
    if (!isConfigured) return { durable: true, ...alone }
    const shared = this.#shared.store ?? (await this.#shared.opened())
    if (shared === undefined) {
      this.#shared.whenOpened(({ coherence }) => {
        for (const part of recorded) void coherence.issue(part, false)
      })
      return { durable: false, ...alone }
    }
    const told = await Promise.all(recorded.map((part) => shared.coherence.issue(part, confirms)))
    const known = told.filter((part) => part !== undefined)
    if (known.length < recorded.length) return { durable: false, ...alone }
    if (covers.some((cover) => cover.kind !== 'key' && cover.soft !== true)) shared.sweep.soon()
    const last = Math.max(...known.map((part) => part.position))
    // A process that is missing in one part has not applied all of it.
    const [first, ...others] = known.map(({ confirmedBy }) => confirmedBy)
    const confirmedBy = first?.filter((name) => others.every((names) => names?.includes(name) === true))
    return { durable: true, position: last, existed: known.flatMap(({ existed }) => existed), confirmedBy }
  }
}

/** An issued invalidation, and the first bytes of the frames that its exact keys had in Redis. */
interface Issue extends Pick<Invalidation, 'durable' | 'position' | 'confirmedBy'> {
  readonly existed: readonly Buffer[]
}

/** What is done for an invalidation besides carrying it out, or in its place. */
export interface HowToInvalidate {
  readonly dryRun: boolean
  readonly confirm: boolean
}

const NO_ENTRIES: ReadonlyMap<string, Entry> = new Map()
const NO_MORE: HowToInvalidate = { dryRun: false, confirm: false }
