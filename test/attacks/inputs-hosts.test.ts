import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import express from 'express'
import createFastify from 'fastify'
import { Hono } from 'hono'
import { getCookie } from 'hono/cookie'
import Koa, { type Context } from 'koa'
import session from 'koa-session'
import Negotiator from 'negotiator'
import { afterEach, describe, expect, it } from 'vitest'
import { fallbackCache as fastifyCache } from '../../src/adapters/fastify.js'
import { type HonoEnv, fallbackCache as honoCache } from '../../src/adapters/hono.js'
import { fallbackCache } from '../../src/middleware/express.js'
import { fallbackCache as koaCache } from '../../src/middleware/koa.js'
import { ask } from '../middleware/hosts/client.js'

const open: (() => unknown)[] = []

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close()
})

const OPTIONS = { ttl: 60 }

/** What a page is made from, in each host. */
type Input = 'cookie' | 'field' | 'languages'

function cookieIn(header: string | undefined): string {
  return /(?:^|; )cart=([^;]*)/.exec(header ?? '')?.[1] ?? 'guest'
}

const read: Readonly<Record<Input, (request: IncomingMessage) => string>> = {
  cookie: (request) => cookieIn(request.headers.cookie),
  field: (request) => String(request.headers['x-org']),
  languages: (request) => new Negotiator(request).languages().join(),
}

type Start = (input: Input) => Promise<RequestListener | Server>

const HOSTS: Readonly<Record<string, Start>> = {
  'node:http': async (input) => {
    const cached = keep(fallbackCache(OPTIONS))
    return (req, res) => cached(req, res, () => void res.end(`for ${read[input](req)}`))
  },
  'the front door of Express': async (input) => {
    const cached = keep(fallbackCache(OPTIONS))
    const app = express()
    app.use(cached)
    app.get('/page', (req, res) => {
      if (input === 'languages') return void res.send(`for ${req.acceptsLanguages().join()}`)
      res.send(`for ${read[input](req)}`)
    })
    return cached.serve(app)
  },
  'the front door of Koa': async (input) => {
    const cached = keep(koaCache(OPTIONS))
    const app = new Koa()
    app.use(cached)
    app.use((ctx) => {
      const languages = input === 'languages' ? [ctx.acceptsLanguages()].flat().join() : ''
      const cookie = input === 'cookie' ? (ctx.cookies.get('cart') ?? 'guest') : ''
      ctx.body = `for ${languages}${cookie}${input === 'field' ? ctx.get('x-org') : ''}`
    })
    return cached.serve(app)
  },
  Fastify: async (input) => {
    const cached = keep(fastifyCache(OPTIONS))
    const app = createFastify()
    app.register(cached)
    app.get('/page', async (request) => {
      if (input === 'languages') return `for ${new Negotiator(request.raw).languages().join()}`
      return `for ${input === 'cookie' ? cookieIn(request.headers.cookie) : request.headers['x-org']}`
    })
    await app.ready()
    open.push(() => app.close())
    return app.routing.bind(app) as unknown as RequestListener
  },
  Hono: async (input) => {
    const cached = keep(honoCache(OPTIONS))
    const app = new Hono<HonoEnv>()
    app.use(cached)
    app.get('/page', (c) => {
      if (input === 'cookie') return c.text(`for ${getCookie(c, 'cart') ?? 'guest'}`)
      return c.text(`for ${c.req.header(input === 'field' ? 'x-org' : 'accept-language')}`)
    })
    return getRequestListener(app.fetch as never)
  },
}

function keep<C extends { close(): Promise<unknown> }>(cached: C): C {
  open.push(() => cached.close())
  return cached
}

async function portOf(started: RequestListener | Server): Promise<number> {
  const server = typeof started === 'function' ? createServer(started) : started
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  open.push(() => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  })
  return (server.address() as AddressInfo).port
}

function fieldsFor(input: Input, who: string): Record<string, string> {
  if (input === 'cookie') return { cookie: `theme=dark; cart=${who}` }
  return input === 'field' ? { 'x-org': who } : { 'accept-language': who }
}

describe.each(Object.entries(HOSTS))('%s', (_, start) => {
  it.each(['cookie', 'field', 'languages'] as const)(
    'hands no page to a visitor with another one: %s',
    async (input) => {
      const port = await portOf(await start(input))
      for (const who of ['ann', 'bob', 'ann', 'cat', 'bob']) {
        expect((await ask(port, '/page', { fields: fieldsFor(input, who) })).text).toBe(`for ${who}`)
      }
      expect((await ask(port, '/page')).text).not.toMatch(/ann|bob|cat/)
    },
  )
})

