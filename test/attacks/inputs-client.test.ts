import { once } from 'node:events'
import { Agent, get } from 'node:http'
import { createRequire } from 'node:module'
import { text } from 'node:stream/consumers'
import express5, { type Request } from 'express'
import { rateLimit } from 'express-rate-limit'
import express4 from 'express4'
import Koa, { type Context } from 'koa'
import Koa2 from 'koa2'
import morgan from 'morgan'
import { describe, expect, it } from 'vitest'
import { fallbackCache, type MiddlewareOptions } from '../../src/middleware/express.js'
import { fallbackCache as koaCache } from '../../src/middleware/koa.js'
import { ask } from '../middleware/hosts/client.js'
import { listen } from '../middleware/hosts/listen.js'

async function answers(
  app: Parameters<typeof listen>[0],
  asked: readonly (readonly [string, Record<string, string>?])[],
) {
  const running = await listen(app)
  try {
    const got: string[] = []
    for (const [path, fields = {}] of asked) got.push((await ask(running.port, path, { fields })).text)
    return got
  } finally {
    await running.close()
  }
}

/** What one client gets on its connection. */
async function page(
  port: number,
  agent: Agent,
  headers: Readonly<Record<string, string | undefined>>,
): Promise<string> {
  const [response] = await once(get({ port, agent, headers }), 'response')
  return await text(response)
}

/** As Express has it: the parser of `req.originalUrl` that routers, sessions and files share. */
const parseurl: { original(req: Request): { readonly pathname: string } } = createRequire(
  import.meta.resolve('express'),
)('parseurl')

const ADDRESS: Readonly<Record<string, (req: Request) => unknown>> = {
  'req.ip': (req) => req.ip,
  'req.ips': (req) => req.ips,
  'req.socket.remoteAddress': (req) => req.socket.remoteAddress,
  'req.connection.remotePort': (req) => req.connection.remotePort,
  'req.socket.remoteFamily': (req) => req.socket.remoteFamily,
  'req.socket.localPort': (req) => req.socket.localPort,
  'req.socket.localAddress': (req) => req.socket.localAddress,
  'req.socket.address()': (req) => JSON.stringify(req.socket.address()),
  'req.socket.bytesRead': (req) => req.socket.bytesRead,
}

