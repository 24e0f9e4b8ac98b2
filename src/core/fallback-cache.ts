import { brand, tellVersion } from './brand.js'
import { buildKey } from './build-key.js'
import type { JournalStats } from './coherence/journal.js'
import type { MirrorStats } from './coherence/mirror.js'
import type { RetiredStats } from './coherence/retired-keys.js'
import type { RetirementStats } from './coherence/retirement.js'
import { type Counters, newCounters } from './counters.js'
import { type Duration, positiveDuration } from './duration.js'
import { CacheEngine, ENGINE } from './engine.js'
import { EntryStore, type Invalidation } from './entry-store.js'
import { type CacheEvents, GuardedEmitter } from './events.js'
import type { InvalidationMark, RunMark } from './mark.js'
import { rejectUnknownOptions, shown } from './option-checks.js'
import { type CoreSettings, type FallbackCacheOptions, readCoreOptions } from './options.js'
import type { RecordingStats } from './recordings.js'
import { type ValueLifetime, ValueStore } from './value-store.js'
import { costOf } from './values.js'

export type { Invalidation } from './entry-store.js'
export type { InvalidationMark } from './mark.js'

/** How long a value lives, and what can invalidate it. */
export interface SetOptions {
  /** Seconds or a duration text, above 0. @defaultValue `defaultTtl` */
  readonly ttl?: Duration | undefined
  /** What {@link FallbackCache.invalidateTags} can name it by. */
  readonly tags?: readonly string[] | undefined
}

/** As {@link SetOptions}, for a value that took time to make. */
export interface AssignOptions extends SetOptions {
  /**
   * What {@link FallbackCache.mark} gave before the value was read or made: whatever was invalidated since then, anywhere,
   * keeps it out. Without it the value counts as new at the call of `set`.
   */
  readonly since?: InvalidationMark | undefined
}

/** What {@link FallbackCache.stats} tells. */
export interface CacheStats {
  /** Whether there is a Redis behind this cache. */
  readonly backend: 'redis' | 'memory'
  /** Entries in memory, those included whose lifetime is over and that nobody has asked for since. */
  readonly entries: number
  readonly maxEntries: number
  /** Seconds since the entry that is next to be evicted was stored; `null` when memory is empty. */
  readonly oldestAgeSeconds: number | null
  /** The same as `entries`, under the name the Python original uses beside Redis. */
  readonly memoryEntries: number
  readonly memoryBytes: number
  readonly maxBytes: number
  /** Response bodies that are being recorded: how many, and the bytes that they hold beside `memoryBytes`. */
  readonly recordings: RecordingStats
  /** Requests that wait for the handler of another request. */
  readonly waiting: number
  /** Stale responses that are being made again in the background. */
  readonly refreshing: number
  readonly keyPrefix: string
  readonly circuitBreakerState: 'closed' | 'open' | 'half_open'
  readonly circuitBreakerFailureCount: number
  /** False while Redis is there but not trusted. */
  readonly connected: boolean
  /**
   * Why Redis cannot be used, or what it refuses while it can: the words of Redis, which begin with an error code (`READONLY`, `OOM`,
   * `NOPERM`, `NOAUTH`, `LOADING`, …), or those of its client. `undefined` in health and before the first connection was tried.
   */
  readonly redisError: string | undefined
  /** Invalidations that Redis and the other processes do not know of yet. */
  readonly pendingInvalidations: number
  /** Entries whose writing to Redis failed and is to be tried again; at most 1,024 and twice `entries`. */
  readonly pendingWrites: number
  /** Computations of {@link FallbackCache.getOrSet} under way. */
  readonly computing: number
  /** How full the mirror of invalidations is. */
  readonly mirror: MirrorStats
  /** How full the journal of invalidations issued here is; `undefined` without Redis. */
  readonly journal: JournalStats | undefined
  /** What requests with unsafe methods have taken out of use lately; what concerns Redis only where there is one. */
  readonly retired: RetiredStats & Partial<RetirementStats>
  readonly counters: Readonly<Counters>
}

/** Options of an invalidation by prefix. */
export interface PrefixOptions {
  /** Compare without regard to letter case. @defaultValue false */
  readonly ignoreCase?: boolean | undefined
}

/**
 * A cache of anything: Redis first, memory behind it.
 *
 * Reads ask Redis and fall back to memory on a miss and on any failure, within `redisTimeout`; every store writes
 * both. Invalidations hold in this process at once, and everywhere when they say `durable`. Nothing here throws or
 * rejects for a fault of Redis.
 */
export class FallbackCache {
  /** See {@link buildKey}. */
  static readonly buildKey = buildKey

