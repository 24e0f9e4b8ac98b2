import { engineOf } from '../../src/core/fallback-cache.js'
import type { Found } from '../../src/core/found.js'
import type { FallbackCache } from '../../src/index.js'

/** An answer of a cache, and whether the cache was connected from the question to the answer. */
export interface Observed<T> {
  readonly result: T
  readonly isConnected: boolean
  /** Whether every command to Redis in this time was answered, so that an answer knows what Redis has under its key. */
  readonly isAnswered: boolean
}

/** Tells whether a cache was connected during a lookup. */
export interface Connection {
  /** Runs a lookup whose answers without Redis are counted: `get`, `getOrSet`, or a request to the middleware. */
  during<T>(ask: () => Promise<T>): Promise<Observed<T>>
  /** Runs `find` of the engine, which counts nothing: its answer itself says whether Redis was unavailable. */
  find(key: string): Promise<Observed<Found | undefined>>
}

/** Observes a cache by its statistics, its counters and its events. */
export function observe(cache: FallbackCache, onChange: (isConnected: boolean) => void): Connection {
  const { counters } = engineOf(cache)
  let outages = 0
  cache.on('outage', () => {
    outages++
    onChange(false)
  })
  cache.on('recovery', () => onChange(true))
  return { during, find }

  async function during<T>(ask: () => Promise<T>): Promise<Observed<T>> {
    const before = { outages, served: counters.servedWhileDisconnected, unanswered: unanswered() }
    const wasConnected = cache.stats().connected
    const result = await ask()
    // A single timeout is not an outage yet; the answer then comes from memory, and is counted as such.
    const isUndisturbed = outages === before.outages && counters.servedWhileDisconnected === before.served
    const isConnected = wasConnected && isUndisturbed && cache.stats().connected
    return { result, isConnected, isAnswered: unanswered() === before.unanswered }
  }

  function unanswered(): number {
    const { redisTimeouts, redisFailures, redisSkipped, redisErrorReplies } = counters
    return redisTimeouts + redisFailures + redisSkipped + redisErrorReplies
  }

  async function find(key: string): Promise<Observed<Found | undefined>> {
    const { result, isConnected, isAnswered } = await during(async () => await engineOf(cache).find(key))
    return { result, isConnected: isConnected && result?.disconnected !== true, isAnswered }
  }
}
