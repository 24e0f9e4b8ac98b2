import type { MemorySlot } from '../tiers/memory-tier.js'
import { decodeHead } from '../tiers/wire-frame.js'
import type { Held, Read } from './batched-reads.js'
import type { Changes } from './changes.js'
import type { SharedParts } from './shared-parts.js'

/** A lookup in Redis, and what is known of the entry in memory. */
export interface EntryLookup {
  /** What Redis needs to know of the entry in memory to confirm it. */
  readonly held: Held | undefined
  /** The entry in memory that Redis may have in the same version; once Redis has confirmed one, that one. */
  slot: MemorySlot | undefined
  /** The place in the changes of Redis up to which the reply is current; `undefined` if they are not followed. */
  place: number | undefined
}

/** Knows which entries in memory are those that Redis has. */
export class CurrentCopies {
  readonly #parts: Pick<SharedParts, 'memory' | 'coherence' | 'mirror'>
  readonly #changes: Changes | undefined

  /** @param parts - `changes` is `undefined` unless memory answers what Redis has confirmed */
  constructor(parts: SharedParts) {
    this.#parts = parts
    this.#changes = parts.changes
  }

  /** Prepares a lookup in Redis, to be called directly before it. */
  ask(key: string): EntryLookup {
    const { memory, coherence } = this.#parts
    const { incarnation } = coherence.stamp
    const slot = memory.tier.peek(key)
    const kept = slot?.writtenIn === incarnation ? slot : undefined
    const id = kept?.entry.id
    const large = kept !== undefined && id !== undefined ? { id, stamp: kept.stamp } : undefined
    const changes = this.#changes
    if (changes?.isOpen(incarnation) !== true) {
      changes?.retry(coherence.connection.tier, coherence.headKey, incarnation)
      return { held: large, slot: kept, place: undefined }
    }
    const asked: EntryLookup & { held: Held | undefined; place: number } = {
      held: undefined,
      slot: kept,
      place: changes.place,
    }
    const isCurrent = (): boolean => {
      if (!changes.isOpen(incarnation)) return false
      asked.place = changes.place
      const current = this.#currentCopy(key, incarnation, changes)
      if (current !== undefined) asked.slot = current
      return current !== undefined
    }
    asked.held = {
      ...(large ?? { id: undefined, stamp: coherence.stamp }),
      isCurrent: kept?.place === undefined ? undefined : isCurrent,
      readWith: (head) => {
        asked.place = changes.placeOf(head) ?? asked.place
      },
    }
    return asked
  }

  /** Whether Redis has, or had, a newer entry than this one, so that it must not be used if Redis has lost that. */
  isReplaced(key: string, slot: MemorySlot | undefined): boolean {
    return slot?.place !== undefined && this.#changes?.judge(key, slot.place) === 'replaced'
  }

  /**
   * Whether an entry that Redis is not known to hold gives way to the one that was read: Redis took that one after this
   * process had sent its own, or it was stored later.
   */
  givesWay(key: string, slot: MemorySlot, read: Read): boolean {
    if (this.#changes === undefined || !(read instanceof Buffer)) return false
    const theirs = decodeHead(read)
    if (theirs === undefined || theirs.deleteAt === 0) return false
    if (theirs.stamp.incarnation !== this.#parts.coherence.stamp.incarnation) return false
    const currency = slot.sentAt === undefined ? 'unknown' : this.#changes.judge(key, slot.sentAt)
    if (currency !== 'unknown') return currency === 'replaced'
    // As the write-back of it would decide.
    const goodFrom = this.#parts.mirror.newestCovering(key, slot.entry.tags)
    return theirs.stamp.position >= goodFrom && theirs.storedAt >= slot.entry.storedAt
  }

  /** Notes that Redis had the entry in memory at a place. */
  confirm(slot: MemorySlot, { place }: EntryLookup): void {
    if (place !== undefined) slot.place = Math.max(slot.place ?? 0, place)
  }

  #currentCopy(key: string, incarnation: string, changes: Changes): MemorySlot | undefined {
    const slot = this.#parts.memory.tier.peek(key)
    if (slot?.place === undefined || slot.writtenIn !== incarnation) return undefined
    if (changes.judge(key, slot.place) !== 'current') return undefined
    slot.place = Math.max(slot.place, changes.place)
    return slot
  }
}
