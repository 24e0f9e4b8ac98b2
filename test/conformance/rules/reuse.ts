import assert from 'node:assert/strict'
import { section } from '../rule.js'

const reuse = section(9111, '4')
const vary = section(9111, '4.1')

const FRESH = { 'Cache-Control': 'max-age=60' }
const on = (name: string, value: string | readonly string[]) => ({ fields: { [name]: value } })

/** RFC 9111, sections 4 and 4.1: which stored response answers which request. */
export const reuseRules = [
  reuse('MUST NOT', 'reuse for another path', async (t) => {
    await t.forwards({ fields: FRESH }, { second: { target: '/other' } })
  }),
  reuse('MUST NOT', 'reuse for another query', async (t) => {
    await t.forwards({ fields: FRESH }, { first: { target: '/page?a=1' }, second: { target: '/page?a=2' } })
  }),
  reuse('MUST NOT', 'reuse for another host', async (t) => {
    await t.forwards({ fields: FRESH }, { second: { host: 'other.test' } })
  }),
  reuse('MUST NOT', 'reuse for a path in another letter case', async (t) => {
    await t.forwards({ fields: FRESH }, { second: { target: '/PAGE' } })
  }),
  ...['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'].map((method) =>
    reuse('MUST NOT', `answer ${method} with a stored response to GET`, async (t) => {
      await t.forwards({ fields: FRESH }, { first: {}, second: { method } })
    }),
  ),
  reuse('MAY', 'answer HEAD with the head of a stored response to GET', async (t) => {
    const got = await t.reuses({ fields: { ...FRESH, 'X-A': 'b' }, body: '12345' }, { second: { method: 'HEAD' } })
    assert.deepEqual([got.status, got.text, got.field('content-length'), got.field('x-a')], [200, '', '5', 'b'])
  }),
  reuse('MUST NOT', 'answer GET with a response to HEAD', async (t) => {
    const got = await t.forwards({ fields: FRESH, body: 'whole' }, { first: { method: 'HEAD' }, second: {} })
    assert.equal(got.text, 'whole')
  }),
  reuse('MUST', 'generate Age', async (t) => {
    assert.equal((await t.reuses({ fields: FRESH }, { after: 7 })).field('age'), '7')
  }),
  reuse('MUST', 'replace an Age that came with the response', async (t) => {
    assert.equal((await t.reuses({ fields: { ...FRESH, Age: '20' } }, { after: 7 })).field('age'), '27')
  }),
  reuse('MUST', 'write unsafe requests through, each of them', async (t) => {
    await t.forwards({ fields: { ...FRESH, 'Content-Location': '/other' } }, { first: { method: 'POST', body: 'a' } })
  }),
  reuse('MUST', 'use the most recent of several suitable responses', async (t) => {
    t.answer(({ run }) => ({ fields: { 'Cache-Control': 'max-age=10' }, body: `body ${run}` }))
    await t.get()
    t.wait(11)
    await t.get()
    assert.equal((await t.get()).text, 'body 2')
  }),
  reuse('MAY', 'collapse concurrent requests into one', async (t) => {
    t.answer(async () => {
      await t.arrived(3)
      return { fields: FRESH }
    })
    await Promise.all([t.get(), t.get(), t.get()])
    assert.equal(t.calls.length, 1)
  }),
  reuse('MUST', 'forward collapsed requests that the response is not for', async (t) => {
    t.answer(async ({ run }) => {
      if (run === 1) await t.arrived(2)
      return { fields: { 'Cache-Control': 'private' }, body: `body ${run}` }
    })
    const got = await Promise.all([t.get(), t.get()])
    assert.notEqual(got[0].text, got[1].text)
  }),

  vary('MUST NOT', 'reuse when a field that Vary names differs', async (t) => {
    await t.forwards({ fields: { ...FRESH, Vary: 'X-A' } }, { first: on('X-A', '1'), second: on('X-A', '2') })
  }),
  vary('MAY', 'reuse when all of them are equal', async (t) => {
    const first = { fields: { 'X-A': '1', 'X-B': '2' } }
    await t.reuses({ fields: { ...FRESH, Vary: 'x-a, X-B' } }, { first })
  }),
  vary('MUST NOT', 'reuse when one of several fields differs', async (t) => {
    await t.forwards(
      { fields: { ...FRESH, Vary: ['X-A', 'X-B'] } },
      { first: { fields: { 'X-A': '1', 'X-B': '2' } }, second: { fields: { 'X-A': '1', 'X-B': '3' } } },
    )
  }),
  vary('MUST NOT', 'let an absent field match a present one', async (t) => {
    await t.forwards({ fields: { ...FRESH, Vary: 'X-A' } }, { first: {}, second: on('X-A', '1') })
  }),
  vary('MUST NOT', 'let a present field match an absent one', async (t) => {
    await t.forwards({ fields: { ...FRESH, Vary: 'X-A' } }, { first: on('X-A', '1'), second: {} })
  }),
  vary('MUST NOT', 'let an absent field match an empty one', async (t) => {
    await t.forwards({ fields: { ...FRESH, Vary: 'X-A' } }, { first: {}, second: on('X-A', '') })
  }),
  vary('MUST NOT', 'reuse what says Vary: *', async (t) => {
    await t.forwards({ fields: { ...FRESH, Vary: '*' } })
  }),
  vary('MUST NOT', 'reuse what has * among other names', async (t) => {
    await t.forwards({ fields: { ...FRESH, Vary: 'X-A, *' } })
  }),
  vary('MUST NOT', 'reuse what has * in a second line', async (t) => {
    await t.forwards({ fields: { ...FRESH, Vary: ['X-A', '*'] } })
  }),
  vary('MAY', 'keep several variants side by side', async (t) => {
    t.answer(({ fields }) => ({ fields: { ...FRESH, Vary: 'X-A' }, body: String(fields['x-a']) }))
    for (const value of ['1', '2', '3', '1', '2', '3']) assert.equal((await t.get({ 'X-A': value })).text, value)
    assert.equal(t.calls.length, 3)
  }),
  vary('MAY', 'normalise whitespace and repeated lines', async (t) => {
    await t.reuses({ fields: { ...FRESH, Vary: 'X-A' } }, { first: on('X-A', '1, 2'), second: on('X-A', ['1', '2']) })
  }),
  vary('MAY', 'normalise the spaces behind commas in Accept-Language', async (t) => {
    await t.reuses(
      { fields: { ...FRESH, Vary: 'Accept-Language', 'Content-Language': 'en' } },
      { first: on('Accept-Language', 'en, de;q=0.5'), second: on('Accept-Language', 'en,de;q=0.5') },
    )
  }),
  // Express and Koa read `q=0.5`, `; q=0.5` and `Q=0.5` in different ways, and handlers take the first language.
  vary('MUST NOT', 'normalise what the framework tells apart: weights, their spelling and order', async (t) => {
    await t.forwards(
      { fields: { ...FRESH, Vary: 'Accept-Language', 'Content-Language': 'en' } },
      { first: on('Accept-Language', 'en, de;q=0.5'), second: on('Accept-Language', 'de; q=0.5,en') },
    )
  }),
  ...['Accept-Language', 'Accept', 'Accept-Encoding'].map((name) =>
    vary(
      'MUST NOT',
      `ignore the order of equal weights in ${name}, in which handlers may see a preference`,
      async (t) => {
        const fields = { ...FRESH, Vary: name, 'Content-Encoding': 'identity' }
        await t.forwards({ fields }, { first: on(name, 'a/a, b/b'), second: on(name, 'b/b, a/a') })
      },
    ),
  ),
  vary('MUST NOT', 'ignore a different order of equal weights in a field whose order counts', async (t) => {
    await t.forwards({ fields: { ...FRESH, Vary: 'X-A' } }, { first: on('X-A', '1, 2'), second: on('X-A', '2, 1') })
  }),
  vary('MUST NOT', 'reuse across Cookie when Vary names it', async (t) => {
    await t.forwards(
      { fields: { ...FRESH, Vary: 'Cookie' } },
      { first: on('Cookie', 'a=1'), second: on('Cookie', 'a=2') },
    )
  }),
  vary('MUST NOT', 'reuse across Origin when Vary names it', async (t) => {
    await t.forwards(
      { fields: { ...FRESH, Vary: 'Origin' } },
      { first: on('Origin', 'https://a.test'), second: on('Origin', 'https://b.test') },
    )
  }),
]
