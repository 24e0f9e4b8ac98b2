import assert from 'node:assert/strict'
import type { Call } from '../origin.js'
import { section } from '../rule.js'
import type { Fields, Trial } from '../trial.js'

const request = section(9111, '4.3.1')
const received = section(9111, '4.3.2')
const handling = section(9111, '4.3.3')
const freshening = section(9111, '4.3.4')
const updating = section(9111, '3.2')
const head = section(9111, '4.3.5')

const SHORT = { 'Cache-Control': 'max-age=10' }

/** RFC 9111, sections 3.2 and 4.3: asking whether a stored response is still right. */
export const validationRules = [
  updating('MUST', 'add the fields of a 304 to the stored response, replacing those that are there', async (t) => {
    await validate(t, { 'X-A': '1', 'X-B': '1' }, { 'X-A': '2', 'X-C': '2' })
    const got = await t.get()
    assert.deepEqual([got.field('x-a'), got.field('x-b'), got.field('x-c')], ['2', '1', '2'])
  }),
  updating('MUST', 'send the updated fields with the very response that was validated', async (t) => {
    const got = await validate(t, { 'X-A': '1' }, { 'X-A': '2' })
    assert.equal(got.field('x-a'), '2')
  }),
  updating('MUST NOT', 'update Content-Length', async (t) => {
    await validate(t, {}, { 'Content-Length': '500' })
    const got = await t.get()
    assert.deepEqual([got.field('content-length'), got.complete], ['6', true])
  }),
  updating('MUST NOT', 'update Content-Encoding and Content-Range, for the bytes stay what they are', async (t) => {
    await validate(t, {}, { 'Content-Encoding': 'gzip', 'Content-Range': 'bytes 0-1/2' })
    const got = await t.get()
    assert.deepEqual([got.field('content-encoding'), got.field('content-range')], [undefined, undefined])
  }),
  updating('MUST NOT', 'store hop-by-hop fields of a 304', async (t) => {
    await validate(t, {}, { Connection: 'close, X-Hop', 'X-Hop': '1', 'Proxy-Authenticate': 'Basic' })
    const got = await t.get()
    assert.deepEqual([got.field('x-hop'), got.field('proxy-authenticate')], [undefined, undefined])
  }),
  updating('MUST', 'take the lifetime of a 304', async (t) => {
    await validate(t, {}, { 'Cache-Control': 'max-age=1000' })
    t.wait(500)
    assert.equal((await t.get()).text, 'body 1')
    assert.equal(t.calls.length, 2)
  }),

  request('MUST', 'send the stored entity tag', async (t) => {
    await validate(t, {}, {})
    assert.equal(t.calls[1]?.fields['if-none-match'], '"a"')
  }),
  request('SHOULD', 'send the stored Last-Modified', async (t) => {
    const modified = t.date(-1000)
    await validate(t, { 'Last-Modified': modified }, {})
    assert.equal(t.calls[1]?.fields['if-modified-since'], modified)
  }),
  request('MAY', 'validate by Last-Modified alone', async (t) => {
    const modified = t.date(-1000)
    t.answer(({ run }) =>
      run === 1
        ? { fields: { ...SHORT, 'Last-Modified': modified } }
        : { status: 304, fields: { 'Last-Modified': modified } },
    )
    await t.get()
    t.wait(20)
    const got = await t.get()
    assert.deepEqual([got.status, got.text], [200, 'body 1'])
    assert.deepEqual(conditionsOf(t.calls[1]), [undefined, modified])
  }),
  request('MUST', 'send on the fields that Vary names', async (t) => {
    t.answer(({ run }) => ({
      status: run === 1 ? 200 : 304,
      fields: { ...SHORT, ETag: '"a"', Vary: 'X-A' },
    }))
    await t.get({ 'X-A': '1' })
    t.wait(20)
    assert.equal((await t.get({ 'X-A': '1' })).status, 200)
    assert.equal(t.calls[1]?.fields['x-a'], '1')
  }),
  request('MUST NOT', "send the client's own entity tag as if it were the stored one", async (t) => {
    t.answer(({ run }) => ({ status: run === 1 ? 200 : 304, fields: { ...SHORT, ETag: '"a"' } }))
    await t.get()
    t.wait(20)
    const got = await t.get({ 'If-None-Match': '"mine"' })
    assert.deepEqual([got.status, got.text], [200, 'body 1'])
  }),

  received('SHOULD', 'answer If-None-Match from the store', async (t) => {
    const got = await t.reuses(
      { fields: { 'Cache-Control': 'max-age=60', ETag: '"a"' } },
      { second: { fields: { 'If-None-Match': '"a"' } } },
    )
    assert.deepEqual([got.status, got.text, got.complete], [304, '', true])
  }),
  received('SHOULD', 'answer If-Modified-Since from the store', async (t) => {
    const modified = t.date(-1000)
    const got = await t.reuses(
      { fields: { 'Cache-Control': 'max-age=60', 'Last-Modified': modified } },
      { second: { fields: { 'If-Modified-Since': modified } } },
    )
    assert.equal(got.status, 304)
  }),
  received('SHOULD', 'take Date where Last-Modified is missing', async (t) => {
    const date = t.date()
    const fields = { 'Cache-Control': 'max-age=60', Date: date }
    const got = await t.reuses({ fields }, { second: { fields: { 'If-Modified-Since': date } } })
    assert.equal(got.status, 304)
  }),
  received('MUST', 'let If-None-Match go before If-Modified-Since', async (t) => {
    const modified = t.date(-1000)
    const got = await t.reuses(
      { fields: { 'Cache-Control': 'max-age=60', ETag: '"a"', 'Last-Modified': modified } },
      { second: { fields: { 'If-None-Match': '"b"', 'If-Modified-Since': modified } } },
    )
    assert.equal(got.status, 200)
  }),
  ...[{ 'If-Match': '"b"' }, { 'If-Unmodified-Since': 'Sat, 01 Jan 2000 00:00:00 GMT' }].map((fields: Fields) =>
    received('MUST NOT', `evaluate ${Object.keys(fields)[0]}, which is for the origin`, async (t) => {
      const got = await t.reuses({ fields: { 'Cache-Control': 'max-age=60', ETag: '"a"' } }, { second: { fields } })
      assert.equal(got.status, 200)
    }),
  ),
  received('MUST', 'answer in full when the 304 is about a tag that the client does not have', async (t) => {
    t.answer(({ run }) => ({ status: run === 1 ? 200 : 304, fields: { ...SHORT, ETag: '"a"' } }))
    await t.get()
    t.wait(20)
    const got = await t.get({ 'If-None-Match': '"b"' })
    assert.deepEqual([got.status, got.text], [200, 'body 1'])
  }),
  received('SHOULD', 'answer 304 when the validated response is the one that the client has', async (t) => {
    t.answer(({ run }) => ({ status: run === 1 ? 200 : 304, fields: { ...SHORT, ETag: '"a"' } }))
    await t.get()
    t.wait(20)
    assert.equal((await t.get({ 'If-None-Match': '"a"' })).status, 304)
  }),

  handling('MUST', 'send a full response that came instead of a 304, and keep it', async (t) => {
    t.answer(({ run }) => ({ fields: { ...SHORT, ETag: `"${run}"` } }))
    await t.get()
    t.wait(20)
    assert.equal((await t.get()).text, 'body 2')
    assert.equal((await t.get()).text, 'body 2')
    assert.equal(t.calls.length, 2)
  }),
  handling('MAY', 'send the stored response when validation meets a 5xx and stale-if-error allows it', async (t) => {
    t.answer(({ run }) => ({
      status: run === 1 ? 200 : 503,
      fields: { 'Cache-Control': 'max-age=10, stale-if-error=60', ETag: '"a"' },
    }))
    await t.get()
    t.wait(20)
    const got = await t.get()
    assert.deepEqual([got.status, got.text], [200, 'body 1'])
  }),
  handling('MUST NOT', 'take a 304 to the request of the client itself for a response', async (t) => {
    t.answer(({ fields }) =>
      fields['if-none-match'] === undefined
        ? { fields: { ...SHORT, ETag: '"a"' } }
        : { status: 304, fields: { ETag: '"a"' } },
    )
    await t.get({ 'If-None-Match': '"a"' })
    assert.equal((await t.get()).status, 200)
  }),

  freshening('MUST', 'reuse what a 304 has validated', async (t) => {
    const got = await validate(t, {}, {})
    assert.deepEqual([got.status, got.text], [200, 'body 1'])
    assert.equal((await t.get()).text, 'body 1')
    assert.equal(t.calls.length, 2)
  }),
  freshening('MUST', 'count the age from the validation', async (t) => {
    await validate(t, { Date: t.date() }, { Date: t.date(20) })
    t.wait(3)
    assert.equal((await t.get()).field('age'), '3')
  }),
  freshening('MUST NOT', 'update by a 304 with another strong entity tag', async (t) => {
    t.answer(({ run }) =>
      run === 2
        ? { status: 304, fields: { 'Cache-Control': 'max-age=1000', ETag: '"other"', 'X-A': 'wrong' } }
        : { fields: { ...SHORT, ETag: '"a"' } },
    )
    await t.get()
    t.wait(20)
    await t.get()
    t.wait(20)
    assert.equal((await t.get()).field('x-a'), undefined)
    assert.equal(t.calls.length, 3)
  }),
  freshening('MUST NOT', 'update by a 304 with a strong entity tag where the same is stored as weak', async (t) => {
    const got = await validate(t, { ETag: 'W/"a"', 'X-A': '1' }, { 'X-A': '2' })
    assert.equal(got.field('x-a'), '1')
    await t.get()
    assert.equal(t.calls.length, 3)
  }),
  handling('MAY', 'send the stored response when such a 304 says that it is still right', async (t) => {
    const got = await validate(t, { ETag: 'W/"a"' }, {})
    assert.deepEqual([got.status, got.text], [200, 'body 1'])
    assert.deepEqual([(await t.get()).text, conditionsOf(t.calls[2])[0]], ['body 1', 'W/"a"'])
  }),
  freshening('MUST', 'update by such a 304 when Last-Modified is the strong validator of both', async (t) => {
    const modified = { 'Last-Modified': t.date(-1000) }
    const stored = { ...modified, Date: t.date(), ETag: 'W/"a"' }
    const got = await validate(t, stored, { ...modified, 'X-A': '2' })
    assert.deepEqual([got.text, got.field('x-a'), got.field('etag')], ['body 1', '2', 'W/"a"'])
    assert.equal((await t.get()).field('x-a'), '2')
    assert.equal(t.calls.length, 2)
  }),
  freshening(
    'MUST',
    'update by a 304 with an entity tag where none is stored, when Last-Modified is equal',
    async (t) => {
      const modified = { 'Last-Modified': t.date(-1000), Date: t.date() }
      t.answer(({ run }) =>
        run === 1
          ? { fields: { ...SHORT, ...modified } }
          : { status: 304, fields: { ...SHORT, ...modified, ETag: '"a"', 'X-A': '2' } },
      )
      await t.get()
      t.wait(20)
      const got = await t.get()
      assert.deepEqual([got.status, got.text, got.field('x-a')], [200, 'body 1', '2'])
    },
  ),
  freshening('MUST', 'update by a 304 with an equal weak entity tag', async (t) => {
    t.answer(({ run }) => ({ status: run === 1 ? 200 : 304, fields: { ...SHORT, ETag: 'W/"a"', 'X-A': String(run) } }))
    await t.get()
    t.wait(20)
    const got = await t.get()
    assert.deepEqual([got.status, got.field('x-a')], [200, '2'])
  }),
  freshening('MUST', 'update by a 304 without a validator when there is one stored response', async (t) => {
    t.answer(({ run }) =>
      run === 1 ? { fields: { ...SHORT, ETag: '"a"' } } : { status: 304, fields: { ...SHORT, 'X-A': '2' } },
    )
    await t.get()
    t.wait(20)
    const got = await t.get()
    assert.deepEqual([got.status, got.text, got.field('x-a')], [200, 'body 1', '2'])
  }),
  freshening('MUST', 'update the variant that was asked for and no other', async (t) => {
    t.answer(({ run, fields }) => ({
      status: run <= 2 ? 200 : 304,
      fields: { ...SHORT, ETag: `"${fields['x-a']}"`, Vary: 'X-A', 'X-Run': String(run) },
    }))
    await t.get({ 'X-A': '1' })
    await t.get({ 'X-A': '2' })
    t.wait(20)
    assert.equal((await t.get({ 'X-A': '2' })).text, 'body 2')
    assert.equal((await t.get({ 'X-A': '2' })).field('x-run'), '3')
    assert.equal((await t.get({ 'X-A': '1' })).text, 'body 1')
  }),

  head('SHOULD', 'update the stored response to GET by a HEAD that agrees with it', async (t) => {
    t.answer(({ run }) => ({ fields: { ...SHORT, ETag: '"a"', 'X-Run': String(run) }, body: 'same' }))
    await t.get()
    t.wait(20)
    await t.ask({ method: 'HEAD' })
    const got = await t.get()
    assert.deepEqual([got.field('x-run'), got.text, t.calls.length], ['2', 'same', 2])
  }),
  head('MUST', 'replace the fields that HEAD brings, keep the others, and begin a new lifetime', async (t) => {
    t.answer(({ run }) => ({
      fields: { ...SHORT, ETag: '"a"', ...(run === 1 ? { 'X-Old': 'kept', 'X-Both': '1' } : { 'X-Both': '2' }) },
      body: 'same',
    }))
    await t.get()
    t.wait(20)
    await t.ask({ method: 'HEAD' })
    t.wait(5)
    const got = await t.get()
    assert.deepEqual([got.field('x-old'), got.field('x-both'), got.field('age')], ['kept', '2', '5'])
  }),
  head('SHOULD', 'take the stored response for stale when HEAD shows another entity tag', async (t) => {
    t.answer(({ run }) => ({ fields: { 'Cache-Control': 'max-age=10', ETag: `"${run}"` } }))
    await t.get()
    t.wait(20)
    await t.ask({ method: 'HEAD' })
    assert.notEqual((await t.get()).text, 'body 1')
  }),
  head('SHOULD', 'take the stored response for stale when HEAD shows another Content-Length', async (t) => {
    t.answer(({ run }) => ({ fields: { ...SHORT, 'Cache-Control': 'max-age=10' }, body: 'x'.repeat(run) }))
    await t.get()
    t.wait(20)
    await t.ask({ method: 'HEAD' })
    assert.notEqual((await t.get()).text, 'x')
  }),
]

/** Stores a response with an entity tag, lets it become stale, and has a 304 come for it. */
async function validate(t: Trial, stored: Fields, update: Fields) {
  t.answer(({ run }) =>
    run === 1
      ? { fields: { ...SHORT, ETag: '"a"', ...stored } }
      : { status: 304, fields: { ...SHORT, ETag: '"a"', ...update } },
  )
  await t.get()
  t.wait(20)
  return t.get()
}

function conditionsOf(call: Call | undefined): readonly unknown[] {
  return [call?.fields['if-none-match'], call?.fields['if-modified-since']]
}
