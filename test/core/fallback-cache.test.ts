import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { CacheEvents } from '../../src/core/events.js'
import { engineOf, FallbackCache, type InvalidationMark } from '../../src/core/fallback-cache.js'
import type { FallbackCacheOptions } from '../../src/core/options.js'
import { ManualClock } from '../support/manual-clock.js'

function make(options: FallbackCacheOptions = {}): { cache: FallbackCache; clock: ManualClock } {
  const clock = new ManualClock()
  return { clock, cache: new FallbackCache({ clock, ...options }) }
}

/** All events, in order: the name of the event and its payload. */
function record(cache: FallbackCache, ...names: (keyof CacheEvents)[]): unknown[] {
  const told: unknown[] = []
  for (const name of names) cache.on(name, (payload) => told.push([name, payload]))
  return told
}

afterEach(() => {
  vi.restoreAllMocks()
})

describe('FallbackCache', () => {
  it('has the methods that users call, and no others', () => {
    const { cache } = make()
    expect(Object.getOwnPropertyNames(FallbackCache.prototype).sort()).toEqual([
      'clear',
      'close',
      'constructor',
      'delete',
      'get',
      'getOrSet',
      'invalidateKey',
      'invalidatePrefix',
      'invalidatePrefixes',
      'invalidateTags',
      'isClosed',
      'mark',
      'off',
      'on',
      'once',
      'set',
      'stats',
    ])
    expect([Object.keys(cache), Object.keys(FallbackCache)]).toEqual([[], ['buildKey']])
    expect(engineOf(cache)).toBe(Reflect.get(cache, Symbol.for('fallback-cache.engine/1')))
  })
})

