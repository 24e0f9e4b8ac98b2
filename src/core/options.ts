import { type ConnectionOptions, createSecureContext } from 'node:tls'
import { type Clock, systemClock } from './clock.js'
import { type Duration, parseDuration, positiveDuration, positiveMilliseconds, timerDuration } from './duration.js'
import { GuardedLogger, type Logger, notify } from './logger.js'
import { noteLongLifetime } from './long-lifetime.js'
import {
  callable,
  flag,
  given,
  numberWithin,
  oneOf,
  positiveInteger,
  rejectUnknownOptions,
  shown,
  text,
} from './option-checks.js'
import { SleepAwareClock } from './sleep-aware-clock.js'
import { type Credentials, type GiveCredentials, readCredentials } from './tiers/credentials.js'
import type { RedisClient } from './tiers/redis-client.js'
import { readRedisUrl } from './tiers/redis-url.js'

/** When the circuit breaker opens, and when it looks again. */
export interface CircuitBreakerOptions {
  /** Failures in a row after which Redis is left alone; an integer from 1. @defaultValue 5 */
  readonly threshold?: number
  /**
   * How long to wait before a probe is sent, when the client says nothing of its own: seconds or a duration text.
   * A client that reports a new connection is probed at once. @defaultValue 30
   */
  readonly cooldown?: Duration
}

