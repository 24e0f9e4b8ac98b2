import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type CacheControl,
  MAX_DELTA_SECONDS,
  NO_DIRECTIVES,
  parseCacheControl,
  parseDeltaSeconds,
} from '../../../src/http/syntax/cache-control.js'

const read: readonly [string, string, Partial<CacheControl>][] = [
  ['5.2 reads directives in any case', 'MAX-AGE=60, No-Store, PUBLIC', { maxAge: 60, noStore: true, public: true }],
  ['5.2 needs no whitespace after a comma', 'max-age=60,public', { maxAge: 60, public: true }],
  ['5.2 ignores empty members', ', ,max-age=60,,public ,', { maxAge: 60, public: true }],
  ['5.2 reads tabs as whitespace', '\tpublic\t,\tmax-age=60\t', { maxAge: 60, public: true }],
  ['5.2 reads a quoted argument where a token is prescribed', 'max-age="60"', { maxAge: 60 }],
  ['5.2 undoes quoted-pairs', 'max-age="\\6\\0"', { maxAge: 60 }],
  ['5.2.3 ignores directives that it does not know', 'max-age=60, community="UCI", foo=bar, baz', { maxAge: 60 }],
  ['5.2.3 finds no directive inside a quoted string', 'foo="max-age=60, no-store", public', { public: true }],
  ['5.2.3 finds the end of a quoted string behind quoted-pairs', 'foo="\\", no-store, \\"", public', { public: true }],
  [
    '5.2.3 finds no directive inside a quoted string that is no argument',
    '"no-store, public", max-age=60',
    { maxAge: 60 },
  ],
  ['5.2.3 ignores a member that is no directive', '@, max-age=60', { maxAge: 60 }],
  ['5.2.1.2 reads max-stale without a value as any staleness', 'max-stale', { maxStale: MAX_DELTA_SECONDS }],
  ['5.2.1.2 reads max-stale with a value', 'max-stale=10', { maxStale: 10 }],
  ['5.2.1.2 reads max-stale that cannot be read as none', 'max-stale=x', { maxStale: 0 }],
  ['5.2.1.3 reads min-fresh', 'min-fresh=20', { minFresh: 20 }],
  ['5.2.1.3 ignores min-fresh that cannot be read', 'min-fresh=x', {}],
  ['5.2.1.7 reads only-if-cached', 'only-if-cached', { onlyIfCached: true }],
  ['5.2.2.3 reads must-understand', 'must-understand, no-store', { mustUnderstand: true, noStore: true }],
  ['5.2.2.4 reads unqualified no-cache', 'no-cache', { noCache: true }],
  ['5.2.2.4 reads qualified no-cache', 'no-cache="Set-Cookie, X-A"', { noCacheFields: ['set-cookie', 'x-a'] }],
  ['5.2.2.4 reads qualified no-cache as a token', 'no-cache=Set-Cookie', { noCacheFields: ['set-cookie'] }],
  ['5.2.2.7 reads unqualified private', 'private', { private: true }],
  ['5.2.2.7 reads qualified private', 'private="Set-Cookie"', { privateFields: ['set-cookie'] }],
  ['5.2.2.7 unites repeated field lists', 'private="a", private="b"', { privateFields: ['a', 'b'] }],
  ['5.2.2.7 lets unqualified private win', 'private="a", private', { private: true, privateFields: ['a'] }],
  ['5.2.2.7 reads an empty field list as all', 'private=""', { private: true }],
  ['5.2.2.7 reads a field list with a wrong name as all', 'private="a b"', { private: true }],
  ['5.2.2.7 reads a field list with one wrong name as all', 'private="a, b c"', { private: true }],
  ['5.2.2.4 reads an argument that is missing as all', 'no-cache=', { noCache: true }],
  [
    '5.2.2.2 reads the revalidation directives',
    'must-revalidate, proxy-revalidate',
    {
      mustRevalidate: true,
      proxyRevalidate: true,
    },
  ],
  ['5.2.2.6 reads no-transform', 'no-transform', { noTransform: true }],
  ['5.2.2.5 honours no-store with an argument', 'no-store=false', { noStore: true }],
  ['5.2.2.9 does not grant public with an argument', 'public=0', {}],
  ['5.2.2.9 does not grant public with an argument that never ends', 'public="', {}],
  ['5.2.2.9 does not grant public after garbage', '@public, @ public', {}],
  ['5.2.2.3 does not read must-understand with an argument that is missing', 'must-understand=', {}],
  ['RFC 8246, 2 does not read immutable with an argument that is missing', 'immutable=', {}],
  ['RFC 8246, 2 reads immutable, with any argument', 'immutable=0', { immutable: true }],
  [
    'RFC 5861 reads both windows',
    'stale-while-revalidate=5, stale-if-error=6',
    {
      staleWhileRevalidate: 5,
      staleIfError: 6,
    },
  ],
  ['4.2.1 takes the first of repeated lifetimes', 'max-age=1, max-age=100', { maxAge: 1 }],
  ['4.2.1 takes the first even if it cannot be read', 'max-age=x, max-age=100', { maxAge: 0 }],
  ['4.2.1 reads a lifetime without value as stale', 'max-age, s-maxage=', { maxAge: 0, sMaxage: 0 }],
  ['4.2.1 reads a negative lifetime as stale', 'max-age=-1', { maxAge: 0 }],
  ['4.2.1 reads a signed lifetime as stale', 'max-age=+60', { maxAge: 0 }],
  ['4.2.1 reads a decimal lifetime as stale', 'max-age=60.5', { maxAge: 0 }],
  ['4.2.1 reads letters around a lifetime as stale', 'max-age=60s, s-maxage=a60', { maxAge: 0, sMaxage: 0 }],
  ['4.2.1 reads single quotes as stale', "max-age='60'", { maxAge: 0 }],
  ['4.2.1 reads a quote that never ends as stale', 'max-age="60', { maxAge: 0 }],
  ['4.2.1 reads a quote that never begins as stale', 'max-age=60"', { maxAge: 0 }],
  ['4.2.1 reads whitespace before = as stale', 'max-age =60', { maxAge: 0 }],
  ['4.2.1 reads whitespace after = as stale', 'max-age= 60', { maxAge: 0 }],
  ['4.2.1 reads two arguments as stale', 'max-age=60=70', { maxAge: 0 }],
  ['4.2.1 honours what a missing comma hides', 'max-age=60 no-store', { maxAge: 0, noStore: true }],
  ['4.2.1 honours what a semicolon separates', 'max-age=60; no-store', { maxAge: 0, noStore: true }],
  ['4.2.1 grants nothing after garbage', '@ public max-age=60, max-age=70', { maxAge: 0 }],
  [
    '4.2.1 grants nothing after a quote that never ends',
    'foo="bar, public, max-age=60, no-cache',
    {
      maxAge: 0,
      noCache: true,
    },
  ],
  [
    '4.2.1 grants nothing after a quote that never ends, of a member that is no directive',
    '"bar, public, max-age=60, no-cache',
    { maxAge: 0, noCache: true },
  ],
  [
    '4.2.1 reads the stale windows strictly too',
    'stale-while-revalidate=x, stale-if-error',
    {
      staleWhileRevalidate: 0,
      staleIfError: 0,
    },
  ],
  ['1.2.2 cuts delta-seconds off at 2^31', 'max-age=99999999999999999999', { maxAge: MAX_DELTA_SECONDS }],
  ['1.2.2 reads leading zeros', 'max-age=0060', { maxAge: 60 }],
]

