import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type ByteRange,
  fitsContentRange,
  MAX_RANGES,
  parseContentRange,
  parseRange,
  partialContent,
  rangeNotSatisfiable,
} from '../../../src/http/syntax/range.js'

const range = (first: number, last: number): ByteRange => ({ first, last })

describe('parseRange', () => {
  it.each<[string, string | undefined, readonly ByteRange[] | 'unsatisfiable' | undefined]>([
    ['an interval', 'bytes=0-499', [range(0, 499)]],
    ['the second half thousand', 'bytes=500-999', [range(500, 999)]],
    ['an open interval', 'bytes=9500-', [range(9500, 9999)]],
    ['a suffix', 'bytes=-500', [range(9500, 9999)]],
    ['a suffix longer than the body', 'bytes=-20000', [range(0, 9999)]],
    ['an end beyond the body', 'bytes=9990-20000', [range(9990, 9999)]],
    ['the first and the last byte', 'bytes=0-0,-1', [range(0, 0), range(9999, 9999)]],
    ['several, in their order', 'bytes=4500-5499, 0-999 ,-1000', [range(4500, 5499), range(0, 999), range(9000, 9999)]],
    ['adjacent ones side by side', 'bytes=500-600,601-999', [range(500, 600), range(601, 999)]],
    ['overlapping ones as one', 'bytes=500-700,601-999', [range(500, 999)]],
    ['one inside another as one', 'bytes=0-,5-6', [range(0, 9999)]],
    ['those that exist', 'bytes=20000-,0-1', [range(0, 1)]],
    ['the unit in any case', 'Bytes=0-1', [range(0, 1)]],
    ['empty members as nothing', 'bytes=,0-1,,', [range(0, 1)]],
    ['whitespace around =', 'bytes = 0-1', [range(0, 1)]],
    ['numbers beyond all integers', `bytes=0-${'9'.repeat(400)}`, [range(0, 9999)]],
    ['a start beyond the body', 'bytes=10000-', 'unsatisfiable'],
    ['a start beyond all integers', `bytes=${'9'.repeat(400)}-`, 'unsatisfiable'],
    ['an empty suffix', 'bytes=-0', 'unsatisfiable'],
    ['an absent field', undefined, undefined],
    ['another unit', 'lines=0-1', undefined],
    ['no unit', '0-1', undefined],
    ['no ranges', 'bytes=', undefined],
    ['a range without positions', 'bytes=-', undefined],
    ['an end before the start', 'bytes=5-4', undefined],
    ['an end before the start among good ones', 'bytes=0-1,5-4', undefined],
    ['negative positions', 'bytes=--5', undefined],
    ['whitespace inside', 'bytes=0 - 1', undefined],
    ['letters', 'bytes=a-b', undefined],
    ['hexadecimal', 'bytes=0x0-0x1', undefined],
    ['too many ranges', `bytes=${Array.from({ length: MAX_RANGES + 1 }, (_, n) => `${n * 2}-${n * 2}`)}`, undefined],
  ])('RFC 9110, 14.1.2: %s: %s', (_title, value, expected) => {
    expect(parseRange(value, 10_000)).toEqual(expected)
  })

  it('RFC 9110, 14.2: ignores ranges of an empty body', () => {
    expect(parseRange('bytes=0-', 0)).toBeUndefined()
    expect(parseRange('bytes=-1', 0)).toBeUndefined()
  })

  it('RFC 9110, 14.2: never asks for more than the body, nor for a byte twice', () => {
    const position = fc.nat({ max: 30 })
    const spec = fc.oneof(
      fc.tuple(position, position).map(([one, other]) => `${Math.min(one, other)}-${Math.max(one, other)}`),
      position.map((first) => `${first}-`),
      position.map((length) => `-${length}`),
    )
    fc.assert(
      fc.property(fc.array(spec, { minLength: 1, maxLength: 10 }), fc.integer({ min: 1, max: 25 }), (specs, length) => {
        const ranges = parseRange(`bytes=${specs.join(',')}`, length)
        const wanted = new Set<number>()
        for (const text of specs) {
          const [from = '', to = ''] = text.split('-')
          for (let at = 0; at < length; at += 1) {
            const inside =
              from === '' ? at >= length - Number(to) : at >= Number(from) && (to === '' || at <= Number(to))
            if (inside) wanted.add(at)
          }
        }
        if (ranges === 'unsatisfiable') return wanted.size === 0
        const given = (ranges ?? []).flatMap(({ first, last }) =>
          Array.from({ length: last - first + 1 }, (_, index) => first + index),
        )
        expect(given.sort((one, other) => one - other)).toEqual([...wanted].sort((one, other) => one - other))
        return true
      }),
    )
  })

  it('never throws', () => {
    fc.assert(
      fc.property(fc.string(), fc.nat(), (text, length) => Boolean(parseRange(`bytes=${text}`, length)) || true),
    )
  })
})

