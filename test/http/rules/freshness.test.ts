import { describe, expect, it } from 'vitest'
import { type FreshnessPolicy, freshnessLifetime, MAX_HEURISTIC_LIFETIME } from '../../../src/http/rules/freshness.js'
import { responseControl } from '../../../src/http/rules/targeted.js'
import { MAX_DELTA_SECONDS } from '../../../src/http/syntax/cache-control.js'
import type { Fields } from '../../../src/http/syntax/fields.js'
import { formatHttpDate } from '../../../src/http/syntax/http-date.js'

const receivedAt = Date.UTC(2026, 10, 22, 12)
const at = (seconds: number) => formatHttpDate(receivedAt + seconds * 1000)
const nothing: FreshnessPolicy = { heuristic: false, ttl: undefined, ttlStatuses: new Set([200]), statusTtl: new Map() }
const guess: FreshnessPolicy = { ...nothing, heuristic: true }
const route: FreshnessPolicy = {
  ...nothing,
  ttl: 30,
  statusTtl: new Map<number, number | false>([
    [404, 5],
    [301, false],
  ]),
}

const lifetimeOf = (fields: Fields, policy = nothing, status = 200, targets: readonly string[] = []) =>
  freshnessLifetime({ status, fields }, responseControl(fields, targets), receivedAt, policy)

describe('freshnessLifetime', () => {
  it.each<[string, Fields, number | undefined]>([
    ['s-maxage before max-age', { 'cache-control': 'max-age=1, s-maxage=60' }, 60],
    ['s-maxage before Expires', { 'cache-control': 's-maxage=60', expires: at(1) }, 60],
    ['max-age before Expires', { 'cache-control': 'max-age=60', expires: at(1) }, 60],
    ['max-age=0 before Expires', { 'cache-control': 'max-age=0', expires: at(3600) }, 0],
    ['invalid max-age before Expires', { 'cache-control': 'max-age=x', expires: at(3600) }, 0],
    ['Expires minus Date', { expires: at(60), date: at(-10) }, 70],
    ['Expires minus the time of reception without Date', { expires: at(60) }, 60],
    ['Expires minus the time of reception with an invalid Date', { expires: at(60), date: 'x' }, 60],
    ['Expires before Date as 0', { expires: at(-60), date: at(0) }, 0],
    ['Expires in the future but not after Date as 0', { expires: at(60), date: at(120) }, 0],
    ['Expires in a wrong format as 0 (5.3)', { expires: '2050-01-01' }, 0],
    ['Expires: 0 as 0 (5.3)', { expires: '0' }, 0],
    ['two Expires lines as 0', { expires: [at(60), at(120)] }, 0],
    ['a far Expires as at most 2^31', { expires: 'Fri, 31 Dec 9999 23:59:59 GMT' }, MAX_DELTA_SECONDS],
    ['repeated Cache-Control lines as one list', { 'cache-control': ['public', 'max-age=60'] }, 60],
    ['nothing where nothing is said', {}, undefined],
    ['nothing by Last-Modified alone', { 'last-modified': at(-1000) }, undefined],
  ])('RFC 9111, 4.2.1: takes %s', (_title, fields, expected) => {
    expect(lifetimeOf(fields)?.lifetime).toBe(expected)
  })

  it.each<[string, Fields, number, number | undefined]>([
    ['a tenth of the time since the last change', { date: at(0), 'last-modified': at(-1000) }, 200, 100],
    ['the time of reception for a missing Date', { 'last-modified': at(-1000) }, 200, 100],
    ['nothing for a status that is not heuristically cacheable', { 'last-modified': at(-1000) }, 201, undefined],
    ['a tenth for any status with public', { 'last-modified': at(-1000), 'cache-control': 'public' }, 201, 100],
    ['nothing for a change in the future', { 'last-modified': at(1000) }, 200, undefined],
    ['nothing for a date that cannot be read', { 'last-modified': 'x' }, 200, undefined],
    ['not more than a week', { 'last-modified': 'Sun, 06 Nov 1994 08:49:37 GMT' }, 200, MAX_HEURISTIC_LIFETIME],
    ['never anything over an explicit time', { 'last-modified': at(-1000), expires: at(7) }, 200, 7],
    ['never anything over an invalid explicit time', { 'last-modified': at(-1000), expires: '0' }, 200, 0],
  ])('RFC 9111, 4.2.2: guesses %s', (_title, fields, status, expected) => {
    expect(lifetimeOf(fields, guess, status)?.lifetime).toBe(expected)
  })

  it.each([200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501])(
    'RFC 9110, 15.1: guesses for status %i',
    (status) => {
      expect(lifetimeOf({ 'last-modified': at(-1000) }, guess, status)?.source).toBe('heuristic')
    },
  )

  it.each<[string, Fields, number, number | undefined]>([
    ['to a response that states none', {}, 200, 30],
    ['to no other status than its own', {}, 404, 5],
    ['to no status that has none', {}, 500, undefined],
    ['to no status that is ruled out', {}, 301, undefined],
    ['not to a response that states one', { 'cache-control': 'max-age=1' }, 200, 1],
    ['not to a response that cannot be read', { 'cache-control': 'max-age=x' }, 200, 0],
    ['to a response with other directives', { 'cache-control': 'public' }, 200, 30],
  ])("gives the route's ttl %s", (_title, fields, status, expected) => {
    expect(lifetimeOf(fields, route, status)?.lifetime).toBe(expected)
  })

  it("guesses before it takes the route's ttl", () => {
    const fields = { 'last-modified': at(-1000) }
    expect(lifetimeOf(fields, { ...route, heuristic: true })).toEqual({ lifetime: 100, source: 'heuristic' })
  })

  it('RFC 9213, 2.2: ignores Expires and Cache-Control when a targeted field decides', () => {
    const fields = { 'cdn-cache-control': 'public', 'cache-control': 'max-age=60', expires: at(60) }
    expect(lifetimeOf(fields, nothing, 200, ['cdn-cache-control'])).toBeUndefined()
  })
})
