import { execFile } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer, type RequestListener, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { promisify } from 'node:util'
import Router from '@koa/router'
import express from 'express'
import Koa from 'koa'
import mount from 'koa-mount'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { leastRules } from '../../scripts/redis-commands.mjs'
import { type FallbackCacheMiddleware, fallbackCache } from '../../src/middleware/express.js'
import { fallbackCache as koaFallbackCache } from '../../src/middleware/koa.js'
import { ManualClock } from '../support/manual-clock.js'
import { RedisServer } from '../support/redis-server.js'
import { until } from '../support/until.js'

const SECRET = 'a secret of this test'

interface Host {
  readonly url: string
  readonly port: number
  readonly cached: Pick<FallbackCacheMiddleware, 'cache' | 'stats' | 'invalidate'>
}

const servers: Server[] = []
const closing: (() => Promise<void>)[] = []

async function listening(listener: RequestListener, cached: Host['cached'], close: () => Promise<void>): Promise<Host> {
  const server = createServer(listener)
  servers.push(server)
  closing.push(close)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, port, cached }
}

type Given = { readonly secret?: string | readonly string[]; readonly redis?: string; readonly clock?: ManualClock }

function expressHost({ secret = SECRET, ...options }: Given = {}): Promise<Host> {
  const cached = fallbackCache({ ttl: 60, tags: ['page'], keyPrefix: 'shop:', redisTimeout: 1000, ...options })
  const app = express()
  app.post('/__purge', cached.purgeEndpoint({ secret }))
  app.use(cached)
  app.get('/time/:zone', (_req, res) => void res.send(String(Math.random())))
  return listening(app, cached, () => cached.close())
}

const HOSTS: Readonly<Record<string, (given?: Given) => Promise<Host>>> = {
  Express: expressHost,
  'Express, behind the cache and a body parser that keeps the bytes': async ({ secret = SECRET, ...options } = {}) => {
    const cached = fallbackCache({ ttl: 60, tags: ['page'], ...options })
    const app = express()
    app.use(cached)
    app.use(express.json({ verify: (req, _res, bytes) => void Object.assign(req, { rawBody: bytes }), limit: '1mb' }))
    app.use('/__purge', cached.purgeEndpoint({ secret }))
    app.get('/time/:zone', (_req, res) => void res.send(String(Math.random())))
    return listening(app, cached, () => cached.close())
  },
  Koa: ({ secret = SECRET, ...options } = {}) => {
    const cached = koaFallbackCache({ ttl: 60, tags: ['page'], ...options })
    const app = new Koa()
    app.use(cached.purgeEndpoint({ secret }))
    app.use(cached)
    app.use((ctx) => {
      ctx.body = String(Math.random())
    })
    return listening(app.callback(), cached, () => cached.close())
  },
  'Koa, in a router, behind the cache': ({ secret = SECRET, ...options } = {}) => {
    const cached = koaFallbackCache({ ttl: 60, tags: ['page'], ...options })
    const app = new Koa()
    const router = new Router()
    router.all('/__purge', cached.purgeEndpoint({ secret, path: '/elsewhere' }))
    router.get('/time/:zone', (ctx) => {
      ctx.body = String(Math.random())
    })
    app.use(cached).use(router.routes())
    return listening(app.callback(), cached, () => cached.close())
  },
}

let made = 0

function signed(body: string, given: { id?: string; at?: number; secret?: string } = {}): Record<string, string> {
  const { id = `msg_${++made}`, at = Math.floor(Date.now() / 1000), secret = SECRET } = given
  const signature = createHmac('sha256', secret).update(`${id}.${at}.${body}`).digest('base64')
  return {
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': String(at),
    'webhook-signature': `v1,${signature}`,
  }
}

async function purge({ url }: Host, body: string, headers = signed(body)): Promise<[number, Record<string, unknown>]> {
  const reply = await fetch(`${url}/__purge`, { method: 'POST', headers, body })
  const text = await reply.text()
  // A body parser in front answers with a page.
  return [reply.status, (text.startsWith('{') ? JSON.parse(text) : { error: text }) as Record<string, unknown>]
}

const page = async ({ url }: Host, path = '/time/utc') => (await fetch(url + path)).text()

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  for (const close of closing.splice(0)) await close()
})