describe('FallbackCache in memory', () => {
  it('gives the value until its lifetime is over, and not at that moment', async () => {
    const { cache, clock } = make()
    await cache.set('k', { a: 1 }, 60)
    clock.advance(59_999)
    expect(await cache.get('k')).toEqual({ a: 1 })
    clock.advance(1)
    expect(await cache.get('k')).toBeNull()
  })

  it('takes the lifetime in seconds, as text, or among options, and else the default', async () => {
    const { cache, clock } = make({ defaultTtl: 10 })
    await cache.set('number', 1, 20)
    await cache.set('text', 1, '30s')
    await cache.set('options', 1, { ttl: '40s' })
    await cache.set('tags only', 1, { tags: ['t'] })
    await cache.set('default', 1)
    const alive = async (): Promise<string[]> => {
      const names = ['number', 'text', 'options', 'tags only', 'default']
      const values = await Promise.all(names.map((name) => cache.get(name)))
      return names.filter((_, index) => values[index] !== null)
    }
    clock.advance(10_000)
    expect(await alive()).toEqual(['number', 'text', 'options'])
    clock.advance(10_000)
    expect(await alive()).toEqual(['text', 'options'])
    clock.advance(10_000)
    expect(await alive()).toEqual(['options'])
    clock.advance(10_000)
    expect(await alive()).toEqual([])
  })

  it('starts a new lifetime when a key is set again', async () => {
    const { cache, clock } = make()
    await cache.set('k', 1, 10)
    clock.advance(9_000)
    await cache.set('k', 2, 10)
    clock.advance(9_000)
    expect(await cache.get('k')).toBe(2)
  })

  it('keeps a value with a lifetime that is no whole number of milliseconds, and one of thousands of years', async () => {
    const { cache, clock } = make()
    await cache.set('short', 1, 1 / 3)
    await cache.set('long', 1, Number.MAX_VALUE)
    clock.advance(333)
    expect(await cache.get('short')).toBe(1)
    clock.advance(1)
    expect(await cache.get('short')).toBeNull()
    expect(await cache.get('long')).toBe(1)
  })

  it.each([
    [0, 'ttl must be a positive number of seconds or a duration such as "5m", got 0'],
    [-1, 'ttl must be a positive number of seconds or a duration such as "5m", got -1'],
    [Number.NaN, 'ttl must be a positive number'],
    ['later', 'ttl must be a number of seconds or a duration such as "5m", got "later"'],
    [{ tll: 5 }, 'unknown option "tll" of set; did you mean "ttl"?'],
    [{ tags: 'one' }, 'tags must be an array of strings, got "one"'],
    [{ tags: [1] }, 'tags must be an array of strings, got an array'],
    [['a'], 'options of set must be an object, got an array'],
  ])('refuses the lifetime %j before anything is stored', async (options, message) => {
    const { cache } = make()
    await cache.set('k', 'before')
    await expect(cache.set('k', 'after', options as never)).rejects.toThrow(message)
    await expect(cache.getOrSet('other', () => 1, options as never)).rejects.toThrow(message)
    expect(await cache.get('k')).toBe('before')
    expect(await cache.get('other')).toBeNull()
  })

  it('stores with a mark of its own, and refuses anything else as `since`', async () => {
    const { cache } = make()
    const since = cache.mark()
    await cache.set('k', 1, { since })
    expect(await cache.get('k')).toBe(1)
    await cache.set('k', 2, { since: undefined })
    const odd: [unknown, string][] = [
      [null, 'null'],
      [0, '0'],
      ['now', '"now"'],
      [Symbol('s'), 'Symbol(s)'],
      [{}, 'an object'],
      [{ ...since }, 'an object'],
      [engineOf(cache).mark(), 'an object'],
      [make().cache.mark(), 'an object'],
    ]
    for (const [value, shown] of odd) {
      const error = new TypeError(`since must be a mark that mark() of this cache gave, got ${shown}`)
      await expect(cache.set('k', 3, { since: value as InvalidationMark })).rejects.toThrow(error)
    }
    expect(await cache.get('k')).toBe(2)
  })

  it('keeps a mark usable for as long as it is held, also if the caller tries to change it', async () => {
    const { cache } = make()
    const since = cache.mark()
    expect(Object.assign.bind(undefined, since, { sequence: 1 })).toThrow(TypeError)
    await cache.delete('k')
    await cache.set('k', 'too old', { since })
    expect(await cache.get('k')).toBeNull()
  })

  it('says what to write where getOrSet gets no function', async () => {
    const cache = new FallbackCache()
    for (const [compute, text] of [
      [undefined, 'undefined'],
      [{ ttl: 5 }, 'an object'],
      ['value', '"value"'],
    ] as const) {
      await expect(cache.getOrSet('key', compute as never, (() => 1) as never)).rejects.toThrow(
        `getOrSet needs a function that computes the value as its second argument, got ${text}: write getOrSet(key, () => load(), options)`,
      )
    }
    await cache.close()
  })

  it('refuses a promise in place of a value, which JSON would turn into {}', async () => {
    const { cache } = make()
    await expect(cache.set('rates', Promise.resolve({ eur: 1 }))).rejects.toThrow(
      new TypeError('set must be given a value, got a promise: await it'),
    )
    expect(await cache.get('rates')).toBeNull()
  })

  it('names the item of a list that is no text, and a prefix that is none', () => {
    const { cache } = make()
    expect(() => cache.invalidateTags(['a', undefined] as never)).toThrow('got an array with undefined in it')
    expect(() => cache.invalidateTags([10n] as never)).toThrow('got an array with 10n in it')
    // biome-ignore lint/suspicious/noSparseArray: a hole is what is tested
    expect(() => cache.invalidatePrefixes(['a', , 'b'] as never)).toThrow('got an array with undefined in it')
    expect(() => cache.invalidatePrefix(undefined as never)).toThrow('a prefix must be a string, got undefined')
  })

  it('refuses a key that is no text, or that Redis could not tell from another', async () => {
    const { cache } = make()
    for (const key of [1, undefined, null, {}, ['k']]) {
      await expect(cache.get(key as never)).rejects.toThrow('a key must be a string, got ')
      await expect(cache.set(key as never, 1)).rejects.toThrow(TypeError)
      await expect(cache.getOrSet(key as never, () => 1)).rejects.toThrow(TypeError)
      expect(() => cache.delete(key as never)).toThrow(TypeError)
      expect(() => cache.invalidateKey(key as never)).toThrow(TypeError)
    }
    // Half a surrogate pair has no UTF-8: every half would be the same key there.
    await expect(cache.get('a\ud83d')).rejects.toThrow('a key must be well-formed Unicode')
    await expect(cache.set('a', 1, { tags: ['\ude00'] })).rejects.toThrow('tags must be well-formed Unicode')
    expect(() => cache.invalidatePrefix('\ud83d')).toThrow('prefixes must be well-formed Unicode')
    await cache.set('😀', 1)
    expect(await cache.get('😀')).toBe(1)
  })

  it('takes any other text for a key', async () => {
    const { cache } = make()
    const keys = [
      '',
      ' ',
      '__proto__',
      'constructor',
      'a\0b',
      'ключ',
      '日本',
      '*',
      'x'.repeat(100_000),
      'a\nb',
      'k#turn',
    ]
    for (const [index, key] of keys.entries()) {
      expect(await cache.get(key)).toBeNull()
      await cache.set(key, index)
    }
    for (const [index, key] of keys.entries()) expect(await cache.get(key)).toBe(index)
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
  })

  it('never hands out what it keeps: neither the value that was set nor one that was got', async () => {
    const { cache } = make()
    const value = { list: [1] }
    const setting = cache.set('k', value)
    value.list.push(2)
    await setting
    const first = await cache.get<typeof value>('k')
    expect(first).toEqual({ list: [1] })
    first?.list.push(3)
    expect(await cache.get('k')).toEqual({ list: [1] })
    const made = await cache.getOrSet('m', () => value)
    made.list.push(4)
    expect(await cache.get('m')).toEqual({ list: [1, 2] })
  })

  it('cannot be made to write on a prototype by what it stores', async () => {
    const { cache } = make()
    await cache.set('k', JSON.parse('{"__proto__":{"polluted":1}}'))
    await cache.get('k')
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
  })

  it('deletes, and says whether there was something', async () => {
    const { cache, clock } = make()
    await cache.set('k', 1, 10)
    expect(await cache.delete('k')).toBe(true)
    expect(await cache.get('k')).toBeNull()
    expect(await cache.delete('k')).toBe(false)
    await cache.set('k', 2, 10)
    clock.advance(10_000)
    expect(await cache.delete('k')).toBe(false)
  })

  it('applies what is not awaited in the order of the calls', async () => {
    const { cache } = make()
    const setting = cache.set('k', 1)
    const deleting = cache.delete('k')
    expect(await deleting).toBe(true)
    await setting
    expect(await cache.get('k')).toBeNull()
    const all = [cache.set('k', 1), cache.set('k', 2), cache.clear(), cache.set('k', 3)]
    await Promise.all(all)
    expect(await cache.get('k')).toBe(3)
  })

  it('invalidates by prefix, as text: no character is special', async () => {
    const { cache } = make()
    const keys = ['a*b', 'axb', 'a[1]x', 'a1x', 'a?', 'ab', 'a\\', 'a\\b', 'us', 'users:1', 'User']
    for (const key of keys) await cache.set(key, 1)
    const left = async (): Promise<string[]> => {
      const values = await Promise.all(keys.map((key) => cache.get(key)))
      return keys.filter((_, index) => values[index] !== null)
    }
    await cache.invalidatePrefix('a*')
    await cache.invalidatePrefix('a[1]')
    await cache.invalidatePrefix('a?')
    await cache.invalidatePrefix('a\\')
    expect(await left()).toEqual(['axb', 'a1x', 'ab', 'us', 'users:1', 'User'])
    expect(await cache.invalidatePrefix('us')).toMatchObject({ durable: true })
    expect(await left()).toEqual(['axb', 'a1x', 'ab', 'User'])
    await cache.invalidatePrefix('uS', { ignoreCase: true })
    expect(await left()).toEqual(['axb', 'a1x', 'ab'])
    await cache.invalidatePrefix('')
    expect(await left()).toEqual([])
  })

  it('invalidates several prefixes at once, and refuses what is no list', async () => {
    const { cache } = make()
    for (const key of ['a1', 'b1', 'c1']) await cache.set(key, 1)
    await cache.invalidatePrefixes(['a', 'b'])
    expect(await Promise.all(['a1', 'b1', 'c1'].map((key) => cache.get(key)))).toEqual([null, null, 1])
    expect(() => cache.invalidatePrefixes('a' as never)).toThrow('prefixes must be an array of strings, got "a"')
    expect(() => cache.invalidatePrefix('a', { ignorecase: true } as never)).toThrow('did you mean "ignoreCase"?')
    expect(await cache.invalidatePrefixes([])).toMatchObject({ durable: true })
  })

  it('warns once of a prefix that looks like a pattern, and takes it literally', async () => {
    const lines: string[] = []
    const logger = { info: () => {}, warn: (_details: object, message: string) => void lines.push(message) }
    const { cache } = make({ logger })
    for (const key of ['report:1', 'report:*']) await cache.set(key, 1)
    await cache.invalidatePrefix('report:*')
    await cache.invalidatePrefixes(['other:*'])
    expect([await cache.get('report:1'), await cache.get('report:*')]).toEqual([1, null])
    expect(lines).toEqual([expect.stringContaining('"report:" covers all keys that begin with it')])
  })

  it('invalidates by tag', async () => {
    const { cache } = make()
    await cache.set('a', 1, { tags: ['x', 'y'] })
    await cache.set('b', 1, { tags: ['y'] })
    await cache.set('c', 1, { tags: ['__proto__'] })
    await cache.invalidateTags(['x', 'unknown'])
    expect(await Promise.all(['a', 'b', 'c'].map((key) => cache.get(key)))).toEqual([null, 1, 1])
    await cache.invalidateTags(['__proto__', 'y'])
    expect(await Promise.all(['a', 'b', 'c'].map((key) => cache.get(key)))).toEqual([null, null, null])
    await cache.set('a', 2, { tags: ['x'] })
    expect(await cache.get('a')).toBe(2)
  })

  it('does not keep the list of tags that it was given', async () => {
    const { cache } = make()
    const tags = ['x']
    await cache.set('a', 1, { tags })
    tags[0] = 'y'
    await cache.invalidateTags(['x'])
    expect(await cache.get('a')).toBeNull()
  })

  it('does not lose what was stored long ago to deletions of other keys, however many', async () => {
    const { cache, clock } = make({ maxMirrorBytes: 100_000 })
    await cache.set('k', 1, 3600)
    for (let index = 0; index < 5000; index++) {
      await cache.delete(`other:${index}`)
      clock.advance(500)
    }
    expect(await cache.get('k')).toBe(1)
    expect(cache.stats().mirror).toMatchObject({ folds: 0 })
    expect(cache.stats().mirror.bytes).toBeLessThan(100_000)
  })

  it('clears everything', async () => {
    const { cache } = make()
    await cache.set('a', 1)
    expect(await cache.clear()).toMatchObject({ durable: true })
    expect(await cache.get('a')).toBeNull()
  })

  it('holds no more entries than it may, and evicts the least recently used', async () => {
    const { cache } = make({ maxEntries: 2 })
    const told = record(cache, 'evict')
    await cache.set('a', 1)
    await cache.set('b', 1)
    await cache.get('a')
    await cache.set('c', 1)
    expect(await Promise.all(['a', 'b', 'c'].map((key) => cache.get(key)))).toEqual([1, null, 1])
    expect(told).toEqual([['evict', { key: 'b', reason: 'size' }]])
    expect(cache.stats()).toMatchObject({ entries: 2, maxEntries: 2, counters: { evictions: 1 } })
  })

  it('holds no more bytes than it may', async () => {
    const { cache } = make({ maxBytes: 10_000, maxEntries: 1000 })
    for (let index = 0; index < 100; index++) await cache.set(`k${index}`, 'x'.repeat(1000))
    expect(cache.stats().memoryBytes).toBeLessThanOrEqual(10_000)
    expect(cache.stats().entries).toBeGreaterThanOrEqual(5)
    expect(await cache.get('k99')).toBe('x'.repeat(1000))
    await cache.set('k99', 'x'.repeat(20_000))
    expect(await cache.get('k99')).toBeNull()
  })

  it('keeps Buffers byte for byte with a serializer of the user', async () => {
    const { cache } = make({ serializer: (value) => value as Buffer, deserializer: (data: Buffer) => data })
    const bytes = Buffer.from([0, 255, 13, 10, 128])
    await cache.set('k', bytes)
    bytes.fill(1)
    expect(await cache.get('k')).toEqual(Buffer.from([0, 255, 13, 10, 128]))
  })

  it('rejects a value that cannot be serialized, and keeps what it had', async () => {
    const { cache } = make()
    await cache.set('k', 1)
    await expect(cache.set('k', undefined)).rejects.toMatchObject({ name: 'CacheError', code: 'serializer' })
    await expect(cache.set('k', 1n)).rejects.toThrow('the value cannot be serialized')
    expect(await cache.get('k')).toBe(1)
  })

  it('counts what cannot be deserialized, tells of it, and calls it a miss', async () => {
    const { cache } = make({
      deserializer: () => {
        throw new Error('bad bytes')
      },
    })
    const told = record(cache, 'fault', 'miss', 'hit')
    await cache.set('k', 1)
    expect(await cache.get('k')).toBeNull()
    expect(told).toMatchObject([
      ['fault', { error: { code: 'serializer' } }],
      ['miss', { key: 'k' }],
    ])
    expect(cache.stats().counters).toMatchObject({ serializerErrors: 1, misses: 1, memoryHits: 0 })
    expect(await cache.getOrSet('k', () => 'made')).toBe('made')
  })

  it('stops when it is closed: nothing is found, nothing is kept, no timer is left', async () => {
    const { cache, clock } = make()
    await cache.set('k', 1)
    const told = record(cache, 'skip')
    await cache.close()
    await cache.close()
    await cache.set('k', 2)
    expect(await cache.get('k')).toBeNull()
    expect(await cache.getOrSet('k', () => 3)).toBe(3)
    expect(await cache.get('k')).toBeNull()
    expect(await cache.delete('k')).toBe(false)
    expect(told).toEqual(Array(2).fill(['skip', { key: 'k', reason: 'closed' }]))
    expect(clock.pending).toBe(0)
  })
})

