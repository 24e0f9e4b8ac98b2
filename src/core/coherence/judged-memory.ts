import type { Clock } from '../clock.js'
import type { Entry } from '../entry.js'
import type { GuardedEmitter } from '../events.js'
import type { Absence, Found } from '../found.js'
import type { MemorySlot, MemoryTier } from '../tiers/memory-tier.js'
import type { Mirror } from './mirror.js'

/** The memory tier, whose entries are judged by their moments and by the invalidations that this process knows of. */
export class JudgedMemory {
  readonly tier: MemoryTier
  readonly #mirror: Mirror
  readonly #clock: Clock
  readonly #events: GuardedEmitter

  constructor(tier: MemoryTier, mirror: Mirror, clock: Clock, events: GuardedEmitter) {
    this.tier = tier
    this.#mirror = mirror
    this.#clock = clock
    this.#events = events
  }

  /** What is there and may be used, which then counts as used; what may not be used is taken out. */
  find(key: string, disconnected: boolean): Found | undefined {
    const slot = this.tier.get(key)
    if (slot === undefined) return undefined
    if (slot.sequence < this.#mirror.sequence && this.#mirror.coversSince(key, slot.entry.tags, slot.sequence)) {
      this.tier.delete(key)
      this.#events.tell('evict', { key, reason: 'invalidated' })
      return undefined
    }
    if (slot.entry.deleteAt <= this.#clock.now()) {
      this.tier.delete(key)
      this.#events.tell('evict', { key, reason: 'expired' })
      return undefined
    }
    // Judged against everything known: the next look has only what comes after to compare.
    slot.sequence = this.#mirror.sequence
    return { entry: slot.entry, tier: 'memory', disconnected }
  }

  /** As {@link find}, without a trace, and with the reason where there is nothing. */
  peek(key: string, disconnected: boolean): Found | Absence {
    const slot = this.tier.peek(key)
    if (slot === undefined) return 'nothing'
    if (this.#mirror.coversSince(key, slot.entry.tags, slot.sequence)) return 'invalidated'
    if (slot.entry.deleteAt <= this.#clock.now()) return 'expired'
    return { entry: slot.entry, tier: 'memory', disconnected }
  }

  /** The slot of an entry that is still in memory and may be used. */
  slotOf(key: string, entry: Entry): MemorySlot | undefined {
    const slot = this.tier.peek(key)
    if (slot?.entry !== entry) return undefined
    if (this.#mirror.coversSince(key, slot.entry.tags, slot.sequence)) return undefined
    return slot.entry.deleteAt > this.#clock.now() ? slot : undefined
  }

  /** Puts a result into memory, unless one is there whose handler started later. */
  replace(key: string, slot: MemorySlot): boolean {
    const known = this.tier.peek(key)
    if (known !== undefined && known.knownAt > slot.knownAt) return false
    this.tier.put(key, slot)
    return true
  }
}
