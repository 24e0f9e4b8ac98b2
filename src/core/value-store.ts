import type { Clock } from './clock.js'
import type { Counters } from './counters.js'
import type { Entry, NewEntry } from './entry.js'
import type { EntryStore } from './entry-store.js'
import { asError } from './errors.js'
import type { GuardedEmitter } from './events.js'
import type { Found } from './found.js'
import type { Mark } from './mark.js'
import type { CoreSettings } from './options.js'
import { SingleFlight } from './single-flight.js'
import { type SerializedValue, ValueCodec } from './values.js'

/** How long a value is kept, and what can invalidate it. */
export interface Keeping {
  /** Milliseconds. */
  readonly lifetime: number
  readonly tags: readonly string[]
}

interface Known {
  readonly entry: Entry
  readonly value: unknown
}

interface Made {
  readonly value: unknown
  readonly isKept: boolean
}

/**
 * Values in an entry store: found while they are fresh, and made once for all who ask at the same time, in this process
 * and in the others.
 */
export class ValueStore {
  readonly #entries: EntryStore
  readonly #clock: Clock
  readonly #counters: Counters
  readonly #events: GuardedEmitter
  readonly #codec: ValueCodec
  readonly #flights = new SingleFlight<unknown>()

  constructor(entries: EntryStore, settings: CoreSettings, counters: Counters, events: GuardedEmitter) {
    this.#entries = entries
    this.#clock = settings.clock
    this.#counters = counters
    this.#events = events
    this.#codec = new ValueCodec(settings.serializer, settings.deserializer)
  }

  /** The fresh value of a key, and its entry; `undefined` when there is none that can be read. */
  async read(key: string): Promise<Known | undefined> {
    const found = await this.#findFresh(key)
    const known = found === undefined ? undefined : this.#open(found)
    if (found === undefined || known === undefined) {
      this.#counters.misses++
      this.#events.tell('miss', { key })
      return undefined
    }
    if (found.tier === 'redis') this.#counters.redisHits++
    else this.#counters.memoryHits++
    this.#events.tell('hit', { key, tier: found.tier, stale: false })
    return known
  }

  /** Makes the value of a key, or waits for whoever makes it already. Rejects with what `compute` throws. */
  makeOnce(key: string, compute: () => unknown, keeping: Keeping): Promise<unknown> {
    return this.#fly(key, keeping, (mark) => this.#computeInTurn(key, compute, keeping, mark))
  }

  /** Makes a value again while the one there is still answers. */
  makeEarly(key: string, compute: () => unknown, keeping: Keeping): void {
    this.#fly(key, keeping, (mark) => this.#compute(key, compute, keeping, mark)).catch((thrown: unknown) =>
      this.#events.tell('fault', { error: asError(thrown) }),
    )
  }

  /** The entry that a value handed in becomes. @throws CacheError `serializer` when it has no serialised form */
  entryOf(value: unknown, keeping: Keeping): NewEntry {
    return this.#entryOf(this.#codec.serialize(value, 0), keeping)
  }

  async #findFresh(key: string): Promise<Found | undefined> {
    const found = await this.#entries.find(key)
    return found === undefined || found.entry.staleAt <= this.#clock.now() ? undefined : found
  }

  #open({ entry }: Found): Known | undefined {
    try {
      return { entry, value: this.#codec.deserialize(entry) }
    } catch (thrown) {
      this.#noteSerializer(thrown)
      return undefined
    }
  }

  #fly(key: string, keeping: Keeping, run: (mark: Mark) => Promise<unknown>): Promise<unknown> {
    return this.#flights.join(
      key,
      (mark) => !this.#entries.isInvalidated(key, keeping.tags, mark),
      this.#entries.mark(),
      run,
    )
  }

  async #computeInTurn(key: string, compute: () => unknown, keeping: Keeping, mark: Mark): Promise<unknown> {
    const turn = await this.#entries.takeTurn(key, () => this.#findFresh(key), keeping.tags)
    if (turn === undefined) return this.#compute(key, compute, keeping, mark)
    if ('found' in turn) {
      const known = this.#open(turn.found)
      return known === undefined ? this.#compute(key, compute, keeping, this.#entries.mark()) : known.value
    }
    let isKept = false
    try {
      // Waiting for the turn may have taken a while: what is made now has seen everything up to now.
      const made = await this.#make(key, compute, keeping, this.#entries.mark())
      isKept = made.isKept
      return made.value
    } finally {
      turn.end(isKept)
    }
  }

  async #compute(key: string, compute: () => unknown, keeping: Keeping, mark: Mark): Promise<unknown> {
    return (await this.#make(key, compute, keeping, mark)).value
  }

  /** A new value, and whether other processes will find it in Redis. */
  async #make(key: string, compute: () => unknown, keeping: Keeping, mark: Mark): Promise<Made> {
    const startedAt = this.#clock.monotonic()
    const value = await compute()
    try {
      const serialized = this.#codec.serialize(value, this.#clock.monotonic() - startedAt)
      return { value, isKept: await this.#entries.store(key, this.#entryOf(serialized, keeping), mark).written }
    } catch (thrown) {
      this.#noteSerializer(thrown)
      return { value, isKept: false }
    }
  }

  #entryOf({ body, meta }: SerializedValue, { lifetime, tags }: Keeping): NewEntry {
    const now = this.#clock.now()
    return { storedAt: now, staleAt: now + lifetime, deleteAt: now + lifetime, tags, meta, body }
  }

  #noteSerializer(thrown: unknown): void {
    this.#counters.serializerErrors++
    this.#events.tell('fault', { error: asError(thrown) })
  }
}
