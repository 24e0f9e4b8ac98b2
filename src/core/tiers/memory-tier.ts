import { LRUCache } from 'lru-cache'
import { type Entry, entrySize } from '../entry.js'
import type { Stamp } from '../wire-frame.js'

/** An entry in memory, and what coherence needs to judge it. */
export interface MemorySlot {
  readonly entry: Entry
  /** The newest record the entry has been judged against; raised whenever it is judged again. */
  sequence: number
  /** When its handler started, or Redis confirmed it; monotonic ms. */
  readonly knownAt: number
  /** What it is stamped with in Redis. */
  readonly stamp: Stamp
  /** The incarnation of the log under which Redis is known to hold it; `undefined` while it waits to be written. */
  writtenIn: string | undefined
}

/** Why an entry left memory other than by request. */
export type EvictionReason = 'size' | 'expired' | 'invalidated'

/** How full memory is. */
export interface MemoryStats {
  readonly entries: number
  readonly bytes: number
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
  readonly #maxEntries: number
  readonly #maxBytes: number

  constructor(maxEntries: number, maxBytes: number, onEvict: (key: string, reason: EvictionReason) => void) {
    this.#maxEntries = maxEntries
    this.#maxBytes = maxBytes
    this.#slots = new LRUCache({
      max: maxEntries,
      maxSize: maxBytes,
      sizeCalculation: (slot, key) => entrySize(key, slot.entry),
      dispose: (_slot, key, reason) => {
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
    this.#slots.set(key, slot)
    return this.#slots.peek(key) === slot
  }

  /** Takes an entry out; true when there was one. */
  delete(key: string): boolean {
    return this.#slots.delete(key)
  }

  clear(): void {
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
