import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { buildKey } from '../../src/core/build-key.js'

interface Vector {
  readonly class: string
  readonly prefix: string
  readonly params: string
  readonly key: string
  readonly plain: boolean
}

const { vectors } = JSON.parse(readFileSync(new URL('../vectors/build_key.json', import.meta.url), 'utf8')) as {
  vectors: readonly Vector[]
}

describe('buildKey', () => {
  for (const [index, vector] of vectors.entries()) {
    if (!vector.plain) continue
    it(`gives the original's key for ${vector.class} #${index}`, () => {
      expect(buildKey(vector.prefix, JSON.parse(vector.params))).toBe(vector.key)
    })
  }

  it("gives the original's key for large integers handed in as bigint", () => {
    const large = vectors.filter((vector) => vector.class === 'int_unsafe')
    expect(large.length).toBeGreaterThan(0)
    for (const vector of large) {
      const params = Object.fromEntries(
        [...vector.params.matchAll(/"(\w+)": (-?\d+)/g)].map(([, name, digits]) => [name, BigInt(digits ?? '0')]),
      )
      expect(buildKey(vector.prefix, params)).toBe(vector.key)
    }
  })

  it('does not see what JavaScript numbers do not keep: 1.0 is the integer 1', () => {
    expect(buildKey('p', { f: 1.0 })).toBe(buildKey('p', { f: 1 }))
    expect(buildKey('p', { f: -0 })).toBe(buildKey('p', { f: 0 }))
  })

  it('leaves out null and undefined at the top level only', () => {
    expect(buildKey('p', { a: null, b: undefined })).toBe(buildKey('p'))
    expect(buildKey('p', { a: { b: null } })).not.toBe(buildKey('p', { a: {} }))
  })

  it('hashes a Date as its ISO text', () => {
    const at = new Date(0)
    expect(buildKey('p', { at })).toBe(buildKey('p', { at: '1970-01-01T00:00:00.000Z' }))
  })

  it('keeps a parameter named __proto__', () => {
    expect(buildKey('p', JSON.parse('{"__proto__": 1}'))).not.toBe(buildKey('p'))
  })

  // What Python 3 prints for json.dumps(params, sort_keys=True).
  it.each<[string, Record<string, unknown>, string]>([
    ['not-a-number', { f: Number.NaN }, '{"f": NaN}'],
    ['infinities', { f: Number.POSITIVE_INFINITY, g: Number.NEGATIVE_INFINITY }, '{"f": Infinity, "g": -Infinity}'],
    [
      'large floats',
      { f: 9.1e15, g: 1e16, h: -9.1e15 },
      '{"f": 9100000000000000.0, "g": 1e+16, "h": -9100000000000000.0}',
    ],
    ['small floats', { f: 0.0001, g: 0.00001, h: -1.5e-7 }, '{"f": 0.0001, "g": 1e-05, "h": -1.5e-07}'],
    ['negative zero', { f: -0 }, '{"f": 0}'],
    ['control characters', { s: '\b\t\n\f\r\u0000\u007f' }, '{"s": "\\b\\t\\n\\f\\r\\u0000\\u007f"}'],
    ['a name that needs no escapes, of no length', { '': '' }, '{"": ""}'],
    ['nested undefined, which is null', { a: { b: undefined, c: [undefined] } }, '{"a": {"b": null, "c": [null]}}'],
    ['a Set, as an array', { a: new Set([2, 1]) }, '{"a": [2, 1]}'],
    [
      'a Map, as an object',
      {
        a: new Map([
          ['y', 1],
          ['x', 2],
        ]),
      },
      '{"a": {"x": 2, "y": 1}}',
    ],
    ['a property toJSON that is no method', { a: { toJSON: 1 } }, '{"a": {"toJSON": 1}}'],
    [
      'pairs of surrogates behind the last of 16 bits',
      { '\u{10000}': 1, '\uffff': 2 },
      '{"\\uffff": 2, "\\ud800\\udc00": 1}',
    ],
    ['the last pair', { '\u{10ffff}': 1, '\uffff': 2 }, '{"\\uffff": 2, "\\udbff\\udfff": 1}'],
    ['a pair behind a lone lead', { '\u{10000}': 1, '\ud800\uffff': 2 }, '{"\\ud800\\uffff": 2, "\\ud800\\udc00": 1}'],
    [
      'the last pair behind a lone lead',
      { '\u{10ffff}': 1, '\udbff\uffff': 2 },
      '{"\\udbff\\uffff": 2, "\\udbff\\udfff": 1}',
    ],
    ['a lone trail before the last of 16 bits', { '\uffff': 1, '\udc00': 2 }, '{"\\udc00": 2, "\\uffff": 1}'],
    ['a trail behind no lead', { 'a\uffff': 1, 'a\udc00': 2 }, '{"a\\udc00": 2, "a\\uffff": 1}'],
    [
      'a trail behind what follows the leads',
      { '\ue000\uffff': 1, '\ue000\udc00': 2 },
      '{"\\ue000\\udc00": 2, "\\ue000\\uffff": 1}',
    ],
    ['the order behind a lone lead', { '\ud800b': 1, '\ud800a': 2 }, '{"\\ud800a": 2, "\\ud800b": 1}'],
    [
      'the order behind a lone lead, of the last of 16 bits',
      { '\ud800\uffff': 1, '\ud800\ue000': 2 },
      '{"\\ud800\\ue000": 2, "\\ud800\\uffff": 1}',
    ],
    ['the order behind a letter, of lone trails', { 'a\udc01': 1, 'a\udc00': 2 }, '{"a\\udc00": 2, "a\\udc01": 1}'],
    [
      'the order behind what follows the surrogates, of lone trails',
      { '\ue000\udc01': 1, '\ue000\udc00': 2 },
      '{"\\ue000\\udc00": 2, "\\ue000\\udc01": 1}',
    ],
  ])('writes as Python does: %s', (_title, params, json) => {
    expect(buildKey('p', params)).toBe(`p:${createHash('sha256').update(json).digest('hex').slice(0, 12)}`)
  })

  it.each<[string, unknown]>([
    ['null', null],
    ['a text', 'a'],
    ['a list', ['a']],
  ])('refuses parameters that are %s', (_title, params) => {
    expect(() => buildKey('p', params as Record<string, unknown>)).toThrow('params must be an object')
  })

  it('refuses what has no text of its own', () => {
    const loop: Record<string, unknown> = {}
    loop.self = loop
    expect(() => buildKey('p', loop)).toThrow(new TypeError('a key parameter must not contain itself'))
    expect(() => buildKey('p', { f: () => 1 })).toThrow(new TypeError('a key parameter cannot be a function'))
    expect(() => buildKey('p', { s: Symbol('s') })).toThrow(new TypeError('a key parameter cannot be a symbol'))
    expect(() => buildKey(1 as unknown as string)).toThrow('prefix must be a string')
  })

  it.each([
    ['a promise as the parameters', Promise.resolve({ a: 1 }), 'must not be a promise: await it'],
    ['a promise as a parameter', { id: Promise.resolve(7) }, 'must not be a promise: await it'],
    ['a query object', new URLSearchParams('a=1'), 'got an object: pass Object.fromEntries(it)'],
    ['a query object within', { query: new URLSearchParams('a=1') }, 'got an object: pass Object.fromEntries(it)'],
    ['a Map as the parameters', new Map([['a', 1]]), 'got a Map: pass Object.fromEntries(it)'],
  ])('refuses %s, of which all would have one key', (_, params, message) => {
    expect(() => buildKey('p', params as never)).toThrow(message)
  })

  it('takes an object of a class without properties, and empty bytes', () => {
    class Filter {}
    expect(buildKey('p', new Filter() as never)).toBe(buildKey('p'))
    expect(buildKey('p', { bytes: new Uint8Array() })).not.toBe(buildKey('p', { bytes: new Uint8Array(1) }))
  })
})
