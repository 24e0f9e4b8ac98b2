import type { AgedMap } from './aged-map.js'
import type { Cover } from './cover.js'
import { LogPlaces } from './log-places.js'
import { type ReadEntry, RetiredKeys, type Settlement } from './retired-keys.js'
import { type NewestInvalidation, noInvalidation, type Slot, Slots } from './slots.js'

/** Usage of the mirror. */
export interface MirrorStats {
  readonly records: number
  readonly bytes: number
  readonly maxBytes: number
  /** How many times old records were folded into "everything older", because the limit was exceeded. */
  readonly folds: number
}

/** The record of one invalidation, which gets its position in the log later. */
export interface Recorded {
  readonly covers: readonly Cover[]
  readonly sequence: number
}

/** Maximum number of records checked by one call that frees memory, so that no call takes long. */
const MOST_STEPS = 64

/**
 * Stores the invalidations known to this process: the newest one of each key, prefix and tag.
 *
 * There are two orders. The *sequence* is local, and counts records in the order in which this process learns of them,
 * its own immediately: it judges results that this process has made or already judged. The *position* is that of the
 * shared log, and judges entries read from Redis. An own record has a sequence immediately, and a position once it is
 * in the log; until then it covers every matching entry read from Redis, regardless of its stamp.
 *
 * Hard and soft invalidations are kept side by side and judged apart, so that their order does not matter: an entry is
 * invalid if a hard one is newer, and stale if a soft one is.
 *
 * Bounded: beyond `maxBytes` the oldest records are folded, a few at a time, into one that covers everything older than
 * they are. That invalidates too much, never too little, and the oldest entries first. No operation iterates over all
 * records.
 */
export class Mirror {
  #sequence = 0
  #position = 0
  #pending = 0
  /** The sequence and position of the newest soft invalidation, and how many have no position yet. */
  #softSequence = 0
  #softPosition = 0
  #softPending = 0
  #folds = 0
  readonly #slots = new Slots()
  /** Records of single keys that have no position in the log yet. */
  #waitingKeys = new Map<string, Slot>()
  readonly #places = new LogPlaces()
  readonly #maxBytes: number
  /** Keys retired by requests: another kind of record, with a limit of its own. */
  readonly retired: RetiredKeys

  constructor(maxBytes: number, retired = new RetiredKeys()) {
    this.#maxBytes = maxBytes
    this.retired = retired
  }

  /** The newest sequence, up to which a handler that starts now has seen all invalidations. */
  get sequence(): number {
    return this.#sequence
  }

  /** Records an invalidation. `position` is its position in the log; `undefined` if it has none yet. */
  record(covers: readonly Cover[], position: number | undefined): Recorded {
    return this.#record(covers, position, ++this.#sequence)
  }

  /** Records an invalidation of an earlier process: it is older than all that this one has made, and has no position. */
  recordEarlier(covers: readonly Cover[]): Recorded {
    return this.#record(covers, undefined, 0)
  }

