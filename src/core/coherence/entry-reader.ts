import type { Clock } from '../clock.js'
import type { Counters } from '../counters.js'
import { CacheError } from '../errors.js'
import type { Absence, Found } from '../found.js'
import type { CoreSettings } from '../options.js'
import type { MemorySlot } from '../tiers/memory-tier.js'
import { decodeFrame, decodeHead, type Framed, frameMagic, headBytes, isTombstone } from '../tiers/wire-frame.js'
import type { Read } from './batched-reads.js'
import type { Coherence } from './coherence.js'
import { CurrentCopies, type EntryLookup } from './current-copies.js'
import type { JudgedMemory } from './judged-memory.js'
import type { Mirror } from './mirror.js'
import type { Ownership } from './ownership.js'
import type { RedisConnection } from './redis-connection.js'
import type { SharedEntries } from './shared-entries.js'
import type { SharedParts } from './shared-parts.js'

/** Looks up entries if Redis is configured: decides which tier answers, and whether its entry may be used. */
export class EntryReader {
  readonly #settings: CoreSettings
  readonly #clock: Clock
  readonly #counters: Counters
  readonly #mirror: Mirror
  readonly #memory: JudgedMemory
  readonly #coherence: Coherence
  readonly #connection: RedisConnection
  readonly #entries: SharedEntries
  readonly #ownership: Ownership
  readonly #copies: CurrentCopies
  /** Lookups in Redis started in the current turn of the event loop, by key. */
  readonly #turn = new Map<string, Promise<Found | undefined>>()

  constructor(parts: SharedParts) {
    const { settings, counters, mirror, memory, coherence, entries, ownership } = parts
    this.#settings = settings
    this.#clock = settings.clock
    this.#counters = counters
    this.#mirror = mirror
    this.#memory = memory
    this.#coherence = coherence
    this.#connection = coherence.connection
    this.#entries = entries
    this.#ownership = ownership
    this.#copies = new CurrentCopies(parts)
  }

