import { EventEmitter } from 'node:events'
import type { CircuitState } from './tiers/circuit-breaker.js'
import type { EvictionReason } from './tiers/memory-tier.js'

/** Where an answer came from. */
export type Tier = 'memory' | 'redis'

/** What the cache tells those who listen; every payload is read only. */
export interface CacheEvents {
  /** A lookup was answered. */
  hit: [{ readonly key: string; readonly tier: Tier; readonly stale: boolean }]
  /** A lookup found nothing usable; `reason`: why, where it was for a response. */
  miss: [{ readonly key: string; readonly reason?: string }]
  /** The cache neither answered a request nor stores its response. */
  bypass: [{ readonly reason: string; readonly method: string; readonly path: string }]
  /** An entry was stored. */
  store: [{ readonly key: string; readonly tags: readonly string[] }]
  /** A stored response has an encoded form now; its own length and that of the form in bytes. */
  precompress: [{ readonly key: string; readonly coding: string; readonly from: number; readonly to: number }]
  /** A result was not stored. */
  skip: [{ readonly key: string; readonly reason: string }]
  /** An entry left memory. */
  evict: [{ readonly key: string; readonly reason: EvictionReason }]
  /** An invalidation took effect in this process; `covers` as in the log: a letter for its kind, then its name. */
  invalidate: [{ readonly covers: readonly string[]; readonly origin: 'local' | 'log' }]
  /** The circuit breaker changed. */
  circuit: [{ readonly from: CircuitState; readonly to: CircuitState }]
  /** Redis was lost: from now on memory answers. `cause`: the failure that decided it, as a rule a `CacheError` with a `code`. */
  outage: [{ readonly cause: Error | undefined }]
  /** Redis is trusted: first of all at the start, and again after every outage. */
  recovery: [{ readonly seconds: number; readonly replayed: number; readonly writeBack: number }]
  /** Something of the cache failed, and nobody else was told. */
  fault: [{ readonly error: Error }]
}

/** An emitter whose listeners cannot break whoever tells them. */
export class GuardedEmitter extends EventEmitter<CacheEvents> {
  constructor() {
    super({ captureRejections: true })
  }

  /** Where node brings what an asynchronous listener rejected with. */
  override [EventEmitter.captureRejectionSymbol](thrown: unknown, ...[name]: readonly unknown[]): void {
    warn(String(name), thrown)
  }

  /** As `EventEmitter.emit`; what a listener throws becomes a process warning. */
  tell<Name extends keyof CacheEvents>(name: Name, payload: CacheEvents[Name][0]): void {
    if (this.listenerCount(name) === 0) return
    try {
      // The overloads of emit do not follow a type parameter.
      ;(this as EventEmitter).emit(name, payload)
    } catch (thrown) {
      warn(name, thrown)
    }
  }
}

function warn(name: string, thrown: unknown): void {
  process.emitWarning(`a listener of "${name}" threw: ${String(thrown)}`, 'FallbackCacheWarning')
}
