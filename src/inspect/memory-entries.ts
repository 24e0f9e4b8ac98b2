import type { JudgedMemory } from '../core/coherence/judged-memory.js'
import { byteSizes } from '../core/entry.js'
import { contentOf, summaryOf } from './described.js'
import type { EntryState, EntrySummary, InspectedEntry } from './inspected-entry.js'
import type { NamesPage } from './redis-entries.js'

/** The entries in the memory of this process. Changes nothing, not even the order in which they are evicted. */
export class MemoryEntries {
  readonly #memory: JudgedMemory

  constructor(memory: JudgedMemory) {
    this.#memory = memory
  }

  /** @param cursor - how many keys were looked at, the most recently used first */
  page(prefix: string, limit: number, cursor: string | undefined): NamesPage {
    const keys = this.#memory.tier.keys()
    const from = Number(cursor ?? 0)
    const entries: EntrySummary[] = []
    let at = from
    for (; at < keys.length && entries.length < limit; at++) {
      const key = keys[keys.length - 1 - at] ?? ''
      const summary = key.startsWith(prefix) ? this.#summary(key) : undefined
      if (summary !== undefined) entries.push(summary)
    }
    return { entries, cursor: at < keys.length ? String(at) : undefined, examined: at - from, otherPrefixes: [] }
  }

  entry(key: string, withBody: boolean): InspectedEntry | undefined {
    const summary = this.#summary(key)
    const slot = this.#memory.tier.peek(key)
    if (summary === undefined || slot === undefined) return undefined
    return { ...summary, ...contentOf(key, slot.entry, withBody) }
  }

  #summary(key: string): EntrySummary | undefined {
    const entry = this.#memory.tier.peek(key)?.entry
    if (entry === undefined) return undefined
    const { storedAt, staleAt, deleteAt, tags, meta } = entry
    const sizes = byteSizes(entry)
    const bytes = sizes.tags + sizes.meta + sizes.body
    return {
      key,
      tier: 'memory',
      state: this.#state(key),
      bytes,
      storedAt,
      staleAt,
      deleteAt,
      tags,
      ...summaryOf(meta),
    }
  }

  #state(key: string): EntryState {
    const found = this.#memory.peek(key, false)
    if (typeof found === 'string') return found === 'invalidated' ? 'invalidated' : 'expired'
    if (found.softened) return 'softened'
    return found.entry.staleAt <= Date.now() ? 'stale' : 'fresh'
  }
}
