import type { Clock } from '../clock.js'
import type { Counters } from '../counters.js'
import type { Absence, Found } from '../found.js'
import { decodeFrame, decodeHead, FRAME_MAGIC, type Framed, HEAD_BYTES, isTombstone } from '../tiers/wire-frame.js'
import type { Coherence } from './coherence.js'
import type { Mirror } from './mirror.js'
import type { Ownership } from './ownership.js'
import type { SharedParts } from './shared-parts.js'

/** Judges frames from Redis: whether their entry may be used, by the invalidations that this process knows. */
export class JudgedFrames {
  readonly #clock: Clock
  readonly #counters: Counters
  readonly #mirror: Mirror
  readonly #coherence: Coherence
  readonly #ownership: Ownership

  constructor({ settings, counters, mirror, coherence, ownership }: SharedParts) {
    this.#clock = settings.clock
    this.#counters = counters
    this.#mirror = mirror
    this.#coherence = coherence
    this.#ownership = ownership
  }

  /** Returns an entry from Redis if it may be used. */
  usable(key: string, frame: Buffer, incarnation: string, asked: number): Framed | 'stray' | undefined {
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

  /** Like {@link usable}, without side effects, and with the reason if the entry may not be used. */
  peek(key: string, frame: Buffer): Found | Absence {
    const framed = decodeFrame(frame)
    if (framed === undefined || this.#ownerOf(key, framed) !== 'own') return 'unreadable'
    const judged = this.#judge(key, framed, this.#coherence.stamp.incarnation, Number.POSITIVE_INFINITY)
    if (typeof judged === 'string') return judged
    return { entry: judged.entry, tier: 'redis', disconnected: false, softened: this.isSoftened(key, judged) }
  }

  /** Whether a soft invalidation covers an entry in Redis. */
  isSoftened(key: string, { entry, stamp }: Pick<Framed, 'entry' | 'stamp'>): boolean {
    return this.#mirror.softensAfter(key, entry.tags, stamp.position)
  }

  /** Whether an entry removed by an exact invalidation could have been served, judged by its first bytes. */
  wasUsable(key: string, head: Buffer): boolean {
    const [magic, incarnation, position, , , deleteAt = '0'] = head.toString('latin1').split(' ')
    if (magic !== FRAME_MAGIC || incarnation !== this.#coherence.stamp.incarnation) return false
    return Number(deleteAt) > this.#clock.now() && !this.#mirror.coversOtherwise(key, Number(position))
  }

  /** Applies a tombstone found in Redis: if it is new to this process, the entry in memory is invalid too. */
  meetTombstone(key: string, frame: Buffer): void {
    const id = tombstoneId(frame)
    if (id !== undefined) this.#mirror.learnRetired(key, id)
  }

  /**
   * Applies the tombstone that an entry in Redis was stored after: if it is new to this process, the entry in memory
   * may be older.
   */
  meetSuccessor(key: string, frame: Buffer): void {
    const head = decodeHead(frame)
    if (head?.after !== undefined && this.#ownership.judge(key, head.label) === 'own') {
      this.#mirror.learnRetired(key, head.after)
    }
  }

  #judge(key: string, framed: Framed, incarnation: string, asked: number): Framed | Absence {
    if (isTombstone(framed) || framed.stamp.incarnation !== incarnation) return 'invalidated'
    const { entry, stamp, after } = framed
    if (entry.deleteAt <= this.#clock.now()) return 'expired'
    return this.#mirror.coversAfter(key, entry.tags, stamp.position, { asked, after }) ? 'invalidated' : framed
  }

  /**
   * Determines the owner of a frame. A stray frame was moved here from another key, or belongs to another command. A
   * tombstone has no owner.
   */
  #ownerOf(key: string, framed: Framed): 'own' | 'foreign' | 'stray' {
    return isTombstone(framed) ? 'own' : this.#ownership.judge(key, framed.label)
  }
}

/** The id of a tombstone left by a request; `undefined` for anything else. */
function tombstoneId(frame: Buffer): string | undefined {
  if (frame.length >= HEAD_BYTES) return undefined
  const head = decodeHead(frame)
  return head?.deleteAt === 0 ? head.id : undefined
}
