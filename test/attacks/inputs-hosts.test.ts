import { AsyncLocalStorage } from 'node:async_hooks'
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import {
  type CallHandler,
  Controller,
  type ControllerOptions,
  Get,
  Inject,
  Injectable,
  Module,
  Scope,
  type Type,
  VERSION_NEUTRAL,
  VersioningType,
} from '@nestjs/common'
import { APP_INTERCEPTOR, NestFactory, REQUEST } from '@nestjs/core'
import express from 'express'
import createFastify, { type FastifyReply } from 'fastify'
import { Hono } from 'hono'
import { getCookie } from 'hono/cookie'
import Koa, { type Context } from 'koa'
import session from 'koa-session'
import Negotiator from 'negotiator'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { fallbackCache as fastifyCache } from '../../src/adapters/fastify.js'
import { type HonoEnv, fallbackCache as honoCache } from '../../src/adapters/hono.js'
import { Cached, FallbackCacheModule } from '../../src/adapters/nestjs.js'
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

/** What hooks and middleware in front of the cache set for a visitor, and handlers read. */
const SET_IN_FRONT: Readonly<Record<string, () => Promise<RequestListener>>> = {
  ...Object.fromEntries(
    Object.entries<[(request: never, reply: never, who: string) => void, (request: never, reply: never) => unknown]>({
      'request.lang of Fastify': [
        (request: Settable, _, who) => set(request, 'lang', who),
        (request: Settable) => request.lang,
      ],
      'request.query of Fastify': [
        (request: Settable, _, who) => set(request.query, 'u', who),
        (request: Settable) => request.query.u,
      ],
      'request.params of Fastify': [
        (request: Settable, _, who) => set(request.params, 'u', who),
        (request: Settable) => request.params.u,
      ],
      'request.user of Fastify': [
        (request: Settable, _, who) => set(request, 'user', who),
        (request: Settable) => request.user,
      ],
      'request.tenant of Fastify, a getter': [
        (request: Settable, _, who) => HIDDEN.set(request, who),
        (request: Settable) => request.tenant,
      ],
      'reply.tenant of Fastify, a getter': [
        (_, reply: Settable, who) => HIDDEN.set(reply, who),
        (_, reply: Settable) => reply.tenant,
      ],
      'reply.locals of Fastify': [
        (_, reply: Settable, who) => set(reply, 'locals', { lang: who }),
        (_, reply: Settable) => (reply.locals as { lang?: unknown } | undefined)?.lang,
      ],
    }).map(([name, [fill, read]]) => [
      name,
      async () => {
        const app = createFastify()
        const tenant = {
          getter(this: object) {
            return HIDDEN.get(this)
          },
        }
        app.decorateRequest('tenant', tenant).decorateReply('tenant', tenant)
        app.addHook('onRequest', async (request, reply) => {
          const who = request.headers['x-who']
          if (typeof who === 'string') fill(request as never, reply as never, who)
        })
        await app.register(keep(fastifyCache(OPTIONS)))
        app.get('/page', async (request, reply) => `for ${read(request as never, reply as never)}`)
        await app.ready()
        open.push(() => app.close())
        return app.routing.bind(app) as unknown as RequestListener
      },
    ]),
  ),
  'request.requestContext of Fastify, one object for all requests': async () => {
    const app = createFastify()
    const context = { get: () => STORAGE.getStore() }
    app.decorateRequest('requestContext', { getter: () => context })
    app.addHook('onRequest', (request, _reply, done) => STORAGE.run(request.headers['x-who'], done))
    await app.register(keep(fastifyCache(OPTIONS)))
    app.get('/page', async (request) => `for ${Reflect.get(request, 'requestContext').get()}`)
    await app.ready()
    open.push(() => app.close())
    return app.routing.bind(app) as unknown as RequestListener
  },
  ...Object.fromEntries(
    Object.entries<(c: { get(name: string): unknown; var: Record<string, unknown> }) => unknown>({
      "c.get('lang') of Hono": (c) => c.get('lang'),
      'c.var.lang of Hono': (c) => c.var.lang,
      'c.var of Hono, spread': (c) => ({ ...c.var }).lang,
      "c.get('user') of Hono": (c) => c.get('user'),
      "c.get('level') of Hono, no number for some": (c) => c.get('level') || undefined,
      'c.env.lang of Hono': (c) => (c as unknown as { readonly env: { lang?: unknown } }).env.lang,
      'c.lang of Hono': (c) => Reflect.get(c, 'lang'),
      'c.req.lang of Hono': (c) => Reflect.get((c as unknown as Context).req, 'lang'),
      'c.req.raw.lang of Hono': (c) => Reflect.get(Reflect.get((c as unknown as Context).req, 'raw'), 'lang'),
      "c.get('say') of Hono, a function": (c) => (c.get('say') as (() => unknown) | undefined)?.(),
    }).map(([name, read]) => [
      name,
      async () => {
        const app = new Hono<HonoEnv>()
        app.use(async (c, next) => {
          const who = c.req.header('x-who')
          c.set('level' as 'user', who ?? Number.NaN)
          if (who !== undefined) {
            for (const variable of ['lang', 'user'] as const)
              if (name.includes(variable)) c.set(variable as 'user', who)
            c.set('say' as 'user', () => who)
          }
          const holder = { 'c.lang': c, 'c.req.lang': c.req, 'c.req.raw.lang': c.req.raw }[name.split(' ', 1)[0] ?? '']
          // A request of the runtime does not tell that it lacks a property.
          if (holder !== undefined)
            Object.assign(holder, holder === c.req.raw || who !== undefined ? { lang: who } : {})
          if (name.includes('env') && who !== undefined) Object.assign(c.env, { lang: who })
          if (name.includes('spread') && who !== undefined) c.set('lang' as 'user', who)
          await next()
        })
        app.use(keep(honoCache(OPTIONS)))
        app.get('/page', (c) => c.text(`for ${read(c as never)}`))
        return getRequestListener(app.fetch as never)
      },
    ]),
  ),
}

