import assert from 'node:assert/strict'
import { section } from '../rule.js'
import type { Fields, Trial } from '../trial.js'

const lists = section(9110, '5.6.1.2')
const quoted = section(9110, '5.6.4')
const dates = section(9110, '5.6.7')
const date = section(9110, '6.6.1')
const trailers = section(9110, '7.6.1')
const location = section(9110, '8.7')
const tags = section(9110, '8.8.3.2')
const post = section(9110, '9.3.3')
const head = section(9110, '9.3.2')
const ifMatch = section(9110, '13.1.1')
const noneMatch = section(9110, '13.1.2')
const modifiedSince = section(9110, '13.1.3')
const notModified = section(9110, '15.4.5')

const FRESH = { 'Cache-Control': 'max-age=60' }

/** RFC 9110: fields, dates, validators and conditional requests, as far as a cache answers them. */
export const semanticsRules = [
  lists('MUST', 'ignore empty list elements', async (t) => {
    await t.reuses({ fields: { 'Cache-Control': ', ,max-age=60,, x=1,' } })
  }),
  quoted('MUST', 'read a quoted-pair as the octet that it quotes', async (t) => {
    await t.reuses({ fields: { 'Cache-Control': 'max-age=60, x="\\", no-store, \\""' } })
  }),
  quoted('MUST', 'read a quoted-pair in the lifetime itself', async (t) => {
    await t.reuses({ fields: { 'Cache-Control': 'max-age="\\6\\0"' } })
  }),

  dates('MUST', 'accept IMF-fixdate', async (t) => {
    await t.reuses({ fields: { Expires: t.date(60), Date: t.date() } })
  }),
  dates('MUST', 'accept rfc850-date', async (t) => {
    await t.reuses({ fields: { Expires: rfc850(new Date(t.clock.now() + 60_000)), Date: t.date() } })
  }),
  dates('MUST', 'accept asctime-date', async (t) => {
    await t.reuses({ fields: { Expires: asctime(new Date(t.clock.now() + 60_000)), Date: t.date() } })
  }),
  dates('MUST', 'read a two-digit year more than fifty years ahead as past', async (t) => {
    const ahead = new Date(Date.UTC(new Date(t.clock.now()).getUTCFullYear() + 60, 0, 1))
    await t.forwards({ fields: { Expires: rfc850(ahead), Date: t.date() } })
  }),

  date('MUST', 'add a Date when the response is stored', async (t) => {
    const now = t.date()
    const got = await t.reuses({ fields: FRESH }, { after: 10 })
    assert.equal(got.field('date'), now)
  }),
  date('MUST', 'keep the Date of the origin', async (t) => {
    const then = t.date(-5)
    assert.equal((await t.reuses({ fields: { ...FRESH, Date: then } })).field('date'), then)
  }),
  date('MAY', 'replace an invalid Date by the time of reception', async (t) => {
    const now = t.date()
    assert.equal((await t.reuses({ fields: { ...FRESH, Date: 'today' } })).field('date'), now)
  }),

  ...['Keep-Alive', 'Proxy-Connection', 'TE', 'Upgrade'].map((name) =>
    trailers('SHOULD', `remove ${name} before forwarding`, async (t) => {
      const value = name === 'Upgrade' ? 'h2c' : 'timeout=77'
      const got = await t.reuses({ fields: { ...FRESH, [name]: value } })
      // Node says its own of each connection that stays.
      assert.equal(got.field(name), name === 'Keep-Alive' ? 'timeout=5' : undefined)
    }),
  ),

  location('MUST', 'keep Content-Location', async (t) => {
    const got = await t.reuses({ fields: { ...FRESH, 'Content-Location': '/other' } })
    assert.equal(got.field('content-location'), '/other')
  }),

  ...[
    ['W/"a"', 'W/"a"', 304],
    ['W/"a"', '"a"', 304],
    ['"a"', 'W/"a"', 304],
    ['"a"', '"a"', 304],
    ['"a"', '"b"', 200],
    ['"a"', '"A"', 200],
  ].map(([stored, asked, status]) =>
    tags('MUST', `compare ${stored} and ${asked} weakly for If-None-Match`, async (t) => {
      assert.equal(await statusFor(t, { ETag: String(stored) }, { 'If-None-Match': String(asked) }), status)
    }),
  ),

  head('MUST NOT', 'send content in an answer to HEAD', async (t) => {
    const got = await t.reuses({ fields: FRESH }, { second: { method: 'HEAD' } })
    assert.deepEqual([got.text, got.complete], ['', true])
  }),
  head('SHOULD', 'send the same fields as for GET', async (t) => {
    t.answer({ fields: { ...FRESH, ETag: '"a"', 'Content-Type': 'text/x-plain', 'X-A': '1' } })
    await t.get()
    const names = (fields: readonly (readonly [string, string])[]) => fields.map(([name]) => name.toLowerCase()).sort()
    const got = await t.get()
    assert.deepEqual(names((await t.ask({ method: 'HEAD' })).lines), names(got.lines))
  }),
  head('SHOULD', 'answer a conditional HEAD with 304', async (t) => {
    const got = await t.reuses(
      { fields: { ...FRESH, ETag: '"a"' } },
      { second: { method: 'HEAD', fields: { 'If-None-Match': '"a"' } } },
    )
    assert.equal(got.status, 304)
  }),

  post(
    'MAY',
    'reuse the answer to POST for GET when it has explicit freshness and its own URI as Content-Location',
    async (t) => {
      const first = { method: 'POST', body: 'a' }
      const got = await t.reuses({ fields: { ...FRESH, 'Content-Location': '/page' } }, { first, second: {} })
      assert.equal(got.text, 'body 1')
    },
    { application: 'answers to POST are stored where the route names the method' },
  ),
  post('MUST NOT', 'answer POST with the stored answer to a POST', async (t) => {
    await t.forwards({ fields: { ...FRESH, 'Content-Location': '/page' } }, { first: { method: 'POST', body: 'a' } })
  }),
  post('MUST NOT', 'reuse the answer to POST that states no freshness', async (t) => {
    const fields = { 'Content-Location': '/page', 'Last-Modified': t.date(-100_000) }
    await t.forwards({ fields }, { first: { method: 'POST', body: 'a' }, second: {} })
  }),
  post('MUST', 'invalidate what is stored, though the answer to POST is stored in its place', async (t) => {
    t.answer({ fields: { ...FRESH, 'Content-Location': '/page' } })
    await t.get()
    await t.ask({ method: 'POST', body: 'a' })
    assert.notEqual((await t.get()).text, 'body 1')
  }),
  post('MUST NOT', 'reuse the answer to POST without Content-Location', async (t) => {
    await t.forwards({ fields: FRESH }, { first: { method: 'POST', body: 'a' }, second: {} })
  }),
  post('MUST NOT', 'reuse the answer to POST for another Content-Location', async (t) => {
    const fields = { ...FRESH, 'Content-Location': '/other' }
    await t.forwards({ fields }, { first: { method: 'POST', body: 'a' }, second: {} })
  }),

  ifMatch('MUST', 'leave If-Match on unsafe requests to the handler', async (t) => {
    await t.ask({ method: 'PUT', body: 'a', fields: { 'If-Match': '"a"' } })
    assert.equal(t.calls[0]?.fields['if-match'], '"a"')
  }),

  noneMatch('MUST', 'answer If-None-Match: * with 304', async (t) => {
    assert.equal(await statusFor(t, { ETag: '"a"' }, { 'If-None-Match': '*' }), 304)
  }),
  noneMatch('MUST', 'look for the tag in the whole list', async (t) => {
    assert.equal(await statusFor(t, { ETag: '"a"' }, { 'If-None-Match': '"b", W/"c,d" , "a"' }), 304)
  }),
  noneMatch('MUST', 'look for the tag in all lines', async (t) => {
    assert.equal(await statusFor(t, { ETag: '"a"' }, { 'If-None-Match': ['"b"', '"a"'] }), 304)
  }),
  noneMatch('MUST', 'answer 200 when no tag matches', async (t) => {
    assert.equal(await statusFor(t, { ETag: '"a"' }, { 'If-None-Match': '"b", "c"' }), 200)
  }),
  noneMatch('MUST NOT', 'take a comma inside a tag for the end of it', async (t) => {
    assert.equal(await statusFor(t, { ETag: '"b"' }, { 'If-None-Match': '"a,"b' }), 200)
  }),
  noneMatch('MUST', 'answer a miss with 304 too when the new response is the one that the client has', async (t) => {
    t.answer({ fields: { ...FRESH, ETag: '"a"' } })
    assert.equal((await t.get({ 'If-None-Match': '"a"' })).status, 304)
    assert.equal((await t.get()).text, 'body 1')
  }),

  modifiedSince('MUST', 'ignore it beside If-None-Match', async (t) => {
    const modified = t.date(-1000)
    const fields = { 'If-None-Match': '"b"', 'If-Modified-Since': modified }
    assert.equal(await statusFor(t, { ETag: '"a"', 'Last-Modified': modified }, fields), 200)
  }),
  modifiedSince('MUST', 'ignore a value that is no date', async (t) => {
    assert.equal(await statusFor(t, { 'Last-Modified': t.date(-1000) }, { 'If-Modified-Since': 'yesterday' }), 200)
  }),
  modifiedSince('MUST', 'answer 304 when the stored one is older', async (t) => {
    assert.equal(await statusFor(t, { 'Last-Modified': t.date(-1000) }, { 'If-Modified-Since': t.date(-10) }), 304)
  }),
  modifiedSince('MUST', 'answer 200 when the stored one is younger', async (t) => {
    assert.equal(await statusFor(t, { 'Last-Modified': t.date(-10) }, { 'If-Modified-Since': t.date(-1000) }), 200)
  }),
  modifiedSince('MUST', 'ignore it for other methods than GET and HEAD', async (t) => {
    await t.ask({ method: 'POST', body: 'a', fields: { 'If-Modified-Since': t.date() } })
    assert.ok(t.calls[0]?.fields['if-modified-since'])
  }),

  notModified('MUST', 'send Cache-Control, Content-Location, Date, ETag, Expires and Vary in a 304', async (t) => {
    const fields = {
      'Cache-Control': 'max-age=60',
      'Content-Location': '/page',
      Date: t.date(),
      ETag: '"a"',
      Expires: t.date(60),
      Vary: 'X-A',
    }
    const got = await t.reuses({ fields }, { second: { fields: { 'If-None-Match': '"a"' } } })
    assert.equal(got.status, 304)
    for (const [name, value] of Object.entries(fields)) assert.equal(got.field(name), value, name)
  }),
  notModified('SHOULD NOT', 'send fields that describe the content in a 304', async (t) => {
    const fields = { ...FRESH, ETag: '"a"', 'Content-Type': 'text/x-plain', 'Content-Language': 'en' }
    const got = await t.reuses({ fields }, { second: { fields: { 'If-None-Match': '"a"' } } })
    assert.deepEqual([got.field('content-type'), got.field('content-language')], [undefined, undefined])
  }),
  notModified('MUST NOT', 'send content in a 304', async (t) => {
    const got = await t.reuses(
      { fields: { ...FRESH, ETag: '"a"' } },
      { second: { fields: { 'If-None-Match': '"a"' } } },
    )
    assert.equal(got.body.length, 0)
  }),
]

/** The status of a conditional hit. */
async function statusFor(t: Trial, stored: Fields, asked: Fields): Promise<number> {
  return (await t.reuses({ fields: { ...FRESH, ...stored } }, { second: { fields: asked } })).status
}

function rfc850(date: Date): string {
  const day = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'][date.getUTCDay()]
  const [, number, month, year, time] = date.toUTCString().split(' ')
  return `${day}, ${number}-${month}-${year?.slice(2)} ${time} GMT`
}

function asctime(date: Date): string {
  const [day, number, month, year, time] = date.toUTCString().split(' ')
  return `${day?.slice(0, 3)} ${month} ${number?.replace(/^0/, ' ')} ${time} ${year}`
}
