import type { Clock } from '../clock.js'
import { CacheError } from '../errors.js'
import type { RedisTier } from '../tiers/redis-tier.js'
import type { CoverMark, LogPage, SharedLog } from './shared-log.js'

/** Reads the log within the caller's deadlines. */
export interface LogReader {
  /** Reads up to `count` records from a position on, inclusive. */
  readonly since: (from: number, count: number) => Promise<LogPage>
  /** Reads some marks, from a position on. */
  readonly marksFrom: (from: number) => Promise<{ readonly marks: readonly CoverMark[]; readonly hasMore: boolean }>
}

/** How often a page is asked for; the reply to an earlier attempt may still be on its way, before that to a later one. */
const MOST_ATTEMPTS = 5
/** The smallest and the largest page, in relation to the usual size. */
const SMALLEST_SHARE = 1 / 16
const LARGEST_SHARE = 3

/** How many times the deadline of a command a page of the smallest size may take; no request waits for it. */
const MOST_PATIENCE = 8

/**
 * Reads the log in pages that arrive within the deadline of a command: one that comes too late is asked for again in a
 * smaller size, which grows again slowly, and a smallest one with a longer deadline. So a slow link, or a busy process,
 * makes recovery slow and not impossible. As long as pages arrive in half of the deadline, they become larger, so that
 * there are fewer round trips.
 */
export function patientReader(tier: RedisTier, log: SharedLog, clock: Clock): LogReader {
  let share = 1
  let patience = 1
  async function read<T>(page: (share: number) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const askedAt = clock.monotonic()
      try {
        const found = await tier.probe(() => page(share), patience)
        const isQuick = clock.monotonic() - askedAt < tier.deadline / 2
        if (isQuick) {
          share = Math.min(LARGEST_SHARE, 1.5 * share)
          patience = Math.max(1, patience - 1)
        } else if (share < 1) share = Math.min(1, 1.1 * share)
        return found
      } catch (thrown) {
        const isLate = thrown instanceof CacheError && thrown.code === 'redis-timeout'
        if (!isLate) throw thrown
        if (share === SMALLEST_SHARE) patience = Math.min(MOST_PATIENCE, 2 * patience)
        share = Math.max(SMALLEST_SHARE, share / 4)
        if (attempt === MOST_ATTEMPTS) throw thrown
      }
    }
  }
  return {
    since: (from, count) => read((share) => log.since(from, count, share)),
    marksFrom: (from) => read((share) => log.marksFrom(from, share)),
  }
}