/** What `@fastify/request-context` keeps for one request. */
const STORAGE = new AsyncLocalStorage<unknown>()

/** What plugins keep behind a getter. */
const HIDDEN = new WeakMap<object, unknown>()

interface Settable {
  readonly tenant?: unknown
  readonly query: Record<string, unknown>
  readonly params: Record<string, unknown>
  readonly lang?: unknown
  readonly user?: unknown
  readonly locals?: unknown
}

function set(holder: object, name: string, value: unknown): void {
  Reflect.set(holder, name, value)
}

it.each(Object.keys(SET_IN_FRONT))('a page that was made from %s is for no other visitor', async (name) => {
  const port = await portOf(await (SET_IN_FRONT[name] as (typeof SET_IN_FRONT)[string])())
  for (const who of [undefined, 'ann', 'bob', undefined, 'ann']) {
    const got = await ask(port, '/page', { fields: who === undefined ? {} : { 'x-who': who } })
    expect(got.text).toBe(`for ${who}`)
  }
})

it.each(['Fastify', 'Hono'])('%s: parameters that the option query leaves out are observed', async (host) => {
  const options = { ...OPTIONS, query: ['a'] }
  const fastify = async () => {
    const app = createFastify()
    await app.register(keep(fastifyCache(options)))
    app.get('/page', async (request) => `for ${(request.query as Record<string, unknown>).b}`)
    await app.ready()
    open.push(() => app.close())
    return app.routing.bind(app) as unknown as RequestListener
  }
  const hono = () => {
    const app = new Hono<HonoEnv>()
    app.use(keep(honoCache(options)))
    app.get('/page', (c) => c.text(`for ${c.req.query('b')}`))
    return getRequestListener(app.fetch as never)
  }
  const port = await portOf(host === 'Hono' ? hono() : await fastify())
  for (const b of ['ann', 'bob']) expect((await ask(port, `/page?b=${b}`)).text).toBe(`for ${b}`)
  expect((await ask(port, '/page')).text).toBe('for undefined')
})

it('Fastify: a response is for the route that a constraint has chosen', async () => {
  const who = {
    name: 'who',
    storage() {
      const routes = new Map<unknown, never>()
      return {
        get: (value: unknown) => routes.get(value) ?? null,
        set: (value: unknown, route: never) => void routes.set(value, route),
      }
    },
    validate() {},
    deriveConstraint: (request: IncomingMessage) => request.headers['x-who'],
    mustMatchWhenDerived: false,
  }
  const app = createFastify({ constraints: { who } as never })
  await app.register(keep(fastifyCache(OPTIONS)))
  for (const one of ['ann', 'bob']) app.get('/page', { constraints: { who: one } }, async () => `for ${one}`)
  app.get('/page', async () => 'for undefined')
  await app.ready()
  open.push(() => app.close())
  const port = await portOf(app.routing.bind(app) as unknown as RequestListener)
  const seen: unknown[] = []
  for (const one of ['ann', 'bob', undefined, 'ann']) {
    const { text, cacheStatus } = await ask(port, '/page', { fields: one === undefined ? {} : { 'x-who': one } })
    seen.push([text, cacheStatus.hit])
  }
  expect(seen).toEqual([
    ['for ann', false],
    ['for bob', false],
    ['for undefined', false],
    ['for ann', true],
  ])
})

