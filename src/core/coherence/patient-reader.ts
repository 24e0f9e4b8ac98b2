import { CacheError } from '../errors.js'
import type { RedisTier } from '../tiers/redis-tier.js'
import type { LogReader } from './follower.js'
import type { SharedLog } from './shared-log.js'

/** How often a page is asked for; the reply to an earlier attempt may still be on its way, before that to a later one. */
const mostAttempts = 5
/** The smallest page, as a part of the usual size. */
const smallestShare = 1 / 16

/**
 * Reads the log in pages that arrive within the deadline of a command: one that comes too late is asked for again in a
 * smaller size, which grows again slowly. So a slow link, or a busy process, makes recovery slow and not impossible.
 */
export function patientReader(tier: RedisTier, log: SharedLog): LogReader {
  let share = 1
  async function read<T>(page: (share: number) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        const found = await tier.probe(() => page(share))
        share = Math.min(1, 1.1 * share)
        return found
      } catch (thrown) {
        const isLate = thrown instanceof CacheError && thrown.code === 'redis-timeout'
        if (!isLate || attempt === mostAttempts) throw thrown
        share = Math.max(smallestShare, share / 4)
      }
    }
  }
  return {
    since: (from, count) => read((share) => log.since(from, count, share)),
    marksFrom: (from) => read((share) => log.marksFrom(from, share)),
  }
}
