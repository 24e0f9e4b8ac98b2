import type { Clock } from '../clock.js'
import type { Counters } from '../counters.js'
import { CacheError } from '../errors.js'
import type { Absence, Found } from '../found.js'
import { Histogram } from '../histogram.js'
import type { CoreSettings } from '../options.js'
import type { MemorySlot } from '../tiers/memory-tier.js'
import type { Framed } from '../tiers/wire-frame.js'
import type { Read } from './batched-reads.js'
import type { Coherence } from './coherence.js'
import { CurrentCopies, type EntryLookup } from './current-copies.js'
import type { JudgedFrames } from './judged-frames.js'
import type { JudgedMemory } from './judged-memory.js'
import type { Mirror } from './mirror.js'
import type { RedisConnection } from './redis-connection.js'
import type { SharedEntries } from './shared-entries.js'
import type { SharedParts } from './shared-parts.js'

/** Looks up entries if Redis is configured: decides which tier answers, and whether its entry may be used. */
export class EntryReader {
  /** Reads of entries that Redis has answered. */
  readonly reads = new Histogram()
  readonly #settings: CoreSettings
  readonly #clock: Clock
  readonly #counters: Counters
  readonly #mirror: Mirror
  readonly #memory: JudgedMemory
  readonly #coherence: Coherence
  readonly #connection: RedisConnection
  readonly #entries: SharedEntries
  readonly #frames: JudgedFrames
  readonly #copies: CurrentCopies
  /** Lookups in Redis started in the current turn of the event loop, by key. */
  readonly #turn = new Map<string, Promise<Found | undefined>>()
  /** Whether Redis has left a lookup without an answer that is being continued in the current turn. */
  #isUnanswered = false

  constructor(parts: SharedParts, frames: JudgedFrames) {
    const { settings, counters, mirror, memory, coherence, entries } = parts
    this.#settings = settings
    this.#clock = settings.clock
    this.#counters = counters
    this.#mirror = mirror
    this.#memory = memory
    this.#coherence = coherence
    this.#connection = coherence.connection
    this.#entries = entries
    this.#frames = frames
    this.#copies = new CurrentCopies(parts)
  }