  readonly #settings: CoreSettings
  readonly #events = new GuardedEmitter()
  readonly #entries: EntryStore
  readonly #values: ValueStore
  readonly #engine: CacheEngine

  static {
    // A getter that no declaration shows.
    Object.defineProperty(FallbackCache.prototype, ENGINE, {
      get(this: FallbackCache) {
        return this.#engine
      },
    })
  }

  /** @throws TypeError or RangeError for options that cannot be meant */
  constructor(options: FallbackCacheOptions = {}) {
    const counters = newCounters()
    this.#settings = readCoreOptions(options)
    this.#entries = new EntryStore(this.#settings, counters, this.#events)
    this.#values = new ValueStore(this.#entries, this.#settings, counters, this.#events)
    this.#engine = new CacheEngine(this.#settings, counters, this.#events, this.#entries)
  }

  /**
   * The value of a key, or `null` when there is none that is fresh. What is given is the caller's own: changing it
   * changes nothing here.
   */
  async get<T = unknown>(key: string): Promise<T | null> {
    const known = await this.#values.read(checkKey(key))
    return known === undefined ? null : (known.value as T)
  }

  /**
   * Stores a value in both tiers. Resolves when Redis has it, or will not have it for now.
   *
   * The value counts as new at the call: it replaces what was invalidated before, by any process. What took time to make
   * may be older than an invalidation meanwhile: use {@link getOrSet}, or take a {@link mark} first and hand it in as
   * `since`.
   *
   * @param options - the lifetime (seconds or a duration text), or lifetime, tags and mark
   * @throws CacheError `serializer` when the value has no serialised form; RangeError for a lifetime that is not positive
   */
  async set(key: string, value: unknown, options?: Duration | AssignOptions): Promise<void> {
    checkKey(key)
    const checked = this.#readSetOptions(options, ['ttl', 'tags', 'since'])
    const since = isOptions(options) ? options.since : undefined
    const entry = this.#values.entryOf(value, checked)
    if (since === undefined) await this.#entries.assign(key, entry)
    else await this.#entries.store(key, entry, since as RunMark).written
  }

