import assert from 'node:assert/strict'
import type { Got } from '../client.js'
import { section } from '../rule.js'
import type { Trial } from '../trial.js'

const query = section(10008, '2')
const queryKey = section(10008, '2.7')
const swr = section(5861, '3')
const sie = section(5861, '4')
const immutable = section(8246, '2')
const statusField = section(9211, '2')
const hit = section(9211, '2.1')
const forward = section(9211, '2.2')
const forwardStatus = section(9211, '2.3')
const ttl = section(9211, '2.4')
const stored = section(9211, '2.5')
const collapsed = section(9211, '2.6')
const key = section(9211, '2.7')
const targetSyntax = section(9213, '2.1')
const targets = section(9213, '2.2')

const FRESH = { 'Cache-Control': 'max-age=60' }
const QUERY = { method: 'QUERY', body: 'a', fields: { 'Content-Type': 'text/x-query' } }

/** RFC 5861, 8246, 9211, 9213 and 10008. */
export const extensionRules = [
  query('MUST NOT', 'invalidate by a QUERY', async (t) => {
    t.setUp({ methods: ['GET', 'QUERY'] })
    t.answer({ fields: { ...FRESH, Location: '/page' } })
    await t.get()
    await t.ask({ method: 'QUERY', body: 'a' })
    assert.equal((await t.get()).text, 'body 1')
  }),
  queryKey('MAY', 'answer a QUERY with the stored response to the same one', async (t) => {
    t.setUp({ methods: ['GET', 'QUERY'] })
    assert.equal((await t.reuses({ fields: FRESH }, { first: QUERY })).text, 'body 1')
  }),
  ...Object.entries({
    content: { ...QUERY, body: 'b' },
    'Content-Type': { ...QUERY, fields: { 'Content-Type': 'text/x-other' } },
    'Content-Encoding': { ...QUERY, fields: { ...QUERY.fields, 'Content-Encoding': 'x-none' } },
    'target URI': { ...QUERY, target: '/page?a' },
  }).map(([what, second]) =>
    queryKey('MUST', `incorporate the ${what} of a QUERY into the cache key`, async (t) => {
      t.setUp({ methods: ['GET', 'QUERY'] })
      assert.equal((await t.forwards({ fields: FRESH }, { first: QUERY, second })).text, 'body 2')
    }),
  ),
  queryKey('MUST NOT', 'answer GET with the stored response to a QUERY', async (t) => {
    t.setUp({ methods: ['GET', 'QUERY'] })
    await t.forwards({ fields: { ...FRESH, 'Content-Location': '/page' } }, { first: QUERY, second: {} })
  }),
  swr('MAY', 'send a stale response at once and revalidate it in the background', async (t) => {
    t.answer(({ run }) => ({
      fields: { 'Cache-Control': 'max-age=10, stale-while-revalidate=60', 'X-Run': String(run) },
    }))
    await t.get()
    t.wait(20)
    const got = await t.get()
    assert.deepEqual([got.text, got.field('age')], ['body 1', '20'])
    await runs(t, 2)
    assert.equal((await settled(t, 'body 2')).text, 'body 2')
  }),
  swr('SHOULD NOT', 'send it any more when the seconds are over', async (t) => {
    await t.forwards({ fields: { 'Cache-Control': 'max-age=10, stale-while-revalidate=60' } }, { after: 70 })
  }),
  swr('SHOULD', 'revalidate in the background with the stored validators', async (t) => {
    t.answer(({ run }) => ({
      status: run === 1 ? 200 : 304,
      fields: { 'Cache-Control': 'max-age=10, stale-while-revalidate=60', ETag: '"a"', 'X-Run': String(run) },
    }))
    await t.get()
    t.wait(20)
    await t.get()
    await runs(t, 2)
    assert.equal(t.calls[1]?.fields['if-none-match'], '"a"')
    t.answer({ status: 500 })
    const got = await settledField(t, '2')
    assert.equal(got.text, 'body 1')
  }),

  ...[500, 502, 503, 504].map((status) =>
    sie('MAY', `send a stale response in place of a ${status}`, async (t) => {
      assert.deepEqual(await afterError(t, 20, status), [200, 'body 1', '20'])
    }),
  ),
  sie('MAY', 'send a stale response when the handler throws', async (t) => {
    assert.deepEqual(await afterError(t, 20, undefined), [200, 'body 1', '20'])
  }),
  sie('SHOULD NOT', 'send it any more when the seconds are over', async (t) => {
    assert.equal((await afterError(t, 71, 503))[0], 503)
  }),
  sie('MUST NOT', 'send it in place of another status', async (t) => {
    assert.equal((await afterError(t, 20, 404))[0], 404)
  }),
  sie(
    'MAY',
    'obey stale-if-error of a request',
    async (t) => {
      t.answer(({ run }) =>
        run === 1 ? { fields: { 'Cache-Control': 'max-age=10, stale-if-error=5', ETag: '"a"' } } : { status: 500 },
      )
      await t.get()
      t.wait(20)
      assert.equal((await t.get({ 'Cache-Control': 'stale-if-error=60' })).status, 200)
    },
    { application: 'whether a stale response may be sent is for the server to say' },
  ),

  immutable('SHOULD', 'skip validation of a fresh immutable response for max-age=0', async (t) => {
    const second = { fields: { 'Cache-Control': 'max-age=0' } }
    await t.reuses({ fields: { 'Cache-Control': 'max-age=60, immutable' } }, { second })
  }),
  immutable('MUST', 'ignore an argument of immutable', async (t) => {
    const second = { fields: { 'Cache-Control': 'max-age=0' } }
    await t.reuses({ fields: { 'Cache-Control': 'max-age=60, immutable=no' } }, { second })
  }),
  immutable('SHOULD', 'revalidate a stale immutable response', async (t) => {
    await t.forwards({ fields: { 'Cache-Control': 'max-age=10, immutable' } }, { after: 20 })
  }),
  immutable('MUST', 'give immutable in a request no effect', async (t) => {
    await t.forwards(
      { fields: { 'Cache-Control': 'max-age=10' } },
      { second: { fields: { 'Cache-Control': 'immutable' } }, after: 20 },
    )
  }),

  statusField(
    'SHOULD NOT',
    'appear on a 504 that the cache made itself',
    async (t) => {
      const got = await t.get({ 'Cache-Control': 'only-if-cached' })
      if (got.status === 504) assert.equal(got.field('cache-status'), undefined)
    },
    {
      proxy: 'a client that asks for a stored response only is told why there is none; neither hit nor fwd is claimed',
    },
  ),
  statusField('MUST', 'name this cache by a token or a string', async (t) => {
    const got = await t.reuses({ fields: FRESH })
    assert.match(got.field('cache-status') ?? '', /^fallback-cache(; ?[a-z-]+(=[^;]+)?)*$/)
  }),
  statusField('SHOULD', 'keep the members of caches nearer to the origin in front on a miss', async (t) => {
    t.answer({ fields: { ...FRESH, 'Cache-Status': 'Upstream; hit; ttl=7' } })
    assert.match((await t.get()).field('cache-status') ?? '', /^Upstream; hit; ttl=7, fallback-cache; fwd=uri-miss/)
  }),
  statusField('SHOULD', 'keep the members of caches nearer to the origin in front on a hit', async (t) => {
    const got = await t.reuses({ fields: { ...FRESH, 'Cache-Status': 'Upstream; hit; ttl=7' } })
    assert.match(got.field('cache-status') ?? '', /^Upstream; hit; ttl=7, fallback-cache; hit/)
  }),
  statusField('SHOULD', 'say it with a 304 and a 206 made from the store', async (t) => {
    t.answer({ fields: { ...FRESH, ETag: '"a"' } })
    await t.get()
    for (const fields of [{ 'If-None-Match': '"a"' }, { Range: 'bytes=0-1' }]) {
      assert.match((await t.get(fields)).field('cache-status') ?? '', /^fallback-cache; hit/)
    }
  }),
  hit('MUST NOT', 'say hit and fwd together', async (t) => {
    t.answer({ fields: FRESH })
    for (const got of [await t.get(), await t.get()]) {
      const status = got.field('cache-status') ?? ''
      assert.notEqual(/; ?hit/.test(status), /; ?fwd=/.test(status))
    }
  }),
  hit('MUST NOT', 'say hit for a response that went forward for validation', async (t) => {
    const got = await validated(t)
    assert.doesNotMatch(got.field('cache-status') ?? '', /; ?hit/)
  }),
  forward('SHOULD', 'say uri-miss when nothing is stored for the URI', (t) => says(t, {}, /fwd=uri-miss/)),
  forward('SHOULD', 'say vary-miss when nothing stored matches the fields', async (t) => {
    t.answer({ fields: { ...FRESH, Vary: 'X-A' } })
    await t.get({ 'X-A': '1' })
    assert.match((await t.get({ 'X-A': '2' })).field('cache-status') ?? '', /fwd=vary-miss/)
  }),
  forward('SHOULD', 'say stale when what is stored is stale', async (t) => {
    const got = await t.forwards({ fields: FRESH }, { after: 61 })
    assert.match(got.field('cache-status') ?? '', /fwd=(stale|uri-miss)/)
  }),
  forward('SHOULD', 'say method for POST', async (t) => {
    assert.match((await t.ask({ method: 'POST' })).field('cache-status') ?? '', /fwd=method/)
  }),
  forward(
    'SHOULD',
    'say request when the request asked for it',
    async (t) => {
      const second = { fields: { 'Cache-Control': 'no-cache' } }
      const got = await t.forwards({ fields: FRESH }, { second })
      assert.match(got.field('cache-status') ?? '', /fwd=request/)
    },
    { application: 'a client cannot force the handler to run' },
  ),
  forwardStatus('SHOULD', 'say that the handler answered 304 where the client gets 200', async (t) => {
    const got = await validated(t)
    assert.equal(got.status, 200)
    assert.match(got.field('cache-status') ?? '', /fwd=stale; fwd-status=304/)
  }),
  ttl('SHOULD', 'tell the remaining lifetime', async (t) => {
    assert.match((await t.reuses({ fields: FRESH }, { after: 10 })).field('cache-status') ?? '', /; ?ttl=50/)
  }),
  ttl('MAY', 'tell staleness as a negative ttl', async (t) => {
    t.answer({ fields: { 'Cache-Control': 'max-age=10, stale-while-revalidate=60' } })
    await t.get()
    t.wait(20)
    assert.match((await t.get()).field('cache-status') ?? '', /; ?hit; ?ttl=-10/)
    await runs(t, 2)
  }),
  stored('MAY', 'say that a response was stored', (t) => says(t, FRESH, /fwd=uri-miss.*; ?stored(;|$)/)),
  stored('MUST NOT', 'say so when it was not', async (t) => {
    t.answer({ fields: { 'Cache-Control': 'no-store' } })
    assert.doesNotMatch((await t.get()).field('cache-status') ?? '', /; ?stored(;|$)/)
  }),
  collapsed('MAY', 'say that a request was collapsed', async (t) => {
    t.answer(async () => {
      await t.arrived(2)
      return { fields: FRESH }
    })
    const statuses = (await Promise.all([t.get(), t.get()])).map((got) => got.field('cache-status') ?? '')
    assert.equal(statuses.filter((one) => /fwd=uri-miss.*; ?collapsed(;|$)/.test(one)).length, 1)
  }),
  key('SHOULD NOT', 'show the key to everybody', async (t) => {
    assert.doesNotMatch((await t.reuses({ fields: FRESH })).field('cache-status') ?? '', /; ?key=/)
  }),

  ...['', 'max-age=', 'max-age=60,', '"a"', 'max-age=60; ;', 'MAX-AGE=60', 'max-age=6 0'].map((value) =>
    targetSyntax('MUST', `ignore a targeted field that is empty or malformed: ${value || '(nothing)'}`, async (t) => {
      t.setUp({ targets: ['cdn-cache-control'] })
      await t.forwards({ fields: { 'Cache-Control': 'no-store', 'CDN-Cache-Control': value } })
    }),
  ),
  targetSyntax('SHOULD NOT', 'coerce a lifetime that is no Integer', async (t) => {
    t.setUp({ targets: ['cdn-cache-control'] })
    await t.forwards({ fields: { 'Cache-Control': 'max-age=60', 'CDN-Cache-Control': 'max-age=60.5' } })
  }),
  targetSyntax('SHOULD', 'ignore parameters', async (t) => {
    t.setUp({ targets: ['cdn-cache-control'] })
    await t.reuses({ fields: { 'CDN-Cache-Control': 'max-age=60;a=b' } })
  }),
  targets('MUST', 'use the targeted field and ignore Cache-Control', async (t) => {
    t.setUp({ targets: ['cdn-cache-control'] })
    await t.reuses({ fields: { 'Cache-Control': 'no-store', 'CDN-Cache-Control': 'max-age=60' } })
  }),
  targets('MUST', 'use the targeted field when it is stricter', async (t) => {
    t.setUp({ targets: ['cdn-cache-control'] })
    await t.forwards({ fields: { 'Cache-Control': 'max-age=60', 'CDN-Cache-Control': 'no-store' } })
  }),
  targets('MUST', 'ignore Expires beside a targeted field', async (t) => {
    t.setUp({ targets: ['cdn-cache-control'] })
    await t.forwards({ status: 202, fields: { Expires: t.date(60), Date: t.date(), 'CDN-Cache-Control': 'x-none' } })
  }),
  targets('MUST', 'use the first field of the target list that is there', async (t) => {
    t.setUp({ targets: ['x-cache-control', 'cdn-cache-control'] })
    await t.forwards({ fields: { 'CDN-Cache-Control': 'max-age=60', 'X-Cache-Control': 'no-store' } })
  }),
  targets('MUST', 'go on to the next field when the first is malformed', async (t) => {
    t.setUp({ targets: ['x-cache-control', 'cdn-cache-control'] })
    await t.reuses({ fields: { 'CDN-Cache-Control': 'max-age=60', 'X-Cache-Control': 'no-store, &' } })
  }),
  targets('MUST NOT', 'be changed by a targeted field that is not on the list', async (t) => {
    t.setUp({ targets: ['x-cache-control'] })
    await t.forwards({ fields: { 'Cache-Control': 'no-store', 'CDN-Cache-Control': 'max-age=60' } })
  }),
  targets('MUST', 'pass targeted fields through', async (t) => {
    const got = await t.reuses({ fields: { ...FRESH, 'X-Cache-Control': 'max-age=5' } })
    assert.equal(got.field('x-cache-control'), 'max-age=5')
  }),
  ...['must-revalidate', 'no-cache', 'private', 'no-store'].map((directive) =>
    targets('MUST', `implement ${directive} in a targeted field`, async (t) => {
      t.setUp({ targets: ['cdn-cache-control'] })
      const fields = { 'CDN-Cache-Control': `max-age=10, ${directive}, stale-while-revalidate=60` }
      await t.forwards({ fields }, { after: 20 })
    }),
  ),
]