/** How an application of Hono chooses another route, or another status, than the URL says, by a field that no handler reads. */
const CHOSEN_IN_FRONT: Readonly<Record<string, () => Hono<HonoEnv>>> = {
  'the path that getPath makes': () => {
    const app = new Hono<HonoEnv>({ getPath: (request) => `/${request.headers.get('x-who') ?? 'undefined'}` })
    app.use(keep(honoCache(OPTIONS)))
    return app.get('/:who', (c) => c.text(`for ${c.req.param('who')}`))
  },
  'the URL that middleware passes on': () => {
    const [app, inner] = [new Hono<HonoEnv>(), new Hono<HonoEnv>()]
    inner.use(keep(honoCache(OPTIONS)))
    inner.get('/page', (c) => c.text(`for ${c.req.query('who')}`))
    return app.get('/page', (c) =>
      inner.fetch(new Request(`${c.req.url}?who=${c.req.header('x-who')}`), c.env as never),
    )
  },
  'the status of the middleware in front': () => {
    const app = new Hono<HonoEnv>()
    app.use(async (c, next) => {
      c.status(c.req.header('x-who') === 'ann' ? 203 : 200)
      await next()
    })
    app.use(keep(honoCache(OPTIONS)))
    return app.get('/page', (c) => c.body(null))
  },
}

it.each(Object.keys(CHOSEN_IN_FRONT))('Hono: a response is for %s', async (name) => {
  const app = (CHOSEN_IN_FRONT[name] as () => Hono<HonoEnv>)()
  const port = await portOf(getRequestListener(app.fetch as never))
  const seen: unknown[] = []
  for (const who of ['ann', 'bob', undefined, 'ann']) {
    const { status, text } = await ask(port, '/page', { fields: who === undefined ? {} : { 'x-who': who } })
    seen.push(name.includes('status') ? status : text)
  }
  expect(seen).toEqual(
    name.includes('status') ? [203, 200, 200, 203] : ['for ann', 'for bob', 'for undefined', 'for ann'],
  )
})

it.each<[string, (raw: Request, who: string) => Request | undefined]>([
  [
    'set on c.req.raw',
    (raw, who) => {
      raw.headers.set('x-plan', who)
      raw.headers.delete('x-who')
      return undefined
    },
  ],
  ['of a request in its place', (raw, who) => new Request(raw, { headers: { 'x-plan': who } })],
])('Hono: a handler sees the fields that middleware in front has %s, and they select', async (_what, change) => {
  const app = new Hono<HonoEnv>()
  app.use(async (c, next) => {
    c.req.raw = change(c.req.raw, c.req.header('x-who') ?? '') ?? c.req.raw
    await next()
  })
  app.use(keep(honoCache(OPTIONS)))
  app.get('/page', (c) => c.text(`for ${c.req.header('x-plan')}, ${c.req.header('x-who')}`))
  const port = await portOf(getRequestListener(app.fetch as never))
  for (const who of ['ann', 'bob', 'ann']) {
    expect((await ask(port, '/page', { fields: { 'x-who': who } })).text).toBe(`for ${who}, undefined`)
  }
})

interface FieldsOfReply {
  set(name: string, value: string): unknown
  append(name: string, value: string): unknown
  remove(name: string): unknown
  get(name: string): unknown
}

