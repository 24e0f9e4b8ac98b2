import { describe, expect, it } from 'vitest'
import { gate, useStage } from './contract-stage.js'
import type { CacheFace, Call, Host } from './hosts/host.js'

/** What happens after the freshness lifetime (RFC 5861). */
export function staleContract<M extends CacheFace>(host: Host<M>): void {
  const stage = useStage(host)

  describe('a soft invalidation', () => {
    const site = async (fields: Record<string, string> = {}) => {
      const { opened, open } = gate()
      const seen = { runs: 0 }
      const cached = stage.cached({ ttl: 60, tags: () => ['page'] })
      const client = await stage.serve({
        use: [cached],
        routes: [
          {
            path: '/page/:id',
            answer: async ({ run }) => {
              seen.runs = run
              if (run === 2) await opened
              return { fields, body: `run ${run}` }
            },
          },
        ],
      })
      return { cached, client, open, seen }
    }

    it.each([
      ['a path', (cached: CacheFace) => cached.invalidate('/page', { soft: true })],
      ['the segments of a path', (cached: CacheFace) => cached.invalidate(['page', 1], { soft: true })],
      ['everything', (cached: CacheFace) => cached.invalidate({ soft: true })],
      ['a tag', (cached: CacheFace) => cached.invalidateTags(['page'], { soft: true })],
    ])('by %s has the stored answer sent while the handler makes it again, once', async (_by, invalidate) => {
      const { cached, client, open, seen } = await site({ 'cache-control': 'max-age=60, must-revalidate' })
      await client.get('/page/1')
      expect(await invalidate(cached)).toMatchObject({ durable: true })
      const stale = await Promise.all([client.get('/page/1'), client.get('/page/1'), client.get('/page/1')])
      expect(stale.map(({ text }) => text)).toEqual(['run 1', 'run 1', 'run 1'])
      await expect.poll(() => seen.runs).toBe(2)
      expect((await client.get('/page/1')).text).toBe('run 1')
      open()
      await expect.poll(async () => (await client.get('/page/1')).text).toBe('run 2')
      await client.get('/page/1')
      expect(seen.runs).toBe(2)
      expect(cached.stats().counters.stale).toBeGreaterThanOrEqual(4)
    })

    it('leaves nothing behind that a hard one covers, before it or after it', async () => {
      const { cached, client, open } = await site()
      open()
      await client.get('/page/1')
      await cached.invalidate('/page', { soft: true })
      await cached.invalidate('/page/1')
      expect((await client.get('/page/1')).text).toBe('run 2')
      await cached.invalidateTags(['page'])
      await cached.invalidate({ soft: true })
      expect((await client.get('/page/1')).text).toBe('run 3')
    })

    it('ends with the lifetime of the answer', async () => {
      const { cached, client, open } = await site()
      open()
      await client.get('/page/1')
      await cached.invalidate('/page', { soft: true })
      stage.clock.advance(61_000)
      expect((await client.get('/page/1')).text).toBe('run 2')
    })

    it('takes no other option, and no other object for options', async () => {
      const { cached } = await site()
      await expect(cached.invalidate({ soft: true, id: 1 } as object)).rejects.toThrow('names no path')
      await expect(cached.invalidate({})).rejects.toThrow('names no path')
      await expect(cached.invalidate('/page', { sotf: true } as object)).rejects.toThrow('did you mean "soft"')
    })
  })

  describe('stale-while-revalidate', () => {
    it('answers at once and runs the handler once in the background', async () => {
      const { opened, open } = gate()
      let runs = 0
      const client = await stage.page(
        async ({ run }) => {
          runs = run
          if (run === 2) await opened
          return { body: `run ${run}` }
        },
        { ttl: 60, staleWhileRevalidate: 30 },
      )
      await client.get('/page')
      stage.clock.advance(70_000)
      const stale = await Promise.all([client.get('/page'), client.get('/page'), client.get('/page')])
      for (const got of stale) {
        expect(got.text).toBe('run 1')
        expect(got.field('age')).toBe('70')
        expect(got.cacheStatus).toMatchObject({ hit: true, ttl: -10 })
      }
      await expect.poll(() => runs).toBe(2)
      expect((await client.get('/page')).text).toBe('run 1')
      open()
      await expect.poll(async () => (await client.get('/page')).text).toBe('run 2')
      expect(runs).toBe(2)
      expect((await client.get('/page')).cacheStatus).toMatchObject({ hit: true, ttl: 60 })
    })

    it('is taken from the answer itself', async () => {
      let runs = 0
      const client = await stage.page(({ run }) => {
        runs = run
        return { fields: { 'cache-control': 'max-age=10, stale-while-revalidate=20' }, body: `run ${run}` }
      }, {})
      await client.get('/page')
      stage.clock.advance(15_000)
      expect((await client.get('/page')).text).toBe('run 1')
      await expect.poll(() => runs).toBe(2)
      stage.clock.advance(40_000)
      expect((await client.get('/page')).text).toBe('run 3')
    })

    it('runs the whole application for the refresh, as an anonymous request to the same URL', async () => {
      const seen: string[] = []
      const client = await stage.serve({
        outer: (call) => call.setField('x-request-id', String(call.fields.host)),
        use: [stage.cached({ ttl: 60, staleWhileRevalidate: 60 })],
        routes: [
          {
            path: '/page/:id',
            answer: ({ run, path, query, fields, method }) => {
              seen.push(`${run} ${method} ${path} ${query.get('a')} ${fields['if-none-match']} ${fields.range}`)
              return { fields: { etag: `"${run}"` }, body: `run ${run}` }
            },
          },
        ],
      })
      await client.get('/page/1?a=b')
      stage.clock.advance(70_000)
      const stale = await client.get('/page/1?a=b', { 'if-none-match': '"1"', range: 'bytes=0-1' })
      expect(stale.status).toBe(304)
      await expect.poll(() => seen).toHaveLength(2)
      expect(seen[1]).toMatch(/^2 GET \/page\/1 b ("1"|undefined) undefined$/)
      await expect.poll(async () => (await client.get('/page/1?a=b')).text).toBe('run 2')
    })

    it('carries nothing of the client but what the key and the selecting fields hold', async () => {
      const seen: Call['fields'][] = []
      const client = await stage.page(
        ({ run, fields }) => {
          seen.push({ ...fields })
          return { fields: { vary: 'Accept-Language' }, body: `run ${run} ${fields['accept-language']}` }
        },
        // This handler reads every field to tell of it.
        { ttl: 60, staleWhileRevalidate: 300, inputs: false },
      )
      const own = { 'accept-language': 'fr', host: 'shop.example' }
      const personal = {
        'x-experiment': 'acme',
        cookie: 'theme=dark',
        'user-agent': 'Browser',
        'x-forwarded-for': '7.7.7.7',
      }
      await client.get('/page', { ...own, ...personal })
      stage.clock.advance(70_000)
      await client.get('/page', { ...own, ...personal })
      await expect.poll(() => seen.length).toBe(2)
      expect(seen[1]).toMatchObject({ ...own, 'user-agent': 'fallback-cache' })
      for (const name of ['x-experiment', 'cookie', 'x-forwarded-for', 'connection'])
        expect(seen[1]?.[name]).toBeUndefined()
      await expect.poll(async () => (await client.get('/page', own)).text).toBe('run 2 fr')
    })

    it('carries of the cookies those that select the stored response', async () => {
      const seen: Call['fields'][] = []
      const client = await stage.page(
        ({ run, fields }) => {
          seen.push({ ...fields })
          return { body: `run ${run}` }
        },
        { ttl: 60, staleWhileRevalidate: 300, vary: ['cookie:theme'], inputs: false },
      )
      const cookie = 'seen=7; theme=dark; shown=1'
      await client.get('/page', { cookie })
      stage.clock.advance(70_000)
      await client.get('/page', { cookie })
      await expect.poll(() => seen.length).toBe(2)
      expect(seen[1]?.cookie).toBe('theme=dark')
      await expect.poll(async () => (await client.get('/page', { cookie })).text).toBe('run 2')
      expect((await client.get('/page', { cookie })).cacheStatus.ttl).toBe(60)
    })

    it('carries all fields where the route has a key of its own', async () => {
      const seen: Call['fields'][] = []
      const client = await stage.page(
        ({ run, fields }) => {
          seen.push({ ...fields })
          return { body: `run ${run}` }
        },
        { ttl: 60, staleWhileRevalidate: 300, key: () => 'acme', inputs: false },
      )
      await client.get('/page', { 'x-experiment': 'acme' })
      stage.clock.advance(70_000)
      await client.get('/page', { 'x-experiment': 'acme', 'if-none-match': '"a"', range: 'bytes=0-1' })
      await expect.poll(() => seen.length).toBe(2)
      expect(seen[1]?.['x-experiment']).toBe('acme')
      expect(seen[1]?.range).toBeUndefined()
    })

    it('goes on for other pages when refreshes hang, each of which is given up in the end', async () => {
      let hangs = false
      let closed = 0
      const client = await stage.serve({
        use: [stage.cached({ ttl: 60, staleWhileRevalidate: 3600, maxHandlerTime: 30, collapseTimeout: 10 })],
        routes: [
          {
            path: '/hangs/:id',
            async answer({ closed: left }) {
              if (hangs) {
                await left
                closed += 1
              }
              return { body: 'page' }
            },
          },
          { path: '/page', answer: ({ run }) => ({ body: `run ${run}` }) },
        ],
      })
      const paths = Array.from({ length: 64 }, (_, i) => `/hangs/${i}`)
      for (const path of [...paths, '/page']) await client.get(path)
      stage.clock.advance(70_000)
      hangs = true
      for (const path of paths) await client.get(path)
      expect(stage.cachedStats().refreshing).toBe(64)
      expect((await client.get('/page')).text).toBe('run 1')
      await stage.clock.advanceInTurns(10_000)
      expect((await client.get('/page')).text).toBe('run 1')
      await expect.poll(async () => (await client.get('/page')).text).toBe('run 2')
      await stage.clock.advanceInTurns(20_000)
      await expect.poll(() => closed).toBe(64)
      await expect.poll(() => stage.cachedStats().refreshing).toBe(0)
    })

    it('keeps the stale answer when the refresh fails, and tries again', async () => {
      let runs = 0
      const client = await stage.page(
        ({ run }) => {
          runs = run
          if (run === 2) throw new Error('down')
          return { body: `run ${run}` }
        },
        { ttl: 60, staleWhileRevalidate: 300 },
      )
      await client.get('/page')
      stage.clock.advance(70_000)
      expect((await client.get('/page')).text).toBe('run 1')
      await expect.poll(() => runs).toBe(2)
      await expect
        .poll(async () => {
          stage.clock.advance(2_000)
          return (await client.get('/page')).text
        })
        .toBe('run 3')
    })

    it('is over at the end of its window', async () => {
      const client = await stage.page(({ run }) => ({ body: `run ${run}` }), { ttl: 60, staleWhileRevalidate: 30 })
      await client.get('/page')
      stage.clock.advance(91_000)
      expect((await client.get('/page')).text).toBe('run 2')
    })

    it('is forbidden by must-revalidate', async () => {
      const client = await stage.page(
        ({ run }) => ({ fields: { 'cache-control': 'max-age=60, must-revalidate' }, body: `run ${run}` }),
        { staleWhileRevalidate: 30 },
      )
      await client.get('/page')
      stage.clock.advance(61_000)
      expect((await client.get('/page')).text).toBe('run 2')
    })
  })

  describe('stale-if-error', () => {
    const heads: Readonly<Record<string, (run: number) => { fields?: Record<string, string>; body: string }>> = {
      'another length': (run) => ({ body: 'x'.repeat(run) }),
      'another entity tag': (run) => ({ fields: { etag: `"${run}"` }, body: 'page' }),
      'another date': (run) => ({ fields: { 'last-modified': `Wed, 01 Jan 2020 00:00:0${run} GMT` }, body: 'page' }),
      'a cookie': (run) => ({
        fields: run === 1 ? { etag: '"a"' } : { etag: '"a"', 'set-cookie': 'a=b' },
        body: 'page',
      }),
    }
    for (const [what, answer] of Object.entries(heads)) {
      it(`has its copy still after a HEAD that brings ${what} (RFC 9111, section 4.3.5)`, async () => {
        let isDown = false
        const client = await stage.page(
          ({ run }) => {
            if (isDown) throw new Error('down')
            return answer(run)
          },
          { ttl: 60, staleIfError: 600, allowRefresh: () => true },
        )
        const first = await client.get('/page')
        // While it is fresh, and once it is stale.
        await client.ask('/page', { method: 'HEAD', fields: { 'cache-control': 'no-cache' } })
        stage.clock.advance(70_000)
        await client.ask('/page', { method: 'HEAD' })
        isDown = true
        const got = await client.get('/page')
        expect([got.status, got.text, got.cacheStatus.detail]).toEqual([200, first.text, 'stale-if-error'])
      })
    }

    it('takes a fresh response for stale once a HEAD has another entity tag', async () => {
      const client = await stage.page(({ run }) => ({ fields: { etag: `"${run}"` }, body: `run ${run}` }), {
        ttl: 60,
        allowRefresh: () => true,
      })
      await client.get('/page')
      await client.ask('/page', { method: 'HEAD', fields: { 'cache-control': 'no-cache' } })
      const got = await client.get('/page')
      expect([got.text, got.cacheStatus.fwd]).toEqual(['run 3', 'stale'])
    })

    const faults = {
      throws: () => {
        throw new Error('down')
      },
      'answers 500': () => ({ status: 500, body: 'down' }),
      'answers 503': () => ({ status: 503, body: { json: { error: 'down' } } }),
    }
    for (const [title, fault] of Object.entries(faults)) {
      it(`sends the stale answer when the handler ${title}`, async () => {
        const client = await stage.page(
          ({ run }) =>
            run === 2 ? fault() : { fields: { 'content-type': 'text/plain', etag: `"${run}"` }, body: `run ${run}` },
          { ttl: 60, staleIfError: 300 },
        )
        const first = await client.get('/page')
        stage.clock.advance(70_000)
        const stale = await client.get('/page')
        expect([stale.status, stale.text]).toEqual([200, 'run 1'])
        expect(stale.field('content-type')).toBe(first.field('content-type'))
        expect(stale.field('content-length')).toBe('5')
        expect(stale.field('etag')).toBe('"1"')
        expect(stale.field('age')).toBe('70')
        expect((await client.get('/page')).text).toBe('run 3')
      })
    }

    it('does not hide other answers', async () => {
      const client = await stage.page(({ run }) => ({ status: run === 2 ? 404 : 200, body: `run ${run}` }), {
        ttl: 60,
        staleIfError: 300,
      })
      await client.get('/page')
      stage.clock.advance(70_000)
      expect((await client.get('/page')).status).toBe(404)
    })

    it('is over at the end of its window', async () => {
      const client = await stage.page(
        ({ run }) => {
          if (run > 1) throw new Error('down')
          return { body: `run ${run}` }
        },
        { ttl: 60, staleIfError: 30 },
      )
      await client.get('/page')
      stage.clock.advance(91_000)
      expect((await client.get('/page')).status).toBe(500)
    })
  })
}
