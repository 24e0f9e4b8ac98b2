import { describe, expect, it } from 'vitest'
import {
  endToEndFields,
  isConfirmedBy,
  isConfirmedByHead,
  isFreshenedBy,
  storedFields,
  updatedFields,
} from '../../../src/http/rules/stored-fields.js'
import { NO_DIRECTIVES, parseCacheControl } from '../../../src/http/syntax/cache-control.js'
import type { Fields } from '../../../src/http/syntax/fields.js'
import { formatHttpDate } from '../../../src/http/syntax/http-date.js'

const receivedAt = Date.UTC(2026, 10, 22, 12)
const date = formatHttpDate(receivedAt - 5000)
const plain = (fields: Fields) => ({ ...fields })

describe('storedFields', () => {
  const stored = (fields: Fields, control = '', omitted: readonly string[] = []) =>
    plain(storedFields({ date, ...fields }, parseCacheControl(control), receivedAt, omitted))

  it('RFC 9111, 3.1: keeps all fields, unknown ones and repeated lines included', () => {
    const fields = { 'x-unknown': 'a', link: ['<a>', '<b>'], 'set-cookie': ['a=1', 'b=2'], 'content-type': 'text/html' }
    expect(stored(fields)).toEqual({ date, ...fields })
  })

  it.each([
    ...['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade'],
    ...['proxy-authenticate', 'proxy-authentication-info', 'proxy-authorization'],
  ])('RFC 9111, 3.1: never keeps %s', (name) => {
    expect(stored({ [name]: 'x', 'x-a': '1' })).toEqual({ date, 'x-a': '1' })
  })

  it('RFC 9111, 3.1: never keeps what Connection names, in any case', () => {
    expect(stored({ connection: 'close, X-Hop , x-other', 'x-hop': '1', 'x-other': '2', 'x-a': '3' })).toEqual({
      date,
      'x-a': '3',
    })
  })

  it('RFC 9111, 5.2.2.7: leaves out the fields that private names', () => {
    expect(stored({ 'set-cookie': 'a=1', 'x-a': '1' }, 'private="Set-Cookie"')).toEqual({ date, 'x-a': '1' })
  })

  it('RFC 9111, 5.2.2.4: leaves out the fields that no-cache names', () => {
    expect(stored({ 'x-b': '2', 'x-a': '1' }, 'no-cache="X-B"')).toEqual({ date, 'x-a': '1' })
  })

  it('RFC 9111, 4: leaves out Age, which every use calculates again', () => {
    expect(stored({ age: '60' })).toEqual({ date })
  })

  it('RFC 9211, 2: keeps what upstream caches said', () => {
    expect(stored({ 'cache-status': 'Origin; hit' })).toEqual({ date, 'cache-status': 'Origin; hit' })
  })

  it('RFC 9110, 6.6.1: adds a missing Date, and replaces one that cannot be read', () => {
    expect(plain(storedFields({}, NO_DIRECTIVES, receivedAt))).toEqual({ date: formatHttpDate(receivedAt) })
    expect(stored({ date: 'now' })).toEqual({ date: formatHttpDate(receivedAt) })
  })

  it('leaves out what it is told to', () => {
    expect(stored({ 'set-cookie': 'a=1' }, '', ['set-cookie'])).toEqual({ date })
  })

  it('does not change what it was given', () => {
    const fields = Object.freeze({ age: '1', connection: 'x' })
    expect(() => storedFields(fields, NO_DIRECTIVES, receivedAt)).not.toThrow()
    expect(plain(endToEndFields(fields))).toEqual({ age: '1' })
  })
})

describe('updatedFields', () => {
  const before = {
    date,
    'x-a': '1',
    'content-type': 'text/plain',
    'content-length': '5',
    'content-encoding': 'br',
    etag: '"1"',
  }
  const updated = (update: Fields, control = '') =>
    plain(updatedFields(before, { date, ...update }, parseCacheControl(control), receivedAt))

  it('RFC 9111, 3.2: replaces what is there and adds what is not', () => {
    const update = { 'x-a': '2', 'x-b': '3', 'content-type': 'text/html', 'cache-control': 'max-age=9', etag: '"2"' }
    expect(updated(update)).toEqual({ ...before, ...update })
  })

  it('RFC 9111, 3.2: keeps what the update does not mention', () => {
    expect(updated({})).toEqual(before)
  })

  it.each([
    'content-length',
    'content-encoding',
    'content-range',
    'transfer-encoding',
    'connection',
    'proxy-authenticate',
  ])('RFC 9111, 3.2: does not take over %s', (name) => {
    expect(updated({ [name]: 'x' })).toEqual(before)
  })

  it('RFC 9111, 3.2: does not take over what the update does not let be stored', () => {
    expect(updated({ 'x-b': '1', 'x-c': '2', connection: 'x-c' }, 'private="x-b"')).toEqual(before)
  })

  it('RFC 9111, 4.3.4: gives the response a new date', () => {
    const newer = formatHttpDate(receivedAt - 1000)
    expect(updated({ date: newer }).date).toBe(newer)
    expect(updatedFields(before, {}, NO_DIRECTIVES, receivedAt).date).toBe(formatHttpDate(receivedAt))
  })

  it('RFC 9110, 8.8.1: leaves the tag of stored bytes weak, or away, when the update has it without the mark', () => {
    const weak = { ...before, etag: 'W/"1"' }
    expect(updatedFields(weak, { date, etag: '"1"' }, NO_DIRECTIVES, receivedAt).etag).toBe('W/"1"')
    expect(updatedFields(weak, { date, etag: '"2"' }, NO_DIRECTIVES, receivedAt).etag).toBe('"2"')
    expect(updatedFields({ date }, { date, etag: '"1"' }, NO_DIRECTIVES, receivedAt).etag).toBeUndefined()
  })

  it('RFC 9111, 4.2.3: has the age of the update', () => {
    expect(updated({ age: '7' }).age).toBe('7')
    expect(updatedFields({ ...before, age: '9' }, { date }, NO_DIRECTIVES, receivedAt).age).toBeUndefined()
  })
})

