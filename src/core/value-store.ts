import { type Clock, settledWithin } from './clock.js'
import type { Counters } from './counters.js'
import type { Counts } from './engine.js'
import type { Entry, NewEntry } from './entry.js'
import type { EntryStore } from './entry-store.js'
import { asError, CacheError } from './errors.js'
import type { GuardedEmitter } from './events.js'
import type { Found } from './found.js'
import type { RunMark } from './mark.js'
import type { Meter } from './meters.js'
import type { CoreSettings } from './options.js'
import { type Landed, SingleFlight } from './single-flight.js'
import { costOf, type SerializedValue, ValueCodec } from './values.js'

/** The lifetime and the tags of a value. */
export interface ValueLifetime {
  /** In milliseconds. */
  readonly lifetime: number
  readonly tags: readonly string[]
}

interface Known {
  readonly entry: Entry
  readonly value: unknown
  /** Whether it was invalidated softly. */
  readonly softened: boolean
}

interface Made {
  readonly value: unknown
  /** Whether the value was stored in Redis, for other processes to find. */
  readonly isKept: boolean
  /**
   * The serialized value, from which each waiting caller gets a copy; `undefined` if the value cannot be serialized.
   */
  readonly source: SerializedValue | undefined
}

/**
 * Stores values in an entry store: reads fresh values, and computes a missing value once for all concurrent callers, in
 * this process and in others.
 */
export class ValueStore {
  readonly #entries: EntryStore
  readonly #clock: Clock
  readonly #counters: Counters
  /** Counts what is counted by route for requests. */
  readonly #meter: Meter
  readonly #events: GuardedEmitter
  readonly #codec: ValueCodec
  readonly #flights: SingleFlight<Made>
  readonly #limit: number

  constructor(entries: EntryStore, settings: CoreSettings, { counters, meters }: Counts, events: GuardedEmitter) {
    this.#entries = entries
    this.#clock = settings.clock
    this.#counters = counters
    this.#meter = meters.unknown
    this.#events = events
    this.#codec = new ValueCodec(settings.serializer, settings.deserializer)
    this.#limit = settings.maxHandlerTime
    this.#flights = new SingleFlight(settings.clock, settings.maxHandlerTime)
  }

  /** Computations of {@link ValueStore.makeOnce} and {@link ValueStore.makeEarly} in progress. */
  get computing(): number {
    return this.#flights.size
  }

  /**
   * The fresh value of a key, with its entry; `undefined` if there is none that can be read.
   *
   * @param mayBeSoftened - whether one that was invalidated softly will do
   */
  async read(key: string, mayBeSoftened = false): Promise<Known | undefined> {
    const found = await this.#findFresh(key, mayBeSoftened)
    const known = found === undefined ? undefined : await this.#open(found)
    if (found === undefined || known === undefined) {
      this.#counters.misses++
      this.#meter.ran('miss')
      this.#events.tell('miss', { key })
      return undefined
    }
    if (found.tier === 'redis') this.#counters.redisHits++
    else this.#counters.memoryHits++
    if (found.disconnected) this.#counters.servedWhileDisconnected++
    this.#meter.answered(found.tier, found.softened)
    this.#meter.saved += costOf(found.entry)
    this.#meter.servedBytes += found.entry.body.length
    if (found.softened) this.#counters.stale++
    this.#events.tell('hit', { key, tier: found.tier, stale: found.softened })
    return known
  }