describe.each(Object.entries(HOSTS))('the purge endpoint in %s', (_name, start) => {
  it.each([
    ['a path', { paths: ['/time/utc'] }],
    ['a tag', { tags: ['page'] }],
    ['a prefix', { prefixes: ['/time'] }],
    ['everything', { all: true }],
  ])('invalidates %s, and answers with the receipt', async (_what, order) => {
    const host = await start()
    const before = await page(host)
    expect(await page(host)).toBe(before)
    const [status, receipt] = await purge(host, JSON.stringify(order))
    expect([status, receipt]).toMatchObject([200, { durable: true, covers: expect.any(Array) }])
    expect(await page(host)).not.toBe(before)
  })

  it('invalidates softly, several kinds at once', async () => {
    const host = await start()
    const order = { paths: ['/time/utc', '/a'], tags: ['b'], prefixes: ['c'], soft: true, confirm: true }
    const [status, receipt] = await purge(host, JSON.stringify(order))
    expect(status).toBe(200)
    expect(receipt.covers).toEqual(['si/time/utc:', 'si/time/utc/', 'si/a:', 'si/a/', 'spc', 'stb'])
    expect(receipt.confirmedBy).toHaveLength(1)
  })

  it('carries out each message once', async () => {
    const host = await start()
    const body = JSON.stringify({ tags: ['page'] })
    const headers = signed(body)
    expect((await purge(host, body, headers))[0]).toBe(200)
    const kept = await page(host)
    expect(await purge(host, body, headers)).toEqual([200, { repeated: true }])
    expect(await page(host)).toBe(kept)
  })

  it.each([
    ['no signature', (body: string) => ({ ...signed(body), 'webhook-signature': '' })],
    ['the signature of another content', (body: string) => signed(`${body} `)],
    ['another id', (body: string) => ({ ...signed(body), 'webhook-id': 'msg_other' })],
    [
      'another time',
      (body: string) => ({ ...signed(body), 'webhook-timestamp': String(Math.floor(Date.now() / 1000) + 1) }),
    ],
    ['another secret', (body: string) => signed(body, { secret: 'another secret, as long' })],
    ['an old time', (body: string) => signed(body, { at: Math.floor(Date.now() / 1000) - 301 })],
    ['a time in the future', (body: string) => signed(body, { at: Math.floor(Date.now() / 1000) + 310 })],
    ['a time that is no number', (body: string) => ({ ...signed(body), 'webhook-timestamp': '1e9' })],
    ['an id that is none', (body: string) => signed(body, { id: 'a, b' })],
    ['a signature of another version', (body: string) => ({ ...signed(body), 'webhook-signature': 'v2,AAAA' })],
    ['a short signature', (body: string) => ({ ...signed(body), 'webhook-signature': 'v1,AAAA' })],
  ])('refuses a message with %s', async (_what, headers) => {
    const host = await start()
    const before = await page(host)
    const body = JSON.stringify({ all: true })
    expect((await purge(host, body, headers(body)))[0]).toBe(401)
    expect(await page(host)).toBe(before)
  })

  it.each([
    '',
    '[]',
    '{',
    'null',
    '{}',
    '{"paths":"/a"}',
    '{"paths":[1]}',
    '{"path":["/a"]}',
    '{"paths":["/a/:id"]}',
    '{"paths":["a"]}',
    '{"tags":[""]}',
    '{"all":1}',
    '{"tags":["\\ud800"]}',
    `{"tags":[${'"t",'.repeat(1000)}"t"]}`,
  ])('invalidates nothing for the content %j', async (body) => {
    const host = await start()
    const [status, { error }] = await purge(host, body)
    expect([status, typeof error]).toEqual([400, 'string'])
    expect(host.cached.stats().counters.invalidations).toBe(0)
  })

  it('answers 413 to what is too long', async () => {
    const host = await start()
    const body = JSON.stringify({
      tags: ['x'.repeat(8000)],
      paths: Array.from({ length: 9 }, () => `/${'y'.repeat(8000)}`),
    })
    expect((await purge(host, body))[0]).toBe(413)
  })

  it('is a POST', async () => {
    const host = await start()
    if (_name === 'Express') return
    const reply = await fetch(`${host.url}/__purge`)
    expect([reply.status, reply.headers.get('allow')]).toEqual([405, 'POST'])
  })
})

