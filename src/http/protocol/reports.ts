import type { CacheEngine } from '../../core/engine.js'
import { asError } from '../../core/errors.js'
import type { RequestHead } from '../port/exchange.js'
import type { Reason } from '../rules/reasons.js'
import { pathOf } from '../syntax/target.js'

/** What a warning is about. */
export type WarningKind =
  | 'fields-read'
  | 'query-read'
  | 'address-read'
  | 'cookie-read'
  | 'filled-read'
  | 'field-selects'
  | 'value-selects'
  | 'reflected'
  | 'given-up'
  | 'logged-in'

/** The faults that are told of at most: their messages may hold what a client sent. */
const MOST_FAULTS = 10

/** What was told of a cache. The middlewares that `with()` derives share it, as other ones that have the same core. */
interface Told {
  readonly kinds: Set<WarningKind>
  readonly faults: Set<string>
}

const TOLD = new WeakMap<CacheEngine, Told>()

/** What the cache tells of requests and responses: counters, events, and warnings that are given once. */
export class Reports {
  readonly #cache: CacheEngine
  readonly #told: Told

  constructor(cache: CacheEngine) {
    this.#cache = cache
    this.#told = TOLD.get(cache) ?? { kinds: new Set(), faults: new Set() }
    TOLD.set(cache, this.#told)
  }

  /** A request is answered from the store. */
  hit(key: string, tier: 'memory' | 'redis', stale: boolean, disconnected: boolean): void {
    const { counters } = this.#cache
    if (tier === 'memory') counters.memoryHits += 1
    else counters.redisHits += 1
    if (stale) counters.stale += 1
    if (disconnected) counters.servedWhileDisconnected += 1
    if (this.#cache.listenerCount('hit') > 0) this.#cache.emit('hit', { key, tier, stale })
  }

  /** A request is not answered from the store. */
  miss(key: string, reason: Reason): void {
    this.#cache.counters.misses += 1
    if (reason !== 'uri-miss') this.count(reason)
    if (this.#cache.listenerCount('miss') > 0) this.#cache.emit('miss', { key, reason })
  }

  /** The cache has no part in a request. */
  bypass({ method, url }: RequestHead, reason: Reason): void {
    this.#cache.counters.bypassed += 1
    this.count(reason)
    if (this.#cache.listenerCount('bypass') > 0) this.#cache.emit('bypass', { reason, method, path: pathOf(url) })
  }

  /** A response is not stored. */
  refused(key: string, reason: Reason, detail: string = reason): void {
    this.count(reason)
    if (this.#cache.listenerCount('skip') > 0) this.#cache.emit('skip', { key, reason: detail })
  }

  /** Counts a request or a response that was refused. */
  count(reason: Reason): void {
    const { refused } = this.#cache.counters
    refused[reason] = (refused[reason] ?? 0) + 1
  }

  /** Something of ours, or a function of the user's, failed; the request goes on without the cache. */
  fault(thrown: unknown): void {
    const error = asError(thrown)
    this.#cache.emit('fault', { error })
    const { faults } = this.#told
    if (faults.size >= MOST_FAULTS || faults.has(error.message)) return
    faults.add(error.message)
    emitWarning(`a request passed by the cache because something failed: ${error.stack ?? error.message}`)
  }

  /** Warns once of each kind, whatever the request. */
  warn(kind: WarningKind, text: () => string): void {
    if (this.#told.kinds.has(kind)) return
    this.#told.kinds.add(kind)
    emitWarning(text())
  }
}

function emitWarning(text: string): void {
  process.emitWarning(text, 'FallbackCacheWarning')
}
