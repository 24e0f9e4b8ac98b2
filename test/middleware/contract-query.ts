import { Agent, METHODS } from 'node:http'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { useStage } from './contract-stage.js'
import type { Ask } from './hosts/client.js'
import type { Answer, CacheFace, Call, CommonOptions, Host } from './hosts/host.js'

/** The method QUERY, which is safe and has a body (RFC 10008). */
export function queryContract<M extends CacheFace>(host: Host<M>): void {
  const stage = useStage(host)
  const QUERYING: CommonOptions = { ttl: 60, methods: ['GET', 'HEAD', 'QUERY'] }
  const JSON_TYPE = { 'content-type': 'application/json' }

  const site = async (
    options: CommonOptions = QUERYING,
    answer: (call: Call) => Answer | Promise<Answer> = async (call) => ({
      body: `${call.method} ${call.run}: ${call.method === 'QUERY' ? await call.body() : ''}`,
    }),
  ) => {
    const cached = stage.cached(options)
    const client = await stage.serve({
      use: [cached],
      routes: ['GET', 'QUERY', 'PUT'].map((method) => ({ method, path: '/page', answer })),
    })
    const query = (body: string, more: Ask = {}, path = '/page') =>
      client.ask(path, { method: 'QUERY', body, ...more, fields: { ...JSON_TYPE, ...more.fields } })
    return { cached, client, query }
  }

  // The parser of Node.js 20.19.0 does not know it, and answers 400 before anybody hears of the request.
  describe.skipIf(!METHODS.includes('QUERY'))('QUERY', () => {
    it('answers the same question from the store, and gives the handler its body', async () => {
      const { query } = await site()
      const first = await query('{"a":1}')
      expect([first.text, first.cacheStatus]).toMatchObject(['QUERY 1: {"a":1}', { fwd: 'uri-miss', stored: true }])
      const second = await query('{"a":1}')
      expect([second.text, second.cacheStatus.hit]).toEqual(['QUERY 1: {"a":1}', true])
    })

    it('tells apart contents, their type, coding and language, queries and hosts', async () => {
      const { query } = await site()
      const asked: readonly (readonly [string, Ask, string?])[] = [
        ['{"a":1}', {}],
        ['{"a": 1}', {}],
        ['', {}],
        ['{"a":1}', { fields: { 'content-type': 'application/json; charset=utf-8' } }],
        ['{"a":1}', { fields: { 'content-encoding': 'x-none' } }],
        ['{"a":1}', { fields: { 'content-language': 'en' } }],
        ['{"a":1}', { fields: { host: 'other.example' } }],
        ['{"a":1}', {}, '/page?a=1'],
      ]
      for (let round = 0; round < 2; round++) {
        for (const [at, [body, more, path]] of asked.entries()) {
          const got = await query(body, more, path)
          expect([at, got.text, got.cacheStatus.hit]).toEqual([at, `QUERY ${at + 1}: ${body}`, round === 1])
        }
      }
    })

    it('has nothing to do with GET and HEAD', async () => {
      const { client, query } = await site()
      await client.get('/page')
      expect((await query('')).text).toBe('QUERY 1: ')
      expect((await client.get('/page')).text).toBe('GET 1: ')
      expect((await client.ask('/page', { method: 'HEAD' })).cacheStatus.hit).toBe(true)
    })

    it('gives a body of many chunks to the handler, however it was split', async () => {
      const { client } = await site()
      const body = 'é'.repeat(30_000)
      for (const hit of [false, true]) {
        const got = await client.ask('/page', {
          method: 'QUERY',
          fields: { ...JSON_TYPE, 'transfer-encoding': 'chunked' },
          pieces: [body.slice(0, 3), body.slice(3, 20_000), body.slice(20_000)],
        })
        expect([got.text === `QUERY 1: ${body}`, got.cacheStatus.hit]).toEqual([true, hit])
      }
    })

    it('gives an empty chunked body to the handler as one that is still to end', async () => {
      const { client } = await site()
      const empty = { method: 'QUERY', fields: { ...JSON_TYPE, 'transfer-encoding': 'chunked' } }
      expect((await client.ask('/page', { ...empty, pieces: [] })).text).toBe('QUERY 1: ')
      expect((await client.ask('/page', { ...empty, pieces: [''] })).text).toBe('QUERY 1: ')
    })

    it('passes by with more than 64 KiB, announced or not, and the handler gets it all', async () => {
      const { client, query } = await site()
      const body = 'x'.repeat(64 * 1024 + 1)
      for (const run of [1, 2]) {
        const got = await query(body)
        expect([got.text.length, got.cacheStatus.detail]).toEqual([
          `QUERY ${run}: `.length + body.length,
          'request-too-large',
        ])
      }
      const chunked = { method: 'QUERY', fields: { ...JSON_TYPE, 'transfer-encoding': 'chunked' } }
      const got = await client.ask('/page', { ...chunked, pieces: [body.slice(0, 9), body.slice(9)] })
      expect([got.text.length, got.cacheStatus.detail]).toEqual(['QUERY 3: '.length + body.length, 'request-too-large'])
      expect((await query('x'.repeat(64 * 1024))).cacheStatus.stored).toBe(true)
    })

    it('leaves a connection as usable as it was, whether the handler reads the body or not', async () => {
      const { query } = await site(QUERYING, ({ run }) => ({ body: `run ${run}` }))
      const agent = new Agent({ keepAlive: true, maxSockets: 1 })
      try {
        for (const body of ['a', 'a', 'b', 'x'.repeat(100_000), 'a', 'x'.repeat(60_000), 'x'.repeat(60_000)]) {
          expect((await query(body, { agent })).status).toBe(200)
        }
      } finally {
        agent.destroy()
      }
    })

    it('waits for another request that asks the same', async () => {
      const { query } = await site(QUERYING, async (call) => {
        const body = await call.body()
        await new Promise((resolve) => setTimeout(resolve, 60))
        return { body: `run ${call.run}: ${body}` }
      })
      const got = await Promise.all([query('a'), query('a'), query('b')])
      expect(got.map(({ text }) => text.slice(-3)).sort()).toEqual([': a', ': a', ': b'])
      expect(got[0]?.text).toBe(got[1]?.text)
    })

    it('is refreshed in the background with the content that was asked', async () => {
      const { query } = await site({ ...QUERYING, staleWhileRevalidate: 60 })
      await query('{"a":1}')
      stage.clock.advance(90_000)
      expect((await query('{"a":1}')).text).toBe('QUERY 1: {"a":1}')
      await expect.poll(async () => (await query('{"a":1}')).text).toBe('QUERY 2: {"a":1}')
    })

    it('answers a condition by 304', async () => {
      const { query } = await site()
      const etag = (await query('a')).field('etag') ?? ''
      const got = await query('a', { fields: { 'if-none-match': etag } })
      expect([got.status, got.text, got.cacheStatus.hit]).toEqual([304, '', true])
      expect((await query('b', { fields: { 'if-none-match': etag } })).status).toBe(200)
    })

    it('answers as a whole what asks for a range', async () => {
      const { query } = await site()
      for (const hit of [false, true]) {
        const got = await query('a', { fields: { range: 'bytes=0-1' } })
        expect([got.status, got.text, got.cacheStatus.hit]).toEqual([200, 'QUERY 1: a', hit])
      }
    })

    it('is invalidated with its path, by code and by an unsafe request', async () => {
      const { cached, client, query } = await site()
      await query('a')
      await cached.invalidate('/page')
      expect((await query('a')).text).toBe('QUERY 2: a')
      await client.ask('/page', { method: 'PUT' })
      expect((await query('a')).text).toBe('QUERY 3: a')
    })

    it('invalidates nothing, also not the URLs of Location and Content-Location', async () => {
      const { client, query } = await site(QUERYING, ({ method, run }) => ({
        fields: method === 'QUERY' ? { location: '/page', 'content-location': '/page' } : {},
        body: `${method} ${run}`,
      }))
      await client.get('/page')
      await query('a')
      expect((await client.get('/page')).text).toBe('GET 1')
    })

    it('keeps those with credentials from what is for everybody, as GET does', async () => {
      const { query } = await site()
      await query('a', { fields: { authorization: 'Basic YTpi' } })
      expect((await query('a')).text).toBe('QUERY 2: a')
    })

    it('passes by unless the route says otherwise', async () => {
      const { query } = await site({ ttl: 60 })
      expect((await query('a')).text).toBe('QUERY 1: a')
      const got = await query('a')
      expect([got.text, got.cacheStatus.fwd]).toEqual(['QUERY 2: a', 'method'])
    })

    it.skipIf(host.nests === false)('is read by a cache within another one, whichever of them stores it', async () => {
      for (const methods of [['GET'], ['GET', 'QUERY']] as const) {
        const outer = stage.cached({ ttl: 60, methods })
        for (const group of ['', 'inner']) {
          const inner = stage.cached({ ...QUERYING, group, cache: outer.cache })
          const answer = async (call: Call) => ({ body: `${call.run}: ${await call.body()}` })
          const routes = [{ method: 'QUERY', path: '/page', use: [inner], answer }]
          const client = await stage.serve({ use: [outer], routes })
          for (const hit of [false, true]) {
            const got = await client.ask('/page', { method: 'QUERY', body: group, fields: JSON_TYPE })
            expect([methods, got.text, got.cacheStatus.hit]).toEqual([methods, `1: ${group}`, hit])
          }
        }
      }
    })

    it('survives a client that leaves in the middle of its body', async () => {
      const { client, query } = await site()
      const controller = new AbortController()
      const fields = { ...JSON_TYPE, 'transfer-encoding': 'chunked' }
      const leaving = client
        .ask('/page', { method: 'QUERY', fields, pieces: ['half'], endless: true, signal: controller.signal })
        .catch(() => 'left')
      for (let turns = 0; turns < 20; turns++) await turn()
      controller.abort()
      expect(await leaving).toBe('left')
      expect((await query('half')).text).toMatch(/: half$/)
    })
  })
}