/** What a route does to fields that middleware in front sets for some visitors, and what the visitors then have. */
const FIELD_ACTS: Readonly<Record<string, [(reply: FieldsOfReply) => unknown, (who?: string) => string | undefined]>> =
  {
    'set to the value in front': [(reply) => reply.set('x-lang', 'ann'), () => 'ann'],
    'set to the text undefined': [(reply) => reply.set('x-lang', 'undefined'), () => 'undefined'],
    removed: [(reply) => reply.remove('x-lang'), () => undefined],
    'copied to another one': [
      (reply) => reply.set('x-seen', String(reply.get('x-lang'))),
      (who) => (who === undefined ? undefined : who),
    ],
    'appended to': [(reply) => reply.append('link', '</page>'), (who) => who],
    'appended to and set': [
      (reply) => {
        reply.append('x-lang', 'lost')
        reply.set('x-lang', 'dark')
      },
      () => 'dark',
    ],
    'set and appended to': [
      (reply) => {
        reply.set('x-lang', 'dark')
        reply.append('x-lang', 'quiet')
      },
      () => 'dark, quiet',
    ],
    'removed and appended to': [
      (reply) => {
        reply.append('x-lang', 'lost')
        reply.remove('x-lang')
        reply.append('x-lang', 'dark')
      },
      () => 'dark',
    ],
    'copied after it was appended to': [
      (reply) => {
        reply.append('x-lang', 'dark')
        reply.set('x-seen', String([reply.get('x-lang')].flat().join(', ')))
        reply.set('x-lang', 'dark')
      },
      (who) => (who === undefined ? 'dark' : `${who}, dark`),
    ],
    'put behind a list, and set': [
      (reply) => {
        reply.append('link', '</lost>')
        reply.set('link', '</page>')
      },
      () => '</page>',
    ],
  }

describe.each(['Fastify', 'Hono'])('%s', (host) => {
  const fastify = async (act: (reply: FieldsOfReply) => unknown) => {
    const app = createFastify()
    app.addHook('onRequest', async (request, reply) => {
      const who = request.headers['x-who']
      if (typeof who === 'string') reply.header('x-lang', who).header('link', `</${who}>`)
    })
    await app.register(keep(fastifyCache(OPTIONS)))
    app.get('/page', async (_request, reply) => {
      act({
        set: (name, value) => reply.header(name, value),
        append: (name, value) => reply.header(name, [reply.getHeader(name) ?? [], value].flat()),
        remove: (name) => reply.removeHeader(name),
        get: (name) => reply.getHeader(name),
      })
      return 'page'
    })
    await app.ready()
    open.push(() => app.close())
    return app.routing.bind(app) as unknown as RequestListener
  }
  const hono = (act: (reply: FieldsOfReply) => unknown) => {
    const app = new Hono<HonoEnv>()
    app.use((c, next) => {
      const { 'x-who': who } = c.env.incoming.headers
      if (typeof who === 'string') {
        c.header('x-lang', who)
        c.header('link', `</${who}>`)
      }
      return next()
    })
    app.use(keep(honoCache(OPTIONS)))
    app.get('/page', (c) => {
      act({
        set: (name, value) => c.header(name, value),
        append: (name, value) => c.header(name, value, { append: true }),
        remove: (name) => c.header(name, undefined),
        get: (name) => c.res.headers.get(name) ?? undefined,
      })
      return c.text('page')
    })
    return getRequestListener(app.fetch as never)
  }

  it.each(Object.entries(FIELD_ACTS))(
    'knows by its acts that the route has a field %s',
    async (what, [act, wanted]) => {
      for (const order of [
        [undefined, 'ann', 'bob', undefined],
        ['ann', undefined, 'bob', 'ann'],
      ]) {
        const port = await portOf(host === 'Hono' ? hono(act) : await fastify(act))
        for (const who of order) {
          const got = await ask(port, '/page', { fields: who === undefined ? {} : { 'x-who': who } })
          if (what === 'appended to') {
            expect(got.field('link')).toBe(who === undefined ? '</page>' : `</${who}>, </page>`)
          } else if (what.startsWith('copied')) expect(got.field('x-seen')).toBe(String(wanted(who)))
          else expect(got.field(what.includes('list') ? 'link' : 'x-lang')).toBe(wanted(who))
        }
      }
    },
  )
})

it('Fastify: hands no page to another visitor that contains the id of its request', async () => {
  const app = createFastify({ requestIdHeader: 'x-id' })
  await app.register(keep(fastifyCache(OPTIONS)))
  app.get('/page', async (request) => `for${request.id}`)
  await app.ready()
  open.push(() => app.close())
  const port = await portOf(app.routing.bind(app) as unknown as RequestListener)
  for (const id of ['request-1', 'u-2']) {
    expect((await ask(port, '/page', { fields: { 'x-id': id } })).text).toBe(`for${id}`)
  }
})

