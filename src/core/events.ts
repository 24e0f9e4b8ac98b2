import { EventEmitter } from 'node:events'
import { EVENT_CHANNELS } from './channels.js'
import { textOf } from './errors.js'
import { isThenable } from './thenable.js'
import type { CircuitState } from './tiers/circuit-breaker.js'
import type { EvictionReason } from './tiers/memory-tier.js'

/** The tier that answered a lookup. */
export type Tier = 'memory' | 'redis'

/** What an invalidation of this process has covered, in the words in which it was issued. */
export interface Invalidated {
  /** Paths: each with its queries and variants, and with all paths below it. */
  readonly paths: readonly string[]
  /** What the covered keys begin with. */
  readonly prefixes: readonly string[]
  readonly tags: readonly string[]
  readonly keys: readonly string[]
  /** Whether it covers everything, of the group if there is one. */
  readonly all: boolean
  /** The option `group` of the middleware; `''` without one, and for values. */
  readonly group: string
  readonly soft: boolean
  /** False if the other processes are told later, because Redis cannot be used. */
  readonly durable: boolean
}

/** The events of the cache, with their payloads, which must not be modified. */
export interface CacheEvents {
  /** A lookup found an entry. */
  hit: [{ readonly key: string; readonly tier: Tier; readonly stale: boolean }]
  /** A lookup found nothing usable; for a response lookup, `reason` says why. */
  miss: [{ readonly key: string; readonly reason?: string }]
  /** The cache neither answers a request nor stores its response. */
  bypass: [{ readonly reason: string; readonly method: string; readonly path: string }]
  /** An entry was stored. */
  store: [{ readonly key: string; readonly tags: readonly string[] }]
  /**
   * An encoded form of a stored response was made; `from` and `to` are the original and the encoded length in bytes.
   */
  precompress: [{ readonly key: string; readonly coding: string; readonly from: number; readonly to: number }]
  /** A result was not stored. */
  skip: [{ readonly key: string; readonly reason: string }]
  /** An entry left memory. */
  evict: [{ readonly key: string; readonly reason: EvictionReason }]
  /**
   * An invalidation took effect in this process; `covers` in the format of the log: a letter for the kind, then the
   * name. `['a']` from the log, everything, also if memory was dropped because Redis was flushed or records were lost.
   */
  invalidate: [{ readonly covers: readonly string[]; readonly origin: 'local' | 'log' }]
  /**
   * An invalidation that this process has issued has taken effect: once for each call, for fan-out to a CDN. Not emitted for
   * dry runs, for invalidations of other processes, and for what successful requests with unsafe methods invalidate.
   */
  invalidated: [Invalidated]
  /** The circuit breaker changed its state. */
  circuit: [{ readonly from: CircuitState; readonly to: CircuitState }]
  /**
   * Redis became unavailable, and memory answers from now on. `cause`: the decisive failure, usually a `CacheError`
   * with a `code`.
   */
  outage: [{ readonly cause: Error | undefined }]
  /** Redis is trusted: after the first connection, and again after every outage. */
  recovery: [{ readonly seconds: number; readonly replayed: number; readonly writeBack: number }]
  /** A fault of the cache that is not reported in any other way. */
  fault: [{ readonly error: Error }]
}

/** An event emitter whose listeners cannot throw into the code that emits. */
export class GuardedEmitter extends EventEmitter<CacheEvents> {
  /** The key prefix of the cache, for the messages on channels. */
  keyPrefix = ''

  /** Whether an event has listeners, or subscribers on its channel. */
  isHeard(name: keyof CacheEvents): boolean {
    return this.listenerCount(name) > 0 || EVENT_CHANNELS[name]?.hasSubscribers === true
  }

  /** Like `EventEmitter.emit`; an error of a listener becomes a process warning, and the others are called. */
  tell<Name extends keyof CacheEvents>(name: Name, payload: CacheEvents[Name][0]): void {
    const channel = EVENT_CHANNELS[name]
    if (channel?.hasSubscribers === true) channel.publish({ keyPrefix: this.keyPrefix, ...payload })
    if (this.listenerCount(name) === 0) return
    for (const listener of this.rawListeners(name)) {
      try {
        const result: unknown = Reflect.apply(listener, this, [payload])
        if (isThenable(result)) result.then(undefined, (thrown) => warn(name, thrown))
      } catch (thrown) {
        warn(name, thrown)
      }
    }
  }
}

function warn(name: string, thrown: unknown): void {
  process.emitWarning(`a listener of "${name}" threw: ${textOf(thrown)}`, 'FallbackCacheWarning')
}