describe('the purge endpoint', () => {
  it('takes messages of two secrets while one replaces the other', async () => {
    const host = await expressHost({ secret: ['the next secret, longer', SECRET] })
    const body = '{"all":true}'
    expect((await purge(host, body))[0]).toBe(200)
    expect((await purge(host, body, signed(body, { secret: 'the next secret, longer' })))[0]).toBe(200)
    const one = signed(body, { id: 'both' })
    const other = signed(body, { id: 'both', secret: 'unknown to the receiver' })
    const both = `${other['webhook-signature']} ${one['webhook-signature']}`
    expect((await purge(host, body, { ...one, 'webhook-signature': both }))[0]).toBe(200)
  })

  it('reads a secret of Standard Webhooks as bytes', async () => {
    const bytes = Buffer.from('0123456789abcdef0123456789abcdef', 'hex')
    const host = await expressHost({ secret: `whsec_${bytes.toString('base64')}` })
    const body = '{"all":true}'
    const signature = createHmac('sha256', bytes)
      .update(`m.${Math.floor(Date.now() / 1000)}.${body}`)
      .digest('base64')
    const headers = { ...signed(body, { id: 'm' }), 'webhook-signature': `v1,${signature}` }
    expect((await purge(host, body, headers))[0]).toBe(200)
  })

  it.each([
    [{}, /secret must be a text of at least 16 characters, got undefined/],
    [{ secret: 'short' }, /secret must have at least 16 characters, got 5/],
    [{ secret: [] }, /one to 10 texts/],
    [{ secrets: SECRET }, /unknown option "secrets" of purgeEndpoint; did you mean "secret"/],
    [{ secret: SECRET, tolerance: '2h' }, /tolerance \(in seconds\) must be a number from 1 to 3600, got 7200/],
  ])('says what is wrong with the options %j', (options, message) => {
    expect(() => fallbackCache().purgeEndpoint(options as never)).toThrow(message)
    expect(() => koaFallbackCache().purgeEndpoint(options as never)).toThrow(message)
  })

  it('says that a body parser has read the bytes', async () => {
    const cached = fallbackCache({ ttl: 60 })
    const app = express()
    app.use(express.json())
    app.post('/__purge', cached.purgeEndpoint({ secret: SECRET }))
    const host = await listening(app, cached, () => cached.close())
    expect(await purge(host, '{"all":true}')).toMatchObject([
      500,
      { error: expect.stringMatching(/in front of body parsers/) },
    ])
  })

  it('does nothing without a path', async () => {
    const cached = fallbackCache({ ttl: 60 })
    const app = express()
    app.use(cached.purgeEndpoint({ secret: SECRET }))
    app.get('/time/:zone', (_req, res) => void res.send('hello'))
    const host = await listening(app, cached, () => cached.close())
    expect(await page(host)).toBe('hello')
  })

  it('leaves requests alone in Koa that something else was mounted for or routed to, and has passed on', async () => {
    const cached = koaFallbackCache({ ttl: 60 })
    const app = new Koa()
    const router = new Router()
    router.all('/routed', (_ctx, next) => next())
    app.use(mount('/files', (_ctx, next) => next())).use(router.routes())
    app.use(cached.purgeEndpoint({ secret: SECRET }))
    app.use((ctx) => {
      ctx.body = 'hello'
    })
    const host = await listening(app.callback(), cached, () => cached.close())
    for (const path of ['/files', '/files/a', '/routed'])
      expect([path, await page(host, path)]).toEqual([path, 'hello'])
  })

  it('is silent if middleware in front has answered, as does the dashboard', async () => {
    const cached = fallbackCache({ ttl: 60 })
    const failed: unknown[] = []
    const note = (error: unknown) => failed.push(error)
    process.on('unhandledRejection', note)
    const app = express()
    app.use((_req, res, next) => {
      next()
      res.end('early')
    })
    app.post('/__purge', cached.purgeEndpoint({ secret: SECRET }))
    app.use('/__cache', cached.dashboard())
    const host = await listening(app, cached, () => cached.close())
    const body = '{"all":true}'
    const replies = [
      await fetch(`${host.url}/__purge`, { method: 'POST', headers: signed(body), body }),
      await fetch(`${host.url}/__cache/api/overview`),
      await fetch(`${host.url}/__cache/api/events`),
    ]
    for (const reply of replies) expect(await reply.text()).toBe('early')
    await until('carried out', () => cached.stats().counters.invalidations === 1)
    process.off('unhandledRejection', note)
    expect(failed).toEqual([])
  })

  it('takes a field that was sent twice for none, and an encoded content neither', async () => {
    const host = await expressHost()
    const body = '{"all":true}'
    const fields = signed(body)
    const twice = { ...fields, 'webhook-id': `${fields['webhook-id']}, other` }
    expect((await purge(host, body, twice))[0]).toBe(401)
    expect((await purge(host, body, { ...signed(body), 'content-encoding': 'gzip' }))[0]).toBe(415)
  })

  it('does not wait for a content that never comes', async () => {
    const clock = new ManualClock(Date.now())
    const host = await expressHost({ clock })
    const fields = Object.entries(signed('x')).map(([name, value]) => `${name}: ${value}\r\n`)
    const socket = connect(host.port, '127.0.0.1')
    let said = ''
    socket.on('data', (chunk) => {
      said += chunk
    })
    socket.write(`POST /__purge HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n${fields.join('')}\r\nhalf`)
    await until('the end', () => {
      clock.advance(1000)
      return said.includes('408')
    })
    expect(said).toMatch(/connection: close/i)
    socket.destroy()
  })

  it('refuses messages when it cannot remember more, and takes them again later', async () => {
    const clock = new ManualClock(Date.now())
    const cached = fallbackCache({ clock })
    const endpoint = cached.purgeEndpoint({ secret: SECRET })
    const body = '{"tags":["a"]}'
    const send = (at: number) =>
      new Promise<number>((resolve) => {
        const request = {
          method: 'POST',
          headers: signed(body, { at }),
          rawBody: Buffer.from(body),
          readableDidRead: true,
          httpVersionMajor: 1,
        }
        const response = { writeHead: (status: number) => ({ end: () => resolve(status) }) }
        endpoint(request as never, response as never, () => {})
      })
    for (let sent = 0; sent < 10_000; sent++) expect(await send(Math.floor(clock.now() / 1000))).toBe(200)
    expect(await send(Math.floor(clock.now() / 1000))).toBe(503)
    clock.advance(661_000)
    expect(await send(Math.floor(clock.now() / 1000))).toBe(200)
    await cached.close()
  })
})

