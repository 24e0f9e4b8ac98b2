import { createServer } from 'node:http'
import express from 'express'
import Koa from 'koa'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { engineOf } from '../../src/core/fallback-cache.js'
import type { ShadowReport, VerifyReport } from '../../src/http/protocol/index.js'
import { shadowOf } from '../../src/http/shadow/shadow.js'
import { SimulatedMemory } from '../../src/http/shadow/simulated-memory.js'
import { fallbackCache } from '../../src/middleware/express.js'
import { fallbackCache as koaCache } from '../../src/middleware/koa.js'
import { ManualClock } from '../support/manual-clock.js'
import { RedisServer } from '../support/redis-server.js'
import { until } from '../support/until.js'
import { chunked, gate, type Stage, useStage } from './contract-stage.js'
import { ask } from './hosts/client.js'
import { express as expressHost } from './hosts/express.js'
import { fastify } from './hosts/fastify.js'
import { hono } from './hosts/hono.js'
import type { CacheFace, CommonOptions, Host, Route } from './hosts/host.js'
import { koa as koaHost } from './hosts/koa.js'
import { listen } from './hosts/listen.js'

type Shadowed = CacheFace & { shadowReport(): ShadowReport | undefined }

type Verified = CacheFace & { verifyReport(): VerifyReport | undefined }

/** A middleware in shadow mode. */
function shadowed<M extends CacheFace>(stage: Stage<M>, options: CommonOptions = {}): M & Shadowed {
  return stage.cached({ ttl: 60, mode: 'shadow', ...options } as CommonOptions) as M & Shadowed
}

function reportOf(cached: Shadowed) {
  const report = cached.shadowReport()
  if (report === undefined) throw new Error('there is no report')
  return report
}

const NO_ANSWERS = { same: 0, stale: 0, leaked: 0, suspected: 0, noise: 0, unseen: 0 }

/** Answers of many kinds, each as often asked as the list of requests says. */
const ROUTES: readonly Route<never>[] = [
  { path: '/page', answer: ({ run }) => ({ body: `page ${run}`, fields: { etag: `"${run}"` } }) },
  { path: '/json', answer: ({ query }) => ({ body: { json: { q: query.get('q') } } }) },
  { path: '/stream', answer: () => ({ body: chunked('one', 'two'), fields: { 'content-type': 'text/plain' } }) },
  { path: '/moved', answer: () => ({ status: 301, fields: { location: '/page' } }) },
  { path: '/cookie', answer: ({ run }) => ({ body: 'set', fields: { 'set-cookie': `a=${run}` } }) },
  { path: '/error', answer: ({ run }) => ({ status: run > 1 ? 503 : 200, body: `run ${run}` }) },
  {
    path: '/tagged',
    answer: ({ handle }) => {
      // Without a cache there is none.
      if (handle !== undefined) handle.tag('a').ttl(30)
      return { body: 'tagged' }
    },
  },
  { path: '/saved', method: 'POST', answer: async ({ body }) => ({ body: `saved ${await body()}` }) },
]

const REQUESTS = [
  ...['/page', '/json?q=1', '/stream', '/moved', '/cookie', '/error', '/tagged', '/absent'].flatMap((path) => [
    { path },
    { path },
    { path, method: 'HEAD' },
  ]),
  { path: '/page', fields: { 'if-none-match': '"3"' } },
  { path: '/json?q=1', fields: { cookie: 'connect.sid=alice' } },
  { path: '/saved', method: 'POST', body: 'text' },
] as const

