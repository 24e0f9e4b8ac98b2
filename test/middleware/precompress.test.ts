import * as zlib from 'node:zlib'
import Router from '@koa/router'
import compression from 'compression'
import express from 'express'
import Koa from 'koa'
import compress from 'koa-compress'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { CacheEvents } from '../../src/core/events.js'
import {
  type FallbackCacheMiddleware,
  fallbackCache as forExpress,
  type MiddlewareOptions,
} from '../../src/middleware/express.js'
import { fallbackCache as forKoa } from '../../src/middleware/koa.js'
import { ManualClock } from '../support/manual-clock.js'
import { RedisServer } from '../support/redis-server.js'
import { until } from '../support/until.js'
import { type Ask, ask } from './hosts/client.js'
import { listen } from './hosts/listen.js'

const open: { close(): Promise<void> }[] = []
let clock = new ManualClock()

beforeEach(() => {
  clock = new ManualClock(Date.now())
})
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})

const TEXT = Array.from({ length: 200 }, (_, line) => `Line ${line} of a page that compresses well.\n`).join('')
const BR = { 'accept-encoding': 'gzip, deflate, br' }
const GZIP = { 'accept-encoding': 'gzip' }

interface Site {
  readonly cached: Pick<FallbackCacheMiddleware, 'cache' | 'stats' | 'invalidate'>
  get(path: string, fields?: Ask['fields']): ReturnType<typeof ask>
}

/** Where the other compression stands: in front of the cache, or behind it. */
type Place = 'outside' | 'inside'

async function expressSite(place: Place): Promise<Site> {
  const cached = forExpress({ ttl: 60, clock, precompress: ['br', 'gzip'] })
  const app = express()
  app.use(...(place === 'outside' ? [compression({ threshold: 0 }), cached] : [cached, compression({ threshold: 0 })]))
  app.get('/page', (_req, res) => void res.set('etag', '"a"').type('text').send(TEXT))
  return site(cached, app)
}

async function koaSite(place: Place): Promise<Site> {
  const cached = forKoa({ ttl: 60, clock, precompress: ['br', 'gzip'] })
  const other = compress({ threshold: 0 })
  const app = new Koa()
  for (const middleware of place === 'outside' ? [other, cached] : [cached, other]) app.use(middleware)
  const router = new Router()
  router.get('/page', (ctx) => {
    ctx.set('etag', '"a"')
    ctx.type = 'text'
    ctx.body = TEXT
  })
  app.use(router.routes())
  return site(cached, app.callback())
}

async function site(
  cached: Site['cached'] & { close(): Promise<void> },
  listener: Parameters<typeof listen>[0],
): Promise<Site> {
  open.push(cached)
  const running = await listen(listener)
  open.push(running)
  return { cached, get: (path, fields) => ask(running.port, path, { fields: { host: 'shop.example', ...fields } }) }
}

function areMade({ cached }: Site, count: number): Promise<boolean> {
  return until(`${count} forms are made`, () => cached.stats().counters.precompressed >= count)
}

const DECODERS = { br: zlib.brotliDecompressSync, gzip: zlib.gunzipSync, deflate: zlib.inflateSync }

function decoded(got: Awaited<ReturnType<typeof ask>>): string {
  const coding = got.field('content-encoding')
  return coding === undefined ? got.text : DECODERS[coding as keyof typeof DECODERS](got.body).toString()
}

