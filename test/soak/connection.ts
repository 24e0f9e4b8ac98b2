import { engineOf } from '../../src/core/fallback-cache.js'
import type { FallbackCache } from '../../src/index.js'

/** Whether a cache trusted Redis while something was asked of it. */
export interface Connection {
  during<T>(ask: () => Promise<T>): Promise<{ readonly result: T; readonly isConnected: boolean }>
}

/** Watches a cache, by its public face only: `stats()` and its events. */
export function observe(cache: FallbackCache, onChange: (isConnected: boolean) => void): Connection {
  let outages = 0
  cache.on('outage', () => {
    outages++
    onChange(false)
  })
  cache.on('recovery', () => onChange(true))
  return {
    async during(ask) {
      const before = { outages, served: engineOf(cache).counters.servedWhileDisconnected }
      const wasConnected = cache.stats().connected
      const result = await ask()
      // One command in time-out is no outage yet; its answer came from memory, and is counted as such.
      const isUndisturbed =
        outages === before.outages && engineOf(cache).counters.servedWhileDisconnected === before.served
      return { result, isConnected: wasConnected && isUndisturbed && cache.stats().connected }
    },
  }
}
