import type { MemorySlot, MemoryTier } from '../tiers/memory-tier.js'
import type { Coherence } from './coherence.js'
import type { RedisConnection } from './redis-connection.js'

/** Maximum number of concurrent writes to Redis, so that recovery does not overload it. */
const AT_ONCE = 16

/** Pause before failed writes are repeated, in ms; doubled up to the longest while Redis accepts nothing. */
const FIRST_PAUSE = 1000
const LONGEST_PAUSE = 60_000

/**
 * Number of keys remembered, in addition to twice the number of entries in memory, before keys that memory no longer
 * holds are dropped.
 */
const ROOM_FOR_FAILED = 1024

/**
 * Writes entries that only memory has to Redis: all of them when Redis can be used again, and single ones whose writing
 * failed. Requests do not wait for this, because memory answers until an entry is written.
 */
export class WriteBack {
  readonly #memory: MemoryTier
  readonly #coherence: Coherence
  readonly #connection: RedisConnection
  readonly #write: (key: string, slot: MemorySlot) => Promise<boolean>
  readonly #failed = new Set<string>()
  #run = 0
  #pause = FIRST_PAUSE

  /** @param write - sends one entry, if it is still valid; rejects if Redis fails */
  constructor(memory: MemoryTier, coherence: Coherence, write: (key: string, slot: MemorySlot) => Promise<boolean>) {
    this.#memory = memory
    this.#coherence = coherence
    this.#connection = coherence.connection
    this.#write = write
  }

  /** Starts to write back every entry that Redis is not known to hold. Returns their number. */
  start(): number {
    const { incarnation } = this.#coherence.stamp
    this.#failed.clear()
    this.#pause = FIRST_PAUSE
    const keys = this.#memory.keys().filter((key) => this.#memory.peek(key)?.writtenIn !== incarnation)
    void this.#writeAll(keys.reverse(), ++this.#run)
    return keys.length
  }

  /** Number of keys to try again. */
  get pending(): number {
    return this.#failed.size
  }

  /** Schedules another attempt for an entry that could not be written although Redis can be used. */
  remember(key: string): void {
    const isFirst = this.#failed.size === 0
    if (this.#failed.size >= ROOM_FOR_FAILED + 2 * this.#memory.stats().entries) this.#dropEvicted()
    this.#failed.add(key)
    if (isFirst) this.#coherence.later(() => this.#retry(), this.#pause)
  }

  stop(): void {
    this.#run++
  }

  /** Drops keys that memory has evicted, because they cannot be written any more. */
  #dropEvicted(): void {
    for (const key of this.#failed) if (this.#memory.peek(key) === undefined) this.#failed.delete(key)
  }

  #retry(): void {
    const keys = [...this.#failed]
    this.#failed.clear()
    this.#pause = Math.min(2 * this.#pause, LONGEST_PAUSE)
    if (this.#connection.isConnected) void this.#writeAll(keys, this.#run)
  }

  async #writeAll(keys: readonly string[], run: number): Promise<void> {
    for (let at = 0; at < keys.length; at += AT_ONCE) {
      if (run !== this.#run || !this.#connection.isConnected) return
      await Promise.all(keys.slice(at, at + AT_ONCE).map((key) => this.#writeOne(key)))
    }
  }

  async #writeOne(key: string): Promise<void> {
    const slot = this.#memory.peek(key)
    if (slot === undefined || slot.writtenIn === this.#coherence.stamp.incarnation) return
    try {
      await this.#write(key, slot)
      this.#pause = FIRST_PAUSE
    } catch {
      if (this.#connection.isConnected) this.remember(key)
    }
  }
}
