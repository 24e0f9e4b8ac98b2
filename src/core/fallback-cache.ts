import { brand, tellVersion } from './brand.js'
import { buildKey } from './build-key.js'
import { type CacheStats, cacheStats } from './cache-stats.js'
import { newCounters } from './counters.js'
import { startDebugLog } from './debug-log.js'
import type { Duration } from './duration.js'
import { CacheEngine, ENGINE } from './engine.js'
import { EntryStore } from './entry-store.js'
import { type CacheEvents, GuardedEmitter } from './events.js'
import {
  type InvalidateOptions,
  type PrefixOptions,
  readInvalidateOptions,
  readKeyOptions,
  readPrefixOptions,
} from './invalidate-options.js'
import { checkKey, checkList, noteStar } from './key-checks.js'
import { type InvalidationMark, OpaqueMark, type RunMark } from './mark.js'
import { Meters } from './meters.js'
import { shown } from './option-checks.js'
import { type CoreSettings, type FallbackCacheOptions, readCoreOptions } from './options.js'
import type { Invalidation } from './receipt.js'
import { type AssignOptions, isOptions, readAssignOptions, readSetOptions, type SetOptions } from './set-options.js'
import { isThenable } from './thenable.js'
import { ValueStore } from './value-store.js'
import { costOf } from './values.js'

export type { InvalidateOptions, PrefixOptions } from './invalidate-options.js'
export type { InvalidationMark } from './mark.js'
export type { CoveredCount, Invalidation } from './receipt.js'

/**
 * A cache for values of any type: Redis first, memory as the fallback.
 *
 * Reads ask Redis, and use memory on a miss or on any failure, within `redisTimeout`; every store writes to both.
 * Invalidations take effect in this process at once, and in all processes when they resolve with `durable`. Faults of
 * Redis never make a method throw or reject.
 */
export class FallbackCache {
  /** See {@link buildKey}. */
  static readonly buildKey = buildKey

  readonly #settings: CoreSettings
  readonly #events = new GuardedEmitter()
  readonly #entries: EntryStore
  readonly #values: ValueStore
  readonly #engine: CacheEngine
  #isStarNoted = false

  static {
    // A getter that no type declaration contains.
    Object.defineProperty(FallbackCache.prototype, ENGINE, {
      get(this: FallbackCache) {
        return this.#engine
      },
    })
  }

  /** @throws TypeError or RangeError for invalid options */
  constructor(options: FallbackCacheOptions = {}) {
    const counts = { counters: newCounters(), meters: new Meters() }
    this.#settings = readCoreOptions(options)
    this.#events.keyPrefix = this.#settings.keyPrefix
    startDebugLog()
    this.#entries = new EntryStore(this.#settings, counts.counters, this.#events)
    this.#values = new ValueStore(this.#entries, this.#settings, counts, this.#events)
    this.#engine = new CacheEngine(this.#settings, counts, this.#events, this.#entries)
  }

  /**
   * The value of a key, or `null` if there is no fresh one. The caller may modify the returned value without affecting
   * the cache.
   */
  async get<T = unknown>(key: string): Promise<T | null> {
    const known = await this.#values.read(checkKey(key))
    return known === undefined ? null : (known.value as T)
  }

