import { createServer, type RequestListener, request as requestPage } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import Koa from 'koa'
import request from 'supertest'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { engineOf, FallbackCache } from '../../src/core/fallback-cache.js'
import { fallbackCache } from '../../src/middleware/express.js'
import { fallbackCache as koaCache } from '../../src/middleware/koa.js'
import { RedisServer } from '../support/redis-server.js'
import { until } from '../support/until.js'

/** An application as in a process of its own: nothing shared with the others but Redis. */
type App = Parameters<typeof request>[0]

describe.skipIf(process.env.SKIP_REDIS === '1')('applications on one Redis', () => {
  let server: RedisServer
  let runs = 0
  let release: () => void = () => {}
  let held: Promise<void>
  const cores: FallbackCache[] = []

  beforeAll(async () => {
    server = await RedisServer.start()
  })
  beforeEach(async () => {
    await server.restart()
    runs = 0
    held = new Promise((resolve) => {
      release = resolve
    })
  })
  afterEach(async () => {
    await Promise.all(cores.splice(0).map((core) => core.close()))
  })
  afterAll(() => server.stop())

  const core = async (options: { singleFlightLease?: number | false } = {}) => {
    // A busy machine misses no deadline: who runs the handler is what is asked here.
    const cache = new FallbackCache({ redis: server.url, redisTimeout: 5_000, ...options })
    cores.push(cache)
    await until('the core to be connected', () => cache.stats().connected || undefined)
    return cache
  }
  const answer = async (fields: (name: string, value: string) => unknown) => {
    runs++
    await held
    fields('Vary', 'Accept-Language')
    return `run ${runs}`
  }
  const expressApp = (cache: FallbackCache): App => {
    const app = express()
    app.use(fallbackCache({ cache, ttl: 60 }))
    app.get('/page', async (_req, res) => {
      res.send(await answer((name, value) => res.setHeader(name, value)))
    })
    app.get('/private', async (_req, res) => {
      runs++
      await held
      res.set('Cache-Control', 'private').send('mine')
    })
    return app
  }
  const koaApp = (cache: FallbackCache): App => {
    const app = new Koa()
    app.use(koaCache({ cache, ttl: 60 }))
    app.use(async (ctx) => {
      if (ctx.path === '/private') ctx.set('Cache-Control', 'private')
      ctx.body = await answer((name, value) => ctx.set(name, value))
    })
    return app.callback()
  }
  const get = (app: App, path: string) =>
    request(app)
      .get(path)
      .set('Host', 'shop.example')
      .then((response) => response)

  it('run the handler once for misses at the same time in all of them', async () => {
    const apps = [expressApp(await core()), expressApp(await core()), koaApp(await core())]
    const answers = apps.flatMap((app) => Array.from({ length: 10 }, () => get(app, '/page')))
    await until('a handler to run', () => (runs > 0 ? true : undefined))
    release()
    const texts = (await Promise.all(answers)).map(({ text }) => text)
    expect(new Set(texts)).toEqual(new Set(['run 1']))
    expect(runs).toBe(1)
  })

  it('run the handler once after a soft invalidation, and send the stored response until then', async () => {
    const cores = [await core(), await core(), await core()]
    const apps = cores.map((one) => expressApp(one))
    release()
    for (const app of apps) {
      expect((await get(app, '/page')).text).toBe('run 1')
      // The client has the response before Redis has it.
      await until('Redis to have it', () => cores.every((one) => one.stats().commandsInFlight === 0) || undefined)
    }
    held = new Promise((resolve) => {
      release = resolve
    })
    expect(await cores[1]?.invalidatePrefix('/', { soft: true })).toMatchObject({ durable: true })
    const answers = await Promise.all(apps.flatMap((app) => [get(app, '/page'), get(app, '/page')]))
    expect(new Set(answers.map(({ text }) => text))).toEqual(new Set(['run 1']))
    await until('a handler to run', () => (runs > 1 ? true : undefined))
    for (const app of apps) expect((await get(app, '/page')).text).toBe('run 1')
    release()
    for (const app of apps) {
      await until('the new response', async () => ((await get(app, '/page')).text === 'run 2' ? true : undefined))
    }
    for (const app of apps) await get(app, '/page')
    expect(runs).toBe(2)
  })

  it('do not put the requests for what cannot be stored in a row', async () => {
    const apps = [expressApp(await core()), expressApp(await core()), expressApp(await core())]
    const answers = apps.map((app) => get(app, '/private'))
    await until('a handler to run', () => (runs > 0 ? true : undefined))
    release()
    const statuses = (await Promise.all(answers)).map(({ status }) => status)
    expect(statuses).toEqual([200, 200, 200])
    expect(runs).toBe(3)
  })

  it.each(['Express', 'Koa'])(
    'run no handler for a client that left while it waited for its turn, with %s',
    async (kind) => {
      const [first, other] = [await core(), await core()]
      const began = get(expressApp(first), '/private')
      await until('a handler to run', () => (runs > 0 ? true : undefined))
      const listener = kind === 'Koa' ? koaApp(other) : expressApp(other)
      const site = createServer(listener as RequestListener)
      let isGone = false
      site.on('request', (_req, res) => res.on('close', () => (isGone = true)))
      await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve))
      const client = new AbortController()
      const options = { port: (site.address() as AddressInfo).port, path: '/private', signal: client.signal }
      requestPage({ ...options, headers: { host: 'shop.example' } })
        .on('error', () => {})
        .end()
      await until('it waits', () => (other.stats().counters.misses > 0 ? true : undefined))
      client.abort()
      await until('the server to notice', () => isGone || undefined)
      // Its response is not stored, so the other has its turn.
      release()
      expect((await began).text).toBe('mine')
      await until('its turn', () => (other.stats().traffic.requests.miss?.origin === 1 ? true : undefined))
      expect(runs).toBe(1)
      site.close()
    },
  )

  it('wait for the lease of one that died, once', async () => {
    const dying = await core({ singleFlightLease: 0.5 })
    const living = await core({ singleFlightLease: 0.5 })
    let turns = 0
    const turn = await engineOf(dying).takeTurn('page', () => undefined)
    expect(turn).toHaveProperty('end')
    // It dies without a word: its connection goes, nothing is renewed.
    await dying.close()
    const began = performance.now()
    await living.getOrSet('page', () => ++turns)
    expect(turns).toBe(1)
    expect(performance.now() - began).toBeLessThan(5_000)
  })

  it('each run their own with singleFlightLease: false', async () => {
    const apps = [
      expressApp(await core({ singleFlightLease: false })),
      expressApp(await core({ singleFlightLease: false })),
    ]
    const answers = apps.map((app) => get(app, '/page'))
    await until('both handlers to run', () => (runs === 2 ? true : undefined))
    release()
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200])
  })
})
