import { AsyncLocalStorage } from 'node:async_hooks'
import { readFileSync } from 'node:fs'
import { Agent, createServer, request as httpRequest, IncomingMessage, METHODS, ServerResponse } from 'node:http'
import { connect, createServer as createHttp2Server } from 'node:http2'
import { type AddressInfo, Socket } from 'node:net'
import { pipeline, Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import compression from 'compression'
import express5, { type Express, type RequestHandler, type Response } from 'express'
import express4 from 'express4'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FallbackCache } from '../../src/core/fallback-cache.js'
import { fallbackCache, type MiddlewareOptions } from '../../src/middleware/express.js'
import { ManualClock } from '../support/manual-clock.js'
import { RedisServer } from '../support/redis-server.js'
import { until } from '../support/until.js'
import { gate } from './contract-stage.js'
import { type Ask, ask, type Got } from './hosts/client.js'
import { listen } from './hosts/listen.js'

const thisFile = fileURLToPath(import.meta.url)
const open: { close(): Promise<unknown> }[] = []
let clock = new ManualClock()

beforeEach(() => {
  clock = new ManualClock()
})
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})

function cached(options: MiddlewareOptions = {}) {
  const middleware = fallbackCache({ ttl: 60, ...(options.cache ? {} : { clock }), ...options })
  open.push(middleware)
  return middleware
}

type Client = (path: string, options?: Ask) => Promise<Got>

async function serve(listener: Parameters<typeof listen>[0]): Promise<Client> {
  const site = await listen(listener)
  open.push(site)
  return (path, options) => ask(site.port, path, options)
}

/** The same answer twice: from the handler, and from the cache. */
async function twice(client: Client, path: string, options?: Ask): Promise<readonly [Got, Got]> {
  const miss = await client(path, options)
  const hit = await client(path, options)
  return [miss, hit]
}

/** For what happens in the background. */
function soon(condition: () => boolean | Promise<boolean>): Promise<unknown> {
  return until('what the test waits for', condition, { timeout: 3_000, every: 5 })
}

/** What compression, express-session and their like do: something just before the head is sent. */
function onHeaders(res: Response, listener: () => void): void {
  const { writeHead } = res
  let fired = false
  res.writeHead = (...args: unknown[]) => {
    if (!fired) listener()
    fired = true
    return writeHead.apply(res, args as never)
  }
}

const bytes = Buffer.from([0, 1, 127, 128, 200, 255])

/** What a handler may do with a response, each as one answer: what a client gets is the same from the handler and from the cache. */
const answers: Record<string, (res: Response) => unknown> = {
  'writeHead with an object': (res) => res.writeHead(203, { 'Content-Type': 'text/xml', 'X-Custom': 'a' }).end('<a/>'),
  'writeHead with a reason phrase': (res) => res.writeHead(200, 'Fine', { 'X-Custom': 'a' }).end('fine'),
  'writeHead with a flat array': (res) => res.writeHead(200, ['X-One', '1', 'Link', '</a>'] as never).end('array'),
  'writeHead with a reason phrase and a flat array': (res) =>
    res.writeHead(200, 'Well', ['X-One', '1', 'x-two', '2'] as never).end('array'),
  'writeHead that replaces what setHeader set': (res) => {
    res.setHeader('X-Custom', 'before')
    res.writeHead(200, { 'x-custom': 'after', 'Content-Length': 2 }).end('ok')
  },
  'write and end with text': (res) => {
    res.write('hello ')
    res.write('world')
    res.end(' ü')
  },
  'write in hex and end in base64': (res) => {
    res.write('68656c6c6f', 'hex')
    res.end('d29ybGQ=', 'base64')
  },
  'end in latin1': (res) => res.end('\u00e4\u00ff', 'latin1'),
  'end in utf16le': (res) => res.end('wide', 'utf16le'),
  'end with a Uint8Array': (res) => res.end(new Uint8Array([1, 2, 255])),
  'end with a Buffer of any bytes': (res) => res.end(bytes),
  'end without a body': (res) => res.end(),
  'end with a callback only': (res) => res.end(() => {}),
  'send of a Buffer': (res) => res.send(bytes),
  json: (res) => res.json({ a: 'ü', b: [1, null] }),
  jsonp: (res) => res.jsonp({ a: 1 }),
  'send of text': (res) => res.type('text').send('text'),
  'a status of text, as Express 4 allows': (res) => {
    Object.assign(res, { statusCode: '200' })
    res.end('text')
  },
  'a status line of its own': (res) => {
    res.statusMessage = 'Splendid'
    res.end('x')
  },
  'a permanent redirect': (res) => {
    res.set('Cache-Control', 'max-age=60')
    res.redirect(301, '/elsewhere')
  },
  'flushHeaders, then bytes later': (res) => {
    res.setHeader('X-Early', '1')
    res.flushHeaders()
    setTimeout(() => res.end('late'), 5)
  },
  'a pipe': (res) => Readable.from([Buffer.from('one '), Buffer.from('two')]).pipe(res),
  'a pipeline': (res) => pipeline(Readable.from([Buffer.alloc(40_000, 'a'), Buffer.alloc(40_000, 'b')]), res, () => {}),
  'sendFile that says how long': (res) => res.sendFile(thisFile, { maxAge: 60_000 }),
  'a field with bytes above 0x7f': (res) => {
    res.setHeader('X-Binary', Buffer.from('zä€').toString('latin1'))
    res.end(Buffer.from('text ü'))
  },
  'several lines of one field': (res) => {
    res.setHeader('Link', ['</a>; rel=preload', '</b>; rel=preload'])
    res.end('x')
  },
  'a field that is a number': (res) => {
    res.setHeader('X-Total-Count', 42)
    res.end('x')
  },
}