  /**
   * Computes the value of a key, or waits for a caller that is already computing it, for at most `maxHandlerTime`. Each
   * caller gets its own copy. Rejects if `compute` throws.
   */
  async makeOnce(key: string, compute: () => unknown, keeping: ValueLifetime): Promise<unknown> {
    const { result, isShared } = await this.#fly(key, keeping, (mark) =>
      this.#computeInTurn(key, compute, keeping, mark),
    )
    if (!isShared || isPrimitive(result.value)) return result.value
    const copy = result.source === undefined ? undefined : await this.#copy(result.source)
    // A value that cannot be serialized cannot be copied, and must not be shared.
    return copy === undefined ? compute() : copy.value
  }

  /** Recomputes a value in the background while the current one is still served. */
  makeEarly(key: string, compute: () => unknown, keeping: ValueLifetime): void {
    this.#fly(key, keeping, (mark) => this.#make(key, compute, keeping, mark)).catch((thrown: unknown) =>
      this.#events.tell('fault', { error: asError(thrown) }),
    )
  }

  /**
   * Recomputes a value in the background that was invalidated softly, in this process or in another one that is doing it
   * already.
   */
  makeAgain(key: string, compute: () => unknown, keeping: ValueLifetime): void {
    this.#fly(key, keeping, (mark) => this.#computeInTurn(key, compute, keeping, mark)).catch((thrown: unknown) =>
      this.#events.tell('fault', { error: asError(thrown) }),
    )
  }

  /** The entry for a value provided by the caller. @throws CacheError `serializer` if it cannot be serialized */
  entryOf(value: unknown, keeping: ValueLifetime): NewEntry {
    return this.#entryOf(this.#codec.serialize(value, 0), keeping)
  }

  async #findFresh(key: string, mayBeSoftened = false): Promise<Found | undefined> {
    const found = await this.#entries.find(key)
    if (found === undefined || (found.softened && !mayBeSoftened)) return undefined
    return found.entry.staleAt <= this.#clock.now() ? undefined : found
  }

  async #open({ entry, softened }: Found): Promise<Known | undefined> {
    const copy = await this.#copy(entry)
    return copy === undefined ? undefined : { entry, value: copy.value, softened }
  }

  /** Deserializes a value; `undefined` if that fails. */
  async #copy(source: SerializedValue): Promise<{ readonly value: unknown } | undefined> {
    try {
      const value = this.#codec.deserialize(source)
      return { value: value instanceof Promise ? await this.#inTime(value) : value }
    } catch (thrown) {
      this.#noteSerializer(thrown)
      return undefined
    }
  }

  /** Awaits an asynchronous deserializer, for at most as long as a computation may take. */
  async #inTime(value: Promise<unknown>): Promise<unknown> {
    let isSettled = false
    const settled = value.finally(() => {
      isSettled = true
    })
    await settledWithin(this.#clock, settled, this.#limit)
    if (!isSettled) throw new CacheError('serializer', `the deserializer did not finish within ${this.#limit} ms`)
    return settled
  }

  #fly(key: string, keeping: ValueLifetime, run: (mark: RunMark) => Promise<Made>): Promise<Landed<Made>> {
    return this.#flights.join(
      key,
      (mark) => !this.#entries.isInvalidated(key, keeping.tags, mark),
      () => this.#entries.mark(),
      run,
    )
  }

  async #computeInTurn(key: string, compute: () => unknown, keeping: ValueLifetime, mark: RunMark): Promise<Made> {
    const turn = await this.#entries.takeTurn(key, () => this.#findFresh(key), keeping.tags)
    if (turn === undefined) return this.#make(key, compute, keeping, mark)
    if ('found' in turn) {
      const known = await this.#open(turn.found)
      if (known === undefined) return this.#make(key, compute, keeping, this.#entries.mark())
      return { value: known.value, isKept: true, source: known.entry }
    }
    let isKept = false
    try {
      // Waiting for the turn takes time: a new mark includes all invalidations up to now.
      const made = await this.#make(key, compute, keeping, this.#entries.mark())
      isKept = made.isKept
      return made
    } finally {
      turn.end(isKept)
    }
  }

  /** Computes a new value, and stores it if possible. */
  async #make(key: string, compute: () => unknown, keeping: ValueLifetime, mark: RunMark): Promise<Made> {
    const startedAt = this.#clock.monotonic()
    const value = await compute()
    const took = this.#clock.monotonic() - startedAt
    this.#meter.handler.record(took)
    try {
      const source = this.#codec.serialize(value, took)
      const { written } = this.#entries.store(key, this.#entryOf(source, keeping), mark)
      // A caller that has waited in vain for Redis to look the key up does not wait for it once more.
      return { value, isKept: this.#entries.isAnswering && (await written), source }
    } catch (thrown) {
      this.#noteSerializer(thrown)
      return { value, isKept: false, source: undefined }
    }
  }

  #entryOf({ body, meta }: SerializedValue, { lifetime, tags }: ValueLifetime): NewEntry {
    const now = this.#clock.now()
    return { storedAt: now, staleAt: now + lifetime, deleteAt: now + lifetime, tags, meta, body }
  }

  #noteSerializer(thrown: unknown): void {
    this.#counters.serializerErrors++
    this.#events.tell('fault', { error: asError(thrown) })
  }
}

/** Whether a value is immutable, so that callers may share it. */
function isPrimitive(value: unknown): boolean {
  return value === null || (typeof value !== 'object' && typeof value !== 'function')
}
