import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { APPLICATION_STORAGE } from '../../../src/http/rules/storage-policy.js'
import { combine, combinedBody, combinedParts } from '../../../src/http/store/combined-parts.js'
import type { RouteFields } from '../../../src/http/store/route-fields.js'
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
    ['an entity tag in one of them', { etag: undefined }, {}],
    ['an entity tag in the other one', {}, { etag: undefined }],
    ['no place of its bytes', { 'content-range': undefined }, {}],
    ['no place of the bytes that arrive', {}, { 'content-range': undefined }],
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

describe('combinedParts of a stored response', () => {
  const change = (more: object) => {
    const response = stored(0, 9)
    return new StoredResponse(response.entry, { ...response, fields: response.list, ...more })
  }

  it('is nothing if that is no 206, or has an entity tag that this library made', () => {
    expect(combinedParts(change({}), fieldsOf(8, 15), 1_000)).toBeDefined()
    expect(combinedParts(change({ status: 200 }), fieldsOf(8, 15), 1_000)).toBeUndefined()
    expect(combinedParts(change({ ownEntityTag: true }), fieldsOf(8, 15), 1_000)).toBeUndefined()
  })
})

describe('combine (RFC 9111, section 3.4)', () => {
  const storage = { ...APPLICATION_STORAGE, storePartial: true }
  const context = { storage, receivedAt: Date.UTC(2026, 0, 1) }
  const route = (first: number, last: number, more: Fields = {}): RouteFields => {
    const fields = fieldsOf(first, last, { 'content-length': String(last - first + 1), ...more })
    return {
      fields,
      names: new Map(),
      appended: [],
      removed: [],
      deciding: { ...fields, 'cache-control': 'max-age=9' },
    }
  }

  it('makes a larger part of two, with its place and length, and the new fields', () => {
    const both = combine(stored(4, 9, { 'x-a': 'old' }), 206, route(8, 15, { 'x-a': 'new' }), context)
    expect(both?.status).toBe(206)
    const own = { 'content-range': 'bytes 4-15/64', 'content-length': '12', etag: '"a"', 'x-a': 'new' }
    expect(both?.route.fields).toMatchObject(own)
    expect(both?.route.deciding).toMatchObject({ ...own, 'cache-control': 'max-age=9' })
    expect(both?.arriving).toMatchObject({ status: 206, fields: { 'content-range': 'bytes 8-15/64' } })
    expect(both?.bodyWith(Buffer.from(whole.subarray(8, 16)))).toEqual(Buffer.from(whole.subarray(4, 16)))
    expect(both?.bodyWith(Buffer.alloc(8))).toBeUndefined()
  })

  it('makes a 200 of parts that are the whole, and no Content-Range', () => {
    const both = combine(stored(0, 39), 206, route(40, 63), context)
    expect(both?.status).toBe(200)
    expect(both?.route.fields['content-range']).toBeUndefined()
    expect(both?.route.deciding['content-range']).toBeUndefined()
    expect(both?.route.fields['content-length']).toBe('64')
    expect(both?.bodyWith(Buffer.from(whole.subarray(40)))).toEqual(whole)
  })

  it('makes nothing without a stored part, of another status, of parts that do not fit, or unless parts are stored', () => {
    const part = stored(0, 9)
    expect(combine(undefined, 206, route(8, 15), context)).toBeUndefined()
    expect(combine(part, 200, route(8, 15), context)).toBeUndefined()
    expect(combine(part, 206, route(20, 25), context)).toBeUndefined()
    const unstored = { ...context, storage: { ...storage, storePartial: false } }
    expect(combine(part, 206, route(8, 15), unstored)).toBeUndefined()
  })
})
