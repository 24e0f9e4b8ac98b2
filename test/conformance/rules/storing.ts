import assert from 'node:assert/strict'
import type { Got } from '../client.js'
import type { Answer } from '../origin.js'
import { section } from '../rule.js'
import type { Trial } from '../trial.js'

const numbers = section(9111, '1.2.2')
const storing = section(9111, '3')
const fields = section(9111, '3.1')
const incomplete = section(9111, '3.3')
const combining = section(9111, '3.4')
const combiningParts = section(9110, '15.3.7.3')
const ifRange = section(9110, '13.1.5')
const received = section(9111, '4.3.2')
const authenticated = section(9111, '3.5')

const NO_PARTS = 'parts are not stored; the handler is asked for the whole, and parts are made of it'

const FRESH = { 'Cache-Control': 'max-age=60' }

/** RFC 9111, sections 1.2.2 and 3: what may be stored, and which of its fields. */
export const storingRules = [
  numbers('MUST', 'a max-age too great to represent counts as 2^31', async (t) => {
    await t.reuses({ fields: { 'Cache-Control': 'max-age=99999999999999999999' } }, { after: 3600 })
  }),
  numbers('MUST', 'an Age too great to represent counts as 2^31, so the response is stale', async (t) => {
    await t.forwards({ fields: { ...FRESH, Age: '99999999999999999999' } })
  }),

  storing('MUST NOT', 'store the response to a method that is not understood', async (t) => {
    await t.forwards({ fields: FRESH }, { first: { method: 'PROPFIND' } })
  }),
  storing('MUST NOT', 'answer GET with a stored response to PROPFIND', async (t) => {
    const got = await t.forwards({ fields: FRESH }, { first: { method: 'PROPFIND' }, second: {} })
    assert.equal(got.text, 'body 2')
  }),
  storing('MUST NOT', 'store a 304 as a response of its own', async (t) => {
    await t.forwards(({ run }) => ({ status: run === 1 ? 304 : 200, fields: { ...FRESH, ETag: '"a"' } }))
  }),
  storing('MUST NOT', 'store what says no-store', async (t) => {
    await t.forwards({ fields: { 'Cache-Control': 'no-store, max-age=60' } })
  }),
  storing('MUST NOT', 'store what says private', async (t) => {
    await t.forwards({ fields: { 'Cache-Control': 'private, max-age=60' } })
  }),
  storing('MUST NOT', 'store the answer to Authorization without a directive that allows it', async (t) => {
    await t.forwards({ fields: FRESH }, { first: { fields: { Authorization: 'Basic YTpi' } } })
  }),
  storing('MUST NOT', 'store what has neither freshness nor a heuristically cacheable status', async (t) => {
    await t.forwards({ status: 202, fields: { 'Last-Modified': t.date(-100_000) } })
  }),
  storing('MAY', 'store what has max-age', async (t) => {
    await t.reuses({ fields: FRESH })
  }),
  storing('MAY', 'store what has s-maxage', async (t) => {
    await t.reuses({ fields: { 'Cache-Control': 's-maxage=60' } })
  }),
  storing('MAY', 'store what has Expires', async (t) => {
    await t.reuses({ fields: { Expires: t.date(60), Date: t.date() } })
  }),
  ...[203, 204, 300, 301, 308, 404, 410].map((status) =>
    storing('MAY', `store a ${status} with explicit freshness`, async (t) => {
      const got = await t.reuses({ status, fields: FRESH })
      assert.equal(got.status, status)
    }),
  ),
  ...[400, 403, 500, 503, 599].map((status) =>
    storing(
      'MAY',
      `store a ${status} with explicit freshness`,
      async (t) => {
        const got = await t.reuses({ status, fields: FRESH })
        assert.equal(got.status, status)
      },
      { application: 'errors are not stored unless the route says so by statusTtl' },
    ),
  ),
  storing('MUST', 'keep the body to the byte', async (t) => {
    const got = await t.reuses({ fields: FRESH, body: 'é\r\n\u0000\u{1f600}' })
    assert.equal(got.text, 'é\r\n\u0000\u{1f600}')
    assert.ok(got.complete)
  }),

  fields('MUST', 'store all fields, unrecognised ones too', async (t) => {
    const got = await t.reuses({ fields: { ...FRESH, 'X-Unheard-Of': 'a', 'Content-Type': 'text/x-plain' } })
    assert.deepEqual([got.field('x-unheard-of'), got.field('content-type')], ['a', 'text/x-plain'])
  }),
  fields('MUST', 'keep several lines of one field and their order', async (t) => {
    const got = await t.reuses({ fields: { ...FRESH, Link: ['</b>; rel=b', '</a>; rel=a'] } })
    assert.equal(got.field('link'), '</b>; rel=b, </a>; rel=a')
  }),
  fields('MUST', 'remove Connection and what it names before forwarding', async (t) => {
    const got = await t.reuses({ fields: { ...FRESH, Connection: 'close, X-Hop', 'X-Hop': 'a', 'X-End': 'b' } })
    assert.deepEqual([got.field('x-hop'), got.field('x-end')], [undefined, 'b'])
  }),
  ...['Proxy-Authenticate', 'Proxy-Authentication-Info', 'Proxy-Authorization'].map((name) =>
    fields('MUST NOT', `store ${name}`, async (t) => {
      const got = await t.reuses({ fields: { ...FRESH, [name]: 'Basic' } })
      assert.equal(got.field(name), undefined)
    }),
  ),
  fields('MUST NOT', 'store fields that no-cache="…" names', async (t) => {
    const got = await t.reuses({ fields: { 'Cache-Control': 'max-age=60, no-cache="x-mine"', 'X-Mine': 'a' } })
    assert.equal(got.field('x-mine'), undefined)
  }),
  fields('MUST NOT', 'store fields that private="…" names', async (t) => {
    const got = await t.reuses({ fields: { 'Cache-Control': 'max-age=60, private="X-MINE"', 'x-mine': 'a' } })
    assert.equal(got.field('x-mine'), undefined)
  }),

  incomplete('MUST NOT', 'reuse a response that broke off', async (t) => {
    t.answer(({ run }) =>
      run === 1
        ? { fields: { ...FRESH, 'Content-Length': '10' }, body: 'short', breaks: true }
        : { fields: FRESH, body: 'whole' },
    )
    await t.get().catch(() => undefined)
    assert.equal((await t.get()).text, 'whole')
  }),
  incomplete(
    'MAY',
    'reuse a stored 206 for the same range',
    async (t) => {
      const range = { fields: { Range: 'bytes=0-3' } }
      const got = await t.reuses(partOfTen(0, 3), { first: range })
      assert.deepEqual([got.status, got.text, got.field('content-range')], [206, '0123', 'bytes 0-3/10'])
    },
    { application: NO_PARTS },
  ),
  incomplete(
    'MAY',
    'answer a range within a stored 206',
    async (t) => {
      const got = await t.reuses(partOfTen(0, 7), {
        first: { fields: { Range: 'bytes=0-7' } },
        second: { fields: { Range: 'bytes=2-4' } },
      })
      assert.deepEqual([got.status, got.text, got.field('content-range')], [206, '234', 'bytes 2-4/10'])
    },
    { application: NO_PARTS },
  ),
  ifRange(
    'MAY',
    'answer If-Range with the strong tag of a stored 206 by a range within it',
    async (t) => {
      const got = await t.reuses(partOfTen(0, 7), {
        first: { fields: { Range: 'bytes=0-7' } },
        second: { fields: { Range: 'bytes=2-4', 'If-Range': '"ten"' } },
      })
      assert.deepEqual([got.status, got.text], [206, '234'])
    },
    { application: NO_PARTS },
  ),
  ifRange('MUST NOT', 'answer If-Range with another tag by a range within a stored 206', async (t) => {
    const got = await t.forwards(({ run }) => (run === 1 ? partOfTen(0, 7) : { fields: FRESH, body: 'whole' }), {
      first: { fields: { Range: 'bytes=0-7' } },
      second: { fields: { Range: 'bytes=2-4', 'If-Range': '"eleven"' } },
    })
    assert.deepEqual([got.status, got.text], [200, 'whole'])
  }),
  received(
    'MAY',
    'answer 304 to the tag of a stored 206, before a range within it',
    async (t) => {
      const got = await t.reuses(partOfTen(0, 7), {
        first: { fields: { Range: 'bytes=0-7' } },
        second: { fields: { Range: 'bytes=2-4', 'If-None-Match': '"ten"' } },
      })
      assert.equal(got.status, 304)
    },
    { application: NO_PARTS },
  ),
  incomplete('MUST NOT', 'answer a request for the whole with a stored 206', async (t) => {
    await t.forwards(({ run }) => (run === 1 ? partOfTen(0, 3) : { fields: FRESH, body: '0123456789' }), {
      first: { fields: { Range: 'bytes=0-3' } },
      second: {},
    })
  }),
  incomplete('MUST NOT', 'answer a range with a stored 206 of another one', async (t) => {
    const got = await t.forwards(({ run }) => (run === 1 ? partOfTen(0, 3) : partOfTen(2, 5)), {
      first: { fields: { Range: 'bytes=0-3' } },
      second: { fields: { Range: 'bytes=2-5' } },
    })
    assert.equal(got.text, '2345')
  }),
  incomplete('MUST NOT', 'send a part without status 206', async (t) => {
    const got = await t.reuses({ fields: FRESH, body: '0123456789' }, { second: { fields: { Range: 'bytes=0-3' } } })
    assert.deepEqual([got.status, got.text], [206, '0123'])
  }),

  combining(
    'MAY',
    'combine two parts with the same strong validator, and answer what lies within both',
    async (t) => {
      const got = await thirdAfterParts(t, partOfTen(0, 3), partOfTen(4, 7), { Range: 'bytes=2-5' })
      assert.deepEqual([got.status, got.text, got.field('content-range')], [206, '2345', 'bytes 2-5/10'])
    },
    { application: NO_PARTS },
  ),
  combining(
    'MUST',
    'update the fields of the stored part by those of the new one',
    async (t) => {
      const later = { ...partOfTen(3, 7), fields: { ...partOfTen(3, 7).fields, 'X-Run': '2' } }
      const got = await thirdAfterParts(t, partOfTen(0, 4), later, { Range: 'bytes=0-1' })
      assert.deepEqual([got.status, got.text, got.field('x-run')], [206, '01', '2'])
    },
    { application: NO_PARTS },
  ),
  ...(
    [
      ['weak validators', { ETag: 'W/"a"' }, { ETag: 'W/"a"' }],
      ['different validators', { ETag: '"a"' }, { ETag: '"b"' }],
      ['a validator on one of them only', { ETag: '"a"' }, { ETag: '' }],
      ['different lengths of the whole', {}, { 'Content-Range': 'bytes 4-9/11' }],
      ['different codings', { 'Content-Encoding': 'gzip' }, {}],
    ] as const
  ).map(([what, one, other]) =>
    combining('MUST NOT', `combine parts with ${what}`, async (t) => {
      const first = { ...partOfTen(0, 5), fields: { ...partOfTen(0, 5).fields, ...one } }
      const second = { ...partOfTen(4, 9), fields: { ...partOfTen(4, 9).fields, ...other } }
      const got = await thirdAfterParts(t, first, second, {})
      assert.deepEqual([t.calls.length, got.text], [3, 'whole'])
    }),
  ),
  combining('MUST NOT', 'answer what lies in a gap between two parts', async (t) => {
    const got = await thirdAfterParts(t, partOfTen(0, 2), partOfTen(6, 9), { Range: 'bytes=2-6' })
    assert.notEqual(got.text, '2')
    assert.equal(t.calls.length, 3)
  }),
  combiningParts(
    'MUST',
    'process parts that make the whole as a complete 200, its Content-Length included',
    async (t) => {
      const got = await thirdAfterParts(t, partOfTen(5, 9), partOfTen(0, 5), {})
      assert.deepEqual(
        [got.status, got.text, got.field('content-length'), got.field('content-range')],
        [200, '0123456789', '10', undefined],
      )
    },
    { application: NO_PARTS },
  ),

  ...['public, max-age=60', 's-maxage=60', 'max-age=60, must-revalidate'].map((control) =>
    authenticated('MAY', `store the answer to Authorization with ${control}`, async (t) => {
      await t.reuses({ fields: { 'Cache-Control': control } }, { first: { fields: { Authorization: 'Basic YTpi' } } })
    }),
  ),
  authenticated('MUST', 'go to the handler when such a response is stale', async (t) => {
    const first = { fields: { Authorization: 'Basic YTpi' } }
    await t.forwards({ fields: { 'Cache-Control': 'max-age=60, must-revalidate' } }, { first, after: 61 })
  }),
]

/** A 206 with some of ten digits. */
function partOfTen(first: number, last: number) {
  return {
    status: 206,
    fields: { ...FRESH, ETag: '"ten"', 'Content-Range': `bytes ${first}-${last}/10` },
    body: '0123456789'.slice(first, last + 1),
  }
}

/** Two parts are received, and a third request is asked, which the handler would answer with another body. */
async function thirdAfterParts(t: Trial, one: Answer, other: Answer, fields: Record<string, string>): Promise<Got> {
  t.answer(({ run }) => [one, other][run - 1] ?? { fields: FRESH, body: 'whole' })
  for (const part of [one, other]) {
    const span = String(part.fields?.['Content-Range']).replace('bytes ', '').replace(/\/.*/, '')
    await t.get({ Range: `bytes=${span}` })
  }
  return t.get(fields)
}
