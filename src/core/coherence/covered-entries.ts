import type { CoveredCount } from '../receipt.js'
import type { MemoryTier } from '../tiers/memory-tier.js'
import { type Cover, isCovered } from './cover.js'

/** Maximum number of keys looked at, in memory and in Redis each. */
export const MOST_COUNTED = 50_000
/** Keys of memory looked at before other work is let through. */
const MEMORY_STEP = 1000
/** Maximum number of names in a sample. */
const MOST_NAMES = 20

/** Looks at an entry: 1 if it is covered, 0 if not. */
export type Meet = (key: string, tags: readonly string[]) => number

/** A count of entries. */
export interface Counted {
  readonly count: number
  /** False if there were more keys than were looked at, or Redis failed. */
  readonly isComplete: boolean
}

/**
 * Counts the entries that covers name, by their names and tags. Bounded; nothing is changed. Never rejects.
 *
 * @param inRedis - counts those in Redis; `undefined` if it cannot be asked
 */
export async function countCovered(
  covers: readonly Cover[],
  memory: MemoryTier,
  inRedis: ((meet: Meet) => Promise<Counted>) | undefined,
): Promise<CoveredCount> {
  const sample = new Set<string>()
  const meet: Meet = (key, tags) => {
    if (!covers.some((cover) => isCovered(cover, key, tags))) return 0
    if (sample.size < MOST_NAMES) sample.add(key)
    return 1
  }
  const keys = memory.keys()
  let inMemory = 0
  for (const [index, key] of keys.slice(0, MOST_COUNTED).entries()) {
    if (index % MEMORY_STEP === MEMORY_STEP - 1) await new Promise((resolve) => setImmediate(resolve))
    const slot = memory.peek(key)
    if (slot !== undefined) inMemory += meet(key, slot.entry.tags)
  }
  const found = inRedis === undefined ? { count: 0, isComplete: true } : await inRedis(meet)
  const isComplete = found.isComplete && keys.length <= MOST_COUNTED
  return { memory: inMemory, redis: found.count, sample: [...sample], isComplete }
}
