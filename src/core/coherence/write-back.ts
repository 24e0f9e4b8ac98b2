import type { MemorySlot, MemoryTier } from '../tiers/memory-tier.js'
import type { Coherence } from './coherence.js'

/** Entries under way to Redis at one time while writing back: recovery must not be a storm. */
const atOnce = 16

/** Before what could not be written is tried again; ms, doubled up to the longest while Redis takes nothing. */
const firstPause = 1000
const longestPause = 60_000

/** Keys remembered before those that memory no longer holds are dropped; beyond it, as many again as memory has entries. */
const roomForFailed = 1024

/**
 * Brings what only memory has to Redis: all of it when Redis is trusted again, single entries whose writing failed.
 *
 * Memory keeps answering for an entry until it is written, so nobody waits for this.
 */
export class WriteBack {
  readonly #memory: MemoryTier
  readonly #coherence: Coherence
  readonly #write: (key: string, slot: MemorySlot) => Promise<boolean>
  readonly #failed = new Set<string>()
  #run = 0
  #pause = firstPause

  /** @param write - sends one entry, if it is still good; rejects when Redis fails */
  constructor(memory: MemoryTier, coherence: Coherence, write: (key: string, slot: MemorySlot) => Promise<boolean>) {
    this.#memory = memory
    this.#coherence = coherence
    this.#write = write
  }

  /** Begins to write back everything that Redis is not known to hold. Gives how much that is. */
  start(): number {
    const { incarnation } = this.#coherence.stamp
    this.#failed.clear()
    this.#pause = firstPause
    const keys = this.#memory.keys().filter((key) => this.#memory.peek(key)?.writtenIn !== incarnation)
    void this.#writeAll(keys.reverse(), ++this.#run)
    return keys.length
  }

  /** Keys that are to be tried again. */
  get pending(): number {
    return this.#failed.size
  }

  /** An entry could not be written though Redis is trusted: tries again in a while. */
  remember(key: string): void {
    const isFirst = this.#failed.size === 0
    if (this.#failed.size >= roomForFailed + 2 * this.#memory.stats().entries) this.#dropEvicted()
    this.#failed.add(key)
    if (isFirst) this.#coherence.later(() => this.#retry(), this.#pause)
  }

  stop(): void {
    this.#run++
  }

  /** An entry that memory evicted cannot be written. */
  #dropEvicted(): void {
    for (const key of this.#failed) if (this.#memory.peek(key) === undefined) this.#failed.delete(key)
  }

  #retry(): void {
    const keys = [...this.#failed]
    this.#failed.clear()
    this.#pause = Math.min(2 * this.#pause, longestPause)
    if (this.#coherence.isConnected) void this.#writeAll(keys, this.#run)
  }

  async #writeAll(keys: readonly string[], run: number): Promise<void> {
    for (let at = 0; at < keys.length; at += atOnce) {
      if (run !== this.#run || !this.#coherence.isConnected) return
      await Promise.all(keys.slice(at, at + atOnce).map((key) => this.#writeOne(key)))
    }
  }

  async #writeOne(key: string): Promise<void> {
    const slot = this.#memory.peek(key)
    if (slot === undefined || slot.writtenIn === this.#coherence.stamp.incarnation) return
    try {
      await this.#write(key, slot)
      this.#pause = firstPause
    } catch {
      if (this.#coherence.isConnected) this.remember(key)
    }
  }
}
