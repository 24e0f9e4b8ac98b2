import { randomUUID } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { promisify } from 'node:util'
import type { RequestHandler } from 'express'
import morgan from 'morgan'
import { describe, expect, it } from 'vitest'
import { until } from '../support/until.js'
import { type Client, expresses, koas, useStage } from './stage.js'

const stage = useStage()

/** The lines that morgan writes, and the morgan that writes them. */
function logger() {
  const lines: string[] = []
  const format = ':method :url :status :res[content-length] :res[cache-status] :response-time :total-time'
  const log = morgan(format, { stream: { write: (line) => void lines.push(line.trim()) } })
  return { lines, log }
}

async function logsEach(get: Client, lines: readonly string[]): Promise<void> {
  const etag = (await get('/')).field('etag') ?? ''
  await get('/')
  await get('/', { fields: { 'if-none-match': etag } })
  await get('/', { method: 'HEAD' })
  await get('/', { fields: { range: 'bytes=0-1' } })
  await until('five lines', () => lines.length === 5)
  const expected = [
    /^GET \/ 200 4 fallback-cache; fwd=uri-miss.* [\d.]+ [\d.]+$/,
    /^GET \/ 200 4 fallback-cache; hit.* [\d.]+ [\d.]+$/,
    /^GET \/ 304 - fallback-cache; hit.* [\d.]+ [\d.]+$/,
    /^HEAD \/ 200 4 fallback-cache; hit.* [\d.]+ [\d.]+$/,
    /^GET \/ 206 2 fallback-cache; hit.* [\d.]+ [\d.]+$/,
  ]
  expected.forEach((line, at) => {
    expect(lines[at]).toMatch(line)
  })
}

/** As response-time does: a field at the last moment before the head leaves. */
function timed(res: ServerResponse, value: () => string): void {
  const { writeHead } = res
  res.writeHead = (...args: unknown[]) => {
    res.setHeader('X-Response-Time', value())
    return writeHead.apply(res, args as never)
  }
}

describe.each(expresses)('logging in %s', (_, createApplication) => {
  it.each(['above', 'below'])('by morgan sees the status and length of hits, with the cache %s', async (place) => {
    const { lines, log } = logger()
    const app = createApplication()
    const cached = stage.express()
    app.use(...(place === 'above' ? [cached, log] : [log, cached]))
    app.get('/', (_req, res) => void res.send('page'))
    const get = await stage.serve(app)
    if (place === 'below') return logsEach(get, lines)
    await get('/')
    await get('/')
    await until('a line', () => lines.length > 0)
    expect(lines).toHaveLength(1)
  })

  it('hears of the end of each answer: finish, then close', async () => {
    const events: string[] = []
    const app = createApplication()
    app.use((_req, res, next) => {
      for (const event of ['finish', 'close']) res.once(event, () => void events.push(event))
      next()
    })
    app.use(stage.express())
    app.get('/', (_req, res) => void res.send('page'))
    const get = await stage.serve(app)
    for (const fields of [{}, {}, { range: 'bytes=0-0' }, { 'if-none-match': '*' }]) {
      await get('/', { fields })
      await until('finish and close', () => events.length === 2)
      expect(events.splice(0)).toEqual(['finish', 'close'])
    }
  })

  it.each(['above', 'below'])('tells each client its own request id and time, with the cache %s', async (place) => {
    let run = 0
    const own: RequestHandler = (_req, res, next) => {
      run += 1
      const id = String(run)
      res.setHeader('X-Request-Id', randomUUID())
      timed(res, () => `${id}ms`)
      next()
    }
    const app = createApplication()
    const cached = stage.express()
    app.use(...(place === 'above' ? [cached, own] : [own, cached]))
    app.get('/', (_req, res) => void res.send('page'))
    const get = await stage.serve(app)
    const [miss, hit] = [await get('/'), await get('/')]
    expect([miss.field('x-response-time'), hit.cacheStatus.hit]).toEqual(['1ms', true])
    expect(hit.field('x-request-id')).not.toBe(miss.field('x-request-id'))
    expect(hit.field('x-response-time')).toBe(place === 'above' ? undefined : '2ms')
  })
})

describe.each(koas)('logging in %s', (_, createApplication) => {
  it('by morgan, as koa-morgan calls it, sees the status and length of hits', async () => {
    const { lines, log } = logger()
    const app = createApplication()
    const write = promisify(log)
    app.use(async (ctx, next) => {
      await write(ctx.req, ctx.res)
      await next()
    })
    app.use(stage.koa())
    app.use((ctx) => {
      ctx.body = 'page'
    })
    await logsEach(await stage.serve(app), lines)
  })

  it.each(['above', 'below'])('tells each client its own request id and time, with the cache %s', async (place) => {
    const app = createApplication()
    let run = 0
    if (place === 'above') app.use(stage.koa())
    app.use(async (ctx, next) => {
      run += 1
      const id = `${run}ms`
      ctx.set('X-Request-Id', randomUUID())
      await next()
      ctx.set('X-Response-Time', id)
    })
    if (place === 'below') app.use(stage.koa())
    app.use((ctx) => {
      ctx.body = 'page'
    })
    const get = await stage.serve(app)
    const [miss, hit] = [await get('/'), await get('/')]
    expect([miss.field('x-response-time'), hit.cacheStatus.hit]).toEqual(['1ms', true])
    expect(hit.field('x-request-id')).not.toBe(miss.field('x-request-id'))
    expect(hit.field('x-response-time')).toBe(place === 'above' ? undefined : '2ms')
  })
})