describe('getOrSet', () => {
  it('makes a value once for all who ask, and keeps it', async () => {
    const { cache } = make()
    let runs = 0
    const compute = async (): Promise<number> => {
      await turn()
      return ++runs
    }
    expect(await Promise.all(Array.from({ length: 50 }, () => cache.getOrSet('k', compute)))).toEqual(Array(50).fill(1))
    expect(await cache.getOrSet('k', compute)).toBe(1)
  })

  it('takes a function that gives no promise', async () => {
    const { cache } = make()
    expect(await cache.getOrSet('k', () => 5)).toBe(5)
  })

  it('gives each caller a value of its own, those that waited included', async () => {
    const { cache } = make()
    const compute = async (): Promise<{ list: number[] }> => {
      await turn()
      return { list: [1] }
    }
    const [one, two, three] = await Promise.all([1, 2, 3].map(() => cache.getOrSet('k', compute)))
    one?.list.push(2)
    two?.list.push(3)
    expect(three).toEqual({ list: [1] })
    expect(await cache.get('k')).toEqual({ list: [1] })
  })

  it('shares no value that has no serialized form: each caller computes', async () => {
    const { cache } = make()
    let runs = 0
    const compute = async (): Promise<object> => {
      await turn()
      const value: { self?: object; run: number } = { run: ++runs }
      value.self = value
      return value
    }
    const values = await Promise.all([1, 2, 3].map(() => cache.getOrSet('k', compute)))
    expect(new Set(values).size).toBe(3)
  })

  it('waits for the computation of another no longer than maxHandlerTime', async () => {
    const { cache, clock } = make({ maxHandlerTime: 10 })
    void cache.getOrSet('k', () => new Promise(() => {}))
    const waiting = cache.getOrSet('k', () => 'second')
    await clock.advanceInTurns(10_000)
    expect(await waiting).toBe('second')
    expect(await cache.getOrSet('k', () => 'third')).toBe('second')
    expect(cache.stats().computing).toBe(0)
  })

  it('rejects a computation that asks for its own key', async () => {
    const { cache } = make()
    const own = cache.getOrSet('tree', async () => `of ${await cache.getOrSet('tree', () => 'leaf')}`)
    await expect(own).rejects.toMatchObject({ name: 'CacheError', code: 'circular-wait' })
    expect(await cache.getOrSet('tree', () => 'leaf')).toBe('leaf')
  })

  it('takes an asynchronous deserializer; what it rejects with is a miss and a fault', async () => {
    const { cache } = make({ deserializer: async (data: string) => ({ was: await JSON.parse(data) }) })
    await cache.set('k', 1)
    expect(await cache.get('k')).toEqual({ was: 1 })
    const broken = make({ deserializer: () => Promise.reject(new Error('bad bytes')) }).cache
    const told = record(broken, 'fault')
    await broken.set('k', 1)
    expect(await broken.get('k')).toBeNull()
    expect(told).toMatchObject([['fault', { error: { code: 'serializer' } }]])
  })

  it('takes the promise of a library for one', async () => {
    // biome-ignore lint/suspicious/noThenProperty: it is one
    const rejects = { then: (_: unknown, reject: (why: unknown) => void) => reject('bad bytes') }
    const { cache } = make({ deserializer: () => rejects })
    const told = record(cache, 'fault')
    await cache.set('k', 1)
    expect(await cache.get('k')).toBeNull()
    expect(told).toMatchObject([['fault', { error: { code: 'serializer' } }]])
  })

  it('waits for an asynchronous deserializer no longer than maxHandlerTime', async () => {
    const { cache, clock } = make({ maxHandlerTime: 10, deserializer: () => new Promise(() => {}) })
    await cache.set('k', 1)
    const got = cache.get('k')
    await clock.advanceInTurns(10_000)
    expect(await got).toBeNull()
  })

  it('refuses an asynchronous serializer, and says so', async () => {
    const { cache } = make({ serializer: (async () => '1') as never })
    await expect(cache.set('k', 1)).rejects.toThrow('the serializer returned a promise')
  })

  it('keeps null, as a value like any other', async () => {
    const { cache } = make()
    const compute = vi.fn(() => null)
    expect(await cache.getOrSet('k', compute)).toBeNull()
    expect(await cache.getOrSet('k', compute)).toBeNull()
    expect(compute).toHaveBeenCalledTimes(1)
  })

  it('gives an error to all who wait, thrown or rejected, and does not keep it', async () => {
    const { cache } = make()
    for (const failing of [() => Promise.reject(new Error('no')), () => throwNo()]) {
      const asked = await Promise.allSettled([cache.getOrSet('k', failing), cache.getOrSet('k', failing)])
      expect(asked).toMatchObject(Array(2).fill({ status: 'rejected', reason: { message: 'no' } }))
    }
    expect(await cache.getOrSet('k', () => 1)).toBe(1)
  })

  it('gives a value that cannot be kept, and says so', async () => {
    const { cache } = make()
    const told = record(cache, 'fault')
    expect(await cache.getOrSet('k', () => undefined)).toBeUndefined()
    expect(told).toMatchObject([['fault', { error: { code: 'serializer' } }]])
    expect(cache.stats().counters.serializerErrors).toBe(1)
  })

  it.each<[string, (cache: FallbackCache) => Promise<unknown>]>([
    ['its key', (cache) => cache.delete('k')],
    ['a prefix of its key', (cache) => cache.invalidatePrefix('')],
    ['a tag of its', (cache) => cache.invalidateTags(['t'])],
    ['everything', (cache) => cache.clear()],
  ])('does not let anybody join, nor keep, what was begun before an invalidation of %s', async (_what, invalidate) => {
    const { cache } = make()
    const gates: (() => void)[] = []
    const compute = (value: string) => () => new Promise<string>((resolve) => gates.push(() => resolve(value)))
    const before = cache.getOrSet('k', compute('old'), { tags: ['t'] })
    await turn()
    await invalidate(cache)
    const after = cache.getOrSet('k', compute('new'), { tags: ['t'] })
    await turn()
    expect(gates).toHaveLength(2)
    gates[1]?.()
    expect(await after).toBe('new')
    gates[0]?.()
    expect(await before).toBe('old')
    expect(await cache.get('k')).toBe('new')
    expect(cache.stats().counters.lateStores).toBe(1)
  })

  it('does not let anybody join what has been running for longer than invalidations are remembered', async () => {
    const { cache, clock } = make()
    let runs = 0
    const hanging = (): Promise<never> => {
      runs++
      return new Promise(() => {})
    }
    void cache.getOrSet('k', hanging)
    await turn()
    await cache.delete('k')
    clock.advance(120_001)
    await cache.delete('other')
    clock.advance(120_001)
    await cache.delete('other')
    void cache.getOrSet('k', hanging)
    await turn()
    expect(runs).toBe(2)
  })

  it('does not keep what took longer than maxHandlerTime', async () => {
    const { cache, clock } = make({ maxHandlerTime: 10 })
    const told = record(cache, 'skip')
    const slow = async (): Promise<number> => {
      clock.advance(10_001)
      return 1
    }
    expect(await cache.getOrSet('k', slow)).toBe(1)
    expect(told).toEqual([['skip', { key: 'k', reason: 'too-slow' }]])
    expect(await cache.get('k')).toBeNull()
  })

  it('makes a value again before its end, in the background, when asked to', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.999_999)
    const { cache, clock } = make({ earlyRefresh: 100 })
    let runs = 0
    const compute = (): number => {
      clock.advance(1000)
      return ++runs
    }
    expect(await cache.getOrSet('k', compute, 60)).toBe(1)
    expect(await cache.getOrSet('k', compute, 60)).toBe(1)
    await turn()
    expect(runs).toBe(2)
    expect(await cache.get('k')).toBe(2)
  })

  it('keeps the old value when making it early fails, and tells of it', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.999_999)
    const { cache, clock } = make({ earlyRefresh: 100 })
    const told = record(cache, 'fault')
    await cache.getOrSet('k', () => clock.advance(1000) ?? 1)
    expect(await cache.getOrSet('k', throwNo)).toBe(1)
    await turn()
    expect(told).toMatchObject([['fault', { error: { message: 'no' } }]])
    expect(cache.stats().counters.serializerErrors).toBe(0)
    expect(await cache.get('k')).toBe(1)
  })
})

