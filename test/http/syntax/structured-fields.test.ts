import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  parseDictionary,
  parseList,
  serializeString,
  serializeStringOrToken,
} from '../../../src/http/syntax/structured-fields.js'

const dictionary = (value: string) => {
  const members = parseDictionary(value)
  return members === undefined ? undefined : Object.fromEntries(members)
}

describe('parseDictionary', () => {
  it.each([
    ['a', { a: { type: 'boolean', value: true } }],
    ['a=?0, b=?1', { a: { type: 'boolean', value: false }, b: { type: 'boolean', value: true } }],
    ['a=1,b=-2', { a: { type: 'integer', value: 1 }, b: { type: 'integer', value: -2 } }],
    ['a=1.5', { a: { type: 'decimal', value: 1.5 } }],
    ['a="x\\"\\\\y"', { a: { type: 'string', value: 'x"\\y' } }],
    ['a=tok:en/x', { a: { type: 'token', value: 'tok:en/x' } }],
    ['a=:aGVsbG8=:', { a: { type: 'bytes', value: 'aGVsbG8=' } }],
    ['a=:aGVsbG8:', { a: { type: 'bytes', value: 'aGVsbG8' } }],
    ['a=::', { a: { type: 'bytes', value: '' } }],
    ['a=@1659578233', { a: { type: 'date', value: 1659578233 } }],
    ['a=%"f%c3%bc"', { a: { type: 'display-string', value: 'fü' } }],
    [
      'a=(1 "b" c);p',
      {
        a: {
          type: 'inner-list',
          value: [
            { type: 'integer', value: 1 },
            { type: 'string', value: 'b' },
            { type: 'token', value: 'c' },
          ],
        },
      },
    ],
    ['a=1;x;y=2;z="3", b;q', { a: { type: 'integer', value: 1 }, b: { type: 'boolean', value: true } }],
    ['  a=1 \t,\t b=2  ', { a: { type: 'integer', value: 1 }, b: { type: 'integer', value: 2 } }],
    ['a=1, a=2', { a: { type: 'integer', value: 2 } }],
    ['*a-b_c.d*=1', { '*a-b_c.d*': { type: 'integer', value: 1 } }],
    ['', {}],
    ['  ', {}],
  ])('RFC 9651, 4.2.2: reads %j', (value, expected) => {
    expect(dictionary(value)).toEqual(expected)
  })

  it.each([
    'A=1',
    'a=',
    'a =1',
    'a= 1',
    'a=1,',
    ',a=1',
    'a=1,,b=2',
    'a=1 b=2',
    'a="x',
    'a="\u00e9"',
    'a="\\x"',
    'a=?2',
    'a=1.',
    'a=.5',
    'a=1.2345',
    'a=1234567890123456',
    'a=--1',
    'a=(1',
    'a=(1,2)',
    'a=("a""b")',
    'a=:x',
    'a=:x:',
    'a=:x=yz:',
    'a=%"%zz"',
    'a=%"%C3"',
    'a=@1.5',
    '&&&',
    'a;=1',
    'a;B',
    'a=1;',
    '\ta',
    'max-age=60, no-store;',
  ])('RFC 9651, 4.2: refuses %j as a whole', (value) => {
    expect(parseDictionary(value)).toBeUndefined()
  })

  it('never throws', () => {
    const pieces = fc.constantFrom(
      'a',
      'b=',
      '=',
      '1',
      '.',
      '"',
      '\\',
      ',',
      ' ',
      '(',
      ')',
      ';',
      '?1',
      ':',
      '@',
      '%"',
      '%c3',
      '\u00e9',
    )
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(pieces).map((parts) => parts.join('')),
        ),
        (value) => {
          parseDictionary(value)
          parseList(value)
        },
      ),
      { numRuns: 2000 },
    )
  })
})

describe('parseList', () => {
  it('RFC 9651, 4.2.1: reads members in order', () => {
    expect(parseList('"a", "b";x=1, c')).toEqual([
      { type: 'string', value: 'a' },
      { type: 'string', value: 'b' },
      { type: 'token', value: 'c' },
    ])
    expect(parseList('"a" "b"')).toBeUndefined()
    expect(parseList('')).toEqual([])
  })
})

describe('serializeString', () => {
  it('RFC 9651, 4.1.6: writes what parseList reads back, but for characters that a String may not hold', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary-ascii' }), (text) => {
        expect(parseList(serializeString(text))).toEqual([
          { type: 'string', value: text.replace(/[^\x20-\x7e]/g, '?') },
        ])
      }),
    )
  })

  it('RFC 9651, 4.1.7: writes a Token without quotes', () => {
    expect(serializeStringOrToken('fallback-cache')).toBe('fallback-cache')
    expect(serializeStringOrToken('a b')).toBe('"a b"')
    expect(serializeStringOrToken('1a')).toBe('"1a"')
    expect(serializeStringOrToken('')).toBe('""')
    expect(serializeStringOrToken('é')).toBe('"?"')
  })
})
