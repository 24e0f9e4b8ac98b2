import assert from 'node:assert/strict'
import type { Got } from '../client.js'
import { section } from '../rule.js'
import type { Fields, Trial } from '../trial.js'

const ifRange = section(9110, '13.1.5')
const bytes = section(9110, '14.1.2')
const range = section(9110, '14.2')
const contentRange = section(9110, '14.4')
const multipart = section(9110, '14.6')
const partial = section(9110, '15.3.7')
const combining = section(9111, '3.4')
const unsatisfiable = section(9110, '15.5.17')

const FRESH = { 'Cache-Control': 'max-age=60' }

/** RFC 9110, section 14: ranges of a stored response. */
export const rangeRules = [
  ...(
    [
      ['bytes=0-3', '0123', '0-3'],
      ['bytes=7-', '789', '7-9'],
      ['bytes=-2', '89', '8-9'],
      ['bytes=-20', '0123456789', '0-9'],
      ['bytes=5-500', '56789', '5-9'],
      ['bytes=0-0', '0', '0-0'],
      ['BYTES=0-0', '0', '0-0'],
    ] as const
  ).map(([asked, text, span]) =>
    bytes('MUST', `answer ${asked} of ten bytes with ${span}`, async (t) => {
      const got = await ask(t, { Range: asked })
      assert.deepEqual([got.status, got.text, got.field('content-range')], [206, text, `bytes ${span}/10`])
    }),
  ),
  range('MUST', 'ignore an unknown unit', async (t) => {
    assert.deepEqual(statusAndText(await ask(t, { Range: 'lines=0-3' })), [200, '0123456789'])
  }),
  ...['bytes=a-b', 'bytes=3-1', 'bytes=', 'bytes=-', '0-3'].map((asked) =>
    range('SHOULD', `ignore the malformed ${asked}`, async (t) => {
      assert.deepEqual(statusAndText(await ask(t, { Range: asked })), [200, '0123456789'])
    }),
  ),
  range('MUST', 'ignore Range for HEAD', async (t) => {
    const second = { method: 'HEAD', fields: { Range: 'bytes=0-3' } }
    const got = await t.reuses({ fields: FRESH, body: '0123456789' }, { second })
    assert.deepEqual([got.status, got.field('content-length')], [200, '10'])
  }),
  range('MUST', 'let a failed precondition go before Range', async (t) => {
    const got = await ask(t, { Range: 'bytes=0-3', 'If-None-Match': '"a"' })
    assert.equal(got.status, 304)
  }),
  range('SHOULD', 'ignore a Range with too many ranges', async (t) => {
    const many = Array.from({ length: 200 }, () => '0-1').join(',')
    assert.equal((await ask(t, { Range: `bytes=${many}` })).status, 200)
  }),
  range('SHOULD', 'give no client more than the whole for overlapping ranges', async (t) => {
    const got = await ask(t, { Range: 'bytes=0-8,1-9,0-9' })
    assert.deepEqual(statusAndText(got), [206, '0123456789'])
  }),

  ...(
    [
      ['the same strong tag', '"a"', {}, 206],
      ['another tag', '"b"', {}, 200],
      ['a weak tag', 'W/"a"', { ETag: 'W/"a"' }, 200],
    ] as const
  ).map(([title, asked, stored, status]) =>
    ifRange('MUST', `answer If-Range with ${title} by ${status}`, async (t) => {
      assert.equal((await ask(t, { Range: 'bytes=0-3', 'If-Range': asked }, stored)).status, status)
    }),
  ),
  ifRange('MUST', 'answer If-Range with the exact strong Last-Modified by 206', async (t) => {
    const modified = t.date(-1000)
    const asked = { Range: 'bytes=0-3', 'If-Range': modified }
    assert.equal((await ask(t, asked, { 'Last-Modified': modified, Date: t.date() })).status, 206)
  }),
  ifRange('MUST NOT', 'take a later date than Last-Modified for a match', async (t) => {
    const asked = { Range: 'bytes=0-3', 'If-Range': t.date(-10) }
    assert.equal((await ask(t, asked, { 'Last-Modified': t.date(-1000), Date: t.date() })).status, 200)
  }),
  ifRange('MUST NOT', 'take a weak Last-Modified for a match', async (t) => {
    const asked = { Range: 'bytes=0-3', 'If-Range': t.date() }
    assert.equal((await ask(t, asked, { 'Last-Modified': t.date(), Date: t.date() })).status, 200)
  }),
  ifRange('MUST', 'ignore If-Range without Range', async (t) => {
    assert.equal((await ask(t, { 'If-Range': '"b"' })).status, 200)
  }),

  contentRange('MUST NOT', 'send Content-Range with a 200', async (t) => {
    assert.equal((await ask(t, {})).field('content-range'), undefined)
  }),

  multipart('MUST', 'answer several ranges as multipart/byteranges', async (t) => {
    const got = await ask(t, { Range: 'bytes=0-1, 8-9' })
    const boundary = /^multipart\/byteranges; ?boundary="?([^"]+)"?$/.exec(got.field('content-type') ?? '')?.[1]
    assert.ok(boundary, got.field('content-type'))
    const parts = got.text.split(`--${boundary}`)
    assert.equal(parts.length, 4)
    assert.match(parts[1] ?? '', /Content-Range: bytes 0-1\/10\r\n\r\n01\r\n$/i)
    assert.match(parts[2] ?? '', /Content-Range: bytes 8-9\/10\r\n\r\n89\r\n$/i)
    assert.equal(parts[3], '--\r\n')
  }),
  multipart('MUST', 'carry the Content-Type of the representation in every part', async (t) => {
    const got = await ask(t, { Range: 'bytes=0-1, 8-9' }, { 'Content-Type': 'text/x-plain' })
    assert.equal(got.text.match(/Content-Type: text\/x-plain/gi)?.length, 2)
  }),

  partial('MUST', 'send Date, Cache-Control, ETag, Expires, Content-Location and Vary with a 206', async (t) => {
    const fields = { Date: t.date(), Expires: t.date(60), 'Content-Location': '/page', Vary: 'X-A', ETag: '"a"' }
    const got = await ask(t, { Range: 'bytes=0-1' }, fields)
    assert.equal(got.status, 206)
    for (const [name, value] of Object.entries(fields)) assert.equal(got.field(name), value, name)
    assert.equal(got.field('cache-control'), 'max-age=60')
  }),
  partial('MUST NOT', 'send Content-Range beside multipart/byteranges', async (t) => {
    assert.equal((await ask(t, { Range: 'bytes=0-1, 8-9' })).field('content-range'), undefined)
  }),
  partial('MUST NOT', 'send multipart when one range was asked for', async (t) => {
    assert.equal((await ask(t, { Range: 'bytes=0-1' }, { 'Content-Type': 'text/a' })).field('content-type'), 'text/a')
  }),
  partial('MUST', 'send the right Content-Length', async (t) => {
    for (const asked of ['bytes=0-1', 'bytes=0-1, 8-9']) assert.ok((await ask(t, { Range: asked })).complete)
  }),

  combining('MUST NOT', 'combine parts of different representations', async (t) => {
    t.answer(({ run, fields }) => partFor(fields.range, `"${run}"`))
    await t.get({ Range: 'bytes=0-4' })
    await t.get({ Range: 'bytes=5-9' })
    const got = await t.get()
    assert.ok(got.status === 200 && got.complete)
    assert.equal(got.text, '0123456789')
    assert.ok(t.calls.length === 3 || t.calls[0]?.fields.range === undefined)
  }),

  unsatisfiable('SHOULD', 'answer a range beyond the end with 416 and the length', async (t) => {
    const got = await ask(t, { Range: 'bytes=10-' })
    assert.deepEqual([got.status, got.field('content-range')], [416, 'bytes */10'])
  }),
  unsatisfiable('SHOULD', 'answer the suffix of no bytes with 416', async (t) => {
    assert.equal((await ask(t, { Range: 'bytes=-0' })).status, 416)
  }),
]

/** Has ten digits stored and asks for them again. */
async function ask(t: Trial, fields: Fields, stored: Fields = {}): Promise<Got> {
  return t.reuses(
    { fields: { ...FRESH, ETag: '"a"', ...stored }, body: '0123456789' },
    { first: {}, second: { fields } },
  )
}

function statusAndText({ status, text }: Got): readonly unknown[] {
  return [status, text]
}

function partFor(asked: string | undefined, tag: string) {
  const [, first, last] = /^bytes=(\d)-(\d)$/.exec(asked ?? '') ?? []
  if (first === undefined || last === undefined) return { fields: { ...FRESH, ETag: tag }, body: '0123456789' }
  return {
    status: 206,
    fields: { ...FRESH, ETag: tag, 'Content-Range': `bytes ${first}-${last}/10` },
    body: '0123456789'.slice(Number(first), Number(last) + 1),
  }
}
