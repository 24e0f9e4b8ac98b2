import diagnostics from 'node:diagnostics_channel'
import { once } from 'node:events'
import { createServer, type RequestListener, type Server, type ServerOptions, ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { PerformanceObserver } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectSecurely } from 'node:tls'
import express from 'express'
import Koa from 'koa'
import { afterAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { fallbackCache as forExpress } from '../../../src/middleware/express.js'
import { fallbackCache as forKoa } from '../../../src/middleware/koa.js'
import { ManualClock } from '../../support/manual-clock.js'
import { until } from '../../support/until.js'

const open: (() => unknown)[] = []

afterAll(async () => {
  for (const close of open.splice(0).reverse()) await close()
})

/** An application behind its front door, and how many responses node has made for it. */
interface Door {
  readonly server: Server
  readonly port: number
  responses: number
}

type Maker = (options: ServerOptions, listener: RequestListener) => Server

/** The pages of the application: each is as long as its name says, and `/slow` takes a while. */
function bodyOf(path: string): string {
  const [, length = '4'] = /^\/(\d+)/.exec(path) ?? []
  return 'x'.repeat(Number(length))
}

const hosts = {
  express(slow: () => Promise<void>, clock: ManualClock) {
    const cached = forExpress({ ttl: 60, clock })
    const app = express().use(cached)
    app.use(async (request, response) => {
      if (request.path === '/slow' || request.url === '/4?slowly') await slow()
      response.set('Cache-Control', request.path === '/slow' ? 'no-store' : 'public').send(bodyOf(request.path))
    })
    return (create: Maker) => cached.serve(app, { createServer: create })
  },
  koa(slow: () => Promise<void>, clock: ManualClock) {
    const cached = forKoa({ ttl: 60, clock })
    const app = new Koa().use(cached)
    app.use(async (context) => {
      if (context.path === '/slow' || context.url === '/4?slowly') await slow()
      context.set('Cache-Control', context.path === '/slow' ? 'no-store' : 'public')
      context.set('ETag', '"one"')
      context.body = bodyOf(context.path)
    })
    return (create: Maker) => cached.serve(app, { createServer: create })
  },
}

type Host = keyof typeof hosts

async function doorOf(serve: (create: Maker) => Server, make: Maker = createServer): Promise<Door> {
  const door = { responses: 0 } as { -readonly [Name in keyof Door]: Door[Name] }
  door.server = serve((options, listener) => {
    const Base: typeof ServerResponse = options.ServerResponse ?? ServerResponse
    // Not a class: Express' own prototype is to stay what it is.
    function Counted(this: object, ...args: never[]): void {
      door.responses += 1
      ;(Base as unknown as (...args: never[]) => void).apply(this, args)
    }
    Object.setPrototypeOf(Counted, Base)
    Counted.prototype = Base.prototype
    return make({ ...options, ServerResponse: Counted as unknown as typeof ServerResponse }, listener)
  })
  door.server.listen(0, '127.0.0.1')
  await once(door.server, 'listening')
  door.port = (door.server.address() as AddressInfo).port
  open.push(() => {
    door.server.close()
    door.server.closeAllConnections()
  })
  return door
}

async function build(host: Host, slow = () => sleep(50)): Promise<Door> {
  return doorOf(hosts[host](slow, new ManualClock(Date.now())))
}

function get(path = '/', fields = '', start = `GET ${path} HTTP/1.1`): string {
  return `${start}\r\nHost: here\r\n${fields}\r\n`
}

/** All that a connection brings for what is sent at once, until it has been silent for a while or ends. */
async function bytesFor(port: number, text: string, silence?: number): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  open.push(() => socket.destroy())
  return bytesOver(socket, text, silence)
}

/** The same for texts of which each is sent when the one before is answered. */
async function bytesInTurn(port: number, texts: readonly string[]): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  open.push(() => socket.destroy())
  let got = ''
  for (const text of texts) got += await bytesOver(socket, text)
  return got
}

const closes = new WeakMap<Socket, Promise<unknown>>()

/** Resolves when a connection has ended. One listener for each, however often it is asked about. */
function closeOf(socket: Socket): Promise<unknown> {
  const known = closes.get(socket) ?? once(socket, 'close').catch(() => {})
  closes.set(socket, known)
  return known
}

