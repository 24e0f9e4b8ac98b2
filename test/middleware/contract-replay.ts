import { describe, expect, it } from 'vitest'
import { chunked, useStage } from './contract-stage.js'
import type { Got } from './hosts/client.js'
import type { Answer, CacheFace, Host } from './hosts/host.js'

const explicit = { 'cache-control': 'max-age=60' }

/** What a hit looks like beside the answer that it repeats. */
export function replayContract<M extends CacheFace>(host: Host<M>): void {
  const stage = useStage(host)

  describe('hits and misses', () => {
    it('runs the handler once and answers the next request from the store', async () => {
      const client = await stage.page(({ run }) => ({ body: `run ${run}` }))
      const miss = await client.get('/page')
      const hit = await client.get('/page')
      expect([miss.text, hit.text]).toEqual(['run 1', 'run 1'])
      expect(miss.cacheStatus).toMatchObject({ hit: false, fwd: 'uri-miss', stored: true })
      expect(hit.cacheStatus).toMatchObject({ hit: true, fwd: undefined, ttl: 60 })
    })

    it('counts the age of a hit in seconds, and sends none with a miss', async () => {
      const client = await stage.page(() => ({ body: 'page' }))
      const miss = await client.get('/page')
      stage.clock.advance(7_000)
      const hit = await client.get('/page')
      expect(miss.field('age')).toBeUndefined()
      expect(hit.field('age')).toBe('7')
      expect(hit.cacheStatus.ttl).toBe(53)
    })

    it('repeats the Date of the stored answer', async () => {
      const client = await stage.page(() => ({ body: 'page' }))
      const miss = await client.get('/page')
      stage.clock.advance(30_000)
      const hit = await client.get('/page')
      expect(hit.lines('date')).toHaveLength(1)
      // A miss has the Date that node gives it, from the clock of the machine.
      const distance = Date.parse(hit.field('date') ?? '') - Date.parse(miss.field('date') ?? '')
      expect(Math.abs(distance)).toBeLessThan(10_000)
    })

    it('runs the handler again once the freshness lifetime is over', async () => {
      const client = await stage.page(({ run }) => ({ body: `run ${run}` }))
      await client.get('/page')
      stage.clock.advance(59_000)
      expect((await client.get('/page')).text).toBe('run 1')
      stage.clock.advance(2_000)
      const later = await client.get('/page')
      expect(later.text).toBe('run 2')
      expect(later.cacheStatus.hit).toBe(false)
    })

    it('takes an answer at its word: s-maxage beats max-age, and both beat ttl', async () => {
      const client = await stage.serve({
        use: [stage.cached({ ttl: 60 })],
        routes: [
          {
            path: '/short',
            answer: ({ run }) => ({ fields: { 'cache-control': 'max-age=5' }, body: `${run}` }),
          },
          {
            path: '/shared',
            answer: ({ run }) => ({ fields: { 'cache-control': 'max-age=5, s-maxage=90' }, body: `${run}` }),
          },
        ],
      })
      await client.get('/short')
      await client.get('/shared')
      stage.clock.advance(6_000)
      expect((await client.get('/short')).text).toBe('2')
      stage.clock.advance(80_000)
      expect((await client.get('/shared')).text).toBe('1')
    })

    it('stores nothing that states no freshness when there is no ttl', async () => {
      const client = await stage.page(({ run }) => ({ body: `run ${run}` }), {})
      expect((await client.get('/page')).cacheStatus.stored).toBe(false)
      expect((await client.get('/page')).text).toBe('run 2')
    })

    it('invents no Cache-Control for clients', async () => {
      const client = await stage.page(() => ({ body: 'page' }))
      expect((await client.get('/page')).field('cache-control')).toBeUndefined()
      expect((await client.get('/page')).field('cache-control')).toBeUndefined()
    })

    it('gives a validator to stored answers that have none', async () => {
      const client = await stage.page(() => ({ fields: { 'content-type': 'text/plain' }, body: chunked('a', 'b') }))
      await client.get('/page')
      expect((await client.get('/page')).field('etag')).toMatch(/^(W\/)?"[^"]+"$/)
    })

    it('can keep Cache-Status to itself', async () => {
      const client = await stage.page(({ run }) => ({ body: `run ${run}` }), { ttl: 60, cacheStatus: false })
      await client.get('/page')
      const hit = await client.get('/page')
      expect(hit.text).toBe('run 1')
      expect(hit.field('cache-status')).toBeUndefined()
    })

    it('appends its Cache-Status to that of an upstream', async () => {
      const client = await stage.page(() => ({ fields: { 'cache-status': 'upstream; hit' }, body: 'page' }))
      const miss = await client.get('/page')
      expect(miss.field('cache-status')).toMatch(/^upstream; hit, fallback-cache;/)
    })

    it('counts hits and misses in stats()', async () => {
      const cached = stage.cached({ ttl: 60 })
      const client = await stage.serve({ use: [cached], routes: [{ path: '/page', answer: () => ({ body: 'page' }) }] })
      await client.get('/page')
      await client.get('/page')
      await client.get('/page')
      expect(cached.stats()).toMatchObject({ memoryEntries: 1, counters: { memoryHits: 2, misses: 1, stores: 1 } })
    })
  })

  describe('what a hit repeats', () => {
    const answers: Record<string, Answer> = {
      text: { fields: { 'content-type': 'text/plain; charset=utf-8' }, body: 'grün' },
      html: { body: '<p>page</p>' },
      json: { body: { json: { list: [1, 2, { three: 'drei' }] } } },
      bytes: { fields: { 'content-type': 'image/png' }, body: Buffer.from(Array.from({ length: 256 }, (_, i) => i)) },
      'an empty body': { fields: { 'content-type': 'text/plain' }, body: '' },
      'repeated fields': {
        fields: { link: ['</a>; rel=next', '</b>; rel=prev'], 'x-total-count': '41', 'content-language': 'de' },
        body: 'page',
      },
      'bytes above 0x7f in a field': { fields: { 'x-name': 'Br\u00fcnn \u00e9' }, body: Buffer.from('é') },
      'its own validators': {
        fields: { etag: '"one"', 'last-modified': 'Wed, 01 Jan 2020 00:00:00 GMT' },
        body: 'page',
      },
      'its Cache-Control': { fields: { 'cache-control': 'public, max-age=30, s-maxage=60' }, body: 'page' },
    }
    for (const [kind, answer] of Object.entries(answers)) {
      it(`is the same to the byte: ${kind}`, async () => {
        const client = await stage.page(() => answer)
        const miss = await client.get('/page')
        const hit = await client.get('/page')
        expect(hit.cacheStatus.hit).toBe(true)
        expectSame(hit, miss)
      })
    }

    it('is the same to the byte: a stream', async () => {
      const client = await stage.page(() => ({
        fields: { 'content-type': 'text/csv' },
        body: chunked('id,name\n', '1,one\n', '2,zwölf\n'),
      }))
      const miss = await client.get('/page')
      const hit = await client.get('/page')
      expect(hit.cacheStatus.hit).toBe(true)
      expect(hit.text).toBe('id,name\n1,one\n2,zwölf\n')
      expect(hit.body).toEqual(miss.body)
      expect(hit.field('content-type')).toBe('text/csv')
      expect(hit.field('content-length')).toBe(String(hit.body.length))
    })

    for (const status of [200, 203, 301, 302, 307, 308, 404, 410]) {
      it(`is the same to the byte: status ${status} with explicit freshness`, async () => {
        const fields = {
          ...explicit,
          'content-type': 'text/plain',
          ...(status >= 300 && status < 400 && { location: '/to' }),
        }
        const client = await stage.page(() => ({ status, fields, body: `status ${status}` }))
        const miss = await client.get('/page')
        const hit = await client.get('/page')
        expect([miss.status, hit.status]).toEqual([status, status])
        expect(hit.cacheStatus.hit).toBe(true)
        expectSame(hit, miss)
      })
    }

    it('is the same: status 204, which has no body', async () => {
      const client = await stage.page(() => ({ status: 204, fields: { ...explicit, 'x-kept': 'yes' } }))
      const miss = await client.get('/page')
      const hit = await client.get('/page')
      expect(hit.status).toBe(204)
      expect(hit.cacheStatus.hit).toBe(true)
      expect(hit.field('x-kept')).toBe('yes')
      expect(hit.field('content-type')).toBe(miss.field('content-type'))
      expect(hit.body).toHaveLength(0)
    })

    it('has no connection fields of the stored answer (RFC 9111, section 3.1)', async () => {
      const client = await stage.page(() => ({
        fields: { connection: 'x-hop, close', 'x-hop': 'here', 'proxy-authenticate': 'Basic', 'x-end': 'to end' },
        body: 'page',
      }))
      await client.get('/page')
      const hit = await client.get('/page')
      expect(hit.cacheStatus.hit).toBe(true)
      expect(hit.field('x-end')).toBe('to end')
      expect(hit.field('x-hop')).toBeUndefined()
      expect(hit.field('proxy-authenticate')).toBeUndefined()
    })

    it('has nothing of what middleware in front of the cache had set for another request', async () => {
      let requests = 0
      const client = await stage.serve({
        outer: (call) => {
          requests += 1
          call.setField('x-request-id', `${requests}`)
          call.setField('set-cookie', [`visit=${requests}`, 'theme=dark'])
          call.setField('access-control-allow-origin', call.fields.origin ?? '*')
          call.setField('vary', 'Origin')
        },
        use: [stage.cached({ ttl: 60 })],
        routes: [{ path: '/page', answer: () => ({ fields: { 'x-of-route': 'yes' }, body: 'page' }) }],
      })
      await client.get('/page', { origin: 'https://a.example' })
      const hit = await client.get('/page', { origin: 'https://b.example' })
      expect(hit.cacheStatus.hit).toBe(true)
      expect(hit.field('x-request-id')).toBe('2')
      expect(hit.lines('set-cookie')).toEqual(['visit=2', 'theme=dark'])
      expect(hit.field('access-control-allow-origin')).toBe('https://b.example')
      expect(hit.field('vary')).toBe('Origin')
      expect(hit.field('x-of-route')).toBe('yes')
    })

    it('unites Vary of the route with Vary of the middleware in front', async () => {
      const client = await stage.serve({
        outer: (call) => call.setField('vary', 'Origin'),
        use: [stage.cached({ ttl: 60 })],
        routes: [{ path: '/page', answer: () => ({ fields: { vary: 'Origin, Accept-Language' }, body: 'page' }) }],
      })
      await client.get('/page')
      const hit = await client.get('/page')
      expect(hit.cacheStatus.hit).toBe(true)
      expect(hit.field('vary')?.toLowerCase().split(/, */).sort()).toEqual(['accept-language', 'origin'])
    })
  })
}

function expectSame(hit: Got, miss: Got): void {
  const own = new Set(['date', 'age', 'cache-status', 'connection', 'keep-alive', 'etag', 'transfer-encoding'])
  const names = (got: Got) => got.names.filter((name) => !own.has(name))
  expect(hit.status).toBe(miss.status)
  expect(hit.statusText).toBe(miss.statusText)
  expect(hit.body).toEqual(miss.body)
  expect(names(hit)).toEqual(names(miss))
  for (const name of names(hit)) expect([name, ...hit.lines(name)]).toEqual([name, ...miss.lines(name)])
  if (miss.field('etag') !== undefined) expect(hit.field('etag')).toBe(miss.field('etag'))
}
