import { randomBytes } from 'node:crypto'
import type { Clock } from '../clock.js'
import type { Coherence } from './coherence.js'
import type { Mirror } from './mirror.js'
import type { RetiredStats } from './retired-keys.js'
import type { SharedEntries } from './shared-entries.js'

/** Tombstones sent in one turn. */
const atOnce = 64
/** Tombstones of one request that are sent at all. */
const mostOfOne = 256
/** Bytes of keys that wait for Redis; the oldest are given up. */
const maxUnsentBytes = 262_144
/** Tombstones sent once more to a Redis that may have lost them. */
const mostRepeated = 1_000
/** Bytes of keys that this process adds to Redis for tombstones alone, in the lifetime of one. */
const maxAddedBytes = 1_048_576
/** How much longer than the longest handler a tombstone lives; ms. */
export const retiredGrace = 5_000
/** Before those that could not be sent are tried again; ms. */
const pause = 1_000

/** How full everything is that requests with unsafe methods fill. */
export interface RetirementStats extends RetiredStats {
  /** Bytes of keys whose tombstone Redis does not have yet. */
  readonly unsentBytes: number
  readonly maxUnsentBytes: number
  /** Bytes of keys that this process added to Redis lately, for tombstones of what was not stored. */
  readonly addedBytes: number
  readonly maxAddedBytes: number
}

/**
 * When a tombstone is sent.
 *
 * - `at once`: it is the newest one, but for those of other processes that this one has not met.
 * - `late`: after an outage or a refusal. Another one may have come and expired since, so it gets an id that no entry names.
 * - `again`: a new life of the log may have lost it, and all others with it.
 */
type Occasion = 'at once' | 'late' | 'again'

/** A tombstone that Redis does not have yet. */
interface Unsent {
  readonly id: string
  readonly occasion: Occasion
}

/**
 * Tells other processes which keys requests have retired: a tombstone at each key, for as long as a handler may run.
 *
 * Best effort, for clients decide how much there is of it: no records, no marks, and a bound on everything. What Redis does not
 * take now is sent once it is trusted again, the newest 256 KiB of keys.
 */
export class Retirement {
  readonly #entries: SharedEntries
  readonly #coherence: Coherence
  readonly #mirror: Mirror
  readonly #clock: Clock
  readonly #ttl: number
  readonly #unsent = new Map<string, Unsent>()
  #unsentBytes = 0
  #addedBytes = 0
  #addedSince = Number.NEGATIVE_INFINITY
  #isResuming = false
  #isPlanned = false
  #incarnation: string | undefined

  /** @param maxHandlerTime - ms */
  constructor(entries: SharedEntries, coherence: Coherence, mirror: Mirror, clock: Clock, maxHandlerTime: number) {
    this.#entries = entries
    this.#coherence = coherence
    this.#mirror = mirror
    this.#clock = clock
    this.#ttl = maxHandlerTime + retiredGrace
  }

  /**
   * Leaves tombstones at keys that were retired here under these ids. Never rejects.
   *
   * @returns the first bytes of what was there; all of it for an entry without a body
   */
  async send(tombstones: ReadonlyMap<string, string>): Promise<readonly (readonly [string, Buffer])[]> {
    await this.#coherence.waitForStart()
    const all = Array.from(tombstones, ([key, id]) => [key, { id, occasion: 'at once' }] as const)
    for (const [key, { id }] of all.splice(mostOfOne)) this.#mirror.retired.giveUp(key, id)
    if (!this.#coherence.isConnected) {
      this.#coherence.noteUnavailable()
      for (const [key, { id }] of all) this.#keep(key, { id, occasion: 'late' })
      return []
    }
    for (const [key] of all) this.#drop(key)
    const existed = await this.#leave(all)
    if (this.#unsent.size > 0) this.#plan()
    return existed
  }

  /** Redis is trusted: it gets what it has missed, and, in a new life of the log, what it may have lost. */
  resume(): void {
    const { incarnation } = this.#coherence.stamp
    if (this.#incarnation !== undefined && this.#incarnation !== incarnation) {
      for (const [key, id] of this.#mirror.retired.unsettle(mostRepeated)) {
        if (!this.#unsent.has(key)) this.#keep(key, { id, occasion: 'again' })
      }
    }
    this.#incarnation = incarnation
    void this.#sendUnsent()
  }

  stats(): RetirementStats {
    const { retired } = this.#mirror
    return {
      ...retired.stats(),
      unsentBytes: this.#unsentBytes,
      maxUnsentBytes,
      addedBytes: this.#addedBytes,
      maxAddedBytes,
    }
  }

  #plan(): void {
    if (this.#isPlanned) return
    this.#isPlanned = true
    this.#coherence.later(() => {
      this.#isPlanned = false
      void this.#sendUnsent()
    }, pause)
  }

  async #sendUnsent(): Promise<void> {
    if (this.#isResuming) return
    this.#isResuming = true
    while (this.#unsent.size > 0 && this.#coherence.isConnected) {
      const some = [...this.#unsent].slice(-atOnce)
      for (const [key] of some) this.#drop(key)
      await this.#leave(some)
      if (some.some(([key]) => this.#unsent.has(key))) break
    }
    this.#isResuming = false
  }

  /** Sends some; those that fail are kept. Never rejects. */
  async #leave(tombstones: readonly (readonly [string, Unsent])[]): Promise<readonly (readonly [string, Buffer])[]> {
    const { stamp } = this.#coherence
    const sent = tombstones.map(([key, { id, occasion }]) => {
      const otherId = newTombstoneId()
      const older = this.#mirror.retired.olderThan(key)
      return { key, id: occasion === 'late' ? otherId : id, otherId, older, mayCreate: this.#mayAdd(key) }
    })
    const ids = new Map(tombstones)
    try {
      const left = await this.#entries.retire(sent, stamp, this.#ttl)
      const { position } = this.#coherence.stamp
      for (const { key, leftId, met } of left) {
        this.#mirror.settleRetired(key, ids.get(key)?.id ?? leftId, position, leftId, met)
      }
      return left.map(({ key, existed }) => [key, existed])
    } catch {
      for (const [key, { id, occasion }] of tombstones) {
        this.#keep(key, { id, occasion: occasion === 'again' ? occasion : 'late' })
      }
      return []
    }
  }

  /** Whether Redis may get this key for the tombstone alone. */
  #mayAdd(key: string): boolean {
    const now = this.#clock.monotonic()
    if (now - this.#addedSince > this.#ttl) {
      this.#addedSince = now
      this.#addedBytes = 0
    }
    const bytes = bytesOf(key)
    if (this.#addedBytes + bytes > maxAddedBytes) return false
    this.#addedBytes += bytes
    return true
  }

  #keep(key: string, unsent: Unsent): void {
    this.#drop(key)
    this.#unsent.set(key, unsent)
    this.#unsentBytes += bytesOf(key)
    for (const [oldest, { id }] of this.#unsent) {
      if (this.#unsentBytes <= maxUnsentBytes) return
      this.#drop(oldest)
      this.#mirror.retired.giveUp(oldest, id)
    }
  }

  #drop(key: string): void {
    if (this.#unsent.delete(key)) this.#unsentBytes -= bytesOf(key)
  }
}

/** A name for a tombstone, which no other has. */
export function newTombstoneId(): string {
  return randomBytes(8).toString('hex')
}

function bytesOf(key: string): number {
  return 100 + Buffer.byteLength(key)
}
