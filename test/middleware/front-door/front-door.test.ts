import diagnostics from 'node:diagnostics_channel'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2'
import { type AddressInfo, connect } from 'node:net'
import express5, { type Express, type RequestHandler } from 'express'
import express4 from 'express4'
import Koa, { type Middleware } from 'koa'
import session from 'koa-session'
import Koa2 from 'koa2'
import { afterEach, describe, expect, it } from 'vitest'
import { fallbackCache as forExpress } from '../../../src/middleware/express.js'
import { fallbackCache as forKoa } from '../../../src/middleware/koa.js'
import { ManualClock } from '../../support/manual-clock.js'
import { gate } from '../contract-stage.js'
import { type Ask, ask } from '../hosts/client.js'

const open: (() => unknown)[] = []
const warnings: string[] = []
const note = (warning: Error) => {
  if (warning.name === 'FallbackCacheWarning') warnings.push(warning.message)
}
process.on('warning', note)

afterEach(async () => {
  for (const close of open.splice(0)) await close()
  await new Promise(setImmediate)
  warnings.length = 0
})

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  open.push(() => {
    server.close()
    server.closeAllConnections()
  })
  return (server.address() as AddressInfo).port
}

/** Sends bytes as they are and gives what comes back until the connection ends or nothing more is expected. */
function exchange(port: number, text: string, isDone: (got: string) => boolean = () => false): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text, 'latin1'))
    let got = ''
    socket.on('data', (bytes) => {
      got += bytes.toString('latin1')
      if (isDone(got)) socket.destroy()
    })
    socket.on('error', reject)
    socket.on('close', () => resolve(got))
  })
}

/** How often the framework was entered. */
interface Entered {
  entered: number
}

interface Built extends Entered {
  readonly clock: ManualClock
  /** The application behind its front door. */
  readonly front: number
  /** The same application and the same cache, without one. */
  readonly plain: number
  runs: number
}

interface Parts {
  readonly options?: { readonly skip?: () => boolean; readonly allowRefresh?: () => boolean; readonly ttl?: number }
  readonly body?: string | Buffer
  readonly trustProxy?: boolean
}

const handlerFields = { 'Content-Type': 'text/plain; charset=utf-8', Link: '</caf\u00e9>; rel="next"', ETag: '"one"' }

async function buildExpress(create: () => Express, { options, body = 'page', trustProxy }: Parts = {}): Promise<Built> {
  const clock = new ManualClock(Date.now())
  const cached = forExpress({ ttl: 60, clock, ...options })
  const app = create()
  if (trustProxy) app.set('trust proxy', true)
  app.use(cached)
  const built = { clock, entered: 0, runs: 0, front: 0, plain: 0 }
  app.get(/.*/, (_req, res) => {
    built.runs += 1
    for (const [name, value] of Object.entries(handlerFields)) res.setHeader(name, value)
    res.end(body)
  })
  const { handle } = app as unknown as { handle: (...args: unknown[]) => void }
  Object.assign(app, {
    handle: (...args: unknown[]) => {
      built.entered += 1
      handle.apply(app, args)
    },
  })
  built.front = await listen(cached.serve(app))
  built.plain = await listen(createServer(app))
  return built
}

async function buildKoa(Application: typeof Koa, { options, body = 'page', trustProxy }: Parts = {}): Promise<Built> {
  const clock = new ManualClock(Date.now())
  const cached = forKoa({ ttl: 60, clock, ...options })
  const app = new Application({ proxy: trustProxy ?? false })
  app.use(cached)
  const built = { clock, entered: 0, runs: 0, front: 0, plain: 0 }
  app.use((ctx) => {
    built.runs += 1
    for (const [name, value] of Object.entries(handlerFields)) ctx.res.setHeader(name, value)
    ctx.body = body
  })
  const { handleRequest } = app as unknown as { handleRequest: (...args: unknown[]) => unknown }
  Object.assign(app, {
    handleRequest: (...args: unknown[]) => {
      built.entered += 1
      return handleRequest.apply(app, args)
    },
  })
  built.front = await listen(cached.serve(app))
  built.plain = await listen(createServer(app.callback()))
  return built
}

