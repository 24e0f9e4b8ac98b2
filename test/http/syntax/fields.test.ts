import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  emptyFields,
  type Fields,
  fieldLines,
  fieldValue,
  hasField,
  isToken,
  isTokenCharacter,
  listMembers,
  trimWhitespace,
} from '../../../src/http/syntax/fields.js'
import { Remembered } from '../../../src/http/syntax/remembered.js'

describe('fieldValue', () => {
  it('RFC 9110, 5.2: joins the lines of a field in order', () => {
    expect(fieldValue({ vary: ['a', 'b, c'] }, 'vary')).toBe('a, b, c')
    expect(fieldLines({ vary: ['a', 'b, c'] }, 'vary')).toEqual(['a', 'b, c'])
    expect(fieldLines({ vary: 'a' }, 'vary')).toEqual(['a'])
    expect(fieldLines({}, 'vary')).toEqual([])
  })

  it('tells an empty field from an absent one', () => {
    expect(fieldValue({ vary: '' }, 'vary')).toBe('')
    expect(hasField({ vary: '' }, 'vary')).toBe(true)
    expect(fieldValue({ vary: undefined }, 'vary')).toBeUndefined()
    expect(hasField({ vary: undefined }, 'vary')).toBe(false)
  })

  it('takes no method of Object for a field', () => {
    for (const name of ['constructor', 'toString', '__proto__', 'hasOwnProperty']) {
      expect(fieldValue({} as Fields, name)).toBeUndefined()
      expect(hasField({} as Fields, name)).toBe(false)
    }
  })
})

describe('listMembers', () => {
  it.each([
    ['foo,bar', ['foo', 'bar']],
    ['foo ,bar,', ['foo', 'bar']],
    ['foo , ,bar,charlie', ['foo', 'bar', 'charlie']],
    ['', []],
    [',   ,', []],
    ['"http://example.com/a.html,foo", b', ['"http://example.com/a.html,foo"', 'b']],
    ['"a\\",b", c', ['"a\\",b"', 'c']],
    ['a"b, c', ['a"b', 'c']],
    ['a, "b, c", d', ['a', '"b, c"', 'd']],
    ['a="b, c", d', ['a="b, c"', 'd']],
    ['a, "b", "c, d', ['a', '"b"', '"c', 'd']],
    ['\ta\t,\tb\t', ['a', 'b']],
  ])('RFC 9110, 5.6.1.2: %j', (value, expected) => {
    expect(listMembers(value)).toEqual(expected)
  })

  it('never throws, and never makes anything up', () => {
    fc.assert(
      fc.property(fc.string(), (value) => {
        expect(listMembers(value).join('').length).toBeLessThanOrEqual(value.length)
      }),
    )
  })

  it('reads long hostile texts in linear time', () => {
    for (const piece of ['"', '"\\', '\\"', ',"', '"a,']) {
      const started = performance.now()
      listMembers(piece.repeat(100_000))
      expect(performance.now() - started).toBeLessThan(1000)
    }
  })
})

describe('emptyFields', () => {
  it('inherits nothing, so that every name is that of a field', () => {
    const fields = emptyFields()
    for (const name of ['constructor', 'toString', '__proto__', 'hasOwnProperty']) {
      expect(name in fields).toBe(false)
      fields[name] = 'x'
      expect(fieldValue(fields, name)).toBe('x')
    }
    expect(Object.keys(fields)).toEqual(['constructor', 'toString', '__proto__', 'hasOwnProperty'])
    expect(Object.keys(emptyFields())).toEqual([])
    expect('constructor' in emptyFields()).toBe(false)
  })
})

describe('trimWhitespace', () => {
  it.each([
    [' \ta b\t ', 'a b'],
    ['a', 'a'],
    [' \t ', ''],
    ['', ''],
    ['\u00a0a\n', '\u00a0a\n'],
  ])('RFC 9110, 5.6.3: %j', (value, expected) => {
    expect(trimWhitespace(value)).toBe(expected)
  })
})

describe('isToken', () => {
  const characters = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

  it('RFC 9110, 5.6.2: knows the characters of a token', () => {
    const all = Array.from({ length: 0x200 }, (_, code) => code)
    expect(
      all
        .filter(isTokenCharacter)
        .map((code) => String.fromCharCode(code))
        .sort(),
    ).toEqual([...characters].sort())
    expect(all.filter((code) => isToken(String.fromCharCode(code)))).toEqual(all.filter(isTokenCharacter))
  })

  it.each([
    [characters, true],
    ['', false],
    ['a b', false],
    ['a:', false],
    [':a', false],
    ['a\n', false],
  ])('RFC 9110, 5.6.2: of %j is %s', (text, expected) => {
    expect(isToken(text)).toBe(expected)
  })
})

describe('Remembered', () => {
  it('finds the result of a text once, also one that is undefined or false', () => {
    const asked: string[] = []
    const lengths = new Remembered((text) => {
      asked.push(text)
      return text === 'none' ? undefined : text.length > 2
    })
    for (const text of ['a', 'none', 'three', 'a', 'none', 'three']) lengths.of(text)
    expect(['a', 'none', 'three'].map((text) => lengths.of(text))).toEqual([false, undefined, true])
    expect(asked).toEqual(['a', 'none', 'three'])
  })

  it('never gives a text the result of another, however many there are, and keeps a bounded number', () => {
    let found = 0
    const same = new Remembered((text) => {
      found += 1
      return text
    })
    const texts = Array.from({ length: 600 }, (_, at) => `text/type-${at}`)
    for (const text of texts) expect(same.of(text)).toBe(text)
    for (const text of texts) expect(same.of(text)).toBe(text)
    expect(found).toBeGreaterThan(texts.length)
  })

  it('keeps no long text', () => {
    let found = 0
    const lengths = new Remembered(() => {
      found += 1
      return found
    })
    expect([lengths.of('x'.repeat(257)), lengths.of('x'.repeat(257))]).toEqual([1, 2])
    expect([lengths.of('x'.repeat(256)), lengths.of('x'.repeat(256))]).toEqual([3, 3])
  })
})
