import fc from 'fast-check'
import Negotiator from 'negotiator'
import { describe, expect, it } from 'vitest'
import { acceptsIdentity, preferredCoding } from '../../../src/http/syntax/accept-encoding.js'

const CODINGS = ['br', 'gzip', 'zstd'] as const

describe('preferredCoding (RFC 9110, section 12.5.3)', () => {
  const table: readonly (readonly [string, string | undefined, string])[] = [
    ['absent', undefined, 'identity'],
    ['empty', '', 'identity'],
    ['one that is there', 'gzip', 'gzip'],
    ['one that is not there', 'compress', 'identity'],
    ['several of equal weight', 'gzip, deflate, br, zstd', 'br'],
    ['weights', 'gzip;q=0.9, br;q=0.8', 'gzip'],
    ['a weight below that of identity', 'identity;q=0.5, gzip;q=0.2', 'identity'],
    ['a weight equal to that of identity', 'identity;q=0.5, gzip;q=0.5', 'gzip'],
    ['the smallest weight, identity unnamed', 'gzip;q=0.001', 'gzip'],
    ['a coding refused', 'br;q=0, gzip', 'gzip'],
    ['all that is there refused', 'br;q=0, gzip;q=0, zstd;q=0.000', 'identity'],
    ['an asterisk', '*', 'br'],
    ['an asterisk beside one refused', 'br;q=0, *', 'gzip'],
    ['an asterisk that prefers others', 'br;q=0.1, *;q=0.5', 'gzip'],
    ['an asterisk that refuses', 'gzip, *;q=0', 'gzip'],
    ['identity refused', 'identity;q=0', 'identity'],
    ['identity refused, a coding not', 'identity;q=0, zstd', 'zstd'],
    ['everything refused', '*;q=0', 'identity'],
    ['identity alone', 'identity', 'identity'],
    ['identity for a little, the rest for less', 'identity;q=0.2, *;q=0.1', 'identity'],
    ['letter case', 'GZIP;Q=0.5', 'gzip'],
    ['the older name', 'x-gzip', 'gzip'],
    ['whitespace and empty members', ' , gzip ;\tq=1.0 ,, ', 'gzip'],
    ['a weight above one', 'br;q=2, gzip;q=0.1', 'gzip'],
    ['a weight a little above one', 'br;q=1.5, gzip;q=0.1', 'gzip'],
    ['a weight with something behind', 'br;q=1x, gzip;q=0.1', 'gzip'],
    ['a coding with something before', 'x br, gzip;q=0.1', 'gzip'],
    ['a weight that is none', 'br;q=much, gzip;q=0.1', 'gzip'],
    ['another parameter', 'br;level=9, gzip;q=0.1', 'gzip'],
    ['a coding named twice', 'gzip;q=0, gzip', 'gzip'],
    ['no list at all', 'application/json', 'identity'],
    ['names of Object.prototype', 'constructor, __proto__;q=0', 'identity'],
  ]
  for (const [title, field, coding] of table) {
    it(`${title}: ${field ?? 'no field'} → ${coding}`, () => {
      expect(preferredCoding(field, CODINGS)).toBe(coding)
      expect(preferredCoding(field, CODINGS)).toBe(coding)
    })
  }

  it('gives the first of equal ones in the order of the server', () => {
    expect(preferredCoding('gzip, br', ['gzip', 'br'])).toBe('gzip')
    expect(preferredCoding('br, gzip', ['gzip', 'br'])).toBe('gzip')
  })

  it('gives identity where there is nothing else', () => {
    expect(preferredCoding('br, identity;q=0', [])).toBe('identity')
  })

  it('agrees with negotiator over every well-formed field', () => {
    const name = fc.constantFrom('br', 'gzip', 'zstd', 'deflate', 'identity', '*', 'GZip', 'bR')
    const weight = fc.constantFrom('', ';q=0', ';q=0.001', ';q=0.5', '; q=0.50', ' ;q=1', ';q=0.999', ';q=1.000')
    const members = fc.uniqueArray(fc.tuple(name, weight), { selector: ([one]) => one.toLowerCase(), maxLength: 7 })
    const field = members.map((list) => list.map((parts) => parts.join('')).join(', '))
    const available = fc.shuffledSubarray([...CODINGS])
    fc.assert(
      fc.property(field, available, (acceptEncoding, codings) => {
        const negotiator = new Negotiator({ headers: { 'accept-encoding': acceptEncoding } })
        const preferred = [...codings, 'identity']
        // The types are those of a version that has no preference of the server.
        const [theirs] = (negotiator.encodings as (...args: unknown[]) => string[])(preferred, { preferred })
        expect(preferredCoding(acceptEncoding, codings)).toBe(theirs ?? 'identity')
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('acceptsIdentity', () => {
  const table: readonly (readonly [string | undefined, boolean])[] = [
    [undefined, true],
    ['', true],
    ['gzip', true],
    ['*', true],
    ['identity;q=0', false],
    ['*;q=0', false],
    ['gzip, *;q=0', false],
    ['identity;q=0.1, *;q=0', true],
  ]
  for (const [field, accepts] of table) {
    it(`${field ?? 'no field'}: ${accepts ? 'yes' : 'no'}`, () => {
      expect(acceptsIdentity(field)).toBe(accepts)
    })
  }
})
