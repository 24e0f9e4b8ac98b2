import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../src/core/clock.js'
import { decodeFrame, encodeFrame } from '../../src/core/tiers/wire-frame.js'
import { StoredResponse } from '../../src/http/store/stored-response.js'
import { headObject, parseStored } from '../../src/http/store/stored-text.js'
import { useStage } from '../middleware/contract-stage.js'
import { express } from '../middleware/hosts/express.js'
import type { CacheFace, Host } from '../middleware/hosts/host.js'
import { koa } from '../middleware/hosts/koa.js'
import { RedisServer } from '../support/redis-server.js'
import { until } from '../support/until.js'

/** Another program writes to Redis what only this library should: the worst is a miss. */
function attacks<M extends CacheFace>(host: Host<M>, server: () => RedisServer): void {
  const stage = useStage(host)

  /** What a client gets once the meta of the entry has been changed in Redis. */
  async function poisoned(change: (meta: Record<string, unknown>) => unknown) {
    const options = () => ({ ttl: 60, redis: server().url, clock: systemClock, redisTimeout: 5_000 })
    const site = { routes: [{ path: '/page', answer: () => ({ fields: { 'x-own': '1' }, body: 'right' }) }] }
    /** Once it is connected: where a busy machine is slow to connect, the first request is answered without Redis. */
    const start = async () => {
      const client = await stage.serve({ ...site, use: [stage.cached(options())] })
      await until('connected', () => stage.cachedStats().connected)
      return client
    }
    const writer = await start()
    const fields = { host: 'a.example' }
    await writer.get('/page', fields)
    const { key, framed } = await until('the entry', async () => {
      for (const key of (await server().command('KEYS', '/page:*')) as string[]) {
        const framed = decodeFrame((await server().commandBuffer('GET', key)) as Buffer)
        if (framed !== undefined) return { key, framed }
      }
      return undefined
    })
    const stored = parseStored(framed.entry)
    if (!(stored instanceof StoredResponse)) throw new Error('the entry is no response')
    // As JSON, in which each part can be of any type; of lines, test/http/store tells.
    const meta = JSON.parse(headObject({ ...stored, fields: stored.list }))
    const changed = change(meta)
    const text = typeof changed === 'string' ? changed : JSON.stringify(meta)
    await server().command(
      'SET',
      key,
      encodeFrame({ ...framed.entry, meta: text }, framed.entry.storedAt, { stamp: framed.stamp, label: framed.label }),
    )
    const reader = await start()
    return reader.get('/page', fields)
  }

  it('an entry that was not touched is used', async () => {
    expect((await poisoned(() => undefined)).cacheStatus.hit).toBe(true)
  })

  const changes: Record<string, (meta: Record<string, unknown>) => unknown> = {
    'another identity': (meta) => Object.assign(meta, { i: 'GET http://a.example/account' }),
    'no identity': (meta) => Object.assign(meta, { i: 7 }),
    'a status that is none': (meta) => Object.assign(meta, { s: 99_999 }),
    'an interim status': (meta) => Object.assign(meta, { s: 100 }),
    'a broken status': (meta) => Object.assign(meta, { s: 200.5 }),
    'a reason that splits': (meta) => Object.assign(meta, { r: 'OK\r\nSet-Cookie: a=b' }),
    'a value that splits': (meta) => Object.assign(meta, { f: ['X-A', 'a\r\nSet-Cookie: a=b'] }),
    'a line that splits': (meta) => Object.assign(meta, { f: ['X-A', ['a', 'a\r\nSet-Cookie: a=b']] }),
    'a name that splits': (meta) => Object.assign(meta, { f: ['X-A: a\r\nSet-Cookie', 'a=b'] }),
    'a value that is an object': (meta) => Object.assign(meta, { f: ['X-A', { a: 1 }] }),
    'a name that is an object': (meta) => Object.assign(meta, { f: [{}, 'a'] }),
    'the length of other bytes': (meta) => Object.assign(meta, { f: ['Content-Length', '1'] }),
    'a field that is for one connection': (meta) => Object.assign(meta, { f: ['Trailer', 'X-A'] }),
    'an odd list': (meta) => Object.assign(meta, { f: ['X-A'] }),
    'removed names that are none': (meta) => Object.assign(meta, { x: ['a b'] }),
    'directives that are none': (meta) => Object.assign(meta, { c: { noCacheFields: 7, maxAge: {} } }),
    'directives that are a list': (meta) => Object.assign(meta, { c: [1] }),
    'values that are missing': (meta) => Object.assign(meta, { v: ['x-user'], u: undefined }),
    'an age that is none': (meta) => Object.assign(meta, { a: 1e308 }),
    'no JSON': () => '{',
    nothing: () => '',
    'a list': () => '[]',
  }
  for (const [title, change] of Object.entries(changes)) {
    it(`an entry with ${title} is a miss`, async () => {
      const got = await poisoned(change)
      expect([got.status, got.text, got.field('x-own'), got.field('set-cookie')]).toEqual([
        200,
        'right',
        '1',
        undefined,
      ])
      expect(got.cacheStatus.hit).toBe(false)
    })
  }

  it('a meta with __proto__ changes no object', async () => {
    const got = await poisoned((meta) =>
      JSON.stringify(meta)
        .replace('{', '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},')
        .replace('}', '}'),
    )
    expect([got.status, got.text]).toEqual([200, 'right'])
    expect(Reflect.get({}, 'polluted')).toBe(undefined)
  })
}

describe('a foreign writer', () => {
  let server: RedisServer
  beforeAll(async () => {
    server = await RedisServer.start()
  })
  beforeEach(() => server.restart())
  afterAll(() => server.stop())

  describe('to Express', () => attacks(express, () => server))
  describe('to Koa', () => attacks(koa, () => server))
})