/** Options of {@link FallbackCache}. `undefined` means the default; an unknown name is an error. */
export interface FallbackCacheOptions {
  /**
   * `false`: a cache that finds nothing, keeps nothing and connects to nothing, with every method there. For tests of an
   * application, and to see whether a fault has to do with the cache. @defaultValue true
   */
  readonly enabled?: boolean | undefined
  /**
   * A URL (`redis://`, `rediss://`), for which a client with safe options is made and owned (needs the package
   * `ioredis`), or a client of yours, used as it is and never closed: ioredis 5 or 6 (`Redis` or `Cluster`), iovalkey,
   * node-redis 4 to 6. It may be dead, frozen or not connected yet. Without it the cache lives in memory; given as `undefined`,
   * as by a variable that is not set, it does so too, with one warning.
   */
  readonly redis?: string | RedisClient | undefined
  /**
   * What a `rediss://` URL needs beside itself, as `tls.connect()` of Node.js takes it: `{ ca, cert, key }` as texts or Buffers of PEM,
   * `servername`, `rejectUnauthorized`, … A client of yours has such options of its own.
   */
  readonly tls?: ConnectionOptions | undefined
  /**
   * Gives user name, password and TLS options for each connection that is made to the `redis` URL, so that they can change while the
   * process runs: `async () => ({ username, password, tls: { ca } })`. The URL has no login then. When it throws, or takes longer than
   * two seconds, the connection is tried with the last ones.
   */
  readonly credentials?: (() => Credentials | Promise<Credentials>) | undefined
  /** What every key in Redis starts with, at most 256 characters; caches that must not share take different prefixes. @defaultValue `''` */
  readonly keyPrefix?: string | undefined
  /** Lifetime of a value stored without one: seconds or a duration text, above 0. @defaultValue 300 */
  readonly defaultTtl?: Duration | undefined
  /**
   * How many entries memory holds, an integer from 1, or `Infinity` where `maxBytes` alone is the bound; the least recently used
   * goes first. @defaultValue 100; in the middlewares `Infinity`
   */
  readonly maxEntries?: number | undefined
  /** How many bytes memory holds: bodies, keys, descriptions and bookkeeping; an integer from 1. @defaultValue 64 MiB */
  readonly maxBytes?: number | undefined
  /**
   * Bytes that response bodies may take while they are recorded, beside `maxBytes`; an integer from 1. Past it the
   * recording that has not grown for the longest time is given up, and its response is not stored. @defaultValue 64 MiB
   */
  readonly maxRecordingBytes?: number | undefined
  /** How values become text or bytes. @defaultValue `JSON.stringify` */
  readonly serializer?: ((value: unknown) => string | Buffer) | undefined
  /** How they come back: gets a string when the serializer gave one, else a Buffer. @defaultValue `JSON.parse` */
  readonly deserializer?: ((data: never) => unknown) | undefined
  /** See {@link CircuitBreakerOptions}. */
  readonly circuitBreaker?: CircuitBreakerOptions | undefined
  /** The longest a request may wait for Redis: milliseconds above 0, or a text with its unit, such as `'50ms'`. @defaultValue 50 */
  readonly redisTimeout?: Duration | undefined
  /** Commands that may wait for Redis at one time, an integer from 1; more are not sent. @defaultValue 200 */
  readonly maxInFlight?: number | undefined
  /** Values larger than this stay in memory and are not sent to Redis, where they would delay everybody; bytes. @defaultValue 1 MiB */
  readonly maxRedisBytes?: number | undefined
  /**
   * `'redis-first'`: every read asks Redis, and so sees every acknowledged invalidation of every process at once.
   * `'memory-first'`: a copy in memory answers without a round trip as long as the log was looked at within
   * {@link FallbackCacheOptions.lease}; an invalidation elsewhere is seen that much later at worst.
   * A value that is only replaced elsewhere, and not invalidated, is seen when the copy's lifetime is over.
   * @defaultValue `'redis-first'`
   */
  readonly read?: 'redis-first' | 'memory-first' | undefined
  /** How long memory may answer without looking at the log, in memory-first mode; seconds or text. @defaultValue 1 */
  readonly lease?: Duration | undefined
  /**
   * How long memory answers for a Redis that cannot be reached, counted from the moment the copy was last known to be
   * right: the bound on what other processes invalidated meanwhile. Seconds or text; 0 for never. @defaultValue 60
   */
  readonly maxStaleWhileDisconnected?: Duration | undefined
  /** A result that took longer is not kept: records of single keys are only held that long. Seconds or text. @defaultValue 60 */
  readonly maxHandlerTime?: Duration | undefined
  /**
   * Processes that miss the same key at the same time wait for one of them; this is how long they wait for one that
   * died. Seconds or text; `false` lets each make its own. @defaultValue 2
   */
  readonly singleFlightLease?: Duration | false | undefined
  /** Part of a lifetime that is cut at random, so that what is stored together does not go stale together; 0 to 1. @defaultValue 0 */
  readonly lifetimeJitter?: number | undefined
  /** How eagerly a fresh value is made again before its end (XFetch's beta); 0 for never, 1 is usual. @defaultValue 0 */
  readonly earlyRefresh?: number | undefined
  /** Bytes that the mirror of invalidations may take; past it old entries are invalidated early. @defaultValue 4 MiB */
  readonly maxMirrorBytes?: number | undefined
  /** Bytes that invalidations waiting for Redis may take; past it they become one that clears everything. @defaultValue 1 MiB */
  readonly maxJournalBytes?: number | undefined
  /** The path of a file that keeps invalidations issued during an outage, so that they survive a crash of this process. */
  readonly journalFile?: string | undefined
  /** Told of outages, recoveries and misuse. @defaultValue none */
  readonly logger?: Logger | undefined
  /** Where time comes from. @defaultValue the machine's clock */
  readonly clock?: Clock | undefined
}

/** The options, checked and complete; times in milliseconds. */
export interface CoreSettings {
  readonly enabled: boolean
  readonly redis: string | RedisClient | undefined
  readonly tls: ConnectionOptions | undefined
  readonly credentials: GiveCredentials | undefined
  readonly keyPrefix: string
  readonly defaultTtl: number
  readonly maxEntries: number
  readonly maxBytes: number
  readonly maxRecordingBytes: number
  readonly serializer: (value: unknown) => string | Buffer
  readonly deserializer: (data: never) => unknown
  readonly threshold: number
  readonly cooldown: number
  readonly redisTimeout: number
  readonly maxInFlight: number
  readonly maxRedisBytes: number
  readonly read: 'redis-first' | 'memory-first'
  readonly lease: number
  readonly maxStaleWhileDisconnected: number
  readonly maxHandlerTime: number
  readonly singleFlightLease: number
  readonly lifetimeJitter: number
  readonly earlyRefresh: number
  readonly maxMirrorBytes: number
  readonly maxJournalBytes: number
  readonly journalFile: string | undefined
  readonly logger: Logger | undefined
  readonly clock: Clock
}

