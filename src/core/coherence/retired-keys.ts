import { createHash } from 'node:crypto'
import { rootOf } from '../derived-key.js'

/** How full the table of retired keys is. */
export interface RetiredStats {
  readonly records: number
  readonly maxRecords: number
  /** How many records gave way to newer ones. */
  readonly folds: number
}

/** One key that was retired: what was stored or begun before it may not be used. */
interface Retired {
  /** Place in the order of this process. */
  readonly sequence: number
  /** Name of the tombstone in Redis. */
  readonly id: string
  /** Whether this process retired it. */
  readonly isOwn: boolean
  /** Whether everything older has left Redis under this exact key. */
  isSettled: boolean
  /** Sequence at that moment: what was read before may be older all the same. */
  settledAt: number
  /** Where the log ended when it was settled. */
  position: number
  /** Until when entries in Redis under derived keys are compared with `position`; monotonic ms. */
  readonly until: number
}

/** Records kept; each takes less than 700 bytes. */
const maxRecords = 8_192
/** Longer names are replaced by their digest. */
const longestName = 256
/** Slots for what gave way. */
const foldSlots = 16_384

/**
 * The keys that requests with unsafe methods have retired lately (RFC 9111, section 4.4).
 *
 * A record covers its exact key, and the keys derived from it: the key, a colon and 12 hexadecimal digits, once or twice.
 * The number of records is bounded and clients decide about it, so an old record never turns into an invalidation of
 * something else. Its sequence goes into a table of fixed size, which only keeps results out that were under way.
 */
export class RetiredKeys {
  readonly #records = new Map<string, Retired>()
  readonly #now: () => number
  readonly #keptFor: number
  /** The newest sequence of the folded records of each slot. */
  #folded: Float64Array | undefined
  #folds = 0
  /** No client can know which names share a slot. */
  readonly #seed = (Math.random() * 2 ** 32) >>> 0

  /**
   * @param now - monotonic ms
   * @param keptFor - ms for which derived keys in Redis are judged by position
   */
  constructor(now: () => number = () => performance.now(), keptFor = 120_000) {
    this.#now = now
    this.#keptFor = keptFor
  }

  /** Records a key. `isSettled`: its tombstone is known to be in Redis. */
  add(key: string, record: Omit<Retired, 'until' | 'settledAt'>): void {
    const name = nameOf(key)
    this.#records.delete(name)
    this.#records.set(name, { ...record, settledAt: record.sequence, until: this.#now() + this.#keptFor })
    if (this.#records.size <= maxRecords) return
    for (const [oldest, { sequence }] of this.#records) {
      this.#fold(oldest, sequence)
      return
    }
  }

  /** The tombstone that a result of this sequence came after; `''` when none is known. */
  idFor(key: string, sequence: number): string {
    const known = this.#records.size === 0 ? undefined : this.#records.get(nameOf(key))
    return known !== undefined && known.sequence <= sequence ? known.id : ''
  }

  /** Whether this very tombstone is known. */
  knows(key: string, id: string): boolean {
    return this.#records.get(nameOf(key))?.id === id
  }

  /**
   * The tombstone is in Redis, or something newer than it. Under another id the key counts as retired once more: what was made
   * here before may be older than what retired it elsewhere.
   */
  settle(key: string, id: string, position: number, sequence: number, leftId = id): void {
    const known = this.#records.get(nameOf(key))
    if (known === undefined || known.id !== id) return
    if (leftId !== id) {
      this.add(key, { sequence, id: leftId, isOwn: known.isOwn, isSettled: true, position })
      return
    }
    if (known.isSettled) return
    known.isSettled = true
    known.settledAt = sequence
    known.position = position
  }

  /** Redis may have lost the tombstones of this process. Gives the newest `count` of them, oldest first. */
  unsettle(count: number): readonly (readonly [string, string])[] {
    const lost: [string, string][] = []
    for (const [name, record] of this.#records) {
      if (!record.isOwn) continue
      record.isSettled = false
      if (!isDigest(name)) lost.push([name, record.id])
    }
    return lost.slice(-count)
  }

  /** Whether this key, or one that it is derived from, was retired after `sequence`. */
  coversSince(key: string, sequence: number): boolean {
    if (this.#records.size === 0) return false
    for (let name: string | undefined = key; name !== undefined; name = rootOf(name)) {
      const record = this.#records.get(nameOf(name))
      if (record !== undefined && record.sequence > sequence) return true
    }
    return false
  }

  /** As {@link coversSince}, for a result that is to be stored: records that gave way count as well, and by chance others do. */
  mayCoverResult(key: string, sequence: number): boolean {
    const folded = this.#folded
    if (folded === undefined) return false
    for (let name: string | undefined = key; name !== undefined; name = rootOf(name)) {
      if ((folded[this.#slotOf(nameOf(name))] ?? 0) > sequence) return true
    }
    return false
  }

  /**
   * Whether an entry that Redis holds under this key, stamped with this position, may be older than what retired it.
   *
   * @param asked - the sequence when Redis was asked for it
   */
  coversAfter(key: string, position: number, asked = Number.POSITIVE_INFINITY): boolean {
    if (this.#records.size === 0) return false
    const exact = this.#records.get(nameOf(key))
    // What follows a tombstone under its key was made by a process that knew of it.
    if (exact !== undefined) return !exact.isSettled || asked < exact.settledAt
    for (let name = rootOf(key); name !== undefined; name = rootOf(name)) {
      const root = this.#records.get(nameOf(name))
      if (root === undefined || this.#now() > root.until) continue
      if (!root.isSettled || asked < root.settledAt || position <= root.position) return true
    }
    return false
  }

  stats(): RetiredStats {
    return { records: this.#records.size, maxRecords, folds: this.#folds }
  }

  #fold(name: string, sequence: number): void {
    this.#records.delete(name)
    this.#folds++
    this.#folded ??= new Float64Array(foldSlots)
    const slot = this.#slotOf(name)
    if (sequence > (this.#folded[slot] ?? 0)) this.#folded[slot] = sequence
  }

  #slotOf(name: string): number {
    let hash = this.#seed
    for (let index = 0; index < name.length; index++) hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193)
    return ((hash ^ (hash >>> 15)) >>> 0) % foldSlots
  }
}

function nameOf(key: string): string {
  return key.length <= longestName ? key : `#${createHash('sha256').update(key).digest('base64url')}`
}

function isDigest(name: string): boolean {
  return name.length === 44 && name.startsWith('#')
}