describe.each([
  ['Express 5', express5],
  ['Express 4', express4 as unknown as typeof express5],
])('%s', (_, make) => {
  const runs = (
    options: MiddlewareOptions,
    read: (req: Request) => unknown,
    trust = false,
    parse: unknown = 'extended',
  ) => {
    const app = make()
    app.set('trust proxy', trust)
    app.set('query parser', parse)
    let run = 0
    app.use(fallbackCache({ ttl: 60, ...options }))
    app.get('/', (req, res) => void res.send(`${++run} ${read(req)}`))
    return app
  }

  it.each(Object.entries(ADDRESS))('stores nothing that was made from %s', async (_name, read) => {
    const got = await answers(runs({}, read), [['/'], ['/']])
    expect(got.map((text) => text[0])).toEqual(['1', '2'])
    const ignored = await answers(runs({ inputs: { ignore: ['ip'] } }, read), [['/'], ['/']])
    expect(ignored[1]).toBe(ignored[0])
  })

  it.each<[string, (req: Request) => unknown]>([
    ['req.socket', (req) => Reflect.get(req.socket, 'user')],
    ['req.connection', (req) => Reflect.get(req.connection, 'user')],
    ['res.socket', (req) => Reflect.get(req.res?.socket ?? {}, 'user')],
    ['an object on req.socket', (req) => Reflect.get(req.socket, 'ntlm').UserName],
  ])('hands no page to another visitor that was made from what middleware has set on %s', async (_name, read) => {
    const app = make()
    app.use((req, _res, next) => {
      // As with NTLM: only the first request of a connection says who sends it.
      const user = req.get('x-user')
      if (user !== undefined) Object.assign(req.socket, { user, ntlm: { UserName: user } })
      next()
    })
    app.use(fallbackCache({ ttl: 60 }))
    app.get('/', (req, res) => void res.send(`for ${read(req)}`))
    const running = await listen(app)
    const agents = ['ann', 'bob'].map(() => new Agent({ keepAlive: true, maxSockets: 1 }))
    try {
      const got: string[] = []
      for (const named of [true, false, false])
        for (const [at, agent] of agents.entries())
          got.push(await page(running.port, agent, named ? { 'x-user': ['ann', 'bob'][at] } : {}))
      expect(got).toEqual(Array.from({ length: 3 }, () => ['for ann', 'for bob']).flat())
    } finally {
      for (const agent of agents) agent.destroy()
      await running.close()
    }
  })

  it('stores what was made of nothing that middleware has set on the connection, and leaves it there', async () => {
    const app = make()
    app.use((req, _res, next) => void next(Object.assign(req.socket, { user: 'ann', visits: 1 }) && undefined))
    app.use(fallbackCache({ ttl: 60, inputs: { ignore: ['req:socket'] } }))
    let run = 0
    app.get('/all', (_req, res) => void res.send(`all ${++run}`))
    app.get('/ignored', (req, res) => void res.send(`${++run} ${Reflect.get(req.socket, 'user')}`))
    const asked = [['/all'], ['/all'], ['/ignored'], ['/ignored']] as const
    expect(await answers(app, asked)).toEqual(['all 1', 'all 1', '2 ann', '2 ann'])
  })

  it('hands no page of one forwarded address to another', async () => {
    const got = await answers(
      runs({}, (req) => req.ip, true),
      [
        ['/', { 'x-forwarded-for': '7.7.7.7' }],
        ['/', { 'x-forwarded-for': '8.8.8.8' }],
      ],
    )
    expect(got).toEqual(['1 7.7.7.7', '2 8.8.8.8'])
  })

  it.each([false, true])('stores what was made from protocol and host, trusting proxies: %s', async (trust) => {
    const read = (req: Request) => [req.protocol, req.secure, req.hostname, req.host, req.subdomains].join()
    const got = await answers(runs({}, read, trust), [['/'], ['/']])
    expect(got[1]).toBe(got[0])
  })

  it('stores behind morgan, and not behind a rate limit unless the address is ignored', async () => {
    for (const [options, stored] of [
      [{}, false],
      [{ inputs: { ignore: ['ip'] } }, true],
    ] as const) {
      const app = make()
      let run = 0
      app.use(fallbackCache({ ttl: 60, ...options }))
      app.use('/limited', rateLimit({ limit: 10, standardHeaders: false, legacyHeaders: false }))
      app.use(morgan('combined', { stream: { write: () => undefined } }))
      app.use((_req, res) => void res.send(`run ${++run}`))
      expect(await answers(app, [['/'], ['/']])).toEqual(['run 1', 'run 1'])
      const limited = await answers(app, [['/limited'], ['/limited']])
      expect(limited[0] === limited[1]).toBe(stored)
    }
  })

  it.each<[string, (req: Request) => unknown]>([
    ['by name', (req) => req.query.sort],
    ['destructured', ({ query: { sort } }) => sort],
    ['spread', (req) => ({ ...req.query }).sort],
    ['as JSON', (req) => JSON.stringify(req.query)],
  ])('stores nothing that was made from a parameter outside of the list, read %s', async (_way, read) => {
    const got = await answers(runs({ query: ['page'] }, read), [['/?sort=a'], ['/?sort=b'], ['/']])
    expect(got.map((text) => text[0])).toEqual(['1', '2', '3'])
  })

  it('stores what routers, parsers and files make of the path alone', async () => {
    const app = make()
    let run = 0
    app.use(fallbackCache({ ttl: 60, query: ['page'] }))
    app.use(
      '/in',
      make.Router().use(
        '/deep',
        make.Router().get('/', (req, res) => res.send(`${++run} ${req.baseUrl}`)),
      ),
    )
    app.use((req, res) => void res.send(`${++run} ${parseurl.original(req).pathname}`))
    const paths = ['/in/deep?page=1&utm=a', '/in/deep?page=1', '/other?page=1&utm=a', '/other?page=1']
    expect(
      await answers(
        app,
        paths.map((path) => [path] as const),
      ),
    ).toEqual(['1 /in/deep', '1 /in/deep', '2 /other', '2 /other'])
  })

  it('stores what was made from the parameters of the list', async () => {
    const got = await answers(
      runs({ query: ['page'] }, (req) => req.query.page),
      [['/?page=1&utm=a'], ['/?page=1'], ['/?page=2']],
    )
    expect(got).toEqual(['1 1', '1 1', '2 2'])
  })

  it.each<[string, (text: string) => unknown, (query: Request['query']) => unknown, string, string]>([
    ['ignores letter case', caseless, ({ page }) => page, '/?PAGE=7', '/?'],
    ['ignores letter case, both spelled', caseless, ({ page }) => page, '/?page=1&PAGE=7', '/?page=1'],
    ['splits at semicolons', atSemicolons, ({ page }) => page, '/?sort=a;page=7', '/?'],
    [
      'makes a list',
      (text) => (text ?? '').split('&'),
      (query) => JSON.stringify(query),
      '/?page=1&sort=a',
      '/?page=1',
    ],
    ['makes a text', (text) => text, (query) => `${query}`.length, '/?page=1&sort=a', '/?page=1'],
  ])('stores nothing that a parser has made of other parameters, if it %s', async (_, parse, read, poisoned, path) => {
    const app = (options: MiddlewareOptions) => runs(options, (req) => read(req.query), false, parse)
    const [expected] = await answers(app({}), [[path]])
    const [, got] = await answers(app({ query: ['page'] }), [[poisoned], [path]])
    expect(got?.slice(1)).toBe(expected?.slice(1))
    expect(got?.[0]).toBe('2')
  })

  it('stores what a parser of its own has made of the parameters of the list', async () => {
    const app = runs({ query: ['page'] }, (req) => req.query.page, false, caseless)
    expect(await answers(app, [['/?page=1&utm=a'], ['/?page=1'], ['/?page=2']])).toEqual(['1 1', '1 1', '2 2'])
  })
})