describe('stats', () => {
  it('has the fields of the original and the counters', async () => {
    const { cache, clock } = make({ keyPrefix: 'p:', maxEntries: 7 })
    expect(cache.stats()).toMatchObject({ entries: 0, oldestAgeSeconds: null })
    await cache.set('a', 1)
    clock.advance(2500)
    await cache.set('b', 1)
    await cache.get('a')
    await cache.get('c')
    const stats = cache.stats()
    expect(stats).toMatchObject({
      backend: 'memory',
      entries: 2,
      memoryEntries: 2,
      maxEntries: 7,
      oldestAgeSeconds: 0,
      keyPrefix: 'p:',
      circuitBreakerState: 'closed',
      circuitBreakerFailureCount: 0,
      connected: true,
      pendingInvalidations: 0,
      journal: undefined,
      counters: { memoryHits: 1, redisHits: 0, misses: 1, stores: 2 },
    })
    clock.advance(1000)
    expect(cache.stats().oldestAgeSeconds).toBe(1)
  })

  it('is a snapshot, which cannot change the cache', async () => {
    const { cache } = make()
    const before = cache.stats()
    ;(before.counters.refused as Record<string, number>).mine = 1
    await cache.set('a', 1)
    expect(before.counters.stores).toBe(0)
    expect(cache.stats().counters.refused).toEqual({})
  })

  it('counts neither set nor delete as a hit or a miss', async () => {
    const { cache } = make()
    await cache.set('a', 1)
    await cache.delete('a')
    expect(cache.stats().counters).toMatchObject({ memoryHits: 0, misses: 0, invalidations: 1 })
  })
})

