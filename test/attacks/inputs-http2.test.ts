import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { connect, createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import Koa, { type Context } from 'koa'
import Koa2 from 'koa2'
import { afterEach, describe, expect, it } from 'vitest'
import { fallbackCache } from '../../src/middleware/express.js'
import { fallbackCache as koaCache } from '../../src/middleware/koa.js'

const open: (() => unknown)[] = []

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close()
})

async function serve(listener: RequestListener) {
  const server = createServer(listener as never)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  open.push(
    () => new Promise((resolve) => server.close(resolve)),
    () => session.destroy(),
  )
  return async (fields: Record<string, string> = {}) => {
    const stream = session.request({ ':path': '/page', ':authority': 'shop.example', ...fields })
    const answered = new Promise<IncomingHttpHeaders>((resolve) => stream.once('response', resolve))
    const body = await text(stream)
    return { body, status: String((await answered)['cache-status']) }
  }
}

function nodeListener(read: (req: IncomingMessage, res: ServerResponse) => unknown): RequestListener {
  const cached = fallbackCache({ ttl: 60 })
  open.push(() => cached.close())
  return (req, res) => cached(req, res, () => void res.end(`for ${read(req, res)}`))
}

function koaListener(read: (ctx: Context) => unknown, make = Koa): RequestListener {
  const cached = koaCache({ ttl: 60 })
  open.push(() => cached.close())
  return new make()
    .use(cached)
    .use((ctx) => {
      ctx.body = `for ${read(ctx)}`
    })
    .callback()
}

const NODE_WAYS: Readonly<Record<string, (req: IncomingMessage, name: string) => unknown>> = {
  'headers[name]': (req, name) => req.headers[name],
  spread: (req, name) => ({ ...req.headers })[name],
  rawHeaders: (req, name) => req.rawHeaders.find((_, at) => req.rawHeaders[at - 1] === name),
  JSON: (req, name) => JSON.parse(JSON.stringify(req.headers))[name],
}

const KOA_WAYS: Readonly<Record<string, (ctx: Context, name: string) => unknown>> = {
  'ctx.get': (ctx, name) => ctx.get(name),
  'ctx.headers': (ctx, name) => ctx.headers[name],
  'ctx.req.rawHeaders': (ctx, name) => ctx.req.rawHeaders.find((_, at) => ctx.req.rawHeaders[at - 1] === name),
}

async function isTold(listener: RequestListener, fieldsOf: (who: string) => Record<string, string>) {
  const get = await serve(listener)
  for (const who of ['ann', 'bob', 'ann']) {
    const { body } = await get(fieldsOf(who))
    expect(body).toContain(who)
  }
  expect((await get()).body).not.toMatch(/ann|bob/)
}

const FIELDS = ['x-org', 'accept-language', 'cookie'] as const
const fieldsOf = (name: string) => (who: string) => ({ [name]: name === 'cookie' ? `any=${who}` : who })

