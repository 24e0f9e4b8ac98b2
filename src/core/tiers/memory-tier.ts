import { LRUCache } from 'lru-cache'
import { byteSizes, type Entry } from '../entry.js'
import type { Stamp } from '../stamp.js'
import { PackedEntry } from './packed-entry.js'
import { Slabs } from './slabs.js'

/** An entry in memory, and what coherence needs to judge it. */
export interface MemorySlot {
  /** Packed by the tier as it is put there. */
  entry: Entry
  /** The newest record the entry has been judged against; raised whenever it is judged again. */
  sequence: number
  /** When its handler started, or Redis confirmed it; monotonic ms. */
  readonly knownAt: number
  /** What it is stamped with in Redis. */
  stamp: Stamp
  /** The tombstone that its frame in Redis says it came after. */
  after?: string | undefined
  /** The incarnation of the log under which Redis is known to hold it; `undefined` while it waits to be written. */
  writtenIn: string | undefined
}

/** Why an entry left memory other than by request. */
export type EvictionReason = 'size' | 'expired' | 'invalidated'

/** How full memory is. */
export interface MemoryStats {
  readonly entries: number
  readonly bytes: number
  /** `Infinity`: bytes alone are the bound. */
  readonly maxEntries: number
  readonly maxBytes: number
}

/**
 * Entries in this process: least recently used first out, by number and by bytes.
 *
 * Knows no time and judges nothing: whoever reads looks at the moments and asks the mirror.
 */
export class MemoryTier {
  readonly #slots: LRUCache<string, MemorySlot>
  readonly #slabs = new Slabs()
  readonly #maxEntries: number
  readonly #maxBytes: number

  constructor(maxEntries: number, maxBytes: number, onEvict: (key: string, reason: EvictionReason) => void) {
    this.#maxEntries = maxEntries
    this.#maxBytes = maxBytes
    this.#slots = new LRUCache({
      // Without a number it keeps no place for each entry in advance.
      ...(Number.isFinite(maxEntries) ? { max: maxEntries } : {}),
      maxSize: maxBytes,
      sizeCalculation: (slot, key) => entrySize(key, slot.entry),
      dispose: (slot, key, reason) => {
        this.#slabs.free(slot.entry)
        if (reason === 'evict') onEvict(key, 'size')
      },
    })
  }

  /** The slot, which now counts as recently used. */
  get(key: string): MemorySlot | undefined {
    return this.#slots.get(key)
  }

  /** The slot, without counting as use. */
  peek(key: string): MemorySlot | undefined {
    return this.#slots.peek(key)
  }

  /** Puts an entry in; one that is larger than the whole tier is not kept, and what it would replace goes. */
  put(key: string, slot: MemorySlot): boolean {
    slot.entry = this.#slabs.pack(slot.entry)
    this.#slots.set(key, slot)
    if (this.#slots.peek(key) === slot) return true
    this.#slabs.free(slot.entry)
    return false
  }

  /** Takes an entry out; true when there was one. */
  delete(key: string): boolean {
    return this.#slots.delete(key)
  }

  clear(): void {
    this.#slabs.clear()
    this.#slots.clear()
  }

  /** The keys of this moment, oldest use first: an array, so that one may take one's time. */
  keys(): string[] {
    return [...this.#slots.rkeys()]
  }

  /** The slot that has not been used for longest. */
  oldest(): MemorySlot | undefined {
    for (const slot of this.#slots.rvalues()) return slot
    return undefined
  }

  stats(): MemoryStats {
    return {
      entries: this.#slots.size,
      bytes: this.#slots.calculatedSize,
      maxEntries: this.#maxEntries,
      maxBytes: this.#maxBytes,
    }
  }
}

/** The bytes that an entry takes in this process: what it is made of, its key, and bookkeeping. */
export function entrySize(key: string, entry: Entry): number {
  if (entry instanceof PackedEntry) return entry.length + key.length + packedOverhead
  const { tags, meta, body } = byteSizes(entry)
  return body + 2 * (tags + meta) + key.length + ownOverhead
}

/** Objects, map nodes, and the room that slabs waste; measured at 100,000 entries. */
const packedOverhead = 380

/** The same, with a Buffer of its own. */
const ownOverhead = 620
