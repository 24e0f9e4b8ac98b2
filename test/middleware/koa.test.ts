import { AsyncLocalStorage } from 'node:async_hooks'
import { once } from 'node:events'
import { createReadStream, readFileSync, statSync } from 'node:fs'
import { connect, createServer as createHttp2Server, type IncomingHttpHeaders } from 'node:http2'
import { type AddressInfo, Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import etag from '@koa/etag'
import Router from '@koa/router'
import Koa from 'koa'
import compress from 'koa-compress'
import conditional from 'koa-conditional-get'
import mount from 'koa-mount'
import session from 'koa-session'
import Koa2 from 'koa2'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fallbackCache, type MiddlewareOptions } from '../../src/middleware/koa.js'
import { ManualClock } from '../support/manual-clock.js'
import { until } from '../support/until.js'
import { broken, chunked, gate } from './contract-stage.js'
import { type Ask, ask, type Got } from './hosts/client.js'
import { listen } from './hosts/listen.js'

const open: { close(): Promise<void> }[] = []
let clock = new ManualClock()

beforeEach(() => {
  clock = new ManualClock()
})
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})

function cached(options: MiddlewareOptions = {}) {
  const middleware = fallbackCache({ ttl: 60, clock, ...options })
  open.push(middleware)
  return middleware
}

async function serve(app: Pick<Koa, 'silent' | 'callback'>): Promise<(path: string, options?: Ask) => Promise<Got>> {
  app.silent = true
  const site = await listen(app.callback())
  open.push(site)
  return (path, options) => ask(site.port, path, options)
}

const gzip = { 'accept-encoding': 'gzip' }