describe.each([
  ['compression in Express', expressSite],
  ['koa-compress in Koa', koaSite],
] as const)('precompress beside %s', (_name, start) => {
  it('leaves to an outer one the first answer, and takes the hits', async () => {
    const { cached, get } = await start('outside')
    const first = await get('/page', GZIP)
    expect([first.field('content-encoding'), decoded(first)]).toEqual(['gzip', TEXT])
    expect(first.field('vary')).toBe('Accept-Encoding')
    await areMade({ cached, get }, 2)
    for (const [fields, coding] of [
      [BR, 'br'],
      [GZIP, 'gzip'],
    ] as const) {
      const hit = await get('/page', fields)
      expect([hit.field('content-encoding'), hit.lines('content-encoding').length]).toEqual([coding, 1])
      expect(hit.field('etag')).toMatch(new RegExp(`^"a-${coding}-`))
      expect([hit.field('vary'), hit.field('content-length')]).toEqual(['Accept-Encoding', String(hit.body.length)])
      expect(decoded(hit)).toBe(TEXT)
      expect(hit.cacheStatus.hit).toBe(true)
    }
    expect((await get('/page')).text).toBe(TEXT)
    expect(cached.stats().counters.precompressedHits).toBe(2)
  })

  it('has nothing to do for what an inner one has encoded', async () => {
    const { cached, get } = await start('inside')
    for (let i = 0; i < 2; i += 1) {
      const got = await get('/page', GZIP)
      expect([got.field('content-encoding'), decoded(got)]).toEqual(['gzip', TEXT])
    }
    // What it has left alone, for a client that takes no coding, is encoded for all who come after.
    expect((await get('/page')).text).toBe(TEXT)
    await areMade({ cached, get }, 2)
    expect(decoded(await get('/page', BR))).toBe(TEXT)
    expect((await get('/page')).text).toBe(TEXT)
  })
})

describe('precompress of an inner middleware', () => {
  async function nested(outer: MiddlewareOptions['precompress'], inner: MiddlewareOptions['precompress']) {
    const cached = forExpress({ ttl: 60, clock, ...(outer && { precompress: outer }) })
    const app = express()
    app.use(cached)
    app.get('/page', cached.with({ precompress: inner }), (_req, res) => void res.type('text').send(TEXT))
    app.get('/other', (_req, res) => void res.type('text').send(TEXT))
    return site(cached, app)
  }

  it('refines the outer one for its route', async () => {
    const { cached, get } = await nested(undefined, ['br'])
    for (const path of ['/page', '/other']) await get(path, BR)
    await areMade({ cached, get }, 1)
    expect((await get('/page', BR)).field('content-encoding')).toBe('br')
    expect((await get('/other', BR)).field('content-encoding')).toBeUndefined()
  })

  it('may turn it off', async () => {
    const { cached, get } = await nested(['gzip'], [])
    for (const path of ['/page', '/other']) await get(path, BR)
    await areMade({ cached, get }, 1)
    expect((await get('/other', BR)).field('content-encoding')).toBe('gzip')
    const page = await get('/page', BR)
    expect([page.field('content-encoding'), page.field('vary')]).toEqual([undefined, undefined])
  })
})