  /**
   * The value of a key, made by `compute` when there is none: once, however many callers ask for it at the same time, in this
   * process and in the others. A caller that asks after an invalidation never gets a value that was begun before it. Each caller
   * gets a value of its own: one that waited for the computation of another gets what `deserializer` makes of it.
   *
   * An error of `compute` rejects every caller that waits, and is not kept. A caller waits `maxHandlerTime` at most for the
   * computation of another, and computes then.
   *
   * @throws CacheError `circular-wait` when `compute` asks for a key whose computation waits for it
   */
  async getOrSet<T>(key: string, compute: () => T | Promise<T>, options?: Duration | SetOptions): Promise<T> {
    const checked = this.#readSetOptions(options)
    checkKey(key)
    if (this.#engine.inactive === 'disabled') return compute()
    const known = await this.#values.read(key)
    if (known !== undefined) {
      const { entry } = known
      if (this.#engine.isDueEarly(entry.staleAt, costOf(entry))) this.#values.makeEarly(key, compute, checked)
      return known.value as T
    }
    return (await this.#values.makeOnce(key, compute, checked)) as T
  }

  /** Takes a key out of both tiers. True when either had it. */
  delete(key: string): Promise<boolean> {
    return this.#entries.delete(checkKey(key))
  }

  /** As {@link delete}, but says whether every process is bound by it already. */
  invalidateKey(key: string): Promise<Invalidation> {
    return this.#entries.invalidate([{ kind: 'key', key: checkKey(key) }])
  }

  /**
   * Takes every key that starts with `prefix` out of use, in every process. Takes the same time however many there
   * are. No character is special; the empty prefix is every key under `keyPrefix`.
   */
  invalidatePrefix(prefix: string, options: PrefixOptions = {}): Promise<Invalidation> {
    return this.invalidatePrefixes([prefix], options)
  }

  /** As {@link invalidatePrefix}, for several prefixes at once. */
  invalidatePrefixes(prefixes: readonly string[], options: PrefixOptions = {}): Promise<Invalidation> {
    rejectUnknownOptions(options, ['ignoreCase'], 'invalidatePrefix')
    const ignoreCase = options.ignoreCase ?? false
    return this.#entries.invalidate(
      checkList(prefixes, 'prefixes').map((prefix) => ({ kind: 'prefix', prefix, ignoreCase })),
    )
  }

  /** Takes every entry that has one of these tags out of use, in every process. */
  invalidateTags(tags: readonly string[]): Promise<Invalidation> {
    return this.#entries.invalidate(checkList(tags, 'tags').map((tag) => ({ kind: 'tag', tag })))
  }

  /** Takes everything under `keyPrefix` out of use, in every process, and nothing else in the database. */
  clear(): Promise<Invalidation> {
    return this.#entries.invalidate([{ kind: 'all' }])
  }

  /** What is in memory, how Redis is, what has been counted. */
  stats(): CacheStats {
    const { memory, oldestStoredAt, mirror, journal, retired, ...redis } = this.#entries.stats()
    const { clock, counters, gauges, recordings } = this.#engine
    return {
      backend: this.#entries.isShared ? 'redis' : 'memory',
      entries: memory.entries,
      maxEntries: memory.maxEntries,
      oldestAgeSeconds: oldestStoredAt === undefined ? null : (clock.now() - oldestStoredAt) / 1000,
      memoryEntries: memory.entries,
      memoryBytes: memory.bytes,
      maxBytes: memory.maxBytes,
      recordings: recordings.stats(),
      waiting: gauges.waiting,
      refreshing: gauges.refreshing,
      keyPrefix: this.#settings.keyPrefix,
      circuitBreakerState: redis.circuitState,
      circuitBreakerFailureCount: redis.circuitFailures,
      connected: redis.isConnected,
      redisError: redis.redisError,
      pendingInvalidations: journal?.pending ?? 0,
      pendingWrites: redis.pendingWrites,
      computing: this.#values.computing,
      mirror,
      journal,
      retired,
      counters: {
        ...counters,
        refused: { ...counters.refused },
        redisErrors: { ...counters.redisErrors },
      },
    }
  }

  /**
   * Tells Redis what it does not know yet, if that takes no longer than a second, and stops. A client that was handed
   * in stays open. Afterwards nothing is found and nothing is kept.
   */
  close(): Promise<void> {
    return this.#entries.close()
  }

  /** Whether {@link close} was called. */
  get isClosed(): boolean {
    return this.#engine.isClosed
  }

  /** Calls `listener` at every event of this name; what it throws becomes a process warning. */
  on<Name extends keyof CacheEvents>(event: Name, listener: (payload: CacheEvents[Name][0]) => void): this {
    this.#events.on(event, listener as never)
    return this
  }

  /** As {@link on}, once. */
  once<Name extends keyof CacheEvents>(event: Name, listener: (payload: CacheEvents[Name][0]) => void): this {
    this.#events.once(event, listener as never)
    return this
  }

  /** Takes a listener back. */
  off<Name extends keyof CacheEvents>(event: Name, listener: (payload: CacheEvents[Name][0]) => void): this {
    this.#events.off(event, listener as never)
    return this
  }

  /** A moment among the invalidations: take it before a value is read or made, and give it to {@link set} as `since`. */
  mark(): InvalidationMark {
    return this.#entries.mark()
  }

  #readSetOptions(given: Duration | SetOptions | undefined, known: readonly string[] = ['ttl', 'tags']): ValueLifetime {
    const options: SetOptions = isOptions(given) ? given : { ttl: given }
    rejectUnknownOptions(options, known, 'set')
    const lifetime = options.ttl === undefined ? this.#settings.defaultTtl : positiveDuration(options.ttl, 'ttl') * 1000
    return { lifetime, tags: options.tags === undefined ? [] : [...checkList(options.tags, 'tags')] }
  }
}

/** Half a surrogate pair: it has no UTF-8, so Redis could not tell it from any other half. */
const halfPair = /\p{Surrogate}/u

function checkKey(key: string): string {
  if (typeof key !== 'string') throw new TypeError(`a key must be a string, got ${shown(key)}`)
  if (halfPair.test(key)) throw new TypeError(`a key must be well-formed Unicode, got ${shown(key)}`)
  return key
}

function isOptions<T extends object>(given: T | Duration | undefined): given is T {
  return typeof given === 'object' && given !== null
}

function checkList(list: readonly string[], name: string): readonly string[] {
  if (!Array.isArray(list) || !list.every((item) => typeof item === 'string')) {
    throw new TypeError(`${name} must be an array of strings, got ${shown(list)}`)
  }
  const broken = list.find((item) => halfPair.test(item))
  if (broken !== undefined) throw new TypeError(`${name} must be well-formed Unicode, got ${shown(broken)}`)
  return list
}

/** The engine behind a cache of this copy of the package or another one: what users of the package do not see. */
export function engineOf(cache: FallbackCache): CacheEngine {
  return Reflect.get(cache, ENGINE) as CacheEngine
}

brand(FallbackCache, 'cache')
tellVersion(FallbackCache)
