import { describe, expect, it } from 'vitest'
import type { ResponseHead } from '../../../src/http/port/recording.js'
import { NO_NAMES, PER_RUN_FIELDS, routeFields } from '../../../src/http/store/route-fields.js'
import type { FieldValue } from '../../../src/http/syntax/fields.js'

/** The head of a response whose fields were `outer` at first and are `now` in the end. */
function head(
  outer: ResponseHead['outer'],
  now: Record<string, FieldValue>,
  set: readonly string[] = [],
): ResponseHead {
  const lower = Object.fromEntries(Object.entries(now).map(([name, value]) => [name.toLowerCase(), value]))
  return {
    status: 200,
    reason: undefined,
    outer,
    isSetByRoute: (name) => set.includes(name),
    user: undefined,
    session: undefined,
    field: (name) => lower[name],
    fields: () => Object.entries(now).flat(),
  }
}

describe('routeFields', () => {
  const cases: readonly (readonly [
    string,
    ResponseHead['outer'],
    Record<string, FieldValue>,
    Record<string, FieldValue>,
  ])[] = [
    ['what the route added', {}, { 'X-Total': '7' }, { 'x-total': '7' }],
    ['nothing of what outer middleware set', { 'x-id': '1', 'x-count': 3 }, { 'X-Id': '1', 'X-Count': '3' }, {}],
    [
      'what the route changed',
      { 'x-frame-options': 'DENY' },
      { 'X-Frame-Options': 'SAMEORIGIN' },
      { 'x-frame-options': 'SAMEORIGIN' },
    ],
    ['what the route added to Vary', { vary: 'Origin' }, { Vary: 'origin, Accept' }, { vary: 'Accept' }],
    ['no Vary when nothing was added', { vary: 'Origin, Accept' }, { Vary: 'Accept, Origin' }, {}],
    [
      'the cookies of the route alone',
      { 'set-cookie': 'a=1' },
      { 'Set-Cookie': ['a=1', 'b=2'] },
      { 'set-cookie': ['b=2'] },
    ],
    [
      'no time that one run took, and nothing of a rate limiter behind the cache',
      {},
      { 'X-Response-Time': '3ms', RateLimit: 'limit=9, remaining=8', 'X-RateLimit-Remaining': '8', 'X-Rate': '1' },
      { 'x-rate': '1' },
    ],
    [
      'no Server-Timing, trace or request id',
      {},
      { 'Server-Timing': 'db', traceresponse: '00', 'X-Request-Id': '1' },
      {},
    ],
  ]
  for (const [what, outer, now, stored] of cases) {
    it(`are ${what}`, () => {
      const { fields } = routeFields(head(outer, now), [], PER_RUN_FIELDS)
      expect({ ...fields }).toEqual(stored)
    })
  }

  const lists: readonly (readonly [
    string,
    ResponseHead['outer'],
    Record<string, FieldValue>,
    Record<string, FieldValue>,
  ])[] = [
    ['lines', { link: '</a>' }, { Link: ['</a>', '</b>'] }, { link: ['</b>'] }],
    [
      'several lines',
      { link: ['</a>', '</b>'] },
      { Link: ['</a>', '</b>', '</c>', '</d>'] },
      { link: ['</c>', '</d>'] },
    ],
    ['members of a text', { link: '</a>' }, { Link: '</a>, </b>' }, { link: '</b>' }],
    ['the same cookie once more', { 'set-cookie': 'a=1' }, { 'Set-Cookie': ['a=1', 'a=1'] }, { 'set-cookie': ['a=1'] }],
    [
      'a cookie to those of a client',
      { 'set-cookie': ['a=1', 'b=2'] },
      { 'Set-Cookie': ['b=2', 'c=3'] },
      { 'set-cookie': ['c=3'] },
    ],
  ]
  for (const [what, outer, now, stored] of lists) {
    it(`are ${what} that the route has added`, () => {
      const [name = ''] = Object.keys(stored)
      const route = routeFields(head(outer, now, [name]), [], NO_NAMES)
      expect([{ ...route.fields }, route.appended]).toEqual([stored, [name]])
      expect(Object.values(now)).toContainEqual(route.deciding[name])
    })
  }

  it('are those that the route has set itself, though the value was there', () => {
    const route = routeFields(
      head({ 'x-mode': 'a', 'x-id': '1' }, { 'X-Mode': 'a', 'X-Id': '1' }, ['x-mode']),
      [],
      NO_NAMES,
    )
    expect([{ ...route.fields }, route.appended]).toEqual([{ 'x-mode': 'a' }, []])
  })

  it('replace a value that merely begins like that of outer middleware', () => {
    const route = routeFields(head({ server: 'a' }, { Server: 'ab' }, ['server']), [], NO_NAMES)
    expect([{ ...route.fields }, route.appended]).toEqual([{ server: 'ab' }, []])
  })

  it('remember names as they were written, and what was taken away', () => {
    const route = routeFields(head({ 'x-powered-by': 'Express' }, { ETag: '"1"' }), [], NO_NAMES)
    expect(route.names.get('etag')).toBe('ETag')
    expect(route.removed).toEqual(['x-powered-by'])
  })

  it('let outer Cache-Control decide without storing it', () => {
    const route = routeFields(
      head({ 'cache-control': 'no-store' }, { 'Cache-Control': 'no-store' }),
      ['cache-control'],
      NO_NAMES,
    )
    expect({ ...route.fields }).toEqual({})
    expect({ ...route.deciding }).toEqual({ 'cache-control': 'no-store' })
  })
})
