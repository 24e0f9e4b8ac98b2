import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Fields, fieldLines, fieldValue, hasField, listMembers } from '../../../src/http/syntax/fields.js'

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