describe('node:http2', () => {
  for (const [way, read] of Object.entries(NODE_WAYS)) {
    it.each(FIELDS)(`hands no page to another visitor whose %s was read by ${way}`, async (name) => {
      await isTold(
        nodeListener((req) => read(req, name)),
        fieldsOf(name),
      )
    })
  }

  it('stores what was made from no field', async () => {
    const get = await serve(nodeListener(() => 'all'))
    await get({ cookie: 'any=ann' })
    expect((await get({ cookie: 'any=bob', 'x-org': '1' })).status).toContain('hit')
  })

  it.each([
    ['req.socket.remoteAddress', (req: IncomingMessage) => req.socket.remoteAddress],
    ['req.connection.remotePort', (req: IncomingMessage) => Reflect.get(req, 'connection').remotePort],
    ['res.socket.remotePort', (_req: IncomingMessage, res: ServerResponse) => res.socket?.remotePort],
    ['req.stream.session', (req: IncomingMessage) => Reflect.get(req, 'stream').session.socket.remotePort],
  ])('stores nothing that was made from %s', async (_, read) => {
    const get = await serve(nodeListener(read))
    expect((await get()).status).toContain('address-read')
  })

  it('stores nothing that was made from what other code has set on the connection', async () => {
    const get = await serve(nodeListener((req) => Reflect.get(req.socket, 'user')))
    expect((await get()).status).toContain('filled-read')
  })

  it('hands no page to another visitor that was made from what middleware in front has set on the stream', async () => {
    for (const of of [(req: object) => req, (_req: object, res: object) => res]) {
      const cached = fallbackCache({ ttl: 60 })
      open.push(() => cached.close())
      await isTold((req, res) => {
        Reflect.get(req, 'stream').who = req.headers['x-who']
        cached(req, res, () => void res.end(`for ${Reflect.get(of(req, res), 'stream').who}`))
      }, fieldsOf('x-who'))
    }
  })

  it.each([
    ['node:http2', () => nodeListener((req) => req.headers.host)],
    ['Koa 3', () => koaListener((ctx) => ctx.get('host'))],
    ['Koa 2', () => koaListener((ctx) => ctx.get('host'), Koa2 as unknown as typeof Koa)],
  ])('hands no page that was made from Host, or without one, to the other visitors: %s', async (_, listener) => {
    for (const order of [
      [{}, { host: 'shop.example' }],
      [{ host: 'shop.example' }, {}],
    ] as const) {
      const get = await serve(listener())
      const first = [await get(order[0]), await get(order[1])].map(({ body }) => body)
      expect(new Set(first).size).toBe(2)
      const again = [await get(order[0]), await get(order[1])]
      expect(again.map(({ body }) => body)).toEqual(first)
      for (const { status } of again) expect(status).toContain('hit')
    }
  })

  it('makes no variants of what was made from the host that the framework has found', async () => {
    const get = await serve(koaListener((ctx) => [ctx.host, ctx.hostname, ctx.origin]))
    await get({ host: 'shop.example' })
    expect((await get()).status).toContain('hit')
  })

  it('leaves one stream to request and response', async () => {
    const cached = fallbackCache({ ttl: 60 })
    open.push(() => cached.close())
    const get = await serve((req, res) =>
      cached(req, res, () => void res.end(String(Reflect.get(req, 'stream') === Reflect.get(res, 'stream')))),
    )
    expect((await get()).body).toBe('true')
  })

  it('leaves a stream that can be used behind the cache', async () => {
    const get = await serve(
      nodeListener((req) => {
        const stream: ServerHttp2Stream = Reflect.get(req, 'stream')
        return [stream.headersSent, typeof stream.id, stream.on('x', () => {}).listenerCount('x')]
      }),
    )
    expect(await get()).toEqual({ body: 'for false,number,1', status: expect.stringContaining('stored') })
  })

  it('leaves a connection that can be used behind the cache', async () => {
    const get = await serve(
      nodeListener((req) => {
        const socket: Socket & { readonly encrypted?: boolean } = req.socket
        socket.setTimeout(1000)
        return [socket.readyState === undefined, socket.destroyed, socket.encrypted === undefined, 'server' in socket]
      }),
    )
    expect(await get()).toEqual({ body: 'for false,false,true,true', status: expect.stringContaining('stored') })
  })
})

describe.each([
  ['Koa 3', Koa],
  ['Koa 2', Koa2 as unknown as typeof Koa],
])('%s over HTTP/2', (_, make) => {
  for (const [way, read] of Object.entries(KOA_WAYS)) {
    it.each(FIELDS)(`hands no page to another visitor whose %s was read by ${way}`, async (name) => {
      await isTold(
        koaListener((ctx) => read(ctx, name), make),
        fieldsOf(name),
      )
    })
  }

  it('stores nothing that was made from a cookie or the address', async () => {
    const get = await serve(koaListener((ctx) => ctx.cookies.get('cart'), make))
    expect((await get({ cookie: 'cart=1' })).status).toContain('cookie-read')
    for (const read of [(ctx: Context) => ctx.ip, (ctx: Context) => ctx.socket.remoteAddress]) {
      const ask = await serve(koaListener(read, make))
      expect((await ask()).status).toContain('address-read')
    }
  })
})
