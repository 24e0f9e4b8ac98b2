import { createHash } from 'node:crypto'
import { rootOf } from '../derived-key.js'

/** Usage of the table of retired keys. */
export interface RetiredStats {
  readonly records: number
  readonly maxRecords: number
  /** Number of records that were replaced by newer ones. */
  readonly folds: number
}

/** A retired key: results stored or started before it must not be used. */
interface Retired {
  /** Position in the local sequence of this process. */
  sequence: number
  /** Id of the tombstone in Redis. */
  readonly id: string
  /** Whether this process retired it. */
  readonly isOwn: boolean
  /** Whether everything older has been removed from Redis under this exact key. */
  isSettled: boolean
  /** Sequence when it was settled: values read before may still be older. */
  settledAt: number
  /** End of the log when it was settled. */
  position: number
  /** Until when entries in Redis under derived keys are compared with `position`, in monotonic ms. */
  readonly until: number
  /** Ids of older tombstones found under this exact key, the newest first, separated by spaces. */
  older: string
}

/** The properties of an entry read from Redis that are compared with retired keys. */
export interface ReadEntry {
  /** The sequence when the read was sent to Redis. */
  readonly asked: number
  /** The id of the tombstone that the entry was stored after, according to its frame; `undefined` if there is none. */
  readonly after: string | undefined
}

/** The outcome of sending a tombstone. */
export interface Settlement {
  /** The position of the log at that moment. */
  readonly position: number
  /** The id under which Redis has it. */
  readonly leftId: string
  /** The id of the tombstone that was there, or that an entry there was stored after; `''` if there was none. */
  readonly met: string
  /** Milliseconds for which Redis keeps a tombstone. */
  readonly lifetime: number
}

/** Maximum number of records; each takes less than 700 bytes. */
const MAX_RECORDS = 8_192
/** Maximum length of a name; longer ones are replaced by their digest. */
const LONGEST_NAME = 256
/** Maximum number of older tombstone ids in a record. */
const MOST_OLDER = 4
/** Number of slots for folded records. */
const FOLD_SLOTS = 16_384

/**
 * Remembers the keys that unsafe requests have retired recently (RFC 9111, section 4.4).
 *
 * A record covers its exact key and the keys derived from it: the key, a colon and 12 hexadecimal digits, once or
 * twice. The number of records is bounded, and clients control it, so an old record never becomes an invalidation of
 * other entries. Instead, its sequence moves to a table of fixed size, which only rejects results that are being
 * computed.
 */
export class RetiredKeys {
  readonly #records = new Map<string, Retired>()
  readonly #now: () => number
  readonly #keptFor: number
  /** The newest sequence of the folded records in each slot. */
  #folded: Float64Array | undefined
  #folds = 0
  /** Random, so that clients cannot know which names share a slot. */
  readonly #seed = (Math.random() * 2 ** 32) >>> 0

  /**
   * @param now - monotonic ms
   * @param keptFor - how long derived keys in Redis are judged by position, in ms
   */
  constructor(now: () => number = () => performance.now(), keptFor = 120_000) {
    this.#now = now
    this.#keptFor = keptFor
  }

