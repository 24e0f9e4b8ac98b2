import type { Clock } from '../clock.js'
import type { Entry } from '../entry.js'
import type { GuardedEmitter } from '../events.js'
import type { Absence, Found } from '../found.js'
import type { MemorySlot, MemoryTier } from '../tiers/memory-tier.js'
import type { Mirror } from './mirror.js'

/**
 * Reads the memory tier, and returns only entries that are neither past their `deleteAt` nor covered by an invalidation
 * known to this process.
 */
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

  /** Returns a usable entry and marks it as recently used; deletes an unusable one. */
  find(key: string, disconnected: boolean): Found | undefined {
    const slot = this.tier.get(key)
    if (slot === undefined) return undefined
    if (slot.sequence < this.#mirror.sequence && this.#mirror.coversSince(key, slot.entry.tags, slot.sequence)) {
      this.drop(key)
      return undefined
    }
    if (slot.entry.deleteAt <= this.#clock.now()) {
      this.tier.delete(key)
      this.#events.tell('evict', { key, reason: 'expired' })
      return undefined
    }
    // It was compared with all known invalidations: the next lookup needs to compare newer ones only.
    slot.softened = this.isSoftened(key, slot)
    slot.sequence = this.#mirror.sequence
    return { entry: slot.entry, tier: 'memory', disconnected, softened: slot.softened }
  }

  /** Deletes an entry that must not be used any more. */
  drop(key: string): void {
    this.tier.delete(key)
    this.#events.tell('evict', { key, reason: 'invalidated' })
  }

  /** Whether a soft invalidation covers an entry in memory. */
  isSoftened(key: string, slot: MemorySlot): boolean {
    if (slot.softened || slot.sequence >= this.#mirror.sequence) return slot.softened
    return this.#mirror.softensSince(key, slot.entry.tags, slot.sequence)
  }

  /** Like {@link find}, without side effects, and with the reason if there is no usable entry. */
  peek(key: string, disconnected: boolean): Found | Absence {
    return this.judge(key, this.tier.peek(key), disconnected)
  }

  /** Like {@link peek}, for an entry that memory has, or had and has evicted. */
  judge(key: string, slot: MemorySlot | undefined, disconnected: boolean): Found | Absence {
    if (slot === undefined) return 'nothing'
    if (this.#mirror.coversSince(key, slot.entry.tags, slot.sequence)) return 'invalidated'
    if (slot.entry.deleteAt <= this.#clock.now()) return 'expired'
    return { entry: slot.entry, tier: 'memory', disconnected, softened: this.isSoftened(key, slot) }
  }

  /** The slot of an entry, if it is still in memory and usable. */
  slotOf(key: string, entry: Entry): MemorySlot | undefined {
    const slot = this.tier.peek(key)
    if (slot?.entry !== entry) return undefined
    if (this.#mirror.coversSince(key, slot.entry.tags, slot.sequence)) return undefined
    return slot.entry.deleteAt > this.#clock.now() ? slot : undefined
  }

  /** Stores a result in memory, unless memory has one whose handler started later. */
  replace(key: string, slot: MemorySlot): boolean {
    const known = this.tier.peek(key)
    if (known !== undefined && known.knownAt > slot.knownAt) return false
    this.tier.put(key, slot)
    return true
  }
}
