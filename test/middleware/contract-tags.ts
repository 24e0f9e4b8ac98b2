import { describe, expect, it } from 'vitest'
import { chunked, gate, useStage } from './contract-stage.js'
import type { CacheFace, CommonOptions, Handle, Host, Route } from './hosts/host.js'

/** Tags that are known later, and what cannot be understood of a handler's own words about its response. */
export function tagsContract<M extends CacheFace>(host: Host<M>): void {
  const stage = useStage(host)

  const tagged = async (tags: CommonOptions['tags'], answer: Route<M>['answer'], options: CommonOptions = {}) => {
    const cached = stage.cached({ ttl: 60, ...(tags && { tags }), ...options })
    const told: string[] = []
    cached.cache.on('fault', ({ error }) => told.push(error.message))
    const client = await stage.serve({ use: [cached], routes: [{ path: '/page', answer }] })
    return { cached, told, get: () => client.get('/page') }
  }
  const page: Route<M>['answer'] = ({ run }) => ({ body: `run ${run}` })
  const stream: Route<M>['answer'] = ({ run }) => ({ body: chunked('run', ` ${run}`) })

  describe('tags that are known later', () => {
    for (const [title, answer] of Object.entries({ 'a whole body': page, 'a stream': stream })) {
      it(`take ${title} out of use`, async () => {
        const { cached, get } = await tagged(async () => ['product'], answer)
        const first = await get()
        expect([first.text, first.cacheStatus.stored]).toEqual(['run 1', false])
        await expect.poll(async () => (await get()).cacheStatus.hit).toBe(true)
        await cached.invalidateTags(['product'])
        expect((await get()).text).toBe('run 2')
      })
    }

    it('are joined to those that the response names itself', async () => {
      const { cached, get } = await tagged(
        async () => ['later'],
        ({ run, handle }) => {
          handle.tag('now')
          return { body: `run ${run}` }
        },
      )
      const tags: string[] = []
      cached.cache.on('store', (stored) => tags.push(...stored.tags))
      await get()
      await expect.poll(() => tags).toEqual(['now', 'later'])
    })

    it('delay no client, and an invalidation in between holds', async () => {
      const { opened, open } = gate()
      const { cached, get } = await tagged(() => opened.then(() => ['product']), page)
      expect((await get()).text).toBe('run 1')
      await cached.invalidateTags(['product'])
      open()
      await expect.poll(() => cached.stats().counters.refused.invalidated).toBe(1)
      expect(cached.stats().entries).toBe(0)
    })

    const faulty: Record<string, () => unknown> = {
      reject: async () => {
        throw new Error('boom')
      },
      'are no list': async () => 'product',
      'are no texts': async () => ['product', undefined],
      'are no list at once': () => 'product',
      'are no texts at once': () => ['product', {}],
    }
    for (const [title, tags] of Object.entries(faulty)) {
      it(`keep the response out when they ${title}`, async () => {
        const { cached, told, get } = await tagged(tags as () => readonly string[], page)
        for (const run of [1, 2]) {
          const got = await get()
          expect([got.status, got.text, got.cacheStatus.stored]).toEqual([200, `run ${run}`, false])
          await expect.poll(() => cached.stats().counters.refused.fault).toBe(run)
        }
        expect(told).toHaveLength(2)
      })
    }

    it('keep the response out when they have not settled within collapseTimeout', async () => {
      const { told, get } = await tagged(() => new Promise(() => {}), page, { collapseTimeout: 3 })
      expect((await get()).text).toBe('run 1')
      await new Promise((resolve) => setTimeout(resolve, 20))
      await stage.clock.advanceInTurns(3_000)
      await expect.poll(() => told).toEqual([expect.stringMatching(/"tags" or "cacheIf".*3000 ms/)])
      expect((await get()).text).toBe('run 2')
    })

    it('that reject hurt nothing when the response is refused for another reason', async () => {
      const unhandled: unknown[] = []
      const note = (reason: unknown) => unhandled.push(reason)
      process.on('unhandledRejection', note)
      const { get } = await tagged(
        async () => {
          throw new Error('boom')
        },
        () => ({ fields: { 'content-length': '9' }, body: chunked('0123', '45678') }),
        { cacheIf: () => false },
      )
      await get()
      await new Promise((resolve) => setTimeout(resolve, 20))
      process.off('unhandledRejection', note)
      expect(unhandled).toEqual([])
    })
  })

  describe('words of a handler that cannot be understood', () => {
    const unreadable = {
      toString() {
        throw new Error('no text')
      },
    }
    const nonsense: readonly unknown[] = [
      ...[
        undefined,
        null,
        '',
        {},
        [[]],
        Symbol('tag'),
        '\ud800',
        Object.create(null),
        unreadable,
        () => {},
        Number.NaN,
      ],
    ]
    for (const verb of ['tag', 'ttl', 'skip'] as const) {
      it(`by ${verb}() never end a request, and its response is not stored`, async () => {
        let given: unknown
        const { get } = await tagged(undefined, ({ run, handle }) => {
          // A promise of its own that nothing else awaits.
          const word = given === 'rejection' ? Promise.reject(new Error('boom')) : given
          ;(handle[verb] as (word: unknown) => Handle)(word).ttl(60)
          return { body: `run ${run}` }
        })
        let run = 0
        for (given of [...nonsense, 'rejection']) {
          run += 1
          const got = await get()
          expect([got.status, got.text, got.cacheStatus.stored]).toEqual([200, `run ${run}`, false])
          if (given !== '\ud800') expect(got.cacheStatus.detail).toBe(verb === 'skip' ? 'skip' : 'fault')
        }
      })
    }

    it('and long or foreign reasons of skip() leave a head that clients take', async () => {
      const { get } = await tagged(undefined, ({ run, handle }) => {
        handle.skip(run === 1 ? 'x'.repeat(100_000) : 'nö\r\nX-Evil: 1\0"\\')
        return { body: 'page' }
      })
      const first = await get()
      expect(first.cacheStatus.detail).toBe('x'.repeat(200))
      const second = await get()
      expect([second.status, second.field('x-evil')]).toEqual([200, undefined])
    })
  })
}
