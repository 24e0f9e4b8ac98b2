import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  isForSeveral,
  mayReuse,
  mayReuseOnError,
  type Reusable,
  requestControl,
} from '../../../src/http/rules/reusable.js'
import { isStaleIfErrorStatus, staleWindows } from '../../../src/http/rules/stale.js'
import { parseCacheControl } from '../../../src/http/syntax/cache-control.js'

const receivedAt = Date.UTC(2026, 10, 22, 12)

/** A stored response with a lifetime of 60 seconds, received when it was 10 seconds old. */
function stored(control: string, route = { staleWhileRevalidate: 0, staleIfError: 0 }): Reusable {
  const parsed = parseCacheControl(control)
  return {
    control: parsed,
    receivedAt,
    initialAge: 10_000,
    staleAt: receivedAt + 50_000,
    ...staleWindows(parsed, route),
  }
}

const at = (age: number) => receivedAt + (age - 10) * 1000

describe('mayReuse', () => {
  it.each<[string, string, number, string]>([
    ['4.2 sends what is fresh', 'max-age=60', 59.999, 'fresh'],
    ['4.2 validates what has just become stale', 'max-age=60', 60, 'stale'],
    ['5.2.2.4 validates no-cache, fresh as it may be', 'max-age=60, no-cache', 10, 'no-cache'],
    ['5.2.2.4 sends what says no-cache of single fields', 'max-age=60, no-cache="x-a"', 10, 'fresh'],
    [
      'RFC 5861, 3 sends stale ones inside the window',
      'max-age=60, stale-while-revalidate=30',
      60,
      'stale-while-revalidate',
    ],
    ['RFC 5861, 3 sends them to its end', 'max-age=60, stale-while-revalidate=30', 89.999, 'stale-while-revalidate'],
    ['RFC 5861, 3 and not after', 'max-age=60, stale-while-revalidate=30', 90, 'stale'],
    ['4.2.4 must-revalidate closes the window', 'max-age=60, stale-while-revalidate=30, must-revalidate', 61, 'stale'],
    ['4.2.4 proxy-revalidate closes it', 'max-age=60, stale-while-revalidate=30, proxy-revalidate', 61, 'stale'],
    ['4.2.4 s-maxage closes it', 's-maxage=60, stale-while-revalidate=30', 61, 'stale'],
    ['5.2.2.2 must-revalidate says nothing about fresh ones', 'max-age=60, must-revalidate', 59, 'fresh'],
  ])('RFC 9111, %s', (_title, control, age, expected) => {
    expect(mayReuse(stored(control), undefined, at(age))).toBe(expected)
  })

  it.each<[string, string, string, number, string]>([
    ['5.2.1.1 age within max-age', 'max-age=60', 'max-age=20', 20, 'fresh'],
    ['5.2.1.1 age beyond max-age', 'max-age=60', 'max-age=20', 20.001, 'request'],
    ['5.2.1.1 max-age=0 wants a new one at any age', 'max-age=60', 'max-age=0', 10, 'request'],
    ['5.2.1.1 max-age does not want stale ones', 'stale-while-revalidate=30', 'max-age=100', 65, 'stale'],
    ['5.2.1.1 a max-age that cannot be read counts as 0', 'max-age=60', 'max-age=x', 10, 'request'],
    ['5.2.1.2 max-stale without value takes any', 'max-age=60', 'max-stale', 5000, 'max-stale'],
    ['5.2.1.2 max-stale within its value', 'max-age=60', 'max-stale=30', 89, 'max-stale'],
    ['5.2.1.2 max-stale beyond its value', 'max-age=60', 'max-stale=30', 91, 'stale'],
    [
      '5.2.1.2 max-stale does not count against must-revalidate',
      'max-age=60, must-revalidate',
      'max-stale',
      61,
      'stale',
    ],
    ['5.2.1.2 nor against proxy-revalidate', 'max-age=60, proxy-revalidate', 'max-stale', 61, 'stale'],
    ['5.2.1.2 nor against s-maxage', 's-maxage=60', 'max-stale', 61, 'stale'],
    ['5.2.1.2 nor against no-cache', 'max-age=60, no-cache', 'max-stale', 61, 'no-cache'],
    ['5.2.1.2 max-stale takes the limit of max-age', 'max-age=60', 'max-stale, max-age=62', 65, 'stale'],
    ['5.2.1.2 not beside no-cache', 'max-age=60', 'max-stale, no-cache', 65, 'stale'],
    ['5.2.1.2 not beside min-fresh', 'max-age=60', 'max-stale, min-fresh=1', 65, 'stale'],
    ['5.2.1.2 and takes what is below it', 'max-age=60', 'max-stale, max-age=70', 65, 'max-stale'],
    ['5.2.1.3 min-fresh that is left', 'max-age=60', 'min-fresh=30', 30, 'fresh'],
    ['5.2.1.3 min-fresh that is not left', 'max-age=60', 'min-fresh=30', 30.001, 'request'],
    ['5.2.1.4 no-cache wants a new one', 'max-age=60', 'no-cache', 10, 'request'],
    ['5.2.1.4 no-cache and a stale one', 'max-age=60, stale-while-revalidate=30', 'no-cache', 61, 'stale'],
    ['5.2.1.5 no-store does not keep a stored one back', 'max-age=60', 'no-store', 10, 'fresh'],
    ['RFC 8246, 2.1 immutable answers a reload', 'max-age=60, immutable', 'max-age=0', 10, 'fresh'],
    ['RFC 8246, 2.1 immutable does not answer no-cache', 'max-age=60, immutable', 'no-cache', 10, 'request'],
    ['RFC 8246, 2 immutable ends with freshness', 'max-age=60, immutable', 'max-age=0', 61, 'stale'],
    ['RFC 8246, 2 immutable in a request has no effect', 'max-age=60', 'immutable, max-age=0', 10, 'request'],
    [
      'RFC 5861, 3 other wishes do not close the window',
      'max-age=60, stale-while-revalidate=30',
      'no-transform',
      61,
      'stale-while-revalidate',
    ],
  ])('RFC 9111, %s', (_title, control, wishes, age, expected) => {
    expect(mayReuse(stored(control), parseCacheControl(wishes), at(age))).toBe(expected)
  })

  it("gives the route's window to responses that say nothing, and none to those that forbid it", () => {
    const route = { staleWhileRevalidate: 30, staleIfError: 0 }
    expect(mayReuse(stored('max-age=60', route), undefined, at(61))).toBe('stale-while-revalidate')
    expect(mayReuse(stored('max-age=60, stale-while-revalidate=0', route), undefined, at(61))).toBe('stale')
    expect(mayReuse(stored('max-age=60, must-revalidate', route), undefined, at(61))).toBe('stale')
  })

  it('RFC 9111, 4.2.4: never sends a stale response that forbids it, also if the request allows it', () => {
    const wish = fc.constantFrom(
      'max-stale',
      'max-stale=99999',
      'stale-if-error=99999',
      'no-transform',
      'max-age=999999',
    )
    const ban = fc.constantFrom('must-revalidate', 'proxy-revalidate', 's-maxage=60', 'no-cache')
    fc.assert(
      fc.property(ban, fc.array(wish), fc.integer({ min: 60, max: 9999 }), (control, wishes, age) => {
        const response = stored(`max-age=60, stale-while-revalidate=99, stale-if-error=99, ${control}`)
        const request = parseCacheControl(wishes.join(','))
        expect(['stale', 'no-cache']).toContain(mayReuse(response, request, at(age)))
        expect(mayReuseOnError(response, request, at(age))).toBe(false)
      }),
    )
  })
})