describe.each([
  ['Koa 2', Koa2],
  ['Koa 3', Koa],
])('fallbackCache in %s', (_, Application) => {
  /** An application with the cache and one handler, behind `outer`. */
  const page = (handler: Koa.Middleware, ...outer: Koa.Middleware[]) => {
    const app = new Application()
    for (const middleware of outer) app.use(middleware)
    app.use(cached())
    app.use(handler)
    return serve(app)
  }

  describe('what a handler may leave at ctx.body', () => {
    const bodies: Record<string, (ctx: Koa.Context) => void> = {
      'a number': (ctx) => {
        ctx.body = 41
      },
      false: (ctx) => {
        ctx.body = false
      },
      'an array': (ctx) => {
        ctx.body = [1, { two: 2 }]
      },
      'an object with toJSON()': (ctx) => {
        ctx.body = { toJSON: () => ({ as: 'json' }) }
      },
      'JSON as text': (ctx) => {
        ctx.type = 'json'
        ctx.body = '{"a":1}'
      },
      'an object with a type of its own': (ctx) => {
        ctx.type = 'application/vnd.api+json'
        ctx.body = { a: 1 }
      },
      'text whose type was taken away': (ctx) => {
        ctx.body = 'text'
        ctx.remove('Content-Type')
      },
      'nothing, and a status': (ctx) => {
        ctx.status = 410
        ctx.set('Cache-Control', 'max-age=60')
      },
      'null, and then a status': (ctx) => {
        ctx.body = null
        ctx.status = 200
      },
      null: (ctx) => {
        ctx.set('Cache-Control', 'max-age=60')
        ctx.body = null
      },
      'a reason phrase': (ctx) => {
        ctx.status = 200
        ctx.message = 'Quite Fine'
        ctx.body = 'page'
      },
    }
    for (const [title, answer] of Object.entries(bodies)) {
      it(`is answered the same with the cache and from it: ${title}`, async () => {
        const plain = await serve(new Application().use(answer))
        const get = await page(answer)
        const [without, miss, hit] = [await plain('/'), await get('/'), await get('/')]
        expect(hit.cacheStatus.hit).toBe(true)
        for (const got of [miss, hit]) {
          expect([got.status, got.statusText, got.text]).toEqual([without.status, without.statusText, without.text])
          expect(got.field('content-type')).toBe(without.field('content-type'))
          // Koa 2 sends an empty body in chunks, of which there are none.
          if (without.field('content-length')) expect(got.field('content-length')).toBe(without.field('content-length'))
        }
      })
    }

    it('may be a stream in object mode', async () => {
      const get = await page((ctx) => {
        ctx.type = 'text'
        ctx.body = chunked('one ', 'two').map((chunk: Buffer) => chunk.toString())
      })
      expect((await get('/')).text).toBe('one two')
      const hit = await get('/')
      expect(hit.text).toBe('one two')
      expect(hit.cacheStatus.hit).toBe(true)
    })

    it('may be a file', async () => {
      const path = fileURLToPath(import.meta.url)
      const get = await page((ctx) => {
        ctx.type = 'text'
        ctx.length = statSync(path).size
        ctx.body = createReadStream(path)
      })
      const whole = readFileSync(path, 'utf8')
      const read = async () => {
        const got = await get('/')
        expect([got.text === whole, got.field('content-length')]).toEqual([true, String(Buffer.byteLength(whole))])
        return got.cacheStatus.hit
      }
      expect(await read()).toBe(false)
      // The last byte is there a moment before the stream says that it was the last.
      await until('a hit', read)
    })

    it('may be a file that is not there: it fails as without a cache', async () => {
      const answer = (ctx: Koa.Context) => {
        ctx.type = 'text'
        const body = createReadStream('/nowhere/at/all')
        body.once('error', () => setImmediate(() => ctx.res.destroy()))
        ctx.body = body
      }
      const outcome = (get: (path: string) => Promise<Got>) =>
        get('/').then(
          ({ status, text }) => `${status} ${text}`,
          ({ code }) => code,
        )
      const plain = await outcome(await serve(new Application().use(answer)))
      const get = await page(answer)
      expect([await outcome(get), await outcome(get)]).toEqual([plain, plain])
    })

    it('is nothing when no handler took the request: outer middleware may still answer', async () => {
      const app = new Application()
      app.use(async (ctx, next) => {
        await next()
        if (ctx.status === 404 && ctx.body === undefined) ctx.body = 'from outside'
      })
      app.use(cached({ statusTtl: { 404: 60 } }))
      const get = await serve(app)
      for (let i = 0; i < 2; i++)
        expect([(await get('/')).status, (await get('/')).text]).toEqual([200, 'from outside'])
    })

    it('is written as JSON once, and what cannot be fails as without a cache', async () => {
      const circular: Record<string, unknown> = {}
      circular.self = circular
      const get = await page((ctx) => {
        ctx.body = circular
      })
      expect((await get('/')).status).toBe(500)
    })
  })

  describe('answers around Koa', () => {
    it('pass by with ctx.respond = false', async () => {
      let runs = 0
      const get = await page((ctx) => {
        ctx.respond = false
        runs += 1
        ctx.res.writeHead(200, { 'content-type': 'text/plain', 'x-run': `${runs}` })
        setTimeout(() => ctx.res.end('by hand'), 5)
      })
      for (const run of [1, 2]) {
        const got = await get('/')
        expect([got.status, got.field('x-run'), got.text]).toEqual([200, `${run}`, 'by hand'])
      }
    })

    it('pass by with ctx.res.end()', async () => {
      let runs = 0
      const get = await page((ctx) => {
        runs += 1
        ctx.res.statusCode = 200
        ctx.res.end(`run ${runs}`)
      })
      for (const run of [1, 2]) expect((await get('/')).text).toBe(`run ${run}`)
    })

    it('still invalidate, when their method is unsafe', async () => {
      const app = new Application()
      app.use(cached())
      let runs = 0
      app.use((ctx) => {
        if (ctx.method === 'GET') {
          runs += 1
          ctx.body = `run ${runs}`
          return
        }
        ctx.respond = false
        setTimeout(() => {
          ctx.res.statusCode = 200
          ctx.res.end('by hand')
        }, 5)
      })
      const get = await serve(app)
      await get('/')
      expect((await get('/', { method: 'PUT' })).text).toBe('by hand')
      expect((await get('/')).text).toBe('run 2')
    })

    it('may send the head early and leave the body to Koa', async () => {
      const get = await page((ctx) => {
        ctx.type = 'text/event-stream'
        ctx.status = 200
        ctx.flushHeaders()
        ctx.body = chunked('data: 1\n\n')
      })
      for (let i = 0; i < 2; i++) expect((await get('/')).text).toBe('data: 1\n\n')
    })

    /** Writes around Koa by `ctx.res`, and evaluates the condition before or after a turn of the event loop. */
    const byHand = async (ctx: Koa.Context, { isLate = false, isAwaited = false } = {}) => {
      ctx.respond = false
      const write = () => {
        const isKnown = ctx.get('if-none-match') === '"one"'
        ctx.res.writeHead(isKnown ? 304 : 200, { etag: '"one"' })
        ctx.res.end(isKnown ? undefined : 'by hand')
      }
      if (isAwaited) await new Promise((resolve) => setImmediate(resolve))
      if (isLate) setImmediate(write)
      else write()
    }

    const times = { 'at once': {}, 'in a promise': { isAwaited: true }, 'after all middleware': { isLate: true } }
    it.each(Object.entries(times))('written %s answer the conditions of the client', async (_, time) => {
      const get = await page((ctx) => byHand(ctx, time))
      for (let run = 1; run <= 2; run++) {
        expect(await get('/', { fields: { 'if-none-match': '"one"' } })).toMatchObject({ status: 304, text: '' })
        expect(await get('/', { fields: { 'if-none-match': '"two"' } })).toMatchObject({ status: 200, text: 'by hand' })
        expect(await get('/')).toMatchObject({ status: 200, text: 'by hand' })
      }
    })

    it.each(Object.entries(times))('written %s never answer those of the cache by 304', async (_, time) => {
      let isByHand = false
      const get = await page(async (ctx) => {
        ctx.etag = 'one'
        if (isByHand) await byHand(ctx, time)
        else ctx.body = 'by Koa'
      })
      await get('/')
      isByHand = true
      for (const fields of [{}, { 'if-none-match': '"two"' }]) {
        clock.advance(61_000)
        expect(await get('/', { fields })).toMatchObject({ status: 200, text: 'by Koa' })
      }
      clock.advance(61_000)
      expect((await get('/', { fields: { 'if-none-match': '"one"' } })).status).toBe(304)
    })

    it.each(Object.entries(times))('written %s pass middleware that wraps writeHead', async (_, time) => {
      const app = new Application()
      const wrap: Koa.Middleware = (ctx, next) => {
        const { writeHead } = ctx.res
        ctx.res.writeHead = (...args: unknown[]) => {
          ctx.res.setHeader('X-Wrapped', 'yes')
          return writeHead.apply(ctx.res, args as never)
        }
        return next()
      }
      app.use(cached()).use(wrap).use(cached()).use(wrap)
      app.use((ctx) => {
        ctx.etag = 'one'
        if (ctx.path === '/by-hand') return byHand(ctx, time)
        ctx.body = 'by Koa'
        return undefined
      })
      const get = await serve(app)
      for (let run = 1; run <= 3; run++) {
        expect(await get('/by-hand')).toMatchObject({ status: 200, text: 'by hand' })
        const got = await get('/by-koa')
        expect([got.status, got.text, got.field('x-wrapped')]).toEqual([200, 'by Koa', 'yes'])
        clock.advance(61_000)
      }
    })

    it('keep no request waiting', async () => {
      let running = 0
      const { opened, open } = gate()
      const get = await page(async (ctx) => {
        ctx.respond = false
        running += 1
        if (running === 1) await opened
        ctx.res.end('by hand')
      })
      const asked = [get('/'), get('/'), get('/')]
      await expect.poll(() => running).toBe(1)
      open()
      expect((await Promise.all(asked)).map(({ text }) => text)).toEqual(['by hand', 'by hand', 'by hand'])
    })

    it('keep no other client waiting while their handler runs', async () => {
      let running = 0
      const { opened, open } = gate()
      const get = await page(async (ctx) => {
        ctx.respond = false
        ctx.res.write('by ')
        running += 1
        await opened
        ctx.res.end('hand')
      })
      const asked = [get('/'), get('/'), get('/')]
      // Less than `collapseTimeout`.
      await expect.poll(() => running, { timeout: 8_000 }).toBe(3)
      open()
      expect((await Promise.all(asked)).map(({ text }) => text)).toEqual(['by hand', 'by hand', 'by hand'])
    })
  })

  describe('errors', () => {
    it('reach outer middleware, which may answer', async () => {
      const app = new Application()
      app.use(async (ctx, next) => {
        try {
          await next()
        } catch (error) {
          ctx.status = 422
          ctx.body = { error: (error as Error).message }
        }
      })
      app.use(cached())
      app.use((ctx) => ctx.throw(400, 'no'))
      const get = await serve(app)
      for (let i = 0; i < 2; i++) {
        const got = await get('/')
        expect([got.status, got.text]).toEqual([422, '{"error":"no"}'])
      }
    })

    it('thrown after the head was sent are not replaced by a stale answer', async () => {
      const app = new Application()
      const errors: string[] = []
      app.on('error', (error: Error) => errors.push(error.message))
      app.use(cached({ staleIfError: 300 }))
      let runs = 0
      app.use((ctx) => {
        runs += 1
        if (runs === 1) {
          ctx.body = 'page'
          return
        }
        ctx.status = 200
        ctx.flushHeaders()
        setImmediate(() => ctx.res.destroy())
        throw new Error('late')
      })
      const get = await serve(app)
      await get('/')
      clock.advance(70_000)
      expect((await get('/')).broken).toBe(true)
      expect(errors).toEqual(['late'])
    })

    it('of a stream are told to the application once', async () => {
      const errors: string[] = []
      const app = new Application()
      app.on('error', (error: Error) => errors.push(error.message))
      app.use(cached())
      app.use((ctx) => {
        if (ctx.path === '/whole') {
          ctx.body = 'whole'
          return
        }
        const body = broken('part')
        body.once('error', () => ctx.res.destroy())
        ctx.type = 'text'
        ctx.body = body
      })
      const get = await serve(app)
      expect((await get('/')).broken).toBe(true)
      await get('/whole')
      expect(errors).toEqual(['the source broke'])
    })
  })

  describe('beside other middleware', () => {
    it('observes a ctx.hostname that middleware in front has defined', async () => {
      const client = await page(
        (ctx) => {
          ctx.body = ctx.hostname
        },
        (ctx, next) => {
          const hostname = `${ctx.get('x-tenant')}.example`
          Object.defineProperty(ctx.request, 'hostname', { get: () => hostname, configurable: true })
          return next()
        },
      )
      for (const visitor of ['a', 'b', 'a']) {
        expect((await client('/', { fields: { 'x-tenant': visitor } })).text).toBe(`${visitor}.example`)
      }
    })

    it('leaves the length of a hit to Node.js, if middleware in front may append and the handler sets none', async () => {
      const client = await page(
        (ctx) => {
          ctx.type = 'html'
          ctx.body = chunked('page')
        },
        (ctx, next) => {
          const { end } = ctx.res
          ctx.res.end = (chunk?: unknown) => end.call(ctx.res, `${chunk ?? ''}<!-- end -->`, 'utf8')
          return next()
        },
      )
      for (const hit of [false, true]) {
        const got = await client('/')
        expect([got.text, got.cacheStatus.hit]).toEqual(['page<!-- end -->', hit])
      }
    })

    it('keeps applications apart that are mounted at different paths', async () => {
      const inner = (name: string) => {
        const app = new Application()
        app.use(shared)
        app.use((ctx) => {
          ctx.body = `${name} ${ctx.path}`
        })
        return app
      }
      const shared = cached()
      const app = new Application()
      app.use(mount('/a', inner('A')))
      app.use(mount('/b', inner('B')))
      const get = await serve(app)
      expect([(await get('/a/x')).text, (await get('/b/x')).text]).toEqual(['A /x', 'B /x'])
      expect([(await get('/a/x')).text, (await get('/b/x')).text]).toEqual(['A /x', 'B /x'])
      await shared.invalidate('/a')
      expect((await get('/a/x')).cacheStatus.hit).toBe(false)
      expect((await get('/b/x')).cacheStatus.hit).toBe(true)
    })

    it('leaves 304 right under koa-conditional-get and @koa/etag', async () => {
      let runs = 0
      const get = await page(
        (ctx) => {
          runs += 1
          ctx.body = 'page'
        },
        conditional(),
        etag(),
      )
      const miss = await get('/')
      const tag = miss.field('etag') ?? ''
      expect(tag).not.toBe('')
      const hit = await get('/')
      expect([hit.text, hit.cacheStatus.hit]).toEqual(['page', true])
      for (const known of [tag, hit.field('etag') ?? '']) {
        const got = await get('/', { fields: { 'if-none-match': known } })
        expect([got.status, got.text, got.field('content-length')]).toEqual([304, '', undefined])
      }
      expect((await get('/', { fields: { 'if-none-match': '"other"' } })).text).toBe('page')
      expect(runs).toBe(1)
    })

    it('stores plain bytes under koa-compress', async () => {
      const text = 'compressible '.repeat(400)
      const get = await page(
        (ctx) => {
          ctx.body = text
        },
        compress({ threshold: 0 }),
      )
      const zipped = await get('/', { fields: gzip })
      expect(zipped.field('content-encoding')).toBe('gzip')
      const plain = await get('/', { fields: { 'accept-encoding': 'identity' } })
      expect([plain.field('content-encoding'), plain.text]).toEqual([undefined, text])
      const again = await get('/', { fields: gzip })
      expect(again.field('content-encoding')).toBe('gzip')
      expect(again.cacheStatus.hit).toBe(true)
    })

    it('stores a variant for each encoding above koa-compress', async () => {
      const text = 'compressible '.repeat(400)
      let runs = 0
      const app = new Application()
      app.use(cached())
      app.use(compress({ threshold: 0 }))
      app.use((ctx) => {
        runs += 1
        ctx.body = text
      })
      const get = await serve(app)
      for (let i = 0; i < 2; i++) {
        expect((await get('/', { fields: gzip })).field('content-encoding')).toBe('gzip')
        expect((await get('/', { fields: { 'accept-encoding': 'identity' } })).text).toBe(text)
      }
      expect(runs).toBe(2)
    })

    it('repeats no session cookie, and stores nothing that was made for a session', async () => {
      const app = new Application()
      app.keys = ['key']
      app.use(session({ key: 'visit' }, app))
      app.use(async (ctx, next) => {
        if (ctx.path === '/login' && ctx.session) ctx.session.user = 'alice'
        await next()
      })
      app.use(cached())
      let runs = 0
      app.use((ctx) => {
        runs += 1
        ctx.body = `run ${runs}`
      })
      const get = await serve(app)
      const login = await get('/login')
      expect(login.lines('set-cookie').length).toBeGreaterThan(0)
      const cookie = login
        .lines('set-cookie')
        .map((line) => line.split(';')[0])
        .join('; ')
      expect((await get('/login')).text).toBe('run 2')
      expect((await get('/page', { fields: { cookie } })).text).toBe('run 3')
      expect((await get('/page')).text).toBe('run 4')
      const hit = await get('/page')
      expect([hit.text, hit.cacheStatus.hit, hit.field('set-cookie')]).toEqual(['run 4', true, undefined])
    })

    it('leaves a hit to what runs all middleware of the application', async () => {
      const app = new Application()
      app.use(cached()).use((ctx) => {
        ctx.body = 'page'
      })
      type Run = (ctx: Koa.Context) => Promise<unknown>
      const own = app as unknown as { handleRequest(ctx: Koa.Context, run: Run): Promise<unknown> }
      const { handleRequest } = own
      own.handleRequest = (ctx, run) =>
        handleRequest.call(app, ctx, async (given: Koa.Context) => {
          await run(given)
          given.set('X-Around', String(given.body))
        })
      const get = await serve(app)
      await get('/')
      const hit = await get('/')
      expect([hit.cacheStatus.hit, hit.field('x-around')]).toEqual([true, 'page'])
    })

    it('leaves a hit to a composition of its own', async () => {
      if (Application !== Koa) return
      const compose = (stack: Koa.Middleware[]) => async (ctx: Koa.Context) => {
        const run = (at: number): Promise<unknown> => Promise.resolve(stack[at]?.(ctx as never, () => run(at + 1)))
        await run(0)
        ctx.set('X-Around', String(ctx.body))
      }
      const app = new Koa({ compose } as object)
      app.use(cached()).use((ctx) => {
        ctx.body = 'page'
      })
      const get = await serve(app)
      await get('/')
      const hit = await get('/')
      expect([hit.cacheStatus.hit, hit.field('x-around')]).toEqual([true, 'page'])
    })

    it('leaves out what outer middleware sets after its handlers', async () => {
      let requests = 0
      const get = await page(
        (ctx) => {
          ctx.set('X-Of-Route', 'yes')
          ctx.body = 'page'
        },
        async (ctx, next) => {
          await next()
          requests += 1
          ctx.set('X-Response-Count', `${requests}`)
        },
      )
      await get('/')
      const hit = await get('/')
      expect([hit.field('x-of-route'), hit.field('x-response-count')]).toEqual(['yes', '2'])
    })

    it('gives the request its own fields back after the handler', async () => {
      const seen: unknown[] = []
      const get = await page(
        (ctx) => {
          seen.push(ctx.get('If-None-Match'))
          ctx.body = 'page'
        },
        async (ctx, next) => {
          await next()
          seen.push(ctx.get('If-None-Match'))
        },
      )
      await get('/', { fields: { 'if-none-match': '"one"' } })
      expect(seen).toEqual(['', '"one"'])
    })
  })

  describe('async context', () => {
    it('is each request its own, though they share one handler run', async () => {
      const storage = new AsyncLocalStorage<string>()
      const { opened, open } = gate()
      const seen: unknown[] = []
      let arrived = 0
      const get = await page(
        async (ctx) => {
          await opened
          ctx.body = 'page'
        },
        (ctx, next) =>
          storage.run(ctx.get('X-Id'), async () => {
            arrived += 1
            await next()
            seen.push(`${ctx.get('X-Id')} ${storage.getStore()}`)
          }),
      )
      const asked = ['a', 'b', 'c'].map((id) => get('/', { fields: { 'x-id': id } }))
      await expect.poll(() => arrived).toBe(3)
      open()
      await Promise.all(asked)
      expect(seen.sort()).toEqual(['a a', 'b b', 'c c'])
    })

    it('of a request is not that of the refresh it started', async () => {
      const storage = new AsyncLocalStorage<string>()
      const seen: unknown[] = []
      const app = new Application()
      app.use(cached({ staleWhileRevalidate: 60 }))
      app.use((ctx) => {
        seen.push(storage.getStore())
        ctx.body = 'page'
      })
      const site = await listen((req, res) => {
        // As a tracer that instruments sockets would: the copy of a refresh has none.
        if (req.socket instanceof Socket) storage.enterWith(String(req.headers['x-id']))
        void app.callback()(req, res)
      })
      open.push(site)
      await ask(site.port, '/', { fields: { 'x-id': 'first' } })
      clock.advance(70_000)
      await ask(site.port, '/', { fields: { 'x-id': 'second' } })
      await expect.poll(() => seen).toEqual(['first', undefined])
    })
  })

  describe('HEAD', () => {
    it('has the length that GET has', async () => {
      const get = await page((ctx) => {
        ctx.body = { a: 1 }
      })
      expect((await get('/', { method: 'HEAD' })).field('content-length')).toBe('7')
      await get('/')
      const hit = await get('/', { method: 'HEAD' })
      expect([hit.cacheStatus.hit, hit.field('content-length')]).toEqual([true, '7'])
    })

    it('does not read a stream', async () => {
      let closed = false
      const get = await page((ctx) => {
        ctx.type = 'text'
        ctx.body = chunked('a', 'b').once('close', () => {
          closed = true
        })
      })
      expect((await get('/', { method: 'HEAD' })).status).toBe(200)
      await expect.poll(() => closed).toBe(true)
    })
  })

  describe('HTTP/2', () => {
    it('is answered from the cache as HTTP/1 is', async () => {
      const warnings: string[] = []
      const warn = ({ message }: Error) => warnings.push(message)
      process.on('warning', warn)
      let runs = 0
      const app = new Application()
      app.use(cached({ staleWhileRevalidate: 60 }))
      app.use((ctx) => {
        runs += 1
        ctx.set('X-Of-Route', 'yes')
        ctx.body = `${ctx.host} ${runs}`
      })
      const server = createHttp2Server(app.callback())
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
      open.push({
        close: async () => {
          session.destroy()
          server.close()
          process.off('warning', warn)
        },
      })
      const get = async (method = 'GET') => {
        const stream = session.request({ ':path': '/', ':method': method, ':authority': 'shop.example' })
        const [fields] = (await once(stream, 'response')) as [IncomingHttpHeaders]
        return { fields, body: await text(stream) }
      }
      await get()
      const hit = await get()
      expect([hit.body, hit.fields['x-of-route'], hit.fields.age]).toEqual(['shop.example 1', 'yes', '0'])
      // Koa 2 never ends the answer to HEAD over HTTP/2, with or without the cache.
      if (Application === Koa) expect((await get('HEAD')).body).toBe('')
      clock.advance(70_000)
      expect((await get()).body).toBe('shop.example 1')
      await expect.poll(async () => (await get()).body).toBe('shop.example 2')
      expect(warnings).toEqual([])
    })
  })

  describe('its place in types', () => {
    it('is that of any middleware: beside a router, and in an application with a state of its own', async () => {
      const app = new Application<{ user?: string }, { plan: string }>()
      const router = new Router<{ user?: string }, { plan: string }>()
      const shared = cached()
      router.get('/page/:id', shared, (ctx) => {
        ctx.fallbackCache.tag(`page:${ctx.params.id}`)
        ctx.body = ctx.params.id
      })
      router.get('/brief/:id', shared.with({ ttl: 5 }), (ctx) => {
        ctx.body = ctx.params.id
      })
      app.use(router.routes())
      const get = await serve(app)
      await get('/page/1')
      expect((await get('/page/1')).cacheStatus).toMatchObject({ hit: true, ttl: 60 })
      await get('/brief/1')
      expect((await get('/brief/1')).cacheStatus).toMatchObject({ hit: true, ttl: 5 })
      await shared.invalidateTags(['page:1'])
      expect((await get('/page/1')).cacheStatus.hit).toBe(false)
      await shared.invalidate('/brief')
      expect((await get('/brief/1')).cacheStatus.hit).toBe(false)
    })
  })

  describe('ctx.fallbackCache', () => {
    it('is typed, and chains', async () => {
      const shared = cached()
      const app = new Application()
      app.use(shared)
      app.use((ctx) => {
        ctx.fallbackCache.tag('p:1', 'p:2').ttl('30s')
        if (ctx.path === '/draft') ctx.fallbackCache.skip('draft')
        ctx.body = 'page'
      })
      const get = await serve(app)
      await get('/page')
      expect((await get('/page')).cacheStatus.ttl).toBe(30)
      await shared.invalidateTags(['p:2'])
      expect((await get('/page')).cacheStatus.hit).toBe(false)
      await get('/draft')
      expect((await get('/draft')).cacheStatus.hit).toBe(false)
    })

    it('gives functions among the options the ctx', async () => {
      const app = new Application()
      app.use(cached({ key: (ctx) => ctx.get('X-Plan'), skip: (ctx) => ctx.path === '/never' }))
      let runs = 0
      app.use((ctx) => {
        runs += 1
        ctx.body = `run ${runs}`
      })
      const get = await serve(app)
      expect((await get('/', { fields: { 'x-plan': 'a' } })).text).toBe('run 1')
      expect((await get('/', { fields: { 'x-plan': 'b' } })).text).toBe('run 2')
      expect((await get('/', { fields: { 'x-plan': 'a' } })).text).toBe('run 1')
      await get('/never')
      expect((await get('/never')).text).toBe('run 4')
    })
  })
})