describe('parseCacheControl', () => {
  it.each(read)('RFC 9111, %s: %j', (_title, value, expected) => {
    expect(parseCacheControl(value)).toEqual({ ...NO_DIRECTIVES, ...expected })
  })

  it('reads unknown directives as none, all of which are false or undefined', () => {
    expect(parseCacheControl('unknown')).toEqual({
      ...{ noStore: false, noCache: false, private: false, public: false, noTransform: false, immutable: false },
      ...{ mustRevalidate: false, proxyRevalidate: false, mustUnderstand: false, onlyIfCached: false },
      ...{ noCacheFields: [], privateFields: [] },
    })
    expect(NO_DIRECTIVES).toEqual(parseCacheControl('unknown'))
  })

  it('reads an absent and an empty field as no directives', () => {
    expect(parseCacheControl(undefined)).toBe(NO_DIRECTIVES)
    expect(parseCacheControl('')).toBe(NO_DIRECTIVES)
  })

  it('gives the same object for the same text, which cannot be changed', () => {
    const control = parseCacheControl('max-age=61')
    expect(parseCacheControl('max-age=61')).toBe(control)
    expect(Object.isFrozen(control)).toBe(true)
  })

  it('never throws, for any text', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), hostile), (value) => Boolean(parseCacheControl(value))))
  })

  it('reads long hostile texts in linear time', () => {
    for (const piece of ['"', '"\\', ',="', 'a="\\"', ' =', '\\"', 'no-store ']) {
      const started = performance.now()
      parseCacheControl(piece.repeat(100_000))
      expect(performance.now() - started).toBeLessThan(1000)
    }
  })

  it('never reads a lifetime that the grammar does not give', () => {
    fc.assert(
      fc.property(hostile, (value) => {
        const { maxAge, sMaxage } = parseCacheControl(value)
        const granted = [maxAge, sMaxage].filter((lifetime) => lifetime !== undefined && lifetime > 0)
        // The oracle removes quoted strings by a regular expression and looks for whole members only.
        const members = value
          .replace(/"(?:[^"\\]|\\.)*"/gs, (quoted) => `"${quoted.replace(/[^0-9]/g, '')}"`)
          .split(',')
        const stated = members.filter((member) =>
          /^[ \t]*(?:max-age|s-maxage)=(?:[0-9]+|"[0-9]+")[ \t]*$/i.test(member),
        )
        return granted.length <= stated.length
      }),
      { numRuns: 2000 },
    )
  })

  it('keeps a restriction between other members that are garbage', () => {
    fc.assert(
      fc.property(hostile, hostile, fc.constantFrom('no-store', 'private', 'no-cache'), (before, after, name) => {
        const closed = (text: string) => text.replaceAll('"', '')
        const control = parseCacheControl(`${closed(before)},${name},${closed(after)}`)
        return name === 'no-store' ? control.noStore : name === 'private' ? control.private : control.noCache
      }),
    )
  })

  it('reads back what is written by the grammar', () => {
    const argument = fc.oneof(
      fc.nat({ max: 2 ** 31 }).map(String),
      fc.nat({ max: 2 ** 31 }).map((n) => `"${n}"`),
    )
    const space = fc.constantFrom('', ' ', '\t', '  ')
    fc.assert(
      fc.property(argument, argument, space, space, (maxAge, sMaxage, before, after) => {
        const control = parseCacheControl(`x="a,b"${before},${after}max-age=${maxAge}${before},s-maxage=${sMaxage}`)
        expect(control.maxAge).toBe(Number(maxAge.replaceAll('"', '')))
        expect(control.sMaxage).toBe(Number(sMaxage.replaceAll('"', '')))
      }),
    )
  })
})

const hostile = fc
  .array(
    fc.constantFrom(
      ...['max-age', 's-maxage', 'no-store', 'private', 'no-cache', 'public', 'foo', '=', '=', ',', ',', '"', '\\'],
      ...[' ', '\t', ';', '60', '0', '-1', "'", '*', '\u00e9', '\u0000', '60.5', 'set-cookie'],
    ),
    { maxLength: 24 },
  )
  .map((pieces) => pieces.join(''))

describe('parseDeltaSeconds', () => {
  it.each([
    ['0', 0],
    ['2147483648', MAX_DELTA_SECONDS],
    ['2147483649', MAX_DELTA_SECONDS],
    ['1'.repeat(400), MAX_DELTA_SECONDS],
    ['', undefined],
    [' 1', undefined],
    ['1e3', undefined],
    ['0x10', undefined],
    ['\u0661', undefined],
  ])('RFC 9111, 1.2.2: %j is %j', (text, expected) => {
    expect(parseDeltaSeconds(text)).toBe(expected)
  })
})
