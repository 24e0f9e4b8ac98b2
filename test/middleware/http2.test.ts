import { createServer, type RequestListener } from 'node:http'
import {
  connect,
  createServer as createHttp2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import Koa from 'koa'
import { afterEach, describe, expect, it } from 'vitest'
import { fallbackCache as expressCache } from '../../src/middleware/express.js'
import { fallbackCache as koaCache } from '../../src/middleware/koa.js'
import { ManualClock } from '../support/manual-clock.js'
import { ask, type Got } from './hosts/client.js'

const open: { close(): Promise<unknown> }[] = []

afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})

/** Listeners that take both versions, as that of a server with `allowHTTP1` does, with what there is in HTTP/1.1 only. */
const applications: Readonly<Record<string, () => RequestListener>> = {
  'node:http': () => {
    const cached = expressCache({ ttl: 60 })
    open.push(cached)
    return (req, res) =>
      cached(req, res, () => {
        if (req.httpVersionMajor === 1) res.writeHead(200, 'Fine', { 'Keep-Alive': 'timeout=5' })
        res.end(`over HTTP/${req.httpVersionMajor}`)
      })
  },
  Koa: () => koa().callback(),
  'in front of Koa': () => {
    const cached = koaCache({ ttl: 60 })
    return cached.listener(koa(cached))
  },
}

function koa(cached = koaCache({ ttl: 60 })): Koa {
  open.push(cached)
  return new Koa().use(cached).use((ctx) => {
    if (ctx.req.httpVersionMajor === 1) ctx.set('Keep-Alive', 'timeout=5')
    if (ctx.req.httpVersionMajor === 1) ctx.message = 'Fine'
    ctx.body = `over HTTP/${ctx.req.httpVersionMajor}`
  })
}

describe.each(Object.entries(applications))('HTTP/1.1 and HTTP/2 at one listener: %s', (_, application) => {
  it.each(['1.1', '2'])('answers both from what was stored over HTTP/%s', async (first) => {
    const warnings: string[] = []
    const warn = ({ message }: Error) => warnings.push(message)
    process.on('warning', warn)
    open.push({ close: async () => process.off('warning', warn) })
    const listener = application()
    const ask1 = await overHttp1(listener)
    const ask2 = await overHttp2(listener)
    await (first === '2' ? ask2() : ask1())
    const stored = `over HTTP/${first[0]}`

    const hit1 = await ask1()
    expect([hit1.text, hit1.cacheStatus.hit]).toEqual([stored, true])
    const hit2 = await ask2()
    expect([hit2.body, hit2.fields['cache-status'], hit2.fields['keep-alive']]).toEqual([
      stored,
      expect.stringContaining('; hit'),
      undefined,
    ])
    expect((await ask2({ range: 'bytes=0-3' })).body).toBe('over')
    expect((await ask2({ 'if-none-match': '*' })).fields[':status']).toBe(304)
    expect((await ask2({ ':method': 'HEAD' })).fields['content-length']).toBe(String(stored.length))
    expect(warnings).toEqual([])
  })
})

it('an answer after one that http2 has refused is sent, from the handler and from the cache', async () => {
  const cached = expressCache({ ttl: 60 })
  open.push(cached)
  const get = await overHttp2((req, res) =>
    cached(req, res, () => {
      try {
        res.writeHead(99)
      } catch {
        res.statusCode = 200
        res.setHeader('x-tried', 'twice')
        res.end('page')
      }
    }),
  )
  expect((await get({ 'if-none-match': '*' })).fields[':status']).toBe(304)
  for (const _ of ['stored', 'found']) {
    const { fields, body } = await get()
    expect([fields[':status'], fields['x-tried'], body]).toEqual([200, 'twice', 'page'])
  }
})

it.each<[how: string, end: (stream: ServerHttp2Stream, end: () => void) => void]>([
  ['written to', (stream, end) => void stream.write('e', end)],
  ['ended', (stream, end) => void stream.end('e', end)],
])('a page of which a part is %s the stream itself is not stored', async (_, finish) => {
  const cached = expressCache({ ttl: 60 })
  open.push(cached)
  const get = await overHttp2((req, res) =>
    cached(req, res, () => {
      res.write('pag')
      finish((res as unknown as { stream: ServerHttp2Stream }).stream, () => res.end())
    }),
  )
  for (const _ of ['first', 'second']) expect((await get()).body).toBe('page')
})

it.each([':authority', ':scheme', ':path', ':method', 'host'])(
  'a background refresh finds %s as the client sent it',
  async (name) => {
    const clock = new ManualClock()
    const cached = expressCache({ ttl: 60, staleWhileRevalidate: 60, clock })
    open.push(cached)
    let runs = 0
    const get = await overHttp2((req, res) => cached(req, res, () => res.end(`${++runs} ${req.headers[name]}`)))
    const { body } = await get()
    const [, sent] = body.split(' ')
    clock.advance(70_000)
    expect((await get()).body).toBe(body)
    await expect.poll(() => runs).toBe(2)
    expect((await get()).body).toBe(`2 ${sent}`)
    expect(runs).toBe(2)
  },
)

async function overHttp1(listener: RequestListener): Promise<() => Promise<Got>> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  open.push({ close: () => new Promise((resolve) => server.close(resolve)) })
  const { port } = server.address() as AddressInfo
  return () => ask(port, '/page', { fields: { host: 'shop.example', connection: 'close' } })
}

async function overHttp2(listener: RequestListener) {
  const server = createHttp2Server(listener as never)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  open.push({
    close: () =>
      new Promise((resolve) => {
        session.destroy()
        server.close(resolve)
      }),
  })
  return async (fields: Record<string, string> = {}) => {
    const stream = session.request({ ':path': '/page', ':authority': 'shop.example', ...fields })
    const answered = new Promise<IncomingHttpHeaders>((resolve) => stream.once('response', resolve))
    const body = await text(stream)
    return { fields: await answered, body }
  }
}
