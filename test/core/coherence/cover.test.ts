import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Cover, coverText, foldCase, inParts, isCovered, parseCover } from '../../../src/core/coherence/cover.js'

describe('coverText', () => {
  it.each<[Cover, string]>([
    [{ kind: 'key', key: 'user:1' }, 'kuser:1'],
    [{ kind: 'prefix', prefix: 'us*', ignoreCase: false }, 'pus*'],
    [{ kind: 'prefix', prefix: '/Products/', ignoreCase: true }, 'i/products/'],
    [{ kind: 'tag', tag: 'Q1' }, 'tQ1'],
    [{ kind: 'all' }, 'a'],
    [{ kind: 'prefix', prefix: '', ignoreCase: false }, 'p'],
    [{ kind: 'prefix', prefix: '/a', ignoreCase: true, soft: true }, 'si/a'],
    [{ kind: 'tag', tag: 's', soft: true }, 'sts'],
    [{ kind: 'all', soft: true }, 'sa'],
  ])('writes %j as %s, and parseCover reads it', (cover, text) => {
    expect(coverText(cover)).toBe(text)
    expect(coverText(parseCover(text))).toBe(text)
  })
})

describe('parseCover', () => {
  it('takes a kind it does not know for everything', () => {
    expect(parseCover('z:of a later version')).toEqual({ kind: 'all' })
    expect(parseCover('')).toEqual({ kind: 'all' })
    expect(parseCover('sz:of a later version')).toEqual({ kind: 'all', soft: true })
    expect(parseCover('skey')).toEqual({ kind: 'key', key: 'ey' })
    expect(parseCover('ssa')).toEqual({ kind: 'all' })
  })
})

describe('foldCase', () => {
  it('makes all forms of a letter one', () => {
    expect(foldCase('ΟΔΟΣ Σ')).toBe('οδοσ σ')
    expect(foldCase('οδος ς')).toBe('οδοσ σ')
  })

  it('keeps a prefix a prefix', () => {
    // Lower-case sigma has another form at the end of a word: a prefix that ends in it must not lose longer keys.
    const letters = fc.string({ unit: fc.constantFrom('a', 'A', 'Σ', 'σ', 'ς', 'ß', 'İ', 'I', ' ', '/', 'Ж', '😀') })
    fc.assert(
      fc.property(letters, letters, (prefix, rest) => {
        expect(foldCase(prefix + rest).startsWith(foldCase(prefix))).toBe(true)
      }),
      { examples: [['ΟΔΟΣ', 'Α']] },
    )
  })
})

describe('isCovered', () => {
  const prefix = (text: string, ignoreCase = false): Cover => ({ kind: 'prefix', prefix: text, ignoreCase })

  it.each<[string, Cover, string, readonly string[], boolean]>([
    ['a key covers itself', { kind: 'key', key: 'a' }, 'a', [], true],
    ['a key covers no longer key', { kind: 'key', key: 'a' }, 'ab', [], false],
    ['a prefix is a string, not a path', prefix('us'), 'users:1', [], true],
    ['a prefix covers the key that equals it', prefix('us'), 'us', [], true],
    ['a prefix covers nothing shorter', prefix('users'), 'user', [], false],
    ['the empty prefix covers everything', prefix(''), '', [], true],
    ['* is a star', prefix('a*'), 'ab', [], false],
    ['* is a star in the key too', prefix('a*'), 'a*b', [], true],
    ['? and [ are themselves', prefix('a[1]?'), 'a[1]?x', [], true],
    ['letter case counts', prefix('/P'), '/p/1', [], false],
    ['unless it is to be ignored', prefix('/P', true), '/p/1', [], true],
    ['in the key as well', prefix('/p', true), '/P/1', [], true],
    ['a tag covers what has it', { kind: 'tag', tag: 't' }, 'a', ['s', 't'], true],
    ['a tag is not a prefix of tags', { kind: 'tag', tag: 't' }, 'a', ['tt'], false],
    ['a tag is not a key', { kind: 'tag', tag: 'a' }, 'a', [], false],
    ['everything', { kind: 'all' }, '', [], true],
  ])('%s', (_what, cover, key, tags, covered) => {
    expect(isCovered(cover, key, tags)).toBe(covered)
  })
})

/** Names that share their beginnings, some longer than any record holds. */
const longName = fc
  .tuple(fc.constantFrom('a', 'Ab', '😀', 'ς'), fc.nat({ max: 1_600 }), fc.string({ maxLength: 3 }))
  .map(([unit, count, end]) => unit.repeat(count) + end)
const anyCover: fc.Arbitrary<Cover> = fc.oneof(
  longName.map((key) => ({ kind: 'key' as const, key })),
  fc.record({ kind: fc.constant('prefix' as const), prefix: longName, ignoreCase: fc.boolean() }),
  longName.map((tag) => ({ kind: 'tag' as const, tag })),
)

/** A prefix whose name has these characters after a number of others. */
function prefixEnding(end: string, before = 255): Cover {
  return { kind: 'prefix', prefix: 'a'.repeat(before) + end, ignoreCase: false }
}

