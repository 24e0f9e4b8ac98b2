import { mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { Agent } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import etag from '@koa/etag'
import compression from 'compression'
import express5, { type Express, type RequestHandler } from 'express'
import express4 from 'express4'
import type Koa from 'koa'
import conditionalGet from 'koa-conditional-get'
import sendInKoa from 'koa-send'
import staticInKoa from 'koa-static'
import send from 'send'
import serveStatic from 'serve-static'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { ask, type Got } from '../middleware/hosts/client.js'
import { listen } from '../middleware/hosts/listen.js'
import { expresses, koas, useStage } from './stage.js'

// What a client sees of conditions and ranges is the same without a cache, on a miss and on a hit: every request of the table below
// against every way of answering.

const stage = useStage()
const folder = mkdtempSync(join(tmpdir(), 'fallback-cache-conditions-'))
const file = join(folder, 'page.txt')
writeFileSync(file, '0123456789')
utimesSync(file, 1_600_000_000, 1_600_000_000)
afterAll(() => rmSync(folder, { recursive: true }))
const modified = statSync(file).mtime.toUTCString()
const [earlier, later] = ['Wed, 01 Jan 2020 00:00:00 GMT', 'Fri, 01 Jan 2021 00:00:00 GMT']
const tags = ['"one"', 'W/"one"', 'W/"a-iu+1dvLoZnyPiH1x7WzGGhfxGG8"'] as const

type Fields = Readonly<Record<string, string>>
/** An application that answers, with or without a cache in front. */
type Site = (cached: boolean) => Express | Koa

const pages: Readonly<Record<string, RequestHandler>> = {
  'res.send': (_req, res) => void res.send('0123456789'),
  'res.json': (_req, res) => void res.json({ a: 1 }),
  'a tag of its own': (_req, res) => void res.set({ ETag: '"one"', 'X-A': 'b' }).send('0123456789'),
  'a weak tag': (_req, res) => void res.set('ETag', 'W/"one"').send('0123456789'),
  'a tag in bytes above 0x7f': (_req, res) => void res.set('ETag', '"\u00e9"').end(Buffer.from('0123456789')),
  'a field in bytes above 0x7f, beside a text': (_req, res) =>
    void res.set({ ETag: '"one"', 'X-Latin': 'caf\u00e9' }).send('0123'),
  'a field in bytes above 0x7f, beside bytes': (_req, res) =>
    void res.set({ ETag: '"one"', 'X-Latin': 'caf\u00e9' }).send(Buffer.from('0123')),
  'a date': (_req, res) => void res.set('Last-Modified', modified).send('0123456789'),
  'a date alone': (_req, res) => void res.set('Last-Modified', modified).end('0123456789'),
  'neither tag nor date': (_req, res) => void res.end('0123456789'),
  'status 203': (_req, res) => void res.status(203).set('ETag', '"one"').send('0123456789'),
  'status 204': (_req, res) => void res.status(204).set('ETag', '"one"').send(),
  'status 205': (_req, res) => void res.status(205).set('ETag', '"one"').send(),
  'status 404': (_req, res) => void res.status(404).set({ ETag: '"one"', 'Cache-Control': 'max-age=60' }).send('none'),
  'a range that it reads': (req, res) => void res.json(req.range(10) ?? null),
  'a range of its own': (req, res) => {
    const [, first, last] = /^items=(\d)-(\d)$/.exec(req.get('range') ?? '') ?? []
    if (first === undefined) return void res.json([0, 1, 2])
    res
      .status(206)
      .set('Content-Range', `items ${first}-${last}/3`)
      .json([Number(first)])
  },
  'an answer to If-Match': (req, res) =>
    void res.status(req.get('if-match') === '"two"' ? 412 : 200).send('0123456789'),
}

const sites: Readonly<Record<string, Site>> = {
  ...Object.fromEntries(
    expresses.flatMap(([version, create]) => [
      ...Object.entries(pages).map(([what, page]) => [`${version}, ${what}`, inExpress(create, page)] as const),
      [`${version}, express.static`, inExpress(create, (version === 'Express 5' ? express5 : express4).static(folder))],
      [`${version}, res.sendFile`, inExpress(create, (_req, res) => res.sendFile(file))],
      [`${version}, res.download`, inExpress(create, (_req, res) => res.download(file))],
      [
        `${version}, behind compression`,
        inExpress(create, pages['res.send'] as RequestHandler, compression({ threshold: 0 })),
      ],
    ]),
  ),
  'Express 5, serve-static': inExpress(expresses[0][1], serveStatic(folder) as RequestHandler),
  'Express 5, send': inExpress(expresses[0][1], (req, res) => void send(req, req.path, { root: folder }).pipe(res)),
  ...Object.fromEntries(
    koas.flatMap(([version, create]) => [
      [
        `${version}, a text`,
        inKoa(create, (ctx) => {
          ctx.body = '0123456789'
        }),
      ],
      [
        `${version}, a tag and a date`,
        inKoa(create, (ctx) => {
          ctx.set({ ETag: '"one"', 'Last-Modified': modified, 'X-A': 'b' })
          ctx.body = '0123456789'
        }),
      ],
      [
        `${version}, a date`,
        inKoa(create, (ctx) => {
          ctx.set('Last-Modified', modified)
          ctx.body = '0123456789'
        }),
      ],
      [
        `${version}, a field in bytes above 0x7f`,
        inKoa(create, (ctx) => {
          ctx.set('X-Latin', 'caf\u00e9')
          ctx.body = '0123456789'
        }),
      ],
      [`${version}, koa-static`, inKoa(create, staticInKoa(folder) as Koa.Middleware)],
      [`${version}, koa-send`, inKoa(create, async (ctx) => void (await sendInKoa(ctx, ctx.path, { root: folder })))],
    ]),
  ),
}

const requests: Readonly<Record<string, Fields>> = {
  'no condition': {},
  ...Object.fromEntries(tags.map((tag) => [`If-None-Match ${tag}`, { 'if-none-match': tag }])),
  'If-None-Match in bytes above 0x7f': { 'if-none-match': '"\u00e9"' },
  'If-None-Match of a list': { 'if-none-match': `"zero" , ${tags.join(',')}` },
  'If-None-Match *': { 'if-none-match': '*' },
  'another If-None-Match': { 'if-none-match': '"two"' },
  'If-None-Match with no-cache': { 'if-none-match': '*', 'cache-control': 'no-cache' },
  'If-None-Match with max-age=0': { 'if-none-match': '*', 'cache-control': 'max-age=0' },
  'If-Modified-Since of the date': { 'if-modified-since': modified },
  'an earlier If-Modified-Since': { 'if-modified-since': earlier },
  'a later If-Modified-Since': { 'if-modified-since': later },
  'If-Modified-Since that is no date': { 'if-modified-since': 'yesterday' },
  'another tag beside the date': { 'if-none-match': '"two"', 'if-modified-since': modified },
  'If-Match': { 'if-match': tags.join(', ') },
  'another If-Match': { 'if-match': '"two"' },
  'an earlier If-Unmodified-Since': { 'if-unmodified-since': earlier },
  'a later If-Unmodified-Since': { 'if-unmodified-since': later },
  'a range': { range: 'bytes=2-4' },
  'the end': { range: 'bytes=-3' },
  'several ranges': { range: 'bytes=0-1,4-5' },
  'a range beyond the end': { range: 'bytes=90-' },
  'a range that is none': { range: 'bytes=4-2' },
  'a range in units of its own': { range: 'items=0-1' },
  'If-Range of the date': { range: 'bytes=2-4', 'if-range': modified },
  'another If-Range': { range: 'bytes=2-4', 'if-range': '"two"' },
  'If-None-Match before a range': { range: 'bytes=2-4', 'if-none-match': '*' },
}

/** Of the cache and of the connection; errors have the words of the program that answers. */
const OWN = new Set(['age', 'cache-status', 'connection', 'date', 'keep-alive', 'accept-ranges', 'transfer-encoding'])

/** Status, body and fields; the entity tag only where the handler gave one. */
function seen(got: Got, without: Got) {
  // A 304 has the Vary of the 200 (RFC 9110, section 15.4.5), and a HEAD may have the length. Node writes the
  // bytes of a field in another way without a body.
  const more = got.status === 304 ? ['vary', 'x-latin'] : got.body.length === 0 ? ['content-length', 'x-latin'] : []
  if (!without.field('etag')) more.push('etag')
  const names = got.names.filter((name) => !OWN.has(name) && !more.includes(name))
  return { status: got.status, text: got.text, fields: names.map((name) => [name, got.lines(name)]) }
}

describe.each(Object.entries(sites))('%s', (_name, site) => {
  const open: { close(): Promise<unknown> }[] = []
  afterEach(async () => {
    for (const one of open.splice(0)) await one.close()
  })
  const start = async (cached: boolean) => {
    const app = site(cached)
    const running = await listen('callback' in app ? app.callback() : app)
    const agent = new Agent({ keepAlive: true })
    open.push({ close: () => Promise.resolve(agent.destroy()) }, running)
    return (method: string, fields: Fields, query = '') =>
      ask(running.port, `/page.txt${query}`, { method, fields, agent })
  }

  it.each(['GET', 'HEAD'])('answers %s on a miss as without a cache', async (method) => {
    const [plain, cached] = [await start(false), await start(true)]
    for (const [index, [what, fields]] of Object.entries(requests).entries()) {
      const without = await plain(method, fields)
      // Each is the first request for its URL.
      const got = await cached(method, fields, `?${index}`)
      expect(got.cacheStatus.hit, what).toBe(false)
      if (isLeftToOurs(fields, got, without)) continue
      expect({ what, ...seen(got, without) }).toEqual({ what, ...seen(without, without) })
    }
  })

  it.each(['GET', 'HEAD'])('answers %s on a hit as without a cache', async (method) => {
    const [plain, cached] = [await start(false), await start(true)]
    await cached('GET', {})
    for (const [what, fields] of Object.entries(requests)) {
      const without = await plain(method, fields)
      const got = await cached(method, fields)
      if (isLeftToOurs(fields, got, without)) continue
      if (got.cacheStatus.hit && isLeftToCaches(method, fields, got, without)) continue
      expect({ what, ...seen(got, without) }).toEqual({ what, ...seen(without, without) })
    }
  })
})

/** A handler that evaluates no condition, as `res.end` does, has the cache evaluate them. */
function isLeftToOurs(fields: Fields, got: Got, without: Got): boolean {
  const evaluates = without.field('etag') !== undefined || without.field('last-modified') === undefined
  const isRaw = without.field('content-type') === undefined && without.status === 200
  if (isRaw && got.status !== 304 && fields.range !== undefined) return got.cacheStatus.hit
  return (
    (isRaw || !evaluates) &&
    got.status === 304 &&
    (fields['if-none-match'] ?? fields['if-modified-since']) !== undefined
  )
}

/** Where the RFCs have a cache answer from what it has in another way than these handlers. */
function isLeftToCaches(method: string, { range, ...fields }: Fields, got: Got, without: Got): boolean {
  // RFC 9111, section 4.3.2: If-Match and If-Unmodified-Since are not for caches, and without Last-Modified the Date serves.
  if (fields['if-match'] !== undefined || fields['if-unmodified-since'] !== undefined) return got.status === 200
  if (fields['if-modified-since'] !== undefined && without.field('last-modified') === undefined) return true
  if (range === undefined) return false
  // RFC 9110, section 14.2: Range is for GET only.
  if (method === 'HEAD') return got.status === 200 || (got.status === 304 && without.status === 304)
  if (without.status === 304) return got.status === 304
  // RFC 9110, section 15.5.17: the words of an error are its server's.
  if (without.status === 416) return got.status === 416 && got.field('content-range') === without.field('content-range')
  // A part of what the handler always sends whole, several parts, and the whole in units that the cache does not know (section 14.2).
  const isWhole = without.status === 200 || without.status === 206
  return isWhole && (got.status === 200 || got.status === 206 || got.status === 416)
}

function inExpress(create: () => Express, page: RequestHandler, ...around: RequestHandler[]): Site {
  return (cached) => {
    const app = create()
    if (cached) app.use(stage.express())
    for (const one of around) app.use(one)
    return app.use(page)
  }
}

function inKoa(create: () => Koa, page: Koa.Middleware<Koa.DefaultState, Koa.DefaultContext>): Site {
  return (cached) => {
    const app = create()
    if (cached) app.use(stage.koa())
    app.use(conditionalGet()).use(etag())
    app.use(page)
    return app
  }
}
