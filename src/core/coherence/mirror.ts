import { type Cover, foldCase } from './cover.js'
import { PrefixMap } from './prefix-map.js'
import { RetiredKeys } from './retired-keys.js'

/** The newest invalidation of one key, prefix or tag. */
interface Slot {
  /** Place in this process's own order of things; later is larger. */
  sequence: number
  /** Place in the shared log; 0 when it has none in this incarnation. */
  position: number
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

/** Bytes that a slot costs beside its text: object, map node, order. */
const slotOverhead = 160

/**
 * What this process knows of invalidations: the newest one of each key, prefix and tag.
 *
 * Two orders run side by side. The *sequence* is local and counts every record in the order this process learned of
 * it, its own at once: it judges what this process made or already judged. The *position* is the shared log's and
 * judges what came out of Redis. A record issued here has a sequence at once and its position when the log has taken
 * it; until then it covers everything that comes out of Redis, whatever its stamp.
 *
 * Bounded: past `maxBytes` the oldest records are folded into one that covers everything older than they are. That
 * invalidates too much, never too little, and takes the oldest entries first.
 */
export class Mirror {
  #sequence = 0
  #position = 0
  #pending = 0
  #bytes = 0
  #folds = 0
  #floor: Slot = newSlot()
  #all: Slot = newSlot()
  /** Records of single keys, the recent ones and those before; see {@link Mirror.ageKeys}. */
  #keys = new Map<string, Slot>()
  #olderKeys = new Map<string, Slot>()
  readonly #tags = new Map<string, Slot>()
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
      const slot = this.#slot(cover)
      slot.sequence = sequence
      if (position === undefined) {
        slot.pending++
        slot.own = sequence
        this.#pending++
      } else if (position > slot.position) slot.position = position
    }
    if (this.#bytes > this.#maxBytes) this.#fold()
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
    const sequence = ++this.#sequence
    this.retired.add(key, { sequence, id, isOwn: false, isSettled: true, position: this.#position })
    return true
  }

  /** Gives an invalidation that was waiting its place in the log. */
  settle(recorded: Recorded, position: number): void {
    for (const cover of recorded.covers) {
      const slot = this.#slot(cover)
      if (slot.pending > 0) {
        slot.pending--
        this.#pending--
      }
    }
    this.place(recorded.covers, position)
    // Until now it could not be folded.
    if (this.#bytes > this.#maxBytes) this.#fold()
  }

  /** Gives covers a place in the log, for a log that has to be told again. */
  place(covers: readonly Cover[], position: number): void {
    if (position > this.#position) this.#position = position
    for (const cover of covers) {
      const slot = this.#slot(cover)
      if (position > slot.position) slot.position = position
    }
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
  coversAfter(key: string, tags: readonly string[], position: number): boolean {
    if (this.retired.coversAfter(key, position)) return true
    if (position >= this.#position && this.#pending === 0) return false
    return this.#some(key, tags, (slot) => slot.pending > 0 || slot.position > position)
  }

  /** The newest position of all that covers this key or these tags; what stands before it is invalid. */
  newestCovering(key: string, tags: readonly string[]): number {
    let newest = 0
    this.#some(key, tags, ({ position }) => {
      if (position > newest) newest = position
      return false
    })
    return newest
  }

  /** As {@link coversAfter} without tags, leaving out what names this very key. */
  coversOtherwise(key: string, position: number): boolean {
    const isNewer = (slot: Slot): boolean => slot.position > position
    if (isNewer(this.#floor) || isNewer(this.#all) || this.#prefixes.some(key, isNewer)) return true
    return this.#foldedPrefixes.size > 0 && this.#foldedPrefixes.some(foldCase(key), isNewer)
  }

  /** Whatever stands before this position counts as invalidated: the records that would tell are gone. */
  raiseFloor(position: number): void {
    if (position <= this.#floor.position) return
    this.#floor.position = position
    if (position > this.#position) this.#position = position
  }

  /** Whatever this process made or judged until now counts as invalidated. */
  forgetEverything(): void {
    this.#floor.sequence = ++this.#sequence
  }

  /** A new incarnation of the log: positions start over, what this process knows stays. */
  startOver(): void {
    this.#position = 0
    this.#floor.position = 0
    for (const slots of this.#maps()) for (const [, slot] of slots) slot.position = 0
    this.#all.position = 0
  }

  /**
   * Forgets the records of single keys that were there at the last call already and have not been renewed since.
   *
   * What such a record covers has been taken out of both tiers at once: it is only needed against results that were
   * under way. Called seldom enough that none can be under way for that long.
   */
  ageKeys(): void {
    for (const [key, slot] of this.#olderKeys) {
      if (slot.pending > 0) this.#keys.set(key, slot)
      else this.#bytes -= slotBytes(key)
    }
    this.#olderKeys = this.#keys
    this.#keys = new Map()
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
      const slot = this.#tags.get(tag)
      if (slot !== undefined && newer(slot)) return true
    }
    return false
  }

  #slot(cover: Cover): Slot {
    switch (cover.kind) {
      case 'key':
        return this.#renew(cover.key)
      case 'tag':
        return this.#make(this.#tags, cover.tag)
      case 'prefix':
        return cover.ignoreCase
          ? this.#make(this.#foldedPrefixes, foldCase(cover.prefix))
          : this.#make(this.#prefixes, cover.prefix)
      case 'all':
        return this.#all
    }
  }

  #renew(key: string): Slot {
    const older = this.#olderKeys.get(key)
    if (older === undefined) return this.#make(this.#keys, key)
    this.#olderKeys.delete(key)
    this.#keys.set(key, older)
    return older
  }

  #make(slots: SlotMap, name: string): Slot {
    const known = slots.get(name)
    if (known !== undefined) return known
    const slot = newSlot()
    slots.set(name, slot)
    this.#bytes += slotBytes(name)
    return slot
  }

  #maps(): readonly SlotMap[] {
    return [this.#keys, this.#olderKeys, this.#tags, this.#prefixes, this.#foldedPrefixes]
  }

  /** Takes the older half away, until half the room is free, and remembers the newest of them as a floor. */
  #fold(): void {
    this.#folds++
    for (let last = -1; this.#bytes > this.#maxBytes / 2 && this.#bytes !== last; ) {
      last = this.#bytes
      this.#foldUpTo(this.#medianSequence())
    }
  }

  #foldUpTo(sequence: number): void {
    for (const slots of this.#maps()) {
      for (const [name, slot] of slots) {
        if (slot.pending > 0 || slot.sequence > sequence) continue
        if (slot.sequence > this.#floor.sequence) this.#floor.sequence = slot.sequence
        if (slot.position > this.#floor.position) this.#floor.position = slot.position
        if (slot.own > this.#floor.own) this.#floor.own = slot.own
        slots.delete(name)
        this.#bytes -= slotBytes(name)
      }
    }
  }

  /** Of the records that can be folded. */
  #medianSequence(): number {
    const sequences: number[] = []
    for (const slots of this.#maps()) {
      for (const [, slot] of slots) if (slot.pending === 0) sequences.push(slot.sequence)
    }
    const inOrder = Float64Array.from(sequences).sort()
    return inOrder[(inOrder.length - 1) >> 1] ?? 0
  }
}

function newSlot(): Slot {
  return { sequence: 0, position: 0, pending: 0, own: 0 }
}

interface SlotMap extends Iterable<[string, Slot]> {
  get(name: string): Slot | undefined
  set(name: string, slot: Slot): void
  delete(name: string): boolean
}

function slotBytes(name: string): number {
  return slotOverhead + 2 * name.length
}
