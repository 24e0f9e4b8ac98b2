import { type Clock, settledWithin } from '../clock.js'
import type { Counters } from '../counters.js'
import type { Entry } from '../entry.js'
import type { CoreSettings } from '../options.js'
import type { Stamp } from '../stamp.js'
import type { MemorySlot } from '../tiers/memory-tier.js'
import { encodeFrame, frameStart } from '../tiers/wire-frame.js'
import type { Changes } from './changes.js'
import type { Coherence } from './coherence.js'
import type { JudgedMemory } from './judged-memory.js'
import type { Mirror } from './mirror.js'
import type { Ownership } from './ownership.js'
import type { RedisConnection } from './redis-connection.js'
import type { LateEntry, SharedEntries, Written } from './shared-entries.js'
import type { SharedParts } from './shared-parts.js'
import { WriteBack } from './write-back.js'

/** How an entry is sent to Redis. */
interface Sending {
  /** Given for an entry that is written back after an outage. */
  readonly late?: LateEntry | undefined
  /** True if the value was set explicitly, and so replaces the tombstone of any request. */
  readonly isAssigned?: boolean
}

/** Writes entries from memory to Redis: immediately if possible, otherwise later by write-back. */
export class EntryWriter {
  readonly #settings: CoreSettings
  readonly #clock: Clock
  readonly #counters: Counters
  readonly #mirror: Mirror
  readonly #memory: JudgedMemory
  readonly #coherence: Coherence
  readonly #connection: RedisConnection
  readonly #entries: SharedEntries
  readonly #ownership: Ownership
  readonly #changes: Changes | undefined
  readonly #writeBack: WriteBack
  #isStopped = false

  constructor({ settings, counters, mirror, memory, coherence, entries, ownership, changes }: SharedParts) {
    this.#settings = settings
    this.#clock = settings.clock
    this.#counters = counters
    this.#mirror = mirror
    this.#memory = memory
    this.#coherence = coherence
    this.#connection = coherence.connection
    this.#entries = entries
    this.#ownership = ownership
    this.#changes = changes
    this.#writeBack = new WriteBack(memory.tier, coherence, (key, slot) => this.#writeLate(key, slot))
  }

  /** Starts to write back every entry that Redis is not known to hold. Returns their number. */
  startWriteBack(): number {
    return this.#writeBack.start()
  }

  /** Number of entries whose writing failed and will be tried again. */
  get pending(): number {
    return this.#writeBack.pending
  }

  stop(): void {
    this.#isStopped = true
    this.#writeBack.stop()
  }

