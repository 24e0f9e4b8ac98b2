import type { ConnectionOptions } from 'node:tls'
import { type Clock, readClock, systemClock } from './clock.js'
import { type Duration, parseDuration, positiveDuration, positiveMilliseconds, timerDuration } from './duration.js'
import { type Logger, notify, readLogger } from './logger.js'
import { noteLongLifetime } from './long-lifetime.js'
import { callable, flag, given, numberWithin, oneOf, positiveInteger, shown, text } from './option-checks.js'
import { TTL_NAMES } from './option-hints.js'
import { namesOf, type OptionTable, readOptions, type Settings } from './option-table.js'
import { SleepAwareClock } from './sleep-aware-clock.js'
import { type Credentials, readCredentials } from './tiers/credentials.js'
import type { RedisClient } from './tiers/redis-client.js'
import { readRedis, readTls } from './tiers/redis-option.js'

/** Options of the circuit breaker. */
export interface CircuitBreakerOptions {
  /**
   * Consecutive failures after which commands are no longer sent to Redis; an integer, 1 or greater. @defaultValue 5
   */
  readonly threshold?: number
  /**
   * How long an open breaker waits before it sends a probe: seconds or a duration text. If the client reports a new
   * connection, a probe is sent at once. @defaultValue 30
   */
  readonly cooldown?: Duration
}

