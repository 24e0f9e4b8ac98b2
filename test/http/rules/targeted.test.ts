import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { OWN_TARGETS, responseControl } from '../../../src/http/rules/targeted.js'
import type { Fields } from '../../../src/http/syntax/fields.js'

const targets = ['example-cache-control', 'cdn-cache-control']
const controlOf = (fields: Fields) => responseControl(fields, targets)

describe('responseControl', () => {
  it.each<[string, Fields, string | undefined, object]>([
    ['uses Cache-Control when there is no targeted field', { 'cache-control': 'max-age=1' }, undefined, { maxAge: 1 }],
    [
      'prefers a targeted field',
      { 'cdn-cache-control': 'max-age=600', 'cache-control': 'no-store' },
      'cdn-cache-control',
      { maxAge: 600, noStore: false },
    ],
    [
      'prefers the first of the target list',
      { 'cdn-cache-control': 'max-age=1', 'example-cache-control': 'max-age=2' },
      'example-cache-control',
      { maxAge: 2 },
    ],
    [
      'lets the field decide alone, even if it says nothing of use',
      { 'cdn-cache-control': 'none', 'cache-control': 'no-store' },
      'cdn-cache-control',
      { noStore: false, maxAge: undefined },
    ],
    [
      'ignores targeted fields that are not on the list',
      { 'other-cache-control': 'max-age=9', 'cache-control': 'max-age=1' },
      undefined,
      { maxAge: 1 },
    ],
    [
      'reads the directives that a target must implement',
      { 'cdn-cache-control': 'max-age=5, must-revalidate, no-store, no-cache, private' },
      'cdn-cache-control',
      { maxAge: 5, mustRevalidate: true, noStore: true, noCache: true, private: true },
    ],
    [
      'reads extensions as well',
      { 'cdn-cache-control': 'max-age=5, stale-while-revalidate=6, s-maxage=7' },
      'cdn-cache-control',
      { staleWhileRevalidate: 6, sMaxage: 7 },
    ],
    [
      'joins repeated lines',
      { 'cdn-cache-control': ['max-age=5', 'public'] },
      'cdn-cache-control',
      { maxAge: 5, public: true },
    ],
  ])('RFC 9213, 2.2: %s', (_title, fields, targetedBy, expected) => {
    const by = controlOf(fields)
    expect(by.targetedBy).toBe(targetedBy)
    expect(by.control).toMatchObject(expected)
  })

  it.each<[string, string]>([
    ['is empty', ''],
    ['is malformed', 'max-age=60, &&&'],
    ['has a space before =', 'max-age =60'],
    ['has upper-case names', 'Max-Age=60'],
    ['ends with a comma', 'max-age=60,'],
  ])('RFC 9213, 2.1: ignores a field that %s, and goes on with the next', (_title, value) => {
    const fields = { 'example-cache-control': value, 'cdn-cache-control': 'max-age=2', 'cache-control': 'max-age=3' }
    expect(controlOf(fields).control.maxAge).toBe(2)
    expect(responseControl(fields, ['example-cache-control']).control.maxAge).toBe(3)
  })

  it.each<[string, string, object]>([
    ['a Decimal is no lifetime', 'max-age=60.0', { maxAge: 0 }],
    ['a String is no lifetime', 'max-age="60"', { maxAge: 0 }],
    ['true is no lifetime', 'max-age', { maxAge: 0 }],
    ['a negative Integer is no lifetime', 'max-age=-60', { maxAge: 0 }],
    ['a String names fields', 'private="a, b"', { private: false, privateFields: ['a', 'b'] }],
    ['a Token names none', 'private=a', { private: true, privateFields: [] }],
    ['false still forbids', 'no-store=?0', { noStore: true }],
    ['false grants nothing', 'public=?0', { public: false }],
    ['parameters are ignored', 'max-age=60;foo=bar', { maxAge: 60 }],
    ['the last of a repeated key counts', 'max-age=60, max-age=70', { maxAge: 70 }],
  ])('RFC 9213, 2.1: %s: %s', (_title, value, expected) => {
    expect(controlOf({ 'cdn-cache-control': value }).control).toMatchObject(expected)
  })

  it('always reads the field of this library', () => {
    expect(responseControl({ 'fallback-cache-control': 'max-age=7' }, OWN_TARGETS).control.maxAge).toBe(7)
  })

  it('never throws', () => {
    fc.assert(fc.property(fc.string(), (value) => Boolean(controlOf({ 'cdn-cache-control': value }))))
  })
})