describe('events', () => {
  it('tell what happened, in order', async () => {
    const { cache, clock } = make()
    const told = record(cache, 'hit', 'miss', 'store', 'evict', 'invalidate', 'skip')
    await cache.set('k', 1, { ttl: 10, tags: ['t'] })
    await cache.get('k')
    await cache.invalidateTags(['t'])
    await cache.get('k')
    await cache.set('k', 2, 10)
    clock.advance(10_000)
    await cache.get('k')
    await cache.delete('k')
    expect(told).toEqual([
      ['store', { key: 'k', tags: ['t'] }],
      ['hit', { key: 'k', tier: 'memory', stale: false }],
      ['invalidate', { covers: ['tt'], origin: 'local' }],
      ['evict', { key: 'k', reason: 'invalidated' }],
      ['miss', { key: 'k' }],
      ['store', { key: 'k', tags: [] }],
      ['evict', { key: 'k', reason: 'expired' }],
      ['miss', { key: 'k' }],
      ['invalidate', { covers: ['kk'], origin: 'local' }],
    ])
  })

  it('can be listened to once, and no longer', async () => {
    const { cache } = make()
    const once = vi.fn()
    const taken = vi.fn()
    cache.once('miss', once).on('miss', taken).off('miss', taken)
    await cache.get('a')
    await cache.get('b')
    expect(once).toHaveBeenCalledTimes(1)
    expect(taken).not.toHaveBeenCalled()
    expect(engineOf(cache).listenerCount('miss')).toBe(0)
  })

  it('do no harm through a listener that throws something without a text', async () => {
    const { cache } = make()
    const warnings = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    cache.on('miss', () => {
      throw Object.create(null)
    })
    expect(await cache.get('k')).toBeNull()
    expect(warnings).toHaveBeenCalledTimes(1)
  })

  it('do no harm through a listener that throws or rejects: the process is warned', async () => {
    const { cache } = make()
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const [next, once] = [vi.fn(), vi.fn()]
    cache.on('store', throwNo).on('store', next).once('store', once)
    cache.on('hit', async () => throwNo())
    await cache.set('k', 1)
    expect([next.mock.calls, once.mock.calls]).toMatchObject([[[{ key: 'k' }]], [[{ key: 'k' }]]])
    expect(await cache.get('k')).toBe(1)
    await turn()
    expect(warn.mock.calls.map(([message]) => message)).toEqual([
      'a listener of "store" threw: Error: no',
      'a listener of "hit" threw: Error: no',
    ])
  })
})

function throwNo(): never {
  throw new Error('no')
}
