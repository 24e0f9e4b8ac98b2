import { LRUCache } from 'lru-cache'
import { byteSizes, type Entry } from '../entry.js'
import type { Stamp } from '../stamp.js'
import { PackedEntry } from './packed-entry.js'
import { Slabs } from './slabs.js'

/** An entry in memory with the state that coherence needs to judge it. */
export interface MemorySlot {
  /** Replaced by a {@link PackedEntry} on insertion, if the entry is small. */
  entry: Entry
  /** Sequence number of the newest log record the entry was checked against; raised at each check. */
  sequence: number
  /** Whether a soft invalidation was found to cover it, up to {@link sequence}. */
  softened: boolean
  /** Monotonic time in ms at which the entry's handler started, or at which Redis confirmed the entry. */
  readonly knownAt: number
  /** The position and incarnation that its frame in Redis carries. */
  stamp: Stamp
  /** The id of the tombstone that its frame in Redis names as its predecessor. */
  after?: string | undefined
  /** The log incarnation under which Redis is known to hold the entry; `undefined` while the write is pending. */
  writtenIn: string | undefined
  /** Where in the changes of Redis it is known to be what Redis has; see `Changes`. */
  place?: number | undefined
  /** The place up to which changes were known when it was first sent to Redis. */
  sentAt?: number | undefined
}

/** The reason why an entry left memory without an explicit delete. */
export type EvictionReason = 'size' | 'expired' | 'invalidated'

/** The memory tier's current usage and limits. */
export interface MemoryStats {
  readonly entries: number
  readonly bytes: number
  /** `Infinity` if only bytes are limited. */
  readonly maxEntries: number
  readonly maxBytes: number
}

/**
 * The in-memory tier: an LRU cache bounded by number of entries and by bytes.
 *
 * It does not look at the time or at invalidations: readers check timestamps themselves and ask the mirror.
 */
export class MemoryTier {
  #slots: LRUCache<string, MemorySlot>
  readonly #slabs = new Slabs()
  readonly #maxEntries: number
  readonly #maxBytes: number
  readonly #onEvict: (key: string, reason: EvictionReason) => void
  #isClosed = false

  constructor(maxEntries: number, maxBytes: number, onEvict: (key: string, reason: EvictionReason) => void) {
    this.#maxEntries = maxEntries
    this.#maxBytes = maxBytes
    this.#onEvict = onEvict
    this.#slots = this.#noSlots()
  }

  #noSlots(): LRUCache<string, MemorySlot> {
    const [maxEntries, maxBytes] = [this.#maxEntries, this.#maxBytes]
    return new LRUCache({
      // Without a finite limit, lru-cache does not preallocate a slot per entry.
      ...(Number.isFinite(maxEntries) ? { max: maxEntries } : {}),
      maxSize: maxBytes,
      sizeCalculation: (slot, key) => entrySize(key, slot.entry),
      dispose: (slot, key, reason) => {
        this.#slabs.free(slot.entry)
        if (reason === 'evict') this.#onEvict(key, 'size')
      },
    })
  }

  /** Returns the slot and marks it as recently used. */
  get(key: string): MemorySlot | undefined {
    return this.#slots.get(key)
  }

  /** Returns the slot without marking it as used. */
  peek(key: string): MemorySlot | undefined {
    return this.#slots.peek(key)
  }

  /**
   * Inserts an entry. An entry larger than the whole tier is not kept, and the entry it would replace is removed;
   * returns false then, and after {@link close}.
   */
  put(key: string, slot: MemorySlot): boolean {
    if (this.#isClosed) return false
    slot.entry = this.#slabs.pack(slot.entry)
    this.#slots.set(key, slot)
    if (this.#slots.peek(key) === slot) return true
    this.#slabs.free(slot.entry)
    return false
  }

  /** Removes an entry; returns true if there was one. */
  delete(key: string): boolean {
    return this.#slots.delete(key)
  }

  /**
   * Removes all entries. To take each out of the list would stop the event loop for 40 ms, at a hundred thousand; a new
   * list takes half of that for each entry that it has room for.
   */
  clear(): void {
    this.#slabs.clear()
    const isCrowded = !Number.isFinite(this.#maxEntries) || 2 * this.#slots.size > this.#maxEntries
    if (isCrowded) this.#slots = this.#noSlots()
    else this.#slots.clear()
  }

  /** Removes all entries, and keeps none from then on: a reply of Redis may come after the cache was closed. */
  close(): void {
    this.clear()
    this.#isClosed = true
  }

  /** A snapshot of the keys, least recently used first; an array, so that callers may iterate asynchronously. */
  keys(): string[] {
    return [...this.#slots.rkeys()]
  }

  /** The least recently used slot. */
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

/** The memory an entry takes in this process, in bytes: content, key and bookkeeping. */
export function entrySize(key: string, entry: Entry): number {
  if (entry instanceof PackedEntry) return entry.length + key.length + PACKED_OVERHEAD
  const { tags, meta, body } = byteSizes(entry)
  return body + 2 * (tags + meta) + key.length + OWN_OVERHEAD
}

/** Bytes for objects, map nodes and unused slab space of a packed entry; measured with 100,000 entries. */
const PACKED_OVERHEAD = 380

/** Bytes for the same, for an entry with a Buffer of its own. */
const OWN_OVERHEAD = 620
