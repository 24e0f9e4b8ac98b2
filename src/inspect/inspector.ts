import type { InspectedRedis, InspectedTiers } from '../core/coherence/inspected-tiers.js'
import { engineOf, type FallbackCache } from '../core/fallback-cache.js'
import type { EntrySummary, InspectedEntry } from './inspected-entry.js'
import { MemoryEntries } from './memory-entries.js'
import { RedisEntries } from './redis-entries.js'

/** Which entries are listed. */
export interface PageQuery {
  /** What their keys begin with. @defaultValue all entries */
  readonly prefix?: string | undefined
  /**
   * How many are wanted, 1 to 1000. Redis gives keys by the page, and a page is not divided: there may be some more, or
   * fewer, if few keys begin with the prefix.
   *
   * @defaultValue 100
   */
  readonly limit?: number | undefined
  /** Where the page before ended. @defaultValue the beginning */
  readonly cursor?: string | undefined
  /** @defaultValue Redis; memory without it, and while it cannot be used */
  readonly tier?: 'memory' | 'redis' | undefined
}

/** One page of a list of entries. */
export interface EntryPage {
  readonly entries: readonly EntrySummary[]
  /** Where the next page begins; `undefined` after the last one. An entry that is stored throughout is never left out. */
  readonly cursor: string | undefined
  /** The number of keys that were looked at. */
  readonly examined: number
  /** The `keyPrefix` of other applications whose keys were met, because the own one begins theirs. */
  readonly otherPrefixes: readonly string[]
}

/** Keys that Redis looks at for one page of a list, and for one command. */
const MOST_EXAMINED = 20_000
const LARGEST_COUNT = 500
const MOST_LISTED = 1000

/** Shows what is stored, and changes nothing. */
export class Inspector {
  readonly #tiers: () => Partial<InspectedTiers>

  /** @param tiers - called for each request, because Redis can be lost and found again */
  constructor(tiers: () => Partial<InspectedTiers>) {
    this.#tiers = tiers
  }

  /** Lists entries. @throws RangeError for a limit out of range or an invalid cursor; CacheError if Redis fails */
  async page({ prefix = '', limit = 100, cursor, tier }: PageQuery = {}): Promise<EntryPage> {
    if (!Number.isInteger(limit) || limit < 1 || limit > MOST_LISTED)
      throw new RangeError(`limit must be an integer from 1 to ${MOST_LISTED}, got ${limit}`)
    const { memory, redis } = this.#tiers()
    const from = readCursor(cursor)
    const wanted = from?.tier ?? tier ?? (redis === undefined ? 'memory' : 'redis')
    if (wanted === 'memory') {
      const page = memory && new MemoryEntries(memory).page(prefix, limit, from?.at)
      return page === undefined ? NONE : { ...page, cursor: page.cursor && `m${page.cursor}` }
    }
    return redis === undefined ? NONE : pageOfRedis(redis, { prefix, limit, cursor: from?.at })
  }

  /**
   * Reads the entry of a key in each tier that has it, memory first.
   *
   * @param withBody - whether the body is wanted
   * @throws CacheError if Redis fails
   */
  async entries(key: string, withBody = false): Promise<readonly InspectedEntry[]> {
    const { memory, redis } = this.#tiers()
    const found = [
      memory && new MemoryEntries(memory).entry(key, withBody),
      redis && (await new RedisEntries(redis).entry(key, withBody)),
    ]
    return found.filter((entry) => entry !== undefined)
  }
}

/** Shows what a cache of this process has stored. */
export function inspectorOf(cache: FallbackCache): Inspector {
  return new Inspector(() => engineOf(cache).inspected())
}

const NONE: EntryPage = { entries: [], cursor: undefined, examined: 0, otherPrefixes: [] }

async function pageOfRedis(
  redis: InspectedRedis,
  { prefix, limit, cursor }: { readonly prefix: string; readonly limit: number; readonly cursor: string | undefined },
): Promise<EntryPage> {
  const stored = new RedisEntries(redis)
  const entries: EntrySummary[] = []
  const otherPrefixes: string[] = []
  let examined = 0
  let next = cursor
  do {
    // Few keys may begin with the prefix: the more were looked at in vain, the more are looked at at once.
    const inVain = examined - 4 * entries.length
    const count = Math.min(LARGEST_COUNT, Math.max(10, limit - entries.length, inVain))
    const page = await stored.page(prefix, count, next)
    entries.push(...page.entries)
    otherPrefixes.push(...page.otherPrefixes)
    examined += count
    next = page.cursor
  } while (next !== undefined && entries.length < limit && examined < MOST_EXAMINED)
  return { entries, cursor: next && `r${next}`, examined, otherPrefixes }
}

function readCursor(
  cursor: string | undefined,
): { readonly tier: 'memory' | 'redis'; readonly at: string } | undefined {
  if (cursor === undefined) return undefined
  const [, letter, at = ''] = /^(m)(\d{1,9})$/.exec(cursor) ?? /^(r)(\d{1,6}-\d{1,20})$/.exec(cursor) ?? []
  if (letter === undefined) throw new RangeError('cursor must be one that an earlier page gave')
  return { tier: letter === 'm' ? 'memory' : 'redis', at }
}