function shadowContract<M extends CacheFace>(name: string, host: Host<M>): void {
  describe(`shadow mode in ${name}`, () => {
    const stage = useStage(host)

    it('sends byte by byte what the application sends', async () => {
      const routes = ROUTES as readonly Route<M>[]
      const answers = async (use: readonly M[]) => {
        const client = await stage.serve({ use, routes })
        const got = []
        for (const { path, ...options } of REQUESTS) {
          const { status, names, lines, text } = await client.ask(path, options)
          const fields = names.filter((name) => name !== 'date').map((name) => [name, lines(name)])
          got.push({ path, ...options, status, fields, text })
        }
        return got
      }
      // The adapter for Hono has its own framing of empty bodies, also if the cache is switched off.
      const off = { enabled: false, cacheStatus: false } as CommonOptions
      const without = name === 'Hono' ? [stage.cached(off)] : []
      const cached = shadowed(stage, { staleIfError: 600 })
      expect(await answers([cached])).toEqual(await answers(without))
      expect(cached.stats()).toMatchObject({ entries: 0, counters: { stores: 0, memoryHits: 0 } })
      expect(cached.stats().counters.refused).toMatchObject({ shadow: REQUESTS.length })
    })

    it('counts the hits that there would have been, the time and the bytes', async () => {
      const cached = shadowed(stage)
      const client = await stage.serve({
        use: [cached],
        routes: [
          {
            path: '/page',
            answer: () => {
              stage.clock.advance(40)
              return { body: 'x'.repeat(1000) }
            },
          },
        ],
      })
      for (let time = 0; time < 4; time++) await client.get('/page')
      stage.clock.advance(60_000)
      await client.get('/page')
      const { all, directory } = reportOf(cached)
      expect(all).toMatchObject({ requests: 5, hits: 3, misses: 2, hitRatio: 0.6, savedBytes: 3000 })
      expect(all.hitRatioAt).toEqual({ '1': 0.6, '10': 0.6, '64': 0.6 })
      expect(all.handlerSeconds).toBeCloseTo(0.2)
      expect(all.savedSeconds).toBeCloseTo(0.12)
      expect(all.answers).toEqual({ ...NO_ANSWERS, same: 3 })
      expect(directory.entries).toBe(1)
      expect(cached.stats().shadow).toEqual({ entries: 1, bytes: directory.bytes, maxBytes: 16 * 2 ** 20 })
    })

    it('says what would not be stored, and the remedy', async () => {
      const cached = shadowed(stage, { ttl: undefined } as never)
      const client = await stage.serve({ use: [cached], routes: [{ path: '/page', answer: () => ({ body: 'page' }) }] })
      await client.get('/page')
      await client.get('/page')
      expect(reportOf(cached).all.refused).toEqual([
        {
          reason: 'no-freshness',
          count: 2,
          meaning: expect.stringContaining('no ttl'),
          remedy: expect.stringContaining('ttl'),
        },
      ])
    })

    it('tells stale answers, answers for another visitor and noise apart', async () => {
      let visitor = ''
      let price = 1
      const cached = shadowed(stage)
      const client = await stage.serve({
        outer: ({ fields }) => {
          visitor = String(fields['x-visitor'])
        },
        use: [cached],
        routes: [
          { path: '/price', answer: () => ({ body: `costs ${price}` }) },
          { path: '/hello', answer: () => ({ body: `hello ${visitor}` }) },
          { path: '/both', answer: ({ run }) => ({ body: `${visitor} at ${run}` }) },
          { path: '/time', answer: ({ run }) => ({ body: `at ${run}` }) },
        ],
      })
      const paths = ['/price', '/hello', '/both', '/time']
      const get = async (name: string) => {
        for (const path of paths) await client.get(path, { 'x-visitor': name })
      }
      await get('alice')
      price = 2
      await get('bob')
      // One answer for each could still be anything.
      expect(reportOf(cached).all.answers).toEqual({ ...NO_ANSWERS, suspected: 4 })
      for (const name of ['alice', 'bob', 'carol', 'alice']) await get(name)
      const { routes, all } = reportOf(cached)
      const isNamed = routes.length === 4
      const answers = (path: string) => routes.find(({ route }) => route === path)?.answers
      if (isNamed) {
        expect(answers('/price')).toEqual({ ...NO_ANSWERS, stale: 5 })
        expect(answers('/hello')).toEqual({ ...NO_ANSWERS, same: 2, leaked: 3 })
        expect(answers('/both')).toEqual({ ...NO_ANSWERS, leaked: 3, stale: 2 })
        expect(answers('/time')).toEqual({ ...NO_ANSWERS, noise: 5 })
      }
      expect(all.answers).toEqual({ ...NO_ANSWERS, same: 2, stale: 7, leaked: 6, noise: 5 })
      const leaks = routes.flatMap(({ examples }) => examples.leaked)
      expect(leaks.map((key) => key.split(':')[0]).sort()).toEqual(['/both', '/hello'])
    })

    it('follows the invalidations of the application, of its own code and of requests', async () => {
      let text = 'one'
      const cached = shadowed(stage)
      const client = await stage.serve({
        use: [cached],
        routes: [
          { path: '/page', answer: () => ({ body: text, fields: { 'cache-tag': 'p' } }) },
          { path: '/page', method: 'POST', answer: () => ({ body: 'done' }) },
        ],
      })
      const changes = [
        () => cached.invalidate('/page'),
        () => cached.invalidateTags(['p']),
        () => client.ask('/page', { method: 'POST' }),
      ]
      for (const [at, change] of changes.entries()) {
        await client.get('/page')
        text = `changed ${at}`
        await change()
      }
      await client.get('/page')
      expect(reportOf(cached).all).toMatchObject({ hits: 0, misses: 4, answers: NO_ANSWERS })
    })

    it('counts requests that would have waited for the handler of another one', async () => {
      const slow = gate()
      const cached = shadowed(stage)
      let running = 0
      const client = await stage.serve({
        use: [cached],
        routes: [
          {
            path: '/page',
            answer: async () => {
              running += 1
              await slow.opened
              return { body: 'page' }
            },
          },
        ],
      })
      const asked = [client.get('/page'), client.get('/page'), client.get('/page')]
      await until('all handlers run', () => running === 3)
      slow.open()
      await Promise.all(asked)
      expect(reportOf(cached).all).toMatchObject({ requests: 3, misses: 1, collapsed: 2, hits: 0 })
    })
  })
}