  /** See `EntryStore.find`. */
  find(key: string): Found | undefined | Promise<Found | undefined> {
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
      this.#meetTombstone(key, read)
      const inMemory = this.#memory.peek(key, false)
      const inRedis = this.#peekAt(key, read, this.#coherence.stamp.incarnation)
      if (typeof inRedis === 'object' || typeof inMemory !== 'object') return inRedis === 'nothing' ? inMemory : inRedis
      return inMemory
    } catch {
      return this.#peekWhileDisconnected(key)
    }
  }

  /** Whether an entry removed by an exact invalidation could have been served, judged by its first bytes. */
  wasUsable(key: string, head: Buffer): boolean {
    const [magic, incarnation, position, , , deleteAt = '0'] = head.toString('latin1').split(' ')
    if (magic !== frameMagic || incarnation !== this.#coherence.stamp.incarnation) return false
    return Number(deleteAt) > this.#clock.now() && !this.#mirror.coversOtherwise(key, Number(position))
  }

  #peekWhileDisconnected(key: string): Found | Absence {
    const slot = this.#memory.tier.peek(key)
    return slot === undefined || this.#isConfirmed(slot) ? this.#memory.peek(key, true) : 'unconfirmed'
  }

  #peekAt(key: string, read: Read, incarnation: string): Found | Absence {
    if (read === undefined) return 'nothing'
    if (typeof read === 'string') return this.#memory.peek(key, false)
    const framed = decodeFrame(read)
    if (framed === undefined || this.#ownerOf(key, framed) !== 'own') return 'unreadable'
    const judged = this.#judge(key, framed, incarnation, Number.POSITIVE_INFINITY)
    if (typeof judged === 'string') return judged
    return { entry: judged.entry, tier: 'redis', disconnected: false, softened: this.#isSoftened(key, judged) }
  }

  async #findOnceStarted(key: string): Promise<Found | undefined> {
    await this.#connection.waitForStart()
    return this.#connection.isConnected ? this.#findShared(key) : this.#findWhileDisconnected(key)
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
      if (typeof read === 'object') this.#counters.redisBytesRead += read.length
    } catch (thrown) {
      if (thrown instanceof CacheError && thrown.code === 'redis-out-of-step') await this.#connection.isInStep()
      return this.#isConfirmedSince(askedAt) ? this.#memory.find(key, false) : this.#findWhileDisconnected(key)
    }
    this.#meetTombstone(key, read)
    const known = this.#memory.tier.peek(key)
    const incarnation = this.#coherence.stamp.incarnation
    if (read === 'current') {
      const found = this.#findConfirmed(key, known, asked)
      if (found !== undefined) this.#counters.confirmedHits++
      return found
    }
    // An entry that has not been written to Redis yet is newer than the one in Redis.
    if (known !== undefined && known.writtenIn === undefined) {
      this.#meetSuccessor(key, read)
      const found = this.#copies.givesWay(key, known, read) ? undefined : this.#memory.find(key, false)
      if (found !== undefined) return found
    }
    if (read === 'unchanged') {
      if (known !== undefined) this.#copies.confirm(known, asked)
      const found = this.#findConfirmed(key, known, asked)
      return found && this.#fromRedis(key, found, known ?? asked.slot)
    }
    const framed = read === undefined ? undefined : this.#usable(key, read, incarnation, sequence)
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
    const softened = this.#isSoftened(key, framed)
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

  /** Applies a tombstone found in Redis: if it is new to this process, the entry in memory is invalid too. */
  #meetTombstone(key: string, read: Read): void {
    const id = tombstoneId(read)
    if (id !== undefined) this.#mirror.learnRetired(key, id)
  }

  /**
   * Applies the tombstone that an entry in Redis was stored after: if it is new to this process, the entry in memory
   * may be older.
   */
  #meetSuccessor(key: string, read: Read): void {
    const head = read instanceof Buffer ? decodeHead(read) : undefined
    if (head?.after !== undefined && this.#ownership.judge(key, head.label) === 'own') {
      this.#mirror.learnRetired(key, head.after)
    }
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

  /** Returns an entry from Redis if it may be used. */
  #usable(key: string, frame: Buffer, incarnation: string, asked: number): Framed | 'stray' | undefined {
    const framed = decodeFrame(frame)
    if (framed === undefined) {
      this.#counters.foreignEntries++
      return undefined
    }
    const owner = this.#ownerOf(key, framed)
    if (owner === 'stray') return 'stray'
    if (owner === 'foreign') {
      this.#counters.foreignEntries++
      return undefined
    }
    const judged = this.#judge(key, framed, incarnation, asked)
    if (typeof judged !== 'string') return judged
    // The entry cannot be used, but the entry in memory may still be older than the tombstone it was stored after.
    if (framed.after !== undefined) this.#mirror.learnRetired(key, framed.after)
    return undefined
  }

  #judge(key: string, framed: Framed, incarnation: string, asked: number): Framed | Absence {
    if (isTombstone(framed) || framed.stamp.incarnation !== incarnation) return 'invalidated'
    const { entry, stamp, after } = framed
    if (entry.deleteAt <= this.#clock.now()) return 'expired'
    return this.#mirror.coversAfter(key, entry.tags, stamp.position, { asked, after }) ? 'invalidated' : framed
  }

  /** Whether a soft invalidation covers an entry in Redis. */
  #isSoftened(key: string, { entry, stamp }: Pick<Framed, 'entry' | 'stamp'>): boolean {
    return this.#mirror.softensAfter(key, entry.tags, stamp.position)
  }

  /**
   * Determines the owner of a frame. A stray frame was moved here from another key, or belongs to another command. A
   * tombstone has no owner.
   */
  #ownerOf(key: string, framed: Framed): 'own' | 'foreign' | 'stray' {
    return isTombstone(framed) ? 'own' : this.#ownership.judge(key, framed.label)
  }

  #leaseHolds(): boolean {
    return this.#clock.monotonic() - this.#coherence.confirmedAt <= this.#settings.lease
  }
}

/** The id of a tombstone left by a request; `undefined` for anything else. */
function tombstoneId(read: Read): string | undefined {
  if (!(read instanceof Buffer) || read.length >= headBytes) return undefined
  const head = decodeHead(read)
  return head?.deleteAt === 0 ? head.id : undefined
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