describe('precompress', () => {
  it.each(['br', true, ['deflate'], ['br', 'br'], [1]])('%j is told what is wrong', (precompress) => {
    const message = /precompress must be a list of "br", "gzip" and "zstd", each once, got/
    expect(() => forExpress({ precompress } as never)).toThrow(message)
    expect(() => forKoa({ precompress } as never)).toThrow(message)
  })

  it('tells of each form that it makes', async () => {
    const { cached, get } = await expressSite('outside')
    const told: CacheEvents['precompress'][0][] = []
    cached.cache.on('precompress', (event) => told.push(event))
    await get('/page')
    await areMade({ cached, get }, 2)
    expect(told.map(({ key, coding, from }) => [key.replace(/:.*/, ''), coding, from])).toEqual([
      ['/page', 'br', TEXT.length],
      ['/page', 'gzip', TEXT.length],
    ])
    const { counters } = cached.stats()
    expect(told.reduce((sum, { to }) => sum + to, 0)).toBe(counters.precompressedBytes)
  })

  it('makes nothing that is no smaller, and does not try again', async () => {
    const noise = Buffer.from(Array.from({ length: 2000 }, () => Math.floor(Math.random() * 256)))
    const cached = forExpress({ ttl: 60, clock, precompress: ['br', 'gzip'] })
    const app = express()
    app.get('/noise', cached, (_req, res) => void res.type('text/x-noise').send(noise))
    app.get('/page', cached, (_req, res) => void res.type('text').send(TEXT))
    const { get } = await site(cached, app)
    await get('/noise')
    await get('/page')
    await areMade({ cached, get }, 2)
    for (let i = 0; i < 3; i += 1) {
      clock.advance(5_000)
      const got = await get('/noise', BR)
      expect([got.field('content-encoding'), got.body.equals(noise)]).toEqual([undefined, true])
    }
    expect(cached.stats().counters.precompressed).toBe(2)
  })

  const hasZstd = 'zstdCompress' in zlib
  it(`asked for zstd, ${hasZstd ? 'gives it' : 'leaves it out where Node.js has none'}`, async () => {
    const cached = forExpress({ ttl: 60, clock, precompress: ['zstd', 'gzip'] })
    const app = express()
    app.get('/page', cached, (_req, res) => void res.type('text').send(TEXT))
    const { get } = await site(cached, app)
    await get('/page')
    await areMade({ cached, get }, hasZstd ? 2 : 1)
    const got = await get('/page', { 'accept-encoding': 'gzip, deflate, br, zstd' })
    expect(got.field('content-encoding')).toBe(hasZstd ? 'zstd' : 'gzip')
  })

  it('comes to all pages in time, though many are stored at once', async () => {
    const cached = forExpress({ ttl: 60, clock, maxEntries: 500, precompress: ['gzip'] })
    const app = express()
    app.get('/page/:id', cached, (req, res) => void res.type('text').send(`${req.params.id} ${TEXT}`))
    const started = await site(cached, app)
    const paths = Array.from({ length: 200 }, (_, id) => `/page/${id}`)
    const all = () => Promise.all(paths.map((path) => started.get(path, GZIP)))
    await all()
    await until('all forms are made', async () => {
      clock.advance(100)
      await all()
      return cached.stats().counters.precompressed === paths.length
    })
    const answers = await all()
    for (const [id, got] of answers.entries()) {
      expect([got.field('content-encoding'), decoded(got)]).toEqual(['gzip', `${id} ${TEXT}`])
    }
    expect(cached.stats().counters.precompressed).toBe(paths.length)
  })

  it('keeps a response as it is when its forms would not fit into memory', async () => {
    const cached = forExpress({ ttl: 60, clock, maxBytes: TEXT.length + 2_000, precompress: ['br', 'gzip'] })
    const app = express()
    const random = Array.from({ length: TEXT.length }, () => 'abcdefghijklmnop'[Math.floor(Math.random() * 16)]).join(
      '',
    )
    app.get('/page', cached, (_req, res) => void res.type('text').send(random))
    const { get } = await site(cached, app)
    await get('/page')
    await new Promise((resolve) => setTimeout(resolve, 100))
    const got = await get('/page', BR)
    expect([got.cacheStatus.hit, got.field('content-encoding'), got.text]).toEqual([true, undefined, random])
    expect(cached.stats().memoryBytes).toBeLessThanOrEqual(TEXT.length + 2_000)
  })
})

