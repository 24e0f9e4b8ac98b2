import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../src/core/clock.js'
import { RedisServer } from '../support/redis-server.js'
import { type Client, endless, gate, useStage } from './contract-stage.js'
import { ask } from './hosts/client.js'
import type { CacheFace, Call, Host } from './hosts/host.js'

/**
 * Two applications, each with a core of its own, on one Redis.
 *
 * @param one - the framework of the first application
 * @param other - that of the second one
 */
export function redisContract<A extends CacheFace, B extends CacheFace>(one: Host<A>, other: Host<B>): void {
  if (process.env.SKIP_REDIS === '1') return

  // Around its own tests only: what is prepared here is prepared before each of them.
  describe('two applications on one Redis', () => {
    const first = useStage(one)
    const second = useStage(other)
    let server: RedisServer

    beforeAll(async () => {
      server = await RedisServer.start()
    })
    beforeEach(async () => {
      await server.restart()
    })
    afterAll(() => server.stop())

    // A deadline that no busy machine misses: a process that gets no answer from Redis goes on with what it has, and so may
    // give what the other one has replaced, or answer for itself.
    const options = () => ({ ttl: 60, redis: server.url, redisTimeout: 5_000, clock: systemClock })
    const binary = Buffer.from(Array.from({ length: 512 }, (_, i) => i % 256))

    const both = async (more: { redisTimeout?: number } = {}) => {
      const a = first.cached({ ...options(), ...more })
      const b = second.cached({ ...options(), ...more })
      const answer =
        (name: string) =>
        ({ run, fields }: { run: number; fields: Record<string, unknown> }) => ({
          fields: { vary: 'Accept-Language', link: ['</1>', '</2>'], 'cache-tag': 'page' },
          body: `${name} ${run} ${fields['accept-language'] ?? ''}`,
        })
      const bytes = () => ({ fields: { 'content-type': 'image/png' }, body: binary })
      return {
        a,
        b,
        one: await first.serve({
          use: [a],
          routes: [
            { path: '/page', answer: answer('one') },
            { path: '/bytes', answer: bytes },
          ],
        }),
        other: await second.serve({
          use: [b],
          routes: [
            { path: '/page', answer: answer('other') },
            { path: '/page', method: 'PUT', answer: () => ({ body: 'put' }) },
            { path: '/bytes', answer: () => ({ body: 'not these' }) },
          ],
        }),
      }
    }
    const host = { host: 'shop.example' }
    const keys = async (part: string) => {
      const all = (await server.command('KEYS', '*')) as string[]
      return all.filter((key) => key.includes(part)).length
    }
    /** Asks for a page, and waits until Redis has it under so many keys. */
    const warm = async (client: Client, path: string, entries: number, fields = {}) => {
      const got = await client.get(path, { ...host, ...fields })
      await expect.poll(() => keys(`${path.split('?', 1)[0]}:`), { timeout: 5_000 }).toBe(entries)
      return got
    }

    it('never go back to an older response, if Redis confirms what memory has', async () => {
      let version = 0
      const answer = () => ({ body: `v${version}` })
      const put = { path: '/page', method: 'PUT', answer: () => ({ body: 'put' }) }
      const shared = { ...options(), read: 'confirmed' as const, obeyClient: true }
      const caches = [first.cached(shared), second.cached(shared)] as const
      const clients = [
        await first.serve({ use: [caches[0]], routes: [{ path: '/page', answer }, put] }),
        await second.serve({ use: [caches[1]], routes: [{ path: '/page', answer }, put] }),
      ] as const
      const seen = async () => {
        const bodies: string[] = []
        for (const client of [...clients, ...clients]) bodies.push((await client.get('/page', host)).text)
        return bodies
      }
      await warm(clients[0], '/page', 1)
      expect(await seen()).toEqual(Array(4).fill('v0'))
      for (const [client, other] of [clients, [clients[1], clients[0]] as const]) {
        version++
        expect((await client.get('/page', { ...host, 'cache-control': 'no-cache' })).text).toBe(`v${version}`)
        // Redis may have it a moment later; from then on nothing older is given.
        await expect
          .poll(async () => (await other.get('/page', host)).text, { interval: 1, timeout: 5_000 })
          .toBe(`v${version}`)
        expect(await seen()).toEqual(Array(4).fill(`v${version}`))
      }
      version++
      await clients[1].ask('/page', { method: 'PUT', fields: host })
      expect(await seen()).toEqual(Array(4).fill(`v${version}`))
      const { confirmedHits } = caches[0].cache.stats().counters
      await seen()
      expect(caches[0].cache.stats().counters.confirmedHits).toBe(confirmedHits + 2)
    })

    it('do not wait for a body of the other one that does not end', async () => {
      const answer = () => ({ fields: { 'content-type': 'text/plain' }, body: endless('line') })
      const shared = options()
      const clients = [
        await first.serve({ use: [first.cached(shared)], routes: [{ path: '/page', answer }] }),
        await second.serve({ use: [second.cached(shared)], routes: [{ path: '/page', answer }] }),
      ]
      const leaving = new AbortController()
      const streams: Promise<unknown>[] = []
      const begin = performance.now()
      for (const client of clients) {
        const began = gate()
        const asked = ask(client.port, '/page', { fields: host, signal: leaving.signal, onFirstByte: began.open })
        streams.push(asked.catch(() => {}))
        await began.opened
      }
      // Without an end of its turn, the first one would have it for ten leases: 20 s.
      expect(performance.now() - begin).toBeLessThan(8_000)
      leaving.abort()
      await Promise.all(streams)
    })

    it('hold an invalidation of the other one by tags that are known after it', async () => {
      const { opened, open } = gate()
      const shared = options()
      const a = first.cached({ ...shared, tags: () => opened.then(() => ['product']) })
      const b = second.cached(shared)
      const client = await first.serve({
        use: [a],
        routes: [{ path: '/page', answer: ({ run }) => ({ body: `run ${run}` }) }],
      })
      expect((await client.get('/page', host)).text).toBe('run 1')
      expect(await b.invalidateTags(['product'])).toMatchObject({ durable: true })
      open()
      await expect.poll(async () => (await client.get('/page', host)).cacheStatus.hit, { timeout: 5_000 }).toBe(true)
      expect((await client.get('/page', host)).text).not.toBe('run 1')
      await b.invalidateTags(['product'])
      expect((await client.get('/page', host)).cacheStatus.hit).toBe(false)
    })

    it('refresh a stale page once, and both send what the one has made', async () => {
      let runs = 0
      const { opened, open } = gate()
      const answer = async () => {
        runs += 1
        const made = `made ${runs}`
        if (runs > 1) await opened
        return { body: made }
      }
      const shared = { ...options(), ttl: 1, staleWhileRevalidate: 600 }
      const [a, b] = [first.cached(shared), second.cached(shared)]
      const clients = [
        await first.serve({ use: [a], routes: [{ path: '/page', answer }] }),
        await second.serve({ use: [b], routes: [{ path: '/page', answer }] }),
      ]
      for (const client of clients) expect((await client.get('/page', host)).text).toBe('made 1')
      await new Promise((resolve) => setTimeout(resolve, 1_100))
      const stale = await Promise.all(clients.map((client) => client.get('/page', host)))
      expect(stale.map(({ text }) => text)).toEqual(['made 1', 'made 1'])
      await expect.poll(() => a.stats().refreshing + b.stats().refreshing).toBe(2)
      await expect.poll(() => runs).toBe(2)
      open()
      for (const client of clients) {
        await expect.poll(async () => (await client.get('/page', host)).text).toBe('made 2')
      }
      expect(runs).toBe(2)
    })

    describe('and a POST whose answer is stored', () => {
      const shared = () => ({ ...options(), methods: ['GET', 'HEAD', 'POST'] as const })
      const fields = { 'cache-control': 'max-age=60', 'content-location': '/page', 'cache-tag': 'page' }
      const pair = async (wait: () => Promise<void> = async () => {}) => {
        const a = first.cached(shared())
        const b = second.cached(shared())
        const routes = (name: string, post: () => Promise<void>) => [
          { path: '/page', answer: ({ run }: Call) => ({ body: `${name} get ${run}` }) },
          {
            path: '/page',
            method: 'POST',
            async answer({ run }: Call) {
              await post()
              return { fields, body: `${name} post ${run}` }
            },
          },
        ]
        return {
          b,
          one: await first.serve({ use: [a], routes: routes('one', wait) }),
          other: await second.serve({ use: [b], routes: routes('other', async () => {}) }),
        }
      }
      const post = { method: 'POST', body: 'x', fields: host }

      it('answers GET in the other one too, and takes out what was there', async () => {
        const { one, other } = await pair()
        await warm(other, '/page', 1)
        expect((await one.get('/page', host)).text).toBe('other get 1')
        expect((await one.ask('/page', post)).cacheStatus).toMatchObject({ fwd: 'method', stored: true })
        await expect.poll(async () => (await other.get('/page', host)).text, { timeout: 5_000 }).toBe('one post 1')
        expect((await one.get('/page', host)).text).toBe('one post 1')
        expect((await other.ask('/page', post)).text).toBe('other post 1')
        await expect.poll(async () => (await one.get('/page', host)).text, { timeout: 5_000 }).toBe('other post 1')
      })

      for (const [what, invalidate] of [
        ['a path', (b: B) => b.invalidate('/page')],
        ['a tag', (b: B) => b.invalidateTags(['page'])],
        ['the key alone', (b: B) => b.cache.invalidatePrefix('/page:')],
      ] as const) {
        it(`is kept out by ${what} that the other one invalidates during its run`, async () => {
          const started = gate()
          const goOn = gate()
          const { b, one, other } = await pair(async () => {
            started.open()
            await goOn.opened
          })
          const sent = one.ask('/page', post)
          await started.opened
          await expect.poll(() => invalidate(b), { timeout: 5_000 }).toMatchObject({ durable: true })
          goOn.open()
          expect((await sent).text).toBe('one post 1')
          expect((await one.get('/page', host)).text).toMatch(/get 1$/)
          expect((await other.get('/page', host)).text).toMatch(/get 1$/)
        })
      }

      it('is stored in memory while Redis is away, and written back', async () => {
        const { one } = await pair()
        await one.get('/page', host)
        await server.kill()
        expect((await one.ask('/page', post)).text).toBe('one post 1')
        expect((await one.get('/page', host)).text).toBe('one post 1')
        await server.restart()
        await expect.poll(() => keys('/page:'), { timeout: 8_000 }).toBe(1)
        expect((await one.get('/page', host)).text).toBe('one post 1')
      })
    })

    it('answer from what the other one stored', async () => {
      const { one, other } = await both()
      const miss = await warm(one, '/page', 2)
      const hit = await other.get('/page', host)
      expect(hit.text).toBe('one 1 ')
      expect(hit.cacheStatus).toMatchObject({ hit: true })
      expect(hit.cacheStatus.detail).toContain('redis')
      expect(hit.lines('link')).toEqual(miss.lines('link'))
      expect(hit.field('etag')).toBe(miss.field('etag'))
      expect(hit.field('age')).toMatch(/^[01]$/)
    })

    it('share variants and bytes', async () => {
      const { one, other } = await both()
      await warm(one, '/page', 2, { 'accept-language': 'en' })
      await warm(one, '/page', 3, { 'accept-language': 'fr' })
      await warm(one, '/bytes', 1)
      expect((await other.get('/page', { ...host, 'accept-language': 'fr' })).text).toBe('one 2 fr')
      expect((await other.get('/page', { ...host, 'accept-language': 'en' })).text).toBe('one 1 en')
      expect((await other.get('/page', { ...host, 'accept-language': 'de' })).text).toBe('other 1 de')
      const bytes = await other.get('/bytes', host)
      expect(bytes.body.equals(binary)).toBe(true)
      expect(bytes.field('content-type')).toBe('image/png')
    })

    it('count the variants of both', async () => {
      const a = first.cached({ ...options(), maxVariants: 2 })
      const b = second.cached({ ...options(), maxVariants: 2 })
      const answer = ({ run }: Call) => ({ fields: { vary: 'X-Plan', 'cache-tag': 'plans' }, body: `run ${run}` })
      const routes = [{ path: '/page', answer }]
      const one = await first.serve({ use: [a], routes })
      const other = await second.serve({ use: [b], routes })
      await warm(one, '/page', 2, { 'x-plan': 'a' })
      await warm(other, '/page', 3, { 'x-plan': 'b' })
      expect((await one.get('/page', { ...host, 'x-plan': 'a' })).cacheStatus.hit).toBe(true)
      expect((await one.get('/page', { ...host, 'x-plan': 'c' })).cacheStatus.stored).toBe(true)
      // Here a was asked for twice, and b never.
      expect((await one.get('/page', { ...host, 'x-plan': 'a' })).cacheStatus.hit).toBe(true)
      expect((await one.get('/page', { ...host, 'x-plan': 'b' })).cacheStatus.hit).toBe(false)
    })

    it('find what the other one stored by a rule of No-Vary-Search, and its next rule', async () => {
      let rule = 'params=("utm")'
      const answer = (name: string) => ({
        path: '/page',
        answer: ({ run }: Call) => ({ fields: { 'no-vary-search': rule }, body: `${name} ${run}` }),
      })
      const a = first.cached({ ...options(), noVarySearch: true })
      const b = second.cached({ ...options(), noVarySearch: true })
      const one = await first.serve({ use: [a], routes: [answer('one')] })
      const other = await second.serve({ use: [b], routes: [answer('other')] })
      await warm(one, '/page?utm=1', 2)
      const got = await other.get('/page?utm=2', host)
      expect([got.text, got.cacheStatus.hit]).toEqual(['one 1', true])
      rule = 'except=("id")'
      expect((await other.get('/page?id=1&x=1', host)).text).toBe('other 1')
      await expect.poll(async () => (await one.get('/page?id=1&x=2', host)).text, { timeout: 5_000 }).toBe('other 1')
      await expect.poll(() => b.invalidate('/page'), { timeout: 5_000 }).toMatchObject({ durable: true })
      expect((await one.get('/page?id=1&x=3', host)).cacheStatus.hit).toBe(false)
    })

    it('obey an invalidation by the other one from the next read on', async () => {
      const { b, one, other } = await both()
      await warm(one, '/page', 2)
      expect((await other.get('/page', host)).cacheStatus.hit).toBe(true)
      await expect(b.invalidate('/page')).resolves.toMatchObject({ durable: true })
      expect((await one.get('/page', host)).text).toBe('one 2 ')
    })

    it('keep answering from memory when Redis dies, and share again when it is back', async () => {
      const { one, other } = await both()
      await warm(one, '/page', 2)
      await other.get('/page', host)
      await server.kill()
      for (const client of [one, other]) {
        const got = await client.get('/page', host)
        expect([got.status, got.text]).toEqual([200, 'one 1 '])
        expect((await client.get('/bytes', host)).status).toBe(200)
      }
      await server.restart()
      // What was stored during the outage is written back.
      await expect.poll(() => keys('/bytes:'), { timeout: 8_000 }).toBe(1)
    })

    it('keep answering when Redis freezes', async () => {
      const { one, other } = await both({ redisTimeout: 300 })
      await warm(one, '/page', 2)
      await other.get('/page', host)
      server.freeze()
      try {
        for (const client of [one, other]) {
          expect((await client.get('/page', host)).text).toBe('one 1 ')
          expect((await client.get('/bytes', host)).status).toBe(200)
        }
      } finally {
        server.resume()
      }
    })

    it('obey an unsafe request to the other one, and tags', async () => {
      const { a, one, other } = await both()
      await warm(one, '/page', 2)
      expect((await other.get('/page', host)).text).toBe('one 1 ')
      expect((await other.ask('/page', { method: 'PUT', fields: host })).status).toBe(200)
      expect((await warm(one, '/page', 2)).text).toBe('one 2 ')
      expect((await other.get('/page', host)).text).toBe('one 2 ')
      await a.invalidateTags(['page'])
      expect((await other.get('/page', host)).text).toBe('other 1 ')
    })
  })
}
