import type { Clock } from '../clock.js'
import type { Counters } from '../counters.js'
import { CacheError } from '../errors.js'
import type { Absence, Found } from '../found.js'
import type { CoreSettings } from '../options.js'
import type { MemorySlot } from '../tiers/memory-tier.js'
import { decodeFrame, decodeHead, type Framed, frameMagic, headBytes, isTombstone } from '../tiers/wire-frame.js'
import type { Coherence } from './coherence.js'
import type { JudgedMemory } from './judged-memory.js'
import type { Mirror } from './mirror.js'
import type { Ownership } from './ownership.js'
import type { Held, Read, SharedEntries } from './shared-entries.js'

/** Looks entries up where there is a Redis: which tier answers, and whether what it has may be used. */
export class EntryReader {
  readonly #settings: CoreSettings
  readonly #clock: Clock
  readonly #counters: Counters
  readonly #mirror: Mirror
  readonly #memory: JudgedMemory
  readonly #coherence: Coherence
  readonly #entries: SharedEntries
  readonly #ownership: Ownership
  /** What is being looked up in Redis since this turn began. */
  readonly #turn = new Map<string, Promise<Found | undefined>>()

  constructor(
    settings: CoreSettings,
    counters: Counters,
    mirror: Mirror,
    memory: JudgedMemory,
    coherence: Coherence,
    entries: SharedEntries,
    ownership: Ownership,
  ) {
    this.#settings = settings
    this.#clock = settings.clock
    this.#counters = counters
    this.#mirror = mirror
    this.#memory = memory
    this.#coherence = coherence
    this.#entries = entries
    this.#ownership = ownership
  }