/** Options of {@link FallbackCache}. `undefined` means the default; an unknown name is an error. */
export interface FallbackCacheOptions {
  /**
   * `false` creates a cache that finds nothing, stores nothing and connects to nothing, but has every method. Use it in
   * tests of an application, or to check whether a fault is related to the cache. @defaultValue true
   */
  readonly enabled?: boolean | undefined
  /**
   * A URL (`redis://`, `rediss://`), for which the cache creates and owns a client with safe options (requires the
   * package `ioredis`); or a client of your own, which is used unchanged and never closed: ioredis 5 or 6 (`Redis` or
   * `Cluster`), iovalkey, node-redis 4 to 6. The server may be down, frozen or not connected yet. If the option is
   * missing, the cache uses memory only; if it is given as `undefined`, for example from a variable that is not set, it
   * does the same and logs one warning.
   */
  readonly redis?: string | RedisClient | undefined
  /**
   * TLS options for a `rediss://` URL, as for `tls.connect()` of Node.js: `{ ca, cert, key }` as PEM texts or Buffers,
   * `servername`, `rejectUnauthorized`, … If you pass a client, set its own TLS options instead.
   */
  readonly tls?: ConnectionOptions | undefined
  /**
   * Returns user name, password and TLS options for each connection to the `redis` URL, so that they can change while
   * the process runs: `async () => ({ username, password, tls: { ca } })`. The URL must not contain a login. If the
   * function throws, or takes longer than two seconds, the previous credentials are used.
   */
  readonly credentials?: (() => Credentials | Promise<Credentials>) | undefined
  /**
   * Prefix of every key in Redis, at most 256 characters; caches that must not share entries need different prefixes.
   * @defaultValue `''`
   */
  readonly keyPrefix?: string | undefined
  /** Lifetime of a value stored without one: seconds or a duration text, greater than 0. @defaultValue 300 */
  readonly defaultTtl?: Duration | undefined
  /**
   * Maximum number of entries in memory: an integer, 1 or greater, or `Infinity` if only `maxBytes` is the limit. The
   * least recently used entry is evicted first. @defaultValue 100; in the middlewares `Infinity`
   */
  readonly maxEntries?: number | undefined
  /**
   * Maximum size of memory in bytes, including bodies, keys, metadata and bookkeeping; an integer, 1 or greater.
   * @defaultValue 64 MiB
   */
  readonly maxBytes?: number | undefined
  /**
   * Maximum bytes of response bodies that are being recorded, in addition to `maxBytes`; an integer, 1 or greater. If
   * it is exceeded, the recording that has not grown for the longest time is dropped, and its response is not stored.
   * @defaultValue 64 MiB
   */
  readonly maxRecordingBytes?: number | undefined
  /** Converts a value to text or bytes. @defaultValue `JSON.stringify` */
  readonly serializer?: ((value: unknown) => string | Buffer) | undefined
  /**
   * Converts it back: receives a string if the serializer returned one, otherwise a Buffer. @defaultValue `JSON.parse`
   */
  readonly deserializer?: ((data: never) => unknown) | undefined
  /** See {@link CircuitBreakerOptions}. */
  readonly circuitBreaker?: CircuitBreakerOptions | undefined
  /**
   * Maximum time a request waits for Redis: milliseconds greater than 0, or a text with a unit, such as `'50ms'`.
   * @defaultValue 50
   */
  readonly redisTimeout?: Duration | undefined
  /**
   * Maximum number of commands that wait for Redis at one time, an integer, 1 or greater; further commands are not
   * sent. @defaultValue 200
   */
  readonly maxInFlight?: number | undefined
  /**
   * Maximum size of a value sent to Redis, in bytes; an integer, 1 or greater. Larger values are only kept in memory, because they would delay
   * other commands. @defaultValue 1 MiB
   */
  readonly maxRedisBytes?: number | undefined
  /**
   * `'redis-first'`: every read asks Redis, and so respects every acknowledged invalidation of every process at once.
   * `'confirmed'`: keeps the same promise, but reads only what memory lacks or another process has changed: a small read
   * of the end of the log, shared by all lookups of a turn of the event loop, confirms the rest. Stores cost Redis a little more.
   * `'memory-first'`: a copy in memory answers without a round trip if the log was read within
   * {@link FallbackCacheOptions.lease}; an invalidation by another process takes effect with at most that delay. If another
   * process replaces a value without invalidating it, the new value is seen when the lifetime of the copy is over.
   * @defaultValue `'redis-first'`
   */
  readonly read?: 'redis-first' | 'confirmed' | 'memory-first' | undefined
  /**
   * How long memory may answer without reading the log, in memory-first mode; seconds or a duration text. @defaultValue
   * 1
   */
  readonly lease?: Duration | undefined
  /**
   * How long memory answers while Redis is unreachable, counted from the time when the copy was last known to be valid.
   * This limits how long invalidations by other processes can be missed. Seconds or a duration text; 0 for never.
   * @defaultValue 60
   */
  readonly maxStaleWhileDisconnected?: Duration | undefined
  /**
   * A result that took longer than this is not stored, because invalidations of single keys are only recorded for this
   * long. Seconds or a duration text. @defaultValue 60
   */
  readonly maxHandlerTime?: Duration | undefined
  /**
   * Processes that miss the same key at the same time wait for one of them; this is how long they wait for a process
   * that has died. Seconds or a duration text; `false` lets each process compute its own. @defaultValue 2
   */
  readonly singleFlightLease?: Duration | false | undefined
  /**
   * Maximum fraction of a lifetime that is removed at random, so that values stored together do not become stale
   * together; 0 to 1. @defaultValue 0
   */
  readonly lifetimeJitter?: number | undefined
  /**
   * How early a fresh value is recomputed before the end of its lifetime (XFetch's beta), 0 to 100: 0 for never, 1 is
   * usual. @defaultValue 0
   */
  readonly earlyRefresh?: number | undefined
  /**
   * Maximum bytes of the mirror of invalidations; an integer, 1 or greater. If it is exceeded, old entries are invalidated early. @defaultValue 4
   * MiB
   */
  readonly maxMirrorBytes?: number | undefined
  /**
   * Maximum bytes of invalidations waiting for Redis; an integer, 1 or greater. If it is exceeded, they are replaced by one that clears
   * everything. @defaultValue 1 MiB
   */
  readonly maxJournalBytes?: number | undefined
  /**
   * Path of a file that stores invalidations issued during an outage, so that they survive a crash of this process. Each
   * process needs a file of its own.
   */
  readonly journalFile?: string | undefined
  /** Receives messages about outages, recoveries and misuse. @defaultValue none */
  readonly logger?: Logger | undefined
  /** The source of time. @defaultValue the system clock */
  readonly clock?: Clock | undefined
}

const MEBIBYTE = 2 ** 20

/** The options of a circuit breaker, and how each is read. */
const BREAKER_OPTIONS = {
  threshold: { default: 5, read: positiveInteger },
  cooldown: { default: 30, read: timerMilliseconds },
} as const satisfies OptionTable<CircuitBreakerOptions>

/**
 * The options of the core, and how each is read: an option is one entry here and one property of {@link
 * FallbackCacheOptions}.
 */
