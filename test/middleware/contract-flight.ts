import { describe, expect, it } from 'vitest'
import { chunked, gate, useStage } from './contract-stage.js'
import { ask } from './hosts/client.js'
import type { CacheFace, Host, Route } from './hosts/host.js'

/** Requests that come while the handler runs for the same page. */
export function flightContract<M extends CacheFace>(host: Host<M>): void {
  const stage = useStage(host)

  /** A page at `/page`, and how many requests have reached the middleware in front of the cache. */
  const watched = async (answer: Route<M>['answer']) => {
    let arrived = 0
    const client = await stage.serve({
      outer: () => {
        arrived += 1
      },
      use: [stage.cached({ ttl: 60 })],
      routes: [{ path: '/page', answer }],
    })
    return { client, arrivals: (count: number) => expect.poll(() => arrived, { timeout: 5_000 }).toBe(count) }
  }

  /** A page whose first run waits until `crowd` requests have come in. */
  const crowded = async (answer: Route<M>['answer'], crowd: number, fields: Record<string, string>[] = [{}]) => {
    const { opened, open } = gate()
    let runs = 0
    const { client, arrivals } = await watched(async (call) => {
      runs += 1
      if (call.run === 1) await opened
      return answer(call)
    })
    const asked = Array.from({ length: crowd }, (_, i) => client.get('/page', fields[i % fields.length]))
    await arrivals(crowd)
    open()
    return { answers: await Promise.all(asked), runs: () => runs, client }
  }

  describe('concurrent requests for one page', () => {
    it('run the handler once', async () => {
      const { answers, runs } = await crowded(({ run }) => ({ body: `run ${run}` }), 50)
      expect(runs()).toBe(1)
      expect(new Set(answers.map(({ status, text }) => `${status} ${text}`))).toEqual(new Set(['200 run 1']))
      expect(answers.filter(({ cacheStatus }) => cacheStatus.collapsed)).toHaveLength(49)
    })

    it('all get the whole of a stream', async () => {
      const { answers, runs } = await crowded(() => ({ body: chunked('one ', 'two ', 'three') }), 10)
      expect(runs()).toBe(1)
      expect(new Set(answers.map(({ text }) => text))).toEqual(new Set(['one two three']))
    })

    it('each get the answer to their own method', async () => {
      const { opened, open } = gate()
      const { client, arrivals } = await watched(async () => {
        await opened
        return { body: 'page' }
      })
      const get = client.get('/page')
      await arrivals(1)
      const head = client.ask('/page', { method: 'HEAD' })
      await arrivals(2)
      open()
      expect((await get).text).toBe('page')
      expect([(await head).status, (await head).text]).toEqual([200, ''])
    })

    it('each run the handler when the first one fails', async () => {
      const { answers } = await crowded(() => {
        throw new Error('down')
      }, 8)
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([500]))
      expect(answers.every(({ text }) => text.length > 0)).toBe(true)
    })

    it('are answered when only the first one fails', async () => {
      const { answers } = await crowded(({ run }) => {
        if (run === 1) throw new Error('down')
        return { body: 'up' }
      }, 8)
      const statuses = answers.map(({ status }) => status)
      expect(statuses.filter((status) => status === 500)).toHaveLength(1)
      expect(answers.filter(({ text }) => text === 'up')).toHaveLength(7)
    })

    it('each get an answer of their own when it may not be shared', async () => {
      const { answers, runs } = await crowded(
        ({ run }) => ({ fields: { 'cache-control': 'private' }, body: `for ${run}` }),
        8,
      )
      expect(runs()).toBe(8)
      expect(new Set(answers.map(({ text }) => text)).size).toBe(8)
    })

    it('each get a cookie of their own', async () => {
      const { answers } = await crowded(({ run }) => ({ fields: { 'set-cookie': `sid=${run}` }, body: 'page' }), 8)
      expect(new Set(answers.map((got) => got.field('set-cookie'))).size).toBe(8)
    })

    it('each get their own variant', async () => {
      const { answers } = await crowded(
        ({ fields }) => ({ fields: { vary: 'Accept-Language' }, body: String(fields['accept-language']) }),
        8,
        [{ 'accept-language': 'en' }, { 'accept-language': 'fr' }],
      )
      answers.forEach(({ text }, i) => {
        expect(text).toBe(i % 2 === 0 ? 'en' : 'fr')
      })
    })

    it('do not wait for each other again once the page has proved uncacheable', async () => {
      const releases: (() => void)[] = []
      let running = 0
      const client = await stage.page(async ({ run }) => {
        if (run > 1) {
          running += 1
          await new Promise<void>((resolve) => releases.push(resolve))
        }
        return { fields: { 'cache-control': 'private' }, body: `for ${run}` }
      })
      await client.get('/page')
      const asked = [client.get('/page'), client.get('/page'), client.get('/page')]
      await expect.poll(() => running).toBe(3)
      for (const release of releases) release()
      expect(new Set((await Promise.all(asked)).map(({ text }) => text)).size).toBe(3)
    })

    it('are answered when the first client leaves', async () => {
      const { opened, open } = gate()
      const left = gate()
      const { client, arrivals } = await watched(async ({ run, closed }) => {
        if (run === 1) {
          closed.then(left.open)
          await opened
        }
        return { body: `run ${run}` }
      })
      const leaving = new AbortController()
      const first = ask(client.port, '/page', { signal: leaving.signal }).catch(() => 'left')
      await arrivals(1)
      const others = [client.get('/page'), client.get('/page')]
      await arrivals(3)
      leaving.abort()
      expect(await first).toBe('left')
      await left.opened
      open()
      for (const got of await Promise.all(others)) expect([got.status, got.text.slice(0, 4)]).toEqual([200, 'run '])
    })

    it('are not delayed by a handler that never answers, beyond collapseTimeout', async () => {
      const { client, arrivals } = await watched(async ({ run, closed }) => {
        if (run === 1) await closed
        return { body: `run ${run}` }
      })
      const leaving = new AbortController()
      const first = ask(client.port, '/page', { signal: leaving.signal }).catch(() => 'left')
      await arrivals(1)
      const second = client.get('/page')
      await arrivals(2)
      await stage.clock.advanceInTurns(11_000)
      expect((await second).text).toBe('run 2')
      leaving.abort()
      await first
    })
  })

  describe('nested use', () => {
    it('is one cache: the inner middleware refines the outer one', async () => {
      const everywhere = stage.cached({ ttl: 60 })
      const briefly = stage.cached({ ttl: 5, tags: ['brief'], cache: everywhere.cache })
      const client = await stage.serve({
        use: [everywhere],
        routes: [
          { path: '/brief', use: [briefly], answer: ({ run }) => ({ body: `brief ${run}` }) },
          { path: '/page', answer: ({ run }) => ({ body: `page ${run}` }) },
        ],
      })
      for (const path of ['/brief', '/page']) {
        const miss = await client.get(path)
        expect(miss.cacheStatus.stored).toBe(true)
        expect(miss.lines('cache-status')).toHaveLength(1)
        expect(miss.field('cache-status')).not.toMatch(/,/)
        expect((await client.get(path)).cacheStatus.hit).toBe(true)
      }
      stage.clock.advance(6_000)
      expect((await client.get('/brief')).text).toBe('brief 2')
      expect((await client.get('/page')).text).toBe('page 1')
      await briefly.invalidateTags(['brief'])
      expect((await client.get('/brief')).text).toBe('brief 3')
    })

    it('gives a lifetime to a route under a middleware that has none', async () => {
      const everywhere = stage.cached()
      const route = stage.cached({ ttl: 60, cache: everywhere.cache })
      const client = await stage.serve({
        use: [everywhere],
        routes: [
          { path: '/cached', use: [route], answer: ({ run }) => ({ body: `run ${run}` }) },
          { path: '/other', answer: ({ run }) => ({ body: `run ${run}` }) },
        ],
      })
      for (const path of ['/cached', '/other']) await client.get(path)
      expect((await client.get('/cached')).text).toBe('run 1')
      expect((await client.get('/other')).text).toBe('run 2')
    })

    it('answers the conditions of the client, whichever middleware decides', async () => {
      const outer = stage.cached({ ttl: 60 })
      const answer = () => ({ fields: { etag: '"one"' }, body: 'page' })
      const known = { 'if-none-match': '"one"' }
      const inner = {
        '/group': stage.cached({ ttl: 60, group: 'inner', cache: outer.cache }),
        '/other': stage.cached({ ttl: 60 }),
        '/within': stage.cached({ ttl: 5, cache: outer.cache }),
      }
      const routes = Object.entries(inner).map(([path, one]) => ({ path, use: [one], answer }))
      const client = await stage.serve({ use: [outer], routes })
      for (const { path } of routes) {
        for (let round = 1; round <= 2; round++) {
          expect([path, (await client.get(path, known)).status]).toEqual([path, 304])
          expect((await client.get(path)).text).toBe('page')
          stage.clock.advance(100_000)
        }
      }
    })

    it('can be skipped by the inner one', async () => {
      const everywhere = stage.cached({ ttl: 60 })
      const never = stage.cached({ skip: () => true, cache: everywhere.cache })
      const client = await stage.serve({
        use: [everywhere],
        routes: [{ path: '/never', use: [never], answer: ({ run }) => ({ body: `run ${run}` }) }],
      })
      await client.get('/never')
      expect((await client.get('/never')).text).toBe('run 2')
    })
  })
}
