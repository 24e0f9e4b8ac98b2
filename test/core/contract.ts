import { afterEach, describe, expect, it, vi } from 'vitest'
import type { FallbackCache } from '../../src/core/fallback-cache.js'
import type { FallbackCacheOptions } from '../../src/core/options.js'

/** A cache as its users see it, wherever its entries live. */
export interface Subject {
  readonly writer: FallbackCache
  /** The same cache, or that of another process with the same Redis. */
  readonly reader: FallbackCache
  /** Lets milliseconds pass. */
  readonly pass: (ms: number) => void
  /** Lets pass what may pass until the reader is bound by what the writer was told. */
  readonly seen: () => void
}

/** Opens a subject. What it opened is closed after the test. */
export type OpenSubject = (options?: FallbackCacheOptions) => Promise<Subject>

const nameOfEverything = 'p*[a-z]?\\^{}:'

/** Everything a value goes through: the same to be seen in memory alone and with Redis, in either order of reading. */
export function valueContract(name: string, open: OpenSubject): void {
  describe(`values, ${name}`, () => {
    afterEach(() => {
      vi.restoreAllMocks()
    })

    it.each([
      ['null', null],
      ['nothing', ''],
      ['zero', 0],
      ['a text', 'Grüße, 日本 😀 \0\n"\\'],
      ['a list', [1, [2, []], null]],
      ['an object', { a: { b: [true] }, é: 'ü' }],
      ['a large one', { text: 'ä😀'.repeat(100_000) }],
    ])('gives back %s', async (_what, value) => {
      const { writer, reader } = await open()
      await writer.set('k', value)
      expect(await reader.get('k')).toEqual(value)
      expect(await writer.get('k')).toEqual(value)
      const compute = vi.fn(() => 'other')
      expect(await reader.getOrSet<unknown>('k', compute)).toEqual(value)
      expect(compute).not.toHaveBeenCalled()
    })

    it('gives back every byte, with a serializer that gives Buffers', async () => {
      const { writer, reader } = await open({
        serializer: (value) => value as Buffer,
        deserializer: (data: Buffer) => data,
      })
      const all = Buffer.from(Array.from({ length: 1024 }, (_, byte) => byte & 255))
      await writer.set('all', all)
      await writer.set('none', Buffer.alloc(0))
      for (const cache of [reader, writer]) {
        expect((await cache.get<Buffer>('all'))?.equals(all)).toBe(true)
        expect((await cache.get<Buffer>('none'))?.length).toBe(0)
      }
    })

    it('never hands out what it keeps', async () => {
      const { writer, reader } = await open()
      await writer.set('k', { list: [1] })
      for (const cache of [writer, reader, writer, reader]) {
        const value = await cache.get<{ list: number[] }>('k')
        expect(value).toEqual({ list: [1] })
        value?.list.push(2)
      }
    })

    it('keeps a value to the end of its lifetime, wherever it is read from', async () => {
      const { writer, reader, pass } = await open()
      await writer.set('k', 1, 6000)
      pass(3_000_000)
      expect(await reader.get('k')).toBe(1)
      pass(2_980_000)
      expect([await reader.get('k'), await writer.get('k')]).toEqual([1, 1])
      pass(20_000)
      expect([await reader.get('k'), await writer.get('k')]).toEqual([null, null])
    })

    it('keeps a lifetime that is no whole number of milliseconds, and one of thousands of years', async () => {
      const { writer, reader, pass } = await open()
      await writer.set('short', 1, 1000 / 3)
      await writer.set('long', 1, Number.MAX_VALUE)
      pass(300_000)
      expect([await reader.get('short'), await reader.get('long')]).toEqual([1, 1])
      expect(reader.stats().counters.foreignEntries).toBe(0)
    })

    it('replaces a value', async () => {
      const { writer, reader, seen } = await open()
      await writer.set('k', 'first')
      expect(await writer.get('k')).toBe('first')
      await writer.set('k', 'second')
      seen()
      expect([await reader.get('k'), await writer.get('k')]).toEqual(['second', 'second'])
    })

    it('keeps any key apart from any other', async () => {
      const { writer, reader } = await open()
      const keys = [
        '',
        ' ',
        'k',
        'K',
        'k ',
        '__proto__',
        'constructor',
        'a\0b',
        'a\r\nb',
        'é',
        'e\u0301',
        '\ufffd',
        '日本😀',
        '*',
        '{tag}a',
        '{}',
        '{fallback-cache}:head',
        '{fallback-cache}:log',
        '{fallback-cache}:marks',
        '{fallback-cache}:sweep',
        '{fallback-cache}::head',
        '{fallback-cache}',
        'k#turn',
        'x'.repeat(50_000),
        `${'x'.repeat(50_000)}y`,
      ]
      for (const key of keys) expect(await reader.get(key)).toBeNull()
      await Promise.all(keys.map((key, index) => writer.set(key, index)))
      for (const [index, key] of keys.entries()) expect(await reader.get(key), key.slice(0, 40)).toBe(index)
      for (const key of keys) expect(await writer.delete(key), key.slice(0, 40)).toBe(true)
      for (const key of keys) expect(await writer.get(key), key.slice(0, 40)).toBeNull()
      expect(writer.stats().connected).toBe(true)
      await writer.set('k', 'again')
      expect(await writer.get('k')).toBe('again')
    })

    it('deletes, and says whether there was something', async () => {
      const { writer, reader, pass, seen } = await open()
      await writer.set('k', 1, 10)
      expect(await reader.get('k')).toBe(1)
      expect(await writer.delete('k')).toBe(true)
      expect(await writer.get('k')).toBeNull()
      seen()
      expect(await reader.get('k')).toBeNull()
      expect(await writer.delete('k')).toBe(false)
      expect(await reader.delete('never')).toBe(false)
      await writer.set('k', 2, 10)
      pass(10_000)
      expect(await writer.delete('k')).toBe(false)
    })

    it('deletes what only the other tier has', async () => {
      const { writer, reader, seen } = await open()
      await writer.set('k', 1)
      expect(await reader.delete('k')).toBe(true)
      seen()
      expect(await writer.get('k')).toBeNull()
    })

    it.each([[''], ['shop:'], [nameOfEverything]])(
      'invalidates by prefix and takes it as text, under the key prefix "%s"',
      async (keyPrefix) => {
        const { writer, reader, seen } = await open({ keyPrefix })
        const keys = ['a*b', 'axb', 'a[1]x', 'a1x', 'a?', 'ab', 'a\\', 'a\\b', 'us', 'users:1', 'User']
        await Promise.all(keys.map((key) => writer.set(key, 1)))
        const left = async (): Promise<string[]> => {
          seen()
          const values = await Promise.all(keys.map((key) => reader.get(key)))
          return keys.filter((_, index) => values[index] !== null)
        }
        expect(await left()).toEqual(keys)
        await writer.invalidatePrefixes(['a*', 'a[1]'])
        await writer.invalidatePrefix('a?')
        await writer.invalidatePrefix('a\\')
        expect(await left()).toEqual(['axb', 'a1x', 'ab', 'us', 'users:1', 'User'])
        expect(await writer.invalidatePrefix('us')).toMatchObject({ durable: true })
        expect(await left()).toEqual(['axb', 'a1x', 'ab', 'User'])
        await writer.invalidatePrefix('uS', { ignoreCase: true })
        expect(await left()).toEqual(['axb', 'a1x', 'ab'])
        await writer.set('us', 2)
        expect(await reader.get('us')).toBe(2)
        await writer.invalidatePrefix('')
        expect(await left()).toEqual([])
      },
    )

    it('invalidates by tag', async () => {
      const { writer, reader, seen } = await open()
      await writer.set('a', 1, { tags: ['Größe "1"', 'y'] })
      await writer.set('b', 1, { tags: ['y'] })
      await writer.set('c', 1, { tags: ['z', '__proto__', '😀'] })
      expect(await Promise.all(['a', 'b', 'c'].map((key) => reader.get(key)))).toEqual([1, 1, 1])
      await writer.invalidateTags(['Größe "1"', 'unknown'])
      seen()
      expect(await Promise.all(['a', 'b', 'c'].map((key) => reader.get(key)))).toEqual([null, 1, 1])
      await writer.invalidateTags(['y', '😀'])
      seen()
      expect(await Promise.all(['a', 'b', 'c'].map((key) => reader.get(key)))).toEqual([null, null, null])
      await writer.set('a', 2, { tags: ['y'] })
      expect(await reader.get('a')).toBe(2)
    })

    it('clears everything, and takes new values afterwards', async () => {
      const { writer, reader, seen } = await open()
      await writer.set('a', 1)
      await reader.get('a')
      expect(await writer.clear()).toMatchObject({ durable: true })
      seen()
      expect([await writer.get('a'), await reader.get('a')]).toEqual([null, null])
      await writer.set('a', 2)
      expect([await writer.get('a'), await reader.get('a')]).toEqual([2, 2])
    })

    it('applies what is not awaited in the order of the calls', async () => {
      const { writer, reader, seen } = await open()
      const calls = [writer.set('k', 1), writer.delete('k')]
      await Promise.all(calls)
      seen()
      expect([await writer.get('k'), await reader.get('k')]).toEqual([null, null])
      await Promise.all([writer.set('k', 2), writer.set('k', 3), writer.clear(), writer.set('k', 4)])
      seen()
      expect(await writer.get('k')).toBe(4)
      // To others a value may look older than an invalidation that was still on its way: a miss, never an older value.
      expect(await reader.get('k')).toBeOneOf([4, null])
    })

    it('makes a value once for all who ask', async () => {
      const { writer, reader } = await open()
      let runs = 0
      const compute = async (): Promise<number> => ++runs
      const asked = Array.from({ length: 20 }, () => writer.getOrSet('k', compute))
      expect(await Promise.all(asked)).toEqual(Array(20).fill(1))
      expect(await reader.getOrSet('k', compute)).toBe(1)
    })

    it('gives an error to all who ask, and does not keep it', async () => {
      const { writer } = await open()
      const failing = (): Promise<never> => Promise.reject(new Error('no'))
      const asked = await Promise.allSettled([writer.getOrSet('k', failing), writer.getOrSet('k', failing)])
      expect(asked).toMatchObject(Array(2).fill({ status: 'rejected', reason: { message: 'no' } }))
      expect(await writer.getOrSet('k', () => 1)).toBe(1)
    })

    it('calls bytes that the deserializer refuses a miss', async () => {
      const { writer } = await open({
        deserializer: () => {
          throw new Error('no')
        },
      })
      await writer.set('k', 1)
      expect(await writer.get('k')).toBeNull()
      expect(writer.stats().counters).toMatchObject({ serializerErrors: 1, misses: 1 })
      expect(writer.stats().circuitBreakerFailureCount).toBe(0)
    })

    it('finds and keeps nothing once it is closed', async () => {
      const { writer } = await open()
      await writer.set('k', 1)
      await writer.close()
      await writer.set('k', 2)
      expect(await writer.get('k')).toBeNull()
      expect(await writer.delete('k')).toBe(false)
      expect(await writer.getOrSet('k', () => 3)).toBe(3)
      expect(writer.stats().entries).toBe(0)
    })
  })
}
