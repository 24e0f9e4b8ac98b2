import assert from 'node:assert/strict'
import { section } from '../rule.js'

const freshness = section(9111, '4.2')
const lifetime = section(9111, '4.2.1')
const heuristic = section(9111, '4.2.2')
const age = section(9111, '4.2.3')
const stale = section(9111, '4.2.4')

const noHeuristic = { application: 'nothing is stored that states no lifetime, unless the route gives one by ttl' }

/** RFC 9111, section 4.2: how long a response is fresh, and when it may be sent although it is not. */
export const freshnessRules = [
  freshness('MUST NOT', 'reuse once the age has reached the lifetime', async (t) => {
    await t.forwards({ fields: { 'Cache-Control': 'max-age=60' } }, { after: 60 })
  }),
  freshness('MAY', 'reuse until then', async (t) => {
    await t.reuses({ fields: { 'Cache-Control': 'max-age=60' } }, { after: 59 })
  }),
  freshness('SHOULD', 'match dates in any letter case', async (t) => {
    await t.reuses({ fields: { Expires: t.date(60).toUpperCase(), Date: t.date().toLowerCase() } })
  }),
  freshness('SHOULD', 'take a date of another zone than GMT for invalid', async (t) => {
    await t.forwards({ fields: { Expires: t.date(60).replace('GMT', 'EST'), Date: t.date() } })
  }),
  freshness('MUST NOT', 'let a time zone influence Expires', async (t) => {
    await t.forwards({ fields: { Expires: t.date(60).replace('GMT', '-0500'), Date: t.date() } })
  }),
  freshness('MUST', 'take an Expires beyond all that can be counted for the latest that can', async (t) => {
    await t.reuses({ fields: { Expires: 'Fri, 31 Dec 9999 23:59:59 GMT', Date: t.date() } }, { after: 3600 })
  }),

  lifetime('MUST', 's-maxage goes before max-age, when it is longer', async (t) => {
    await t.reuses({ fields: { 'Cache-Control': 'max-age=1, s-maxage=60' } }, { after: 30 })
  }),
  lifetime('MUST', 's-maxage goes before max-age, when it is shorter', async (t) => {
    await t.forwards({ fields: { 'Cache-Control': 'max-age=60, s-maxage=1' } }, { after: 30 })
  }),
  lifetime('MUST', 'max-age goes before Expires, when it is longer', async (t) => {
    await t.reuses({ fields: { 'Cache-Control': 'max-age=60', Expires: t.date(-60), Date: t.date() } })
  }),
  lifetime('MUST', 'max-age goes before Expires, when it is shorter', async (t) => {
    await t.forwards({ fields: { 'Cache-Control': 'max-age=1', Expires: t.date(60), Date: t.date() } }, { after: 2 })
  }),
  lifetime('MUST', 'Expires counts from Date, not from now', async (t) => {
    await t.forwards({ fields: { Expires: t.date(60), Date: t.date(50) } }, { after: 11 })
  }),
  lifetime('MUST', 'Expires counts from the time of reception when there is no Date', async (t) => {
    await t.reuses({ fields: { Expires: t.date(60) } }, { after: 30 })
  }),
  lifetime('SHOULD', 'the first of repeated lifetimes counts, or the response is stale', async (t) => {
    await t.forwards({ fields: { 'Cache-Control': 'max-age=1, max-age=60' } }, { after: 30 })
  }),
  lifetime('SHOULD', 'the most restrictive of conflicting directives counts', async (t) => {
    await t.forwards({ fields: { 'Cache-Control': 'max-age=60, no-store' } })
  }),
  ...['abc', '-1', '1.5', '"a"', '', '60s', "'60'", '0x3c'].map((value) =>
    lifetime('SHOULD', `a response with max-age=${value || '(nothing)'} is stale`, async (t) => {
      await t.forwards({ fields: { 'Cache-Control': `max-age=${value}` } })
    }),
  ),
  lifetime('SHOULD', 'a max-age of zero is stale at once', async (t) => {
    await t.forwards({ fields: { 'Cache-Control': 'max-age=0' } }, { after: 0 })
  }),
  lifetime('SHOULD', 'two lines of Cache-Control count as one list', async (t) => {
    await t.forwards({ fields: { 'Cache-Control': ['max-age=60', 'no-store'] } })
  }),

  heuristic('MUST NOT', 'use heuristics when an explicit lifetime is there', async (t) => {
    await t.forwards({ fields: { 'Cache-Control': 'max-age=1', 'Last-Modified': t.date(-100_000) } }, { after: 2 })
  }),
  heuristic('MUST NOT', 'use heuristics when Expires is invalid', async (t) => {
    await t.forwards({ fields: { Expires: '0', 'Last-Modified': t.date(-100_000) } })
  }),
  heuristic('MUST NOT', 'use heuristics for a status that does not allow them', async (t) => {
    await t.forwards({ status: 403, fields: { 'Last-Modified': t.date(-100_000) } })
  }),
  heuristic(
    'MAY',
    'use a tenth of the time since Last-Modified',
    async (t) => {
      await t.reuses({ fields: { 'Last-Modified': t.date(-1000), Date: t.date() } }, { after: 90 })
    },
    noHeuristic,
  ),
  heuristic('SHOULD NOT', 'use more than a tenth', async (t) => {
    await t.forwards({ fields: { 'Last-Modified': t.date(-1000), Date: t.date() } }, { after: 110 })
  }),
  ...[203, 204, 404, 405, 410, 414, 501].map((status) =>
    heuristic(
      'MAY',
      `use heuristics for ${status}`,
      async (t) => {
        await t.reuses({ status, fields: { 'Last-Modified': t.date(-1000), Date: t.date() } })
      },
      noHeuristic,
    ),
  ),
  heuristic(
    'MAY',
    'use heuristics for any status that says public',
    async (t) => {
      const fields = { 'Cache-Control': 'public', 'Last-Modified': t.date(-1000), Date: t.date() }
      await t.reuses({ status: 599, fields })
    },
    noHeuristic,
  ),

  age('MUST', 'count the Age that the response came with', async (t) => {
    await t.forwards({ fields: { 'Cache-Control': 'max-age=60', Age: '50' } }, { after: 10 })
  }),
  age('MUST', 'count from the start of the request, not from the arrival of the response', async (t) => {
    const got = await t.reuses(
      () => {
        t.wait(20)
        return { fields: { 'Cache-Control': 'max-age=60', Age: '5' } }
      },
      { after: 10 },
    )
    assert.equal(got.field('age'), '35')
  }),
  age('SHOULD', 'count the apparent age: time of reception less Date', async (t) => {
    const got = await t.reuses({ fields: { 'Cache-Control': 'max-age=60', Date: t.date(-20) } }, { after: 10 })
    assert.equal(got.field('age'), '30')
  }),
  age('SHOULD', 'take the greater of apparent age and Age', async (t) => {
    const fields = { 'Cache-Control': 'max-age=60', Date: t.date(-20), Age: '5' }
    assert.equal((await t.reuses({ fields }, { after: 1 })).field('age'), '21')
  }),
  age('MUST', 'take a Date in the future for no age', async (t) => {
    const got = await t.reuses({ fields: { 'Cache-Control': 'max-age=60', Date: t.date(500) } }, { after: 3 })
    assert.equal(got.field('age'), '3')
  }),

  ...['no-cache', 'must-revalidate', 'proxy-revalidate', 's-maxage=10'].map((directive) =>
    stale('MUST NOT', `send a stale response that says ${directive} in place of an error`, async (t) => {
      t.answer(({ run }) => {
        if (run > 1) throw new Error('disconnected')
        return { fields: { 'Cache-Control': `max-age=10, stale-if-error=600, ${directive}`, ETag: '"a"' } }
      })
      await t.get()
      t.wait(20)
      assert.ok((await t.get()).status >= 500)
    }),
  ),
  stale('MUST NOT', 'send a stale response while connected and not permitted', async (t) => {
    await t.forwards({ fields: { 'Cache-Control': 'max-age=10' } }, { after: 20 })
  }),
  stale(
    'MAY',
    'send a stale response when disconnected',
    async (t) => {
      t.answer(({ run }) => {
        if (run > 1) throw new Error('disconnected')
        return { fields: { 'Cache-Control': 'max-age=10' } }
      })
      await t.get()
      t.wait(20)
      const got = await t.get()
      assert.deepEqual([got.status, got.text, got.field('age')], [200, 'body 1', '20'])
    },
    { application: 'errors of a handler are shown unless stale-if-error (the option or the directive) says otherwise' },
  ),
]
