import type { Changes } from './changes.js'
import type { Coherence } from './coherence.js'
import type { CoherenceParts } from './coherence-parts.js'
import type { JudgedMemory } from './judged-memory.js'
import type { Ownership } from './ownership.js'
import type { SharedEntries } from './shared-entries.js'

/** The parts of a cache with Redis that reading, writing and removing entries share. */
export interface SharedParts extends CoherenceParts {
  readonly memory: JudgedMemory
  readonly coherence: Coherence
  readonly entries: SharedEntries
  readonly ownership: Ownership
  /** What changes in Redis; `undefined` unless memory answers what Redis has confirmed. */
  readonly changes: Changes | undefined
}
