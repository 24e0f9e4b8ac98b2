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
const grace = 5_000
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
  readonly #unsent = new Map<string, string>()
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
    this.#ttl = maxHandlerTime + grace
  }

  /**
   * Leaves tombstones at keys that were retired here under these ids. Never rejects.
   *
   * @returns the first bytes of what was there; all of it for an entry without a body
   */
  async send(tombstones: ReadonlyMap<string, string>): Promise<readonly (readonly [string, Buffer])[]> {
    await this.#coherence.waitForStart()
    const all = [...tombstones].slice(0, mostOfOne)
    if (!this.#coherence.isConnected) {
      this.#coherence.noteUnavailable()
      for (const [key, id] of all) this.#keep(key, id)
      return []
    }
    const existed = await this.#leave(all, false)
    if (this.#unsent.size > 0) this.#plan()
    return existed
  }

  /** Redis is trusted: it gets what it has missed, and, in a new life of the log, what it may have lost. */
  resume(): void {
    const { incarnation } = this.#coherence.stamp
    if (this.#incarnation !== undefined && this.#incarnation !== incarnation) {
      for (const [key, id] of this.#mirror.retired.unsettle(mostRepeated)) this.#keep(key, id)
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
      await this.#leave(some, true)
      if (some.some(([key]) => this.#unsent.has(key))) break
    }
    this.#isResuming = false
  }

  /**
   * Sends some; those that fail are kept. Never rejects.
   *
   * @param isLate - sent after an outage or once more: what is in Redis may be newer. One that is sent at once is the newest.
   */
  async #leave(
    tombstones: readonly (readonly [string, string])[],
    isLate: boolean,
  ): Promise<readonly (readonly [string, Buffer])[]> {
    const { stamp } = this.#coherence
    const sent = tombstones.map(([key, id]) => {
      return { key, id, otherId: isLate ? newTombstoneId() : id, mayCreate: this.#mayAdd(key) }
    })
    try {
      const left = await this.#entries.retire(sent, stamp, this.#ttl)
      const { position } = this.#coherence.stamp
      for (const { key, id, leftId } of left) this.#mirror.settleRetired(key, id, position, leftId)
      return left.map(({ key, existed }) => [key, existed])
    } catch {
      for (const { key, id } of sent) this.#keep(key, id)
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

  #keep(key: string, id: string): void {
    this.#drop(key)
    this.#unsent.set(key, id)
    this.#unsentBytes += bytesOf(key)
    for (const [oldest] of this.#unsent) {
      if (this.#unsentBytes <= maxUnsentBytes) return
      this.#drop(oldest)
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
