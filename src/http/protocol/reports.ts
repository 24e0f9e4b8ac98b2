import type { CacheEngine } from '../../core/engine.js'
import { asError } from '../../core/errors.js'
import type { RequestHead } from '../port/exchange.js'
import type { Reason } from '../rules/reasons.js'
import { pathOf } from '../syntax/target.js'

/** What the cache tells of requests and responses: counters, events, and warnings that are given once. */
export class Reports {
  readonly #cache: CacheEngine
  readonly #warned = new Set<string>()

  constructor(cache: CacheEngine) {
    this.#cache = cache
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
    this.warn(
      error.message,
      () => `a request passed by the cache because something failed: ${error.stack ?? error.message}`,
    )
  }

  /** Says something once, whatever the request: `topic` tells one thing to be said from another. */
  warn(topic: string, text: () => string): void {
    // Bounded: a message may hold what a client sent.
    if (this.#warned.size >= 20 || this.#warned.has(topic)) return
    this.#warned.add(topic)
    process.emitWarning(text(), 'FallbackCacheWarning')
  }
}
