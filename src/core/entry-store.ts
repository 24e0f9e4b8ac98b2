import type { Clock } from './clock.js'
import { Coherence } from './coherence/coherence.js'
import { type Cover, coverText } from './coherence/cover.js'
import type { JournalStats } from './coherence/journal.js'
import { Mirror, type MirrorStats } from './coherence/mirror.js'
import { type Follow, type Held, type LateEntry, type Read, SharedEntries } from './coherence/shared-entries.js'
import { tombstoneGrace } from './coherence/shared-log.js'
import { SharedTurns, type Turn } from './coherence/shared-turns.js'
import { Sweep } from './coherence/sweep.js'
import { WriteBack } from './coherence/write-back.js'
import type { Counters } from './counters.js'
import { shortened } from './early-refresh.js'
import { type Content, type Entry, makeEntryId, type NewEntry, wholeMoments } from './entry.js'
import type { GuardedEmitter, Tier } from './events.js'
import type { Mark } from './mark.js'
import { type CoreSettings, shown } from './options.js'
import { entrySize, type MemorySlot, type MemoryStats, MemoryTier } from './tiers/memory-tier.js'
import { openPort } from './tiers/open-port.js'
import { decodeFrame, encodeFrame, type Framed, frameMagic, frameStart, isTombstone, type Stamp } from './wire-frame.js'

/** What a lookup found. */
export interface Found {
  readonly entry: Entry
  /** Where it came from. */
  readonly tier: Tier
  /** True when Redis could not be asked: others may have invalidated it within `maxStaleWhileDisconnected`. */
  readonly disconnected: boolean
}

/**
 * Why a look without a trace has nothing to show: nothing is there, or what is there was invalidated, is past its use,
 * cannot be read, or may not be used while Redis cannot be asked.
 */
export type Absence = 'nothing' | 'invalidated' | 'expired' | 'unreadable' | 'unconfirmed'

/** Why a result was not stored. */
export type Refused = 'invalidated' | 'too-slow' | 'too-large' | 'expired' | 'closed'

/** What became of a result that was to be stored. */
export interface Stored {
  /** Whether it is in memory now. */
  readonly stored: boolean
  /** Why not, if it is not. */
  readonly reason?: Refused
  /** What was put into memory. */
  readonly entry?: Entry
  /** Resolves when Redis has it, or will not have it: true when it does. Never rejects. */
  readonly written: Promise<boolean>
}

/** What became of an invalidation. It always holds in this process. */
export interface Invalidation {
  /** True once every process is bound by it; false when Redis could not be told yet and will be. */
  readonly durable: boolean
}

/** What the tiers and the log look like from outside. */
export interface EntryStoreStats {
  readonly memory: MemoryStats
  /** When the entry that is next to be evicted was stored, epoch ms. */
  readonly oldestStoredAt: number | undefined
  readonly mirror: MirrorStats
  /** `undefined` without Redis. */
  readonly journal: JournalStats | undefined
  readonly isConnected: boolean
  readonly connectionError: Error | undefined
  readonly circuitState: 'closed' | 'open' | 'half_open'
  readonly circuitFailures: number
}

const nowhere: Stamp = { incarnation: '-', position: 0 }
const notWritten = Promise.resolve(false)

/**
 * Entries in two tiers, Redis first and memory behind it, judged by the invalidations this process knows of.
 *
 * Neither knows what the bytes mean. Nothing here throws or rejects for a fault of Redis.
 */
export class EntryStore {
  readonly #settings: CoreSettings
  readonly #clock: Clock
  readonly #counters: Counters
  readonly #events: GuardedEmitter
  readonly #memory: MemoryTier
  readonly #mirror: Mirror
  readonly #shared: Shared | undefined
  /** How long records of single keys are needed: as long as their marks in Redis are; ms. */
  readonly #keyRecordsFor: number
  #agedAt: number
  /** What is being looked up in Redis since this turn began. */
  readonly #turn = new Map<string, Promise<Found | undefined>>()
  #closed = false