async function says(t: Trial, fields: Record<string, string>, status: RegExp): Promise<void> {
  t.answer({ fields })
  assert.match((await t.get()).field('cache-status') ?? '', status)
}

async function validated(t: Trial): Promise<Got> {
  t.answer(({ run }) => ({ status: run === 1 ? 200 : 304, fields: { 'Cache-Control': 'max-age=10', ETag: '"a"' } }))
  await t.get()
  t.wait(20)
  return t.get()
}

/** What a client gets when the handler fails some seconds after it answered; `undefined`: it throws. */
async function afterError(t: Trial, seconds: number, status: number | undefined): Promise<readonly unknown[]> {
  t.answer(({ run }) => {
    if (run === 1) return { fields: { 'Cache-Control': 'max-age=10, stale-if-error=60' } }
    if (status === undefined) throw new Error('down')
    return { status }
  })
  await t.get()
  t.wait(seconds)
  const got = await t.get()
  return [got.status, got.text, got.field('age')]
}

/** Waits for the handler to run in the background. */
async function runs(t: Trial, count: number): Promise<void> {
  for (let turn = 0; t.calls.length < count && turn < 200; turn += 1)
    await new Promise((resolve) => setTimeout(resolve, 2))
  assert.equal(t.calls.length, count)
}

async function settled(t: Trial, text: string): Promise<Got> {
  let got = await t.get()
  for (let turn = 0; got.text !== text && turn < 50; turn += 1) got = await t.get()
  return got
}

async function settledField(t: Trial, run: string): Promise<Got> {
  let got = await t.get()
  for (let turn = 0; got.field('x-run') !== run && turn < 50; turn += 1) got = await t.get()
  assert.equal(got.field('x-run'), run)
  return got
}