  /** See `EntryStore.find`. */
  find(key: string): Found | undefined | Promise<Found | undefined> {
    // A request that looks up another key now must not wait for Redis twice.
    if (this.#isUnanswered) return this.#findWhileDisconnected(key)
    if (this.#connection.starting !== undefined) return this.#findOnceStarted(key)
    if (!this.#connection.isConnected) return this.#findWhileDisconnected(key)
    if (this.#settings.read === 'memory-first' && this.#leaseHolds()) {
      const found = this.#memory.find(key, false)
      // Another process may have refreshed a stale entry, which the lease does not show.
      if (found !== undefined && !found.softened && found.entry.staleAt > this.#clock.now()) return found
    }
    return this.#findTogether(key)
  }

  /** See `EntryStore.peek`. */
  async peek(key: string): Promise<Found | Absence> {
    await this.#connection.waitForStart()
    if (!this.#connection.isConnected) return this.#peekWhileDisconnected(key)
    const known = this.#memory.peek(key, false)
    const isOwn = this.#memory.tier.peek(key)?.writtenIn === undefined
    const isFirst = isOwn || (this.#settings.read === 'memory-first' && this.#leaseHolds())
    if (isFirst && typeof known === 'object') return known
    try {
      const read = await this.#entries.read(key)
      if (read instanceof Buffer) this.#frames.meetTombstone(key, read)
      const inMemory = this.#memory.peek(key, false)
      if (!(read instanceof Buffer)) return inMemory
      const inRedis = this.#frames.peek(key, read)
      return typeof inRedis === 'object' || typeof inMemory !== 'object' ? inRedis : inMemory
    } catch {
      return this.#peekWhileDisconnected(key)
    }
  }

  #peekWhileDisconnected(key: string): Found | Absence {
    const slot = this.#memory.tier.peek(key)
    return slot === undefined || this.#isConfirmed(slot) ? this.#memory.peek(key, true) : 'unconfirmed'
  }

  async #findOnceStarted(key: string): Promise<Found | undefined> {
    await this.#connection.waitForStart()
    if (this.#connection.isConnected) return this.#findShared(key)
    this.#noteUnanswered()
    return this.#findWhileDisconnected(key)
  }

  #noteUnanswered(): void {
    if (this.#isUnanswered) return
    this.#isUnanswered = true
    this.#clock.endOfTurn(() => {
      this.#isUnanswered = false
    })
  }

  #findWhileDisconnected(key: string): Found | undefined {
    this.#connection.noteUnavailable()
    const slot = this.#memory.tier.peek(key)
    if (slot === undefined || !this.#isConfirmed(slot)) return undefined
    return this.#memory.find(key, true)
  }

  /** Whether the time since the last moment when all invalidations were known is within the limit. */
  #isConfirmed(slot: MemorySlot): boolean {
    if (this.#coherence.isSuspect) return false
    const knownAt = Math.max(slot.knownAt, this.#coherence.confirmedAt)
    return this.#clock.monotonic() - knownAt <= this.#settings.maxStaleWhileDisconnected
  }

  /** Combines reads of one key in the same turn of the event loop: they are sent, and judged, together. */
  #findTogether(key: string): Promise<Found | undefined> {
    const begun = this.#turn.get(key)
    if (begun !== undefined) return begun
    if (this.#turn.size === 0) this.#clock.endOfTurn(() => this.#turn.clear())
    const found = this.#findShared(key)
    this.#turn.set(key, found)
    return found
  }

  async #findShared(key: string): Promise<Found | undefined> {
    const askedAt = this.#clock.monotonic()
    const sequence = this.#mirror.sequence
    const asked = this.#copies.ask(key)
    let read: Read
    try {
      read = await this.#entries.read(key, asked.held)
      this.reads.record(this.#clock.monotonic() - askedAt)
      if (typeof read === 'object') this.#counters.redisBytesRead += read.length
    } catch (thrown) {
      if (thrown instanceof CacheError && thrown.code === 'redis-out-of-step') await this.#connection.isInStep()
      this.#noteUnanswered()
      return this.#isConfirmedSince(askedAt) ? this.#memory.find(key, false) : this.#findWhileDisconnected(key)
    }
    if (read instanceof Buffer) this.#frames.meetTombstone(key, read)
    const known = this.#memory.tier.peek(key)
    const incarnation = this.#coherence.stamp.incarnation
    if (read === 'current') {
      const found = this.#findConfirmed(key, known, asked)
      if (found !== undefined) this.#counters.confirmedHits++
      return found
    }
    // An entry that has not been written to Redis yet is newer than the one in Redis.
    if (known !== undefined && known.writtenIn === undefined) {
      if (read instanceof Buffer) this.#frames.meetSuccessor(key, read)
      const found = this.#copies.givesWay(key, known, read) ? undefined : this.#memory.find(key, false)
      if (found !== undefined) return found
    }
    if (read === 'unchanged') {
      if (known !== undefined) this.#copies.confirm(known, asked)
      const found = this.#findConfirmed(key, known, asked)
      return found && this.#fromRedis(key, found, known ?? asked.slot)
    }
    const framed = read === undefined ? undefined : this.#frames.usable(key, read, incarnation, sequence)
    if (framed === 'stray') return this.#findDespiteStray(key)
    if (framed === undefined) return this.#findAlone(key, known)
    // Results computed from now on are newer than that tombstone; results in progress may not be.
    if (framed.after !== undefined) this.#mirror.learnRetired(key, framed.after)
    if (known !== undefined && isSameEntry(known, framed)) {
      const found = this.#memory.find(key, false)
      this.#copies.confirm(known, asked)
      if (found !== undefined) return { ...found, tier: 'redis' }
    }
    return this.#take(key, framed, { knownAt: askedAt, place: asked.place, writtenIn: incarnation })
  }

  /** Puts an entry from Redis into memory. */
  #take(key: string, framed: Framed, read: Pick<MemorySlot, 'knownAt' | 'place' | 'writtenIn'>): Found {
    const { entry, stamp, after } = framed
    const softened = this.#frames.isSoftened(key, framed)
    const slot: MemorySlot = { entry, sequence: this.#mirror.sequence, softened, stamp, after, ...read }
    this.#memory.tier.put(key, slot)
    return { entry: slot.entry, tier: 'redis', disconnected: false, softened }
  }

  /** Finds in memory what Redis does not have; what Redis had replaced by an entry that it lost is not used again. */
  #findAlone(key: string, known: MemorySlot | undefined): Found | undefined {
    if (!this.#copies.isReplaced(key, known)) return this.#memory.find(key, false)
    this.#memory.drop(key)
    return undefined
  }

  /** Whether Redis did confirm what memory has, although a read has failed. */
  #isConfirmedSince(askedAt: number): boolean {
    // What was not read may be what has changed.
    if (this.#settings.read === 'confirmed') return false
    return this.#connection.isConnected && this.#coherence.confirmedAt >= askedAt
  }

  /**
   * Handles the frame of another key: either it was moved here, or the replies do not match their commands, so that the
   * head belongs to another command too.
   */
  async #findDespiteStray(key: string): Promise<Found | undefined> {
    if (!(await this.#connection.isInStep())) return this.#findWhileDisconnected(key)
    this.#counters.foreignEntries++
    return this.#findAlone(key, this.#memory.tier.peek(key))
  }

  /**
   * Redis has the entry that memory had; it may have become invalid in both. Memory may have evicted it while another was
   * read: it is not read a second time, because that would have a deadline of its own.
   */
  #findConfirmed(key: string, known: MemorySlot | undefined, { slot }: EntryLookup): Found | undefined {
    if (known !== undefined) return this.#memory.find(key, false)
    const judged = this.#memory.judge(key, slot, false)
    return typeof judged === 'object' ? judged : undefined
  }

  /** Whether Redis answers too, because no invalidation covers the entry there. */
  #fromRedis(key: string, found: Found, slot: MemorySlot | undefined): Found {
    if (slot === undefined || slot.stamp.incarnation !== this.#coherence.stamp.incarnation) return found
    return this.#mirror.coversAfter(key, slot.entry.tags, slot.stamp.position) ? found : { ...found, tier: 'redis' }
  }

  #leaseHolds(): boolean {
    return this.#clock.monotonic() - this.#coherence.confirmedAt <= this.#settings.lease
  }
}

/** Whether memory already holds the entry that Redis returned, so that it need not be copied again. */
function isSameEntry(slot: MemorySlot, framed: Framed): boolean {
  return (
    slot.entry.storedAt === framed.entry.storedAt &&
    slot.stamp.position === framed.stamp.position &&
    slot.stamp.incarnation === framed.stamp.incarnation &&
    slot.entry.deleteAt === framed.entry.deleteAt &&
    slot.entry.id === framed.entry.id &&
    (slot.entry.id !== undefined ||
      (slot.entry.body.equals(framed.entry.body) && slot.entry.meta === framed.entry.meta))
  )
}