function verifyContract<M extends CacheFace>(name: string, host: Host<M>): void {
  describe(`the mode verify in ${name}`, () => {
    const stage = useStage(host)

    it('compares hits with runs of the handler, of which clients notice nothing', async () => {
      const options = { ttl: 60, mode: 'verify', verifyShare: 1, inputs: { ignore: ['x-visitor'] } }
      const cached = stage.cached(options as never) as M & Verified
      let version = 1
      const seen: unknown[] = []
      const routes: Route<M>[] = [
        {
          path: '/page',
          answer: ({ fields }) => {
            seen.push(fields['x-visitor'])
            return { body: `version ${version}` }
          },
        },
      ]
      const client = await stage.serve({ use: [cached], routes })
      const report = () => until('a report', () => cached.verifyReport())
      await report()
      await client.get('/page')
      for (const [compared, fresh] of [
        [1, 1],
        [2, 2],
        [3, 2],
      ] as const) {
        version = fresh
        stage.clock.advance(200)
        const { text, cacheStatus } = await client.get('/page', { 'x-visitor': 'alice' })
        expect([text, cacheStatus.hit]).toEqual(['version 1', true])
        await until('compared', async () => (await report()).compared === compared)
      }
      const { answers, routes: all } = await report()
      expect(answers).toEqual({ ...NO_ANSWERS, same: 1, stale: 2 })
      expect(all).toMatchObject([{ compared: 3, examples: { stale: [expect.stringContaining('/page')], leaked: [] } }])
      // The first one is the visitor's; a run beside a hit carries nothing of the client.
      expect(seen).toEqual([undefined, undefined, undefined, undefined])
      expect(cached.stats()).toMatchObject({ counters: { memoryHits: 3, misses: 1, stores: 1 } })
    })
  })
}

verifyContract('Express', expressHost)
verifyContract('Koa', koaHost)
verifyContract('Fastify', fastify)
verifyContract('Hono', hono)