async function bytesOver(socket: Socket, text: string, silence = 25): Promise<string> {
  let got = ''
  const collect = (chunk: Buffer) => {
    got += chunk.toString('latin1')
  }
  socket.on('data', collect)
  if (!socket.destroyed) socket.write(text, 'latin1')
  for (let turn = 0; turn < 100 && got === '' && !socket.destroyed; turn++) await sleep(20)
  for (let length = -1; length !== got.length && !socket.destroyed; ) {
    length = got.length
    // In slices: a process that had to wait for a processor finds a timer due before it reads what has come.
    for (let slice = 0; slice < 5 && length === got.length && !socket.destroyed; slice++) {
      await Promise.race([sleep(silence / 5), closeOf(socket)])
    }
  }
  socket.off('data', collect)
  return got
}

const statusesOf = (bytes: string) => [...bytes.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status))
const hitsIn = (bytes: string) => bytes.split('fallback-cache; hit').length - 1

describe.each(['express', 'koa'] as const)('in front of %s', (host) => {
  it('makes no response for a hit that was answered before in this second', async () => {
    const door = await build(host)
    const responsesFor40 = async () => {
      await bytesInTurn(door.port, [get(), get()])
      const before = door.responses
      expect(hitsIn(await bytesFor(door.port, get().repeat(40)))).toBe(40)
      return door.responses - before
    }
    // A second may end in between.
    await expect.poll(responsesFor40, { timeout: 10_000 }).toBe(0)
  })

  it.concurrent.each([
    ['a GET', get()],
    ['a HEAD', get('/', '', 'HEAD / HTTP/1.1')],
    ['an empty body', get('/0')],
    ['a body of some packets', get('/100000')],
    ['a body that is not copied', get('/300000')],
    ['a condition that is met', get('/', 'If-None-Match: "one"\r\n')],
    ['a condition that is not', get('/', 'If-None-Match: "two"\r\n')],
    ['one condition of several', get('/', 'If-None-Match: "two", W/"one"\r\n')],
    ['two lines of conditions', get('/', 'If-None-Match: "two"\r\nIf-None-Match: "one"\r\n')],
    ['any entity tag', get('/', 'If-None-Match: *\r\n')],
    ['a date', get('/', 'If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT\r\n')],
    ['a part', get('/', 'Range: bytes=1-2\r\n')],
    ['a body', `${get('/', 'Content-Length: 4\r\n')}body`],
    ['a body in chunks', `${get('/', 'Transfer-Encoding: chunked\r\n')}4\r\nbody\r\n0\r\nTrailer: x\r\n\r\n`],
    ['a POST', `${get('/', 'Content-Length: 2\r\n', 'POST / HTTP/1.1')}hi`],
    ['an expectation', `${get('/', 'Expect: 100-continue\r\n')}`],
    ['another expectation', get('/', 'Expect: miracles\r\n')],
    ['an upgrade that the server does not make', get('/', 'Connection: keep-alive\r\nUpgrade: other\r\n')],
    ['no host', 'GET / HTTP/1.1\r\n\r\n'],
    ['two hosts', get('/', 'Host: there\r\n')],
    ['HTTP/1.0', get('/', '', 'GET / HTTP/1.0')],
    ['HTTP/1.0 that stays', get('/', 'Connection: keep-alive\r\n', 'GET / HTTP/1.0')],
    ['a connection that closes', get('/', 'Connection: close\r\n')],
    ['a cookie', get('/', 'Cookie: a=b\r\n')],
    ['a credential', get('/', 'Authorization: Basic eDp5\r\n')],
    ['no request at all', 'hello\r\n\r\n'],
  ])('answers %s as it would with a response for each', async (_what, request) => {
    const serve = hosts[host](() => sleep(1), new ManualClock(Date.parse('2026-01-01T00:00:00.500Z')))
    const early = await doorOf(serve)
    const watched = await doorOf(serve)
    watched.server.on('request', () => {})
    await Promise.all(['/', '/0', '/100000', '/300000'].map((path) => bytesFor(early.port, get(path))))
    const texts = [get(), get(), request, get()]
    const expected = await bytesInTurn(watched.port, texts)
    const got = await bytesInTurn(early.port, texts)
    expect(withoutDate(got)).toBe(withoutDate(expected))
    expect(statusesOf(expected).length).toBeGreaterThan(2)
  })

  it.concurrent('answers all that wait for one handler', async () => {
    const door = await build(host, () => sleep(200))
    await bytesInTurn(door.port, [get(), get()])
    const all = Array.from({ length: 20 }, () => fetch(`http://127.0.0.1:${door.port}/4?slowly`))
    for (const answer of await Promise.all(all)) expect([answer.status, await answer.text()]).toEqual([200, 'xxxx'])
  })

  it.concurrent('keeps the order where a slow answer stands between hits', async () => {
    const door = await build(host)
    await bytesInTurn(door.port, [get(), get(), get('/7'), get('/7')])
    const bytes = await bytesFor(
      door.port,
      get().repeat(2) + get('/slow') + get('/7').repeat(2) + get('/9') + get(),
      500,
    )
    const lengths = [...bytes.matchAll(/content-length: (\d+)/gi)].map(([, length]) => Number(length))
    expect(lengths).toEqual([4, 4, 4, 7, 7, 9, 4])
  })

  it.each<[string, (door: Door) => unknown]>([
    ['listens for requests', ({ server }) => server.on('request', () => {})],
    ['takes the place of emit', ({ server }) => Object.assign(server, { emit: server.emit.bind(server) })],
    ['limits the requests of a connection', ({ server }) => Object.assign(server, { maxRequestsPerSocket: 100 })],
    ['subscribes to the start of requests', () => subscribe('http.server.request.start')],
    ['subscribes to the end of responses', () => subscribe('http.server.response.finish')],
    ['observes the performance of http', () => observeHttp()],
  ])('makes a response for every hit as soon as other code %s', async (_what, watch) => {
    const door = await build(host)
    await bytesInTurn(door.port, [get(), get()])
    await watch(door)
    await bytesFor(door.port, get())
    const before = door.responses
    expect(hitsIn(await bytesFor(door.port, get().repeat(9)))).toBe(9)
    expect(door.responses - before).toBe(9)
  })

  it.concurrent('answers nothing past what is around the listener', async () => {
    const serve = hosts[host](() => sleep(1), new ManualClock(Date.now()))
    const door = await doorOf(serve, (options, listener) =>
      createServer(options, (request, response) => {
        if (request.headers['x-deny'] !== undefined) response.writeHead(403).end()
        else if (request.url === '/own') response.end('own')
        else setImmediate(listener, request, response)
      }),
    )
    const texts = [get(), get(), get(), get('/', 'X-Deny: 1\r\n'), get('/own'), get('/own'), get()]
    const bytes = await bytesInTurn(door.port, texts)
    expect(statusesOf(bytes)).toEqual([200, 200, 200, 403, 200, 200, 200])
    expect(bytes.match(/own/g)).toHaveLength(2)
    expect(door.responses).toBe(texts.length)
  })

  it.concurrent('answers nothing past a class of responses', async () => {
    let made = 0
    class Counted extends ServerResponse {
      constructor(...args: ConstructorParameters<typeof ServerResponse>) {
        super(...args)
        made += 1
      }
    }
    const serve = hosts[host](() => sleep(1), new ManualClock(Date.now()))
    const door = await doorOf(serve, (options, listener) =>
      createServer({ ...options, ServerResponse: Counted as typeof ServerResponse }, listener),
    )
    await bytesInTurn(door.port, [get(), get(), get(), get()])
    expect(made).toBe(4)
  })

  it.concurrent('closes a connection on which nothing more comes, when node would', async () => {
    const door = await build(host)
    Object.assign(door.server, { keepAliveTimeout: 100, keepAliveTimeoutBuffer: 0 })
    await bytesInTurn(door.port, [get(), get()])
    const socket = connect(door.port, '127.0.0.1')
    const startedAt = Date.now()
    const closed = once(socket, 'close')
    expect(hitsIn(await bytesOver(socket, get().repeat(2), 20))).toBe(2)
    socket.resume()
    await closed
    expect(Date.now() - startedAt).toBeLessThan(3000)
  })

  it.concurrent('does not close one whose next answer takes longer', async () => {
    const door = await build(host, () => sleep(4000))
    // Long enough to send the next request within it on a machine that is busy, and shorter than the answer takes.
    Object.assign(door.server, { keepAliveTimeout: 1500, keepAliveTimeoutBuffer: 0 })
    await bytesInTurn(door.port, [get(), get()])
    const socket = connect(door.port, '127.0.0.1')
    open.push(() => socket.destroy())
    expect(hitsIn(await bytesOver(socket, get(), 20))).toBe(1)
    socket.write(get('/slow'))
    const [chunk] = (await once(socket, 'data')) as [Buffer]
    expect(chunk.toString()).toMatch(/^HTTP\/1\.1 200 /)
  })

  it.concurrent('lets the server close while its connections are kept', async () => {
    const door = await build(host)
    await bytesInTurn(door.port, [get(), get()])
    const socket = connect(door.port, '127.0.0.1')
    expect(hitsIn(await bytesOver(socket, get().repeat(2)))).toBe(2)
    const closed = once(door.server, 'close')
    door.server.close()
    await closed
  })

  it.concurrent('answers over TLS', async () => {
    const serve = hosts[host](() => sleep(1), new ManualClock(Date.now()))
    const door = await doorOf(serve, (options, listener) => createSecureServer({ ...options, ...ANONYMOUS }, listener))
    const socket = connectSecurely({ port: door.port, host: '127.0.0.1', rejectUnauthorized: false, ...ANONYMOUS })
    open.push(() => socket.destroy())
    await bytesOver(socket, get())
    await bytesOver(socket, get())
    const before = door.responses
    expect(hitsIn(await bytesOver(socket, get().repeat(9)))).toBe(9)
    expect(door.responses).toBe(before)
  })
})

