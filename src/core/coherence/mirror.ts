import { AgedMap } from './aged-map.js'
import { type Cover, foldCase, prefixName, tagName } from './cover.js'
import { PrefixMap } from './prefix-map.js'
import { type ReadEntry, RetiredKeys, type Settlement } from './retired-keys.js'

/** The newest invalidation of one kind, hard or soft, of one key, prefix or tag. */
interface Standing {
  /** Position in this process's local sequence; later is larger. */
  sequence: number
  /** Position in the shared log, in the life given by `life`; 0 if it has none. */
  position: number
  /** The life of the log, as a local number. */
  life: number
  /** Number of invalidations of this process that have no position in the log yet. */
  pending: number
  /** The round in which `pending` was counted; after {@link Mirror.settleAll} it is 0. */
  round: number
  /** The newest sequence of this process's own invalidations. */
  own: number
}

/** The newest hard invalidation of a key, prefix or tag, and the newest soft one, if it was invalidated softly. */
interface Slot extends Standing {
  soft: Standing | undefined
}

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

/** Estimated overhead of a slot in bytes: objects, map nodes, order. */
const slotOverhead = 160

/** Maximum number of records checked by one call that frees memory, so that no call takes long. */
const mostSteps = 64

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
  #bytes = 0
  #folds = 0
  #life = 0
  readonly #floor: Slot = newSlot(0)
  readonly #all: Slot = newSlot(0)
  /** Records of single keys, recent and older ones; see {@link Mirror.ageKeys}. */
  #keys = new AgedMap<Slot>()
  #olderKeys = new AgedMap<Slot>()
  #olderKeyBytes = 0
  #keyBytes = 0
  /** Records of single keys that have no position in the log yet. */
  #waitingKeys = new Map<string, Slot>()
  /** Counts the calls of {@link Mirror.settleAll}. */
  #round = 0
  readonly #tags = new AgedMap<Slot>()
  readonly #prefixes = new PrefixMap<Slot>()
  readonly #foldedPrefixes = new PrefixMap<Slot>()
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
    const sequence = ++this.#sequence
    if (position !== undefined) this.#reach(covers, position)
    for (const cover of covers) {
      const slot = this.#renewed(cover)
      const standing = this.#standing(slot, cover)
      standing.sequence = sequence
      if (cover.soft === true) this.#softSequence = sequence
      if (position === undefined) {
        standing.pending = this.#isWaiting(standing) ? standing.pending + 1 : 1
        standing.round = this.#round
        standing.own = sequence
        this.#countPending(cover, 1)
        if (cover.kind === 'key') this.#waitingKeys.set(cover.key, slot)
      } else this.#place(standing, position)
      if (this.#bytes > this.#maxBytes) this.#fold()
    }
    return { covers, sequence }
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

  /**
   * Notes that Redis has the tombstone of a key retired here, or something newer.
   *
   * @param position - the end of the log
   * @param leftId - its id in Redis; if it differs from `id`, the key was also retired elsewhere, before or after
   * @param met - the id of the tombstone that it replaced; `''` if there was none
   */
  settleRetired(key: string, id: string, settlement: Settlement): void {
    this.retired.settle(key, id, ++this.#sequence, settlement)
  }

  /** Sets the position of an invalidation that was waiting for it. */
  settle(recorded: Recorded, position: number): void {
    for (const cover of recorded.covers) {
      const slot = this.#known(cover)
      const standing = cover.soft === true ? slot?.soft : slot
      if (standing === undefined || !this.#isWaiting(standing)) continue
      standing.pending--
      this.#countPending(cover, -1)
      if (cover.kind === 'key' && standing.pending === 0) this.#waitingKeys.delete(cover.key)
    }
    this.place(recorded.covers, position)
    // Waiting records cannot be folded, so the limit is checked now.
    if (this.#bytes > this.#maxBytes) this.#fold()
  }

  /**
   * Notes that no record waits for a position any longer, because a later record of everything replaces those that did.
   */
  settleAll(): void {
    this.#round++
    this.#pending = 0
    this.#softPending = 0
    this.#waitingKeys = new Map()
  }

  /** Sets the position of covers, for records that are appended to the log again. */
  place(covers: readonly Cover[], position: number): void {
    this.#reach(covers, position)
    for (const cover of covers) {
      this.#place(this.#standing(this.#known(cover) ?? this.#renewed(cover), cover), position)
    }
  }

  /** Whether an invalidation that covers this key or these tags was learned after `sequence`. */
  coversSince(key: string, tags: readonly string[], sequence: number): boolean {
    if (sequence >= this.#sequence) return false
    return this.#some(key, tags, (slot) => slot.sequence > sequence) || this.retired.coversSince(key, sequence)
  }

  /** Whether this process issued an invalidation, hard or soft, that covers this key or these tags after `sequence`. */
  issuedSince(key: string, tags: readonly string[], sequence: number): boolean {
    if (sequence >= this.#sequence) return false
    const isOwn = (slot: Slot): boolean => slot.own > sequence || (slot.soft?.own ?? 0) > sequence
    return this.#some(key, tags, isOwn) || this.retired.coversSince(key, sequence)
  }

  /** Whether a soft invalidation that covers this key or these tags was learned after `sequence`. */
  softensSince(key: string, tags: readonly string[], sequence: number): boolean {
    if (sequence >= this.#softSequence) return false
    return this.#some(key, tags, ({ soft }) => soft !== undefined && soft.sequence > sequence)
  }

  /** Whether a soft invalidation that covers this key or these tags has a position after `position`, or none yet. */
  softensAfter(key: string, tags: readonly string[], position: number): boolean {
    if (position >= this.#softPosition && this.#softPending === 0) return false
    const isNewer = ({ soft }: Slot) =>
      soft !== undefined && (this.#isWaiting(soft) || this.#positionOf(soft) > position)
    return this.#some(key, tags, isNewer)
  }

  /** Whether an invalidation that covers this key or these tags has a position after `position`, or none yet. */
  coversAfter(key: string, tags: readonly string[], position: number, read?: ReadEntry): boolean {
    if (this.retired.coversAfter(key, position, read)) return true
    if (position >= this.#position && this.#pending === 0) return false
    return this.#some(key, tags, (slot) => this.#isWaiting(slot) || this.#positionOf(slot) > position)
  }

  /**
   * The newest position of all invalidations that cover this key or these tags; entries with an earlier one are
   * invalid.
   */
  newestCovering(key: string, tags: readonly string[]): number {
    let newest = 0
    this.#some(key, tags, (slot) => {
      const position = this.#positionOf(slot)
      if (position > newest) newest = position
      return false
    })
    return newest
  }

  /** Like {@link coversAfter} without tags, but ignores records of this exact key. */
  coversOtherwise(key: string, position: number): boolean {
    const isNewer = (slot: Slot): boolean => this.#positionOf(slot) > position
    if (isNewer(this.#floor) || isNewer(this.#all) || this.#prefixes.some(key, isNewer)) return true
    return this.#foldedPrefixes.size > 0 && this.#foldedPrefixes.some(foldCase(key), isNewer)
  }

  /** Invalidates all entries stamped before this position, because the records needed to judge them are gone. */
  raiseFloor(position: number): void {
    this.#place(this.#floor, position)
    if (position > this.#position) this.#position = position
  }

  /** Invalidates all results that this process has made or judged so far. */
  forgetEverything(): void {
    this.#floor.sequence = ++this.#sequence
  }

  /** Starts a new life of the log: positions start over, and known records are kept. */
  startOver(): void {
    this.#position = 0
    this.#softPosition = 0
    this.#life++
  }

  /**
   * Removes the records of single keys that already existed at the last call, and were not renewed since.
   *
   * The entries they cover were removed from both tiers immediately, so the records are only needed to reject results
   * in progress. It is called so rarely that no result can be in progress for that long.
   */
  ageKeys(): void {
    this.#bytes -= this.#olderKeyBytes
    const { size } = this.#olderKeys
    const older = this.#olderKeys
    this.#olderKeys = this.#keys
    this.#olderKeyBytes = this.#keyBytes
    this.#keys = new AgedMap()
    this.#keyBytes = 0
    if (size === 0) return
    for (const [key, slot] of this.#waitingKeys) {
      if (older.get(key) === slot) this.#makeKey(key, slot)
    }
  }

  stats(): MirrorStats {
    const keys = this.#keys.size + this.#olderKeys.size
    const records = keys + this.#tags.size + this.#prefixes.size + this.#foldedPrefixes.size
    return { records, bytes: this.#bytes, maxBytes: this.#maxBytes, folds: this.#folds }
  }

  #some(key: string, tags: readonly string[], newer: (slot: Slot) => boolean): boolean {
    if (newer(this.#floor) || newer(this.#all)) return true
    const exact = this.#keys.get(key) ?? this.#olderKeys.get(key)
    if (exact !== undefined && newer(exact)) return true
    if (this.#prefixes.some(key, newer)) return true
    if (this.#foldedPrefixes.size > 0 && this.#foldedPrefixes.some(foldCase(key), newer)) return true
    for (const tag of tags) {
      const slot = this.#tags.get(tagName(tag))
      if (slot !== undefined && newer(slot)) return true
    }
    return false
  }

  #isWaiting({ pending, round }: Standing): boolean {
    return pending > 0 && round === this.#round
  }

  #positionOf(standing: Standing): number {
    return standing.life === this.#life ? standing.position : 0
  }

  #place(standing: Standing, position: number): void {
    if (position <= this.#positionOf(standing)) return
    standing.life = this.#life
    standing.position = position
  }

  /** The part of a slot that a cover changes. */
  #standing(slot: Slot, { soft }: Cover): Standing {
    if (soft !== true) return slot
    slot.soft ??= newStanding(this.#life)
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

  /** The slot of a cover; `undefined` if there is none. */
  #known(cover: Cover): Slot | undefined {
    switch (cover.kind) {
      case 'key':
        return this.#keys.get(cover.key) ?? this.#olderKeys.get(cover.key)
      case 'tag':
        return this.#tags.get(tagName(cover.tag))
      case 'prefix':
        return cover.ignoreCase ? this.#foldedPrefixes.get(prefixName(cover)) : this.#prefixes.get(prefixName(cover))
      case 'all':
        return this.#all
    }
  }

  /** The slot of a cover, moved to the end of its map as the newest one. */
  #renewed(cover: Cover): Slot {
    switch (cover.kind) {
      case 'key':
        return this.#renewKey(cover.key)
      case 'tag':
        return this.#renew(this.#tags, tagName(cover.tag))
      case 'prefix':
        return cover.ignoreCase
          ? this.#renew(this.#foldedPrefixes, prefixName(cover))
          : this.#renew(this.#prefixes, prefixName(cover))
      case 'all':
        return this.#all
    }
  }

  #renewKey(key: string): Slot {
    const recent = this.#keys.get(key)
    if (recent !== undefined) {
      this.#keys.set(key, recent)
      return recent
    }
    const older = this.#olderKeys.get(key)
    if (older !== undefined) this.#takeKey(this.#olderKeys, key)
    return this.#makeKey(key, older ?? newSlot(this.#life))
  }

  #makeKey(key: string, slot: Slot): Slot {
    this.#keys.set(key, slot)
    this.#keyBytes += slotBytes(key)
    this.#bytes += slotBytes(key)
    return slot
  }

  #takeKey(from: AgedMap<Slot>, key: string): void {
    from.delete(key)
    this.#bytes -= slotBytes(key)
    if (from === this.#keys) this.#keyBytes -= slotBytes(key)
    else this.#olderKeyBytes -= slotBytes(key)
  }

  #renew(slots: AgedMap<Slot>, name: string): Slot {
    const known = slots.get(name)
    if (known === undefined) this.#bytes += slotBytes(name)
    const slot = known ?? newSlot(this.#life)
    slots.set(name, slot)
    return slot
  }

  /** Folds the oldest records until the size is within the limit, but checks at most `mostSteps` records. */
  #fold(): void {
    let isFolded = false
    const turned = new Map<AgedMap<Slot>, number>()
    for (let step = 0; step < mostSteps && this.#bytes > this.#maxBytes; step++) {
      const [slots, name, slot] = this.#oldest(turned) ?? []
      if (slots === undefined || name === undefined || slot === undefined) break
      if (this.#isWaiting(slot) || (slot.soft !== undefined && this.#isWaiting(slot.soft))) {
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
    this.#foldInto(this.#floor, slot)
    if (slot.soft !== undefined) {
      this.#floor.soft ??= newStanding(this.#life)
      this.#foldInto(this.#floor.soft, slot.soft)
    }
    if (slots === this.#keys || slots === this.#olderKeys) this.#takeKey(slots, name)
    else {
      slots.delete(name)
      this.#bytes -= slotBytes(name)
    }
  }

  #foldInto(floor: Standing, standing: Standing): void {
    if (standing.sequence > floor.sequence) floor.sequence = standing.sequence
    if (standing.own > floor.own) floor.own = standing.own
    this.#place(floor, this.#positionOf(standing))
  }

  /** @param turned - number of records moved to the end of each map; if all were moved, all of them wait */
  #oldest(turned: ReadonlyMap<AgedMap<Slot>, number>): readonly [AgedMap<Slot>, string, Slot] | undefined {
    let oldest: readonly [AgedMap<Slot>, string, Slot] | undefined
    for (const slots of [this.#olderKeys, this.#keys, this.#tags, this.#prefixes, this.#foldedPrefixes]) {
      if ((turned.get(slots) ?? 0) >= slots.size) continue
      const first = slots.oldest()
      if (first !== undefined && (oldest === undefined || newestIn(first[1]) < newestIn(oldest[2]))) {
        oldest = [slots, ...first]
      }
    }
    return oldest
  }
}

function newStanding(life: number): Standing {
  return { sequence: 0, position: 0, life, pending: 0, round: 0, own: 0 }
}

function newSlot(life: number): Slot {
  return { ...newStanding(life), soft: undefined }
}

function newestIn({ sequence, soft }: Slot): number {
  return soft === undefined ? sequence : Math.max(sequence, soft.sequence)
}

function slotBytes(name: string): number {
  return slotOverhead + 2 * name.length
}