describe('the mode verify', () => {
  it('checks its options, and exists for no other mode', async () => {
    expect(() => fallbackCache({ mode: 'verify', verifyShare: 2 })).toThrow(/verifyShare must be/)
    expect(() => fallbackCache({ verifyShare: 0.5 })).toThrow("must be given with mode: 'verify'")
    expect(() => fallbackCache({ mode: 'verify' }).with({ verifyShare: 1 } as never)).toThrow(
      /must not be passed to with/,
    )
    expect(fallbackCache({ mode: 'verify' }).with({ ttl: 1 }).shadowReport()).toBeUndefined()
    expect(fallbackCache({ ttl: 60 }).verifyReport()).toBeUndefined()
  })

  it('finds a page that was made for another visitor, once that visitor is seen again', async () => {
    const clock = new ManualClock()
    const cached = fallbackCache({ ttl: 60, mode: 'verify', verifyShare: 1, clock })
    const app = express()
    const hidden = new WeakMap<object, string>()
    app.use((req, _res, next) => {
      hidden.set(req, String(req.headers.cookie))
      next()
    })
    app.use(cached)
    app.get('/account', (req, res) => void res.send(`account of ${hidden.get(req)}`))
    const server = await listen(app)
    const get = (cookie: string) => ask(server.port, '/account', { fields: { cookie } })
    const report = () => cached.verifyReport()
    await until('a report', report)
    await get('theme=a')
    expect((await get('theme=b')).text).toBe('account of theme=a')
    await until('compared', () => report()?.compared === 1)
    expect(report()?.answers).toEqual({ ...NO_ANSWERS, suspected: 1 })
    clock.advance(61_000)
    await get('theme=a')
    expect(report()?.answers).toEqual({ ...NO_ANSWERS, leaked: 1 })
    expect(report()?.routes).toMatchObject([{ route: '/account', examples: { leaked: [expect.any(String)] } }])
    await server.close()
    await cached.close()
  })

  it('runs one handler at a time, and counts no answer that an invalidation has overtaken', async () => {
    const clock = new ManualClock()
    const cached = fallbackCache({ ttl: 60, mode: 'verify', verifyShare: 1, clock })
    const held: (() => void)[] = []
    let runs = 0
    const app = express()
    app.use(cached)
    app.get('/page', async (_req, res) => {
      runs += 1
      if (runs > 1) await new Promise<void>((resolve) => held.push(resolve))
      res.send(`run ${runs}`)
    })
    const server = await listen(app)
    await until('a report', () => cached.verifyReport())
    for (let time = 0; time < 5; time++) {
      clock.advance(200)
      expect((await ask(server.port, '/page')).text).toBe('run 1')
    }
    await until('a run', () => held.length > 0)
    expect([runs, cached.stats().refreshing]).toEqual([2, 1])
    await cached.invalidate('/page')
    held.pop()?.()
    await until('compared', () => cached.verifyReport()?.compared === 1)
    expect(cached.verifyReport()?.answers).toEqual({ ...NO_ANSWERS, unseen: 1 })
    await server.close()
    await cached.close()
  })
})

shadowContract('Express', expressHost)
shadowContract('Koa', koaHost)
shadowContract('Fastify', fastify)
shadowContract('Hono', hono)

