import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  asksForWhole,
  CONDITIONAL_FIELDS,
  describesBody,
  isNotModified,
  isRangeApplicable,
  isStrongLastModified,
  notModifiedFields,
  preconditions,
} from '../../../src/http/rules/conditional.js'
import { equalsStrongly, equalsWeakly, listEntityTags, makeEntityTag } from '../../../src/http/syntax/entity-tag.js'
import type { Fields } from '../../../src/http/syntax/fields.js'
import { formatHttpDate } from '../../../src/http/syntax/http-date.js'

const receivedAt = Date.UTC(2026, 10, 22, 12, 0, 0, 700)
const at = (seconds: number) => formatHttpDate(receivedAt + seconds * 1000)
const now = receivedAt + 60_000

describe('entity tags', () => {
  it.each([
    ['W/"1"', 'W/"1"', false, true],
    ['W/"1"', 'W/"2"', false, false],
    ['W/"1"', '"1"', false, true],
    ['"1"', '"1"', true, true],
    ['w/"1"', '"1"', false, false],
  ])('RFC 9110, 8.8.3.2: %s and %s: strong %s, weak %s', (one, other, strong, weak) => {
    expect(equalsStrongly(one, other)).toBe(strong)
    expect(equalsWeakly(one, other)).toBe(weak)
  })

  it('makes the same weak tag for the same bytes and another for others', () => {
    expect(makeEntityTag(Buffer.from('a'))).toMatch(/^W\/"1-[A-Za-z0-9_-]{27}"$/)
    expect(makeEntityTag(Buffer.from('a'))).toBe(makeEntityTag(Buffer.from('a')))
    expect(makeEntityTag(Buffer.from('a'))).not.toBe(makeEntityTag(Buffer.from('b')))
    expect(makeEntityTag(Buffer.alloc(0))).toMatch(/^W\/"0-/)
  })

  it.each([
    ['"a", W/"b" ,"c"', ['"a"', 'W/"b"', '"c"']],
    ['"a,b"', ['"a,b"']],
    ['"a\\", "b"', ['"a\\"', '"b"']],
    ['""', ['""']],
    ['abc, def', ['abc', 'def']],
    [',,', []],
  ])('RFC 9110, 13.1.2: reads the list %s', (list, expected) => {
    expect(listEntityTags(list)).toEqual(expected)
  })

  it('reads any list without throwing, in linear time', () => {
    fc.assert(fc.property(fc.string(), (text) => listEntityTags(text).length >= 0))
    const started = performance.now()
    for (const piece of ['"', 'W/', 'W/"', ' ', 'a"']) listEntityTags(piece.repeat(50_000))
    expect(performance.now() - started).toBeLessThan(2000)
  })
})

describe('isNotModified', () => {
  const modified = at(-100)
  const stored: Fields = { etag: '"a"', 'last-modified': modified, date: at(0) }
  it.each<[string, Fields, Fields, boolean]>([
    ['13.1.2 equal tag', { 'if-none-match': '"a"' }, stored, true],
    ['13.1.2 another tag', { 'if-none-match': '"b"' }, stored, false],
    ['13.1.2 weak against strong', { 'if-none-match': 'W/"a"' }, stored, true],
    ['13.1.2 strong against weak', { 'if-none-match': '"a"' }, { etag: 'W/"a"' }, true],
    ['13.1.2 one of a list', { 'if-none-match': '"x", W/"a", "y"' }, stored, true],
    ['13.1.2 none of a list', { 'if-none-match': '"x", "y"' }, stored, false],
    ['13.1.2 a tag with a comma', { 'if-none-match': '"x", "a,b"' }, { etag: '"a,b"' }, true],
    ['13.1.2 half a tag with a comma', { 'if-none-match': '"a' }, { etag: '"a,b"' }, false],
    ['13.1.2 repeated lines', { 'if-none-match': ['"x"', '"a"'] }, stored, true],
    ['13.1.2 a tag without quotes, unchanged', { 'if-none-match': 'a, b' }, { etag: 'a, b' }, true],
    ['13.1.2 *', { 'if-none-match': '*' }, stored, true],
    ['13.1.2 * against a response without tag', { 'if-none-match': ' * ' }, {}, true],
    ['13.1.2 * inside a list', { 'if-none-match': '"x", *' }, stored, false],
    ['13.1.2 a list against a response without tag', { 'if-none-match': '"a"' }, {}, false],
    ['13.1.2 an empty value', { 'if-none-match': '' }, stored, false],
    ['13.1.3 date of the change', { 'if-modified-since': modified }, stored, true],
    ['13.1.3 later date', { 'if-modified-since': at(-50) }, stored, true],
    ['13.1.3 earlier date', { 'if-modified-since': at(-101) }, stored, false],
    ['13.1.3 obsolete format', { 'if-modified-since': 'Sunday, 22-Nov-26 11:58:20 GMT' }, stored, true],
    ['13.1.3 no date', { 'if-modified-since': 'x' }, stored, false],
    ['13.1.3 two dates', { 'if-modified-since': [modified, modified] }, stored, false],
    [
      '13.2.2 If-None-Match beats If-Modified-Since: no',
      { 'if-none-match': '"b"', 'if-modified-since': modified },
      stored,
      false,
    ],
    [
      '13.2.2 If-None-Match beats If-Modified-Since: yes',
      { 'if-none-match': '"a"', 'if-modified-since': at(-900) },
      stored,
      true,
    ],
    ['13.1.1 If-Match is for the origin', { 'if-match': '"b"' }, stored, false],
    ['13.1.4 If-Unmodified-Since is for the origin', { 'if-unmodified-since': at(-900) }, stored, false],
    ['no condition', {}, stored, false],
  ])('RFC 9110, %s', (_title, request, response, expected) => {
    expect(isNotModified({ method: 'GET', headers: request }, response, receivedAt, now)).toBe(expected)
  })

  it.each<[string, Fields, number, boolean]>([
    ['Date stands in for Last-Modified', { date: at(-10) }, -10, true],
    ['a Date that is too new', { date: at(-10) }, -11, false],
    ['the time of reception stands in for both, in whole seconds', {}, 0, true],
    ['a reception that is too new', {}, -1, false],
    ['a Last-Modified that cannot be read does not count', { 'last-modified': 'x', date: at(-10) }, -10, true],
  ])('RFC 9111, 4.3.2: %s', (_title, response, since, expected) => {
    expect(
      isNotModified({ method: 'GET', headers: { 'if-modified-since': at(since) } }, response, receivedAt, now),
    ).toBe(expected)
  })
})

describe('isRangeApplicable', () => {
  const modified = at(-100)
  const stored: Fields = { etag: '"a"', 'last-modified': modified, date: at(0) }
  it.each<[string, Fields, Fields, boolean]>([
    ['no If-Range', {}, stored, true],
    ['equal strong tag', { 'if-range': '"a"' }, stored, true],
    ['another tag', { 'if-range': '"b"' }, stored, false],
    ['equal weak tags', { 'if-range': 'W/"a"' }, { etag: 'W/"a"' }, false],
    ['a tag and none stored', { 'if-range': '"a"' }, { 'last-modified': modified }, false],
    ['the very date', { 'if-range': modified }, stored, true],
    ['a later date', { 'if-range': at(-99) }, stored, false],
    ['an earlier date', { 'if-range': at(-101) }, stored, false],
    [
      'the very date, but made in the same second',
      { 'if-range': modified },
      { 'last-modified': modified, date: modified },
      false,
    ],
    ['the very date without Date', { 'if-range': modified }, { 'last-modified': modified }, false],
    ['no date at all', { 'if-range': 'x' }, stored, false],
    ['an empty value', { 'if-range': '' }, stored, false],
  ])('RFC 9110, 13.1.5: %s: %s', (_title, request, response, expected) => {
    expect(isRangeApplicable(request, response, now)).toBe(expected)
  })

  it('RFC 9110, 8.8.2.2: takes Last-Modified for strong from one second on', () => {
    expect(isStrongLastModified({ 'last-modified': at(-1), date: at(0) }, now)).toBe(true)
    expect(isStrongLastModified({ 'last-modified': at(0), date: at(0) }, now)).toBe(false)
  })
})

describe('isNotModified without what stands in for Last-Modified', () => {
  const since = { 'if-modified-since': at(5) }

  it('RFC 9110, 13.1.3: ignores If-Modified-Since where the response has no modification date', () => {
    expect(isNotModified({ method: 'GET', headers: since }, { date: at(0) }, undefined, now)).toBe(false)
    expect(isNotModified({ method: 'GET', headers: since }, { date: at(0) }, receivedAt, now)).toBe(true)
    expect(isNotModified({ method: 'GET', headers: since }, { 'last-modified': at(0) }, undefined, now)).toBe(true)
  })

  it.each(['yesterday', '2026-11-22', `${at(5)}, ${at(6)}`, '', '1'])(
    'RFC 9110, 13.1.3: ignores the date %j',
    (text) => {
      const response = { 'last-modified': at(-100) }
      expect(isNotModified({ method: 'GET', headers: { 'if-modified-since': text } }, response, undefined, now)).toBe(
        false,
      )
    },
  )

  it('RFC 9110, 13.1.3: ignores If-Modified-Since with other methods than GET and HEAD', () => {
    const answers = ['GET', 'HEAD', 'QUERY', 'POST'].map((method) =>
      isNotModified({ method, headers: since }, { 'last-modified': at(0) }, receivedAt, now),
    )
    expect(answers).toEqual([true, true, false, false])
  })
})

describe('notModifiedFields', () => {
  const all = {
    'cache-control': 'max-age=60',
    'content-location': '/a',
    date: at(0),
    etag: '"a"',
    expires: at(60),
    vary: 'x-a',
    'content-type': 'text/html',
    'content-length': '5',
    'content-encoding': 'br',
    'content-language': 'en',
    'last-modified': at(-9),
    'access-control-allow-origin': '*',
  }

  it('RFC 9110, 15.4.5: keeps what guides a cache, and nothing that describes the body', () => {
    expect(Object.keys(notModifiedFields(all)).sort()).toEqual(
      [
        ...['access-control-allow-origin', 'cache-control', 'content-location', 'date', 'etag', 'expires'],
        ...['last-modified', 'vary'],
      ].sort(),
    )
  })
})

describe('notModifiedFields of a response with a field that was removed', () => {
  it('leaves it out', () => {
    expect(Object.keys(notModifiedFields({ etag: '"a"', vary: undefined }))).toEqual(['etag'])
  })
})

describe('describesBody', () => {
  it.each([
    ['content-encoding', true],
    ['content-language', true],
    ['content-length', true],
    ['content-range', true],
    ['content-type', true],
    ['transfer-encoding', true],
    ['content-location', false],
    ['content-security-policy', false],
    ['etag', false],
  ])('RFC 9110, 15.4.5: of %s is %s', (name, expected) => {
    expect(describesBody(name)).toBe(expected)
  })
})

describe('CONDITIONAL_FIELDS', () => {
  it('RFC 9110, 13.1: names the preconditions and Range', () => {
    expect([...CONDITIONAL_FIELDS].sort()).toEqual([
      'if-match',
      'if-modified-since',
      'if-none-match',
      'if-range',
      'if-unmodified-since',
      'range',
    ])
  })
})

describe('asksForWhole', () => {
  it.each([
    ['no-cache', true],
    [' no-cache ', true],
    ['max-age=0, no-cache', true],
    ['no-cache,max-age=0', true],
    ['max-age=0', false],
    ['no-cache="set-cookie"', false],
    ['x-no-cache', false],
    ['no-cached', false],
    [undefined, false],
  ])('of Cache-Control: %s is %s', (control, expected) => {
    expect(asksForWhole(control === undefined ? {} : { 'cache-control': control })).toBe(expected)
  })

  it('is asked of Cache-Control alone', () => {
    expect(asksForWhole({ pragma: 'no-cache', '': 'no-cache' })).toBe(false)
  })
})

describe('preconditions', () => {
  it('RFC 9111, 4.3.1: sends both validators as they stand', () => {
    expect(preconditions({ etag: 'W/"a"', 'last-modified': at(0) })).toEqual({
      'if-none-match': 'W/"a"',
      'if-modified-since': at(0),
    })
    expect(preconditions({ etag: '"a"' })).toEqual({ 'if-none-match': '"a"', 'if-modified-since': undefined })
    expect(preconditions({ 'last-modified': at(0) })).toEqual({
      'if-none-match': undefined,
      'if-modified-since': at(0),
    })
    expect(preconditions({ date: at(0) })).toBeUndefined()
  })
})
