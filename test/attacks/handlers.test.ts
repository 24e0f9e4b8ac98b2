import { OutgoingMessage, ServerResponse } from 'node:http'
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2'
import { type AddressInfo, connect } from 'node:net'
import Router from '@koa/router'
import express5, { type RequestHandler, type Response } from 'express'
import express4 from 'express4'
import Koa from 'koa'
import Koa2 from 'koa2'
import { afterEach, describe, expect, it } from 'vitest'
import { engineOf, FallbackCache } from '../../src/core/fallback-cache.js'
import { fallbackCache } from '../../src/middleware/express.js'
import { fallbackCache as koaCache } from '../../src/middleware/koa.js'
import { gate } from '../middleware/contract-stage.js'
import { type Ask, ask } from '../middleware/hosts/client.js'
import { listen } from '../middleware/hosts/listen.js'
import { ManualClock } from '../support/manual-clock.js'
import { until } from '../support/until.js'
import { lines, raw } from './raw.js'

const open: { close(): Promise<unknown> }[] = []
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})

async function serve(listener: Parameters<typeof listen>[0]) {
  const site = await listen(listener)
  open.push(site)
  const get = (path: string, options?: Ask) => ask(site.port, path, options)
  return Object.assign(get, { port: site.port })
}

function core() {
  const clock = new ManualClock(Date.now())
  const cache = new FallbackCache({ clock, maxEntries: 20_000 })
  open.push(cache)
  return { clock, cache }
}