describe('shadow mode', () => {
  it('has no report in normal mode, and is not an option of with()', () => {
    expect(fallbackCache({ ttl: 60 }).shadowReport()).toBeUndefined()
    expect(() => fallbackCache({ mode: 'shadows' as never })).toThrow(/mode must be/)
    expect(() => fallbackCache().with({ mode: 'shadow' } as never)).toThrow(/mode must not be passed to with/)
  })

  it('also counts routes with options of their own, in one report', async () => {
    const cached = fallbackCache({ ttl: 60, mode: 'shadow' })
    const app = express()
    app.use(cached)
    app.get('/a', cached.with({ ttl: 1, tags: ['a'] }), (_req, res) => void res.send('a'))
    const running = await listen(createServer(app))
    for (let time = 0; time < 3; time++) await ask(running.port, '/a')
    expect(cached.shadowReport()?.routes).toMatchObject([{ route: '/a', requests: 3, hits: 2 }])
    await running.close()
  })

  it('does not come between a cache and its requests, in front of it or behind it', async () => {
    for (const order of ['shadow first', 'cache first']) {
      const shadow = koaCache({ ttl: 60, mode: 'shadow' })
      const cached = koaCache({ ttl: 60 })
      let runs = 0
      const app = new Koa()
      for (const one of order === 'shadow first' ? [shadow, cached] : [cached, shadow]) app.use(one)
      app.use((ctx) => {
        runs += 1
        ctx.body = 'page'
      })
      const running = await listen(app.callback())
      const states: unknown[] = []
      for (let time = 0; time < 3; time++) {
        states.push((await ask(running.port, '/page')).cacheStatus.hit)
      }
      expect(runs, order).toBe(1)
      expect(states, order).toEqual([false, true, true])
      await running.close()
    }
  })

  it('leaves the front door open for the application', async () => {
    const cached = fallbackCache({ ttl: 60, mode: 'shadow' })
    const app = express().use(cached)
    app.get('/', (_req, res) => void res.send('page'))
    const server = cached.serve(app)
    const running = await listen(server)
    for (let time = 0; time < 2; time++) expect((await ask(running.port, '/')).text).toBe('page')
    expect(cached.shadowReport()?.all).toMatchObject({ requests: 2, hits: 1 })
    await running.close()
  })

  it('keeps a directory of limited size, and says what it had to let go', async () => {
    const clock = new ManualClock()
    const { engine, report } = await directory(clock)
    const mark = engine.mark()
    const [staleAt, deleteAt] = [clock.now() + 60_000, clock.now() + 60_000]
    for (let at = 0; at < 4_000; at++) {
      engine.store(`/page/${at}`, { staleAt, deleteAt, meta: 'm'.repeat(5_000), body: Buffer.alloc(32) }, mark)
    }
    const { entries, bytes, maxBytes, evicted } = report().directory
    expect(bytes).toBeLessThanOrEqual(maxBytes)
    expect(entries).toBeGreaterThan(1_000)
    expect(evicted).toBe(4_000 - entries)
  })

  it('simulates a memory that drops what was not used for the longest time, in time that its entries do not change', () => {
    const memory = new SimulatedMemory(50_000)
    const started = performance.now()
    for (let at = 0; at < 50_000; at++) memory.put(`${at}`, 1)
    for (let at = 0; at < 50_000; at++) memory.ask(`${at}`, 1)
    for (let at = 0; at < 100_000; at++) memory.put(`other ${at}`, 1)
    expect(['0', 'other 49999', 'other 50000'].map((key) => memory.ask(key, 1))).toEqual([false, false, false])
    memory.put('large', 49_990)
    expect(['other 99999', 'other 99990', 'large'].map((key) => memory.ask(key, 1))).toEqual([true, false, true])
    // Four seconds, if each passes what has left.
    expect(performance.now() - started).toBeLessThan(2_000)
  })

  describe('with Redis', () => {
    let server: RedisServer
    beforeAll(async () => {
      server = await RedisServer.start()
    })
    afterAll(async () => {
      await server.stop()
    })

    it('stores nothing there, and follows what other processes invalidate', async () => {
      const open: { close(): Promise<unknown> }[] = []
      const make = async () => {
        const cached = fallbackCache({ ttl: 60, mode: 'shadow', redis: server.url })
        const app = express().use(cached)
        app.get('/page', (_req, res) => void res.send('page'))
        app.post('/page', (_req, res) => void res.send('done'))
        const running = await listen(createServer(app))
        open.push(cached, running)
        await until('Redis is trusted', () => cached.stats().connected)
        return {
          cached,
          get: () => ask(running.port, '/page'),
          post: () => ask(running.port, '/page', { method: 'POST' }),
        }
      }
      const [one, other] = [await make(), await make()]
      for (let time = 0; time < 2; time++) {
        await one.get()
        await other.get()
      }
      expect(other.cached.shadowReport()?.all).toMatchObject({ hits: 1, misses: 1 })
      await one.cached.invalidate('/page')
      await until('the other process knows', () => other.cached.stats().mirror.records > 0)
      await other.get()
      expect(other.cached.shadowReport()?.all).toMatchObject({ hits: 1, misses: 2 })
      const keys = await server.client.keys('*')
      expect(keys.filter((key: string) => key.includes('/page'))).toEqual([])
      for (const closing of open.reverse()) await closing.close()
    })
  })
})

async function directory(clock: ManualClock) {
  const cached = fallbackCache({ ttl: 60, mode: 'shadow', clock })
  const report = () => reportOf(cached)
  const { engine, loaded } = shadowOf(engineOf(cached.cache))
  await loaded
  return { engine, report }
}