  /** Records that a request of this process has retired a key; `id` is that of the tombstone not yet in Redis. */
  retire(key: string, id: string): void {
    const sequence = ++this.#sequence
    this.retired.add(key, { sequence, id, isOwn: true, isSettled: false, position: this.#position })
  }

  /** Records a tombstone of another process found in Redis. Returns false if it is already known. */
  learnRetired(key: string, id: string): boolean {
    if (this.retired.knows(key, id)) return false
    this.retired.meet(key, id, ++this.#sequence, this.#position)
    return true
  }

  /** Notes that Redis has the tombstone of a key retired here, or something newer. */
  settleRetired(key: string, id: string, settlement: Settlement): void {
    this.retired.settle(key, id, ++this.#sequence, settlement)
  }

  /** Sets the position of an invalidation that was waiting for it. */
  settle(recorded: Recorded, position: number): void {
    for (const cover of recorded.covers) {
      const slot = this.#slots.find(cover)
      const standing = cover.soft === true ? slot?.soft : slot
      if (standing === undefined || !this.#places.isWaiting(standing)) continue
      standing.pending--
      this.#countPending(cover, -1)
      if (cover.kind === 'key' && standing.pending === 0) this.#waitingKeys.delete(cover.key)
    }
    this.place(recorded.covers, position)
    // Waiting records cannot be folded, so the limit is checked now.
    if (this.#slots.bytes > this.#maxBytes) this.#fold()
  }

  /**
   * Notes that no record waits for a position any longer, because a later record of everything replaces those that did.
   */
  settleAll(): void {
    this.#places.endWaits()
    this.#pending = 0
    this.#softPending = 0
    this.#waitingKeys = new Map()
  }

  /** Sets the position of covers, for records that are appended to the log again. */
  place(covers: readonly Cover[], position: number): void {
    this.#reach(covers, position)
    for (const cover of covers) {
      this.#places.place(this.#standing(this.#slots.find(cover) ?? this.#slots.renew(cover), cover), position)
    }
  }

  /** Whether an invalidation that covers this key or these tags was learned after `sequence`. */
  coversSince(key: string, tags: readonly string[], sequence: number): boolean {
    if (sequence >= this.#sequence) return false
    return this.#slots.some(key, tags, (slot) => slot.sequence > sequence) || this.retired.coversSince(key, sequence)
  }

  /** Whether this process issued an invalidation, hard or soft, that covers this key or these tags after `sequence`. */
  issuedSince(key: string, tags: readonly string[], sequence: number): boolean {
    if (sequence >= this.#sequence) return false
    const isOwn = (slot: Slot): boolean => slot.own > sequence || (slot.soft?.own ?? 0) > sequence
    return this.#slots.some(key, tags, isOwn) || this.retired.coversSince(key, sequence)
  }

  /** Whether a soft invalidation that covers this key or these tags was learned after `sequence`. */
  softensSince(key: string, tags: readonly string[], sequence: number): boolean {
    if (sequence >= this.#softSequence) return false
    return this.#slots.some(key, tags, ({ soft }) => soft !== undefined && soft.sequence > sequence)
  }

  /** Whether a soft invalidation that covers this key or these tags has a position after `position`, or none yet. */
  softensAfter(key: string, tags: readonly string[], position: number): boolean {
    if (position >= this.#softPosition && this.#softPending === 0) return false
    const isNewer = ({ soft }: Slot) =>
      soft !== undefined && (this.#places.isWaiting(soft) || this.#places.of(soft) > position)
    return this.#slots.some(key, tags, isNewer)
  }

  /** Whether an invalidation that covers this key or these tags has a position after `position`, or none yet. */
  coversAfter(key: string, tags: readonly string[], position: number, read?: ReadEntry): boolean {
    if (this.retired.coversAfter(key, position, read)) return true
    if (position >= this.#position && this.#pending === 0) return false
    return this.#slots.some(key, tags, (slot) => this.#places.isWaiting(slot) || this.#places.of(slot) > position)
  }

  /**
   * The newest position of all invalidations that cover this key or these tags; entries with an earlier one are
   * invalid.
   */
  newestCovering(key: string, tags: readonly string[]): number {
    let newest = 0
    this.#slots.some(key, tags, (slot) => {
      const position = this.#places.of(slot)
      if (position > newest) newest = position
      return false
    })
    return newest
  }

  /** Like {@link coversAfter} without tags, but ignores records of this exact key. */
  coversOtherwise(key: string, position: number): boolean {
    return this.#slots.someOfMany(key, (slot) => this.#places.of(slot) > position)
  }

  /** Invalidates all entries stamped before this position, because the records needed to judge them are gone. */
  raiseFloor(position: number): void {
    this.#places.place(this.#slots.floor, position)
    if (position > this.#position) this.#position = position
  }

  /** Invalidates all results that this process has made or judged so far. */
  forgetEverything(): void {
    this.#slots.floor.sequence = ++this.#sequence
  }

  /** Starts a new life of the log: positions start over, and known records are kept. */
  startOver(): void {
    this.#position = 0
    this.#softPosition = 0
    this.#places.startLife()
  }

  /**
   * Removes the records of single keys that already existed at the last call, and were not renewed since.
   *
   * The entries they cover were removed from both tiers immediately, so the records are only needed to reject results
   * in progress. It is called so rarely that no result can be in progress for that long.
   */
  ageKeys(): void {
    this.#slots.ageKeys(this.#waitingKeys)
  }

  stats(): MirrorStats {
    const { size, bytes } = this.#slots
    return { records: size, bytes, maxBytes: this.#maxBytes, folds: this.#folds }
  }

  #record(covers: readonly Cover[], position: number | undefined, sequence: number): Recorded {
    if (position !== undefined) this.#reach(covers, position)
    for (const cover of covers) {
      const slot = this.#slots.renew(cover)
      const standing = this.#standing(slot, cover)
      standing.sequence = Math.max(standing.sequence, sequence)
      if (cover.soft === true) this.#softSequence = Math.max(this.#softSequence, sequence)
      if (position === undefined) {
        this.#places.wait(standing)
        standing.own = Math.max(standing.own, sequence)
        this.#countPending(cover, 1)
        if (cover.kind === 'key') this.#waitingKeys.set(cover.key, slot)
      } else this.#places.place(standing, position)
      if (this.#slots.bytes > this.#maxBytes) this.#fold()
    }
    return { covers, sequence }
  }

  /** The part of a slot that a cover changes. */
  #standing(slot: Slot, { soft }: Cover): NewestInvalidation {
    if (soft !== true) return slot
    slot.soft ??= noInvalidation()
    return slot.soft
  }

  #reach(covers: readonly Cover[], position: number): void {
    if (position > this.#position) this.#position = position
    if (position > this.#softPosition && covers.some(({ soft }) => soft === true)) this.#softPosition = position
  }

  #countPending({ soft }: Cover, by: 1 | -1): void {
    if (soft === true) this.#softPending += by
    else this.#pending += by
  }

  /** Folds the oldest records until the size is within the limit, but checks at most {@link MOST_STEPS} records. */
  #fold(): void {
    let isFolded = false
    const turned = new Map<AgedMap<Slot>, number>()
    for (let step = 0; step < MOST_STEPS && this.#slots.bytes > this.#maxBytes; step++) {
      const [slots, name, slot] = this.#slots.oldest(turned) ?? []
      if (slots === undefined || name === undefined || slot === undefined) break
      if (this.#places.isWaiting(slot) || (slot.soft !== undefined && this.#places.isWaiting(slot.soft))) {
        // A record without a position cannot be folded: it moves to the end of its map.
        slots.set(name, slot)
        turned.set(slots, (turned.get(slots) ?? 0) + 1)
      } else {
        isFolded = true
        this.#foldOne(slots, name, slot)
      }
    }
    if (isFolded) this.#folds++
  }

  #foldOne(slots: AgedMap<Slot>, name: string, slot: Slot): void {
    this.#foldInto(this.#slots.floor, slot)
    if (slot.soft !== undefined) {
      this.#slots.floor.soft ??= noInvalidation()
      this.#foldInto(this.#slots.floor.soft, slot.soft)
    }
    this.#slots.delete(slots, name)
  }

  #foldInto(floor: NewestInvalidation, standing: NewestInvalidation): void {
    if (standing.sequence > floor.sequence) floor.sequence = standing.sequence
    if (standing.own > floor.own) floor.own = standing.own
    this.#places.place(floor, this.#places.of(standing))
  }
}