describe('precompress in several processes', () => {
  let server: RedisServer

  beforeAll(async () => {
    server = await RedisServer.start()
  })
  afterAll(() => server.stop())
  beforeEach(() => server.command('FLUSHALL'))

  async function process(precompress?: MiddlewareOptions['precompress']): Promise<Site> {
    const cached = forExpress({
      ttl: 60,
      clock,
      redis: server.url,
      redisTimeout: 2_000,
      group: 'g',
      ...(precompress && { precompress }),
    })
    const app = express()
    let run = 0
    app.get('/page', cached, (_req, res) => {
      run += 1
      res.set('etag', `"${run}"`).type('text').send(`${run} ${TEXT}`)
    })
    const started = await site(cached, app)
    await until('it is connected', () => cached.stats().connected)
    return started
  }

  async function isInRedis(): Promise<boolean> {
    return ((await server.command('KEYS', 'g:/page*')) as string[]).some((key) => !key.endsWith('#turn'))
  }

  it('is done by one and serves all, those included that have the response in memory', async () => {
    const [a, b] = [await process(['br', 'gzip']), await process(['br', 'gzip'])]
    await a.get('/page')
    // Or else b would wait for a, by a clock that stands still.
    await until('it is in Redis', isInRedis)
    await b.get('/page')
    await areMade(a, 2)
    const [fromA, fromB] = [await a.get('/page', BR), await b.get('/page', BR)]
    for (const got of [fromA, fromB]) {
      expect([got.field('content-encoding'), decoded(got), got.cacheStatus.detail]).toEqual([
        'br',
        `1 ${TEXT}`,
        'redis',
      ])
    }
    expect(fromB.field('etag')).toBe(fromA.field('etag'))
    expect(b.cached.stats().counters).toMatchObject({ precompressed: 0, precompressedHits: 1 })
  })

  it('obeys an invalidation by another process from the next read on', async () => {
    const [a, b] = [await process(['br']), await process(['br'])]
    await a.get('/page')
    await areMade(a, 1)
    expect(decoded(await b.get('/page', BR))).toBe(`1 ${TEXT}`)
    expect(await b.cached.invalidate('/page')).toMatchObject({ durable: true })
    const got = await a.get('/page', BR)
    expect([got.cacheStatus.hit, decoded(got)]).toEqual([false, `2 ${TEXT}`])
  })

  it('is made up for by a process that has a hit, when the process that stored it did not come to it', async () => {
    const [a, b] = [await process(['br']), await process(['br'])]
    await a.get('/page')
    await areMade(a, 1)
    // As if a had died before: Redis has what was stored at first.
    const [key = ''] = (await server.command('KEYS', 'g:/page*')) as string[]
    const wanted = await wantedAgain(server, key)
    await server.command('SET', key, wanted, 'PX', 60_000)
    expect((await b.get('/page', BR)).field('content-encoding')).toBeUndefined()
    clock.advance(2_000)
    expect((await b.get('/page', BR)).field('content-encoding')).toBeUndefined()
    await areMade(b, 1)
    for (const one of [a, b]) expect((await one.get('/page', BR)).field('content-encoding')).toBe('br')
  })

  it('is tried again at later hits, less and less often, when its forms were lost', async () => {
    const a = await process(['br'])
    await a.get('/page')
    await areMade(a, 1)
    const [key = ''] = (await server.command('KEYS', 'g:/page*')) as string[]
    const wanted = await wantedAgain(server, key)
    for (const [again, pause] of [2_000, 2_000, 4_000].entries()) {
      await server.command('SET', key, wanted, 'PX', 60_000)
      clock.advance(pause - 1)
      expect((await a.get('/page', BR)).field('content-encoding')).toBeUndefined()
      expect(a.cached.stats().counters.precompressed).toBe(again + 1)
      clock.advance(1)
      expect((await a.get('/page', BR)).field('content-encoding')).toBeUndefined()
      await areMade(a, again + 2)
      expect((await a.get('/page', BR)).field('content-encoding')).toBe('br')
    }
  })

  it('is no business of a process without the option, which sends what it finds', async () => {
    const [a, b] = [await process(['br']), await process()]
    await a.get('/page')
    await areMade(a, 1)
    expect((await b.get('/page', BR)).field('content-encoding')).toBe('br')
    const plain = await b.get('/page')
    expect([plain.text, plain.field('vary')]).toEqual([`1 ${TEXT}`, 'Accept-Encoding'])
  })
})

/** The frame of an entry without its encoded forms, which are to be made. */
async function wantedAgain(server: RedisServer, key: string): Promise<Buffer> {
  const frame = (await server.commandBuffer('GET', key)) as Buffer
  const lineEnd = frame.indexOf('\n')
  const words = frame.toString('latin1', 0, lineEnd).split(' ')
  const [tagBytes, metaBytes] = [Number(words[6]), Number(words[7])]
  const metaAt = lineEnd + 1 + tagBytes
  const meta = JSON.parse(frame.toString('utf8', metaAt, metaAt + metaBytes)) as { z: [string, number, string][] }
  const forms = meta.z.reduce((sum, [, length]) => sum + length, 0)
  const text = JSON.stringify({ ...meta, z: meta.z.map(([coding]) => [coding]) })
  const body = frame.subarray(metaAt + metaBytes, frame.length - forms)
  words[7] = String(Buffer.byteLength(text))
  words[8] = String(body.length)
  words[10] = 'another'
  return Buffer.concat([
    Buffer.from(`${words.join(' ')}\n`, 'latin1'),
    frame.subarray(lineEnd + 1, metaAt),
    Buffer.from(text),
    body,
  ])
}
