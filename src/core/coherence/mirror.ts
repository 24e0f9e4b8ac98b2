import { AgedMap } from './aged-map.js'
import { type Cover, foldCase, prefixName, tagName } from './cover.js'
import { PrefixMap } from './prefix-map.js'
import { type ReadEntry, RetiredKeys } from './retired-keys.js'

/** The newest invalidation of one key, prefix or tag. */
interface Slot {
  /** Place in this process's own order of things; later is larger. */
  sequence: number
  /** Place in the shared log of the life of the log that it was last placed in; 0 when it has none. */
  position: number
  /** Which life of the log that is, counted here. */
  life: number
  /** How many invalidations issued here still wait for their place in the log. */
  pending: number
  /** The newest sequence of those issued here. */
  own: number
}

/** How full the mirror is. */
export interface MirrorStats {
  readonly records: number
  readonly bytes: number
  readonly maxBytes: number
  /** How often old records were folded into "everything older", for want of room. */
  readonly folds: number
}

/** A record as one invalidation left it, to be told its position later. */
export interface Recorded {
  readonly covers: readonly Cover[]
  readonly sequence: number
}

/** Bytes that a slot costs beside its text: object, map nodes, order. */
const slotOverhead = 160

/** Records that one call looks at when it makes room: no call may take long, however large the mirror is. */
const mostSteps = 64

/**
 * What this process knows of invalidations: the newest one of each key, prefix and tag.
 *
 * Two orders run side by side. The *sequence* is local and counts every record in the order this process learned of
 * it, its own at once: it judges what this process made or already judged. The *position* is the shared log's and
 * judges what came out of Redis. A record issued here has a sequence at once and its position when the log has taken
 * it; until then it covers everything that comes out of Redis, whatever its stamp.
 *
 * Bounded: past `maxBytes` the oldest records are folded, a few at a time, into one that covers everything older than they are.
 * That invalidates too much, never too little, and takes the oldest entries first. No operation goes through all records.
 */
export class Mirror {
  #sequence = 0
  #position = 0
  #pending = 0
  #bytes = 0
  #folds = 0
  #life = 0
  readonly #floor: Slot = newSlot(0)
  readonly #all: Slot = newSlot(0)
  /** Records of single keys, the recent ones and those before; see {@link Mirror.ageKeys}. */
  #keys = new AgedMap<Slot>()
  #olderKeys = new AgedMap<Slot>()
  #olderKeyBytes = 0
  #keyBytes = 0
  /** Records of single keys that wait for their place in the log. */
  readonly #waitingKeys = new Map<string, Slot>()
  readonly #tags = new AgedMap<Slot>()
  readonly #prefixes = new PrefixMap<Slot>()
  readonly #foldedPrefixes = new PrefixMap<Slot>()
  readonly #maxBytes: number
  /** Keys that requests have retired: records of another kind, with room of their own. */
  readonly retired: RetiredKeys

  constructor(maxBytes: number, retired = new RetiredKeys()) {
    this.#maxBytes = maxBytes
    this.retired = retired
  }

  /** The newest sequence; what a handler starting now has seen. */
  get sequence(): number {
    return this.#sequence
  }