describe('fallbackCache in Koa 3', () => {
  const bytes = Buffer.from('web bytes')
  const bodies: Record<string, (ctx: Koa.Context) => void> = {
    'a ReadableStream': (ctx) => {
      ctx.type = 'text'
      ctx.body = new Blob([bytes]).stream()
    },
    'a Blob': (ctx) => {
      ctx.body = new Blob([bytes], { type: 'text/plain' })
    },
    'a Response': (ctx) => {
      ctx.body = new Response(bytes, { status: 203, headers: { 'x-of-response': 'yes', 'cache-control': 'max-age=9' } })
    },
    'a Response without a body': (ctx) => {
      ctx.body = new Response(null, { status: 200, headers: { 'x-of-response': 'yes' } })
    },
  }
  for (const [title, answer] of Object.entries(bodies)) {
    it(`stores ${title}`, async () => {
      const plain = await serve(new Koa().use(answer))
      const get = await serve(new Koa().use(cached()).use(answer))
      const [without, miss, hit] = [await plain('/'), await get('/'), await get('/')]
      expect(hit.cacheStatus.hit).toBe(true)
      for (const got of [miss, hit]) {
        expect([got.status, got.text]).toEqual([without.status, without.text])
        for (const name of ['content-type', 'x-of-response', 'cache-control']) {
          expect(got.field(name)).toBe(without.field(name))
        }
      }
    })
  }

  it('closes a ReadableStream whose client has left', async () => {
    let cancelled = false
    const get = await serve(
      new Koa().use(cached()).use((ctx) => {
        ctx.type = 'text'
        ctx.body = new ReadableStream({
          start: (controller) => controller.enqueue(bytes),
          cancel: () => {
            cancelled = true
          },
        })
      }),
    )
    const leaving = new AbortController()
    await get('/', { signal: leaving.signal, onFirstByte: () => leaving.abort() }).catch(() => {})
    await expect.poll(() => cancelled).toBe(true)
  })

  it('keeps no request waiting for one whose client left before it reached the cache', async () => {
    const { opened: arrived, open: arrive } = gate()
    let runs = 0
    const app = new Koa()
    app.use(async (ctx, next) => {
      if (ctx.get('x-slow') !== '') {
        const left = once(ctx.res, 'close')
        arrive()
        await left
      }
      await next()
    })
    app.use(cached()).use(async (ctx) => {
      runs += 1
      if (ctx.res.destroyed) await new Promise(() => {})
      ctx.body = `run ${runs}`
    })
    const get = await serve(app)
    const leaving = new AbortController()
    const first = get('/', { fields: { 'x-slow': '1' }, signal: leaving.signal }).catch(() => {})
    await arrived
    leaving.abort()
    await first
    await expect.poll(() => runs).toBe(1)
    expect((await get('/')).text).toBe('run 2')
  })

  it('keeps currentContext of an application with asyncLocalStorage', async () => {
    const app = new Koa({ asyncLocalStorage: true })
    app.use(cached()).use((ctx) => {
      ctx.body = app.currentContext?.get('X-Id') ?? 'none'
    })
    const get = await serve(app)
    expect((await get('/', { fields: { 'x-id': 'a' } })).text).toBe('a')
  })
})
