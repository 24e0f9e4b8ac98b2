import { inspect } from 'node:util'
import { Cluster } from 'ioredis'
import { describe, expect, it } from 'vitest'
import { systemClock } from '../../src/core/clock.js'
import { FallbackCache } from '../../src/core/fallback-cache.js'
import { coreOptionNames, type FallbackCacheOptions, readCoreOptions } from '../../src/core/options.js'

/** Option, value as a user without types might give it, the error he sees. */
const refused: [string, object, typeof TypeError | typeof RangeError, string][] = [
  ['redis', { redis: 'localhost:6379' }, TypeError, 'the scheme is missing. Write redis://host:6379'],
  ['redis', { redis: '' }, TypeError, 'the text is empty. If the variable is not set, leave the option out'],
  [
    'redis',
    { redis: 'redis://' },
    TypeError,
    'redis must be a URL such as "redis://user:password@host:6379/0", or a client: the host',
  ],
  ['redis', { redis: null }, TypeError, 'redis must be a redis:// or rediss:// URL or a client, got null'],
  ['redis', { redis: 6379 }, TypeError, 'redis must be a redis:// or rediss:// URL or a client, got 6379'],
  ['redis', { redis: () => {} }, TypeError, 'redis must be a redis:// or rediss:// URL or a client, got a function'],
  ['keyPrefix', { keyPrefix: 7 }, TypeError, 'keyPrefix must be a string, got 7'],
  [
    'defaultTtl',
    { defaultTtl: 0 },
    RangeError,
    'defaultTtl must be a positive number of seconds or a duration such as "5m", got 0',
  ],
  [
    'defaultTtl',
    { defaultTtl: -1 },
    RangeError,
    'defaultTtl must be a positive number of seconds or a duration such as "5m", got -1',
  ],
  [
    'defaultTtl',
    { defaultTtl: Number.NaN },
    RangeError,
    'defaultTtl must be a positive number of seconds or a duration such as "5m", got NaN',
  ],
  [
    'defaultTtl',
    { defaultTtl: Number.POSITIVE_INFINITY },
    RangeError,
    'defaultTtl must be a positive number of seconds or a duration such as "5m", got Infinity',
  ],
  [
    'defaultTtl',
    { defaultTtl: 'soon' },
    TypeError,
    'defaultTtl must be a number of seconds or a duration such as "5m", got "soon"',
  ],
  [
    'defaultTtl',
    { defaultTtl: '60' },
    TypeError,
    'defaultTtl must be a number of seconds or a duration such as "5m", got "60"',
  ],
  [
    'defaultTtl',
    { defaultTtl: true },
    TypeError,
    'defaultTtl must be a number of seconds or a duration such as "5m", got true',
  ],
  ['maxEntries', { maxEntries: 0 }, RangeError, 'maxEntries must be a positive integer, got 0'],
  ['maxEntries', { maxEntries: 1.5 }, RangeError, 'maxEntries must be a positive integer, got 1.5'],
  ['maxEntries', { maxEntries: '100' }, RangeError, 'maxEntries must be a positive integer, got "100"'],
  ['maxBytes', { maxBytes: -1 }, RangeError, 'maxBytes must be a positive integer, got -1'],
  ['maxBytes', { maxBytes: Number.POSITIVE_INFINITY }, RangeError, 'maxBytes must be a positive integer, got Infinity'],
  ['serializer', { serializer: 'json' }, TypeError, 'serializer must be a function, got "json"'],
  ['deserializer', { deserializer: {} }, TypeError, 'deserializer must be a function, got an object'],
  ['circuitBreaker', { circuitBreaker: 5 }, TypeError, 'circuitBreaker must be an object, got 5'],
  ['circuitBreaker', { circuitBreaker: [] }, TypeError, 'options of circuitBreaker must be an object, got an array'],
  [
    'circuitBreaker.threshold',
    { circuitBreaker: { threshold: 0 } },
    RangeError,
    'circuitBreaker.threshold must be a positive integer, got 0',
  ],
  [
    'circuitBreaker.cooldown',
    { circuitBreaker: { cooldown: 0 } },
    RangeError,
    'circuitBreaker.cooldown must be a positive number of seconds or a duration such as "5m", got 0',
  ],
  [
    'circuitBreaker',
    { circuitBreaker: { treshold: 3 } },
    TypeError,
    'unknown option "treshold" of circuitBreaker; did you mean "threshold"?',
  ],
  [
    'redisTimeout',
    { redisTimeout: 0 },
    RangeError,
    'redisTimeout must be a positive number of milliseconds or a duration such as "50ms", got 0',
  ],
  [
    'redisTimeout',
    { redisTimeout: '50' },
    TypeError,
    'redisTimeout must be a positive number of milliseconds or a duration such as "50ms", got "50"',
  ],
  ['maxInFlight', { maxInFlight: 0 }, RangeError, 'maxInFlight must be a positive integer, got 0'],
  ['maxRedisBytes', { maxRedisBytes: '1mb' }, RangeError, 'maxRedisBytes must be a positive integer, got "1mb"'],
  ['read', { read: 'memory' }, TypeError, 'read must be "redis-first" or "confirmed" or "memory-first", got "memory"'],
  ['lease', { lease: 0 }, RangeError, 'lease must be a positive number of seconds or a duration such as "5m", got 0'],
  [
    'maxStaleWhileDisconnected',
    { maxStaleWhileDisconnected: -1 },
    RangeError,
    'maxStaleWhileDisconnected must be a number of seconds or a duration such as "5m", got -1',
  ],
  [
    'maxHandlerTime',
    { maxHandlerTime: '-5m' },
    RangeError,
    'maxHandlerTime must be a number of seconds or a duration such as "5m", got "-5m"',
  ],
  [
    'singleFlightLease',
    { singleFlightLease: 0 },
    RangeError,
    'singleFlightLease must be a positive number of seconds or a duration such as "5m", got 0',
  ],
  [
    'singleFlightLease',
    { singleFlightLease: true },
    TypeError,
    'singleFlightLease must be a number of seconds or a duration such as "5m", got true',
  ],
  ['lifetimeJitter', { lifetimeJitter: 1.1 }, RangeError, 'lifetimeJitter must be a number from 0 to 1, got 1.1'],
  ['earlyRefresh', { earlyRefresh: -1 }, RangeError, 'earlyRefresh must be a number from 0 to 100, got -1'],
  ['maxMirrorBytes', { maxMirrorBytes: 0 }, RangeError, 'maxMirrorBytes must be a positive integer, got 0'],
  ['maxJournalBytes', { maxJournalBytes: 0 }, RangeError, 'maxJournalBytes must be a positive integer, got 0'],
  ['journalFile', { journalFile: 1 }, TypeError, 'journalFile must be a string, got 1'],
  ['logger', { logger: () => {} }, TypeError, 'logger must have the methods info and warn'],
  ['logger', { logger: { info: () => {} } }, TypeError, 'logger must have the methods info and warn'],
  [
    'clock',
    { clock: { now: () => 0 } },
    TypeError,
    'clock must have the methods now, monotonic, setTimer, clearTimer and endOfTurn',
  ],
  [
    'clock',
    { clock: { ...systemClock, now: () => Number.NaN } },
    TypeError,
    'clock.now() and clock.monotonic() must return a finite number',
  ],
  [
    'clock',
    { clock: { ...systemClock, monotonic: () => {} } },
    TypeError,
    'clock.now() and clock.monotonic() must return a finite number',
  ],
]

