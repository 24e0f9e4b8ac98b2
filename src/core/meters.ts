import { addedDurations, type DurationStats, Histogram } from './histogram.js'

/**
 * How a request was answered:
 * - `hit`: with a fresh stored response, or a stored value;
 * - `stale`: with a stale one, while it is refreshed, or instead of an error of the handler (tier `origin`);
 * - `collapsed`: with the response of another request's handler run, for which it waited;
 * - `revalidated`: with a stored response that the handler has confirmed;
 * - `miss`: by the handler;
 * - `bypass`: by the handler, because the cache does not handle the request.
 */
export type RequestResult = 'hit' | 'stale' | 'collapsed' | 'revalidated' | 'miss' | 'bypass'

/** Where an answer came from; `origin` is the handler. */
export type AnswerTier = 'memory' | 'redis' | 'origin'

/** Numbers of requests by result and by where the answer came from; each request is counted once, when it is answered. */
export interface RequestStats {
  readonly hit: { readonly memory: number; readonly redis: number }
  readonly stale: { readonly memory: number; readonly redis: number; readonly origin: number }
  readonly collapsed: { readonly memory: number }
  readonly revalidated: { readonly origin: number }
  readonly miss: { readonly origin: number }
  readonly bypass: { readonly origin: number }
}

/** What was counted for some requests, and for calls of `get` and `getOrSet`. */
export interface MeterStats {
  readonly requests: RequestStats
  /** Runs of the handler until its response began, and computations of `getOrSet`; refreshes included. */
  readonly handler: DurationStats
  /** The handler time that answers from the cache have saved, in seconds: for each, the time its response took to make. */
  readonly savedSeconds: number
  /** Bytes of bodies sent from the cache. */
  readonly servedBytes: number
  /** Requests that bypassed the cache and responses that were not stored, by reason. */
  readonly refused: Readonly<Record<string, number>>
}

/** What was counted for one route. */
export interface RouteStats extends MeterStats {
  /**
   * The pattern of the route (`/products/:id`). `''` if it is not known, and for values; `other` for the routes after the
   * first 200.
   */
  readonly route: string
}

/** What was counted in all, and by route. */
export interface TrafficStats extends MeterStats {
  /** The routes that were requested, at most 202. */
  readonly routes: readonly RouteStats[]
}

/** Counts the requests of one route. Fields, because they are counted with each hit and read rarely. */
export class Meter {
  readonly route: string
  readonly handler = new Histogram()
  memoryHits = 0
  redisHits = 0
  staleFromMemory = 0
  staleFromRedis = 0
  staleIfError = 0
  collapsed = 0
  revalidated = 0
  misses = 0
  bypassed = 0
  /** In ms. */
  saved = 0
  servedBytes = 0
  readonly #refused: Record<string, number> = {}

  constructor(route: string) {
    this.route = route
  }

  /** Counts a request that was answered from a tier without a handler run of its own. */
  answered(tier: 'memory' | 'redis', isStale: boolean): void {
    if (tier === 'memory') {
      if (isStale) this.staleFromMemory += 1
      else this.memoryHits += 1
    } else if (isStale) this.staleFromRedis += 1
    else this.redisHits += 1
  }

  /** Counts a request that a handler has answered. */
  ran(result: RequestResult): void {
    if (result === 'miss') this.misses += 1
    else if (result === 'bypass') this.bypassed += 1
    else if (result === 'revalidated') this.revalidated += 1
    else this.staleIfError += 1
  }

  /** Counts a reason why the cache was bypassed, or did not store a response. */
  refuse(reason: string): void {
    this.#refused[reason] = (this.#refused[reason] ?? 0) + 1
  }

  stats(): RouteStats {
    return {
      route: this.route,
      requests: {
        hit: { memory: this.memoryHits, redis: this.redisHits },
        stale: { memory: this.staleFromMemory, redis: this.staleFromRedis, origin: this.staleIfError },
        collapsed: { memory: this.collapsed },
        revalidated: { origin: this.revalidated },
        miss: { origin: this.misses },
        bypass: { origin: this.bypassed },
      },
      handler: this.handler.stats(),
      savedSeconds: this.saved / 1000,
      servedBytes: this.servedBytes,
      refused: { ...this.#refused },
    }
  }
}

/** Maximum number of routes that are counted separately. */
const MOST_ROUTES = 200

/** Maximum length of a route's pattern; the rest is cut. */
export const LONGEST_ROUTE = 200

/** The meters of a cache, one for each route, up to a number. */
export class Meters {
  /** The meter of requests whose route is not known, and of values. */
  readonly unknown = new Meter('')
  readonly #routes = new Map<string, Meter>()
  readonly #others = new Meter('other')
  #hasOthers = false

  /** The meter of a route. */
  of(route: string | undefined): Meter {
    if (route === undefined || route === '') return this.unknown
    const name = route.slice(0, LONGEST_ROUTE)
    const known = this.#routes.get(name)
    if (known !== undefined) return known
    if (this.#routes.size >= MOST_ROUTES || name === this.#others.route) {
      this.#hasOthers = true
      return this.#others
    }
    const meter = new Meter(name)
    this.#routes.set(name, meter)
    return meter
  }

  /** The meters of all routes that were requested, and of unknown ones. */
  get all(): readonly Meter[] {
    return [this.unknown, ...this.#routes.values(), ...(this.#hasOthers ? [this.#others] : [])]
  }

  stats(): TrafficStats {
    const routes = this.all.map((meter) => meter.stats())
    return { ...added(routes), routes }
  }
}

function added(all: readonly MeterStats[]): MeterStats {
  const sum = (read: (one: MeterStats) => number): number => all.reduce((total, one) => total + read(one), 0)
  const refused: Record<string, number> = {}
  for (const one of all) {
    for (const [reason, count] of Object.entries(one.refused)) refused[reason] = (refused[reason] ?? 0) + count
  }
  return {
    requests: {
      hit: { memory: sum((one) => one.requests.hit.memory), redis: sum((one) => one.requests.hit.redis) },
      stale: {
        memory: sum((one) => one.requests.stale.memory),
        redis: sum((one) => one.requests.stale.redis),
        origin: sum((one) => one.requests.stale.origin),
      },
      collapsed: { memory: sum((one) => one.requests.collapsed.memory) },
      revalidated: { origin: sum((one) => one.requests.revalidated.origin) },
      miss: { origin: sum((one) => one.requests.miss.origin) },
      bypass: { origin: sum((one) => one.requests.bypass.origin) },
    },
    handler: addedDurations(all.map(({ handler }) => handler)),
    savedSeconds: sum((one) => one.savedSeconds),
    servedBytes: sum((one) => one.servedBytes),
    refused,
  }
}
