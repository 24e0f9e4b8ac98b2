import { describe, expect, it } from 'vitest'
import {
  callable,
  flag,
  given,
  namesIn,
  numberWithin,
  oneOf,
  positiveInteger,
  record,
  rejectUnknownOptions,
  shown,
  text,
} from '../../src/core/option-checks.js'

describe('rejectUnknownOptions', () => {
  it('names the owner and the nearest name, in any letter case', () => {
    expect(() => rejectUnknownOptions({ TAGS: 1 }, { ttl: {}, tags: {} }, 'set')).toThrow(
      new TypeError('unknown option "TAGS" of set; did you mean "tags"?'),
    )
    expect(() => rejectUnknownOptions({ [`x${'y'.repeat(50)}`]: 1 }, { ttl: {} }, 'set')).toThrow(
      new TypeError(`unknown option "x${'y'.repeat(39)}…" of set`),
    )
  })

  it('takes the options that are known, and nothing but an object for them', () => {
    expect(() => rejectUnknownOptions({ ttl: 1, tags: undefined }, { ttl: {}, tags: {} }, 'set')).not.toThrow()
    expect(() => rejectUnknownOptions({ toString: 1 }, { ttl: {} }, 'set')).toThrow(/unknown option "toString"/)
    expect(() => rejectUnknownOptions([], { ttl: {} }, 'set')).toThrow('options of set must be an object, got an array')
  })
})

describe('record', () => {
  it('rejects objects that have no options as properties, and says how a Map or a URL becomes one', () => {
    expect(() => record(new Map(), 'statusTtl')).toThrow(
      new TypeError('statusTtl must be an object, got a Map: pass Object.fromEntries(map)'),
    )
    expect(() => record(new URL('redis://:secret@cache'), 'options')).toThrow(
      new TypeError('options must be an object, got a URL: pass { redis: url.href }'),
    )
    for (const [box, text] of [
      [new Set(), 'a Set'],
      [Promise.resolve(), 'a Promise'],
      [/x/, 'a RegExp'],
      [new Date(), 'a Date'],
    ] as const) {
      expect(() => record(box, 'options')).toThrow(new TypeError(`options must be an object, got ${text}`))
    }
  })

  it('takes an object of any class', () => {
    const own = new (class Options {
      readonly ttl = 60
    })()
    expect(record(own, 'options')).toBe(own)
  })
})

describe('the check of one option', () => {
  const noop = () => {}
  it.each<[string, unknown, () => unknown]>([
    ['positiveInteger', 1, () => positiveInteger(1, 'o')],
    ['positiveInteger', 2 ** 53 - 1, () => positiveInteger(2 ** 53 - 1, 'o')],
    ['numberWithin', 0, () => numberWithin(0, 0, 1, 'o')],
    ['numberWithin', 1, () => numberWithin(1, 0, 1, 'o')],
    ['oneOf', 'b', () => oneOf('b', ['a', 'b'], 'o')],
    ['flag', false, () => flag(false, 'o')],
    ['flag', undefined, () => flag(undefined, 'o')],
    ['callable', noop, () => callable(noop, 'o')],
    ['callable', undefined, () => callable(undefined, 'o')],
    ['given', 1, () => given(undefined, 1)],
    ['given', null, () => given<unknown>(null, 1)],
    ['text', '', () => text('', 'o', 3)],
    ['text', 'abc', () => text('abc', 'o', 3)],
    ['namesIn', [], () => namesIn(undefined, 'o', 2)],
    ['namesIn', ['a', 'b'.repeat(256)], () => namesIn(['a', 'b'.repeat(256)], 'o', 2)],
  ])('%s takes %j', (_title, value, check) => {
    expect(check()).toEqual(value)
  })

  it.each<[string, () => unknown, Error]>([
    ...[0, -1, 1.5, Number.NaN, 2 ** 53, Number.POSITIVE_INFINITY].map((value): [string, () => unknown, Error] => [
      `positiveInteger ${value}`,
      () => positiveInteger(value, 'o'),
      new RangeError(`o must be a positive integer, got ${value}`),
    ]),
    ['positiveInteger "1"', () => positiveInteger('1', 'o'), new RangeError('o must be a positive integer, got "1"')],
    ...[-0.1, 1.1, Number.NaN].map((value): [string, () => unknown, Error] => [
      `numberWithin ${value}`,
      () => numberWithin(value, 0, 1, 'o'),
      new RangeError(`o must be a number from 0 to 1, got ${value}`),
    ]),
    ['numberWithin "1"', () => numberWithin('1', 0, 1, 'o'), new RangeError('o must be a number from 0 to 1, got "1"')],
    ['oneOf', () => oneOf('c', ['a', 'b'], 'o'), new TypeError('o must be "a" or "b", got "c"')],
    ['flag', () => flag(0, 'o'), new TypeError('o must be true or false, got 0')],
    ['callable', () => callable<unknown>('f', 'o'), new TypeError('o must be a function, got "f"')],
    ['text of another type', () => text(1, 'o', 3), new TypeError('o must be a string, got 1')],
    [
      'text that is long',
      () => text('abcd', 'o', 3),
      new RangeError('o must be a string of at most 3 characters, got 4'),
    ],
    ['namesIn without a list', () => namesIn('a', 'o', 2), new TypeError('o must be a list of names, got "a"')],
    ['namesIn', () => namesIn(['a', 'b', 'c'], 'o', 2), new RangeError('o must be a list of at most 2 names, got 3')],
    [
      'namesIn with no name',
      () => namesIn(['a', ''], 'o', 2),
      new TypeError('o must be a list of names, got "" in it'),
    ],
    [
      'namesIn with a hole',
      () => namesIn(new Array(1), 'o', 2),
      new TypeError('o must be a list of names, got undefined in it'),
    ],
    [
      'namesIn with a long name',
      () => namesIn(['a'.repeat(257)], 'o', 2),
      new RangeError('each name in o must be a string of at most 256 characters, got 257'),
    ],
    ['record null', () => record(null, 'o'), new TypeError('o must be an object, got null')],
    ['record text', () => record('a', 'o'), new TypeError('o must be an object, got "a"')],
  ])('%s throws', (_title, check, error) => {
    expect(check).toThrow(error)
  })
})

describe('shown', () => {
  it.each<[unknown, string]>([
    ['a"b', '"a\\"b"'],
    ['x'.repeat(40), `"${'x'.repeat(40)}"`],
    ['x'.repeat(41), `"${'x'.repeat(40)}…"`],
    [10n, '10n'],
    [() => 1, 'a function'],
    [[1], 'an array'],
    [{ secret: 1 }, 'an object'],
    [new Date(0), 'a Date'],
    [null, 'null'],
    [undefined, 'undefined'],
    [Symbol('s'), 'Symbol(s)'],
    [-0.5, '-0.5'],
  ])('is short, and shows nothing of an object: %s', (value, expected) => {
    expect(shown(value)).toBe(expected)
  })
})
