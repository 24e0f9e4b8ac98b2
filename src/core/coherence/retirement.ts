import type { Clock } from '../clock.js'
import type { Entry } from '../entry.js'
import { decodeFrame, isTombstone } from '../tiers/wire-frame.js'
import type { Coherence } from './coherence.js'
import type { Mirror } from './mirror.js'
import type { RedisConnection } from './redis-connection.js'
import type { RetiredStats } from './retired-keys.js'
import type { SharedEntries } from './shared-entries.js'
import type { SharedParts } from './shared-parts.js'
import { newTombstoneId } from './tombstones.js'

/** Maximum number of tombstones sent together. */
const AT_ONCE = 64
/** Maximum number of tombstones sent for one request. */
const MOST_OF_ONE = 256
/** Maximum size of keys that wait for Redis, in bytes; beyond it, the oldest are given up. */
const MAX_UNSENT_BYTES = 262_144
/** Maximum number of tombstones sent again to a Redis that may have lost them. */
const MOST_REPEATED = 1_000
/** Maximum size of keys, in bytes, that this process adds to Redis for tombstones only, within the lifetime of one. */
const MAX_ADDED_BYTES = 1_048_576
/** Lifetime of a tombstone in addition to the longest handler time, in ms. */
const RETIRED_GRACE = 5_000
/** Pause before tombstones that could not be sent are tried again, in ms. */
const PAUSE = 1_000

/** Usage of the memory that unsafe requests fill. */
export interface RetirementStats extends RetiredStats {
  /** Size of keys whose tombstones are not in Redis yet, in bytes. */
  readonly unsentBytes: number
  readonly maxUnsentBytes: number
  /** Size of keys that this process recently added to Redis for tombstones only, in bytes. */
  readonly addedBytes: number
  readonly maxAddedBytes: number
}

/**
 * The occasion on which a tombstone is sent:
 * - `at once`: when its key is retired; no newer tombstone of the key is known;
 * - `late`: after an outage or a refusal. Another one may have been left and expired since, so it gets an id that no
 *   entry contains;
 * - `again`: when the log of invalidations was begun again, because Redis may have lost the tombstone.
 */
type Occasion = 'at once' | 'late' | 'again'

/** A tombstone that is not in Redis yet. */
interface Unsent {
  readonly id: string
  readonly occasion: Occasion
}

/**
 * Tells other processes which keys were retired, that is, invalidated by requests with unsafe methods: in Redis a
 * tombstone replaces the entry of each key, for as long as a handler may run.
 *
 * This is best effort, because clients control the amount: the log of invalidations gets no record, and everything is bounded.
 * Tombstones that Redis does not accept now are sent when it can be used again, up to the newest 256 KiB of keys.
 */
export class Retirement {
  readonly #entries: SharedEntries
  readonly #coherence: Coherence
  readonly #connection: RedisConnection
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

  constructor({ entries, coherence, mirror, settings }: SharedParts) {
    this.#entries = entries
    this.#coherence = coherence
    this.#connection = coherence.connection
    this.#mirror = mirror
    this.#clock = settings.clock
    this.#ttl = tombstoneLifetime(settings)
  }

  /**
   * Leaves tombstones at keys that were retired here, with these ids. Never rejects.
   *
   * @returns the entries without a body that were there
   */
  async send(tombstones: ReadonlyMap<string, string>): Promise<ReadonlyMap<string, Entry>> {
    await this.#connection.waitForStart()
    const all = Array.from(tombstones, ([key, id]) => [key, { id, occasion: 'at once' }] as const)
    for (const [key, { id }] of all.splice(MOST_OF_ONE)) this.#mirror.retired.giveUp(key, id)
    if (!this.#connection.isConnected) {
      this.#connection.noteUnavailable()
      for (const [key, { id }] of all) this.#keep(key, { id, occasion: 'late' })
      return new Map()
    }
    for (const [key] of all) this.#drop(key)
    const existed = await this.#leave(all)
    if (this.#unsent.size > 0) this.#plan()
    return bodilessOf(existed)
  }

  /**
   * Called when Redis can be used again: sends waiting tombstones and, in a new life of the log, those that may be
   * lost.
   */
  resume(): void {
    const { incarnation } = this.#coherence.stamp
    if (this.#incarnation !== undefined && this.#incarnation !== incarnation) {
      for (const [key, id] of this.#mirror.retired.unsettle(MOST_REPEATED)) {
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
      maxUnsentBytes: MAX_UNSENT_BYTES,
      addedBytes: this.#addedBytes,
      maxAddedBytes: MAX_ADDED_BYTES,
    }
  }

  #plan(): void {
    if (this.#isPlanned) return
    this.#isPlanned = true
    this.#coherence.later(() => {
      this.#isPlanned = false
      void this.#sendUnsent()
    }, PAUSE)
  }

  async #sendUnsent(): Promise<void> {
    if (this.#isResuming) return
    this.#isResuming = true
    while (this.#unsent.size > 0 && this.#connection.isConnected) {
      const some = [...this.#unsent].slice(-AT_ONCE)
      for (const [key] of some) this.#drop(key)
      await this.#leave(some)
      if (some.some(([key]) => this.#unsent.has(key))) break
    }
    this.#isResuming = false
  }

  /**
   * Sends tombstones, and keeps those that failed. Never rejects.
   *
   * @returns the first bytes of the previous values; all of an entry without a body
   */
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
        this.#mirror.settleRetired(key, ids.get(key)?.id ?? leftId, { position, leftId, met, lifetime: this.#ttl })
      }
      return left.map(({ key, existed }) => [key, existed])
    } catch {
      for (const [key, { id, occasion }] of tombstones) {
        this.#keep(key, { id, occasion: occasion === 'again' ? occasion : 'late' })
      }
      return []
    }
  }

  /** Whether this key may be added to Redis for a tombstone only. */
  #mayAdd(key: string): boolean {
    const now = this.#clock.monotonic()
    if (now - this.#addedSince > this.#ttl) {
      this.#addedSince = now
      this.#addedBytes = 0
    }
    const bytes = bytesOf(key)
    if (this.#addedBytes + bytes > MAX_ADDED_BYTES) return false
    this.#addedBytes += bytes
    return true
  }

  #keep(key: string, unsent: Unsent): void {
    this.#drop(key)
    this.#unsent.set(key, unsent)
    this.#unsentBytes += bytesOf(key)
    for (const [oldest, { id }] of this.#unsent) {
      if (this.#unsentBytes <= MAX_UNSENT_BYTES) return
      this.#drop(oldest)
      this.#mirror.retired.giveUp(oldest, id)
    }
  }

  #drop(key: string): void {
    if (this.#unsent.delete(key)) this.#unsentBytes -= bytesOf(key)
  }
}

/** How long the tombstone of a request rejects late results, in ms. */
export function tombstoneLifetime({ maxHandlerTime }: { readonly maxHandlerTime: number }): number {
  return maxHandlerTime + RETIRED_GRACE
}

function bodilessOf(existed: readonly (readonly [string, Buffer])[]): ReadonlyMap<string, Entry> {
  const bodiless = new Map<string, Entry>()
  for (const [key, bytes] of existed) {
    const framed = decodeFrame(bytes)
    if (framed === undefined || isTombstone(framed) || framed.entry.body.length > 0) continue
    bodiless.set(key, framed.entry)
  }
  return bodiless
}

function bytesOf(key: string): number {
  return 100 + Buffer.byteLength(key)
}