function caseless(text = ''): Record<string, string> {
  return Object.fromEntries(new URLSearchParams((text ?? '').toLowerCase()))
}

function atSemicolons(text = ''): Record<string, string> {
  return Object.fromEntries(new URLSearchParams((text ?? '').replaceAll(';', '&')))
}

describe.each([
  ['Koa 3', Koa],
  ['Koa 2', Koa2 as unknown as typeof Koa],
])('%s', (_, make) => {
  const runs = (options: object, read: (ctx: Context) => unknown) => {
    const app = new make()
    let run = 0
    app.use(koaCache({ ttl: 60, ...options }))
    app.use((ctx) => {
      ctx.body = `${++run} ${read(ctx)}`
    })
    return app.callback()
  }

  it.each<[string, (ctx: Context) => unknown]>([
    ['ctx.ip', (ctx) => ctx.ip],
    ['ctx.request.ip', (ctx) => ctx.request.ip],
    ['ctx.req.socket.remoteAddress', (ctx) => ctx.req.socket.remoteAddress],
    ['ctx.socket.remotePort', (ctx) => ctx.socket.remotePort],
  ])('stores nothing that was made from %s', async (_name, read) => {
    const got = await answers(runs({}, read), [['/'], ['/']])
    expect(got.map((text) => text[0])).toEqual(['1', '2'])
  })

  it.each<[string, (ctx: Context) => unknown]>([
    ['ctx.query', (ctx) => ctx.query.sort],
    ['ctx.querystring', (ctx) => ctx.querystring],
    ['ctx.request.querystring', (ctx) => ctx.request.querystring],
    ['ctx.search', (ctx) => ctx.search],
    ['ctx.URL', (ctx) => ctx.URL.searchParams.get('sort')],
    ['ctx.href', (ctx) => ctx.href],
    ['ctx.originalUrl', (ctx) => ctx.originalUrl],
    ['ctx.request.originalUrl', (ctx) => ctx.request.originalUrl],
  ])('stores nothing that was made from a parameter outside of the list, in %s', async (_name, read) => {
    const got = await answers(runs({ query: ['page'] }, read), [['/?sort=a'], ['/?sort=b']])
    expect(got.map((text) => text[0])).toEqual(['1', '2'])
    for (const [at, sort] of ['a', 'b'].entries()) expect(got[at]).toContain(sort)
  })

  it('stores what was made from the parameters of the list', async () => {
    expect(
      await answers(
        runs({ query: ['page'] }, (ctx) => ctx.query.page),
        [['/?page=1&u=1'], ['/?page=1']],
      ),
    ).toEqual(['1 1', '1 1'])
  })

  it('stores nothing that a parser of the application has made of other parameters', async () => {
    const app = new make()
    Object.defineProperty(app.request, 'query', {
      get(this: Context['request']) {
        return caseless(this.querystring)
      },
    })
    app.use(koaCache({ ttl: 60, query: ['page'] }))
    app.use((ctx) => {
      ctx.body = `${ctx.query.page}`
    })
    expect(await answers(app.callback(), [['/?PAGE=7'], ['/?'], ['/?page=1&utm=a'], ['/?page=1']])).toEqual([
      ...['7', 'undefined', '1', '1'],
    ])
  })

  it('stores what was made from protocol and host', async () => {
    const got = await answers(
      runs({}, (ctx) => [ctx.protocol, ctx.host, ctx.hostname, ctx.origin, ctx.secure].join()),
      [['/'], ['/']],
    )
    expect(got[1]).toBe(got[0])
  })
})