const perRun = new Set([
  'age',
  'cache-status',
  'date',
  'connection',
  'keep-alive',
  'transfer-encoding',
  'content-length',
  'etag',
])

for (const [name, createApplication] of [
  ['Express 5', express5],
  ['Express 4', express4],
] as const) {
  describe(`fallbackCache in ${name}`, () => {
    /** An application with one cached route at `/page`. */
    const page = (handler: RequestHandler, options?: MiddlewareOptions, outer: readonly RequestHandler[] = []) => {
      const app: Express = createApplication()
      app.set('env', 'test')
      for (const middleware of outer) app.use(middleware)
      app.use(cached(options))
      app.get('/page', handler)
      return serve(app)
    }

    describe('what a handler may do with a response', () => {
      for (const [title, answer] of Object.entries(answers)) {
        it(`is answered the same with the cache and from it: ${title}`, async () => {
          const plain = createApplication()
          plain.get('/page', (_req, res) => void answer(res))
          const without = await (await serve(plain))('/page')
          const [miss, hit] = await twice(await page((_req, res) => void answer(res)), '/page')
          expect(hit.cacheStatus.hit).toBe(true)
          for (const got of [miss, hit]) {
            expect([got.status, got.statusText, got.body]).toEqual([without.status, without.statusText, without.body])
            const names = without.names.filter((field) => !perRun.has(field))
            expect(got.names.filter((field) => !perRun.has(field))).toEqual(names)
            for (const field of names) expect(got.lines(field)).toEqual(without.lines(field))
          }
          expect(hit.field('content-length')).toBe(String(without.body.length))
        })
      }

      it('calls each callback once, and returns what node returns', async () => {
        const calls: string[] = []
        const client = await page((_req, res) => {
          const returned = [
            res.write('a', () => calls.push('write')),
            res.write('b', 'utf8', () => calls.push('write in utf8')),
            res.end('c', () => calls.push('end')) === res,
          ]
          calls.push(String(returned))
        })
        const [miss, hit] = await twice(client, '/page')
        await soon(() => calls.length === 4)
        expect(calls).toEqual(['true,true,true', 'write', 'write in utf8', 'end'])
        expect([miss.text, hit.text]).toEqual(['abc', 'abc'])
      })

      it('keeps backpressure: write says false and drain comes', async () => {
        let drained = false
        const client = await page(
          (_req, res) => {
            const more = res.write(Buffer.alloc(4 * 2 ** 20))
            res.once('drain', () => {
              drained = !more
              res.end('end')
            })
          },
          { maxBodySize: 8 * 2 ** 20 },
        )
        const [miss, hit] = await twice(client, '/page')
        expect(drained).toBe(true)
        expect(miss.body.length).toBe(4 * 2 ** 20 + 3)
        expect(hit.body.equals(miss.body)).toBe(true)
      })

      it('may change its buffer after it was sent', async () => {
        const buffer = Buffer.from('right')
        const client = await page((_req, res) => {
          res.end(buffer, () => buffer.fill('x'))
        })
        const [, hit] = await twice(client, '/page')
        expect(hit.text).toBe('right')
      })

      it('may end twice, or write after the end, as without a cache', async () => {
        const errors: unknown[] = []
        const client = await page((_req, res) => {
          res.on('error', (error) => errors.push(error))
          res.end('once')
          res.end()
          res.write('late')
        })
        const [miss, hit] = await twice(client, '/page')
        expect([miss.text, hit.text]).toEqual(['once', 'once'])
        expect(errors).toMatchObject([{ code: 'ERR_STREAM_WRITE_AFTER_END' }])
      })

      it('gets the errors of writeHead that node throws', async () => {
        const codes: unknown[] = []
        const client = await page((_req, res) => {
          codes.push(...errorsOfWriteHead(res))
          res.end('ok')
        })
        expect((await client('/page')).text).toBe('ok')
        const plain = new ServerResponse(new IncomingMessage(new Socket()))
        // Express has set X-Powered-By: node takes pairs only where no field was set before.
        plain.setHeader('X-Powered-By', 'Express')
        expect(codes).toEqual(errorsOfWriteHead(plain))
        expect(codes.every((code) => /^ERR_(HTTP_)?INVALID_/.test(String(code)))).toBe(true)
      })

      it('emits finish and close on a hit, and keeps the connection', async () => {
        const seen: string[] = []
        const app = createApplication()
        app.use((_req, res, next) => {
          res.on('finish', () => seen.push('finish'))
          res.on('close', () => seen.push('close'))
          next()
        })
        app.use(cached())
        app.get('/page', (_req, res) => void res.send('x'))
        const site = await listen(app)
        open.push(site)
        const agent = new Agent({ keepAlive: true, maxSockets: 1 })
        const reused: boolean[] = []
        for (let index = 0; index < 3; index++) {
          await new Promise<void>((resolve) => {
            const outgoing = httpRequest({ port: site.port, path: '/page', agent }, (incoming) => {
              reused.push(outgoing.reusedSocket)
              incoming.resume().on('end', resolve)
            })
            outgoing.end()
          })
        }
        agent.destroy()
        await soon(() => seen.length === 6)
        expect(reused).toEqual([false, true, true])
      })
    })

    describe('what is not stored', () => {
      const cases: Record<string, readonly [string, (res: Response) => unknown]> = {
        trailers: [
          'trailers',
          (res) => {
            res.write('body')
            res.addTrailers({ 'X-Checksum': '1' })
            res.end()
          },
        ],
        'a body shorter than its Content-Length': [
          'incomplete',
          (res) => {
            res.setHeader('Content-Length', 10)
            res.write('short')
            res.socket?.end()
            res.end()
          },
        ],
        'a whole body that is shorter than its Content-Length': [
          'incomplete',
          (res) => {
            res.setHeader('Content-Length', 10)
            res.end('short')
            res.socket?.end()
          },
        ],
        'a body that outgrows maxBodySize on the way': [
          'too-large',
          (res) => {
            for (let index = 0; index < 20; index++) res.write(Buffer.alloc(100))
            res.end()
          },
        ],
        'a cookie set in a listener of writeHead inside the cache': [
          'set-cookie',
          (res) => {
            onHeaders(res, () => res.setHeader('Set-Cookie', 'sid=1'))
            res.write('hello')
            res.end()
          },
        ],
        'the same when the body is whole': [
          'set-cookie',
          (res) => {
            onHeaders(res, () => res.setHeader('Set-Cookie', 'sid=1'))
            res.end('hello')
          },
        ],
        'a page with a nonce of its Content-Security-Policy': [
          'csp-nonce',
          (res) => {
            res.setHeader('Content-Security-Policy', "script-src 'nonce-r4nd0m'")
            res.type('html').send('<script nonce="r4nd0m"></script>')
          },
        ],
        'a response that destroys itself': [
          '',
          (res) => {
            res.write('a')
            res.destroy()
          },
        ],
      }
      for (const [title, [reason, answer]] of Object.entries(cases)) {
        it(title, async () => {
          let runs = 0
          const client = await page(
            (_req, res) => {
              runs += 1
              answer(res)
            },
            { maxBodySize: 1000 },
          )
          await client('/page').catch(() => {})
          const second = await client('/page').catch(() => undefined)
          expect(runs).toBe(2)
          expect(second?.cacheStatus.hit ?? false).toBe(false)
          const stats = (await Promise.resolve(open[0])) as unknown as ReturnType<typeof cached>
          if (reason !== '') expect(stats.stats().counters.refused[reason]).toBeGreaterThan(0)
        })
      }

      it('an answer to a method that middleware has overridden', async () => {
        let runs = 0
        const client = await page(
          (_req, res) => {
            runs += 1
            res.send('x')
          },
          {},
          [
            (req, _res, next) => {
              Object.assign(req, { originalMethod: 'POST' })
              next()
            },
          ],
        )
        await twice(client, '/page')
        expect(runs).toBe(2)
      })

      it('an HTML page under a nonce that outer middleware made', async () => {
        const client = await page((_req, res) => void res.type('html').send('<p>'), {}, [
          (_req, res, next) => {
            res.setHeader('Content-Security-Policy', "script-src 'nonce-1'")
            next()
          },
        ])
        const [miss, again] = await twice(client, '/page')
        expect(miss.cacheStatus.detail).toBe('csp-nonce')
        expect(again.cacheStatus.hit).toBe(false)
      })

      it('what outer middleware forbids to store', async () => {
        const client = await page((_req, res) => void res.send('x'), {}, [
          (_req, res, next) => {
            res.setHeader('Cache-Control', 'no-store')
            next()
          },
        ])
        const [, again] = await twice(client, '/page')
        expect(again.cacheStatus.detail).toBe('no-store')
      })
    })

    describe('beside other middleware', () => {
      it('stores plain bytes under compression, which goes on compressing', async () => {
        const body = 'a'.repeat(5000)
        const client = await page((_req, res) => void res.type('text').send(body), {}, [compression()])
        const gzip = { fields: { 'accept-encoding': 'gzip' } }
        const [miss, hit] = await twice(client, '/page', gzip)
        expect([miss.field('content-encoding'), hit.field('content-encoding')]).toEqual(['gzip', 'gzip'])
        const plain = await client('/page')
        expect([plain.cacheStatus.hit, plain.text, plain.field('content-encoding')]).toEqual([true, body, undefined])
      })

      it('stores a variant for each encoding above compression', async () => {
        const app = createApplication()
        app.use(cached(), compression())
        app.get('/page', (_req, res) => void res.type('text').send('a'.repeat(5000)))
        const client = await serve(app)
        const gzip = { fields: { 'accept-encoding': 'gzip' } }
        const [, hit] = await twice(client, '/page', gzip)
        expect([hit.cacheStatus.hit, hit.field('content-encoding')]).toEqual([true, 'gzip'])
        const plain = await client('/page')
        expect([plain.cacheStatus.hit, plain.text.length, plain.field('content-encoding')]).toEqual([
          false,
          5000,
          undefined,
        ])
      })

      it('does not repeat what outer middleware made for one client', async () => {
        let id = 0
        const outer: RequestHandler = (req, res, next) => {
          id += 1
          res.setHeader('X-Request-Id', String(id))
          res.setHeader('Access-Control-Allow-Origin', req.headers.origin ?? '*')
          res.setHeader('RateLimit-Remaining', String(100 - id))
          res.setHeader('Vary', 'Origin')
          onHeaders(res, () => res.setHeader('Set-Cookie', `sid=${id}`))
          next()
        }
        const client = await page((_req, res) => void res.set('X-Total', '7').vary('Accept').send('x'), {}, [outer])
        await client('/page', { fields: { origin: 'https://a.example' } })
        const hit = await client('/page', { fields: { origin: 'https://b.example' } })
        expect(hit.cacheStatus.hit).toBe(true)
        expect(hit.field('access-control-allow-origin')).toBe('https://b.example')
        expect([hit.field('x-request-id'), hit.field('ratelimit-remaining')]).toEqual(['2', '98'])
        expect(hit.lines('set-cookie')).toEqual(['sid=2'])
        expect([hit.field('x-total'), hit.field('vary')]).toEqual(['7', 'Origin, Accept'])
      })

      it('takes away on a hit what the route has taken away', async () => {
        const client = await page((_req, res) => {
          res.removeHeader('X-Powered-By')
          res.send('x')
        })
        const [miss, hit] = await twice(client, '/page')
        expect([miss.field('x-powered-by'), hit.field('x-powered-by')]).toEqual([undefined, undefined])
      })

      it('hides the conditions of a request from the handler, and gives them back', async () => {
        const seen: unknown[] = []
        const client = await page(
          (req, res) => {
            seen.push(req.headers['if-none-match'], req.headers.range)
            res.send('hello')
          },
          {},
          [
            (req, res, next) => {
              res.on('finish', () => seen.push(req.headers['if-none-match'], req.headers.range))
              next()
            },
          ],
        )
        const got = await client('/page', { fields: { 'if-none-match': '"other"', range: 'bytes=0-1' } })
        expect([got.status, got.text]).toEqual([200, 'hello'])
        await soon(() => seen.length === 4)
        expect(seen).toEqual([undefined, 'bytes=0-1', '"other"', 'bytes=0-1'])
      })

      it('answers 304 on a miss too, and stores the whole', async () => {
        const client = await page((_req, res) => void res.set('ETag', '"v1"').send('hello'))
        const first = await client('/page', { fields: { 'if-none-match': '"v1"' } })
        expect([first.status, first.text, first.cacheStatus.stored]).toEqual([304, '', true])
        const hit = await client('/page')
        expect([hit.status, hit.text, hit.cacheStatus.hit]).toEqual([200, 'hello', true])
      })

      it('answers 304 on the miss of a stream too, and stores the whole', async () => {
        const client = await page((_req, res) => {
          res.set('ETag', '"v1"')
          Readable.from([Buffer.from('one '), Buffer.from('two')]).pipe(res)
        })
        const first = await client('/page', { fields: { 'if-none-match': '"v1"' } })
        expect([first.status, first.text]).toEqual([304, ''])
        const hit = await client('/page')
        expect([hit.status, hit.text, hit.cacheStatus.hit]).toEqual([200, 'one two', true])
      })

      it('keys by the whole path where it is mounted', async () => {
        const app = createApplication()
        for (const name of ['a', 'b']) {
          const inner = createApplication()
          inner.get('/x', (_req, res) => void res.send(name))
          app.use(`/${name}`, cached({ cache: shared }), inner)
        }
        const client = await serve(app)
        expect([(await client('/a/x')).text, (await client('/b/x')).text, (await client('/a/x')).text]).toEqual([
          'a',
          'b',
          'a',
        ])
      })
      const shared = new FallbackCache()
    })

    describe('a client that leaves', () => {
      it('leaves no response to the next one: its handler may have stopped early', async () => {
        const { opened, open: finish } = gate()
        let runs = 0
        const client = await page(async (_req, res) => {
          runs += 1
          await opened
          res.send('made')
        })
        const controller = new AbortController()
        const first = client('/page', { signal: controller.signal }).catch(() => {})
        await soon(() => runs === 1)
        controller.abort()
        await first
        await new Promise((resolve) => setTimeout(resolve, 20))
        finish()
        await soon(async () => (await client('/page')).cacheStatus.hit)
        expect(runs).toBe(2)
      })

      it('keeps no request waiting, when the handler stops with it', async () => {
        let runs = 0
        const client = await page((_req, res) => {
          runs += 1
          if (runs > 1) res.send('second')
        })
        const controller = new AbortController()
        const first = client('/page', { signal: controller.signal }).catch(() => {})
        await soon(() => runs === 1)
        const waiting = client('/page')
        await new Promise((resolve) => setTimeout(resolve, 20))
        controller.abort()
        await first
        expect((await waiting).text).toBe('second')
      })

      it('keeps no request waiting, when it left before it reached the cache', async () => {
        const { opened: arrived, open: arrive } = gate()
        let runs = 0
        const app = createApplication()
        app.use((req, res, next) => {
          if (req.get('x-slow') === undefined) return next()
          res.once('close', () => setImmediate(next))
          arrive()
        })
        app.use(cached())
        app.get('/page', (_req, res) => {
          runs += 1
          if (!res.destroyed) res.send(`run ${runs}`)
        })
        const client = await serve(app)
        const controller = new AbortController()
        const first = client('/page', { fields: { 'x-slow': '1' }, signal: controller.signal }).catch(() => {})
        await arrived
        controller.abort()
        await first
        await soon(() => runs === 1)
        expect((await client('/page')).text).toBe('run 2')
      })
    })

    describe('an invalidation while a handler runs', () => {
      it('has those who waited run the handler once more, not once each', async () => {
        const { opened, open: finish } = gate()
        let runs = 0
        const app = createApplication()
        const middleware = cached()
        app.use(middleware)
        app.get('/page', async (_req, res) => {
          const run = ++runs
          if (run === 1) await opened
          else await new Promise((resolve) => setTimeout(resolve, 20))
          res.send(`run ${run}`)
        })
        const client = await serve(app)
        const asked = Array.from({ length: 8 }, () => client('/page'))
        await soon(() => middleware.stats().counters.misses === 8)
        await middleware.invalidate('/page')
        const after = client('/page')
        finish()
        const texts = (await Promise.all(asked)).map(({ text }) => text)
        expect((await after).text).toBe('run 2')
        expect(texts.filter((text) => text === 'run 1')).toHaveLength(1)
        expect(runs).toBe(2)
      })
    })

    describe('the async context', () => {
      it('of a request that waits stays its own', async () => {
        const storage = new AsyncLocalStorage<string>()
        const { opened, open: finish } = gate()
        const finished: (string | undefined)[] = []
        const client = await page(
          async (_req, res) => {
            await opened
            res.send('x')
          },
          {},
          [
            (req, res, next) =>
              storage.run(String(req.headers['x-id']), () => {
                onHeaders(res, () => finished.push(storage.getStore()))
                next()
              }),
          ],
        )
        const both = [client('/page', { fields: { 'x-id': 'a' } }), client('/page', { fields: { 'x-id': 'b' } })]
        await new Promise((resolve) => setTimeout(resolve, 30))
        finish()
        await Promise.all(both)
        expect(finished.sort()).toEqual(['a', 'b'])
      })
    })

    describe('a refresh in the background', () => {
      it('runs the whole application without a client, in no request’s async context', async () => {
        const storage = new AsyncLocalStorage<string>()
        const seen: unknown[] = []
        const closed: string[] = []
        const app = createApplication()
        app.use((_req, res, next) => {
          res.on('finish', () => closed.push('finish'))
          res.on('close', () => closed.push('close'))
          next()
        })
        app.use((req, _res, next) => (req.headers['x-id'] === 'a' ? storage.run('a', next) : next()))
        // The handler asks for the address, which would keep its response from being stored.
        app.use('/mounted', cached({ staleWhileRevalidate: 60, inputs: { ignore: ['ip'] } }))
        app.get('/mounted/page', (req, res) => {
          seen.push([storage.getStore(), req.originalUrl, req.headers['if-none-match'], req.ip, req.protocol])
          res.type('text').send(`run ${seen.length}`)
        })
        const client = await serve(app)
        await client('/mounted/page?q=1')
        clock.advance(61_000)
        const stale = await client('/mounted/page?q=1', { fields: { 'x-id': 'b', 'if-none-match': '"other"' } })
        expect([stale.text, stale.cacheStatus.ttl]).toEqual(['run 1', -1])
        await soon(async () => (await client('/mounted/page?q=1')).text === 'run 2')
        expect(seen[1]).toEqual([undefined, '/mounted/page?q=1', expect.stringMatching(/^W\/"/), '192.0.2.1', 'http'])
        await soon(() => closed.filter((event) => event === 'close').length === closed.length / 2)
        expect(seen).toHaveLength(2)
      })

      it('may stream', async () => {
        let runs = 0
        const client = await page(
          (_req, res) => {
            runs += 1
            pipeline(Readable.from([Buffer.alloc(200_000, String(runs))]), res, () => {})
          },
          { staleWhileRevalidate: 60 },
        )
        await client('/page')
        clock.advance(61_000)
        await client('/page')
        await soon(async () => (await client('/page')).text.startsWith('2'))
        expect(runs).toBe(2)
      })

      it('that outer middleware answers leaves the stale response in use, and may be tried again', async () => {
        let refuses = false
        let tried = 0
        const client = await page((_req, res) => void res.send('page'), { staleWhileRevalidate: 600 }, [
          (req, res, next) => {
            if (!refuses || req.socket.constructor.name === 'Socket') return next()
            tried += 1
            res.status(401).send('no')
          },
        ])
        await client('/page')
        clock.advance(61_000)
        refuses = true
        expect((await client('/page')).text).toBe('page')
        await soon(() => tried === 1)
        expect((await client('/page')).text).toBe('page')
        await soon(() => tried === 2)
      })
    })

    describe('nested middlewares', () => {
      it('of another group take the request over: their own invalidate() reaches what they store', async () => {
        let runs = 0
        const app = createApplication()
        const outer = cached()
        const inner = cached({ group: 'catalog', ttl: 600 })
        app.use(outer)
        app.get('/page', inner, (_req, res) => void res.send(`run ${++runs}`))
        app.post('/page', (_req, res) => void res.sendStatus(204))
        const client = await serve(app)
        const [miss, hit] = await twice(client, '/page')
        expect([miss.cacheStatus.text.match(/fallback-cache/g)?.length, hit.cacheStatus.hit]).toEqual([1, true])
        expect(hit.cacheStatus.ttl).toBe(600)
        await inner.invalidate('/page')
        expect((await client('/page')).text).toBe('run 2')
        await outer.invalidate('/page')
        expect((await client('/page')).text).toBe('run 3')
        await client('/page', { method: 'POST' })
        expect((await client('/page')).text).toBe('run 4')
        expect((await client('/page')).text).toBe('run 4')
      })

      it('run once for many requests', async () => {
        const { opened, open: finish } = gate()
        let runs = 0
        const app = createApplication()
        app.use(cached())
        app.get('/page', cached({ group: 'inner' }), async (_req, res) => {
          runs += 1
          await opened
          res.send('x')
        })
        const client = await serve(app)
        const asked = Array.from({ length: 10 }, () => client('/page'))
        await new Promise((resolve) => setTimeout(resolve, 50))
        finish()
        await Promise.all(asked)
        expect(runs).toBe(1)
      })

      it('that are one and the same are one', async () => {
        const app = createApplication()
        const middleware = cached()
        app.use(middleware, middleware)
        app.get('/page', middleware, (_req, res) => void res.send('x'))
        const client = await serve(app)
        const [miss, hit] = await twice(client, '/page')
        expect([miss.cacheStatus.stored, hit.cacheStatus.hit, hit.text]).toEqual([true, true, 'x'])
      })

      it('that share a core refine: lifetime, tags, vary', async () => {
        let runs = 0
        const app = createApplication()
        const outer = cached({ ttl: 10 })
        app.use(outer)
        app.get(
          '/page',
          outer.with({ ttl: '5m', tags: ['t'], vary: ['x-tenant'] }),
          (_req, res) => void res.send(`run ${++runs}`),
        )
        const client = await serve(app)
        const a = { fields: { 'x-tenant': 'a' } }
        const [, hit] = await twice(client, '/page', a)
        expect([hit.text, hit.cacheStatus.ttl]).toEqual(['run 1', 300])
        expect((await client('/page', { fields: { 'x-tenant': 'b' } })).text).toBe('run 2')
        await outer.invalidateTags(['t'])
        expect((await client('/page', a)).text).toBe('run 3')
      })

      it('that ask before they answer are asked, though the outer one could answer', async () => {
        let runs = 0
        const app = createApplication()
        const outer = cached()
        app.use(outer)
        const inner = outer.with({ skip: (req) => req.headers['x-preview'] === '1' })
        app.get('/page', inner, (_req, res) => void res.send(`run ${++runs}`))
        const client = await serve(app)
        const [, hit] = await twice(client, '/page')
        expect([hit.text, hit.cacheStatus.hit]).toEqual(['run 1', true])
        expect((await client('/page', { fields: { 'x-preview': '1' } })).text).toBe('run 2')
        expect((await client('/page')).text).toBe('run 1')
      })

      it('inherit what an outer one skips', async () => {
        let runs = 0
        const app = createApplication()
        app.use(cached({ skip: () => true }))
        app.get('/page', cached(), (_req, res) => void res.send(`run ${++runs}`))
        const client = await serve(app)
        await twice(client, '/page')
        expect(runs).toBe(2)
      })
    })

    describe('personal pages', () => {
      it('are stored for each user, when the user option names them', async () => {
        let runs = 0
        const client = await page((req, res) => void res.send(`${req.headers.authorization} ${++runs}`), {
          user: (req) => req.headers.authorization,
        })
        const alice = { fields: { authorization: 'alice' } }
        const [, hit] = await twice(client, '/page', alice)
        expect([hit.text, hit.cacheStatus.hit]).toEqual(['alice 1', true])
        expect((await client('/page', { fields: { authorization: 'bob' } })).text).toBe('bob 2')
        expect((await client('/page')).text).toBe('undefined 3')
      })

      it('are stored for each value of a credential that vary names', async () => {
        const client = await page((req, res) => void res.send(String(req.headers.authorization)), {
          vary: ['Authorization'],
        })
        const [, hit] = await twice(client, '/page', { fields: { authorization: 'alice' } })
        expect([hit.text, hit.cacheStatus.hit]).toEqual(['alice', true])
        expect((await client('/page', { fields: { authorization: 'bob' } })).text).toBe('bob')
      })
    })

    describe('the answer to an unsafe method', () => {
      it('is complete only when Redis knows of the invalidation, and says what the handler said', async () => {
        const server = await RedisServer.start()
        open.push({ close: () => server.stop() })
        const middleware = fallbackCache({ ttl: 60, redis: server.url, redisTimeout: 400 })
        open.push(middleware)
        const app = createApplication()
        app.use(middleware)
        app.get('/page', (_req, res) => void res.send('x'))
        app.post('/page', (_req, res) => void res.status(201).json({ ok: true }))
        app.put('/page', (_req, res) => {
          res.write('a')
          res.end('b')
        })
        const client = await serve(app)
        await client('/page')
        await soon(() => middleware.stats().connected)
        const created = await client('/page', { method: 'POST' })
        expect([created.status, created.text, created.field('content-length')]).toEqual([201, '{"ok":true}', '11'])
        expect(middleware.stats().pendingInvalidations).toBe(0)
        expect((await client('/page')).cacheStatus.hit).toBe(false)
        expect((await client('/page', { method: 'PUT' })).text).toBe('ab')
        server.freeze()
        const before = Date.now()
        expect((await client('/page', { method: 'POST' })).text).toBe('{"ok":true}')
        expect(Date.now() - before).toBeLessThan(700)
        expect((await client('/page')).cacheStatus.hit).toBe(false)
        server.resume()
      })
    })
  })
}

describe('fallbackCache in other hosts', () => {
  it('works in node:http, without any framework', async () => {
    const middleware = cached()
    let runs = 0
    const client = await serve((req, res) => middleware(req, res, () => void res.end(`run ${++runs} ${req.url}`)))
    const [miss, hit] = await twice(client, '/page?a=1')
    expect([miss.text, hit.text, hit.cacheStatus.hit]).toEqual(['run 1 /page?a=1', 'run 1 /page?a=1', true])
    const head = await client('/page?a=1', { method: 'HEAD' })
    expect([head.status, head.text, head.field('content-length')]).toEqual([200, '', '15'])
    // Another query is another URI, which it leaves alone (RFC 9111, section 4.4).
    expect((await client('/page?a=2')).text).toBe('run 2 /page?a=2')
    const invalidated = await client('/page?a=1', { method: 'DELETE' })
    expect(invalidated.cacheStatus.fwd).toBe('method')
    expect((await client('/page?a=2')).text).toBe('run 2 /page?a=2')
    expect((await client('/page?a=1')).text).toBe('run 4 /page?a=1')
  })

  it('refreshes in node:http', async () => {
    const middleware = cached({ staleWhileRevalidate: 60 })
    let runs = 0
    const client = await serve((req, res) => middleware(req, res, () => void res.end(`run ${++runs}`)))
    await client('/page')
    clock.advance(61_000)
    expect((await client('/page')).text).toBe('run 1')
    await soon(async () => (await client('/page')).text === 'run 2')
    expect(runs).toBe(2)
  })

  it('works in http2, HEAD and 304 included', async () => {
    const middleware = cached()
    let runs = 0
    const server = createHttp2Server((req, res) =>
      middleware(req as never, res as never, () => {
        res.setHeader('X-Run', ++runs)
        res.end(`run ${runs}`)
      }),
    )
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    open.push({
      close: () =>
        new Promise<void>((resolve) => {
          session.destroy()
          server.close(() => resolve())
        }),
    })
    const get = (fields: Record<string, string> = {}) =>
      new Promise<[unknown, string, unknown]>((resolve, reject) => {
        const stream = session.request({ ':path': '/page', ...fields })
        let status: unknown
        let cacheStatus: unknown
        let body = ''
        stream.on('error', reject)
        stream.on('response', (headers) => {
          status = headers[':status']
          cacheStatus = headers['cache-status']
        })
        stream.on('data', (chunk) => (body += chunk))
        stream.on('end', () => resolve([status, body, cacheStatus]))
        stream.end()
      })
    expect(await get()).toEqual([200, 'run 1', expect.stringContaining('stored')])
    expect(await get()).toEqual([200, 'run 1', expect.stringContaining('hit')])
    expect(await get({ ':method': 'HEAD' })).toEqual([200, '', expect.stringContaining('hit')])
    expect(await get({ 'if-none-match': '*' })).toEqual([304, '', expect.stringContaining('hit')])
  })

  it('passes the error of a host on, though the answer came by a promise', async () => {
    const middleware = cached({ skip: async () => false })
    const server = createServer((req, res) => middleware(req, res, () => void res.end('x')))
    const client = await serve((req, res) => server.emit('request', req, res))
    expect((await client('/page')).text).toBe('x')
  })
})

describe.skipIf(!METHODS.includes('QUERY'))('QUERY beside body parsers', () => {
  const frameworks = { 'Express 5': express5, 'Express 4': express4 }
  const keepBytes = (request: object, _response: unknown, bytes: Buffer) => Object.assign(request, { rawBody: bytes })
  const json = { 'content-type': 'application/json' }

  for (const [name, create] of Object.entries(frameworks)) {
    const site = async (...steps: RequestHandler[]) => {
      const app = create()
      let runs = 0
      app.use(...steps, (req, res) => {
        res.json({ run: ++runs, body: req.body })
      })
      const running = await listen(app)
      open.push(running)
      return (body: string, fields: Ask['fields'] = json) => ask(running.port, '/', { method: 'QUERY', body, fields })
    }
    const querying = () => cached({ methods: ['GET', 'QUERY'] })

    it(`is stored in front of the parsers of ${name}`, async () => {
      const query = await site(querying(), express5.json(), express5.urlencoded({ extended: false }))
      for (const hit of [false, true]) {
        const got = await query('{"a":1}')
        expect([got.text, got.cacheStatus.hit]).toEqual(['{"run":1,"body":{"a":1}}', hit])
      }
      const form = await query('a=1', { 'content-type': 'application/x-www-form-urlencoded' })
      expect(form.text).toBe('{"run":2,"body":{"a":"1"}}')
    })

    it(`passes by behind the JSON parser of ${name}, and says so`, async () => {
      const query = await site(express5.json(), querying())
      for (const run of [1, 2]) {
        const got = await query('{"a":1}')
        expect([got.text, got.cacheStatus.detail]).toEqual([`{"run":${run},"body":{"a":1}}`, 'request-consumed'])
      }
    })

    it(`is stored behind the JSON parser of ${name} when it keeps the bytes`, async () => {
      const query = await site(express5.json({ verify: keepBytes }), querying())
      for (const hit of [false, true]) expect((await query('{"a":1}')).cacheStatus.hit).toBe(hit)
      expect((await query('{"a": 1}')).cacheStatus.hit).toBe(false)
    })

    it(`is stored behind parsers of ${name} that give text or bytes`, async () => {
      const query = await site(express5.text(), express5.raw(), querying())
      for (const type of ['text/plain', 'application/octet-stream']) {
        for (const hit of [false, true]) {
          const got = await query('abc', { 'content-type': type })
          expect([type, got.cacheStatus.hit]).toEqual([type, hit])
        }
      }
    })
  }
})

describe.each([
  ['Express 5', express5],
  ['Express 4', express4],
] as const)('the host of a request in %s', (name, create) => {
  const overridden = name === 'Express 4' ? 'hostname' : 'host'

  it.each(['the request', 'the application'])('is that which %s has put in its place', async (place) => {
    const app = create()
    const tenant = (req: IncomingMessage) => `${req.headers['x-tenant']}.example`
    if (place === 'the application') {
      Object.defineProperty(app.request, overridden, {
        get(this: IncomingMessage) {
          return tenant(this)
        },
      })
    } else {
      app.use((req, _res, next) => {
        const host = tenant(req)
        Object.defineProperty(req, overridden, { get: () => host, configurable: true })
        next()
      })
    }
    app.use(cached()).get('/', (req, res) => {
      res.send(name === 'Express 4' ? req.host : req.hostname)
    })
    const client = await serve(app)
    for (const visitor of ['a', 'b', 'a']) {
      expect((await client('/', { fields: { 'x-tenant': visitor } })).text).toBe(`${visitor}.example`)
    }
  })
})

describe('middleware in front that appends to a response', () => {
  const appending: RequestHandler = (_req, res, next) => {
    const { end } = res
    res.end = (chunk?: unknown) => end.call(res, `${chunk ?? ''}<!-- end -->`, 'utf8')
    next()
  }

  it.each(['/whole', '/pieces'])('appends to a hit of a handler that sets no length: %s', async (path) => {
    const app = express5().use(appending)
    app.get('/whole', cached(), (_req, res) => res.end('page'))
    app.get('/pieces', cached(), (_req, res) => {
      res.write('pa')
      res.end('ge')
    })
    const client = await serve(app)
    for (const hit of [false, true, true]) {
      const got = await client(path)
      expect([got.text, got.cacheStatus.hit]).toEqual(['page<!-- end -->', hit])
    }
    const part = await client(path, { fields: { range: 'bytes=0-1' } })
    expect([part.status, part.text]).toEqual([206, 'pa<!-- end -->'])
  })

  it('appends to the response of an unsafe method that waits for its invalidation', async () => {
    const app = express5().use(appending, cached())
    app.all('/page', (_req, res) => res.end('page'))
    const client = await serve(app)
    expect((await client('/page', { method: 'POST' })).text).toBe('page<!-- end -->')
  })
})

describe('the options of fallbackCache', () => {
  const wrong: readonly (readonly [Record<string, unknown>, RegExp])[] = [
    [{ tll: 60 }, /unknown option "tll" of fallbackCache; did you mean "ttl"\?/],
    [{ ttl: -1 }, /ttl must be a number of seconds or a duration such as "5m", got -1/],
    [{ ttl: 'soon' }, /ttl must be .* got "soon"/],
    [{ statusTtl: { 412: 1 } }, /statusTtl must not name 412: it answers the conditions of one request/],
    [{ statusTtl: { 429: 1 } }, /statusTtl must not name 429: it is about one client, and is never stored/],
    [{ statusTtl: { 999: 1 } }, /statusTtl must name statuses from 200 to 599, got "999"/],
    [{ group: 'a:b' }, /group must be made of letters/],
    [{ query: 'none' }, /query must be "all", "sorted" or a list/],
    [{ key: 'x' }, /key must be a function/],
    [
      { vary: ['*'] },
      /vary must be a list of field names, of cookies such as "cookie:theme", and of values such as "req:tenant", got "\*"$/,
    ],
    [{ maxVariants: 0 }, /maxVariants must be false or an integer from 1 to 1000, got 0/],
    [{ maxVariants: true as never }, /maxVariants must be false or an integer from 1 to 1000, got true/],
    [{ methods: ['POST'] }, /methods must be a list of "GET" and any of "HEAD", "POST" and "QUERY", got \["POST"\]$/],
    [{ methods: ['get'] }, /methods must be a list .* got \["get"\]; write methods in capitals$/],
    [{ methods: 'GET' }, /methods must be a list .* got "GET"/],
    [{ maxEntry: 5 }, /unknown option "maxEntry" of fallbackCache; did you mean "maxEntries"\?/],
    [{ maxAge: 5 }, /unknown option "maxAge" of fallbackCache; did you mean "ttl"\?/],
    ...['staleTime', 'max_age', 'cacheTime', 'revalidate', 'defaultDuration'].map(
      (name): [Record<string, unknown>, RegExp] => [
        { [name]: 5 },
        new RegExp(`unknown option "${name}" of fallbackCache; did you mean "ttl"\\?`),
      ],
    ),
    [{ exclude: [] }, /unknown option "exclude" of fallbackCache; did you mean "skip"\?/],
    [{ constructor: 1 }, /unknown option "constructor" of fallbackCache$/],
    [{ redis: 'http://h:6379' }, /redis must be a URL .*http:\/\/ is not the protocol of Redis/],
    [{ enabled: 'false' }, /enabled must be true or false, got "false"/],
    [{ maxBodySize: 0 }, /maxBodySize must be a positive integer, got 0/],
    [{ preset: 'cdn' }, /preset must be "application" or "proxy", got "cdn"/],
    [{ cacheStatus: 'yes' }, /cacheStatus must be true or false/],
    [{ cache: new FallbackCache(), maxEntries: 5 }, /maxEntries cannot be combined with cache/],
    [{ cache: {} }, /cache must be a FallbackCache/],
  ]
  for (const [options, message] of wrong) {
    it(`are told what is wrong: ${message.source}`, () => {
      expect(() => fallbackCache(options as MiddlewareOptions)).toThrow(message)
    })
  }

  it('are told of milliseconds once', async () => {
    const warnings: string[] = []
    const listener = (warning: Error) => warnings.push(warning.message)
    process.on('warning', listener)
    cached({ ttl: 3_600_000 })
    cached({ ttl: 3_600_000 })
    await new Promise(setImmediate)
    process.off('warning', listener)
    expect(warnings.filter((text) => text.includes('milliseconds'))).toHaveLength(1)
  })

  it('are never changed', () => {
    const options = Object.freeze({ ttl: 60, vary: Object.freeze(['Accept']), clock })
    open.push(fallbackCache(options))
    expect(readFileSync(thisFile, 'utf8')).toContain('are never changed')
  })
})

describe('a query that the parser of the application reads otherwise', () => {
  const many = `${'u&'.repeat(1000)}page=2`
  it.each([
    ['Express 4', express4, '[page]=2', ''],
    ['Express 4', express4, many, 'page=2'],
    ['Express 5', express5, many, 'page=2'],
  ] as const)('is not taken for what it is not in %s', async (_, express, query, other) => {
    const app = (express as typeof express5)()
    app.use(cached({ query: ['page'] }))
    app.get('/list', (req, res) => void res.send(`page ${req.query.page}`))
    const client = await serve(app)
    const own = (await client(`/list?${query}`)).text
    expect((await client(`/list?${other}`)).text).not.toBe(own)
  })
})

/** The codes of what `writeHead` throws at arguments that are wrong; they differ between versions of Node.js. */
function errorsOfWriteHead(response: ServerResponse): unknown[] {
  const pairs = [
    ['X-A', '1'],
    ['X-B', '2'],
  ]
  const calls = [
    () => response.writeHead(99),
    () => response.writeHead(200, ['odd'] as never),
    () => response.writeHead(200, pairs.slice(1) as never),
    () => response.writeHead(200, pairs as never),
    () => response.writeHead(200, { 'X-Bad': 'a\nb' }),
  ]
  return calls.map((call) => {
    try {
      call()
      return 'none'
    } catch (error) {
      return (error as NodeJS.ErrnoException).code
    }
  })
}