describe.skipIf(process.env.SKIP_REDIS === '1')('the purge endpoint of several processes', () => {
  let redis: RedisServer
  const start = async () => {
    const host = await expressHost({ redis: `redis://shop:secret@127.0.0.1:${redis.port}` })
    await until('connected', () => host.cached.stats().connected)
    return host
  }
  beforeAll(async () => {
    redis = await RedisServer.start()
    await redis.command('ACL', 'SETUSER', 'shop', ...leastRules('shop:').split(' '))
  })
  afterAll(() => redis.stop())

  it('carries out a message in all of them, and once', async () => {
    const [one, two] = [await start(), await start()]
    await page(one)
    const before = await page(two)
    const body = JSON.stringify({ paths: ['/time/utc'] })
    const headers = signed(body)
    expect(await purge(one, body, headers)).toMatchObject([200, { durable: true, position: expect.any(Number) }])
    expect(await page(two)).not.toBe(before)
    expect(await purge(two, body, headers)).toEqual([200, { repeated: true }])
    expect(two.cached.stats().counters.invalidations).toBe(0)
    expect(two.cached.stats().counters.redisErrors).toEqual({})
  })

  it('carries out a message once that arrives in both at the same moment', async () => {
    const [one, two] = [await start(), await start()]
    const body = JSON.stringify({ tags: ['page'] })
    const headers = signed(body)
    const answers = await Promise.all([one, two, one, two].map((host) => purge(host, body, headers)))
    expect(one.cached.stats().counters.invalidations + two.cached.stats().counters.invalidations).toBe(1)
    expect(answers.filter(([, { durable }]) => durable)).toHaveLength(1)
    expect(answers.every(([status]) => status === 200 || status === 409)).toBe(true)
  })

  it('tells the others later if Redis is lost, and answers 202', async () => {
    const one = await start()
    redis.freeze()
    try {
      const [status, receipt] = await purge(one, '{"all":true}')
      expect([status, receipt]).toMatchObject([202, { durable: false }])
    } finally {
      redis.resume()
    }
    await until('told', () => one.cached.stats().pendingInvalidations === 0)
  })

  it('takes the message that the shell of docs/webhooks.md sends', async () => {
    const [, script = ''] = /```sh\n([\s\S]*?)```/.exec(readFileSync('docs/webhooks.md', 'utf8')) ?? []
    const one = await start()
    const env = { ...process.env, SHOP: one.url, PURGE_SECRET: SECRET }
    const { stdout } = await promisify(execFile)('sh', ['-euc', script], { env })
    expect(JSON.parse(stdout)).toMatchObject({ durable: true, covers: ['i/products/42:', 'i/products/42/', 'tprices'] })
  })
})