  /**
   * Stores a value in both tiers. Resolves when Redis has stored it, or will not for now.
   *
   * The value counts as new at the time of the call: it replaces a value that any process invalidated before. A value
   * that took time to compute may be older than a concurrent invalidation: use {@link getOrSet}, or take a {@link mark}
   * first and pass it as `since`.
   *
   * @param options - the lifetime (seconds or a duration text), or lifetime, tags and mark
   * @throws CacheError `serializer` if the value cannot be serialized; RangeError for a lifetime that is not positive;
   *   TypeError for a promise, and for a `since` that is not a mark of this cache
   */
  async set(key: string, value: unknown, options?: Duration | AssignOptions): Promise<void> {
    checkKey(key)
    if (isThenable(value)) throw new TypeError('set must be given a value, got a promise: await it')
    const checked = readAssignOptions(options, this.#settings)
    const since = this.#readMark(isOptions(options) ? options.since : undefined)
    const entry = this.#values.entryOf(value, checked)
    if (since === undefined) await this.#entries.assign(key, entry)
    else await this.#entries.store(key, entry, since).written
  }

  /**
   * The value of a key; if there is none, it is computed by `compute` once, however many callers ask for it
   * concurrently, in this process and in others. A caller that asks after an invalidation never gets a value whose
   * computation began before it. Each caller gets its own copy: a caller that waited for another's computation gets a
   * copy made by `deserializer`.
   *
   * If `compute` fails, all waiting callers reject, and nothing is stored. A caller waits at most `maxHandlerTime` for
   * another's computation, and then computes the value itself.
   *
   * @throws CacheError `circular-wait` if `compute` asks for a key whose computation waits for it
   */
  async getOrSet<T>(key: string, compute: () => T | Promise<T>, options?: Duration | SetOptions): Promise<T> {
    checkCompute(compute)
    const checked = readSetOptions(options, this.#settings)
    checkKey(key)
    if (this.#engine.inactive === 'disabled') return compute()
    const known = await this.#values.read(key, true)
    if (known !== undefined) {
      const { entry, softened } = known
      if (softened) this.#values.makeAgain(key, compute, checked)
      else if (this.#engine.isDueEarly({ staleAt: entry.staleAt, cost: costOf(entry) }))
        this.#values.makeEarly(key, compute, checked)
      return known.value as T
    }
    return (await this.#values.makeOnce(key, compute, checked)) as T
  }

  /** Removes a key from both tiers. Resolves to true if either had a usable entry. */
  delete(key: string): Promise<boolean> {
    return this.#entries.delete(checkKey(key)).then(({ existed, durable }) => {
      this.#engine.tellInvalidated({ keys: [key] }, durable)
      return existed
    })
  }

  /** Like {@link delete}, but resolves with a receipt. Single keys cannot be invalidated softly. */
  invalidateKey(key: string, options: Omit<InvalidateOptions, 'soft'> = {}): Promise<Invalidation> {
    const invalidated = this.#entries.invalidate([{ kind: 'key', key: checkKey(key) }], readKeyOptions(options))
    return this.#engine.telling(invalidated, { keys: [key] })
  }

  /**
   * Invalidates every key that starts with `prefix`, in every process, in constant time. No character is special, which a
   * warning says of a `*` at the end; the empty prefix matches every key under `keyPrefix`.
   */
  invalidatePrefix(prefix: string, options: PrefixOptions = {}): Promise<Invalidation> {
    if (typeof prefix !== 'string') throw new TypeError(`a prefix must be a string, got ${shown(prefix)}`)
    return this.invalidatePrefixes([prefix], options)
  }

  /** Like {@link invalidatePrefix}, for several prefixes at once. */
  invalidatePrefixes(prefixes: readonly string[], options: PrefixOptions = {}): Promise<Invalidation> {
    const { ignoreCase, soft, ...how } = readPrefixOptions(options)
    const covers = checkList(prefixes, 'prefixes').map(
      (prefix) => ({ kind: 'prefix', prefix, ignoreCase, soft }) as const,
    )
    this.#isStarNoted ||= noteStar(prefixes, this.#settings.logger)
    return this.#engine.telling(this.#entries.invalidate(covers, how), { prefixes, soft })
  }

  /** Invalidates every entry that has at least one of these tags, in every process. */
  invalidateTags(tags: readonly string[], options: InvalidateOptions = {}): Promise<Invalidation> {
    const { soft, ...how } = readInvalidateOptions(options, 'invalidateTags')
    const covers = checkList(tags, 'tags').map((tag) => ({ kind: 'tag', tag, soft }) as const)
    return this.#engine.telling(this.#entries.invalidate(covers, how), { tags, soft })
  }

  /** Invalidates every key under `keyPrefix`, in every process; other keys in the database are unaffected. */
  clear(options: InvalidateOptions = {}): Promise<Invalidation> {
    const { soft, ...how } = readInvalidateOptions(options, 'clear')
    return this.#engine.telling(this.#entries.invalidate([{ kind: 'all', soft }], how), { all: true, soft })
  }

  /** Statistics: memory usage, the state of Redis, and the counters. */
  stats(): CacheStats {
    return cacheStats({ settings: this.#settings, entries: this.#entries, values: this.#values, engine: this.#engine })
  }

  /**
   * Sends pending invalidations to Redis, for at most five seconds, and stops: earlier if there was a connection and
   * Redis accepts none of them for one second. Warns of those that are lost. A client passed as the `redis` option stays open. Afterwards nothing is found and
   * nothing is stored.
   */
  close(): Promise<void> {
    return this.#entries.close()
  }

  /** Whether {@link close} was called. */
  get isClosed(): boolean {
    return this.#engine.isClosed
  }

  /** Adds a listener for an event; an error it throws becomes a process warning. */
  on<Name extends keyof CacheEvents>(event: Name, listener: (payload: CacheEvents[Name][0]) => void): this {
    this.#events.on(event, listener as never)
    return this
  }

  /** Adds a listener that is called at most once; see {@link on}. */
  once<Name extends keyof CacheEvents>(event: Name, listener: (payload: CacheEvents[Name][0]) => void): this {
    this.#events.once(event, listener as never)
    return this
  }

  /** Removes a listener. */
  off<Name extends keyof CacheEvents>(event: Name, listener: (payload: CacheEvents[Name][0]) => void): this {
    this.#events.off(event, listener as never)
    return this
  }

  /**
   * Marks the current position among the invalidations: call it before a value is read or computed, and pass it to
   * {@link set} as `since`.
   */
  mark(): InvalidationMark {
    return new OpaqueMark(this, this.#entries.mark())
  }

  #readMark(since: InvalidationMark | undefined): RunMark | undefined {
    if (since === undefined) return undefined
    const mark = OpaqueMark.read(since, this)
    if (mark === undefined)
      throw new TypeError(`since must be a mark that mark() of this cache gave, got ${shown(since)}`)
    return mark
  }
}

function checkCompute(compute: unknown): void {
  if (typeof compute === 'function') return
  throw new TypeError(
    `getOrSet needs a function that computes the value as its second argument, got ${shown(compute)}: write getOrSet(key, () => load(), options)`,
  )
}

/** The engine of a cache, of this copy of the package or another. Internal to the package. */
export function engineOf(cache: FallbackCache): CacheEngine {
  return Reflect.get(cache, ENGINE) as CacheEngine
}

brand(FallbackCache, 'cache')
tellVersion(FallbackCache)