/** TLS that needs no certificate. */
const ANONYMOUS = { ciphers: 'AECDH-AES128-SHA@SECLEVEL=0', maxVersion: 'TLSv1.2' } as const

/** Where nothing depends on the framework: what is sent, and read, and when a connection ends. */
describe('a connection that is slow', () => {
  it('lets a client take its time over an answer, however soon idle connections are closed', async () => {
    const door = await build('express')
    Object.assign(door.server, { keepAliveTimeout: 800, keepAliveTimeoutBuffer: 0 })
    await bytesInTurn(door.port, [get(), get(), get('/200000'), get('/200000')])
    const accepted = once(door.server, 'connection')
    const socket = connect(door.port, '127.0.0.1')
    open.push(() => socket.destroy())
    const [served] = (await accepted) as [Socket]
    expect(hitsIn(await bytesOver(socket, get()))).toBe(1)
    socket.pause()
    let requests = 0
    // One after the other, until the system takes no more.
    for (; served.writableLength === 0 && requests < 500; requests++) {
      socket.write(get('/200000'))
      await sleep(5)
    }
    expect(served.writableLength).toBeGreaterThan(0)
    await sleep(2500)
    let got = 0
    socket.on('data', (chunk: Buffer) => {
      got += chunk.length
    })
    socket.resume()
    await until('every answer has come', () => got > requests * 200_000)
  })

  it('stops reading from a client that does not read', async () => {
    const door = await build('express')
    await bytesInTurn(door.port, [get('/200000'), get('/200000')])
    let most = 0
    door.server.on('connection', (socket: Socket) => {
      const timer = setInterval(() => {
        most = Math.max(most, socket.writableLength)
      }, 1)
      socket.on('close', () => clearInterval(timer))
    })
    const socket = connect(door.port, '127.0.0.1')
    open.push(() => socket.destroy())
    socket.pause()
    const requests = 3000
    socket.write(get('/200000').repeat(requests))
    await until('answers wait', () => most > 0)
    await sleep(300)
    // All that is asked for in one turn of reading may wait; all that was asked for may not.
    expect(most).toBeLessThan((requests * 200_000) / 2)
    let got = 0
    socket.on('data', (chunk: Buffer) => {
      got += chunk.length
    })
    socket.resume()
    await until('every answer has come', () => got > requests * 200_000)
  })
})

