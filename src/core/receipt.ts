/** The receipt of an invalidation, which always takes effect in this process before the call returns. */
export interface Invalidation {
  /**
   * True if the invalidation takes effect in every process; false if Redis could not be reached yet and will be told
   * later, and for a dry run.
   */
  readonly durable: boolean
  /** The covers, in the format of the log: `s` if soft, a letter for the kind, then the name. */
  readonly covers: readonly string[]
  /** When it was made, in epoch ms of this process's clock. */
  readonly at: number
  /** Its position in the log; `undefined` without Redis, while it is pending, and for a dry run. */
  readonly position: number | undefined
  /**
   * With `confirm`: the processes that have applied it, this one first, as `host/pid/id`. Processes that did not answer
   * in time, or run an older version, are missing. At most 1,000.
   */
  readonly confirmedBy: readonly string[] | undefined
  /** With `dryRun`: the entries it would cover. Nothing was invalidated. */
  readonly counted: CoveredCount | undefined
}

/** The entries that an invalidation would cover. */
export interface CoveredCount {
  /** Entries in the memory of this process. */
  readonly memory: number
  /** Entries in Redis; 0 without it. */
  readonly redis: number
  /** Names of some of them, at most 20. */
  readonly sample: readonly string[]
  /** False if the search ended at its limit of keys, or because Redis failed: there may be more. */
  readonly isComplete: boolean
}

/** Combines the receipts of invalidations in several caches. */
export function combinedReceipt(receipts: readonly Invalidation[]): Invalidation {
  const [first, ...others] = receipts
  if (first === undefined) throw new TypeError('there must be a receipt')
  return others.reduce(both, first)
}

function both(one: Invalidation, other: Invalidation): Invalidation {
  return {
    durable: one.durable && other.durable,
    covers: [...new Set([...one.covers, ...other.covers])],
    at: Math.min(one.at, other.at),
    position:
      one.position === undefined || other.position === undefined ? undefined : Math.max(one.position, other.position),
    confirmedBy: one.confirmedBy && [...new Set([...one.confirmedBy, ...(other.confirmedBy ?? [])])],
    counted: one.counted && other.counted && bothCounted(one.counted, other.counted),
  }
}

function bothCounted(one: CoveredCount, other: CoveredCount): CoveredCount {
  return {
    memory: one.memory + other.memory,
    redis: one.redis + other.redis,
    sample: [...new Set([...one.sample, ...other.sample])].slice(0, 20),
    isComplete: one.isComplete && other.isComplete,
  }
}