describe('isFreshenedBy', () => {
  const modified = formatHttpDate(receivedAt - 100_000)
  const other = formatHttpDate(receivedAt - 200_000)
  it.each<[string, Fields, Fields, boolean]>([
    ['an equal strong tag', { etag: '"a"' }, { etag: '"a"' }, true],
    ['another strong tag', { etag: '"a"' }, { etag: '"b"' }, false],
    ['a strong tag where a weak one is stored', { etag: 'W/"a"' }, { etag: '"a"' }, false],
    ['a strong tag where none is stored', { 'last-modified': modified }, { etag: '"a"' }, false],
    ['an equal weak tag', { etag: 'W/"a"' }, { etag: 'W/"a"' }, true],
    ['a weak tag for a strong one', { etag: '"a"' }, { etag: 'W/"a"' }, true],
    ['another weak tag', { etag: 'W/"a"' }, { etag: 'W/"b"' }, false],
    ['an equal Last-Modified', { 'last-modified': modified }, { 'last-modified': modified }, true],
    ['another Last-Modified', { 'last-modified': modified }, { 'last-modified': other }, false],
    [
      'an equal tag with another Last-Modified',
      { etag: '"a"', 'last-modified': modified },
      { etag: '"a"', 'last-modified': other },
      true,
    ],
    ['no validator', { etag: '"a"' }, {}, true],
    [
      'a strong tag where the same is stored as weak, and an equal Last-Modified',
      { etag: 'W/"a"', 'last-modified': modified, date },
      { etag: '"a"', 'last-modified': modified },
      true,
    ],
    [
      'a strong tag where the same is stored as weak, and a Last-Modified that is too young to be strong',
      { etag: 'W/"a"', 'last-modified': date, date },
      { etag: '"a"', 'last-modified': date },
      false,
    ],
    [
      'a tag where none is stored, and an equal Last-Modified',
      { 'last-modified': modified, date },
      { etag: '"a"', 'last-modified': modified },
      true,
    ],
    [
      'another tag and an equal Last-Modified',
      { etag: 'W/"a"', 'last-modified': modified, date },
      { etag: '"b"', 'last-modified': modified },
      false,
    ],
  ])('RFC 9111, 4.3.4: a 304 with %s: %s', (_title, stored, notModified, expected) => {
    expect(isFreshenedBy(stored, notModified, receivedAt)).toBe(expected)
  })
})

describe('isConfirmedBy', () => {
  it.each<[string, Fields, Fields, boolean]>([
    ['the same tag without the mark of weakness', { etag: 'W/"a"' }, { etag: '"a"' }, true],
    ['another tag', { etag: 'W/"a"' }, { etag: '"b"' }, false],
    ['a tag where none is stored', {}, { etag: '"a"' }, true],
    ['no tag', { etag: '"a"' }, {}, false],
  ])('RFC 9111, 4.3.3: a 304 with %s: %s', (_title, stored, notModified, expected) => {
    expect(isConfirmedBy(stored, notModified)).toBe(expected)
  })
})

describe('isConfirmedByHead', () => {
  const stored = { etag: '"a"', 'last-modified': date, 'content-length': '5' }
  it.each<[string, Fields, boolean]>([
    ['all equal', { etag: '"a"', 'last-modified': date, 'content-length': '5' }, true],
    ['nothing to compare', {}, true],
    ['another entity tag', { etag: '"b"' }, false],
    ['another Last-Modified', { etag: '"a"', 'last-modified': formatHttpDate(receivedAt) }, false],
    ['another length', { etag: '"a"', 'content-length': '6' }, false],
  ])('RFC 9111, 4.3.5: %s: %s', (_title, head, expected) => {
    expect(isConfirmedByHead(stored, 5, head)).toBe(expected)
  })

  it('RFC 9111, 4.3.5: a validator that is not stored does not match', () => {
    expect(isConfirmedByHead({}, 5, { etag: '"a"' })).toBe(false)
  })
})