const mebibyte = 2 ** 20

/** Names of the core's options, for whoever passes options on. */
export const coreOptionNames = [
  'enabled',
  'redis',
  'tls',
  'credentials',
  'keyPrefix',
  'defaultTtl',
  'maxEntries',
  'maxBytes',
  'maxRecordingBytes',
  'serializer',
  'deserializer',
  'circuitBreaker',
  'redisTimeout',
  'maxInFlight',
  'maxRedisBytes',
  'read',
  'lease',
  'maxStaleWhileDisconnected',
  'maxHandlerTime',
  'singleFlightLease',
  'lifetimeJitter',
  'earlyRefresh',
  'maxMirrorBytes',
  'maxJournalBytes',
  'journalFile',
  'logger',
  'clock',
] as const satisfies readonly (keyof FallbackCacheOptions)[]

/**
 * Checks the options once, at construction.
 *
 * @throws TypeError for a value of the wrong kind or an unknown name, RangeError for one out of range
 */
export function readCoreOptions(options: FallbackCacheOptions): CoreSettings {
  rejectUnknownOptions(options, coreOptionNames, 'FallbackCache')
  const breaker = given<CircuitBreakerOptions>(options.circuitBreaker, NO_OPTIONS)
  rejectUnknownOptions(breaker, ['threshold', 'cooldown'], 'circuitBreaker')
  const logger = readLogger(options.logger)
  const enabled = flag(options.enabled, 'enabled') ?? true
  const settings = {
    enabled,
    redis: readRedis(options.redis),
    tls: readTls(options.tls, options.redis),
    credentials: readCredentials(options.credentials, options.redis),
    keyPrefix: text(given(options.keyPrefix, ''), 'keyPrefix', LONGEST_PREFIX),
    defaultTtl: positiveDuration(given(options.defaultTtl, 300), 'defaultTtl') * 1000,
    maxEntries: readMaxEntries(given(options.maxEntries, 100)),
    maxBytes: positiveInteger(given(options.maxBytes, 64 * mebibyte), 'maxBytes'),
    maxRecordingBytes: positiveInteger(given(options.maxRecordingBytes, 64 * mebibyte), 'maxRecordingBytes'),
    serializer: callable(options.serializer, 'serializer') ?? JSON.stringify,
    deserializer: callable(options.deserializer, 'deserializer') ?? parseJson,
    threshold: positiveInteger(given(breaker.threshold, 5), 'circuitBreaker.threshold'),
    cooldown: timerDuration(given(breaker.cooldown, 30), 'circuitBreaker.cooldown') * 1000,
    redisTimeout: positiveMilliseconds(given(options.redisTimeout, 50), 'redisTimeout'),
    maxInFlight: positiveInteger(given(options.maxInFlight, 200), 'maxInFlight'),
    maxRedisBytes: positiveInteger(given(options.maxRedisBytes, mebibyte), 'maxRedisBytes'),
    read: oneOf(given(options.read, 'redis-first'), ['redis-first', 'memory-first'], 'read'),
    lease: timerDuration(given(options.lease, 1), 'lease') * 1000,
    maxStaleWhileDisconnected:
      parseDuration(given(options.maxStaleWhileDisconnected, 60), 'maxStaleWhileDisconnected') * 1000,
    maxHandlerTime: timerDuration(given(options.maxHandlerTime, 60), 'maxHandlerTime') * 1000,
    singleFlightLease: readLease(given(options.singleFlightLease, 2)),
    lifetimeJitter: numberWithin(given(options.lifetimeJitter, 0), 0, 1, 'lifetimeJitter'),
    earlyRefresh: numberWithin(given(options.earlyRefresh, 0), 0, 100, 'earlyRefresh'),
    maxMirrorBytes: positiveInteger(given(options.maxMirrorBytes, 4 * mebibyte), 'maxMirrorBytes'),
    maxJournalBytes: positiveInteger(given(options.maxJournalBytes, mebibyte), 'maxJournalBytes'),
    journalFile: readJournalFile(options.journalFile),
    logger,
    clock: new SleepAwareClock(readClock(given(options.clock, systemClock))),
  }
  if (enabled && 'redis' in options && options.redis === undefined) notify(logger, MISSING_REDIS)
  noteLongLifetime(options.defaultTtl, 'defaultTtl', logger)
  return settings
}

