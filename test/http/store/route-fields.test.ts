import { describe, expect, it } from 'vitest'
import type { ResponseHead } from '../../../src/http/port/recording.js'
import { NO_NAMES, PER_RUN_FIELDS, routeFields, toFieldList } from '../../../src/http/store/route-fields.js'
import type { FieldValue } from '../../../src/http/syntax/fields.js'

/** The head of a response whose fields were `outer` at first and are `now` in the end. */
function head(
  outer: ResponseHead['outer'],
  now: Record<string, FieldValue>,
  set: readonly string[] = [],
  acts?: ResponseHead['acts'],
): ResponseHead {
  const lower = Object.fromEntries(Object.entries(now).map(([name, value]) => [name.toLowerCase(), value]))
  return {
    status: 200,
    reason: undefined,
    outer,
    isSetByRoute: (name) => set.includes(name),
    acts,
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
    ['several members added to Vary', { vary: 'Origin' }, { Vary: 'Origin, A, B' }, { vary: 'A, B' }],
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
    ['a line to a number', { 'x-count': 3 }, { 'X-Count': ['3', '4'] }, { 'x-count': ['4'] }],
    [
      'a cookie in front of those of a client',
      { 'set-cookie': ['a=1', 'b=2'] },
      { 'Set-Cookie': ['x=9', 'a=1', 'b=2'] },
      { 'set-cookie': ['x=9'] },
    ],
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

  it('are complete where the route has replaced a list', () => {
    for (const [outer, now] of [
      [
        ['</a>', '</b>'],
        ['</a>', '</x>', '</c>'],
      ],
      [['</a>', '</b>'], '</a>, </x>'],
      ['</a>', ['</x>']],
      ['</a>', '</x>, </a>'],
    ]) {
      const route = routeFields(head({ link: outer }, { Link: now ?? '' }, ['link']), [], NO_NAMES)
      expect([{ ...route.fields }, route.appended]).toEqual([{ link: now }, []])
    }
  })

  it('are no cookies if the cookies of outer middleware have only another order', () => {
    const cookies = head({ 'set-cookie': ['a=1', 'b=2'] }, { 'Set-Cookie': ['b=2', 'a=1'] })
    const route = routeFields(cookies, [], NO_NAMES)
    expect([{ ...route.fields }, route.appended]).toEqual([{}, []])
  })

  it('are appended, if the route has appended them where this client had none, and cookies always', () => {
    const appended = (outer: ResponseHead['outer'], now: Record<string, FieldValue>) =>
      routeFields(
        head(outer, now, Object.keys(now), { removed: NO_NAMES, appended: new Set(['link', 'vary']) }),
        [],
        NO_NAMES,
      ).appended
    expect(appended({}, { link: '</a>', 'x-a': '1', vary: 'A' })).toEqual(['link'])
    expect(appended({ link: '</a>' }, { link: '</x>' })).toEqual([])
    expect(appended({ vary: 'A' }, { vary: 'A, B' })).toEqual([])
    expect(appended({}, { 'set-cookie': 'a=1' })).toEqual(['set-cookie'])
    expect(routeFields(head({}, { Link: '</a>' }), [], NO_NAMES).appended).toEqual([])
  })

  it('are not taken away if they are there in the end, or never were', () => {
    const acts = { removed: new Set(['x-a', 'x-b', 'x-c']), appended: NO_NAMES }
    const removed = (outer: ResponseHead['outer'], by: ResponseHead['acts']) =>
      routeFields(head(outer, { 'X-B': '1', 'X-D': '1' }, [], by), [], NO_NAMES).removed
    expect(removed({ 'x-c': '1', 'x-d': '1', 'x-e': undefined }, acts)).toEqual(['x-c', 'x-a'])
    expect(removed({}, acts)).toEqual(['x-a', 'x-c'])
    expect(removed({}, undefined)).toEqual([])
    expect(removed({ 'x-d': '1', 'x-f': '1' }, undefined)).toEqual(['x-f'])
  })

  it('decide alone, unless outer middleware has set a field that decides', () => {
    const decided = (outer: ResponseHead['outer'], now: Record<string, FieldValue>, set: readonly string[] = []) =>
      routeFields(head(outer, now, set), ['cache-control', 'expires'], NO_NAMES)
    const alone = decided({}, { 'Cache-Control': 'public', Vary: 'A' }, ['cache-control', 'vary'])
    expect(alone.deciding).toBe(alone.fields)
    const replaced = decided({ 'cache-control': 'no-store' }, { 'Cache-Control': 'public' }, ['cache-control'])
    expect(replaced.deciding).toBe(replaced.fields)
    expect({ ...replaced.fields }).toEqual({ 'cache-control': 'public' })
    expect(Object.keys(decided({ 'cache-control': 'no-store' }, { 'X-A': '1' }).deciding)).toEqual(['x-a'])
    expect(decided({ 'x-a': '1' }, { 'X-A': '1', Vary: 'A' }, ['vary']).deciding.vary).toBe('A')
    expect(Object.keys(decided({ vary: 'A' }, {}).deciding)).toEqual([])
    const negotiated = decided({ vary: 'A' }, { Vary: 'A' })
    expect([{ ...negotiated.fields }, negotiated.deciding.vary]).toEqual([{}, 'A'])
  })
})

describe('toFieldList', () => {
  it('writes names as the route did, those of the cache as they are known, and no absent field', () => {
    const fields = { etag: '"1"', date: 'now', 'x-a': 'a', 'x-b': undefined, 'x-c': ['c', 'd'] }
    expect(
      toFieldList(
        fields,
        new Map([
          ['x-a', 'X-A'],
          ['date', 'DATE'],
        ]),
      ),
    ).toEqual(['ETag', '"1"', 'DATE', 'now', 'X-A', 'a', 'x-c', ['c', 'd']])
    expect(toFieldList({ etag: '"1"', date: 'now' })).toEqual(['ETag', '"1"', 'Date', 'now'])
  })
})
