import { describe, expect, it } from 'vitest'
import { gate, useStage } from './contract-stage.js'
import type { CacheFace, CommonOptions, Host } from './hosts/host.js'

/** A fault of the cache, or of what the user gave it, never changes an answer. */
export function faultsContract<M extends CacheFace>(host: Host<M>): void {
  const stage = useStage(host)
  const boom = () => {
    throw new Error('boom')
  }

  /** Throws a value of which not even the class can be asked. */
  const throwProxy = () => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    throw proxy
  }

  describe('a fault', () => {
    const options: Record<string, CommonOptions> = {
      'key(), which throws a revoked proxy,': { key: throwProxy },
      'tags(), which rejects with one,': { tags: async () => throwProxy() },
      'key()': { key: boom },
      'skip()': { skip: boom },
      'tags()': { tags: boom },
    }
    for (const [title, option] of Object.entries(options)) {
      it(`of ${title} leaves the answer to the handler`, async () => {
        const client = await stage.page(({ run }) => ({ body: `run ${run}` }), { ttl: 60, ...option })
        for (const run of [1, 2]) {
          const got = await client.get('/page')
          expect([got.status, got.text]).toEqual([200, `run ${run}`])
        }
      })
    }

    for (const name of ['key', 'skip', 'user'] as const) {
      it(`of ${name}() that never settles leaves the answer to the handler after collapseTimeout`, async () => {
        let asked = 0
        const pending = () => {
          asked += 1
          return new Promise(() => {})
        }
        const client = await stage.page(({ run }) => ({ body: `run ${run}` }), {
          ttl: 60,
          collapseTimeout: 3,
          [name]: pending as never,
        })
        const got = client.get('/page')
        await expect.poll(() => asked).toBe(1)
        await stage.clock.advanceInTurns(3_000)
        expect((await got).text).toBe('run 1')
        expect((await got).cacheStatus.detail).toBe('fault')
      })
    }

    it('of allowRefresh(), which may be asynchronous, leaves the answer to the handler', async () => {
      const refreshing = { 'cache-control': 'no-cache' }
      const page = (allowRefresh: () => unknown) =>
        stage.page(({ run }) => ({ body: `run ${run}` }), { ttl: 60, allowRefresh: allowRefresh as never })
      const failing = await page(() => Promise.reject(new Error('boom')))
      await failing.get('/page')
      expect((await failing.get('/page', refreshing)).cacheStatus.detail).toBe('fault')
      expect((await failing.get('/page')).text).toBe('run 1')
      const permitting = await page(async () => true)
      await permitting.get('/page')
      expect((await permitting.get('/page', refreshing)).text).toBe('run 2')
      expect((await permitting.get('/page')).text).toBe('run 2')
      const refusing = await page(async () => false)
      await refusing.get('/page')
      expect((await refusing.get('/page', refreshing)).text).toBe('run 1')
    })

    it('of key() beside a skip() that rejects leaves the answer to the handler, and the process alive', async () => {
      const unhandled: unknown[] = []
      const note = (reason: unknown) => unhandled.push(reason)
      process.on('unhandledRejection', note)
      const rejecting = async () => {
        throw new Error('down')
      }
      const client = await stage.page(({ run }) => ({ body: `run ${run}` }), {
        ttl: 60,
        skip: rejecting as never,
        key: boom,
      })
      expect((await client.get('/page')).text).toBe('run 1')
      await new Promise((resolve) => setTimeout(resolve, 20))
      process.off('unhandledRejection', note)
      expect(unhandled).toEqual([])
    })

    it('of key() that never settles delays the answer to a POST by collapseTimeout at most', async () => {
      let asked = 0
      const pending = () => {
        asked += 1
        return new Promise(() => {})
      }
      const cached = stage.cached({ ttl: 60, collapseTimeout: 3, key: pending as never })
      const client = await stage.serve({
        use: [cached],
        routes: [{ path: '/page', method: 'POST', answer: () => ({ body: 'done' }) }],
      })
      const got = client.ask('/page', { method: 'POST', body: 'x' })
      await expect.poll(() => asked).toBe(1)
      await new Promise((resolve) => setTimeout(resolve, 50))
      await stage.clock.advanceInTurns(3_000)
      expect((await got).text).toBe('done')
    })

    it('of a listener changes nothing', async () => {
      const cached = stage.cached({ ttl: 60 })
      for (const event of ['hit', 'miss', 'store', 'skip', 'bypass'] as const) cached.cache.on(event, boom)
      const client = await stage.serve({
        use: [cached],
        routes: [{ path: '/page', answer: ({ run }) => ({ body: `run ${run}` }) }],
      })
      expect((await client.get('/page')).text).toBe('run 1')
      expect((await client.get('/page')).text).toBe('run 1')
    })

    it('of the handler stays its own: status, body and the next run', async () => {
      const client = await stage.page(({ run }) => {
        if (run === 1) throw Object.assign(new Error('teapot'), { status: 418, expose: true })
        return { body: `run ${run}` }
      })
      expect((await client.get('/page')).status).toBe(418)
      expect((await client.get('/page')).text).toBe('run 2')
    })

    it('is none when the cache is closed during a run: those who wait get its answer, which is not said to be stored', async () => {
      const cached = stage.cached({ ttl: 60 })
      const { opened, open } = gate()
      let runs = 0
      const client = await stage.serve({
        use: [cached],
        routes: [
          {
            path: '/page',
            answer: async ({ run }) => {
              runs += 1
              await opened
              return { body: `run ${run}` }
            },
          },
        ],
      })
      const asked = Array.from({ length: 5 }, () => client.get('/page'))
      await expect.poll(() => cached.stats().waiting).toBe(4)
      await cached.close()
      open()
      for (const got of await Promise.all(asked)) {
        expect(got.text).toBe('run 1')
        expect(got.field('cache-status')).not.toContain('stored')
      }
      expect([runs, cached.stats().counters.stores]).toEqual([1, 0])
    })

    it('after close() is none: handlers go on answering', async () => {
      const cached = stage.cached({ ttl: 60 })
      const client = await stage.serve({
        use: [cached],
        routes: [{ path: '/page', answer: ({ run }) => ({ body: `run ${run}` }) }],
      })
      await client.get('/page')
      await cached.close()
      const got = await client.get('/page')
      expect([got.status, got.text]).toEqual([200, 'run 2'])
    })

    it('of a route that does not exist is a 404, as without a cache', async () => {
      const client = await stage.page(() => ({ body: 'page' }))
      for (let i = 0; i < 2; i++) {
        const got = await client.get('/nowhere')
        expect(got.status).toBe(404)
        expect(got.cacheStatus.stored).toBe(false)
      }
    })

    it('in an option is told at construction', () => {
      expect(() => stage.cached({ ttl: -1 })).toThrow(/ttl/)
      expect(() => stage.cached({ tll: 60 } as CommonOptions)).toThrow(/ttl/)
      expect(() => stage.cached({ vary: 'accept' as unknown as readonly string[] })).toThrow(/vary/)
    })
  })
}