function thrownBy(run: () => unknown): unknown {
  try {
    return run()
  } catch (thrown) {
    return thrown
  }
}

describe('FallbackCacheOptions', () => {
  for (const [option, options, kind, message] of refused) {
    it(`says what is wrong with ${option}: ${message}`, () => {
      const make = (): FallbackCache => new FallbackCache(options as FallbackCacheOptions)
      expect(make).toThrow(kind)
      expect(make).toThrow(message)
    })
  }

  it('refuses an object that is no client, by the name of its class', () => {
    class Memcached {}
    const redis = new Memcached() as unknown as string
    expect(() => new FallbackCache({ redis })).toThrow(
      new TypeError(
        'redis must be a URL, or a client of ioredis, iovalkey or node-redis (4 or later), got an object (Memcached)',
      ),
    )
    expect(() => new FallbackCache({ redis: Object.create(null) })).toThrow('(no class)')
  })

  it('refuses a key prefix that would spread the log over the nodes of a cluster', async () => {
    const redis = new Cluster([{ host: '127.0.0.1', port: 1 }], { lazyConnect: true })
    expect(() => new FallbackCache({ redis, keyPrefix: 'a{}b:' })).toThrow(
      new TypeError('keyPrefix must not begin an empty hash tag in a cluster, got "a{}b:"'),
    )
    redis.disconnect()
  })

  it.each([
    'http://user:s3cret@host',
    'redis://:s3cret#s3cret@host',
    'redis://:s3cret/s3cret@host',
    'redis://:s3cret@h:x',
  ])('never shows the password of %s, in the message or beside it', (redis) => {
    const thrown = thrownBy(() => new FallbackCache({ redis }))
    expect(inspect(thrown, { showHidden: true, depth: 9 }).split('\n    at ')[0]).toMatch(/^TypeError: redis must be/)
    expect(inspect(thrown, { showHidden: true, depth: 9 })).not.toContain('s3cret')
  })

  it.each([
    ['defaultTTL', 'defaultTtl'],
    ['ttl', 'defaultTtl'],
    ['timeout', 'redisTimeout'],
    ['maxEntrys', 'maxEntries'],
    ['prefix', 'keyPrefix'],
    ['serialiser', 'serializer'],
    ['reddis', 'redis'],
    ['maxEntry', 'maxEntries'],
    ['maxAge', 'defaultTtl'],
    ['client', 'redis'],
    ['port', 'redis'],
    ['constructor', undefined],
    ['__proto__x', undefined],
    ['x'.repeat(40), undefined],
    ['wholly different', undefined],
    ['x', undefined],
  ])('refuses the unknown option "%s", and means %s', (name, meant) => {
    const make = (): FallbackCache => new FallbackCache({ [name]: 1 })
    const question = meant === undefined ? '' : `; did you mean "${meant}"?`
    expect(make).toThrow(new TypeError(`unknown option "${name}" of FallbackCache${question}`))
  })

  it('refuses an option called __proto__ as it refuses any other', () => {
    expect(() => new FallbackCache(JSON.parse('{"__proto__": {}}'))).toThrow('unknown option "__proto__"')
  })

  it.each([[null], ['redis://localhost'], [[]], [7]])('refuses %j instead of options', (options) => {
    expect(() => new FallbackCache(options as unknown as FallbackCacheOptions)).toThrow(
      /^options of FallbackCache must be an object, got /,
    )
  })

  it('takes undefined for the default, of every option', () => {
    const nothing = Object.fromEntries(coreOptionNames.map((name) => [name, undefined]))
    expect(readCoreOptions(nothing)).toEqual(readCoreOptions({}))
    expect(readCoreOptions({ circuitBreaker: { threshold: undefined } as never })).toEqual(readCoreOptions({}))
  })

  it('has the documented defaults', () => {
    expect(readCoreOptions({})).toMatchObject({
      redis: undefined,
      keyPrefix: '',
      defaultTtl: 300_000,
      maxEntries: 100,
      maxBytes: 67_108_864,
      circuitBreaker: { threshold: 5, cooldown: 30_000 },
      redisTimeout: 50,
      maxInFlight: 200,
      maxRedisBytes: 1_048_576,
      read: 'redis-first',
      lease: 1000,
      maxStaleWhileDisconnected: 60_000,
      maxHandlerTime: 60_000,
      singleFlightLease: 2000,
      lifetimeJitter: 0,
      earlyRefresh: 0,
      maxMirrorBytes: 4_194_304,
      maxJournalBytes: 1_048_576,
      journalFile: undefined,
      logger: undefined,
    })
  })

  it('leaves the object it is given as it is, frozen or not', () => {
    const options = Object.freeze({ defaultTtl: '5m', circuitBreaker: Object.freeze({ threshold: 2, cooldown: '1s' }) })
    const before = structuredClone(options)
    new FallbackCache(options)
    expect(options).toEqual(before)
  })

  it('reads its options once: what is changed later changes nothing', async () => {
    const options = { maxEntries: 2, keyPrefix: 'a:' }
    const cache = new FallbackCache(options)
    options.maxEntries = 1
    options.keyPrefix = 'b:'
    expect(cache.stats()).toMatchObject({ maxEntries: 2, keyPrefix: 'a:' })
    await cache.close()
  })

  it.each([
    ['50ms', 50],
    ['0.5s', 500],
    [75, 75],
  ])('takes %j for the timeout of Redis: %i ms', (redisTimeout, milliseconds) => {
    expect(readCoreOptions({ redisTimeout }).redisTimeout).toBe(milliseconds)
  })

  it('takes any number of entries, with bytes as the bound', () => {
    expect(readCoreOptions({ maxEntries: Number.POSITIVE_INFINITY }).maxEntries).toBe(Number.POSITIVE_INFINITY)
  })

  it('takes a single-flight lease of false', () => {
    expect(readCoreOptions({ singleFlightLease: false }).singleFlightLease).toBe(0)
  })

  it('takes the boundary values', () => {
    const settings = readCoreOptions({
      maxEntries: 1,
      maxBytes: 1,
      redisTimeout: 0.5,
      maxStaleWhileDisconnected: 0,
      lifetimeJitter: 1,
      earlyRefresh: 100,
    })
    expect(settings).toMatchObject({
      maxEntries: 1,
      redisTimeout: 0.5,
      maxStaleWhileDisconnected: 0,
      lifetimeJitter: 1,
    })
  })
})