for (const [name, createApp] of Object.entries({ express: express5, express4 })) {
  describe(`a handler in ${name}`, () => {
    const site = (handler: RequestHandler, options = {}) => {
      const { clock, cache } = core()
      const app = createApp()
      app.set('env', 'test')
      app.use(fallbackCache({ cache, ttl: 60, ...options }))
      app.use(handler)
      app.use(((_error, _req, res, next) => {
        if (res.headersSent) return next(_error)
        res.status(500).end('error')
      }) as import('express').ErrorRequestHandler)
      return serve(app).then((client) => ({ client, clock, cache }))
    }

    const cookies: Record<string, (res: Response) => void> = {
      'by setHeader': (res) => res.setHeader('set-cookie', 'a=b').end('x'),
      'as a list': (res) => res.setHeader('Set-Cookie', ['a=b', 'c=d']).end('x'),
      'by appendHeader': (res) => res.appendHeader('SET-COOKIE', 'a=b').end('x'),
      'by setHeaders': (res) => void res.setHeaders(new Headers({ 'set-cookie': 'a=b' })).end('x'),
      'in writeHead': (res) => res.writeHead(200, { 'Set-Cookie': 'a=b' }).end('x'),
      'in writeHead with a reason': (res) => res.writeHead(200, 'Fine', { 'sEt-cOOkie': ['a=b'] }).end('x'),
      'in a list to writeHead': (res) => res.writeHead(200, ['Set-Cookie', 'a=b']).end('x'),
      'in pairs to writeHead': (res) => res.writeHead(200, [['Set-Cookie', 'a=b']] as never).end('x'),
      'before flushHeaders': (res) => {
        res.setHeader('set-cookie', 'a=b')
        res.flushHeaders()
        res.end('x')
      },
      'as a trailer': (res) => {
        res.setHeader('Trailer', 'Set-Cookie')
        res.write('x')
        res.addTrailers({ 'Set-Cookie': 'a=b' })
        res.end()
      },
    }
    for (const [how, answer] of Object.entries(cookies)) {
      it(`keeps the cookie that it sets ${how} to one client`, async () => {
        let runs = 0
        const { client } = await site((_req, res) => {
          runs += 1
          answer(res)
        })
        await client('/')
        await client('/')
        expect(runs).toBe(2)
      })
    }

    const controls = [
      'private',
      'Private="x',
      'private=',
      'No-Store',
      'max-age=60, no-store',
      '"no-store", no-store',
      'public, private, s-maxage=60',
      'no-store="x"',
      ',,no-store',
      'no-store max-age=60',
      'max-age=60\tno-store',
      'foo="a, no-store", private',
      'no-cache',
    ]
    for (const control of [...controls, ['max-age=60', 'no-store'], ['public', 'Private']]) {
      it(`is obeyed in ${JSON.stringify(control)}`, async () => {
        let runs = 0
        const { client } = await site((_req, res) => {
          runs += 1
          res.setHeader('Cache-Control', control)
          res.end('x')
        })
        await client('/')
        await client('/')
        expect(runs).toBe(2)
      })
    }

    const misbehaved: Record<string, (res: Response) => void> = {
      'ends twice': (res) => {
        res.on('error', () => {})
        res.end('right')
        res.end('wrong')
      },
      'writes after its end': (res) => {
        res.on('error', () => {})
        res.end('right')
        res.write('wrong')
      },
      'changes its buffer afterwards': (res) => {
        const bytes = Buffer.from('right')
        res.end(bytes)
        bytes.fill('w')
      },
      'changes its head afterwards': (res) => {
        res.end('right')
        res.statusCode = 500
      },
      'writes by a method of the prototype': (res) => {
        Reflect.apply(ServerResponse.prototype.write, res, ['ri'])
        res.end('ght')
      },
      'writes by a method of the prototype between others': (res) => {
        res.cork()
        res.write('ri')
        Reflect.apply(OutgoingMessage.prototype.write, res, ['g'])
        res.uncork()
        res.end('ht')
      },
      'ends by a method of the prototype': (res) => {
        res.write('ri')
        Reflect.apply(ServerResponse.prototype.end, res, ['ght'])
        res.end()
      },
      'begins by a method of the prototype': (res) => {
        ServerResponse.prototype.writeHead.call(res, 200)
        res.end('right')
      },
      'sends early hints first': (res) => {
        res.writeEarlyHints({ link: '</a>; rel=preload' })
        res.writeProcessing()
        res.end('right')
      },
    }
    for (const [what, answer] of Object.entries(misbehaved)) {
      it(`that ${what} gives the same to all`, async () => {
        const { client } = await site((_req, res) => answer(res))
        for (let count = 0; count < 3; count += 1) {
          const got = await client('/')
          expect([got.status, got.text]).toEqual([200, 'right'])
        }
      })
    }

    it('that writes what looks like chunks, corked and not, is stored', async () => {
      let runs = 0
      const { client } = await site((_req, res) => {
        runs += 1
        res.write('ff')
        res.cork()
        for (const part of ['\r\n', Buffer.from('\r\n'), '0', 'é']) res.write(part)
        res.uncork()
        res.write('c3a9', 'hex')
        res.end('0\r\n\r\n', 'latin1')
      })
      for (const _ of ['stored', 'found']) expect((await client('/')).text).toBe('ff\r\n\r\n0éé0\r\n\r\n')
      expect(runs).toBe(1)
    })

    const broken: Record<string, (res: Response) => void> = {
      'throws after its head': (res) => {
        res.flushHeaders()
        res.write('par')
        throw new Error('broken')
      },
      'destroys its response': (res) => {
        res.write('par')
        res.destroy()
      },
      'destroys its socket': (res) => {
        res.write('par')
        res.socket?.destroy()
      },
      'sends less than it announced': (res) => {
        res.setHeader('Content-Length', '10')
        res.write('part')
        res.socket?.end()
      },
      'ends with something that is no body': (res) => {
        res.end(7 as never)
      },
      'has a reason that cannot be sent': (res) => {
        res.statusMessage = 'a\r\nb'
        res.end('x')
      },
      'has a field that cannot be sent': (res) => {
        res.setHeader('x-a', 'a\r\nb')
        res.end('x')
      },
    }
    for (const [what, answer] of Object.entries(broken)) {
      it(`that ${what} is not stored, and those who wait go on`, async () => {
        let runs = 0
        const { client } = await site((_req, res) => {
          runs += 1
          if (runs === 1) answer(res)
          else res.end('right')
        })
        await Promise.allSettled([client('/'), client('/'), client('/')])
        expect((await client('/')).text).toBe('right')
      })
    }

    it('that is left by its client, with 500 waiting, runs once more for all of them', async () => {
      let runs = 0
      const { opened, open: begin } = gate()
      const { client } = await site((_req, res) => {
        runs += 1
        if (runs === 1) begin()
        else setImmediate(() => res.end(`run ${runs}`))
      })
      const socket = connect(client.port, '127.0.0.1', () => socket.write(lines('GET /a HTTP/1.1', 'Host: 127.0.0.1')))
      socket.on('error', () => {})
      await opened
      const host = { host: '127.0.0.1' }
      const waiting = Array.from({ length: 500 }, () => client('/a', { fields: host }))
      await client('/b', { fields: host })
      socket.destroy()
      for (const got of await Promise.all(waiting)) expect(got.status).toBe(200)
      expect(runs).toBeLessThan(10)
    }, 15_000)

    it('answers pipelined requests in their order', async () => {
      const { client } = await site((req, res) => res.end(`for ${req.url}.`))
      const all = ['/1', '/2', '/1', '/2', '/1'].map((path) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`).join('')
      const got = await raw(client.port, `${all}GET /3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
      expect(got.match(/for \/\d/g)).toEqual(['/1', '/2', '/1', '/2', '/1', '/3'].map((path) => `for ${path}`))
    })

    const reasons: Record<string, (res: Response) => void> = {
      ' ': (res) => res.writeHead(200, '').end('x'),
      ' Voil\xc3\xa0': (res) => {
        res.statusMessage = 'Voilà'
        res.end('x')
      },
      ' Voil\xe0': (res) => res.writeHead(200, 'Voilà').end(Buffer.from('x')),
    }
    for (const [reason, answer] of Object.entries(reasons)) {
      it(`that has the reason${reason} has it on a miss, and on prepared and other hits`, async () => {
        const { client } = await site((_req, res) => answer(res))
        const [found, last] = ['GET / HTTP/1.1\r\nHost: a\r\n\r\n', lines('GET / HTTP/1.1', 'Host: a')]
        const got = `${await raw(client.port, last)}${await raw(client.port, `${found}${last}`)}`
        expect(got.match(/(?<=HTTP\/1\.1 200).*(?=\r\n)/g)).toEqual([reason, reason, reason])
      })
    }

    it('refreshes without what the client asked for itself', async () => {
      const seen: (string | undefined)[][] = []
      const { client, clock } = await site((req, res) => {
        seen.push([req.method, req.headers.range, req.headers['if-none-match'], req.headers['if-modified-since']])
        res.setHeader('Cache-Control', 'max-age=10, stale-while-revalidate=60')
        res.end(`run ${seen.length}`)
      })
      const fields = { host: 'a' }
      await client('/', { fields })
      clock.advance(11_000)
      await client('/', {
        method: 'HEAD',
        fields: { ...fields, range: 'bytes=0-1', 'if-match': '"x"', 'if-none-match': '"x"' },
      })
      await until('the refresh', () => seen.length === 2)
      expect(seen[1]).toEqual(['GET', undefined, undefined, undefined])
      expect(await until('its answer', async () => (await client('/', { fields })).text === 'run 2')).toBe(true)
    })

    it('that knows the user by res.locals.user is not shared', async () => {
      let runs = 0
      const { client } = await site((_req, res) => {
        runs += 1
        res.locals.user = { name: 'alice' }
        res.end('alice')
      })
      await client('/')
      await client('/')
      expect(runs).toBe(2)
    })

    for (const nonce of ["script-src 'nonce-abc'", "SCRIPT-SRC 'NONCE-abc'"]) {
      it(`with ${nonce} and no type is not shared`, async () => {
        let runs = 0
        const { client } = await site((_req, res) => {
          runs += 1
          res.setHeader('Content-Security-Policy', nonce)
          res.end('<script nonce=abc>')
        })
        await client('/')
        await client('/')
        expect(runs).toBe(2)
      })
    }
  })
}

for (const [name, createApp] of Object.entries({ koa: Koa, koa2: Koa2 })) {
  describe(`a handler in ${name}`, () => {
    const thrown: Record<string, (ctx: Koa.Context) => void> = {
      '401': (ctx) => ctx.throw(401),
      '404': (ctx) => ctx.throw(404),
      '403 by statusCode': () => {
        throw Object.assign(new Error('no'), { statusCode: 403 })
      },
    }
    for (const [what, answer] of Object.entries(thrown)) {
      it(`that throws a ${what} is not overruled by a stale page`, async () => {
        const { clock, cache } = core()
        const app = new createApp()
        app.silent = true
        let runs = 0
        app.use(koaCache({ cache, ttl: 60, staleIfError: 600 }))
        app.use((ctx) => {
          runs += 1
          if (runs > 1) answer(ctx)
          ctx.body = 'page'
        })
        const client = await serve(app.callback())
        await client('/')
        clock.advance(61_000)
        expect((await client('/')).status).toBe(Number(what.slice(0, 3)))
      })
    }
    it('that throws anything else is', async () => {
      const { clock, cache } = core()
      const app = new createApp()
      app.silent = true
      let runs = 0
      app.use(koaCache({ cache, ttl: 60, staleIfError: 600 }))
      app.use((ctx) => {
        runs += 1
        if (runs > 1) throw new Error('down')
        ctx.body = 'page'
      })
      const client = await serve(app.callback())
      await client('/')
      clock.advance(61_000)
      expect((await client('/')).text).toBe('page')
    })
  })
}

describe('a URL that middleware in front has rewritten', () => {
  it('keeps the two halves of a trial apart in Express', async () => {
    const { cache } = core()
    const app = express5()
    app.use((req, _res, next) => {
      req.url = req.headers.cookie === 'trial=b' ? `/b${req.url}` : req.url
      next()
    })
    app.use(fallbackCache({ cache, ttl: 60 }))
    app.get('/page', (_req, res) => void res.send('a'))
    app.get('/b/page', (_req, res) => void res.send('b'))
    const client = await serve(app)
    const got = []
    for (const half of ['a', 'b', 'a', 'b'])
      got.push((await client('/page', { fields: { host: 'a', cookie: `trial=${half}` } })).text)
    expect(got).toEqual(['a', 'b', 'a', 'b'])
  })

  it('keeps what is rewritten to an end of itself apart in Express, and what is mounted together', async () => {
    const { cache } = core()
    const app = express5()
    app.use((req, _res, next) => {
      if (req.headers.cookie === 'trial=b') req.url = req.url.replace('/b/', '/')
      next()
    })
    const router = express5.Router()
    router.use(fallbackCache({ cache, ttl: 60 }))
    router.get('/page', (_req, res) => void res.send('a'))
    router.get('/', (_req, res) => void res.send('root'))
    app.use('/m', router)
    app.use(fallbackCache({ cache, ttl: 60 }))
    app.get('/page', (_req, res) => void res.send('a'))
    app.get('/b/page', (_req, res) => void res.send('b'))
    const client = await serve(app)
    const ask = (path: string, half: string) => client(path, { fields: { host: 'a', cookie: `trial=${half}` } })
    expect((await ask('/b/page', 'b')).text).toBe('a')
    expect((await ask('/b/page', 'a')).text).toBe('b')
    for (const path of ['/m/page', '/m', '/m?x=1']) {
      await ask(path, 'a')
      const { cacheStatus, text } = await ask(path, 'a')
      expect([path, cacheStatus.hit, text]).toEqual([path, true, path === '/m/page' ? 'a' : 'root'])
    }
  })

  it('keeps the two halves of a trial apart in Koa', async () => {
    const { cache } = core()
    const app = new Koa()
    app.use((ctx, next) => {
      if (ctx.get('cookie') === 'trial=b') ctx.url = `/b${ctx.url}`
      return next()
    })
    app.use(koaCache({ cache, ttl: 60 }))
    app.use((ctx) => {
      ctx.body = ctx.path
    })
    const client = await serve(app.callback())
    const got = []
    for (const half of ['a', 'b', 'a', 'b'])
      got.push((await client('/page', { fields: { host: 'a', cookie: `trial=${half}` } })).text)
    expect(got).toEqual(['/page', '/b/page', '/page', '/b/page'])
  })

  for (const name of ['routerPath', 'newRouterPath'] as const) {
    it(`keeps routes chosen by ctx.${name} apart in Koa`, async () => {
      const app = new Koa()
      app.use((ctx, next) => {
        if (ctx.get('cookie') === 'trial=b') Object.assign(ctx, { [name]: '/b' })
        return next()
      })
      const cached = koaCache({ cache: core().cache, ttl: 60 })
      const routes = new Router()
      for (const path of ['/page', '/b']) {
        routes.get(path, cached, (ctx) => {
          ctx.body = ctx.path + path
        })
      }
      // Releases of the router differ in which of the two they read.
      app.use(cached)
      app.use((ctx, next) => {
        if (name === 'routerPath' && ctx.routerPath) ctx.newRouterPath = ctx.routerPath as string
        return next()
      })
      app.use(routes.routes())
      const client = await serve(app.callback())
      const ask = (half: string) => client('/page', { fields: { host: 'a', cookie: `trial=${half}` } })
      for (let time = 0; time < 2; time += 1) {
        expect((await ask('a')).text).toBe('/page/page')
        expect((await ask('b')).text).toBe('/page/b')
      }
      expect((await ask('b')).cacheStatus.hit).toBe(true)
    })
  }

  it('shares pages that were stored within a router of Koa and in front of it', async () => {
    const { cache } = core()
    const routes = new Router()
    routes.get('/inner/:id', koaCache({ cache, ttl: 60 }), (ctx) => {
      ctx.body = 'page'
    })
    const within = await serve(new Koa().use(routes.routes()).callback())
    const inFront = await serve(
      new Koa()
        .use(koaCache({ cache, ttl: 60 }))
        .use(routes.routes())
        .callback(),
    )
    const fields = { host: 'a' }
    await within('/inner/1', { fields })
    expect((await inFront('/inner/1', { fields })).cacheStatus.hit).toBe(true)
  })
})

describe('a collision of the short hash of a key', () => {
  it('is a miss', async () => {
    const { cache, clock } = core()
    const app = express5()
    app.use(fallbackCache({ cache, ttl: 60 }))
    app.use((req, res) => void res.send(`page of ${req.hostname}`))
    const client = await serve(app)
    const keys: string[] = []
    cache.on('store', ({ key }) => void keys.push(key))
    for (const host of ['a.example', 'b.example']) await client('/page', { fields: { host } })
    const [one = '', other = ''] = keys
    const found = await engineOf(cache).find(one)
    if (found === undefined) throw new Error('nothing is stored')
    clock.advance(1)
    const { staleAt, deleteAt, meta, body } = found.entry
    engineOf(cache).store(other, { staleAt, deleteAt, meta, body }, engineOf(cache).mark())
    const got = await client('/page', { fields: { host: 'b.example' } })
    expect([got.text, got.cacheStatus.hit]).toEqual(['page of b.example', false])
  })
})

describe('HTTP/2', () => {
  it('keeps users apart, however their cookies are split', async () => {
    const { cache } = core()
    const cached = fallbackCache({ cache, ttl: 60 })
    const server = createHttp2Server((req, res) => {
      cached(req as never, res as never, () => res.end(`page of ${req.headers.cookie}`))
    })
    await new Promise<void>((resolve) => server.listen(0, resolve))
    const session = connectHttp2(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    const get = (cookie?: string[], body?: string) =>
      new Promise<string>((resolve) => {
        const stream = session.request({ ':path': '/', ...(cookie && { cookie }) }, { endStream: body === undefined })
        if (body !== undefined) stream.end(body)
        let text = ''
        stream.setEncoding('utf8')
        stream.on('data', (chunk: string) => {
          text += chunk
        })
        stream.on('end', () => resolve(text))
      })
    expect(await get(['a=b', 'connect.sid=alice'])).toBe('page of a=b; connect.sid=alice')
    expect(await get(['a=b', 'connect.sid=bob'])).toBe('page of a=b; connect.sid=bob')
    expect(await get(['a=body'], 'q=2')).toBe('page of a=body')
    expect(await get()).toBe('page of undefined')
    session.close()
    server.close()
  })
})

it('a handler of node:http reads no field of a head that it has given to writeHead alone', async () => {
  const cached = fallbackCache({ ttl: 60 })
  open.push(cached)
  const client = await serve((req, res) => {
    cached(req, res, () => {
      res.writeHead(200, { 'X-Given': 'at once' })
      res.end(JSON.stringify([res.getHeader('x-given') ?? null, res.getHeaders(), res.headersSent]))
    })
  })
  for (const _ of ['stored', 'found']) {
    const got = await client('/')
    expect([got.field('x-given'), got.text]).toEqual(['at once', '[null,{},true]'])
  }
})
