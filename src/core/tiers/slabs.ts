import { byteSizes, type Entry, entryWith } from '../entry.js'
import { PackedEntry, type Slab } from './packed-entry.js'

/** Larger entries (in bytes) get a Buffer of their own: the overhead of a Buffer is small compared with their size. */
const LARGEST_PACKED = 8 * 1024

/**
 * Slab size in bytes: as large as all slabs so far together, within these bounds, so that a small cache takes little
 * memory.
 */
const SMALLEST_SLAB = 64 * 1024
const LARGEST_SLAB = 1024 * 1024

/** Fraction of all slab bytes that may be unused before a slab is compacted. */
const TOLERATED = 0.15

/**
 * Stores the content of small entries in a few large Buffers (slabs). One Buffer per entry would cost some hundred
 * bytes more each, and garbage collection time that grows with their number.
 *
 * Written bytes are never overwritten, so a view that is still being sent stays valid after its entry is removed. Space
 * is reclaimed a slab at a time: an unused slab is dropped, and the entries of a sparsely used slab are moved to the
 * newest.
 */
export class Slabs {
  readonly #slabs: Slab[] = []
  #newest: Slab | undefined
  #allocated = 0
  #dead = 0

  /** Total size of all slabs in bytes, used or not. */
  get allocated(): number {
    return this.#allocated
  }

  /**
   * Copies the entry's content into a slab if it is small, otherwise into a Buffer of its own, and returns the new
   * entry.
   */
  pack(entry: Entry): Entry {
    if (entry instanceof PackedEntry && isIn(entry)) return entry
    const sizes = byteSizes(entry)
    const { tags, meta } = sizes
    const length = tags + meta + sizes.body
    if (length > LARGEST_PACKED) return entryWith(entry, { body: ownBytes(entry.body) })
    const slab = this.#slabWith(length)
    const at = slab.used
    if (tags > 0) slab.bytes.write(JSON.stringify(entry.tags), at)
    if (meta > 0) slab.bytes.write(entry.meta, at + tags)
    slab.bytes.set(entry.body, at + tags + meta)
    const packed = new PackedEntry(entry, slab, at, sizes)
    this.#settle(packed, slab, length)
    return packed
  }

  /** Releases the space of an entry that left memory. Existing references to it stay readable. */
  free(entry: Entry): void {
    if (!(entry instanceof PackedEntry) || !isIn(entry)) return
    const { slab, length } = entry
    slab.entries[entry.index] = undefined
    entry.leave()
    slab.live -= length
    this.#dead += length
    if (slab.live === 0 && slab !== this.#newest) this.#drop(slab)
    else if (this.#dead > SMALLEST_SLAB && this.#dead > TOLERATED * this.#allocated) this.#emptyOne()
  }

  /** Releases all entries, in a time that does not depend on their number. */
  clear(): void {
    for (const { entries } of this.#slabs) entries.length = 0
    this.#slabs.length = 0
    this.#newest = undefined
    this.#allocated = 0
    this.#dead = 0
  }

  #slabWith(length: number): Slab {
    const newest = this.#newest
    if (newest !== undefined && newest.used + length <= newest.bytes.length) return newest
    if (newest !== undefined) {
      this.#dead += newest.bytes.length - newest.used
      newest.used = newest.bytes.length
      if (newest.live === 0) this.#drop(newest)
    }
    const size = Math.min(Math.max(this.#allocated, SMALLEST_SLAB), LARGEST_SLAB)
    const slab: Slab = { bytes: Buffer.allocUnsafeSlow(size), used: 0, live: 0, entries: [] }
    this.#slabs.push(slab)
    this.#newest = slab
    this.#allocated += size
    return slab
  }

  #settle(packed: PackedEntry, slab: Slab, length: number): void {
    packed.index = slab.entries.push(packed) - 1
    slab.used += length
    slab.live += length
  }

  #drop(slab: Slab): void {
    this.#slabs.splice(this.#slabs.indexOf(slab), 1)
    this.#allocated -= slab.bytes.length
    this.#dead -= slab.used
  }

  /** Moves the remaining entries of the least used slab to the newest slab, and drops the emptied one. */
  #emptyOne(): void {
    let emptiest: Slab | undefined
    for (const slab of this.#slabs) {
      if (slab === this.#newest) continue
      if (emptiest === undefined || slab.live * emptiest.bytes.length < emptiest.live * slab.bytes.length)
        emptiest = slab
    }
    // If all free space is in the newest slab, there is nothing to move yet: its turn comes once it is full.
    if (emptiest === undefined || emptiest.live === emptiest.used) return
    for (const entry of emptiest.entries) if (entry !== undefined) this.#move(entry)
    this.#drop(emptiest)
  }

  #move(entry: PackedEntry): void {
    const { slab: from, at, length } = entry
    const slab = this.#slabWith(length)
    slab.bytes.set(from.bytes.subarray(at, at + length), slab.used)
    entry.slab = slab
    entry.at = slab.used
    entry.memo = undefined
    from.live -= length
    this.#dead += length
    this.#settle(entry, slab, length)
  }
}

/** Whether an entry is in memory: its slab knows it. */
function isIn(entry: PackedEntry): boolean {
  return entry.slab.entries[entry.index] === entry
}

/** Copies a body that is a view of a larger buffer, which the view would keep alive. */
function ownBytes(body: Buffer): Buffer {
  if (body.buffer.byteLength === body.length) return body
  const own = Buffer.allocUnsafeSlow(body.length)
  body.copy(own)
  return own
}
