import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { combinedBody, combinedParts } from '../../../src/http/store/combined-parts.js'
import { StoredResponse } from '../../../src/http/store/stored-response.js'
import type { Fields } from '../../../src/http/syntax/fields.js'
import { storedHead } from '../../support/stored-head.js'

const whole = Buffer.from(Array.from({ length: 64 }, (_, at) => at))

function fieldsOf(first: number, last: number, more: Fields = {}): Fields {
  return {
    etag: '"a"',
    'content-type': 'image/png',
    'content-range': `bytes ${first}-${last}/${whole.length}`,
    ...more,
  }
}

function stored(
  first: number,
  last: number,
  more: Fields = {},
  body = whole.subarray(first, last + 1),
): StoredResponse {
  const fields = Object.entries(fieldsOf(first, last, more)).flatMap(([name, value]) =>
    value === undefined ? [] : [name, String(value)],
  )
  const entry = { storedAt: 0, staleAt: 1, deleteAt: 1, tags: [], meta: '', body, memo: undefined }
  return new StoredResponse(entry, storedHead({ status: 206, fields }))
}

const span = fc
  .tuple(fc.nat(whole.length - 1), fc.nat(whole.length - 1))
  .map(([one, other]) => [Math.min(one, other), Math.max(one, other)] as const)

describe('combinedParts (RFC 9111, section 3.4)', () => {
  it('makes of any two parts without a gap the bytes that both have, and of others nothing', () => {
    fc.assert(
      fc.property(span, span, ([from, to], [first, last]) => {
        const parts = combinedParts(stored(from, to), fieldsOf(first, last), 1_000)
        const hasGap = first > to + 1 || from > last + 1
        expect(parts === undefined).toBe(hasGap)
        if (parts === undefined) return
        const begin = Math.min(from, first)
        const end = Math.max(to, last)
        expect(combinedBody(parts, whole.subarray(first, last + 1))).toEqual(
          Buffer.from(whole.subarray(begin, end + 1)),
        )
        expect(parts.isWhole).toBe(begin === 0 && end === whole.length - 1)
      }),
    )
  })

  it.each<[string, Fields, Fields]>([
    ['weak entity tags', { etag: 'W/"a"' }, { etag: 'W/"a"' }],
    ['different entity tags', {}, { etag: '"b"' }],
    ['no entity tag', { etag: undefined }, { etag: undefined }],
    ['equal dates only', { etag: undefined, 'last-modified': 'x' }, { etag: undefined, 'last-modified': 'x' }],
    ['different lengths', {}, { 'content-range': 'bytes 8-15/65' }],
    ['an unknown length', { 'content-range': 'bytes 0-9/*' }, { 'content-range': 'bytes 8-15/*' }],
    ['another unit', {}, { 'content-range': 'lines 8-15/64' }],
    ['different codings', {}, { 'content-encoding': 'gzip' }],
    ['different types', {}, { 'content-type': 'image/webp' }],
  ])('combines nothing with %s', (_title, one, other) => {
    expect(combinedParts(stored(0, 9, one), fieldsOf(8, 15, other), 1_000)).toBeUndefined()
  })

  it('combines nothing that would be too large, nor a part whose bytes are not as many as it says', () => {
    expect(combinedParts(stored(0, 9), fieldsOf(8, 15), 16)).toBeDefined()
    expect(combinedParts(stored(0, 9), fieldsOf(8, 15), 15)).toBeUndefined()
    expect(combinedParts(stored(0, 9, {}, whole.subarray(0, 9)), fieldsOf(8, 15), 1_000)).toBeUndefined()
  })

  it('gives no bytes where two parts contradict each other', () => {
    const parts = combinedParts(stored(0, 9), fieldsOf(8, 15), 1_000)
    expect(parts && combinedBody(parts, Buffer.alloc(8))).toBeUndefined()
  })
})