describe('partialContent', () => {
  const body = Buffer.from('0123456789')
  const fields = { 'content-type': 'text/plain', 'content-length': '10', etag: '"a"', 'content-encoding': 'br' }

  it('RFC 9110, 15.3.7.1: sends a single part as it is', () => {
    const answer = partialContent([range(2, 4)], fields, body)
    expect(answer.status).toBe(206)
    expect(answer.body.toString()).toBe('234')
    expect(answer.body.buffer).toBe(body.buffer)
    expect({ ...answer.fields }).toEqual({ ...fields, 'content-length': '3', 'content-range': 'bytes 2-4/10' })
  })

  it('RFC 9110, 15.3.7.2: sends several parts as multipart/byteranges', () => {
    const answer = partialContent([range(7, 8), range(0, 0)], fields, body)
    const boundary = /^multipart\/byteranges; boundary=([0-9a-f]{36})$/.exec(String(answer.fields['content-type']))?.[1]
    expect(answer.body.toString()).toBe(
      [
        `\r\n--${boundary}\r\nContent-Type: text/plain\r\nContent-Range: bytes 7-8/10\r\n\r\n78`,
        `\r\n--${boundary}\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-0/10\r\n\r\n0`,
        `\r\n--${boundary}--\r\n`,
      ].join(''),
    )
    expect(answer.fields['content-length']).toBe(String(answer.body.length))
    expect(answer.fields['content-range']).toBeUndefined()
    expect(answer.fields.etag).toBe('"a"')
  })

  it('RFC 9110, 15.3.7.2: leaves Content-Type out of the parts where there is none', () => {
    const answer = partialContent([range(0, 0), range(5, 5)], {}, body)
    expect(answer.body.toString()).not.toContain('Content-Type')
  })
})

describe('rangeNotSatisfiable', () => {
  it('RFC 9110, 15.5.17: tells the length, and lets no cache store it', () => {
    const fields = {
      'content-type': 'a/b',
      'content-length': '10',
      'cache-control': 'max-age=60',
      expires: 'x',
      vary: 'x-a',
    }
    const answer = rangeNotSatisfiable(fields, 10)
    expect(answer.status).toBe(416)
    expect(answer.body).toHaveLength(0)
    expect({ ...answer.fields }).toEqual({ 'content-range': 'bytes */10', 'content-length': '0', vary: 'x-a' })
  })
})

describe('parseContentRange', () => {
  it.each([
    ['bytes 42-1233/1234', { first: 42, last: 1233, completeLength: 1234 }],
    ['bytes 42-1233/*', { first: 42, last: 1233, completeLength: undefined }],
    ['BYTES 0-0/1', { first: 0, last: 0, completeLength: 1 }],
    ['bytes 5-4/10', undefined],
    ['bytes 0-10/10', undefined],
    ['bytes */10', undefined],
    ['lines 0-1/2', undefined],
    ['bytes 0-1', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('RFC 9110, 14.4: %s', (value, expected) => {
    expect(parseContentRange(value)).toEqual(expected)
  })
})

describe('fitsContentRange', () => {
  it.each([
    ['bytes 0-9/64', 10, true],
    ['bytes 0-9/64', 9, false],
    ['bytes 0-9/64', 11, false],
    [undefined, 5, true],
  ])('%s with %i bytes: %s', (range, length, expected) => {
    expect(fitsContentRange({ 'content-range': range }, length)).toBe(expected)
  })
})