it('leaves to node what a tracer had wrapped for all responses before the library was loaded', async () => {
  const { writeHead } = ServerResponse.prototype
  let heads = 0
  ServerResponse.prototype.writeHead = function traced(this: ServerResponse, ...args: never[]): ServerResponse {
    heads += 1
    return (writeHead as (...all: never[]) => ServerResponse).apply(this, args)
  }
  onTestFinished(() => {
    ServerResponse.prototype.writeHead = writeHead
    vi.resetModules()
  })
  vi.resetModules()
  const { fallbackCache } = await import('../../../src/middleware/express.js')
  const cached = fallbackCache({ ttl: 60 })
  const app = express()
    .use(cached)
    .use((_request, response) => {
      response.send('page')
    })
  const door = await doorOf((create) => cached.serve(app, { createServer: create }))
  const plain = await doorOf((create) => create({}, app))
  for (const { port } of [door, plain]) {
    await bytesInTurn(port, [get(), get()])
    heads = 0
    expect(hitsIn(await bytesInTurn(port, [get(), get(), get()]))).toBe(3)
    expect(heads).toBe(3)
  }
})

function subscribe(name: string): void {
  const listen = () => {}
  diagnostics.subscribe(name, listen)
  onTestFinished(() => {
    diagnostics.unsubscribe(name, listen)
  })
}

async function observeHttp(): Promise<void> {
  const observer = new PerformanceObserver(() => {})
  observer.observe({ entryTypes: ['http'] })
  onTestFinished(() => observer.disconnect())
  // It is seen by looking at a response, once a second.
  await sleep(1000)
}

/** What node itself writes into an answer of its own. */
function withoutDate(bytes: string): string {
  return bytes.replace(/^Date: .*\r\n/gm, '')
}
