import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gunzipSync } from 'node:zlib'
import etag from '@koa/etag'
import compression from 'compression'
import cors from 'cors'
import express5 from 'express'
import { rateLimit } from 'express-rate-limit'
import session from 'express-session'
import express4 from 'express4'
import helmet from 'helmet'
import compress from 'koa-compress'
import conditional from 'koa-conditional-get'
import koaSession from 'koa-session'
import morgan from 'morgan'
import { afterAll, describe, expect, it } from 'vitest'
import type { Got } from '../middleware/hosts/client.js'
import { until } from '../support/until.js'
import { type Client, expresses, koas, useStage } from './stage.js'

const stage = useStage()
const folder = mkdtempSync(join(tmpdir(), 'fallback-cache-refresh-'))
afterAll(() => rmSync(folder, { recursive: true }))
const page = (run: number) => `run ${run} ${'compressible '.repeat(400)}`
const fields = { 'accept-encoding': 'gzip', origin: 'https://a.example' }
const textOf = (got: Got) => (got.field('content-encoding') === 'gzip' ? gunzipSync(got.body) : got.body).toString()

/** Out of date, the page is sent once more and made again without a client: through everything in front of the cache. */
async function refreshesBehindAll(get: Client, lines: readonly string[]): Promise<void> {
  expect(textOf(await get('/page', { fields }))).toBe(page(1))
  stage.clock.advance(61_000)
  const stale = await get('/page', { fields })
  expect([textOf(stale), stale.cacheStatus.hit, (stale.cacheStatus.ttl ?? 0) < 0]).toEqual([page(1), true, true])
  await until('the refresh', async () => textOf(await get('/page', { fields })) === page(2))
  const hit = await get('/page', { fields })
  expect([hit.status, textOf(hit), hit.cacheStatus.hit]).toEqual([200, page(2), true])
  expect(hit.field('content-encoding')).toBe('gzip')
  // The refresh has been logged too, by its own line.
  await until('all lines', () => lines.length >= 5)
  expect(lines.every((line) => line === 'GET /page 200')).toBe(true)
}

/** A handler that answers 304 has removed fields from its response that describe the content. */
async function keepsFieldsInFront(get: Client, paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    for (const expected of ['miss', 'hit', 'validation', 'refreshed']) {
      if (expected === 'validation') stage.clock.advance(61_000)
      const got = await get(path)
      expect([expected, got.field('content-type'), got.field('content-security-policy')]).toEqual([
        expected,
        'text/plain; charset=utf-8',
        "default-src 'self'",
      ])
      if (expected === 'validation')
        await until('the refresh', async () => ((await get(path)).cacheStatus.ttl ?? 0) > 0)
    }
  }
}

describe.each(expresses)('a refresh in %s', (version, createApplication) => {
  it.each(['front of', 'the back of'])('runs through what is in %s the cache', async (place) => {
    const lines: string[] = []
    let runs = 0
    const app = createApplication()
    const all = [
      morgan(':method :url :status', { stream: { write: (line) => void lines.push(line.trim()) } }),
      helmet(),
      cors({ origin: ['https://a.example', 'https://b.example'] }),
      // Its older fields come with a Date, which is not that of the manual clock.
      rateLimit({ windowMs: 60_000, limit: 1000, validate: false, standardHeaders: 'draft-8', legacyHeaders: false }),
      compression(),
      session({ secret: 'secret', resave: false, saveUninitialized: false }),
    ]
    // The rate limiter reads the address of the client, which counts behind the cache only.
    const inputs = place === 'front of' ? {} : { ignore: ['ip'] }
    const cached = stage.express({ staleWhileRevalidate: 600, inputs })
    if (place === 'front of') app.use(...all, cached)
    else app.use(all[0] as (typeof all)[number], cached, ...all.slice(1))
    app.get('/page', (_req, res) => {
      runs += 1
      res.type('text').send(page(runs))
    })
    await refreshesBehindAll(await stage.serve(app), lines)
    expect(runs).toBe(2)
  })

  it('reads a file again, which has changed', async () => {
    const file = join(folder, 'file.txt')
    const app = createApplication()
    app.use(compression(), stage.express({ staleWhileRevalidate: 600 }))
    app.use((version === 'Express 5' ? express5 : express4).static(folder))
    const get = await stage.serve(app)
    writeFileSync(file, page(1))
    expect((await get('/file.txt')).text).toBe(page(1))
    writeFileSync(file, page(22))
    stage.clock.advance(61_000)
    expect((await get('/file.txt')).text).toBe(page(1))
    await until('the refresh', async () => (await get('/file.txt')).text === page(22))
  })

  it.each([0, 600])('leaves the fields of middleware in front in later hits (stale for %i s)', async (seconds) => {
    writeFileSync(join(folder, 'kept.txt'), 'page')
    const app = createApplication()
    app.use((_req, res, next) => {
      res.type('text').set('Content-Security-Policy', "default-src 'self'")
      next()
    })
    app.use(stage.express({ staleWhileRevalidate: seconds }))
    app.get('/page', (_req, res) => void res.send('page'))
    app.use((version === 'Express 5' ? express5 : express4).static(folder, { cacheControl: false }))
    await keepsFieldsInFront(await stage.serve(app), ['/page', '/kept.txt'])
  })

  it('that a rate limiter refuses leaves the stale page in use', async () => {
    const app = createApplication()
    const limiter = rateLimit({ windowMs: 60_000, limit: 1, validate: false, legacyHeaders: false })
    app.use(stage.express({ staleWhileRevalidate: 600, inputs: { ignore: ['ip'] } }), limiter)
    app.get('/page', (_req, res) => void res.send('page'))
    const get = await stage.serve(app)
    await get('/page')
    stage.clock.advance(61_000)
    for (let asked = 0; asked < 3; asked++) {
      const got = await get('/page')
      expect([got.status, got.text]).toEqual([200, 'page'])
    }
  })
})

describe.each(koas)('a refresh in %s', (_, createApplication) => {
  it.each([0, 600])('leaves the fields of middleware in front in later hits (stale for %i s)', async (seconds) => {
    const app = createApplication()
    app.use(async (ctx, next) => {
      ctx.set({ 'Content-Type': 'text/plain; charset=utf-8', 'Content-Security-Policy': "default-src 'self'" })
      await next()
    })
    app.use(stage.koa({ staleWhileRevalidate: seconds })).use(conditional())
    app.use((ctx) => {
      ctx.set('ETag', '"page"')
      ctx.body = 'page'
    })
    await keepsFieldsInFront(await stage.serve(app), ['/page'])
  })

  it.each(['front of', 'the back of'])('runs through what is in %s the cache', async (place) => {
    const lines: string[] = []
    let runs = 0
    const log = promisify(morgan(':method :url :status', { stream: { write: (line) => void lines.push(line.trim()) } }))
    const protect = promisify(helmet()) as (req: IncomingMessage, res: ServerResponse) => Promise<void>
    const app = createApplication()
    app.keys = ['secret']
    app.use(async (ctx, next) => {
      await log(ctx.req, ctx.res)
      await protect(ctx.req, ctx.res)
      await next()
    })
    const cached = stage.koa({ staleWhileRevalidate: 600 })
    if (place === 'the back of') app.use(cached)
    app
      .use(conditional())
      .use(etag())
      .use(compress({ zstd: false }))
      .use(koaSession(app))
    if (place === 'front of') app.use(cached)
    app.use((ctx) => {
      runs += 1
      ctx.body = page(runs)
    })
    await refreshesBehindAll(await stage.serve(app), lines)
    expect(runs).toBe(2)
  })
})