describe('isForSeveral', () => {
  it.each([
    ['max-age=60', 59, true],
    ['max-age=60', 60, false],
    ['max-age=60, stale-while-revalidate=30', 61, true],
    ['max-age=60, no-cache', 10, false],
  ])('RFC 9111, 4: %s at an age of %d', (control, age, isShared) => {
    expect(isForSeveral(stored(control), at(age))).toBe(isShared)
  })
})

describe('mayReuseOnError', () => {
  const always = { staleWhileRevalidate: 0, staleIfError: 2 ** 31 }
  it.each<[string, string, string | undefined, number, boolean]>([
    ['RFC 5861, 4 inside the window', 'max-age=60, stale-if-error=30', undefined, 89, true],
    ['RFC 5861, 4 after the window', 'max-age=60, stale-if-error=30', undefined, 90, false],
    ['RFC 5861, 4 without a window', 'max-age=60', undefined, 61, false],
    ['RFC 5861, 4 by the wish of the request', 'max-age=60', 'stale-if-error=30', 61, true],
    ['RFC 5861, 4 not against the wish of the request', 'max-age=60, stale-if-error=30', 'stale-if-error=0', 61, false],
    [
      'RFC 9111, 4.2.4 never with must-revalidate',
      'max-age=60, stale-if-error=30, must-revalidate',
      undefined,
      61,
      false,
    ],
    ['RFC 9111, 4.2.4 never with no-cache', 'max-age=60, stale-if-error=30, no-cache', undefined, 11, false],
    ['RFC 9111, 5.2.1.4 not where the request says no-cache', 'max-age=60, stale-if-error=30', 'no-cache', 61, false],
    ['RFC 9111, 4.2 what is still fresh', 'max-age=60', 'max-age=5', 30, true],
  ])('%s', (_title, control, wishes, age, expected) => {
    expect(
      mayReuseOnError(stored(control), wishes === undefined ? undefined : parseCacheControl(wishes), at(age)),
    ).toBe(expected)
  })

  it('RFC 9111, 4.2.4: sends stale ones while disconnected unless forbidden, where the route says so', () => {
    expect(mayReuseOnError(stored('max-age=60', always), undefined, at(9999))).toBe(true)
    expect(mayReuseOnError(stored('s-maxage=60', always), undefined, at(9999))).toBe(false)
    expect(mayReuseOnError(stored('max-age=60, stale-if-error=5', always), undefined, at(9999))).toBe(false)
  })
})

describe('isStaleIfErrorStatus', () => {
  it.each([
    [500, true],
    [502, true],
    [503, true],
    [504, true],
    [501, false],
    [505, false],
    [404, false],
    [200, false],
  ])('RFC 5861, 4: %i is such an error: %s', (status, expected) => {
    expect(isStaleIfErrorStatus(status)).toBe(expected)
  })
})

describe('requestControl', () => {
  it.each([
    ['reads Cache-Control', { 'cache-control': 'no-cache' }, true],
    ['reads Pragma: no-cache', { pragma: 'no-cache' }, true],
    ['reads Pragma in any case', { pragma: 'x, No-Cache' }, true],
    ['ignores other pragmas', { pragma: 'x' }, undefined],
    ['ignores Pragma beside Cache-Control', { pragma: 'no-cache', 'cache-control': 'max-age=60' }, false],
    ['is undefined without either', {}, undefined],
  ])('RFC 9111, 5.4: %s', (_title, request, expected) => {
    expect(requestControl(request)?.noCache).toBe(expected)
  })
})