describe('a name of any length', () => {
  it('makes a short text, which covers all that the name covers', () => {
    fc.assert(
      fc.property(anyCover, longName, fc.array(longName, { maxLength: 2 }), (cover, key, tags) => {
        const text = coverText(cover)
        if (cover.kind !== 'key') expect(Buffer.byteLength(text)).toBeLessThanOrEqual(258)
        expect(text.length).toBeLessThanOrEqual(258)
        // As it comes back out of Redis.
        const parsed = parseCover(Buffer.from(text).toString())
        if (isCovered(cover, key, tags)) expect(isCovered(parsed, key, tags)).toBe(true)
        if (cover.kind === 'key') expect(isCovered(parsed, cover.key, [])).toBe(true)
        if (cover.kind === 'prefix') expect(isCovered(parsed, `${cover.prefix}${key}`, [])).toBe(true)
        if (cover.kind === 'tag') {
          expect(isCovered(parsed, key, [cover.tag])).toBe(true)
          expect(isCovered(parsed, key, [`${cover.tag}!`])).toBe(false)
        }
      }),
      { numRuns: 2_000 },
    )
  })

  it.each<[string, Cover, string]>([
    ['a key that just fits', { kind: 'key', key: 'a'.repeat(256) }, `k${'a'.repeat(256)}`],
    ['a longer key', { kind: 'key', key: 'a'.repeat(257) }, `p${'a'.repeat(256)}`],
    ['a longer prefix', { kind: 'prefix', prefix: 'A'.repeat(257), ignoreCase: true }, `i${'a'.repeat(256)}`],
    ['the first pair, cut in two', prefixEnding('\u{10000}'), `p${'a'.repeat(255)}`],
    ['the last pair, cut in two', prefixEnding('\u{10ffff}', 253), `p${'a'.repeat(253)}`],
    ['a whole pair before the cut', prefixEnding('\u{10000}b', 252), `p${'a'.repeat(252)}\u{10000}`],
    ['a letter of three bytes, cut in two', prefixEnding('漢', 254), `p${'a'.repeat(254)}`],
    ['letters of three bytes', { kind: 'prefix', prefix: '漢'.repeat(86), ignoreCase: false }, `p${'漢'.repeat(85)}`],
    ['a key of letters of three bytes', { kind: 'key', key: '漢'.repeat(256) }, `k${'漢'.repeat(256)}`],
    ['a tag of letters that just fits', { kind: 'tag', tag: `${'漢'.repeat(85)}a` }, `t${'漢'.repeat(85)}a`],
    [
      'a longer tag of letters',
      { kind: 'tag', tag: '漢'.repeat(86) },
      `t#sha256:${createHash('sha256').update('漢'.repeat(86)).digest('hex')}`,
    ],
    ['a pair further on', prefixEnding('\u{10000}b', 256), `p${'a'.repeat(256)}`],
    ['the last letter before the pairs', prefixEnding('\ud7ffb', 253), `p${'a'.repeat(253)}\ud7ff`],
    ['a pair in the middle', { kind: 'prefix', prefix: 'a\u{10000}b', ignoreCase: false }, 'pa\u{10000}b'],
    ['a tag that just fits', { kind: 'tag', tag: 'a'.repeat(256) }, `t${'a'.repeat(256)}`],
    [
      'a longer tag',
      { kind: 'tag', tag: 'a'.repeat(257) },
      `t#sha256:${createHash('sha256').update('a'.repeat(257)).digest('hex')}`,
    ],
  ])('is cut or digested where the limit is: %s', (_what, cover, text) => {
    expect(coverText(cover)).toBe(text)
  })

  it('is recorded together with others only as far as the record stays small', () => {
    fc.assert(
      fc.property(fc.array(anyCover, { maxLength: 60 }), (covers) => {
        const parts = inParts(covers)
        expect(parts.flat()).toEqual(covers)
        for (const part of parts) {
          expect(part.length > 0 || covers.length === 0).toBe(true)
          expect(Buffer.byteLength(JSON.stringify(part.map(coverText)))).toBeLessThan(8_192 + 800)
        }
      }),
    )
  })
})

describe('inParts', () => {
  const keys = (count: number, length = 1): Cover[] =>
    Array.from({ length: count }, () => ({ kind: 'key', key: 'k'.repeat(length) }))
  const sizes = (covers: Cover[]): number[] => inParts(covers).map((part) => part.length)

  it('makes one part of few covers, also of none', () => {
    expect(inParts([])).toEqual([[]])
    expect(inParts(keys(2))).toEqual([keys(2)])
  })

  it('measures a name as it is written', () => {
    const written = inParts(Array.from({ length: 40 }, () => ({ kind: 'tag', tag: '\u0001'.repeat(250) })))
    for (const part of written) expect(JSON.stringify(part.map(coverText)).length).toBeLessThanOrEqual(8_192 + 2)
  })

  it('puts at most 80 covers into a part', () => {
    expect(sizes(keys(80))).toEqual([80])
    expect(sizes(keys(161))).toEqual([80, 80, 1])
  })

  it('fills a part to 8,192 bytes, and each further part as well', () => {
    // A key of 256 letters counts for 260 bytes: 31 of them leave 132, for a key of 128.
    const full = [...keys(31, 256), ...keys(1, 128)]
    expect(sizes(full)).toEqual([32])
    expect(sizes([...full, ...full, ...keys(1)])).toEqual([32, 32, 1])
    expect(sizes([...keys(31, 256), ...keys(1, 129)])).toEqual([31, 1])
  })
})
