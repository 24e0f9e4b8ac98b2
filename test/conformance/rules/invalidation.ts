import assert from 'node:assert/strict'
import { section } from '../rule.js'
import type { Fields, Trial } from '../trial.js'

const invalidating = section(9111, '4.4')
const groups = section(9875, '2')
const identifying = section(9875, '2.1')
const groupBehaviour = section(9875, '2.2.1')
const groupInvalidation = section(9875, '3')

const FRESH = { 'Cache-Control': 'max-age=600' }
const GROUPS = Array.from({ length: 32 }, (_, n) => `"${String(n).padStart(32, 'g')}"`).join(', ')

/** RFC 9111, section 4.4, and RFC 9875: what takes stored responses out of use. */
export const invalidationRules = [
  ...['POST', 'PUT', 'DELETE', 'PATCH', 'MKCOL', 'PROPPATCH'].map((method) =>
    invalidating('MUST', `invalidate the target when ${method} succeeds`, async (t) => {
      assert.equal(await isInvalidated(t, method, 200), true)
    }),
  ),
  invalidating('MUST', 'invalidate when the answer is 3xx', async (t) => {
    assert.equal(await isInvalidated(t, 'POST', 303), true)
  }),
  invalidating('MAY', 'keep what is stored when the answer is 5xx', async (t) => {
    assert.equal(await isInvalidated(t, 'POST', 500), false)
  }),
  invalidating('MAY', 'keep what is stored when the answer is 4xx', async (t) => {
    assert.equal(await isInvalidated(t, 'POST', 403), false)
  }),
  invalidating('MUST', 'keep what is stored when the method is safe', async (t) => {
    assert.equal(await isInvalidated(t, 'OPTIONS', 200), false)
  }),
  invalidating('MUST', 'invalidate all variants', async (t) => {
    t.answer(({ method }) => (method === 'GET' ? { fields: { ...FRESH, Vary: 'X-A' } } : {}))
    await t.get({ 'X-A': '1' })
    await t.get({ 'X-A': '2' })
    await t.ask({ method: 'POST' })
    await t.get({ 'X-A': '1' })
    await t.get({ 'X-A': '2' })
    assert.equal(t.calls.length, 5)
  }),
  ...['Location', 'Content-Location'].flatMap((name) => [
    invalidating('MAY', `invalidate the URI in ${name}`, async (t) => {
      assert.equal(await isInvalidated(t, 'POST', 201, { [name]: '/page' }, '/pages'), true)
    }),
    invalidating('MAY', `invalidate the absolute URI in ${name}`, async (t) => {
      assert.equal(await isInvalidated(t, 'POST', 201, { [name]: 'http://cache.test/page' }, '/pages'), true)
    }),
    invalidating('MUST NOT', `invalidate by ${name} under another host name than that of the target`, async (t) => {
      assert.equal(await isInvalidated(t, 'POST', 201, { [name]: '/page' }, '/pages', 'evil.test'), false)
    }),
    invalidating('MUST NOT', `invalidate by an absolute URI of another origin in ${name}`, async (t) => {
      assert.equal(await isInvalidated(t, 'POST', 201, { [name]: 'http://evil.test/page' }, '/pages'), false)
    }),
    invalidating('MUST NOT', `invalidate the URI in ${name} of an error`, async (t) => {
      assert.equal(await isInvalidated(t, 'POST', 500, { [name]: '/page' }, '/pages'), false)
    }),
  ]),

  groups('MUST', 'support 32 groups of 32 characters', async (t) => {
    assert.equal(await isGroupInvalidated(t, GROUPS, `"${'31'.padStart(32, 'g')}"`), true)
  }),
  groups('SHOULD', 'ignore parameters of a group', async (t) => {
    assert.equal(await isGroupInvalidated(t, '"a";b=1, "c"', '"a";x'), true)
  }),
  groups('SHOULD', 'ignore the order', async (t) => {
    assert.equal(await isGroupInvalidated(t, '"a", "b"', '"c", "b"'), true)
  }),
  identifying('MUST', 'compare groups case-sensitively', async (t) => {
    assert.equal(await isGroupInvalidated(t, '"a"', '"A"'), false)
  }),
  identifying('MUST', 'keep groups of two origins apart', async (t) => {
    assert.equal(await isGroupInvalidated(t, '"a"', '"a"', { host: 'other.test' }), false)
  }),
  groupBehaviour('MUST NOT', 'invalidate further groups of what a group invalidates', async (t) => {
    const groups: Readonly<Record<string, string>> = { '/both': '"a", "b"', '/page': '"b"' }
    t.answer(({ method, target }) =>
      method === 'GET'
        ? { fields: { ...FRESH, 'Cache-Groups': groups[target] ?? '' } }
        : { fields: { 'Cache-Group-Invalidation': '"a"' } },
    )
    for (const target of ['/both', '/page']) await t.ask({ target })
    await t.ask({ method: 'POST', target: '/other' })
    for (const target of ['/both', '/page']) await t.ask({ target })
    assert.deepEqual(
      t.calls.map(({ target }) => target),
      ['/both', '/page', '/other', '/both'],
    )
  }),
  groupInvalidation('MAY', 'invalidate the responses of a group', async (t) => {
    assert.equal(await isGroupInvalidated(t, '"a"', '"a"'), true)
  }),
  groupInvalidation('MUST', 'ignore it in answers to safe methods', async (t) => {
    assert.equal(await isGroupInvalidated(t, '"a"', '"a"', { method: 'OPTIONS' }), false)
  }),
  groupInvalidation('MUST', 'ignore it in an answer to GET', async (t) => {
    assert.equal(await isGroupInvalidated(t, '"a"', '"a"', { method: 'GET' }), false)
  }),
  groupInvalidation('MUST', 'ignore a value that is no List of Strings', async (t) => {
    assert.equal(await isGroupInvalidated(t, '"a"', 'a'), false)
  }),
  groupInvalidation('MUST', 'support 32 groups of 32 characters', async (t) => {
    assert.equal(await isGroupInvalidated(t, `"${'31'.padStart(32, 'g')}"`, GROUPS), true)
  }),
]

/** Whether /page has to be made again after an answer to another request. */
async function isInvalidated(
  t: Trial,
  method: string,
  status: number,
  fields: Fields = {},
  target = '/page',
  host = 'cache.test',
): Promise<boolean> {
  t.answer((call) => (call.method === 'GET' ? { fields: FRESH } : { status, fields }))
  await t.get()
  await t.ask({ method, target, host })
  await t.get()
  return t.calls.length === 3
}

async function isGroupInvalidated(
  t: Trial,
  groups: string,
  invalidated: string,
  { method = 'POST', host = 'cache.test' } = {},
): Promise<boolean> {
  t.answer((call) =>
    call.target === '/page'
      ? { fields: { ...FRESH, 'Cache-Groups': groups } }
      : { fields: { 'Cache-Group-Invalidation': invalidated } },
  )
  await t.get()
  await t.ask({ method, host, target: '/other' })
  await t.get()
  return t.calls.length === 3
}