export const CORE_OPTIONS = {
  enabled: { default: true, read: flagOf, otherNames: 'enable disabled disable active' },
  redis: {
    read: readRedis,
    otherNames: 'client redisClient redisUrl url uri connection store storage host port',
  },
  tls: { read: (value, _, { redis }) => readTls(value, redis), otherNames: 'ssl ca cert' },
  credentials: {
    read: (value, _, { redis }) => readCredentials(value, redis),
    otherNames: 'auth login password username credentialsProvider',
  },
  keyPrefix: {
    default: '',
    read: (value, name) => text(value, name, LONGEST_PREFIX),
    otherNames: 'prefix namespace',
  },
  defaultTtl: {
    default: 300,
    read: (value, name) => positiveDuration(value, name) * 1000,
    otherNames: TTL_NAMES,
  },
  maxEntries: {
    default: 100,
    // Responses differ in size by orders of magnitude, so only their bytes are limited.
    presets: { middleware: Number.POSITIVE_INFINITY },
    read: (value, name) => (value === Number.POSITIVE_INFINITY ? value : positiveInteger(value, name)),
    otherNames: 'max limit maxItems maxKeys capacity',
  },
  maxBytes: { default: 64 * MEBIBYTE, read: positiveInteger, otherNames: 'maxSize memoryLimit maxMemory' },
  maxRecordingBytes: { default: 64 * MEBIBYTE, read: positiveInteger },
  serializer: { default: JSON.stringify, read: callableOf<NonNullable<FallbackCacheOptions['serializer']>> },
  deserializer: { default: parseJson, read: callableOf<NonNullable<FallbackCacheOptions['deserializer']>> },
  circuitBreaker: {
    default: {},
    read: (value, name) => readOptions(given(value, {}), BREAKER_OPTIONS, name, { prefix: `${name}.` }),
  },
  redisTimeout: { default: 50, read: positiveMilliseconds, otherNames: 'timeout commandTimeout' },
  maxInFlight: { default: 200, read: positiveInteger },
  maxRedisBytes: { default: MEBIBYTE, read: positiveInteger },
  read: {
    default: 'redis-first',
    read: (value, name) => oneOf(value, ['redis-first', 'confirmed', 'memory-first'], name),
  },
  lease: { default: 1, read: timerMilliseconds },
  maxStaleWhileDisconnected: { default: 60, read: (value, name) => parseDuration(value, name) * 1000 },
  maxHandlerTime: { default: 60, read: timerMilliseconds },
  singleFlightLease: { default: 2, read: (value, name) => (value === false ? 0 : timerMilliseconds(value, name)) },
  lifetimeJitter: { default: 0, read: (value, name) => numberWithin(value, 0, 1, name) },
  earlyRefresh: { default: 0, read: (value, name) => numberWithin(value, 0, 100, name) },
  maxMirrorBytes: { default: 4 * MEBIBYTE, read: positiveInteger },
  maxJournalBytes: { default: MEBIBYTE, read: positiveInteger },
  journalFile: { read: readJournalFile },
  logger: { read: readLogger, otherNames: 'log console' },
  clock: { default: systemClock, read: (value) => new SleepAwareClock(readClock(value)) },
} as const satisfies OptionTable<FallbackCacheOptions>

/** Names of the core's options, for code that passes options on. */
export const coreOptionNames: readonly (keyof FallbackCacheOptions)[] = namesOf<FallbackCacheOptions>(CORE_OPTIONS)

/** The validated options with defaults applied; times in milliseconds. */
export type CoreSettings = Settings<typeof CORE_OPTIONS>

/**
 * Validates the options, once at construction.
 *
 * @throws TypeError for a value of the wrong type or an unknown name, RangeError for a value out of range
 */
export function readCoreOptions(options: FallbackCacheOptions): CoreSettings {
  const settings = readOptions(options, CORE_OPTIONS, 'FallbackCache')
  const { enabled, logger } = settings
  if (enabled && 'redis' in options && options.redis === undefined) notify(logger, MISSING_REDIS)
  noteLongLifetime(options.defaultTtl, 'defaultTtl', logger)
  return settings
}

/** A duration that a timer can wait for, in milliseconds. */
function timerMilliseconds(value: unknown, name: string): number {
  return timerDuration(value, name) * 1000
}

/** Checks for a boolean. @throws TypeError */
export function flagOf(value: unknown, name: string): boolean {
  return flag(value, name) === true
}

function callableOf<T>(value: T | undefined, name: string): T {
  return callable(value, name) as T
}

const MISSING_REDIS =
  'the option redis is given, and undefined: the cache lives in the memory of this process. ' +
  'Is the variable not set? Where that is meant, leave the option out'

/** Characters. Each key in Redis and in memory begins with the prefix. */
const LONGEST_PREFIX = 256

/** In characters; the maximum of common file systems. */
const LONGEST_PATH = 4096

function readJournalFile(journalFile: unknown): string | undefined {
  if (journalFile === undefined) return undefined
  const path = text(journalFile, 'journalFile', LONGEST_PATH)
  if (path === '' || path.includes('\0')) {
    throw new TypeError(`journalFile must be the path of a file, got ${shown(path)}`)
  }
  return path
}

function parseJson(data: string | Buffer): unknown {
  return JSON.parse(typeof data === 'string' ? data : data.toString())
}
