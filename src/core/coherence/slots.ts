import { AgedMap } from './aged-map.js'
import { type Cover, foldCase, prefixName, tagName } from './cover.js'
import { PrefixMap } from './prefix-map.js'

/** The newest invalidation of one kind, hard or soft, of one key, prefix or tag. */
export interface NewestInvalidation {
  /** Position in this process's local sequence; later is larger. */
  sequence: number
  /** Position in the shared log, in the life given by `life`; 0 if it has none. */
  position: number
  /** The life of the log, as a local number. */
  life: number
  /** Number of invalidations of this process that have no position in the log yet. */
  pending: number
  /** The round in which `pending` was counted; after `Mirror.settleAll` it is 0. */
  round: number
  /** The newest sequence of this process's own invalidations. */
  own: number
}

/** The newest hard invalidation of a key, prefix or tag, and the newest soft one, if it was invalidated softly. */
export interface Slot extends NewestInvalidation {
  soft: NewestInvalidation | undefined
}

/** Estimated overhead of a slot in bytes: objects, map nodes, order. */
const SLOT_OVERHEAD = 160

/**
 * The records of a mirror by what they cover: keys, prefixes and tags, each in the order of their renewal, with their
 * estimated size.
 */
export class Slots {
  /** The record of everything older than the folded records. */
  readonly floor: Slot = newSlot()
  /** The record of invalidations of everything. */
  readonly all: Slot = newSlot()
  #bytes = 0
  /** Records of single keys, recent and older ones; see {@link Slots.ageKeys}. */
  #keys = new AgedMap<Slot>()
  #olderKeys = new AgedMap<Slot>()
  #olderKeyBytes = 0
  #keyBytes = 0
  readonly #tags = new AgedMap<Slot>()
  readonly #prefixes = new PrefixMap<Slot>()
  readonly #foldedPrefixes = new PrefixMap<Slot>()

  /** Estimated size of all records in bytes. */
  get bytes(): number {
    return this.#bytes
  }

  get size(): number {
    const keys = this.#keys.size + this.#olderKeys.size
    return keys + this.#tags.size + this.#prefixes.size + this.#foldedPrefixes.size
  }

  /** Whether a record that covers this key or these tags satisfies a predicate. */
  some(key: string, tags: readonly string[], isWanted: (slot: Slot) => boolean): boolean {
    if (isWanted(this.floor) || isWanted(this.all)) return true
    const exact = this.#keys.get(key) ?? this.#olderKeys.get(key)
    if (exact !== undefined && isWanted(exact)) return true
    if (this.#prefixes.some(key, isWanted)) return true
    if (this.#foldedPrefixes.size > 0 && this.#foldedPrefixes.some(foldCase(key), isWanted)) return true
    for (const tag of tags) {
      const slot = this.#tags.get(tagName(tag))
      if (slot !== undefined && isWanted(slot)) return true
    }
    return false
  }

  /** Like {@link some} without tags, but ignores the record of this exact key. */
  someOfMany(key: string, isWanted: (slot: Slot) => boolean): boolean {
    if (isWanted(this.floor) || isWanted(this.all) || this.#prefixes.some(key, isWanted)) return true
    return this.#foldedPrefixes.size > 0 && this.#foldedPrefixes.some(foldCase(key), isWanted)
  }

  /** The slot of a cover; `undefined` if there is none. */
  find(cover: Cover): Slot | undefined {
    switch (cover.kind) {
      case 'key':
        return this.#keys.get(cover.key) ?? this.#olderKeys.get(cover.key)
      case 'tag':
        return this.#tags.get(tagName(cover.tag))
      case 'prefix':
        return cover.ignoreCase ? this.#foldedPrefixes.get(prefixName(cover)) : this.#prefixes.get(prefixName(cover))
      case 'all':
        return this.all
    }
  }

  /** The slot of a cover, moved to the end of its map as the newest one. */
  renew(cover: Cover): Slot {
    switch (cover.kind) {
      case 'key':
        return this.#renewKey(cover.key)
      case 'tag':
        return this.#renewIn(this.#tags, tagName(cover.tag))
      case 'prefix':
        return cover.ignoreCase
          ? this.#renewIn(this.#foldedPrefixes, prefixName(cover))
          : this.#renewIn(this.#prefixes, prefixName(cover))
      case 'all':
        return this.all
    }
  }

  /** Removes a record from its map. */
  delete(slots: AgedMap<Slot>, name: string): void {
    if (slots === this.#keys || slots === this.#olderKeys) this.#takeKey(slots, name)
    else {
      slots.delete(name)
      this.#bytes -= slotBytes(name)
    }
  }

  /**
   * The oldest record, with its map and its name.
   *
   * @param turned - number of records moved to the end of each map; if all were moved, all of them wait
   */
  oldest(turned: ReadonlyMap<AgedMap<Slot>, number>): readonly [AgedMap<Slot>, string, Slot] | undefined {
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

  /** Removes the records of single keys that existed at the last call and were not renewed since, except those in `kept`. */
  ageKeys(kept: ReadonlyMap<string, Slot>): void {
    this.#bytes -= this.#olderKeyBytes
    const { size } = this.#olderKeys
    const older = this.#olderKeys
    this.#olderKeys = this.#keys
    this.#olderKeyBytes = this.#keyBytes
    this.#keys = new AgedMap()
    this.#keyBytes = 0
    if (size === 0) return
    for (const [key, slot] of kept) {
      if (older.get(key) === slot) this.#makeKey(key, slot)
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
    return this.#makeKey(key, older ?? newSlot())
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

  #renewIn(slots: AgedMap<Slot>, name: string): Slot {
    const known = slots.get(name)
    if (known === undefined) this.#bytes += slotBytes(name)
    const slot = known ?? newSlot()
    slots.set(name, slot)
    return slot
  }
}

/** In place of an invalidation where there was none. */
export function noInvalidation(): NewestInvalidation {
  return { sequence: 0, position: 0, life: 0, pending: 0, round: 0, own: 0 }
}

function newSlot(): Slot {
  return { ...noInvalidation(), soft: undefined }
}

function newestIn({ sequence, soft }: Slot): number {
  return soft === undefined ? sequence : Math.max(sequence, soft.sequence)
}

function slotBytes(name: string): number {
  return SLOT_OVERHEAD + 2 * name.length
}
