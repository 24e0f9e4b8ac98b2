import type { IncomingMessage, ServerResponse } from 'node:http'
import compression from 'compression'
import express5 from 'express'
import express4 from 'express4'
import Koa from 'koa'
import { afterEach, describe, expect, it } from 'vitest'
import { fallbackCache, type MiddlewareOptions } from '../../src/middleware/express.js'
import { fallbackCache as koaCache } from '../../src/middleware/koa.js'
import { ask } from '../middleware/hosts/client.js'
import { listen } from '../middleware/hosts/listen.js'

const open: { close(): unknown }[] = []
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})

type Handler = (req: IncomingMessage & { readonly originalUrl?: string }, res: ServerResponse) => unknown

/** Servers whose handler writes to node's response, behind compression where that is asked for. */
const servers: Record<string, (options: MiddlewareOptions, handler: Handler, encodes: boolean) => Promise<number>> = {
  'Express 5': (options, handler, encodes) => inExpress(express5, options, handler, encodes),
  'Express 4': (options, handler, encodes) =>
    inExpress(express4 as unknown as typeof express5, options, handler, encodes),
  'Koa 3': async (options, handler) => {
    const cached = koaCache({ ttl: 60, ...options } as object)
    const app = new Koa()
    app.use(cached)
    app.use(async (ctx) => {
      const chunks: string[] = []
      const fields: [string, unknown][] = []
      const res = {
        setHeader: (name: string, value: unknown) => fields.push([name, value]),
        write: (chunk: string) => chunks.push(chunk),
        end: (chunk = '') => chunks.push(chunk),
      }
      await handler(ctx.req, res as unknown as ServerResponse)
      for (const [name, value] of fields) ctx.set(name, String(value))
      ctx.body = chunks.join('')
    })
    return serve(cached, app.callback())
  },
}

async function inExpress(
  make: typeof express5,
  options: MiddlewareOptions,
  handler: Handler,
  encodes: boolean,
): Promise<number> {
  const cached = fallbackCache({ ttl: 60, ...options })
  const app = make()
  app.use(cached)
  if (encodes) app.use(compression({ threshold: 0 }) as unknown as express5.RequestHandler)
  app.use((req, res) => void handler(req, res))
  return serve(cached, app)
}

async function serve(cached: { close(): unknown }, handle: Parameters<typeof listen>[0]): Promise<number> {
  const running = await listen(handle)
  open.push(cached, running)
  return running.port
}

