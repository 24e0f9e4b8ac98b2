import type { Clock } from '../clock.js'
import type { Counters } from '../counters.js'
import type { Entry } from '../entry.js'
import type { CoreSettings } from '../options.js'
import type { Stamp } from '../stamp.js'
import type { MemorySlot } from '../tiers/memory-tier.js'
import { encodeFrame, frameStart } from '../tiers/wire-frame.js'
import type { Coherence } from './coherence.js'
import type { JudgedMemory } from './judged-memory.js'
import type { Mirror } from './mirror.js'
import type { Ownership } from './ownership.js'
import type { LateEntry, SharedEntries } from './shared-entries.js'
import { WriteBack } from './write-back.js'

/** Brings to Redis what memory has: at once when it can be, and by write-back when it cannot. */
export class EntryWriter {
  readonly #settings: CoreSettings
  readonly #clock: Clock
  readonly #counters: Counters
  readonly #mirror: Mirror
  readonly #memory: JudgedMemory
  readonly #coherence: Coherence
  readonly #entries: SharedEntries
  readonly #ownership: Ownership
  readonly #writeBack: WriteBack
  #isStopped = false

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
    this.#writeBack = new WriteBack(memory.tier, coherence, (key, slot) => this.#writeLate(key, slot))
  }

  /** Begins to write back everything that Redis is not known to hold. Gives how much that is. */
  startWriteBack(): number {
    return this.#writeBack.start()
  }

  /** Entries whose writing failed and is to be tried again. */
  get pending(): number {
    return this.#writeBack.pending
  }

  stop(): void {
    this.#isStopped = true
    this.#writeBack.stop()
  }

  /**
   * Sends an entry to Redis; when that cannot be done now, memory keeps it for later. Never rejects.
   *
   * @param isAssigned - the value was handed in, and replaces a tombstone of whatever request
   */
  async write(key: string, slot: MemorySlot, isAssigned = false): Promise<boolean> {
    try {
      if (slot.entry.body.length > this.#settings.maxRedisBytes) {
        this.#counters.tooLargeForRedis++
        if (this.#coherence.isConnected) await this.#giveWay(key, slot)
        return false
      }
      await this.#coherence.waitForStart()
      if (this.#coherence.isConnected) {
        // Judged just now against everything up to the position that goes with it.
        if (this.#mirror.coversSince(key, slot.entry.tags, slot.sequence)) return false
        return await this.#send(key, slot, slot.stamp, undefined, isAssigned)
      }
      this.#coherence.noteUnavailable()
    } catch {
      this.#writeBack.remember(key)
    }
    return false
  }

  /** Amends what Redis has, if it is this entry. Never rejects: without it, the next read of Redis gives what was there before. */
  async amend(key: string, was: Entry, slot: MemorySlot): Promise<void> {
    if (!this.#coherence.isConnected) return
    if (slot.writtenIn !== this.#coherence.stamp.incarnation) {
      // It is on its way, with the content of before, or has failed to get there.
      this.#writeBack.remember(key)
      return
    }
    const stamp = this.#stampAt(slot.stamp)
    const frame = encodeFrame(slot.entry, slot.entry.storedAt, stamp, this.#ownership.label(key), slot.after)
    const ttl = slot.entry.deleteAt - this.#clock.now()
    await this.#entries
      .amend(key, frame, ttl, frameStart(was, stamp, this.#ownership.label(key), slot.after))
      .catch(() => {})
  }

  /**
   * Moves a value that was handed in beyond what the log holds, unless it was invalidated here meanwhile. `undefined` when
   * Redis does not answer: no need to wait for it once more.
   */
  async advance(key: string, slot: MemorySlot): Promise<MemorySlot | undefined> {
    await this.#coherence.waitForStart()
    if (this.#coherence.starting !== undefined) return undefined
    try {
      if (this.#coherence.isConnected) await this.#entries.catchUp()
    } catch {
      this.#writeBack.remember(key)
      return undefined
    }
    if (this.#isStopped || this.#mirror.issuedSince(key, slot.entry.tags, slot.sequence)) return slot
    slot.sequence = this.#mirror.sequence
    slot.stamp = this.#coherence.stamp
    if (this.#memory.tier.peek(key) === undefined) this.#memory.tier.put(key, slot)
    return slot
  }

  /** Takes out of Redis what an entry replaces that is not to be sent: whatever is found there afterwards is newer. */
  async #giveWay(key: string, slot: MemorySlot): Promise<void> {
    const { incarnation } = this.#coherence.stamp
    await this.#entries.remove(key)
    slot.writtenIn = incarnation
  }

  /** True when Redis has it, or something newer. */
  async #writeLate(key: string, slot: MemorySlot): Promise<boolean> {
    if (slot.entry.body.length > this.#settings.maxRedisBytes) return false
    if (this.#mirror.coversSince(key, slot.entry.tags, slot.sequence)) return false
    if (slot.entry.deleteAt <= this.#clock.now()) return false
    if (this.#mirror.retired.isUnsettled(key)) {
      // Another process may have retired it since: that shows when Redis takes the tombstone of this one.
      this.#writeBack.remember(key)
      return false
    }
    // It has been judged against every record up to here, so here is its place: what was invalidated before its handler
    // started, and told to the log only now, must not take it along.
    const late = { storedAt: slot.entry.storedAt, goodFrom: this.#mirror.newestCovering(key, slot.entry.tags) }
    const isWritten = await this.#send(key, slot, this.#coherence.stamp, late)
    if (isWritten) this.#counters.writtenBack++
    return isWritten
  }

  async #send(key: string, slot: MemorySlot, place: Stamp, late?: LateEntry, isAssigned = false): Promise<boolean> {
    const { entry } = slot
    const stamp = this.#stampAt(place)
    const { retired } = this.#mirror
    const known = retired.idFor(key, slot.sequence)
    const after = known === '' ? undefined : { id: known, older: retired.olderThan(key) }
    const frame = encodeFrame(entry, entry.storedAt, stamp, this.#ownership.label(key), after?.id)
    const ttl = entry.deleteAt - this.#clock.now()
    const applied = this.#coherence.stamp.position
    const written = await this.#entries.write(key, frame, ttl, stamp, applied, late, after)
    if (written === 'behind') {
      // Judged once more when this process has read what the log has.
      this.#writeBack.remember(key)
      return false
    }
    if (typeof written === 'object' && isAssigned) {
      // What was handed in is newer than any tombstone that it meets.
      this.#mirror.learnRetired(key, written.lostTo)
      slot.sequence = this.#mirror.sequence
      return this.#send(key, slot, place, late)
    }
    slot.writtenIn = stamp.incarnation
    if (typeof written === 'object') this.#lost(key, slot, written.lostTo)
    if (written !== 'written') return false
    this.#ownership.stored()
    // What a read gives back is then known as this very entry.
    slot.stamp = stamp
    slot.after = after?.id
    return true
  }

  /** A request has retired the key, in another process, since the handler started. */
  #lost(key: string, slot: MemorySlot, id: string): void {
    this.#mirror.learnRetired(key, id)
    if (this.#memory.tier.peek(key) === slot) this.#memory.tier.delete(key)
    this.#counters.lateStores++
  }

  /** A place in an earlier life of the log means the very beginning of this one: too low is always safe. */
  #stampAt({ incarnation: written, position }: Stamp): Stamp {
    const { incarnation } = this.#coherence.stamp
    return { incarnation, position: written === incarnation ? position : 0 }
  }
}