  /**
   * Sends an entry to Redis; if that is impossible now, it remains in memory for write-back. Never rejects.
   *
   * @param isAssigned - true if the value was set explicitly, and so replaces the tombstone of any request
   */
  async write(key: string, slot: MemorySlot, isAssigned = false): Promise<boolean> {
    try {
      if (slot.entry.body.length > this.#settings.maxRedisBytes) {
        this.#counters.tooLargeForRedis++
        if (this.#connection.isConnected) await this.#giveWay(key, slot)
        return false
      }
      await this.#connection.waitForStart()
      if (this.#connection.isConnected) {
        // It must be valid up to the position with which it is stamped.
        if (this.#mirror.coversSince(key, slot.entry.tags, slot.sequence)) return false
        return await this.#send(key, slot, slot.stamp, { isAssigned })
      }
      this.#connection.noteUnavailable()
    } catch {
      this.#writeBack.remember(key)
    }
    return false
  }

  /**
   * Amends an entry in Redis if Redis has the same version. Never rejects: if it fails, the next read from Redis
   * returns the previous version.
   */
  async amend(key: string, was: Entry, slot: MemorySlot): Promise<void> {
    if (!this.#connection.isConnected) return
    if (slot.writtenIn !== this.#coherence.stamp.incarnation) {
      // The previous version is being written, or its writing has failed.
      this.#writeBack.remember(key)
      return
    }
    const stamp = this.#stampAt(slot.stamp)
    const origin = { stamp, label: this.#ownership.label(key), after: slot.after }
    const frame = encodeFrame(slot.entry, slot.entry.storedAt, origin)
    const ttl = slot.entry.deleteAt - this.#clock.now()
    this.#counters.redisBytesWritten += frame.length
    await this.#entries.amend(key, frame, ttl, frameStart(was, origin)).catch(() => {})
  }

  /**
   * Moves the stamp of an explicitly set value to the end of the log, unless it was invalidated by this process in the
   * meantime. Returns `undefined` if Redis does not answer, so that the caller does not wait for it again.
   */
  async advance(key: string, slot: MemorySlot): Promise<MemorySlot | undefined> {
    await this.#connection.waitForStart()
    if (this.#connection.starting !== undefined) return undefined
    try {
      if (this.#connection.isConnected) await this.#entries.catchUp()
    } catch {
      this.#writeBack.remember(key)
      return undefined
    }
    if (this.#isStopped || slot.softened || this.#mirror.issuedSince(key, slot.entry.tags, slot.sequence)) return slot
    slot.sequence = this.#mirror.sequence
    slot.stamp = this.#coherence.stamp
    if (this.#memory.tier.peek(key) === undefined) this.#memory.tier.put(key, slot)
    return slot
  }

  /** Removes the previous entry of a key whose new entry is too large for Redis. An entry found there later is newer. */
  async #giveWay(key: string, slot: MemorySlot): Promise<void> {
    const { stamp } = this.#coherence
    const placeOf = this.#changes?.expect(stamp.incarnation)
    const { count, isLast } = await this.#entries.remove(key, stamp)
    slot.place = placeOf?.(count, isLast)
    slot.writtenIn = stamp.incarnation
  }

  /** Returns true if the entry was written. */
  async #writeLate(key: string, slot: MemorySlot): Promise<boolean> {
    if (slot.entry.body.length > this.#settings.maxRedisBytes) return false
    if (this.#mirror.coversSince(key, slot.entry.tags, slot.sequence)) return false
    if (slot.entry.deleteAt <= this.#clock.now()) return false
    if (slot.place !== undefined && this.#changes?.judge(key, slot.place) === 'replaced') {
      this.#memory.drop(key)
      return false
    }
    if (this.#mirror.retired.isUnsettled(key)) {
      // Another process may have retired the key since: that is only known once Redis has this process's tombstone.
      this.#writeBack.remember(key)
      return false
    }
    // It was judged against all records up to here, so this is its stamp. Invalidations from before
    // its handler started that reach the log only now must not cover it.
    const late = { storedAt: slot.entry.storedAt, goodFrom: this.#mirror.newestCovering(key, slot.entry.tags) }
    // With the stamp of the end of the log, an entry that is stale here would be fresh for other processes.
    const place = this.#memory.isSoftened(key, slot) ? slot.stamp : this.#coherence.stamp
    const isWritten = await this.#send(key, slot, place, { late })
    if (isWritten) this.#counters.writtenBack++
    return isWritten
  }

  async #send(key: string, slot: MemorySlot, place: Stamp, { late, isAssigned }: Sending): Promise<boolean> {
    const { entry } = slot
    const stamp = this.#stampAt(place)
    const { retired } = this.#mirror
    const known = retired.idFor(key, slot.sequence)
    const after = known === '' ? undefined : { id: known, older: retired.olderThan(key) }
    const frame = encodeFrame(entry, entry.storedAt, { stamp, label: this.#ownership.label(key), after: after?.id })
    const ttl = entry.deleteAt - this.#clock.now()
    const applied = this.#coherence.stamp.position
    this.#counters.redisBytesWritten += frame.length
    const placeOf = this.#changes?.expect(stamp.incarnation)
    slot.sentAt ??= this.#changes?.place
    const sentAt = this.#clock.monotonic()
    const placeBefore = slot.place
    const written = await this.#entries.write(key, frame, { ttl, stamp, applied, late, after })
    if (written === 'behind') {
      // To be judged again when this process has read the new records.
      this.#writeBack.remember(key)
      return false
    }
    if (isLost(written) && isAssigned === true) {
      // An explicitly set value is newer than any tombstone in its place.
      this.#mirror.learnRetired(key, written.lostTo)
      slot.softened = this.#memory.isSoftened(key, slot)
      slot.sequence = this.#mirror.sequence
      return this.#sendAgain(key, () => this.#send(key, slot, place, { late }), sentAt)
    }
    slot.writtenIn = stamp.incarnation
    if (isLost(written)) this.#lost(key, slot, written.lostTo)
    if (written === 'newer' && slot.place === placeBefore) this.#giveUp(key, slot)
    if (written === 'newer' || isLost(written)) return false
    slot.place = placeOf?.(written.count)
    this.#ownership.stored()
    // Later reads recognize the entry by these values.
    slot.stamp = stamp
    slot.after = after?.id
    return true
  }

  /** Sends an entry a second time; the first attempt and the wait for this one have one deadline in common. */
  async #sendAgain(key: string, send: () => Promise<boolean>, since: number): Promise<boolean> {
    let isWritten = false
    const sent = send().then(
      (done) => {
        isWritten = done
      },
      () => this.#writeBack.remember(key),
    )
    await settledWithin(this.#clock, sent, since + this.#settings.redisTimeout - this.#clock.monotonic())
    return isWritten
  }

  /**
   * Handles a write rejected because Redis has something newer, which was not found to be this very entry: if Redis loses
   * that, this one must not be used in its place.
   */
  #giveUp(key: string, slot: MemorySlot): void {
    if (this.#changes !== undefined && this.#memory.tier.peek(key) === slot) this.#memory.drop(key)
  }

  /** Handles a write rejected by a tombstone: another process has retired the key since the handler started. */
  #lost(key: string, slot: MemorySlot, id: string): void {
    this.#mirror.learnRetired(key, id)
    if (this.#memory.tier.peek(key) === slot) this.#memory.tier.delete(key)
    this.#counters.lateStores++
  }

  /**
   * Converts a stamp to the current life of the log. A stamp of an earlier life becomes position 0: too low is always
   * safe.
   */
  #stampAt({ incarnation: written, position }: Stamp): Stamp {
    const { incarnation } = this.#coherence.stamp
    return { incarnation, position: written === incarnation ? position : 0 }
  }
}

function isLost(written: Written): written is Extract<Written, { readonly lostTo: string }> {
  return typeof written === 'object' && 'lostTo' in written
}
