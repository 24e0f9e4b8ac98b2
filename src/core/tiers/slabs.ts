import { byteSizes, type Entry, entryWith } from '../entry.js'
import { PackedEntry, type Slab } from './packed-entry.js'

/** Entries of more bytes keep a Buffer of their own: beside so many, what a Buffer costs does not show. */
const largestPacked = 8 * 1024

/** A slab is as large as all before it together, within these bounds: a small cache takes little. Bytes. */
const smallestSlab = 64 * 1024
const largestSlab = 1024 * 1024

/** The part of all slabs that may be free before one of them is emptied. */
const tolerated = 0.15

/**
 * The bytes of small entries, side by side in a few large Buffers. A Buffer for each of them would cost some hundred bytes
 * more, and the garbage collector the more time the more there are.
 *
 * What was written once is never written over, so a view that somebody still sends from stays what it is, whatever
 * becomes of the entry. Room comes back a slab at a time: one that nobody needs is let go, and one that few need is
 * emptied into the newest.
 */
export class Slabs {
  readonly #slabs: Slab[] = []
  #newest: Slab | undefined
  #allocated = 0
  #dead = 0

  /** The bytes of all slabs, used or not. */
  get allocated(): number {
    return this.#allocated
  }

  /** The entry, its bytes in a slab when it is small, in a Buffer that holds nothing else when it is not. */
  pack(entry: Entry): Entry {
    if (entry instanceof PackedEntry && entry.index >= 0) return entry
    const sizes = byteSizes(entry)
    const { tags, meta } = sizes
    const length = tags + meta + sizes.body
    if (length > largestPacked) return entryWith(entry, { body: ownBytes(entry.body) })
    const slab = this.#slabWith(length)
    const at = slab.used
    if (tags > 0) slab.bytes.write(JSON.stringify(entry.tags), at)
    if (meta > 0) slab.bytes.write(entry.meta, at + tags)
    slab.bytes.set(entry.body, at + tags + meta)
    const packed = new PackedEntry(entry, slab, at, sizes)
    this.#settle(packed, slab, length)
    return packed
  }

  /** An entry is no longer in memory. Whoever still has it may go on reading it. */
  free(entry: Entry): void {
    if (!(entry instanceof PackedEntry) || entry.index < 0) return
    const { slab, length } = entry
    slab.entries[entry.index] = undefined
    entry.leave()
    slab.live -= length
    this.#dead += length
    if (slab.live === 0 && slab !== this.#newest) this.#drop(slab)
    else if (this.#dead > smallestSlab && this.#dead > tolerated * this.#allocated) this.#emptyOne()
  }

  /** No entry is in memory any more. */
  clear(): void {
    for (const { entries } of this.#slabs) for (const entry of entries) entry?.leave()
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
    const size = Math.min(Math.max(this.#allocated, smallestSlab), largestSlab)
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

  /** Moves what is left in the emptiest slab into the newest. */
  #emptyOne(): void {
    let emptiest: Slab | undefined
    for (const slab of this.#slabs) {
      if (slab === this.#newest) continue
      if (emptiest === undefined || slab.live * emptiest.bytes.length < emptiest.live * slab.bytes.length)
        emptiest = slab
    }
    // All that is free lies in the newest: it will be full, and then its turn comes.
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

/** A view of a larger buffer would keep all of it alive. */
function ownBytes(body: Buffer): Buffer {
  if (body.buffer.byteLength === body.length) return body
  const own = Buffer.allocUnsafeSlow(body.length)
  body.copy(own)
  return own
}