const MISSING_REDIS =
  'the option redis is given, and undefined: the cache lives in the memory of this process. ' +
  'Is the variable not set? Where that is meant, leave the option out'

const NO_OPTIONS = {}

/** Characters. Each key in Redis and in memory begins with the prefix. */
const LONGEST_PREFIX = 256

/** Characters; what file systems take. */
const LONGEST_PATH = 4096

/** Certificates that cannot be read are found here, and not at the first connection. */
function readTls(tls: unknown, redis: unknown): ConnectionOptions | undefined {
  if (tls === undefined) return undefined
  if (typeof tls !== 'object' || tls === null || Array.isArray(tls)) {
    throw new TypeError(`tls must be an object such as { ca, cert, key }, got ${shown(tls)}`)
  }
  if (typeof redis !== 'string' || !readRedisUrl(redis).isSecure) {
    throw new TypeError(
      'tls is for a rediss:// URL: a client of yours has TLS options of its own, and redis:// has no TLS',
    )
  }
  const options: ConnectionOptions = { ...tls }
  for (const name of ['ca', 'cert', 'key'] as const) {
    for (const one of [options[name]].flat()) {
      if (typeof one === 'string' && !one.includes('-----BEGIN ')) {
        throw new TypeError(`tls.${name} must be the text of a PEM file, not its path: readFileSync(path)`)
      }
    }
  }
  try {
    createSecureContext(options)
  } catch (thrown) {
    // The error itself may show what it could not read.
    throw new TypeError(
      `tls cannot be read: ${thrown instanceof Error && 'code' in thrown ? String(thrown.code) : 'see ca, cert and key'}`,
    )
  }
  return options
}

function readMaxEntries(maxEntries: unknown): number {
  return maxEntries === Number.POSITIVE_INFINITY ? maxEntries : positiveInteger(maxEntries, 'maxEntries')
}

function readJournalFile(journalFile: unknown): string | undefined {
  if (journalFile === undefined) return undefined
  const path = text(journalFile, 'journalFile', LONGEST_PATH)
  if (path === '' || path.includes('\0')) {
    throw new TypeError(`journalFile must be the path of a file, got ${shown(path)}`)
  }
  return path
}

function readLease(lease: unknown): number {
  return lease === false ? 0 : timerDuration(lease, 'singleFlightLease') * 1000
}

function readRedis(redis: unknown): string | RedisClient | undefined {
  if (redis === undefined) return undefined
  if (typeof redis === 'string') {
    readRedisUrl(redis)
    return redis
  }
  if (redis === null || typeof redis !== 'object') {
    throw new TypeError(`redis must be a redis:// or rediss:// URL or a client, got ${shown(redis)}`)
  }
  return redis as RedisClient
}

function readLogger(logger: Logger | undefined): Logger | undefined {
  if (logger === undefined) return undefined
  if (
    typeof logger !== 'object' ||
    logger === null ||
    typeof logger.info !== 'function' ||
    typeof logger.warn !== 'function'
  ) {
    throw new TypeError('logger must have the methods info and warn')
  }
  return new GuardedLogger(logger)
}

const clockMethods = ['now', 'monotonic', 'setTimer', 'clearTimer', 'endOfTurn'] as const satisfies (keyof Clock)[]

function readClock(clock: Clock): Clock {
  if (typeof clock !== 'object' || clock === null || !clockMethods.every((name) => typeof clock[name] === 'function')) {
    throw new TypeError('clock must have the methods now, monotonic, setTimer, clearTimer and endOfTurn')
  }
  return clock
}

function parseJson(data: string | Buffer): unknown {
  return JSON.parse(typeof data === 'string' ? data : data.toString())
}
