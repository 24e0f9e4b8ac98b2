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
  sequence: number
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
  /** Ids of older tombstones that were met under this very key, the newest first, with spaces between them. */
  older: string
}

/** An entry that was read from Redis, as far as it is compared with what was retired. */
export interface ReadEntry {
  /** The sequence when Redis was asked for it. */
  readonly asked: number
  /** The id of the tombstone that it says it came after; `undefined`: none. */
  readonly after: string | undefined
}

/** Records kept; each takes less than 700 bytes. */
const maxRecords = 8_192
/** Longer names are replaced by their digest. */
const longestName = 256
/** Ids of older tombstones that a record keeps. */
const mostOlder = 4
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

  /** Records a key. `isSettled`: its tombstone is known to be in Redis. `met`: the id of one that was there before. */
  add(key: string, record: Omit<Retired, 'until' | 'settledAt' | 'older'>, met = ''): void {
    const name = nameOf(key)
    const known = this.#records.get(name)
    const older = withOlder(met, known === undefined ? '' : withOlder(known.id, known.older))
    this.#records.delete(name)
    this.#records.set(name, { ...record, settledAt: record.sequence, until: this.#now() + this.#keptFor, older })
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

  /** Ids of tombstones under this very key that are older than {@link idFor}, with spaces between them. */
  olderThan(key: string): string {
    return this.#records.get(nameOf(key))?.older ?? ''
  }

  /** Whether this very tombstone is known, as the newest one or as an older one. */
  knows(key: string, id: string): boolean {
    const known = this.#records.get(nameOf(key))
    return known !== undefined && (known.id === id || known.older.includes(id))
  }

  /**
   * A tombstone was met that is not known: the key counts as retired now. One of this process that Redis does not have yet stays
   * the one that Redis is to be told.
   */
  meet(key: string, id: string, sequence: number, position: number): void {
    const known = this.#records.get(nameOf(key))
    if (known === undefined || known.isSettled) {
      this.add(key, { sequence, id, isOwn: false, isSettled: true, position })
      return
    }
    known.sequence = sequence
    known.older = withOlder(id, known.older)
  }

  /** Whether this process has retired the key, and Redis has yet to be told. */
  isUnsettled(key: string): boolean {
    return this.#records.get(nameOf(key))?.isSettled === false
  }

  /** Redis will not be told: only entries of processes that have met the id elsewhere are known to come after it. */
  giveUp(key: string, id: string): void {
    const known = this.#records.get(nameOf(key))
    if (known?.id === id) release(known)
  }

  /**
   * The tombstone is in Redis, or something newer than it. Under another id the key counts as retired once more: what was made
   * here before may be older than what retired it elsewhere.
   *
   * @param met - the id of the tombstone that was there, or that an entry there came after; `''`: none
   */
  settle(key: string, id: string, position: number, sequence: number, leftId = id, met = ''): void {
    const known = this.#records.get(nameOf(key))
    if (known === undefined || known.id !== id) return
    if (leftId !== id) {
      this.add(key, { sequence, id: leftId, isOwn: known.isOwn, isSettled: true, position }, met)
      return
    }
    if (met !== id) known.older = withOlder(met, known.older)
    if (known.isSettled) return
    known.isSettled = true
    known.settledAt = sequence
    known.position = position
  }

  /**
   * Redis may have lost the tombstones of this process. Gives the newest `count` of those that handlers may need yet, oldest
   * first: they are to be sent once more.
   */
  unsettle(count: number): readonly (readonly [string, string])[] {
    const lost: [string, string, Retired][] = []
    for (const [name, record] of this.#records) {
      if (!record.isOwn || this.#now() > record.until) continue
      if (isDigest(name)) release(record)
      else lost.push([name, record.id, record])
    }
    const given = lost.slice(-count)
    for (const [, , record] of lost.slice(0, -count)) release(record)
    for (const [, , record] of given) record.isSettled = false
    return given.map(([name, id]) => [name, id])
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
   * @param read - what was read; without it, whether everything that is there may be older
   */
  coversAfter(key: string, position: number, read?: ReadEntry): boolean {
    if (this.#records.size === 0) return false
    const asked = read?.asked ?? Number.POSITIVE_INFINITY
    const exact = this.#records.get(nameOf(key))
    if (exact !== undefined) {
      if (!exact.isSettled) return true
      if (read?.after === exact.id) return false
      if (asked < exact.settledAt) return true
      // The tombstone may be gone: only an entry that names it, or one that is not known here, came after it.
      return read !== undefined && (read.after === undefined || exact.older.includes(read.after))
    }
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

function withOlder(id: string, older: string): string {
  if (id === '' || older.includes(id)) return older
  return older === '' ? id : [id, ...older.split(' ', mostOlder - 1)].join(' ')
}

/** Where its tombstone may not be in Redis, derived keys have to be made once more. */
function release(record: Retired): void {
  record.isSettled = true
  record.position = Number.POSITIVE_INFINITY
}

function nameOf(key: string): string {
  return key.length <= longestName ? key : `#${createHash('sha256').update(key).digest('base64url')}`
}

function isDigest(name: string): boolean {
  return name.length === 44 && name.startsWith('#')
}