  /**
   * Adds a record. `isSettled`: its tombstone is known to be in Redis. `met`: the id of a tombstone that was there
   * before.
   */
  add(key: string, record: Omit<Retired, 'until' | 'settledAt' | 'older'>, met = ''): void {
    const name = nameOf(key)
    const known = this.#records.get(name)
    const older = withOlder(met, known === undefined ? '' : withOlder(known.id, known.older))
    // The newest one comes last.
    if (known !== undefined) this.#records.delete(name)
    this.#records.set(name, { ...record, settledAt: record.sequence, until: this.#now() + this.#keptFor, older })
    if (this.#records.size <= MAX_RECORDS) return
    for (const [oldest, { sequence }] of this.#records) {
      this.#fold(oldest, sequence)
      return
    }
  }

  /** The id of the tombstone that a result of this sequence was made after; `''` if none is known. */
  idFor(key: string, sequence: number): string {
    const known = this.#records.size === 0 ? undefined : this.#records.get(nameOf(key))
    return known !== undefined && known.sequence <= sequence ? known.id : ''
  }

  /** Ids of tombstones under this exact key that are older than {@link idFor}, separated by spaces. */
  olderThan(key: string): string {
    return this.#records.get(nameOf(key))?.older ?? ''
  }

  /** Whether a tombstone is known for this key, as the newest one or an older one. */
  knows(key: string, id: string): boolean {
    const known = this.#records.get(nameOf(key))
    return known !== undefined && (known.id === id || known.older.includes(id))
  }

  /**
   * Adds an unknown tombstone that was found in Redis: the key counts as retired now. A record of this process whose
   * tombstone is not in Redis yet keeps its id.
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

  /** Whether this process has retired the key, and its tombstone is not in Redis yet. */
  isUnsettled(key: string): boolean {
    return this.#records.get(nameOf(key))?.isSettled === false
  }

  /**
   * Notes that the tombstone will not be sent: only entries of processes that have found its id elsewhere are known to
   * be newer.
   */
  giveUp(key: string, id: string): void {
    const known = this.#records.get(nameOf(key))
    if (known?.id === id) release(known)
  }

  /**
   * Records that Redis has the tombstone of this process, or a newer one. Under another id the key counts as retired once more, because
   * results made here before may be older than a retirement by another process.
   */
  settle(key: string, id: string, sequence: number, { position, leftId, met, lifetime }: Settlement): void {
    const known = this.#records.get(nameOf(key))
    if (known === undefined || known.id !== id) return
    if (leftId !== id) {
      // Without a tombstone there, and while none can have expired, results made here since are the newest.
      const isNewest = met === '' && this.#now() < known.until - this.#keptFor + lifetime
      const record = { id: leftId, isOwn: known.isOwn, isSettled: true, position }
      this.add(key, { ...record, sequence: isNewest ? known.sequence : sequence }, met)
      const added = this.#records.get(nameOf(key))
      if (added !== undefined) added.settledAt = sequence
      return
    }
    if (met !== id) known.older = withOlder(met, known.older)
    if (known.isSettled) return
    known.isSettled = true
    known.settledAt = sequence
    known.position = position
  }

  /**
   * Marks tombstones of this process as unsettled, because Redis may have lost them. Returns the newest `count` of
   * those that running handlers may still need, oldest first, to send them again.
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

  /** Whether this key, or a key that it is derived from, was retired after `sequence`. */
  coversSince(key: string, sequence: number): boolean {
    if (this.#records.size === 0) return false
    for (let name: string | undefined = key; name !== undefined; name = rootOf(name)) {
      const record = this.#records.get(nameOf(name))
      if (record !== undefined && record.sequence > sequence) return true
    }
    return false
  }

  /**
   * Like {@link coversSince}, for folded records: applies to results that are about to be stored, and may also be true
   * by chance.
   */
  mayCoverResult(key: string, sequence: number): boolean {
    const folded = this.#folded
    if (folded === undefined) return false
    for (let name: string | undefined = key; name !== undefined; name = rootOf(name)) {
      if ((folded[this.#slotOf(nameOf(name))] ?? 0) > sequence) return true
    }
    return false
  }

  /**
   * Whether an entry that Redis holds under this key, stamped with this position, may be older than its retirement.
   *
   * @param read - the entry that was read; without it, whether every entry in Redis may be older
   */
  coversAfter(key: string, position: number, read?: ReadEntry): boolean {
    if (this.#records.size === 0) return false
    const asked = read?.asked ?? Number.POSITIVE_INFINITY
    const exact = this.#records.get(nameOf(key))
    if (exact !== undefined) {
      if (!exact.isSettled) return true
      if (read?.after === exact.id) return false
      if (asked < exact.settledAt) return true
      // The tombstone may have expired: only entries that name it, or name one unknown here, are known to be newer.
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
    return { records: this.#records.size, maxRecords: MAX_RECORDS, folds: this.#folds }
  }

  #fold(name: string, sequence: number): void {
    this.#records.delete(name)
    this.#folds++
    this.#folded ??= new Float64Array(FOLD_SLOTS)
    const slot = this.#slotOf(name)
    if (sequence > (this.#folded[slot] ?? 0)) this.#folded[slot] = sequence
  }

  #slotOf(name: string): number {
    let hash = this.#seed
    for (let index = 0; index < name.length; index++) hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193)
    return ((hash ^ (hash >>> 15)) >>> 0) % FOLD_SLOTS
  }
}

function withOlder(id: string, older: string): string {
  if (id === '' || older.includes(id)) return older
  return older === '' ? id : [id, ...older.split(' ', MOST_OLDER - 1)].join(' ')
}

/** If its tombstone may not be in Redis, values under derived keys must be recomputed. */
function release(record: Retired): void {
  record.isSettled = true
  record.position = Number.POSITIVE_INFINITY
}

function nameOf(key: string): string {
  return key.length <= LONGEST_NAME ? key : `#${createHash('sha256').update(key).digest('base64url')}`
}

function isDigest(name: string): boolean {
  return name.length === 44 && name.startsWith('#')
}