describe('a refresh in the background', () => {
  it.each(['cookie', 'field'] as const)('is made for the visitors of its response: %s', async (input) => {
    const vary = input === 'cookie' ? ['cookie:cart'] : []
    const cached = keep(fallbackCache({ ttl: 1, staleWhileRevalidate: 600, vary }))
    const runs: string[] = []
    const port = await portOf((req, res) =>
      cached(req, res, () => {
        const who = read[input](req)
        runs.push(who)
        res.end(`for ${who}`)
      }),
    )
    const get = async (who: string) => (await ask(port, '/page', { fields: fieldsFor(input, who) })).text
    for (const who of ['ann', 'bob']) expect(await get(who)).toBe(`for ${who}`)
    await new Promise((resolve) => setTimeout(resolve, 1100))
    for (const who of ['ann', 'bob']) expect(await get(who)).toBe(`for ${who}`)
    await expect.poll(() => [...runs].sort()).toEqual(['ann', 'ann', 'bob', 'bob'])
    for (const who of ['ann', 'bob']) expect(await get(who)).toBe(`for ${who}`)
  })
})

describe('koa-session and its like', () => {
  const visits = (ctx: Context) => ctx.session?.name ?? 'guest'
  const app = (order: 'front' | 'behind', page: (ctx: Context) => unknown) => {
    const cached = keep(koaCache(OPTIONS))
    const site = new Koa()
    const sessions = session({ key: 'basket', signed: false }, site)
    for (const middleware of order === 'front' ? [sessions, cached] : [cached, sessions]) site.use(middleware)
    site.use((ctx) => {
      if (ctx.path === '/login' && ctx.session !== null) ctx.session.name = ctx.query.name
      ctx.body = ctx.path === '/login' ? 'welcome' : `for ${page(ctx)}`
    })
    return site.callback()
  }
  const login = async (port: number, name: string) => {
    const { lines } = await ask(port, `/login?name=${name}`, { method: 'POST' })
    return lines('set-cookie')
      .map((line) => line.split(';', 1)[0])
      .join('; ')
  }

  it.each(['front', 'behind'] as const)('hand no page to another visitor, mounted in %s', async (order) => {
    const port = await portOf(app(order, visits) as RequestListener)
    const cookies = { ann: await login(port, 'ann'), bob: await login(port, 'bob') }
    for (const who of ['ann', 'bob', 'ann'] as const) {
      expect((await ask(port, '/page', { fields: { cookie: cookies[who] } })).text).toBe(`for ${who}`)
    }
    expect((await ask(port, '/page')).text).toBe('for guest')
    expect((await ask(port, '/page', { fields: { cookie: cookies.bob } })).text).toBe('for bob')
  })
})

describe('what a framework keeps of a request', () => {
  it('is no way around the cache: Koa negotiates in front of it and behind it', async () => {
    const cached = keep(koaCache(OPTIONS))
    const site = new Koa()
    site.use((ctx, next) => {
      ctx.acceptsEncodings()
      return next()
    })
    site.use(cached)
    site.use((ctx) => {
      ctx.body = String(ctx.accepts('json', 'html'))
    })
    const port = await portOf(site.callback() as RequestListener)
    expect((await ask(port, '/page')).text).toBe('json')
    expect((await ask(port, '/page', { fields: { accept: 'text/html' } })).text).toBe('html')
  })

  it('is no way around the cache: a token for forms of a cookie that the handler sets', async () => {
    const cached = keep(fallbackCache(OPTIONS))
    let tokens = 0
    const page = (req: IncomingMessage, res: ServerResponse) => {
      const known = /(?:^|; )form=([^;]*)/.exec(req.headers.cookie ?? '')?.[1]
      tokens += 1
      const token = known ?? `token-${tokens}`
      if (known === undefined) res.setHeader('Set-Cookie', `form=${token}`)
      res.end(`<input value="${token}">`)
    }
    const port = await portOf((req, res) => cached(req, res, () => page(req, res)))
    const seen = new Set<string>()
    for (let at = 0; at < 3; at++) seen.add((await ask(port, '/page')).text)
    for (const own of ['a', 'b']) seen.add((await ask(port, '/page', { fields: { cookie: `form=${own}` } })).text)
    expect(seen.size).toBe(5)
  })
})