const ID = `<script>"abc'&</script>`
const escaped = (text: string) =>
  text.replace(
    /[&<>"']/g,
    (one) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' })[one] ?? '',
  )

const ways: [string, (value: string) => string][] = [
  ['as it is', (value) => `<p>${value}`],
  ['as HTML', (value) => `<p>${escaped(value)}`],
  ['as JSON', (value) => JSON.stringify({ id: value })],
  ['as part of a URL', (value) => `/p?id=${encodeURIComponent(value)}`],
]

describe.each(Object.entries(servers))('in %s', (name, start) => {
  const asked = async (options: MiddlewareOptions, handler: Handler, requests: [string, object][], encodes = false) => {
    const port = await start(options, handler, encodes)
    const seen = []
    for (const [path, fields] of requests) seen.push(await ask(port, path, { fields: { ...fields } }))
    return seen
  }

  it.each(['x-request-id', 'x-correlation-id', 'baggage', 'traceparent', 'tracestate', 'sentry-trace', 'te'])(
    'no page contains the %s of another request',
    async (field) => {
      for (const [, write] of ways) {
        const [first, second] = await asked({}, (req, res) => res.end(write(String(req.headers[field]))), [
          ['/', { [field]: ID }],
          ['/', {}],
        ])
        expect(first?.text).toBe(write(ID))
        expect(first?.field('cache-status')).toMatch(/detail=reflected$/)
        expect(second?.text).toBe(write('undefined'))
      }
    },
  )

  it('no page contains a short one, unless it is a number within a longer one', async () => {
    for (const [id, write, detail] of [
      ['17', (value: string) => `run ${value}.`, 'reflected'],
      ['u-1', (value: string) => `{"id":"${value}"}`, 'reflected'],
      ['u-1', (value: string) => `for${value}x`, 'reflected'],
      ['17', (value: string) => `run${value}`, 'reflected'],
      ['17', () => 'A1172', undefined],
      // As the Date field has it.
      ['GMT', () => 'page', undefined],
      ['4', () => 'page', undefined],
    ] as const) {
      const [first, second] = await asked({}, (req, res) => res.end(write(String(req.headers['x-request-id']))), [
        ['/', { 'x-request-id': id }],
        ['/', {}],
      ])
      expect(first?.cacheStatus.detail).toBe(detail)
      expect(second?.text).toBe(write('undefined'))
    }
  })

  it('nor a field of its response, nor a body in pieces, nor one that was read late', async () => {
    const handlers: Handler[] = [
      (req, res) => {
        res.setHeader('Link', `</p?${encodeURIComponent(String(req.headers['x-request-id']))}>; rel=next`)
        res.end('page')
      },
      (req, res) => {
        const id = String(req.headers['x-request-id'])
        res.write(id.slice(0, 5))
        res.end(id.slice(5))
      },
      (req, res) => {
        res.write('page ')
        res.end(String(req.headers['x-request-id']))
      },
    ]
    for (const handler of handlers) {
      const [, second] = await asked({}, handler, [
        ['/', { 'x-request-id': ID }],
        ['/', {}],
      ])
      expect(second?.cacheStatus.hit).not.toBe(true)
    }
  })

  it.skipIf(name.startsWith('Koa'))('nor one that was encoded behind the cache', async () => {
    for (const coding of ['gzip', 'deflate', 'br']) {
      const fields = { 'accept-encoding': coding }
      const [first, second] = await asked(
        {},
        (req, res) => {
          res.setHeader('Content-Type', 'text/plain')
          res.end(`${'page '.repeat(100)}${req.headers['x-request-id']}`)
        },
        [
          ['/', { ...fields, 'x-request-id': ID }],
          ['/', fields],
        ],
        true,
      )
      expect(first?.field('content-encoding')).toBe(coding)
      expect(second?.cacheStatus.hit).not.toBe(true)
    }
  })

  it('a page is stored whose handler reads such a field and does not repeat it, or whose route says what to do', async () => {
    const readers: [MiddlewareOptions, Handler][] = [
      [
        {},
        (req, res) => {
          res.setHeader('X-Request-Id', String(req.headers['x-request-id']))
          res.end('page')
        },
      ],
      [{ inputs: { ignore: ['x-request-id'] } }, (req, res) => res.end(String(req.headers['x-request-id']))],
      [{ vary: ['x-request-id'] }, (req, res) => res.end(String(req.headers['x-request-id']))],
    ]
    for (const [options, handler] of readers) {
      const [, second] = await asked(options, handler, [
        ['/', { 'x-request-id': ID }],
        ['/', { 'x-request-id': ID }],
      ])
      expect(second?.cacheStatus.hit).toBe(true)
      expect(second?.field('x-request-id')).toBeUndefined()
    }
  })

  it('no page contains a parameter that the option query leaves out, wherever the handler has it from', async () => {
    const handlers: Handler[] = [
      (req, res) => res.end(`<link rel="canonical" href="${req.url}">`),
      (req, res) => res.end(`<link rel="canonical" href="${escaped(String(req.originalUrl ?? req.url))}">`),
      (req, res) => res.end(new URL(String(req.url), 'http://x').search),
    ]
    for (const handler of handlers) {
      const [first, second, third] = await asked({ query: ['page'] }, handler, [
        ['/?page=1&utm_source=%22evil%22', {}],
        ['/?page=1&q=x', {}],
        ['/?page=1', {}],
      ])
      expect(first?.text).toContain('utm_source')
      expect(second?.text).toMatch(/q=x/)
      expect(third?.text).not.toMatch(/utm_source|q=x/)
    }
  })
})

it('no page contains the identifier that middleware in front has taken from another request', async () => {
  const cached = fallbackCache({ ttl: 60 })
  const app = express5()
  app.use((req, res, next) => {
    Object.assign(req, { id: req.get('x-request-id') })
    res.locals.reqId = req.get('x-request-id')
    next()
  })
  app.use(cached)
  app.get('/req', (req, res) => void res.send(`id ${Reflect.get(req, 'id')}`))
  app.get('/locals', (_req, res) => void res.send(JSON.stringify({ ...res.locals })))
  app.get('/unused', (req, res) => void res.send(`id of ${String(Reflect.get(req, 'id')).length} characters`))
  const port = await serve(cached, app)
  for (const [id, path] of [
    ['1', '/req'],
    ['2', '/req'],
  ] as const) {
    expect((await ask(port, path, { fields: { 'x-request-id': id } })).text).toBe(`id ${id}`)
  }
  for (const path of ['/req', '/locals']) {
    const got = []
    for (const id of ['request-1', 'request-2']) got.push(await ask(port, path, { fields: { 'x-request-id': id } }))
    expect(got.map(({ text }) => /request-\d/.exec(text)?.[0])).toEqual(['request-1', 'request-2'])
    expect(got[0]?.field('cache-status')).toMatch(/detail=reflected$/)
  }
  for (const end of ['1', '2']) {
    const got = await ask(port, '/unused', { fields: { 'x-request-id': ID + end } })
    expect(got.cacheStatus.hit).toBe(end === '2')
  }
})
