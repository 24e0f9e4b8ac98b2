import assert from 'node:assert/strict'
import { section } from '../rule.js'
import type { Trial } from '../trial.js'

const age = section(9111, '5.1')
const syntax = section(9111, '5.2')
const extension = section(9111, '5.2.3')
const expires = section(9111, '5.3')
const pragma = section(9111, '5.4')
const sensitive = section(9111, '7.3')
const client = (number: number) => section(9111, `5.2.1.${number}`)
const server = (number: number) => section(9111, `5.2.2.${number}`)

const noForce = {
  application:
    'a client cannot force the handler to run, nor get around the store (allowRefresh and obeyClient open that)',
}

/** RFC 9111, section 5: the fields. */
export const directiveRules = [
  age('SHOULD', 'use the first member of an Age with several', async (t) => {
    const got = await t.reuses({ fields: { 'Cache-Control': 'max-age=60', Age: '5, 50' } }, { after: 1 })
    assert.equal(got.field('age'), '6')
  }),
  ...['abc', '-5', '1.5', '"5"'].map((value) =>
    age('SHOULD', `ignore the invalid Age ${value}`, async (t) => {
      const got = await t.reuses({ fields: { 'Cache-Control': 'max-age=60', Age: value } }, { after: 1 })
      assert.equal(got.field('age'), '1')
    }),
  ),

  syntax('MUST', 'pass directives through, unknown ones too', async (t) => {
    const control = 'max-age=60, x-unknown="a, b", private="x"'
    assert.equal((await t.reuses({ fields: { 'Cache-Control': control } })).field('cache-control'), control)
  }),
  syntax('MUST', 'pass the directives of requests on to the handler', async (t) => {
    await t.get({ 'Cache-Control': 'max-stale=5, x-unknown' })
    assert.equal(t.calls[0]?.fields['cache-control'], 'max-stale=5, x-unknown')
  }),
  syntax('MUST', 'compare names case-insensitively', async (t) => {
    await t.forwards({ fields: { 'Cache-Control': 'MAX-AGE=60, No-Store' } })
  }),
  syntax('SHOULD', 'accept a quoted-string where a token is usual', async (t) => {
    await t.reuses({ fields: { 'Cache-Control': 'max-age="60"' } })
  }),
  syntax('MUST NOT', 'take the inside of a quoted-string for a directive', async (t) => {
    await t.reuses({ fields: { 'Cache-Control': 'max-age=60, x-a="no-store, max-age=0"' } })
  }),

  client(1)('MAY', 'obey max-age of a request', (t) => wishForwards(t, 'max-age=5'), noForce),
  client(2)(
    'MAY',
    'obey max-stale of a request',
    async (t) => {
      const second = { fields: { 'Cache-Control': 'max-stale=100' } }
      await t.reuses({ fields: { 'Cache-Control': 'max-age=10' } }, { second, after: 20 })
    },
    { application: 'whether a stale response may be sent is for the server to say' },
  ),
  client(2)('MUST NOT', 'let max-stale overrule must-revalidate', async (t) => {
    const second = { fields: { 'Cache-Control': 'max-stale=100' } }
    await t.forwards({ fields: { 'Cache-Control': 'max-age=10, must-revalidate' } }, { second, after: 20 })
  }),
  client(3)('MAY', 'obey min-fresh of a request', (t) => wishForwards(t, 'min-fresh=55'), noForce),
  client(4)('MAY', 'obey no-cache of a request', (t) => wishForwards(t, 'no-cache'), noForce),
  client(5)('MUST NOT', 'store the answer to a request with no-store', (t) => wishKeepsOut(t), noForce),
  client(7)(
    'SHOULD',
    'answer only-if-cached with 504 when nothing is stored',
    async (t) => {
      const got = await t.get({ 'Cache-Control': 'only-if-cached' })
      assert.deepEqual([got.status, t.calls.length], [504, 0])
    },
    noForce,
  ),
  client(7)('SHOULD', 'answer only-if-cached from the store', async (t) => {
    const second = { fields: { 'Cache-Control': 'only-if-cached' } }
    await t.reuses({ fields: { 'Cache-Control': 'max-age=60' } }, { second })
  }),

  server(1)('MUST', 'max-age makes a response stale afterwards', async (t) => {
    await t.forwards({ fields: { 'Cache-Control': 'max-age=10' } }, { after: 11 })
  }),
  server(2)('MUST NOT', 'reuse a stale response with must-revalidate without validation', async (t) => {
    const control = 'max-age=10, must-revalidate, stale-while-revalidate=100'
    await t.forwards({ fields: { 'Cache-Control': control } }, { after: 20 })
  }),
  server(2)('MUST', 'generate an error when disconnected', async (t) => {
    t.answer(({ run }) => {
      if (run > 1) throw new Error('disconnected')
      return { fields: { 'Cache-Control': 'max-age=10, must-revalidate' } }
    })
    await t.get()
    t.wait(20)
    assert.ok((await t.get()).status >= 500)
  }),
  server(3)('SHOULD', 'ignore no-store beside must-understand when the status is understood', async (t) => {
    await t.reuses({ fields: { 'Cache-Control': 'max-age=60, must-understand, no-store' } })
  }),
  server(3)('MUST NOT', 'store with must-understand when the status is not understood', async (t) => {
    await t.forwards({ status: 299, fields: { 'Cache-Control': 'max-age=60, must-understand' } })
  }),
  server(4)('MUST NOT', 'use a response with no-cache without validation', async (t) => {
    await t.forwards({ fields: { 'Cache-Control': 'max-age=60, no-cache' } })
  }),
  server(4)(
    'MAY',
    'store a response with no-cache and validate it on every use',
    async (t) => {
      t.answer(({ fields }) => ({
        status: fields['if-none-match'] === '"a"' ? 304 : 200,
        fields: { 'Cache-Control': 'no-cache', ETag: '"a"' },
      }))
      for (let time = 0; time < 3; time += 1) assert.equal((await t.get()).text, 'body 1')
      assert.equal(t.calls.length, 3)
    },
    { application: 'every use would run the handler anyway, so the response is not stored' },
  ),
  server(4)('MUST NOT', 'send fields that no-cache="…" names without validation', async (t) => {
    const fields = { 'Cache-Control': 'max-age=60, no-cache="X-A, x-b"', 'X-A': '1', 'X-B': '2', 'X-C': '3' }
    const got = await t.reuses({ fields })
    assert.deepEqual([got.field('x-a'), got.field('x-b'), got.field('x-c')], [undefined, undefined, '3'])
  }),
  server(5)('MUST NOT', 'store what says no-store in any letter case', async (t) => {
    await t.forwards({ fields: { 'Cache-Control': 'max-age=60, NO-STORE' } })
  }),
  server(6)('MUST NOT', 'transform what says no-transform', async (t) => {
    const fields = { 'Cache-Control': 'max-age=60, no-transform', 'Content-Type': 'text/plain' }
    const second = { fields: { 'Accept-Encoding': 'gzip, br' } }
    const got = await t.reuses({ fields, body: 'a'.repeat(5000) }, { second })
    assert.deepEqual([got.field('content-encoding'), got.text.length], [undefined, 5000])
  }),
  server(7)('MUST NOT', 'store what says private without an argument', async (t) => {
    await t.forwards({ fields: { 'Cache-Control': 'max-age=60, private' } })
  }),
  server(7)('MAY', 'store what says private="…" without the named fields', async (t) => {
    const fields = { 'Cache-Control': 'max-age=60, private="set-cookie"', 'Set-Cookie': 'a=b', 'X-C': '3' }
    const got = await t.reuses({ fields })
    assert.deepEqual([got.field('set-cookie'), got.field('x-c')], [undefined, '3'])
  }),
  server(8)('MUST NOT', 'reuse a stale response with proxy-revalidate without validation', async (t) => {
    const control = 'max-age=10, proxy-revalidate, stale-while-revalidate=100'
    await t.forwards({ fields: { 'Cache-Control': control } }, { after: 20 })
  }),
  server(9)('MAY', 'public permits storing an answer to Authorization', async (t) => {
    const first = { fields: { Authorization: 'Basic YTpi' } }
    await t.reuses({ fields: { 'Cache-Control': 'public, max-age=60' } }, { first })
  }),
  server(10)('MUST NOT', 'reuse a stale response with s-maxage without validation', async (t) => {
    const control = 's-maxage=10, stale-while-revalidate=100'
    await t.forwards({ fields: { 'Cache-Control': control } }, { after: 20 })
  }),

  extension('MUST', 'ignore unknown directives', async (t) => {
    await t.reuses({ fields: { 'Cache-Control': 'x-foo, max-age=60, x-bar=1, x-baz="2"' } })
  }),

  ...['0', '-1', 'never', 'Thu, 01 Dec 2099', '2099-01-01T00:00:00Z'].map((value) =>
    expires('MUST', `interpret the invalid Expires ${value} as past`, async (t) => {
      await t.forwards({ fields: { Expires: value, Date: t.date() } })
    }),
  ),
  expires('MUST', 'ignore Expires beside max-age', async (t) => {
    await t.reuses({ fields: { 'Cache-Control': 'max-age=60', Expires: '0' } })
  }),
  expires('MUST', 'ignore Expires beside s-maxage', async (t) => {
    await t.reuses({ fields: { 'Cache-Control': 's-maxage=60', Expires: '0' } })
  }),

  pragma(
    'MAY',
    'obey Pragma: no-cache of a request without Cache-Control',
    async (t) => {
      await t.forwards({ fields: { 'Cache-Control': 'max-age=60' } }, { second: { fields: { Pragma: 'no-cache' } } })
    },
    noForce,
  ),
  pragma('MAY', 'give no meaning to Pragma: no-cache of a response', async (t) => {
    await t.reuses({ fields: { 'Cache-Control': 'max-age=60', Pragma: 'no-cache' } })
  }),

  sensitive(
    'MAY',
    'store and replay Set-Cookie',
    async (t) => {
      const got = await t.reuses({ fields: { 'Cache-Control': 'max-age=60', 'Set-Cookie': ['a=1', 'b=2'] } })
      assert.equal(got.field('set-cookie'), 'a=1, b=2')
    },
    { application: 'no user gets the cookie of another, unless the route says storeSetCookie' },
  ),
]

async function wishForwards(t: Trial, wish: string): Promise<void> {
  const second = { fields: { 'Cache-Control': wish } }
  await t.forwards({ fields: { 'Cache-Control': 'max-age=60' } }, { second, after: 10 })
}

async function wishKeepsOut(t: Trial): Promise<void> {
  const first = { fields: { 'Cache-Control': 'no-store' } }
  await t.forwards({ fields: { 'Cache-Control': 'max-age=60' } }, { first, second: {} })
}