  /** @throws TypeError when the `redis` option is a client of no known kind */
  constructor(settings: CoreSettings, counters: Counters, events: GuardedEmitter) {
    this.#settings = settings
    this.#clock = settings.clock
    this.#counters = counters
    this.#events = events
    this.#mirror = new Mirror(settings.maxMirrorBytes)
    this.#keyRecordsFor = settings.maxHandlerTime + tombstoneGrace
    this.#agedAt = settings.clock.monotonic()
    this.#memory = new MemoryTier(settings.maxEntries, settings.maxBytes, (key, reason) => {
      counters.evictions++
      events.tell('evict', { key, reason })
    })
    this.#shared = this.#openShared()
  }

  get isClosed(): boolean {
    return this.#closed
  }

  /** Whether there is a Redis behind memory. */
  get isShared(): boolean {
    return this.#shared !== undefined
  }

  /**
   * Looks a key up, Redis first. For layers that keep entries of their own making; values are read by `FallbackCache.get`.
   *
   * Answers at once when only memory is to be asked: without Redis, with the breaker open, in memory-first mode.
   * Entries past `staleAt` are given until `deleteAt`: whether a stale one will do is for the caller to say.
   * Neither throws nor rejects.
   */
  find(key: string): Found | undefined | Promise<Found | undefined> {
    const shared = this.#shared
    if (shared === undefined) return this.#findInMemory(key, false)
    if (shared.coherence.starting !== undefined) return this.#findOnceStarted(key, shared)
    if (!shared.coherence.isConnected) return this.#findWhileDisconnected(key, shared)
    if (this.#settings.read === 'memory-first' && this.#leaseHolds(shared)) {
      const found = this.#findInMemory(key, false)
      if (found !== undefined) return found
    }
    return this.#findTogether(key, shared)
  }

  /**
   * As {@link find}, but for whoever only wants to know: nothing is counted, told, moved up or taken out. What is read from
   * Redis is not kept. Never rejects.
   */
  async peek(key: string): Promise<Found | Absence> {
    const shared = this.#shared
    if (shared === undefined) return this.#peekInMemory(key, false)
    await shared.coherence.waitForStart()
    if (!shared.coherence.isConnected) return this.#peekWhileDisconnected(key, shared)
    const inMemory = this.#peekInMemory(key, false)
    const isOwn = this.#memory.peek(key)?.writtenIn === undefined
    const isFirst = isOwn || (this.#settings.read === 'memory-first' && this.#leaseHolds(shared))
    if (isFirst && typeof inMemory === 'object') return inMemory
    try {
      const inRedis = this.#peekAt(key, await shared.entries.read(key), shared.coherence.stamp.incarnation)
      if (typeof inRedis === 'object' || typeof inMemory !== 'object') return inRedis === 'nothing' ? inMemory : inRedis
      return inMemory
    } catch {
      return this.#peekWhileDisconnected(key, shared)
    }
  }

  /** The moment a handler starts: take it right before, and hand it to {@link store} with the result. */
  mark(): Mark {
    return {
      sequence: this.#mirror.sequence,
      stamp: this.#shared?.coherence.stamp ?? nowhere,
      startedAt: this.#clock.monotonic(),
    }
  }

  /** Whether something that covers this key or these tags was invalidated since `mark`. */
  isInvalidated(key: string, tags: readonly string[], mark: Mark): boolean {
    // Records of single keys are not kept for ever: whoever started that long ago cannot know any more.
    if (this.#clock.monotonic() - mark.startedAt > this.#keyRecordsFor) return true
    return this.#mirror.coversSince(key, tags, mark.sequence)
  }

  /**
   * Stores an entry in both tiers: in memory before it returns, in Redis in the background.
   *
   * Refused when something that covers it was invalidated since `mark`.
   */
  store(key: string, entry: NewEntry, mark: Mark): Stored {
    const put = this.#put(key, entry, mark)
    if (!('slot' in put)) return { stored: false, reason: put.refusal, written: notWritten }
    const { slot, isNewest } = put
    const written = isNewest ? this.#writeSlot(key, slot) : notWritten
    if (!isNewest || this.#memory.peek(key) === slot) return { stored: true, entry: slot.entry, written }
    return { stored: false, reason: 'too-large', written }
  }

  /**
   * Stores a value that is handed in, and so is newer than everything the log holds at that moment, whether this process
   * knows of it already or not: in memory before it returns. What is invalidated here from then on covers it.
   *
   * Resolves when Redis has it, or will not have it for now; never rejects.
   */
  async assign(key: string, entry: NewEntry): Promise<void> {
    const put = this.#put(key, entry, this.mark())
    if (!('slot' in put) || this.#shared === undefined) return
    const advanced = await this.#advance(key, put.slot, this.#shared)
    if (advanced !== undefined) await this.#writeSlot(key, advanced)
  }

  /**
   * Puts other content in the place of an entry's, in both tiers; its moments, its tags and its place in the log stay what
   * they are, so whatever covers the entry covers the new content.
   *
   * @param was - the entry that must be in memory, before and after the new content is made
   * @param make - gives the new content; `undefined`: leave it. Asked only if the entry is there
   * @returns false when the entry was replaced, invalidated or given up meanwhile, or would become too large for a tier that
   *   has it. Rejects with what `make` rejects with
   */
  async amend(key: string, was: Entry, make: () => Promise<Content | undefined>): Promise<boolean> {
    if (this.#slotOf(key, was) === undefined) return false
    const made = await make()
    const slot = this.#slotOf(key, was)
    if (made === undefined || slot === undefined) return false
    const { storedAt, staleAt, deleteAt, tags } = was
    const id = this.#shared === undefined ? undefined : makeEntryId(made.body.length)
    const entry: Entry = { storedAt, staleAt, deleteAt, tags, meta: made.meta, body: made.body, id, memo: undefined }
    if (entrySize(key, entry) > this.#settings.maxBytes) return false
    const fitsRedis = entry.body.length <= this.#settings.maxRedisBytes
    if (this.#shared !== undefined && !fitsRedis && was.body.length <= this.#settings.maxRedisBytes) return false
    const amended: MemorySlot = { ...slot, entry }
    this.#memory.put(key, amended)
    if (this.#shared !== undefined && fitsRedis) await this.#amendShared(key, was, amended, this.#shared)
    return true
  }

  /**
   * Asks for the turn to make what no tier has, among all processes.
   *
   * @param look - looks whether another process has stored it meanwhile; asked after each wait
   * @param tags - as far as they are known before it is made
   * @returns undefined when there is nobody to ask: make it. Else the turn, or what another made meanwhile
   */
  takeTurn<T>(
    key: string,
    look: () => T | undefined | Promise<T | undefined>,
    tags: readonly string[] = [],
  ): undefined | Promise<Turn<T>> {
    const shared = this.#shared
    if (shared?.turns === undefined || !shared.coherence.isConnected) return undefined
    // The last question has not been answered: nobody waits for Redis twice.
    if (shared.coherence.breaker.failures > 0) return undefined
    const isOvertaken = ({ incarnation, position }: Stamp): boolean =>
      incarnation !== shared.coherence.stamp.incarnation || this.#mirror.coversAfter(key, tags, position)
    return shared.turns.take(key, shared.coherence.stamp, look, isOvertaken)
  }

  /** Takes what is covered out of use: here before this returns, everywhere when the promise says `durable`. */
  async invalidate(covers: readonly Cover[]): Promise<Invalidation> {
    const { durable } = await this.#issue(covers)
    return { durable }
  }

  /** Takes one key out of use. True when either tier had something usable. */
  async delete(key: string): Promise<boolean> {
    const inMemory = this.#findInMemory(key, false) !== undefined
    const { existed } = await this.#issue([{ kind: 'key', key }])
    return inMemory || existed.some((head) => this.#wasUsable(key, head))
  }

  stats(): EntryStoreStats {
    const coherence = this.#shared?.coherence
    return {
      memory: this.#memory.stats(),
      oldestStoredAt: this.#memory.oldest()?.entry.storedAt,
      mirror: this.#mirror.stats(),
      journal: coherence?.stats(),
      isConnected: coherence === undefined || coherence.isConnected,
      connectionError: coherence?.connectionError,
      circuitState: coherence?.breaker.state ?? 'closed',
      circuitFailures: coherence?.breaker.failures ?? 0,
    }
  }

  /** Tells Redis what it does not know yet, if that takes no longer than a second, and stops. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#shared?.writeBack.stop()
    this.#shared?.sweep.stop()
    await this.#shared?.coherence.close()
    this.#memory.clear()
  }

  #openShared(): Shared | undefined {
    const { redis, keyPrefix, singleFlightLease } = this.#settings
    if (redis === undefined) return undefined
    const port = openPort(redis)
    if (port.isCluster && /^[^{]*\{\}/.test(keyPrefix)) {
      throw new TypeError(`keyPrefix must not begin an empty hash tag in a cluster, got ${shown(keyPrefix)}`)
    }
    const coherence: Coherence = new Coherence(port, this.#mirror, this.#settings, this.#counters, this.#events, {
      onRecords: (covers) => this.#dropKeys(covers),
      onForget: () => this.#memory.clear(),
      onConnected: () => writeBack.start(),
    })
    const follow: Follow = (head, askedAt) => coherence.follow(head, askedAt)
    const entries = new SharedEntries(port, coherence.tier, this.#clock, keyPrefix, coherence.headKey, follow)
    const writeBack: WriteBack = new WriteBack(this.#memory, coherence, (key, slot) => this.#writeBackSlot(key, slot))
    const sweep = new Sweep(port, coherence, this.#mirror, keyPrefix, this.#counters)
    const turns =
      singleFlightLease > 0
        ? new SharedTurns(port, coherence.tier, this.#clock, keyPrefix, singleFlightLease)
        : undefined
    coherence.open()
    return { coherence, entries, writeBack, sweep, turns }
  }

  #findInMemory(key: string, disconnected: boolean): Found | undefined {
    const slot = this.#memory.get(key)
    if (slot === undefined) return undefined
    if (slot.sequence < this.#mirror.sequence && this.#mirror.coversSince(key, slot.entry.tags, slot.sequence)) {
      this.#memory.delete(key)
      this.#events.tell('evict', { key, reason: 'invalidated' })
      return undefined
    }
    if (slot.entry.deleteAt <= this.#clock.now()) {
      this.#memory.delete(key)
      this.#events.tell('evict', { key, reason: 'expired' })
      return undefined
    }
    // Judged against everything known: the next look has only what comes after to compare.
    slot.sequence = this.#mirror.sequence
    return { entry: slot.entry, tier: 'memory', disconnected }
  }

  #peekInMemory(key: string, disconnected: boolean): Found | Absence {
    const slot = this.#memory.peek(key)
    if (slot === undefined) return 'nothing'
    if (this.#mirror.coversSince(key, slot.entry.tags, slot.sequence)) return 'invalidated'
    if (slot.entry.deleteAt <= this.#clock.now()) return 'expired'
    return { entry: slot.entry, tier: 'memory', disconnected }
  }

  #peekWhileDisconnected(key: string, shared: Shared): Found | Absence {
    const slot = this.#memory.peek(key)
    return slot === undefined || this.#isConfirmed(slot, shared) ? this.#peekInMemory(key, true) : 'unconfirmed'
  }

  #peekAt(key: string, read: Read, incarnation: string): Found | Absence {
    if (read === undefined) return 'nothing'
    if (read === 'unchanged') return this.#peekInMemory(key, false)
    const framed = decodeFrame(read)
    if (framed === undefined) return 'unreadable'
    const verdict = this.#judge(key, framed, incarnation)
    return typeof verdict === 'string' ? verdict : { entry: verdict.entry, tier: 'redis', disconnected: false }
  }

  async #findOnceStarted(key: string, shared: Shared): Promise<Found | undefined> {
    await shared.coherence.waitForStart()
    return shared.coherence.isConnected ? this.#findShared(key, shared) : this.#findWhileDisconnected(key, shared)
  }

  #findWhileDisconnected(key: string, shared: Shared): Found | undefined {
    shared.coherence.noteUnavailable()
    const slot = this.#memory.peek(key)
    if (slot === undefined || !this.#isConfirmed(slot, shared)) return undefined
    const found = this.#findInMemory(key, true)
    if (found !== undefined) this.#counters.servedWhileDisconnected++
    return found
  }

  /** Whether it is not too long ago that nothing can have invalidated it unseen. */
  #isConfirmed(slot: MemorySlot, shared: Shared): boolean {
    if (shared.coherence.isSuspect) return false
    const knownAt = Math.max(slot.knownAt, shared.coherence.confirmedAt)
    return this.#clock.monotonic() - knownAt <= this.#settings.maxStaleWhileDisconnected
  }

  /** Reads of one key in one turn of the event loop have one answer: they travel together, and are judged together. */
  #findTogether(key: string, shared: Shared): Promise<Found | undefined> {
    const begun = this.#turn.get(key)
    if (begun !== undefined) return begun
    if (this.#turn.size === 0) this.#clock.endOfTurn(() => this.#turn.clear())
    const found = this.#findShared(key, shared)
    this.#turn.set(key, found)
    return found
  }

  async #findShared(key: string, shared: Shared): Promise<Found | undefined> {
    const askedAt = this.#clock.monotonic()
    let read: Read
    try {
      read = await shared.entries.read(key, this.#largeHeld(key, shared))
    } catch {
      return shared.coherence.isConnected && shared.coherence.confirmedAt >= askedAt
        ? this.#findInMemory(key, false)
        : this.#findWhileDisconnected(key, shared)
    }
    const known = this.#memory.peek(key)
    const incarnation = shared.coherence.stamp.incarnation
    // What could not be written to Redis yet is newer than what Redis has.
    if (known !== undefined && known.writtenIn === undefined) {
      const found = this.#findInMemory(key, false)
      if (found !== undefined) return found
    }
    if (read === 'unchanged') {
      // Evicted meanwhile: it has to be sent after all.
      return known === undefined ? this.#findShared(key, shared) : this.#findUnchanged(key, known, incarnation)
    }
    const framed = read === undefined ? undefined : this.#usable(key, read, incarnation)
    if (framed === undefined) return this.#findInMemory(key, false)
    if (known !== undefined && isSameEntry(known, framed)) {
      const found = this.#findInMemory(key, false)
      if (found !== undefined) return { ...found, tier: 'redis' }
    }
    const { entry, stamp } = framed
    const slot: MemorySlot = { entry, sequence: this.#mirror.sequence, knownAt: askedAt, stamp, writtenIn: incarnation }
    this.#memory.put(key, slot)
    return { entry: slot.entry, tier: 'redis', disconnected: false }
  }

  /** The large entry that memory holds as Redis is known to hold it. */
  #largeHeld(key: string, { coherence }: Shared): Held | undefined {
    const slot = this.#memory.peek(key)
    if (slot?.entry.id === undefined || slot.writtenIn !== coherence.stamp.incarnation) return undefined
    return { id: slot.entry.id, stamp: slot.stamp }
  }

  /** Redis has what memory had when it was asked; neither need be good any more. */
  #findUnchanged(key: string, { entry, stamp }: MemorySlot, incarnation: string): Found | undefined {
    const found = this.#findInMemory(key, false)
    if (found === undefined) return undefined
    const isConfirmed = stamp.incarnation === incarnation && !this.#mirror.coversAfter(key, entry.tags, stamp.position)
    return isConfirmed ? { ...found, tier: 'redis' } : found
  }

  /** An entry out of Redis, if it may be used. */
  #usable(key: string, frame: Buffer, incarnation: string): Framed | undefined {
    const framed = decodeFrame(frame)
    if (framed === undefined) {
      this.#counters.foreignEntries++
      return undefined
    }
    const verdict = this.#judge(key, framed, incarnation)
    return typeof verdict === 'string' ? undefined : verdict
  }

  #judge(key: string, framed: Framed, incarnation: string): Framed | Absence {
    if (isTombstone(framed) || framed.stamp.incarnation !== incarnation) return 'invalidated'
    if (framed.entry.deleteAt <= this.#clock.now()) return 'expired'
    return this.#mirror.coversAfter(key, framed.entry.tags, framed.stamp.position) ? 'invalidated' : framed
  }

  /** Whether the first bytes of what an exact invalidation took out say that it could have been served. */
  #wasUsable(key: string, head: Buffer): boolean {
    const [magic, incarnation, position, , , deleteAt = '0'] = head.toString('latin1').split(' ')
    if (magic !== frameMagic || incarnation !== this.#shared?.coherence.stamp.incarnation) return false
    return Number(deleteAt) > this.#clock.now() && !this.#mirror.coversOtherwise(key, Number(position))
  }

  #leaseHolds(shared: Shared): boolean {
    return this.#clock.monotonic() - shared.coherence.confirmedAt <= this.#settings.lease
  }

  #put(key: string, entry: NewEntry, mark: Mark): Put {
    const tags = entry.tags ?? []
    const refusal = this.#refusal(key, tags, entry, mark)
    if (refusal !== undefined) {
      if (refusal === 'invalidated') this.#counters.lateStores++
      this.#events.tell('skip', { key, reason: refusal })
      return { refusal }
    }
    const kept: Entry = {
      ...shortened(wholeMoments(entry), Math.floor(entry.storedAt ?? this.#clock.now()), this.#settings.lifetimeJitter),
      tags,
      meta: entry.meta ?? '',
      body: entry.body,
      id: this.#shared === undefined ? undefined : makeEntryId(entry.body.length),
      memo: undefined,
    }
    const slot: MemorySlot = {
      entry: kept,
      sequence: mark.sequence,
      knownAt: mark.startedAt,
      stamp: mark.stamp,
      writtenIn: undefined,
    }
    const isNewest = this.#replace(key, slot)
    this.#counters.stores++
    this.#events.tell('store', { key, tags })
    return { slot, isNewest }
  }

  /**
   * Moves a value that was handed in beyond what the log holds, unless it was invalidated here meanwhile. `undefined` when
   * Redis does not answer: no need to wait for it once more.
   */
  async #advance(key: string, slot: MemorySlot, shared: Shared): Promise<MemorySlot | undefined> {
    await shared.coherence.waitForStart()
    try {
      if (shared.coherence.isConnected) await shared.entries.catchUp()
    } catch {
      shared.writeBack.remember(key)
      return undefined
    }
    if (this.#closed || this.#mirror.issuedSince(key, slot.entry.tags, slot.sequence)) return slot
    slot.sequence = this.#mirror.sequence
    slot.stamp = shared.coherence.stamp
    if (this.#memory.peek(key) === undefined) this.#memory.put(key, slot)
    return slot
  }

  #refusal(key: string, tags: readonly string[], entry: NewEntry, mark: Mark): Stored['reason'] {
    if (this.#closed) return 'closed'
    if (this.#mirror.coversSince(key, tags, mark.sequence)) return 'invalidated'
    if (this.#clock.monotonic() - mark.startedAt > this.#settings.maxHandlerTime) return 'too-slow'
    return entry.deleteAt <= this.#clock.now() ? 'expired' : undefined
  }

  /** Puts a result into memory, unless one is there whose handler started later. */
  #replace(key: string, slot: MemorySlot): boolean {
    const known = this.#memory.peek(key)
    if (known !== undefined && known.knownAt > slot.knownAt) return false
    this.#memory.put(key, slot)
    return true
  }

  /** Sends an entry to Redis; when that cannot be done now, memory keeps it for later. Never rejects. */
  async #writeSlot(key: string, slot: MemorySlot): Promise<boolean> {
    const shared = this.#shared
    if (shared === undefined) return false
    try {
      if (slot.entry.body.length > this.#settings.maxRedisBytes) {
        this.#counters.tooLargeForRedis++
        if (shared.coherence.isConnected) await this.#giveWay(key, slot, shared)
        return false
      }
      await shared.coherence.waitForStart()
      if (shared.coherence.isConnected) return await this.#write(key, slot, shared, slot.stamp)
      shared.coherence.noteUnavailable()
    } catch {
      shared.writeBack.remember(key)
    }
    return false
  }

  /** Takes out of Redis what an entry replaces that is not to be sent: whatever is found there afterwards is newer. */
  async #giveWay(key: string, slot: MemorySlot, shared: Shared): Promise<void> {
    const { incarnation } = shared.coherence.stamp
    await shared.entries.remove(key)
    slot.writtenIn = incarnation
  }

  /** True when Redis has it, or something newer. */
  async #writeBackSlot(key: string, slot: MemorySlot): Promise<boolean> {
    const shared = this.#shared
    if (shared === undefined || slot.entry.body.length > this.#settings.maxRedisBytes) return false
    if (this.#mirror.coversSince(key, slot.entry.tags, slot.sequence)) return false
    if (slot.entry.deleteAt <= this.#clock.now()) return false
    // It has been judged against every record up to here, so here is its place: what was invalidated before its handler
    // started, and told to the log only now, must not take it along.
    const late = { storedAt: slot.entry.storedAt, goodFrom: this.#mirror.newestCovering(key, slot.entry.tags) }
    const isWritten = await this.#write(key, slot, shared, shared.coherence.stamp, late)
    if (isWritten) this.#counters.writtenBack++
    return isWritten
  }

  async #write(key: string, slot: MemorySlot, shared: Shared, place: Stamp, late?: LateEntry): Promise<boolean> {
    const { entry } = slot
    const { incarnation } = shared.coherence.stamp
    // A place in an earlier life of the log means the very beginning of this one: too low is always safe.
    const { position } = place.incarnation === incarnation ? place : nowhere
    const stamp = { incarnation, position }
    const frame = encodeFrame(entry, entry.storedAt, stamp)
    const isWritten = await shared.entries.write(key, frame, entry.deleteAt - this.#clock.now(), stamp, late)
    slot.writtenIn = incarnation
    // What a read gives back is then known as this very entry.
    if (isWritten) slot.stamp = stamp
    return isWritten
  }

  /** The slot of an entry that is still in memory and may be used. */
  #slotOf(key: string, entry: Entry): MemorySlot | undefined {
    const slot = this.#memory.peek(key)
    if (slot?.entry !== entry) return undefined
    if (this.#mirror.coversSince(key, slot.entry.tags, slot.sequence)) return undefined
    return slot.entry.deleteAt > this.#clock.now() ? slot : undefined
  }

  /** Amends what Redis has, if it is this entry. Never rejects: without it, the next read of Redis gives what was there before. */
  async #amendShared(key: string, was: Entry, slot: MemorySlot, shared: Shared): Promise<void> {
    if (!shared.coherence.isConnected) return
    const { incarnation } = shared.coherence.stamp
    if (slot.writtenIn !== incarnation) {
      // It is on its way, with the content of before, or has failed to get there.
      shared.writeBack.remember(key)
      return
    }
    const stamp = { incarnation, position: slot.stamp.incarnation === incarnation ? slot.stamp.position : 0 }
    const frame = encodeFrame(slot.entry, slot.entry.storedAt, stamp)
    const ttl = slot.entry.deleteAt - this.#clock.now()
    await shared.entries.amend(key, frame, ttl, frameStart(was, stamp)).catch(() => {})
  }

  async #issue(covers: readonly Cover[]): Promise<Issue> {
    if (covers.length === 0) return { durable: true, existed: [] }
    this.#counters.invalidations++
    // Before anything is awaited: from here on this process never again serves what is covered.
    const recorded = this.#mirror.record(covers, this.#shared === undefined ? 0 : undefined)
    this.#dropKeys(covers)
    this.#events.tell('invalidate', { covers: covers.map(coverText), origin: 'local' })
    if (this.#shared === undefined) return { durable: true, existed: [] }
    const existed = await this.#shared.coherence.issue(recorded)
    if (existed !== undefined && covers.some((cover) => cover.kind !== 'key')) this.#shared.sweep.soon()
    return existed === undefined ? { durable: false, existed: [] } : { durable: true, existed }
  }

  #dropKeys(covers: readonly Cover[]): void {
    const now = this.#clock.monotonic()
    if (now - this.#agedAt > this.#keyRecordsFor) {
      this.#agedAt = now
      this.#mirror.ageKeys()
    }
    for (const cover of covers) if (cover.kind === 'key') this.#memory.delete(cover.key)
  }
}

/** An invalidation that was issued, and the first bytes of what its exact keys held in Redis. */
interface Issue extends Invalidation {
  readonly existed: readonly Buffer[]
}

/** What became of an entry that was put into memory. */
type Put = { readonly slot: MemorySlot; readonly isNewest: boolean } | { readonly refusal: Stored['reason'] & string }

/** What there is when there is a Redis. */
interface Shared {
  readonly coherence: Coherence
  readonly entries: SharedEntries
  readonly writeBack: WriteBack
  readonly sweep: Sweep
  /** `undefined` when processes need not wait for one another. */
  readonly turns: SharedTurns | undefined
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
