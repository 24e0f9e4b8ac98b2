import { PassThrough, Readable } from 'node:stream'
import express from 'express'
import Koa from 'koa'
import request from 'supertest'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { FallbackCache } from '../../src/core/fallback-cache.js'
import { fallbackCache } from '../../src/middleware/express.js'
import { fallbackCache as koaCache } from '../../src/middleware/koa.js'
import { RedisServer } from '../support/redis-server.js'
import { until } from '../support/until.js'

const REDIS_TIMEOUT = 50
const ALLOWED = REDIS_TIMEOUT + 30

function expressApp(cache: FallbackCache) {
  const app = express()
  app.use(fallbackCache({ cache, ttl: 60 }))
  app.get('/:page', (req, res) => {
    if (req.params.page === 'variants') res.vary('x-plan')
    res.send(req.params.page)
  })
  app.post('/:page', (_req, res) => void res.sendStatus(204))
  return app
}

function koaApp(cache: FallbackCache) {
  const app = new Koa()
  app.use(koaCache({ cache, ttl: 60 }))
  app.use((ctx) => {
    if (ctx.method === 'POST') ctx.status = 204
    else ctx.body = ctx.path.slice(1)
    if (ctx.path === '/variants') ctx.vary('x-plan')
  })
  return app.callback()
}

function expressStream(cache: FallbackCache, body: () => Readable) {
  const app = express()
  app.get('/stream', fallbackCache({ cache, ttl: 60 }), (_req, res) => void body().pipe(res.type('text')))
  return app
}

function koaStream(cache: FallbackCache, body: () => Readable) {
  const app = new Koa()
  app.use(koaCache({ cache, ttl: 60 }))
  app.use((ctx) => {
    ctx.type = 'text'
    ctx.body = body()
  })
  return app.callback()
}

describe.each([
  { host: 'Express', appOf: expressApp, streamApp: expressStream },
  { host: 'Koa', appOf: koaApp, streamApp: koaStream },
])('requests to $host while Redis fails', ({ appOf, streamApp }) => {
  let server: RedisServer

  beforeAll(async () => {
    server = await RedisServer.start()
  })
  beforeEach(() => server.restart())
  afterAll(() => server.stop())

  it.each([
    { fault: 'frozen', fail: () => server.freeze() },
    { fault: 'killed', fail: () => server.kill() },
  ])('are answered right and in time: $fault', async ({ fault, fail }) => {
    const logger = { info: () => {}, warn: () => {} }
    const cache = new FallbackCache({ redis: server.url, redisTimeout: REDIS_TIMEOUT, logger })
    const http = request(appOf(cache))
    try {
      await until('connected', () => cache.stats().connected)
      for (const page of ['/hot', '/warm']) expect((await http.get(page)).status).toBe(200)
      await fail()
      let worst = 0
      const timed = async (ask: () => request.Test, status: number, text: string) => {
        const began = performance.now()
        const answer = await ask()
        worst = Math.max(worst, performance.now() - began)
        expect([answer.status, answer.text]).toEqual([status, text])
      }
      for (let round = 0; round < 8; round++) {
        await timed(() => http.get('/hot'), 200, 'hot')
        await timed(() => http.get(`/new${round}`), 200, `new${round}`)
        await timed(() => http.post('/warm'), 204, '')
      }
      console.log(`${fault}: worst answer ${worst.toFixed(1)} ms`)
      expect(worst).toBeLessThan(ALLOWED)
    } finally {
      if (server.frozen) server.resume()
      await cache.close()
    }
  })

  it('are answered in time where several keys are looked up: a new variant', async () => {
    const redisTimeout = 300
    const cache = new FallbackCache({ redis: server.url, redisTimeout, logger: { info: () => {}, warn: () => {} } })
    const http = request(appOf(cache))
    const ask = (plan: string) => http.get('/variants').set({ host: 'shop.example', 'x-plan': plan })
    try {
      await until('connected', () => cache.stats().connected)
      expect([(await ask('a')).text, (await ask('b')).text]).toEqual(['variants', 'variants'])
      server.freeze()
      const began = performance.now()
      expect((await ask('c')).text).toBe('variants')
      expect(performance.now() - began).toBeLessThan(2 * redisTimeout)
    } finally {
      if (server.frozen) server.resume()
      await cache.close()
    }
  })

  it.each([
    { fault: 'frozen', fail: () => server.freeze(), recover: () => server.resume() },
    { fault: 'killed', fail: () => server.kill(), recover: () => server.restart() },
  ])('come whole and in time when it happens in the middle of the response: $fault', async ({ fail, recover }) => {
    const cache = new FallbackCache({ redis: server.url, redisTimeout: REDIS_TIMEOUT })
    let endedAt = 0
    let runs = 0
    const page = new PassThrough()
    const http = request(
      streamApp(cache, () => {
        runs += 1
        if (runs > 1) return Readable.from(['new'])
        page.write('first half, ')
        return page
      }),
    )
    // Each request goes to a port of its own, and the key holds the host.
    const get = () => http.get('/stream').set('host', 'shop.example')
    try {
      await until('connected', () => cache.stats().connected)
      const answering = get().then((answer) => ({ answer, at: performance.now() }))
      await until('the handler runs', () => runs === 1)
      await fail()
      endedAt = performance.now()
      page.end('second half')
      const { answer, at } = await answering
      expect([answer.status, answer.text]).toEqual([200, 'first half, second half'])
      expect(at - endedAt).toBeLessThan(ALLOWED)
      expect((await get()).text).toBe('first half, second half')
      expect(await cache.clear()).toMatchObject({ durable: false })
      await recover()
      await until('it has told', () => cache.stats().connected && cache.stats().pendingInvalidations === 0)
      expect((await get()).text).toBe('new')
    } finally {
      if (server.frozen) server.resume()
      await cache.close()
    }
  })
})