describe('Fastify', () => {
  const start = async (
    inFront: (reply: FastifyReply, who: string) => unknown,
    route: (reply: FastifyReply) => unknown,
  ) => {
    const app = createFastify()
    app.addHook('onRequest', async (request, reply) => {
      const who = request.headers['x-who']
      if (typeof who === 'string') inFront(reply, who)
    })
    await app.register(keep(fastifyCache(OPTIONS)))
    app.get('/page', async (_request, reply) => route(reply))
    await app.ready()
    open.push(() => app.close())
    return portOf(app.routing.bind(app) as unknown as RequestListener)
  }

  it('hands no page to another visitor that was serialized by a function made for one', async () => {
    const port = await start(
      (reply, who) => reply.serializer(() => `for ${who}`),
      (reply) => reply.send({ for: 'all' }),
    )
    for (const who of ['ann', 'bob', 'ann', undefined, 'bob', undefined]) {
      const { text } = await ask(port, '/page', { fields: who === undefined ? {} : { 'x-who': who } })
      expect(text).toBe(who === undefined ? '{"for":"all"}' : `for ${who}`)
    }
  })

  it('stores what one serializer of all requests has made', async () => {
    const serialize = () => 'for all'
    const port = await start(
      (reply) => reply.serializer(serialize),
      (reply) => reply.type('text/plain').send({}),
    )
    const hits: unknown[] = []
    for (let at = 0; at < 3; at += 1)
      hits.push((await ask(port, '/page', { fields: { 'x-who': 'ann' } })).cacheStatus.hit)
    expect(hits).toEqual([false, false, true])
  })

  it('sends no field of a hook in front with a reply that the route has hijacked', async () => {
    const port = await start(
      (reply, who) => reply.header('x-lang', who),
      (reply) => {
        reply.hijack()
        reply.raw.end('page')
      },
    )
    for (const who of ['ann', 'ann', 'bob']) {
      expect((await ask(port, '/page', { fields: { 'x-who': who } })).field('x-lang')).toBeUndefined()
    }
  })
})

describe('NestJS', () => {
  /** Decorates the method `show` of a controller. */
  const controller = (type: new (...args: never[]) => { show(): string }, options: ControllerOptions) => {
    Controller(options)(type)
    const method = Object.getOwnPropertyDescriptor(type.prototype, 'show') as PropertyDescriptor
    for (const decorate of [Get(), Cached({ ttl: 60 })]) decorate(type.prototype, 'show', method)
    return type
  }
  const start = async (controllers: Type[], providers: Type[]) => {
    class Application {}
    Module({ imports: [FallbackCacheModule.forRoot()], controllers, providers })(Application)
    const app = await NestFactory.create(Application, { logger: false })
    app.enableVersioning({ type: VersioningType.HEADER, header: 'x-version' })
    await app.listen(0, '127.0.0.1')
    open.push(() => app.close())
    return (app.getHttpServer().address() as AddressInfo).port
  }

  it('warns of an interceptor in front of the cache, and names the remedy', async () => {
    class Adds {
      intercept(_context: unknown, next: CallHandler) {
        return next.handle()
      }
    }
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    open.push(() => warned.mockRestore())
    await start([], [{ provide: APP_INTERCEPTOR, useClass: Adds } as never])
    expect(String(warned.mock.calls)).toMatch(/APP_INTERCEPTOR Adds runs in front .*useGlobalInterceptors/)
  })

  it('hands no page to a visitor for whom another handler, or other providers, were chosen in front', async () => {
    class Visitor {
      readonly who: unknown
      constructor(request: { readonly headers: Record<string, unknown> }) {
        this.who = request.headers['x-who']
      }
    }
    Injectable({ scope: Scope.REQUEST })(Visitor)
    Inject(REQUEST)(Visitor, undefined, 0)
    class Page {
      readonly visitor: Visitor
      constructor(visitor: Visitor) {
        this.visitor = visitor
      }
      show(): string {
        return `for ${this.visitor.who}`
      }
    }
    Inject(Visitor)(Page, undefined, 0)
    const versions = ['1', '2'].map((version) => {
      class Versioned {
        show(): string {
          return `version ${version}`
        }
      }
      return controller(Versioned, { path: 'page', version })
    })
    const port = await start([controller(Page, { path: 'scoped', version: VERSION_NEUTRAL }), ...versions], [Visitor])
    for (const version of ['1', '2', '1', '2']) {
      const got = await ask(port, '/page', { fields: { 'x-version': version } })
      expect(got.text).toBe(`version ${version}`)
    }
    expect((await ask(port, '/page', { fields: { 'x-version': '1' } })).cacheStatus.hit).toBe(true)
    for (const who of ['ann', 'bob']) {
      const got = await ask(port, '/scoped', { fields: { 'x-who': who } })
      expect([got.text, got.cacheStatus.detail]).toEqual([`for ${who}`, 'fields-read'])
    }
  }, 30_000)
})