  /** As `EntryStore.find`. */
  find(key: string): Found | undefined | Promise<Found | undefined> {
    if (this.#coherence.starting !== undefined) return this.#findOnceStarted(key)
    if (!this.#coherence.isConnected) return this.#findWhileDisconnected(key)
    if (this.#settings.read === 'memory-first' && this.#leaseHolds()) {
      const found = this.#memory.find(key, false)
      // Another process may have made a stale one again, which no lease tells.
      if (found !== undefined && found.entry.staleAt > this.#clock.now()) return found
    }
    return this.#findTogether(key)
  }

  /** As `EntryStore.peek`. */
  async peek(key: string): Promise<Found | Absence> {
    await this.#coherence.waitForStart()
    if (!this.#coherence.isConnected) return this.#peekWhileDisconnected(key)
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

  /** Whether the first bytes of what an exact invalidation took out say that it could have been served. */
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
    if (read === 'unchanged') return this.#memory.peek(key, false)
    const framed = decodeFrame(read)
    if (framed === undefined || this.#ownerOf(key, framed) !== 'own') return 'unreadable'
    const verdict = this.#judge(key, framed, incarnation, Number.POSITIVE_INFINITY)
    return typeof verdict === 'string' ? verdict : { entry: verdict.entry, tier: 'redis', disconnected: false }
  }

  async #findOnceStarted(key: string): Promise<Found | undefined> {
    await this.#coherence.waitForStart()
    return this.#coherence.isConnected ? this.#findShared(key) : this.#findWhileDisconnected(key)
  }

  #findWhileDisconnected(key: string): Found | undefined {
    this.#coherence.noteUnavailable()
    const slot = this.#memory.tier.peek(key)
    if (slot === undefined || !this.#isConfirmed(slot)) return undefined
    return this.#memory.find(key, true)
  }

  /** Whether it is not too long ago that nothing can have invalidated it unseen. */
  #isConfirmed(slot: MemorySlot): boolean {
    if (this.#coherence.isSuspect) return false
    const knownAt = Math.max(slot.knownAt, this.#coherence.confirmedAt)
    return this.#clock.monotonic() - knownAt <= this.#settings.maxStaleWhileDisconnected
  }

  /** Reads of one key in one turn of the event loop have one answer: they travel together, and are judged together. */
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
    const asked = this.#mirror.sequence
    let read: Read
    try {
      read = await this.#entries.read(key, this.#largeHeld(key))
    } catch (thrown) {
      if (thrown instanceof CacheError && thrown.code === 'redis-out-of-step') await this.#coherence.isInStep()
      return this.#coherence.isConnected && this.#coherence.confirmedAt >= askedAt
        ? this.#memory.find(key, false)
        : this.#findWhileDisconnected(key)
    }
    this.#meetTombstone(key, read)
    const known = this.#memory.tier.peek(key)
    const incarnation = this.#coherence.stamp.incarnation
    // What could not be written to Redis yet is newer than what Redis has.
    if (known !== undefined && known.writtenIn === undefined) {
      this.#meetSuccessor(key, read)
      const found = this.#memory.find(key, false)
      if (found !== undefined) return found
    }
    if (read === 'unchanged') {
      // Evicted meanwhile: it has to be sent after all.
      return known === undefined ? this.#findShared(key) : this.#findUnchanged(key, known, incarnation)
    }
    const framed = read === undefined ? undefined : this.#usable(key, read, incarnation, asked)
    if (framed === 'stray') return this.#findDespiteStray(key)
    if (framed === undefined) return this.#memory.find(key, false)
    // What is made here next comes after that tombstone as well; what was under way need not.
    if (framed.after !== undefined) this.#mirror.learnRetired(key, framed.after)
    if (known !== undefined && isSameEntry(known, framed)) {
      const found = this.#memory.find(key, false)
      if (found !== undefined) return { ...found, tier: 'redis' }
    }
    const { entry, stamp, after } = framed
    const { sequence } = this.#mirror
    const slot: MemorySlot = { entry, sequence, knownAt: askedAt, stamp, after, writtenIn: incarnation }
    this.#memory.tier.put(key, slot)
    return { entry: slot.entry, tier: 'redis', disconnected: false }
  }

  /** Redis says that a request has retired the key: what memory holds is no better, if this process learns of it now. */
  #meetTombstone(key: string, read: Read): void {
    const id = tombstoneId(read)
    if (id !== undefined) this.#mirror.learnRetired(key, id)
  }

  /** Redis has an entry that came after a tombstone: where this process learns of that now, what memory holds may be older. */
  #meetSuccessor(key: string, read: Read): void {
    const head = read instanceof Buffer ? decodeHead(read) : undefined
    if (head?.after !== undefined && this.#ownership.judge(key, head.label) === 'own') {
      this.#mirror.learnRetired(key, head.after)
    }
  }

  /** The entry of another key came: it was moved there, or the replies are out of step, and the head is another's as well. */
  async #findDespiteStray(key: string): Promise<Found | undefined> {
    if (!(await this.#coherence.isInStep())) return this.#findWhileDisconnected(key)
    this.#counters.foreignEntries++
    return this.#memory.find(key, false)
  }

  /** The large entry that memory holds as Redis is known to hold it. */
  #largeHeld(key: string): Held | undefined {
    const slot = this.#memory.tier.peek(key)
    if (slot?.entry.id === undefined || slot.writtenIn !== this.#coherence.stamp.incarnation) return undefined
    return { id: slot.entry.id, stamp: slot.stamp }
  }

  /** Redis has what memory had when it was asked; neither need be good any more. */
  #findUnchanged(key: string, { entry, stamp }: MemorySlot, incarnation: string): Found | undefined {
    const found = this.#memory.find(key, false)
    if (found === undefined) return undefined
    const isConfirmed = stamp.incarnation === incarnation && !this.#mirror.coversAfter(key, entry.tags, stamp.position)
    return isConfirmed ? { ...found, tier: 'redis' } : found
  }

  /** An entry out of Redis, if it may be used. */
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
    const verdict = this.#judge(key, framed, incarnation, asked)
    if (typeof verdict !== 'string') return verdict
    // Not good enough to be used, and yet what memory holds may be older than the tombstone that it came after.
    if (framed.after !== undefined) this.#mirror.learnRetired(key, framed.after)
    return undefined
  }

  #judge(key: string, framed: Framed, incarnation: string, asked: number): Framed | Absence {
    if (isTombstone(framed) || framed.stamp.incarnation !== incarnation) return 'invalidated'
    const { entry, stamp, after } = framed
    if (entry.deleteAt <= this.#clock.now()) return 'expired'
    return this.#mirror.coversAfter(key, entry.tags, stamp.position, { asked, after }) ? 'invalidated' : framed
  }

  /** A stray frame was moved to this key from another one, or is no answer to this question. A tombstone is nobody's. */
  #ownerOf(key: string, framed: Framed): 'own' | 'foreign' | 'stray' {
    return isTombstone(framed) ? 'own' : this.#ownership.judge(key, framed.label)
  }

  #leaseHolds(): boolean {
    return this.#clock.monotonic() - this.#coherence.confirmedAt <= this.#settings.lease
  }
}

/** The id of the tombstone that a request left; `undefined`: it is none. */
function tombstoneId(read: Read): string | undefined {
  if (!(read instanceof Buffer) || read.length >= headBytes) return undefined
  const head = decodeHead(read)
  return head?.deleteAt === 0 ? head.id : undefined
}

/** Whether memory holds what Redis has just given, so that it need not be copied again. */
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
