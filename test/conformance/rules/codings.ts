import assert from 'node:assert/strict'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { until } from '../../support/until.js'
import type { Got } from '../client.js'
import type { Answer } from '../origin.js'
import { section } from '../rule.js'
import type { Fields, Trial } from '../trial.js'

const noTransform = section(9110, '7.7')
const contentEncoding = section(9110, '8.4')
const gzipCoding = section(9110, '8.4.1.3')
const varying = section(9110, '8.8.3.3')
const head = section(9110, '9.3.2')
const acceptEncoding = section(9110, '12.5.3')
const vary = section(9110, '12.5.5')
const noneMatch = section(9110, '13.1.2')
const ifRange = section(9110, '13.1.5')

const TEXT = 'A line that is said again and again.\n'.repeat(100)
const PAGE: Answer = {
  fields: { 'Cache-Control': 'max-age=60', 'Content-Type': 'text/plain', ETag: '"a"' },
  body: TEXT,
}
const BR = { 'Accept-Encoding': 'br' }
const GZIP = { 'Accept-Encoding': 'gzip' }

/** RFC 9110, section 12: content codings, which the `precompress` option negotiates. */
export const codingRules = [
  contentEncoding('MUST', 'name in Content-Encoding the coding that the cache has applied', async (t) => {
    const ask = await encoded(t)
    const [br, gzip] = [await ask(BR), await ask(GZIP)]
    assert.deepEqual([br.field('content-encoding'), gzip.field('content-encoding')], ['br', 'gzip'])
    assert.deepEqual([brotliDecompressSync(br.body).toString(), gunzipSync(gzip.body).toString()], [TEXT, TEXT])
    assert.deepEqual([br.complete, gzip.complete], [true, true])
  }),
  gzipCoding('SHOULD', 'take x-gzip for gzip', async (t) => {
    const ask = await encoded(t)
    assert.equal((await ask({ 'Accept-Encoding': 'x-gzip' })).field('content-encoding'), 'gzip')
  }),
  noTransform('MUST NOT', 'encode what says no-transform', async (t) => {
    t.setUp({ precompress: ['br', 'gzip'] })
    t.answer(({ target }) =>
      target === '/page' ? { ...PAGE, fields: { ...PAGE.fields, 'Cache-Control': 'max-age=60, no-transform' } } : PAGE,
    )
    await t.get(BR)
    await isEncoded(t, '/other')
    const got = await t.get(BR)
    assert.deepEqual([got.field('content-encoding'), got.text], [undefined, TEXT])
  }),
  ...(
    [
      ['no coding with q=0', 'br;q=0, gzip', 'gzip'],
      ['no coding that only an asterisk with q=0 covers', 'gzip, *;q=0', 'gzip'],
      ['none to whom names none', '', undefined],
      ['none that is not listed', 'compress', undefined],
      ['identity to whom prefers it', 'br;q=0.5, identity', undefined],
    ] as const
  ).map(([what, field, coding]) =>
    acceptEncoding('MUST', `send ${what}`, async (t) => {
      const ask = await encoded(t)
      assert.equal((await ask({ 'Accept-Encoding': field })).field('content-encoding'), coding)
    }),
  ),
  acceptEncoding('SHOULD', 'send the coding with the highest weight', async (t) => {
    const ask = await encoded(t)
    assert.equal((await ask({ 'Accept-Encoding': 'br;q=0.1, gzip;q=0.2' })).field('content-encoding'), 'gzip')
    assert.equal((await ask({ 'Accept-Encoding': 'gzip;q=0.1, *;q=0.2' })).field('content-encoding'), 'br')
  }),
  acceptEncoding('SHOULD', 'send no coding where none that is there is acceptable', async (t) => {
    const ask = await encoded(t)
    for (const field of ['zstd', 'br;q=0, gzip;q=0', '*;q=0']) {
      const got = await ask({ 'Accept-Encoding': field })
      assert.deepEqual([got.status, got.field('content-encoding'), got.text], [200, undefined, TEXT])
    }
  }),
  vary('SHOULD', 'name Accept-Encoding in the Vary of all that it selects', async (t) => {
    t.setUp({ precompress: ['br', 'gzip'] })
    t.answer(PAGE)
    const first = await t.get()
    await isEncoded(t)
    for (const got of [first, await t.get(BR), await t.get(), await t.get({ 'If-None-Match': '*' })]) {
      assert.equal(got.field('vary'), 'Accept-Encoding')
    }
  }),
  varying('MUST', 'give each coding a strong entity tag of its own', async (t) => {
    const ask = await encoded(t)
    const etags = [await ask(BR), await ask(GZIP), await ask({})].map((got) => got.field('etag'))
    assert.equal(new Set(etags).size, 3)
    assert.equal(etags[2], '"a"')
  }),
  noneMatch('MUST', 'compare If-None-Match with the tag of the representation that would be sent', async (t) => {
    const ask = await encoded(t)
    const [br, gzip] = [await ask(BR), await ask(GZIP)]
    const [tagOfBr = '', tagOfGzip = ''] = [br.field('etag'), gzip.field('etag')]
    const same = await ask({ ...BR, 'If-None-Match': tagOfBr })
    assert.deepEqual([same.status, same.field('etag')], [304, tagOfBr])
    assert.equal((await ask({ ...BR, 'If-None-Match': tagOfGzip })).status, 200)
    assert.equal((await ask({ ...GZIP, 'If-None-Match': '"a"' })).status, 200)
  }),
  ifRange('MUST', 'send parts of one representation only to whom has the rest of it', async (t) => {
    const ask = await encoded(t)
    const whole = await ask(BR)
    const rest = await ask({ ...BR, Range: 'bytes=9-', 'If-Range': whole.field('etag') ?? '' })
    assert.deepEqual([rest.status, rest.field('content-encoding')], [206, 'br'])
    assert.deepEqual(rest.body, whole.body.subarray(9))
    const plain = await ask({ ...BR, Range: 'bytes=9-', 'If-Range': '"a"' })
    assert.deepEqual([plain.status, plain.field('content-encoding'), plain.text], [206, undefined, TEXT.slice(9)])
    assert.equal((await ask({ ...GZIP, Range: 'bytes=9-', 'If-Range': whole.field('etag') ?? '' })).status, 200)
  }),
  head('SHOULD', 'answer HEAD with the fields of the representation that GET gets', async (t) => {
    const ask = await encoded(t)
    const get = await ask(BR)
    const got = await t.ask({ method: 'HEAD', fields: BR })
    for (const name of ['content-encoding', 'content-length', 'etag', 'vary']) {
      assert.equal(got.field(name), get.field(name))
    }
  }),
]

/** Has the page stored and encoded. */
async function encoded(t: Trial): Promise<(fields: Fields) => Promise<Got>> {
  t.setUp({ precompress: ['br', 'gzip'] })
  t.answer(PAGE)
  await isEncoded(t)
  return (fields) => t.get(fields)
}

async function isEncoded(t: Trial, target = '/page'): Promise<void> {
  await until('the encoded forms are there', async () => {
    const got = await t.ask({ target, fields: BR })
    return got.field('content-encoding') === 'br'
  })
}