const frameworks = [
  ['Express 5', (parts?: Parts) => buildExpress(express5, parts)],
  ['Express 4', (parts?: Parts) => buildExpress(express4, parts)],
  ['Koa 3', (parts?: Parts) => buildKoa(Koa, parts)],
  ['Koa 2', (parts?: Parts) => buildKoa(Koa2, parts)],
] as const

describe.each(frameworks)('serve, for %s', (name, build) => {
  it('answers hits without entering the framework', async () => {
    const built = await build()
    const host = { fields: { host: 'a.example' } }
    const miss = await ask(built.front, '/page', host)
    expect(miss.cacheStatus).toMatchObject({ hit: false, fwd: 'uri-miss', stored: true })
    expect(built.entered).toBe(1)
    built.clock.advance(2_000)
    const hit = await ask(built.front, '/page', host)
    expect(hit.cacheStatus).toMatchObject({ hit: true, detail: 'memory' })
    expect(hit.field('age')).toBe('2')
    expect(hit.text).toBe('page')
    expect(built).toMatchObject({ entered: 1, runs: 1 })
    expect(warnings).toEqual([])
  })

  const line = 'Host: a.example\r\n'
  it.each([
    ['an ordinary request', `GET /page HTTP/1.1\r\n${line}Accept: */*\r\n\r\n`],
    ['HEAD', `HEAD /page HTTP/1.1\r\n${line}\r\n`],
    ['HTTP/1.0', `GET /page HTTP/1.0\r\n${line}\r\n`],
    ['HTTP/1.0 with keep-alive', `GET /page HTTP/1.0\r\n${line}Connection: keep-alive\r\n\r\n`],
    ['Connection: close', `GET /page HTTP/1.1\r\n${line}Connection: close\r\n\r\n`],
    ['a condition', `GET /page HTTP/1.1\r\n${line}If-None-Match: "one"\r\n\r\n`],
    ['a range', `GET /page HTTP/1.1\r\n${line}Range: bytes=1-2\r\n\r\n`],
    ['Expect', `GET /page HTTP/1.1\r\n${line}Expect: 100-continue\r\n\r\n`],
    ['an everyday cookie', `GET /page HTTP/1.1\r\n${line}Cookie: _ga=1; theme=dark\r\n\r\n`],
    ['a proxy that is not trusted', `GET /page HTTP/1.1\r\n${line}X-Forwarded-Proto: https\r\n\r\n`],
  ])('sends to the byte what the middleware sends, for %s', async (_kind, request) => {
    const built = await build()
    // What a request says of its protocol is in the key, whether or not the proxy is trusted.
    const proto = /X-Forwarded-Proto: \w+\r\n/.exec(request)?.[0] ?? ''
    await exchange(built.plain, `GET /page HTTP/1.1\r\n${line}${proto}Connection: close\r\n\r\n`)
    built.clock.advance(3_000)
    const until = (got: string) => /\r\n\r\n(?:page|ag)?$/.test(got) && !/100 Continue\r\n\r\n$/.test(got)
    const read = (port: number) => exchange(port, request, until)
    const expected = await read(built.plain)
    const { entered } = built
    expect(await read(built.front)).toBe(expected)
    expect(expected).toMatch(/hit; ttl=57; detail=memory/)
    expect(built.entered).toBe(entered)
  })

  it('sends large bodies whole, and a repeated field line by line', async () => {
    const body = Buffer.alloc(300_000, 'x')
    const built = await build({ body })
    await ask(built.front, '/page')
    const hit = await ask(built.front, '/page')
    expect(hit.body.equals(body)).toBe(true)
    expect(hit.cacheStatus.hit).toBe(true)
  })

  it('answers pipelined requests in their order', async () => {
    const built = await build()
    const get = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nHost: a.example\r\n${more}\r\n`
    await exchange(built.front, get('/hit', 'Connection: close\r\n'))
    const got = await exchange(
      built.front,
      get('/hit') +
        get('/miss') +
        get('/hit') +
        get('/hit', 'If-None-Match: "one"\r\n') +
        get('/hit', 'Connection: close\r\n'),
    )
    const statuses = [...got.matchAll(/HTTP\/1\.1 (\d+)|fallback-cache; (hit|fwd=uri-miss)/g)].map(
      (one) => one[1] ?? one[2],
    )
    expect(statuses).toEqual(['200', 'hit', '200', 'fwd=uri-miss', '200', 'hit', '304', 'hit', '200', 'hit'])
  })

  it('finds what the middleware has stored, for any fields of a trusted proxy', async () => {
    const built = await build({ trustProxy: true })
    const said = [
      {},
      { 'x-forwarded-proto': 'https' },
      { 'x-forwarded-proto': 'https , http' },
      { 'x-forwarded-host': 'b.example:8080' },
      { 'x-forwarded-host': 'b.example , c.example', 'x-forwarded-proto': 'https' },
      { 'x-forwarded-host': '' },
    ]
    for (const fields of said) {
      const asked: Ask = { fields: { host: 'a.example:1234', ...fields } }
      const first = await ask(built.plain, '/page', asked)
      const { entered } = built
      const second = await ask(built.front, '/page', asked)
      expect(second.cacheStatus.hit).toBe(true)
      expect(second.field('etag')).toBe(first.field('etag'))
      expect(built.entered).toBe(entered)
    }
  })

  it('agrees with the middleware where a trusted proxy names the protocol in other letters', async () => {
    const built = await build({ trustProxy: true })
    const asked: Ask = { fields: { host: 'a.example', 'x-forwarded-proto': 'HTTPS , http' } }
    const first = await ask(built.plain, '/page', asked)
    const second = await ask(built.front, '/page', asked)
    // Koa 3 hands on small letters; the others pass the text on, which is no key then.
    expect(first.cacheStatus.stored).toBe(name === 'Koa 3')
    expect([second.cacheStatus.hit, second.cacheStatus.fwd]).toEqual(
      name === 'Koa 3' ? [true, undefined] : [false, 'bypass'],
    )
    expect(built.runs).toBe(name === 'Koa 3' ? 1 : 2)
  })

  it('lets unsafe methods, bodies and credentials go where they always went', async () => {
    const built = await build()
    await ask(built.front, '/page')
    const withBody = await ask(built.front, '/page', { fields: { 'content-length': '2' }, body: 'ab' })
    expect(withBody.cacheStatus).toMatchObject({ fwd: 'bypass', detail: 'request-body' })
    const known = await ask(built.front, '/page', { fields: { authorization: 'Bearer x' } })
    expect(known.cacheStatus).toMatchObject({ fwd: 'bypass', detail: 'authorization' })
    const session = await ask(built.front, '/page', { fields: { cookie: 'connect.sid=1' } })
    expect(session.cacheStatus).toMatchObject({ fwd: 'bypass', detail: 'cookie' })
    const posted = await ask(built.front, '/page', { method: 'POST' })
    expect(posted.cacheStatus.hit).toBe(false)
    expect(built.entered).toBe(5)
  })

  it('goes through the application, and says so once, where options are functions of its request', async () => {
    const built = await build({ options: { skip: () => false } })
    await ask(built.front, '/page')
    const hit = await ask(built.front, '/page')
    expect(hit.cacheStatus.hit).toBe(true)
    expect(built.entered).toBe(2)
    await new Promise(setImmediate)
    expect(warnings).toEqual([expect.stringContaining('skip, key and user')])
  })

  it('asks allowRefresh inside, and only where a client asks for something', async () => {
    const built = await build({ options: { allowRefresh: () => true } })
    await ask(built.front, '/page')
    await ask(built.front, '/page')
    expect(built).toMatchObject({ entered: 1, runs: 1 })
    const refreshed = await ask(built.front, '/page', { fields: { 'cache-control': 'no-cache' } })
    expect(refreshed.cacheStatus.fwd).toBe('request')
    expect(built).toMatchObject({ entered: 2, runs: 2 })
  })

  it('runs one handler for many who ask at the same time', async () => {
    const built = await build()
    const all = await Promise.all(Array.from({ length: 10 }, () => ask(built.front, '/cold')))
    expect(all.every(({ text }) => text === 'page')).toBe(true)
    expect(built.runs).toBe(1)
  })

  it(`refuses what is no application of ${name}`, () => {
    const { serve, listener } = name.startsWith('Express') ? forExpress() : forKoa()
    const wrong = (name.startsWith('Express') ? new Koa() : express5()) as never
    expect(() => serve(wrong)).toThrow(TypeError)
    expect(() => listener((() => {}) as never)).toThrow(TypeError)
  })
})

describe('what observes a server with a front door', () => {
  async function warm(before?: (listener: RequestListener) => RequestListener, onServer?: (server: Server) => void) {
    const cached = forExpress({ ttl: 60 })
    const app = express5()
    app.use(cached)
    app.get('/page', (_req, res) => {
      res.json({ a: 1 })
    })
    const listener = cached.listener(app)
    const server = createServer()
    onServer?.(server)
    server.on('request', before?.(listener) ?? listener)
    const port = await listen(server)
    await ask(port, '/page')
    return { port, server }
  }

  it('sees finish, close, the status and the fields of a hit', async () => {
    const seen: unknown[] = []
    const { port } = await warm(undefined, (server) =>
      server.on('request', (_req, res: ServerResponse) => {
        res.on('finish', () => seen.push('finish', res.statusCode, res.statusMessage, res.getHeader('content-length')))
        res.on('close', () => seen.push('close', res.headersSent, res.writableFinished))
      }),
    )
    seen.length = 0
    await ask(port, '/page')
    await expect.poll(() => seen.length).toBe(7)
    expect(seen).toEqual(['finish', 200, 'OK', '7', 'close', true, true])
  })

  it('sees the end of a hit on the diagnostics channel of node', async () => {
    const { port } = await warm()
    const seen: number[] = []
    const listener = (message: unknown) => {
      seen.push((message as { response: ServerResponse }).response.statusCode)
    }
    diagnostics.subscribe('http.server.response.finish', listener)
    open.push(() => diagnostics.unsubscribe('http.server.response.finish', listener))
    await ask(port, '/page')
    await expect.poll(() => seen).toEqual([200])
  })

  it('has its own end, write and writeHead called', async () => {
    const calls: string[] = []
    const { port } = await warm((listener) => (req, res) => {
      const { end } = res
      res.end = ((...args: unknown[]) => {
        calls.push('end')
        return end.apply(res, args as never)
      }) as typeof res.end
      res.setHeader('X-Trace', 'one')
      listener(req, res)
    })
    calls.length = 0
    const hit = await ask(port, '/page')
    expect(hit.cacheStatus.hit).toBe(true)
    expect(hit.field('x-trace')).toBe('one')
    expect(hit.field('x-powered-by')).toBe('Express')
    expect(calls).toEqual(['end'])
  })

  it('may change the fields of a request beforehand', async () => {
    const { port } = await warm((listener) => (req, res) => {
      if (req.headers['x-sign-in'] !== undefined) req.headers.authorization = 'Bearer x'
      listener(req, res)
    })
    const bypassed = await ask(port, '/page', { fields: { 'x-sign-in': '1' } })
    expect(bypassed.cacheStatus).toMatchObject({ fwd: 'bypass', detail: 'authorization' })
  })

  it('may answer a request itself', async () => {
    const { port } = await warm((listener) => (req, res) => {
      if (req.url === '/health') res.end('up')
      else listener(req, res)
    })
    expect((await ask(port, '/health')).text).toBe('up')
  })

  it('keeps its limit of requests for one connection', async () => {
    const { port, server } = await warm()
    server.maxRequestsPerSocket = 2
    const get = 'GET /page HTTP/1.1\r\nHost: a.example\r\n\r\n'
    const got = await exchange(port, get + get, (all) => all.split('{"a":1}').length === 3)
    const lines = got.match(/Connection: \S+|Keep-Alive: .*max=\d+/g)
    expect(lines).toEqual(['Connection: keep-alive', 'Keep-Alive: timeout=5, max=2', 'Connection: close'])
  })

  it('answers a client that reads slowly, byte for byte', async () => {
    const body = Buffer.alloc(500_000, 'abcdefgh')
    const built = await buildExpress(express5, { body })
    await ask(built.front, '/page', { fields: { host: 'a.example' } })
    const times = 20
    const request = 'GET /page HTTP/1.1\r\nHost: a.example\r\n\r\n'
    const last = 'GET /page HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n'
    const got = await new Promise<number>((resolve) => {
      const socket = connect(built.front, '127.0.0.1', () => socket.write(request.repeat(times - 1) + last))
      let length = 0
      socket.on('data', (bytes) => {
        length += bytes.length
        socket.pause()
        setImmediate(() => socket.resume())
      })
      socket.on('close', () => resolve(length))
    })
    expect(got).toBeGreaterThan(times * body.length)
    expect(built.runs).toBe(1)
  })

  it('may speak HTTP/2 to Koa', async () => {
    const cached = forKoa({ ttl: 60 })
    const app = new Koa()
    app.use(cached)
    let runs = 0
    app.use((ctx) => {
      runs += 1
      ctx.body = 'page'
    })
    const server = createHttp2Server(cached.listener(app) as never)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const session = connectHttp2(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    open.push(() => {
      session.destroy()
      server.close()
    })
    const get = async () => {
      const stream = session.request({ ':path': '/page' })
      const [fields] = await once(stream, 'response')
      stream.setEncoding('utf8')
      let text = ''
      for await (const chunk of stream) text += chunk
      return { text, status: fields['cache-status'] as string }
    }
    await get()
    expect(await get()).toMatchObject({ text: 'page', status: expect.stringContaining('; hit') })
    expect(runs).toBe(1)
  })
})

describe('what stands before the cache', () => {
  const helmet: RequestHandler = (_req, res, next) => {
    res.setHeader('X-Frame-Options', 'DENY')
    next()
  }
  const page: RequestHandler = (_req, res) => {
    res.send('page')
  }

  async function served(
    mount: (app: Express, cached: ReturnType<typeof forExpress>) => void,
    skipOnHit?: 'all' | readonly (string | RequestHandler)[],
    create: () => Express = express5,
  ) {
    const cached = forExpress({ ttl: 60 })
    const app = create()
    mount(app, cached)
    app.get(/.*/, page)
    return { port: await listen(cached.serve(app, { skipOnHit })), app, cached }
  }

  it.each([
    ['5', express5],
    ['4', express4],
  ] as const)('is never passed by in Express %s, and one warning names it', async (_version, create) => {
    const { port } = await served(
      (app, cached) => app.use(helmet, (_req, _res, next) => next(), cached),
      undefined,
      create,
    )
    await ask(port, '/page')
    const hit = await ask(port, '/page')
    expect(hit.cacheStatus.hit).toBe(true)
    expect(hit.field('x-frame-options')).toBe('DENY')
    await new Promise(setImmediate)
    expect(warnings).toEqual([expect.stringContaining('helmet, <anonymous> stand before the cache')])
  })

  it.each([['all'], [['helmet']], [[helmet]]] as const)(
    'is passed by on hits when it is named: %j',
    async (skipOnHit) => {
      const { port } = await served((app, cached) => app.use(helmet, cached), skipOnHit)
      expect((await ask(port, '/page')).field('x-frame-options')).toBe('DENY')
      const hit = await ask(port, '/page')
      expect(hit.cacheStatus.hit).toBe(true)
      expect(hit.field('x-frame-options')).toBeUndefined()
      expect(warnings).toEqual([])
    },
  )

  it('does not let one name stand for another', async () => {
    const guard: RequestHandler = (_req, res, next) => {
      res.setHeader('X-Guard', 'seen')
      next()
    }
    const { port } = await served((app, cached) => app.use(helmet, guard, cached), ['helmet'])
    await ask(port, '/page')
    expect((await ask(port, '/page')).field('x-guard')).toBe('seen')
  })

  it('counts where its path matches, and only there', async () => {
    const guard: RequestHandler = (_req, res, next) => {
      res.setHeader('X-Guard', 'seen')
      next()
    }
    const { port } = await served((app, cached) => {
      app.use('/admin', guard)
      app.get('/reports/:id', guard)
      app.use(cached)
    })
    for (const [path, seen] of [
      ['/page', undefined],
      ['/admin/x', 'seen'],
      ['/reports/1', 'seen'],
      ['/reports/%ff', undefined],
    ] as const) {
      await ask(port, path)
      const second = await ask(port, path)
      if (second.status === 200) expect([path, second.field('x-guard')]).toEqual([path, seen])
    }
    expect((await ask(port, '/page')).field('x-powered-by')).toBe('Express')
  })

  it('counts for every spelling of its path', async () => {
    let isAllowed = true
    const guard: RequestHandler = (_req, res, next) => (isAllowed ? next() : void res.status(403).end())
    const { port } = await served((app, cached) => {
      app.use('/admin', guard)
      app.use(cached)
    })
    for (const path of ['/admin', '/ADMIN/', '//admin', '/admin?x', '/%61dmin/x']) {
      isAllowed = true
      await ask(port, path)
      const allowed = await ask(port, path)
      expect([path, allowed.status]).toEqual([path, 200])
      isAllowed = false
      // Where Express' own matching does not take it for that path either, there is no guard.
      const seen = (await ask(port, path)).status
      expect([path, seen]).toEqual([path, /^\/\/|%/.test(path) ? 200 : 403])
    }
  })

  it('may be mounted later', async () => {
    const { port, app } = await served((one, cached) => one.use(cached))
    await ask(port, '/page')
    const { stack } = app.router as unknown as { stack: unknown[] }
    app.use(helmet)
    stack.unshift(...stack.splice(-1))
    expect((await ask(port, '/page')).field('x-frame-options')).toBe('DENY')
  })

  it('is the whole application where the cache is mounted in a router, or not at all', async () => {
    const { port } = await served((app, cached) => app.use('/inner', cached))
    await ask(port, '/inner/page')
    expect((await ask(port, '/inner/page')).cacheStatus.hit).toBe(true)
    await new Promise(setImmediate)
    expect(warnings).toEqual([expect.stringContaining('not mounted')])
  })

  it('is never passed by in Koa either', async () => {
    const guard: Middleware = (ctx, next) => {
      ctx.set('X-Guard', 'seen')
      return next()
    }
    for (const [skipOnHit, seen] of [
      [undefined, 'seen'],
      [['guard'], undefined],
    ] as const) {
      const cached = forKoa({ ttl: 60 })
      const app = new Koa()
      app.use(guard).use(cached)
      app.use((ctx) => {
        ctx.body = 'page'
      })
      const port = await listen(cached.serve(app, { skipOnHit }))
      await ask(port, '/page')
      const hit = await ask(port, '/page')
      expect(hit.cacheStatus.hit).toBe(true)
      expect(hit.field('x-guard')).toBe(seen)
    }
    await new Promise(setImmediate)
    expect(warnings).toEqual([expect.stringContaining('guard stands before the cache')])
  })

  it('may answer instead: requests that waited for the handler go on', async () => {
    const first = gate()
    let asked = 0
    const limit: RequestHandler = async (_req, res, next) => {
      asked += 1
      if (asked > 1) return next()
      await first.opened
      res.status(429).end()
    }
    const { port } = await served((app, cached) => app.use(limit, cached), ['limit'])
    const refused = ask(port, '/page')
    await expect.poll(() => asked).toBe(1)
    const waiting = ask(port, '/page')
    first.open()
    expect((await refused).status).toBe(429)
    expect((await waiting).text).toBe('page')
    expect((await ask(port, '/page')).cacheStatus.hit).toBe(true)
  })

  it('may make another request of it, which is decided upon again', async () => {
    const rewrite: RequestHandler = (req, _res, next) => {
      if (req.headers['user-agent'] === 'phone') req.url = '/phone'
      next()
    }
    const cached = forExpress({ ttl: 60 })
    const app = express5()
    app.use(rewrite, cached)
    app.get('/phone', (_req, res) => void res.send('small'))
    app.get('/page', (_req, res) => void res.send('large'))
    const port = await listen(cached.serve(app, { skipOnHit: ['rewrite'] }))
    expect((await ask(port, '/page', { fields: { 'user-agent': 'phone' } })).text).toBe('small')
    expect((await ask(port, '/page')).text).toBe('large')
    expect((await ask(port, '/page')).cacheStatus.hit).toBe(true)
  })

  it('may be known by what all contexts of Koa have', async () => {
    const cached = forKoa({ ttl: 60 })
    const app = new Koa()
    app.use(cached)
    app.use(session({ key: 'k', signed: false }, app))
    app.use((ctx) => {
      if (ctx.path === '/login') Object.assign(ctx.session ?? {}, { name: 'Ann' })
      ctx.body = `for ${ctx.session?.name ?? 'all'}`
    })
    const port = await listen(cached.serve(app))
    const [cookie = ''] = (await ask(port, '/login')).lines('set-cookie')
    expect((await ask(port, '/page')).text).toBe('for all')
    expect((await ask(port, '/page')).cacheStatus.hit).toBe(true)
    expect((await ask(port, '/page', { fields: { cookie } })).text).toBe('for Ann')
  })

  it('may be known by what all requests of Express have', async () => {
    const cached = forExpress({ ttl: 60 })
    const app = express5()
    Object.defineProperty(app.request, 'user', { get: (): unknown => undefined, configurable: true })
    Object.defineProperty(app.request, 'session', {
      get(this: { readonly headers: Record<string, string> }) {
        return { name: this.headers['x-name'] }
      },
    })
    app.use(cached)
    app.get('/page', (req, res) => {
      res.send(`for ${(req as unknown as { session: { name?: string } }).session.name ?? 'all'}`)
    })
    for (const server of [cached.serve(app), createServer(cached.listener(app))]) {
      const port = await listen(server)
      expect((await ask(port, '/page', { fields: { host: 'a.example' } })).text).toBe('for all')
      expect((await ask(port, '/page', { fields: { host: 'a.example', 'x-name': 'Ann' } })).text).toBe('for Ann')
    }
  })

  it('may be known by what all responses of Express have, or all contexts of Koa', async () => {
    const toExpress = forExpress({ ttl: 60 })
    const inExpress = express5()
    Object.defineProperty(inExpress.response, 'locals', {
      get(this: { readonly req: IncomingMessage }) {
        return { user: this.req.headers['x-name'] }
      },
      set() {},
    })
    inExpress.use(toExpress)
    inExpress.get('/page', (_req, res) => void res.send(`for ${res.locals.user ?? 'all'}`))

    const toKoa = forKoa({ ttl: 60 })
    const inKoa = new Koa()
    Object.defineProperty(inKoa.context, 'state', {
      get(this: Koa.Context) {
        return { user: this.req.headers['x-name'] }
      },
      set() {},
    })
    inKoa.use(toKoa)
    inKoa.use((ctx) => {
      ctx.body = `for ${ctx.state.user ?? 'all'}`
    })
    for (const listener of [toExpress.listener(inExpress), toKoa.listener(inKoa)]) {
      const port = await listen(createServer(listener))
      expect((await ask(port, '/page', { fields: { host: 'a.example' } })).text).toBe('for all')
      expect((await ask(port, '/page', { fields: { host: 'a.example' } })).cacheStatus.hit).toBe(true)
      expect((await ask(port, '/page', { fields: { host: 'a.example', 'x-name': 'Ann' } })).text).toBe('for Ann')
    }
  })

  it('may log a user in, whose page no other user gets', async () => {
    const signIn: RequestHandler = (req, _res, next) => {
      if (req.headers['x-name'] !== undefined) Object.assign(req, { user: req.headers['x-name'] })
      next()
    }
    const cached = forExpress({ ttl: 60 })
    const app = express5()
    app.use(signIn, cached)
    app.get('/page', (req, res) => void res.send(`for ${(req as { user?: unknown }).user ?? 'all'}`))
    const port = await listen(cached.serve(app, { skipOnHit: ['signIn'] }))
    expect((await ask(port, '/page', { fields: { 'x-name': 'Ann' } })).text).toBe('for Ann')
    expect((await ask(port, '/page')).text).toBe('for all')
  })

  it.each([
    ['Express 5', express5],
    ['Express 4', express4],
  ] as const)('is an error to name where it does not stand, in %s', (_version, create) => {
    const cached = forExpress()
    const app = create()
    const behind: RequestHandler = (_req, _res, next) => next()
    app.use(helmet, (_req, _res, next) => next(), cached, behind)
    expect(() => cached.serve(app, { skipOnHit: [helmet, 'helmt'] })).toThrow(
      new RangeError(
        'skipOnHit must name middleware that is mounted before the cache, got "helmt"; mounted there: helmet, <anonymous>',
      ),
    )
    expect(() => cached.listener(app, { skipOnHit: [behind] })).toThrow('got the function behind')
    expect(() => cached.serve(app, { skipOnHit: ['helmet'] })).not.toThrow()
  })

  it('is an error to name where it does not stand, in Koa', () => {
    const cached = forKoa()
    const app = new Koa().use(cached)
    expect(() => cached.serve(app, { skipOnHit: ['logger'] })).toThrow('got "logger"; mounted there: nothing')
  })

  it('may be named before the application is complete', async () => {
    const cached = forExpress({ ttl: 60 })
    const app = express5()
    const port = await listen(cached.serve(app, { skipOnHit: ['helmet'] }))
    app.use(helmet, cached)
    app.get('/page', page)
    await ask(port, '/page')
    const hit = await ask(port, '/page')
    expect(hit.cacheStatus.hit).toBe(true)
    expect(hit.field('x-frame-options')).toBeUndefined()
  })

  it('is named in a list of names or functions', () => {
    const cached = forExpress()
    expect(() => cached.serve(express5(), { skipOnHit: 'helmet' as never })).toThrow('skipOnHit must be')
    expect(() => cached.serve(express5(), { skipOnHit: [1] as never })).toThrow(TypeError)
  })
})

describe('a tracer that replaces the middleware', () => {
  /** As the tracers of Datadog and Elastic do: a function with all properties of the original. */
  function traced<F extends (...args: never[]) => unknown>(middleware: F): F {
    const wrapper = (...args: never[]) => middleware(...args)
    return Object.defineProperties(wrapper, Object.getOwnPropertyDescriptors(middleware)) as F
  }

  /** As an application may do, to show its visitors in before the cache. */
  function guarded<F extends (...args: never[]) => unknown>(middleware: F): F {
    const wrapper = (...args: never[]) => middleware(...args)
    return Object.assign(wrapper, middleware)
  }

  async function entered(wrap: typeof traced, framework: 'Express' | 'Koa'): Promise<number> {
    let seen = 0
    const note = (middleware: (...args: never[]) => unknown) => {
      const wrapped = wrap(middleware)
      const counting = (...args: never[]) => {
        seen += 1
        return wrapped(...args)
      }
      return Object.defineProperties(counting, Object.getOwnPropertyDescriptors(wrapped)) as never
    }
    let server: Server
    if (framework === 'Express') {
      const cached = forExpress({ ttl: 60 })
      open.push(() => cached.close())
      const app = express5().use(note(cached))
      app.get('/page', (_req, res) => void res.send('page'))
      server = cached.serve(app)
    } else {
      const cached = forKoa({ ttl: 60 })
      open.push(() => cached.close())
      const app = new Koa().use(note(cached)).use((ctx) => {
        ctx.body = 'page'
      })
      server = cached.serve(app)
    }
    const port = await listen(server)
    for (let at = 0; at < 3; at++) expect((await ask(port, '/page')).text).toBe('page')
    return seen
  }

  it.each(['Express', 'Koa'] as const)('leaves the front door of %s on', async (framework) => {
    expect(await entered(traced, framework)).toBe(1)
    expect(warnings).toEqual([])
  })

  it.each(['Express', 'Koa'] as const)(
    'is told from a function of an application of %s, which may refuse',
    async (framework) => {
      expect(await entered(guarded, framework)).toBe(3)
    },
  )
})