  /** Records an invalidation. `position` is its place in the log, or `undefined` while it waits for one. */
  record(covers: readonly Cover[], position: number | undefined): Recorded {
    const sequence = ++this.#sequence
    if (position !== undefined && position > this.#position) this.#position = position
    for (const cover of covers) {
      const slot = this.#renewed(cover)
      slot.sequence = sequence
      if (position === undefined) {
        slot.pending++
        slot.own = sequence
        this.#pending++
        if (cover.kind === 'key') this.#waitingKeys.set(cover.key, slot)
      } else this.#place(slot, position)
      if (this.#bytes > this.#maxBytes) this.#fold()
    }
    return { covers, sequence }
  }

  /** A request of this process has retired a key; `id` names the tombstone that Redis has yet to take. */
  retire(key: string, id: string): void {
    const sequence = ++this.#sequence
    this.retired.add(key, { sequence, id, isOwn: true, isSettled: false, position: this.#position })
  }

  /** Another process has retired a key: its tombstone was met in Redis. False when it is known already. */
  learnRetired(key: string, id: string): boolean {
    if (this.retired.knows(key, id)) return false
    this.retired.meet(key, id, ++this.#sequence, this.#position)
    return true
  }

  /**
   * Redis has the tombstone of a key that was retired here, or something newer.
   *
   * @param position - where the log ends
   * @param leftId - its id in Redis; another one than `id` says that the key was retired elsewhere as well, before or after
   * @param met - the id of the tombstone that it has replaced; `''`: none
   */
  settleRetired(key: string, id: string, position: number, leftId: string, met: string): void {
    this.retired.settle(key, id, position, ++this.#sequence, leftId, met)
  }

  /** Gives an invalidation that was waiting its place in the log. */
  settle(recorded: Recorded, position: number): void {
    for (const cover of recorded.covers) {
      const slot = this.#known(cover)
      if (slot === undefined || slot.pending === 0) continue
      slot.pending--
      this.#pending--
      if (cover.kind === 'key' && slot.pending === 0) this.#waitingKeys.delete(cover.key)
    }
    this.place(recorded.covers, position)
    // Until now it could not be folded.
    if (this.#bytes > this.#maxBytes) this.#fold()
  }

  /** Gives covers a place in the log, for a log that has to be told again. */
  place(covers: readonly Cover[], position: number): void {
    if (position > this.#position) this.#position = position
    for (const cover of covers) this.#place(this.#known(cover) ?? this.#renewed(cover), position)
  }

  /** Whether something that covers this key or these tags was learned of after `sequence`. */
  coversSince(key: string, tags: readonly string[], sequence: number): boolean {
    if (sequence >= this.#sequence) return false
    return this.#some(key, tags, (slot) => slot.sequence > sequence) || this.retired.coversSince(key, sequence)
  }

  /** Whether something that covers this key or these tags was issued in this process after `sequence`. */
  issuedSince(key: string, tags: readonly string[], sequence: number): boolean {
    if (sequence >= this.#sequence) return false
    return this.#some(key, tags, (slot) => slot.own > sequence) || this.retired.coversSince(key, sequence)
  }

  /** Whether something that covers this key or these tags stands after `position` in the log, or waits to. */
  coversAfter(key: string, tags: readonly string[], position: number, read?: ReadEntry): boolean {
    if (this.retired.coversAfter(key, position, read)) return true
    if (position >= this.#position && this.#pending === 0) return false
    return this.#some(key, tags, (slot) => slot.pending > 0 || this.#positionOf(slot) > position)
  }

  /** The newest position of all that covers this key or these tags; what stands before it is invalid. */
  newestCovering(key: string, tags: readonly string[]): number {
    let newest = 0
    this.#some(key, tags, (slot) => {
      const position = this.#positionOf(slot)
      if (position > newest) newest = position
      return false
    })
    return newest
  }

  /** As {@link coversAfter} without tags, leaving out what names this very key. */
  coversOtherwise(key: string, position: number): boolean {
    const isNewer = (slot: Slot): boolean => this.#positionOf(slot) > position
    if (isNewer(this.#floor) || isNewer(this.#all) || this.#prefixes.some(key, isNewer)) return true
    return this.#foldedPrefixes.size > 0 && this.#foldedPrefixes.some(foldCase(key), isNewer)
  }

  /** Whatever stands before this position counts as invalidated: the records that would tell are gone. */
  raiseFloor(position: number): void {
    this.#place(this.#floor, position)
    if (position > this.#position) this.#position = position
  }

  /** Whatever this process made or judged until now counts as invalidated. */
  forgetEverything(): void {
    this.#floor.sequence = ++this.#sequence
  }

  /** A new incarnation of the log: positions start over, what this process knows stays. */
  startOver(): void {
    this.#position = 0
    this.#life++
  }

  /**
   * Forgets the records of single keys that were there at the last call already and have not been renewed since.
   *
   * What such a record covers has been taken out of both tiers at once: it is only needed against results that were
   * under way. Called seldom enough that none can be under way for that long.
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

  #positionOf(slot: Slot): number {
    return slot.life === this.#life ? slot.position : 0
  }

  #place(slot: Slot, position: number): void {
    if (position <= this.#positionOf(slot)) return
    slot.life = this.#life
    slot.position = position
  }

  /** The slot of a cover, if there is one. */
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

  /** The slot of a cover, which is the newest of its kind from now on. */
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

  /** Folds the oldest records until there is room again, but looks at so many at most. */
  #fold(): void {
    let isFolded = false
    const turned = new Map<AgedMap<Slot>, number>()
    for (let step = 0; step < mostSteps && this.#bytes > this.#maxBytes; step++) {
      const [slots, name, slot] = this.#oldest(turned) ?? []
      if (slots === undefined || name === undefined || slot === undefined) break
      if (slot.pending > 0) {
        // What waits for its place cannot be folded: it goes to the end of the row.
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
    if (slot.sequence > this.#floor.sequence) this.#floor.sequence = slot.sequence
    if (slot.own > this.#floor.own) this.#floor.own = slot.own
    this.#place(this.#floor, this.#positionOf(slot))
    if (slots === this.#keys || slots === this.#olderKeys) this.#takeKey(slots, name)
    else {
      slots.delete(name)
      this.#bytes -= slotBytes(name)
    }
  }

  /** @param turned - how many records went to the end of each row: where all of them did, all of them wait */
  #oldest(turned: ReadonlyMap<AgedMap<Slot>, number>): readonly [AgedMap<Slot>, string, Slot] | undefined {
    let oldest: readonly [AgedMap<Slot>, string, Slot] | undefined
    for (const slots of [this.#olderKeys, this.#keys, this.#tags, this.#prefixes, this.#foldedPrefixes]) {
      if ((turned.get(slots) ?? 0) >= slots.size) continue
      const first = slots.oldest()
      if (first !== undefined && (oldest === undefined || first[1].sequence < oldest[2].sequence)) {
        oldest = [slots, ...first]
      }
    }
    return oldest
  }
}

function newSlot(life: number): Slot {
  return { sequence: 0, position: 0, life, pending: 0, own: 0 }
}

function slotBytes(name: string): number {
  return slotOverhead + 2 * name.length
}
