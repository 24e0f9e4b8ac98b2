import type { RouteStats } from '../../core/meters.js'
import { REASONS, type Reason } from '../rules/reasons.js'
import { type Ledger, type Likeness, SIZES } from './ledger.js'
import { REMEDIES } from './remedies.js'

/** Why requests would have bypassed the cache, or responses would not have been stored. */
export interface ShadowRefusal {
  readonly reason: string
  readonly count: number
  /** What the reason means. */
  readonly meaning: string
  /** What can be done about it; `''` if nothing should be done. */
  readonly remedy: string
}

/** What the cache would have done for some requests. */
export interface ShadowFigures {
  /** All requests, those that would have bypassed the cache included. */
  readonly requests: number
  /** Requests that would have been answered from memory, stale answers included. */
  readonly hits: number
  /** Requests that would have waited for the handler run of another request. */
  readonly collapsed: number
  /** Requests for which the handler would have run. */
  readonly misses: number
  /** Requests that would have bypassed the cache. */
  readonly bypassed: number
  /** The share of lookups that would have been hits, 0 to 1; `null` before the first lookup. */
  readonly hitRatio: number | null
  /** The same with less memory, by its size in MiB. */
  readonly hitRatioAt: Readonly<Record<'1' | '10' | '64', number | null>>
  /** Time that handlers took, in seconds, and how much of it the cache would have saved. */
  readonly handlerSeconds: number
  readonly savedSeconds: number
  /** Bytes of bodies that would have come from the cache. */
  readonly savedBytes: number
  /**
   * The answers of the cache, compared with those of the handler: `same`, `stale`, `leaked` (a page made for another
   * visitor), `suspected` (perhaps), `noise` (different in each run), `unseen` (not compared).
   */
  readonly answers: Readonly<Record<Likeness, number>>
  readonly refused: readonly ShadowRefusal[]
}

/** What the cache would have done for one route. */
export interface ShadowRoute extends ShadowFigures {
  /** The pattern of the route; `''` if it is not known. */
  readonly route: string
  /** Keys whose answers differed, at most three for each outcome. */
  readonly examples: Readonly<Record<'stale' | 'leaked' | 'suspected' | 'noise', readonly string[]>>
}

/** What the cache would have done, had it not been in shadow mode. */
export interface ShadowReport {
  /** The first request, in epoch ms. */
  readonly since: number
  readonly all: ShadowFigures
  /** The busiest first. */
  readonly routes: readonly ShadowRoute[]
  readonly directory: {
    readonly entries: number
    readonly bytes: number
    readonly maxBytes: number
    /** Fingerprints that had to leave: from the first on, the ratios are a little too low. */
    readonly evicted: number
  }
}

/** What is known of one route. */
export interface RouteCounts {
  readonly stats: RouteStats
  readonly ledger: Ledger
}

/** The figures of some routes together. */
export function figuresOf(routes: readonly RouteCounts[]): ShadowFigures {
  const sum = (read: (one: RouteCounts) => number): number => routes.reduce((total, one) => total + read(one), 0)
  const hits = sum(({ stats }) => stats.requests.hit.memory + stats.requests.stale.memory)
  const collapsed = sum(({ stats }) => stats.requests.collapsed.memory)
  const misses = sum(({ stats }) => stats.requests.miss.origin)
  const bypassed = sum(({ stats }) => stats.requests.bypass.origin)
  const lookups = hits + collapsed + misses
  const ratio = (of: number): number | null => (lookups === 0 ? null : of / lookups)
  const [small, middle, large] = SIZES.map((_, at) => ratio(sum(({ ledger }) => ledger.hitsAt[at] ?? 0)))
  const outcome = (name: Likeness): number => sum(({ ledger }) => ledger.outcomes[name])
  return {
    ...{ requests: lookups + bypassed, hits, collapsed, misses, bypassed, hitRatio: ratio(hits) },
    hitRatioAt: { '1': small ?? null, '10': middle ?? null, '64': large ?? null },
    handlerSeconds: sum(({ stats }) => stats.handler.seconds),
    savedSeconds: sum(({ ledger }) => ledger.savedMs) / 1000,
    savedBytes: sum(({ ledger }) => ledger.savedBytes),
    answers: {
      same: outcome('same'),
      stale: outcome('stale'),
      leaked: outcome('leaked'),
      suspected: outcome('suspected'),
      noise: outcome('noise'),
      unseen: outcome('unseen'),
    },
    refused: refusalsOf(routes),
  }
}

function refusalsOf(routes: readonly RouteCounts[]): readonly ShadowRefusal[] {
  const counts = new Map<string, number>()
  for (const { stats } of routes) {
    for (const [reason, count] of Object.entries(stats.refused)) counts.set(reason, (counts.get(reason) ?? 0) + count)
  }
  return Array.from(counts, ([reason, count]) => ({
    reason,
    count,
    meaning: REASONS[reason as Reason] ?? '',
    remedy: REMEDIES[reason as Reason] ?? '',
  })).sort((one, other) => other.count - one.count)
}
