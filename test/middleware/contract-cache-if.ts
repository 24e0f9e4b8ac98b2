import { describe, expect, it } from 'vitest'
import type { FinishedResponse } from '../../src/http/port/finished-response.js'
import { chunked, gate, useStage } from './contract-stage.js'
import type { CacheFace, CommonOptions, Host, Route } from './hosts/host.js'

type Says = NonNullable<CommonOptions['cacheIf']>

/** Routes that look at a complete response before it is stored. */
export function cacheIfContract<M extends CacheFace>(host: Host<M>): void {
  const stage = useStage(host)

  /** A page whose responses `cacheIf` judges, and all that is told of faults and refusals. */
  const judged = async (answer: Route<M>['answer'], cacheIf: Says, options: CommonOptions = {}) => {
    const cached = stage.cached({ ttl: 60, cacheIf, ...options })
    const told: string[] = []
    cached.cache.on('fault', ({ error }) => told.push(error.message))
    cached.cache.on('skip', ({ reason }) => told.push(reason))
    const client = await stage.serve({
      use: [cached],
      routes: [
        { path: '/page', answer },
        { path: '/page', method: 'POST', answer },
      ],
    })
    return { cached, client, told, get: () => client.get('/page') }
  }
  const hasNoErrors = ({ body }: FinishedResponse) => !body.toString().includes('errors')
  const page: Route<M>['answer'] = ({ run }) => ({ body: `run ${run}` })
  const bodies: Record<string, (text: string) => ReturnType<Route<M>['answer']>> = {
    'a whole body': (body) => ({ body }),
    'a stream': (body) => ({ body: chunked(body.slice(0, 3), body.slice(3)) }),
  }

  describe('cacheIf', () => {
    for (const [title, made] of Object.entries(bodies)) {
      for (const [kind, cacheIf] of Object.entries({
        '': hasNoErrors,
        ' later': async (response: FinishedResponse) => {
          await new Promise(setImmediate)
          return hasNoErrors(response)
        },
      })) {
        it(`keeps ${title} out that it says no to${kind}, and says nothing about the next one`, async () => {
          const { get, cached, told } = await judged(({ run }) => made(run === 1 ? 'errors' : `run ${run}`), cacheIf)
          const first = await get()
          expect([first.status, first.text, first.cacheStatus.stored]).toEqual([200, 'errors', false])
          await expect.poll(() => cached.stats().counters.refused['cache-if']).toBe(1)
          expect((await get()).text).toBe('run 2')
          await expect.poll(async () => (await get()).cacheStatus.hit).toBe(true)
          expect((await get()).text).toBe('run 2')
          expect(told).toEqual(['cache-if'])
        })
      }
    }

    it('is asked with status, fields and body of what would be stored, and of nothing else', async () => {
      const asked: FinishedResponse[] = []
      const { get, client } = await judged(
        ({ run, query }) => ({
          fields: { 'X-Kind': `${run}`, 'cache-control': query.has('private') ? 'private' : 'max-age=60' },
          body: 'page',
        }),
        (response) => {
          asked.push(response)
          return true
        },
      )
      expect((await get()).cacheStatus).toMatchObject({ stored: true })
      await get()
      await client.get('/page?private')
      expect(asked.map(({ status, fields, body }) => [status, fields['x-kind'], body.toString()])).toEqual([
        [200, '1', 'page'],
      ])
      expect(asked[0]?.body).toBeInstanceOf(Buffer)
    })

    it('changes no response', async () => {
      const list = ['</a>', '</b>']
      const answer: Route<M>['answer'] = ({ run }) => ({ fields: { link: list }, body: `run ${run}` })
      const { get } = await judged(answer, (response) => {
        response.body.fill(0)
        for (const value of Object.values(response.fields)) if (Array.isArray(value)) value.push('</evil>')
        Object.assign(response.fields, { 'x-added': '1', 'content-type': 'text/evil' })
        return true
      })
      for (let i = 0; i < 2; i++) {
        const got = await get()
        expect([got.text, got.field('x-added'), got.field('link')]).toEqual(['run 1', undefined, '</a>, </b>'])
        expect(got.field('content-type')).not.toBe('text/evil')
      }
    })

    it('that answers later delays no client, and nothing is said to be stored', async () => {
      const { opened, open } = gate()
      const { get, cached } = await judged(page, () => opened.then(() => true))
      const first = await get()
      expect([first.text, first.cacheStatus.stored]).toEqual(['run 1', false])
      expect(cached.stats().entries).toBe(0)
      open()
      await expect.poll(() => cached.stats().entries).toBe(1)
      expect((await get()).cacheStatus.hit).toBe(true)
    })

    for (const isGranted of [true, false]) {
      it(`that says ${isGranted ? 'yes' : 'no'} later answers for those that wait`, async () => {
        const { opened, open } = gate()
        const { get, cached } = await judged(page, () => opened.then(() => isGranted))
        await get()
        const waiting = [get(), get(), get()]
        await expect.poll(() => cached.stats().waiting).toBe(3)
        open()
        const texts = (await Promise.all(waiting)).map(({ text }) => text)
        if (isGranted) expect(texts).toEqual(['run 1', 'run 1', 'run 1'])
        else expect(texts).not.toContain('run 1')
      })
    }

    it('that says no lets the next requests wait for one another', async () => {
      const { opened, open } = gate()
      let runs = 0
      const { get } = await judged(async ({ run }) => {
        runs += 1
        if (run === 2) await opened
        return { body: run === 1 ? 'errors' : 'page' }
      }, hasNoErrors)
      await get()
      const waiting = Array.from({ length: 5 }, get)
      await expect.poll(() => runs).toBe(2)
      setTimeout(open, 50)
      expect(new Set((await Promise.all(waiting)).map(({ text }) => text))).toEqual(new Set(['page']))
      expect(runs).toBe(2)
    })

    const boom = new Error('boom')
    const faulty: Record<string, Says> = {
      throws: () => {
        throw boom
      },
      rejects: async () => {
        throw boom
      },
      'throws no error': () => {
        throw Object.create(null)
      },
    }
    for (const [title, cacheIf] of Object.entries(faulty)) {
      for (const [kind, made] of Object.entries(bodies)) {
        it(`that ${title} keeps ${kind} out and leaves the answer alone`, async () => {
          const { get, told, cached } = await judged(({ run }) => made(`run ${run}`), cacheIf)
          for (const run of [1, 2]) {
            const got = await get()
            expect([got.status, got.text, got.cacheStatus.stored]).toEqual([200, `run ${run}`, false])
            await expect.poll(() => cached.stats().counters.refused.fault).toBe(run)
          }
          expect(told).toHaveLength(4)
          expect(told).toContain('fault')
        })
      }
    }

    it('that never settles keeps the response out after collapseTimeout', async () => {
      const { get, told, cached } = await judged(page, () => new Promise(() => {}), { collapseTimeout: 3 })
      expect((await get()).text).toBe('run 1')
      await expect.poll(() => cached.stats().recordings.open).toBe(1)
      await stage.clock.advanceInTurns(3_000)
      await expect.poll(() => told).toEqual([expect.stringMatching(/collapseTimeout \(3000 ms\)/), 'fault'])
      expect((await get()).text).toBe('run 2')
    })

    it('that answers later holds the bytes of maxRecordingBytes at most', async () => {
      const cached = stage.cached({ ttl: 60, cacheIf: () => new Promise(() => {}), maxRecordingBytes: 100_000 })
      const body = 'x'.repeat(40_000)
      const client = await stage.serve({
        use: [cached],
        routes: [
          { path: '/pages/:id', answer: () => ({ body }) },
          { path: '/streams/:id', answer: () => ({ body: chunked(body) }) },
        ],
      })
      for (const path of ['/pages/1', '/streams/2', '/pages/3', '/streams/4'])
        expect((await client.get(path)).text).toBe(body)
      await expect.poll(() => cached.stats().counters.refused['recordings-full']).toBe(2)
      const { open, bytes } = cached.stats().recordings
      expect([open, bytes > 80_000 && bytes <= 100_000]).toEqual([2, true])
    })

    it('that answers after maxHandlerTime comes too late', async () => {
      const { get, told } = await judged(page, () => new Promise(() => {}), { maxHandlerTime: 1, collapseTimeout: 9 })
      expect((await get()).text).toBe('run 1')
      await stage.clock.advanceInTurns(1_100)
      await expect.poll(() => told).toEqual(['too-slow'])
      expect((await get()).text).toBe('run 2')
    })

    it('that answers after close() changes nothing', async () => {
      const { opened, open } = gate()
      const { get, cached } = await judged(page, () => opened.then(() => true))
      expect((await get()).text).toBe('run 1')
      await cached.close()
      open()
      await expect.poll(() => cached.stats().counters.refused.closed).toBe(1)
      expect((await get()).text).toBe('run 2')
    })

    it('gives up a response that was invalidated before it answers', async () => {
      const { opened, open } = gate()
      const { get, cached } = await judged(page, () => opened.then(() => true))
      await get()
      await cached.invalidate('/page')
      open()
      await expect.poll(() => cached.stats().counters.refused.invalidated).toBe(1)
      expect((await get()).text).toBe('run 2')
    })

    it('decides about the statuses of statusTtl', async () => {
      const { get } = await judged(
        ({ run }) => ({ status: 404, body: `run ${run}` }),
        ({ status, body }) => status !== 404 || body.includes('2'),
        { statusTtl: { 404: 10 } },
      )
      expect((await get()).cacheStatus.detail).toBe('cache-if')
      expect((await get()).cacheStatus.stored).toBe(true)
      expect((await get()).text).toBe('run 2')
    })

    it('leaves a stale response in its place when a refresh is refused', async () => {
      const { get, cached } = await judged(({ run }) => ({ body: run === 2 ? 'errors' : `run ${run}` }), hasNoErrors, {
        staleWhileRevalidate: 60,
      })
      await get()
      stage.clock.advance(61_000)
      expect((await get()).text).toBe('run 1')
      await expect.poll(() => cached.stats().counters.refused['cache-if']).toBe(1)
      expect((await get()).text).toBe('run 1')
      await expect.poll(async () => (await get()).text).toBe('run 3')
    })

    for (const isLate of [false, true]) {
      it(`is asked${isLate ? ', and answers later,' : ''} about a stored response that the handler confirms`, async () => {
        const asked: string[] = []
        const { get } = await judged(
          ({ fields }) =>
            fields['if-none-match'] === '"v1"'
              ? { status: 304, fields: { etag: '"v1"', 'x-seen': 'again' } }
              : { fields: { etag: '"v1"', 'x-seen': 'first' }, body: 'page' },
          ({ status, fields, body }) => {
            asked.push(`${status} ${fields['x-seen']} ${body}`)
            return isLate ? Promise.resolve(true) : true
          },
          { ttl: 5 },
        )
        await get()
        await expect.poll(async () => (await get()).cacheStatus.hit).toBe(true)
        stage.clock.advance(6_000)
        const confirmed = await get()
        expect([confirmed.status, confirmed.text, confirmed.cacheStatus.stored]).toEqual([200, 'page', !isLate])
        await expect.poll(async () => (await get()).cacheStatus.hit).toBe(true)
        expect(asked).toEqual(['200 first page', '200 again page'])
      })
    }

    it('is asked about an answer to POST that is stored for GET', async () => {
      const { client, get } = await judged(
        ({ run, method }) => ({
          fields: { 'cache-control': 'max-age=60', 'content-location': '/page' },
          body: `${method} ${run}`,
        }),
        ({ body }) => body.toString() !== 'POST 1',
        { methods: ['GET', 'HEAD', 'POST'] },
      )
      const post = () => client.ask('/page', { method: 'POST', body: 'x' })
      expect((await post()).cacheStatus).toMatchObject({ stored: false, detail: 'cache-if' })
      expect((await post()).cacheStatus.stored).toBe(true)
      expect((await get()).text).toBe('POST 2')
    })

    it('sees the body as the handler made it, where forms of it are stored', async () => {
      const text = 'page '.repeat(1_000)
      const seen: number[] = []
      const { client, cached } = await judged(
        () => ({ fields: { 'content-type': 'text/html' }, body: text }),
        async ({ body }) => {
          seen.push(body.length)
          return true
        },
        { precompress: ['gzip'] },
      )
      const get = () => client.get('/page', { 'accept-encoding': 'gzip' })
      expect((await get()).text).toBe(text)
      await expect.poll(() => cached.stats().entries).toBeGreaterThan(0)
      await expect.poll(async () => (await get()).field('content-encoding')).toBe('gzip')
      expect(seen).toEqual([text.length])
    })

    it('of an inner middleware takes the place of the outer one', async () => {
      const outer = stage.cached({ ttl: 60, cacheIf: () => false })
      const inner = stage.cached({ ttl: 60, cacheIf: () => true, cache: outer.cache })
      const plain = stage.cached({ ttl: 60, cache: outer.cache })
      const client = await stage.serve({
        use: [outer],
        routes: [
          { path: '/inner', use: [inner], answer: page },
          { path: '/plain', use: [plain], answer: page },
        ],
      })
      expect((await client.get('/inner')).cacheStatus.stored).toBe(true)
      expect((await client.get('/plain')).cacheStatus.detail).toBe('cache-if')
    })

    it('must be a function', () => {
      expect(() => stage.cached({ cacheIf: true as never })).toThrow(/cacheIf must be a function, got true/)
    })
  })
}
