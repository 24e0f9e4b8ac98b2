import type { IncomingMessage, ServerResponse } from 'node:http'
import express, { type Request, type Response } from 'express'
import Koa, { type Context } from 'koa'
import { afterEach, describe, expect, it } from 'vitest'
import { fallbackCache } from '../../src/middleware/express.js'
import { fallbackCache as koaCache } from '../../src/middleware/koa.js'
import { ask } from '../middleware/hosts/client.js'
import { listen } from '../middleware/hosts/listen.js'

// Middleware in front of the cache leaves objects whose names do not tell that they are about the visitor.

const open: (() => unknown)[] = []

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close()
})

type Get = (who: string) => Promise<{ readonly text: string; readonly isHit: boolean }>

/** What middleware in front makes of the name of a visitor, and what a handler makes of that. */
type Leave = (who: string) => unknown
type Read = (left: never) => unknown

const EXPRESS_PLACES: Readonly<
  Record<
    string,
    [put: (req: Request, res: Response, left: unknown) => void, get: (req: Request, res: Response) => unknown]
  >
> = {
  'req.thing': [(req, _, thing) => Object.assign(req, { thing }), (req) => Reflect.get(req, 'thing')],
  'res.thing': [(_, res, thing) => Object.assign(res, { thing }), (_, res) => Reflect.get(res, 'thing')],
  'res.locals.thing': [(_, res, thing) => Object.assign(res.locals, { thing }), (_, res) => res.locals.thing],
  'res.locals, copied': [
    (_, res, thing) => Object.assign(res.locals, { thing }),
    (_, res) => ({ ...res.locals }).thing,
  ],
  'req.body.thing': [
    (req, _, thing) => Object.assign(req, { body: { thing } }),
    (req) => (req.body as { thing: unknown }).thing,
  ],
  'req.query.thing': [
    (req, _, thing) =>
      Object.defineProperty(req, 'query', { value: { ...req.query, thing }, writable: true, configurable: true }),
    (req) => req.query.thing,
  ],
  'res.locals.thing, inherited': [
    (_, res, thing) => {
      res.locals = Object.create({ thing })
    },
    (_, res) => res.locals.thing,
  ],
  'req.thing, a getter': [
    (req, _, thing) => Object.defineProperty(req, 'thing', { get: () => thing, configurable: true }),
    (req) => Reflect.get(req, 'thing'),
  ],
  'req.thing, fixed': [
    (req, _, thing) => Object.defineProperty(req, 'thing', { value: thing }),
    (req) => Reflect.get(req, 'thing'),
  ],
}

const KOA_PLACES: Readonly<
  Record<string, [put: (ctx: Context, left: unknown) => void, get: (ctx: Context) => unknown]>
> = {
  'ctx.thing': [(ctx, thing) => Object.assign(ctx, { thing }), (ctx) => ctx.thing],
  'ctx.state.thing': [(ctx, thing) => Object.assign(ctx.state, { thing }), (ctx) => ctx.state.thing],
  'ctx.request.thing': [
    (ctx, thing) => Object.assign(ctx.request, { thing }),
    (ctx) => Reflect.get(ctx.request, 'thing'),
  ],
  'ctx.request.body.thing': [
    (ctx, thing) => Object.assign(ctx.request, { body: { thing } }),
    (ctx) => (Reflect.get(ctx.request, 'body') as { thing: unknown }).thing,
  ],
  'ctx.query.thing': [(ctx, thing) => Object.assign(ctx.query, { thing }), (ctx) => ctx.query.thing],
  'ctx.state.thing, inherited': [
    (ctx, thing) => {
      ctx.state = Object.create({ thing })
    },
    (ctx) => ctx.state.thing,
  ],
  'ctx.req.thing': [(ctx, thing) => Object.assign(ctx.req, { thing }), (ctx) => Reflect.get(ctx.req, 'thing')],
}

const hosts: readonly [string, (leave: Leave, read: Read) => Promise<Get>][] = [
  ...Object.entries(EXPRESS_PLACES).map(([place, [put, get]]): [string, (leave: Leave, read: Read) => Promise<Get>] => [
    place,
    (leave, read) => {
      const app = express()
      const cached = fallbackCache({ ttl: 60 })
      open.push(() => cached.close())
      app.use((req, res, next) => {
        put(req, res, leave(req.get('x-who') ?? ''))
        next()
      })
      app.use(cached)
      app.get('/page', (req, res) => void res.send(`for ${read(get(req, res) as never)}`))
      return visiting(app)
    },
  ]),
  ...Object.entries(KOA_PLACES).map(([place, [put, get]]): [string, (leave: Leave, read: Read) => Promise<Get>] => [
    place,
    (leave, read) => {
      const app = new Koa()
      const cached = koaCache({ ttl: 60 })
      open.push(() => cached.close())
      app.use((ctx, next) => {
        put(ctx, leave(ctx.get('x-who')))
        return next()
      })
      app.use(cached)
      app.use((ctx) => {
        ctx.body = `for ${read(get(ctx) as never)}`
      })
      return visiting(app.callback())
    },
  ]),
]

async function visiting(handle: Parameters<typeof listen>[0]): Promise<Get> {
  const running = await listen(handle)
  open.push(() => running.close())
  return async (who) => {
    const got = await ask(running.port, '/page', { fields: { 'x-who': who } })
    return { text: got.text, isHit: got.cacheStatus.hit === true }
  }
}

/** An object that does not show what it is about. */
class Device {
  readonly #who: string
  constructor(who: string) {
    this.#who = who
  }
  get name(): string {
    return this.#who
  }
}

const COMPARED: Readonly<Record<string, [Leave, Read]>> = {
  'a plain object': [(who) => ({ name: who }), (thing: { name: string }) => thing.name],
  'an object in an object': [(who) => ({ of: { name: who } }), (thing: { of: { name: string } }) => thing.of.name],
  'a list': [(who) => [who], (thing: string[]) => thing[0]],
  'an object with a date and a URL': [
    (who) => ({ at: new Date(`${who.length + 2000}-01-01`), of: new URL(`http://${who}.example`) }),
    (thing: { of: URL }) => thing.of.hostname.split('.')[0],
  ],
}

/** Objects whose JSON is the same for all, or is that of another one. */
const ALIKE: Readonly<Record<string, [Leave, Read]>> = {
  'an object that ends earlier': [
    (who) => (who === 'ann' ? { a: { b: 1 }, c: 2 } : { a: { b: 1, c: 2 } }),
    (thing: { c?: number }) => (thing.c === 2 ? 'ann' : 'other'),
  ],
  'a list that ends earlier': [
    (who) => (who === 'ann' ? [[1], 2] : [[1, 2]]),
    (thing: unknown[]) => (thing.length === 2 ? 'ann' : 'other'),
  ],
  'a hidden property': [
    (who) => Object.defineProperty({}, 'name', { value: who === 'ann' ? 'ann' : 'other' }),
    (thing: { name: string }) => thing.name,
  ],
  'a property under a symbol': [
    (who) => ({ [Symbol.for('name')]: who === 'ann' ? 'ann' : 'other' }),
    (thing: object) => Reflect.get(thing, Symbol.for('name')),
  ],
  'a list with a hole and a property': [
    (who) => Object.assign(new Array(1), { name: who === 'ann' ? 'ann' : 'other' }),
    (thing: { name: string }) => thing.name,
  ],
  'the same properties in another order': [
    (who) => (who === 'ann' ? { a: 1, b: 2 } : { b: 2, a: 1 }),
    (thing: object) => (Object.keys(thing)[0] === 'a' ? 'ann' : 'other'),
  ],
  'an object without a prototype': [
    (who) => (who === 'ann' ? Object.create(null) : {}),
    (thing: object) => ('toString' in thing ? 'other' : 'ann'),
  ],
  'a symbol': [(who) => Symbol(who === 'ann' ? 'ann' : 'other'), (thing: symbol) => thing.description],
  'a date, and a text of it': [
    (who) => (who === 'ann' ? [new Date(0)] : [new Date(0).toJSON()]),
    ([thing]: unknown[]) => (typeof thing === 'object' ? 'ann' : 'other'),
  ],
  'a toJSON that omits the name': [
    (who) => ({ name: who === 'ann' ? 'ann' : 'other', toJSON: () => ({ of: 'all' }) }),
    (thing: { name: string }) => thing.name,
  ],
  'a toJSON that returns what another one has': [
    (who) => (who === 'ann' ? { of: 'all' } : Object.assign(new Device('other'), { toJSON: () => ({ of: 'all' }) })),
    (thing: { name?: string }) => thing.name ?? 'ann',
  ],
}

const NOT_COMPARED: Readonly<Record<string, [Leave, Read]>> = {
  'an instance of a class': [(who) => new Device(who), (thing: Device) => thing.name],
  'an object with functions': [(who) => ({ nameOf: () => who }), (thing: { nameOf(): string }) => thing.nameOf()],
  'a Map': [(who) => new Map([['name', who]]), (thing: Map<string, string>) => thing.get('name')],
  'an object with thousands of values': [
    (who) => ({ all: Array.from({ length: 5_000 }, (_, at) => at), name: who }),
    (thing: { name: string }) => thing.name,
  ],
}

/** One for each way in which objects are compared. */
const PLACES_OF_ALIKE: ReadonlySet<string> = new Set(['req.thing', 'req.body.thing', 'ctx.state.thing'])

const VISITORS = ['ann', 'bob', 'ann', 'cat', 'bob', 'ann', 'dan', 'cat']

describe.each(hosts)('at %s', (place, start) => {
  it.each(Object.entries(COMPARED))('%s selects the response by its content', async (_what, [leave, read]) => {
    const get = await start(leave, read)
    for (const who of VISITORS) expect((await get(who)).text).toBe(`for ${who}`)
    expect((await get('ann')).isHit).toBe(true)
  })

  it.runIf(PLACES_OF_ALIKE.has(place)).each(Object.entries(ALIKE))(
    '%s reaches no other visitor',
    async (_what, [leave, read]) => {
      const get = await start(leave, read)
      for (const who of VISITORS) expect((await get(who)).text).toBe(`for ${who === 'ann' ? 'ann' : 'other'}`)
    },
  )

  it.each(Object.entries(NOT_COMPARED))(
    '%s, another one for each request, reaches no other visitor',
    async (_what, [leave, read]) => {
      const get = await start(leave, read)
      for (const who of VISITORS) expect((await get(who)).text).toBe(`for ${who}`)
    },
  )

  // What is put where a body or a query is can be compared, or the request bypasses the cache.
  const isKept = !/body|query/.test(place)

  it.runIf(isKept)('an object for each tenant selects the response', async () => {
    const tenants = new Map(['ann', 'bob', 'cat', 'dan'].map((who) => [who, new Device(who)]))
    const get = await start(
      (who) => tenants.get(who),
      (thing: Device) => thing.name,
    )
    for (const who of [...VISITORS, ...VISITORS]) expect((await get(who)).text).toBe(`for ${who}`)
    expect((await get('bob')).isHit).toBe(true)
  })

  it.runIf(isKept)('a service that all requests share costs no hit', async () => {
    const service = new Device('all')
    const get = await start(
      () => service,
      (thing: Device) => thing.name,
    )
    await get('ann')
    expect(await get('bob')).toEqual({ text: 'for all', isHit: true })
  })

  it('an object that the handler changes counts as it was', async () => {
    const get = await start(
      (who) => ({ visits: who === 'ann' ? 0 : 1 }),
      (thing: { visits: number }) => {
        const text = `visit ${thing.visits}`
        thing.visits += 1
        return text
      },
    )
    expect([(await get('ann')).text, (await get('bob')).text]).toEqual(['for visit 0', 'for visit 1'])
  })
})

it('an object with a toJSON of its own is compared by it if vary names the object', async () => {
  const cached = fallbackCache({ ttl: 60, vary: ['req:thing'] })
  open.push(() => cached.close())
  const app = express()
  app.use((req, _res, next) => {
    const who = req.get('x-who') ?? ''
    Object.assign(req, { thing: Object.assign(new Device(who), { toJSON: () => ({ who }) }) })
    next()
  })
  app.use(cached)
  app.get('/page', (req, res) => void res.send(`for ${Reflect.get(req, 'thing').name}`))
  const get = await visiting(app)
  for (const who of VISITORS) expect((await get(who)).text).toBe(`for ${who}`)
  expect((await get('ann')).isHit).toBe(true)
})

it('a warning tells of an object that nearly every request makes again, and inputs.ignore lets it be', async () => {
  const warned: string[] = []
  const note = (warning: Error) => warned.push(warning.message)
  process.on('warning', note)
  open.push(() => process.off('warning', note))
  for (const ignore of [[], ['req:scope']]) {
    const cached = fallbackCache({ ttl: 60, inputs: { ignore } })
    open.push(() => cached.close())
    const app = express()
    app.use((req, _res, next) => {
      Object.assign(req, { scope: new Device('any') })
      next()
    })
    app.use(cached)
    app.get('/page', (req, res) => void res.send(`for ${Reflect.get(req, 'scope').name}`))
    const get = await visiting(app)
    const hits = [await get('ann'), await get('bob'), await get('cat')].map(({ isHit }) => isHit)
    expect(hits).toEqual(ignore.length === 0 ? [false, false, false] : [false, true, true])
  }
  expect(warned.join('\n')).toMatch(/req\.scope.*another object for each request.*"req:scope" in inputs\.ignore/)
})

describe('what cannot be replaced or copied works as without the cache', () => {
  const fix = (object: object, name: string) =>
    Object.defineProperty(object, name, { value: Reflect.get(object, name) })
  it.each<[string, (req: Request, res: Response, who: string) => unknown, (req: Request, res: Response) => unknown]>([
    [
      'req.cookies, a Map',
      (req, _res, who) => Object.assign(req, { cookies: new Map([['theme', who]]) }),
      (req) => (req.cookies as Map<string, string>).get('theme'),
    ],
    [
      'req.cookies with private fields',
      (req, _res, who) => Object.assign(req, { cookies: new Jar(who) }),
      (req) => (req.cookies as Jar).get(),
    ],
    [
      'req.cookies, a getter',
      (req, _res, theme) => Object.defineProperty(req, 'cookies', { get: () => ({ theme }), configurable: true }),
      (req) => (req.cookies as { theme: string }).theme,
    ],
    [
      'res.locals, a Map',
      (_req, res, who) => Object.assign(res, { locals: new Map([['theme', who]]) }),
      (_req, res) => (res.locals as unknown as Map<string, string>).get('theme'),
    ],
    [
      'res.locals, a getter',
      (_req, res, theme) => Object.defineProperty(res, 'locals', { get: () => ({ theme }), configurable: true }),
      (_req, res) => res.locals.theme,
    ],
    ['req.headers', (req) => fix(req, 'headers'), (req) => req.headers['x-who']],
    ['req.rawHeaders', (req) => fix(req, 'rawHeaders'), (req) => req.headers['x-who']],
    ['res.writeHead', (_req, res) => fix(res, 'writeHead'), (req) => req.headers['x-who']],
    ['res.write', (_req, res) => fix(res, 'write'), (req) => req.headers['x-who']],
    ['res.end', (_req, res) => fix(res, 'end'), (req) => req.headers['x-who']],
  ])('%s', async (_what, put, read) => {
    const cached = fallbackCache({ ttl: 60 })
    open.push(() => cached.close())
    const app = express()
    app.use((req, res, next) => {
      put(req, res, req.get('x-who') ?? '')
      next()
    })
    app.use(cached)
    app.get('/page', (req, res) => {
      res.write('for ')
      res.end(String(read(req, res)))
    })
    const get = await visiting(app)
    for (const who of VISITORS) expect((await get(who)).text).toBe(`for ${who}`)
  })
})

describe('what cannot get properties works as without the cache, for each visitor', () => {
  const koa = (sealed: (ctx: Context) => object) => {
    const cached = koaCache({ ttl: 60 })
    open.push(() => cached.close())
    const app = new Koa()
    app.use((ctx, next) => {
      Object.preventExtensions(sealed(ctx))
      return next()
    })
    app.use(cached)
    app.use((ctx) => {
      ctx.body = `for ${ctx.get('x-who')}`
    })
    return app.callback()
  }
  const node = (sealed: (req: IncomingMessage) => object) => {
    const cached = fallbackCache({ ttl: 60 })
    open.push(() => cached.close())
    return (req: IncomingMessage, res: ServerResponse) => {
      Object.preventExtensions(sealed(req))
      cached(req, res, () => void res.end(`for ${req.headers['x-who']}`))
    }
  }
  it.each([
    ['a context of Koa', koa((ctx) => ctx)],
    ['a request of Koa', koa((ctx) => ctx.request)],
    // Node.js itself can answer such a request if it has a listener.
    ['a request of Node.js, in Koa', koa((ctx) => ctx.req.on('error', () => {}))],
    ['a request of Node.js', node((req) => req.on('error', () => {}))],
  ])('%s', async (_what, handle) => {
    const get = await visiting(handle)
    for (const who of VISITORS) expect((await get(who)).text).toBe(`for ${who}`)
  })
})

it.each<[string, (req: Request, res: Response, who: string) => unknown, (req: Request) => unknown]>([
  [
    'headersDistinct',
    (req, _res, who) => {
      if (who !== 'guest') req.headersDistinct['x-own'] = [who]
    },
    (req) => req.headersDistinct['x-own'] ?? 'guest',
  ],
  [
    'the hash of a parsed URL',
    (req, _res, hash) => Object.assign(parsedOf(req), { hash }),
    (req) => parsedOf(req).hash,
  ],
  [
    'the query of a parsed URL',
    (req, _res, who) => Object.assign(parsedOf(req), { query: `who=${who}` }),
    (req) => req.query.who,
  ],
])('%s is as middleware in front has changed it', async (_what, change, read) => {
  const cached = fallbackCache({ ttl: 60 })
  open.push(() => cached.close())
  const app = express()
  app.use((req, res, next) => {
    change(req, res, req.get('x-who') ?? '')
    next()
  })
  app.use(cached)
  app.get('/page', (req, res) => void res.send(`for ${read(req)}`))
  const get = await visiting(app)
  for (const who of ['guest', ...VISITORS, 'guest']) expect((await get(who)).text).toBe(`for ${who}`)
})

function parsedOf(req: Request): { hash?: unknown } {
  return Reflect.get(req, '_parsedUrl')
}

it('a setHeader that middleware in front has replaced is not called again for the fields of a hit', async () => {
  const cached = fallbackCache({ ttl: 60 })
  open.push(() => cached.close())
  const app = express()
  app.use((_req, res, next) => {
    const { setHeader } = res
    res.setHeader = (name, value) => setHeader.call(res, name, name === 'X-Lang' ? `${value}!` : value)
    next()
  })
  app.use(cached)
  app.get('/page', (_req, res) => void res.set('X-Lang', 'de').send('page'))
  const running = await listen(app)
  open.push(() => running.close())
  for (const hit of [false, true]) {
    const got = await ask(running.port, '/page')
    expect([got.cacheStatus.hit, got.field('x-lang')]).toEqual([hit, 'de!'])
  }
})

it.each<[string, (app: express.Express, kept: WeakMap<object, string>) => void]>([
  ['app.request', (app, kept) => defineVisitor(app.request, (req) => kept.get(req))],
])('a getter of %s selects by its value, wherever it finds that', async (_what, define) => {
  const cached = fallbackCache({ ttl: 60 })
  open.push(() => cached.close())
  const app = express()
  const kept = new WeakMap<object, string>()
  define(app, kept)
  app.use((req, _res, next) => {
    kept.set(req, req.get('x-who') ?? '')
    next()
  })
  app.use(cached)
  app.get('/page', (req, res) => void res.send(`for ${Reflect.get(req, 'visitor')}`))
  const get = await visiting(app)
  for (const who of VISITORS) expect((await get(who)).text).toBe(`for ${who}`)
  expect((await get('ann')).isHit).toBe(true)
})

it('a getter of app.context selects by its value, and a method of Koa that was replaced counts when it is called', async () => {
  for (const read of [(ctx: Context) => ctx.visitor, (ctx: Context) => ctx.get('x-any')]) {
    const cached = koaCache({ ttl: 60 })
    open.push(() => cached.close())
    const app = new Koa()
    const kept = new WeakMap<object, string>()
    defineVisitor(app.context, (ctx) => kept.get(ctx))
    app.use((ctx, next) => {
      const who = ctx.get('x-who')
      kept.set(ctx, who)
      Object.assign(ctx, { get: () => who })
      return next()
    })
    app.use(cached)
    app.use((ctx) => {
      ctx.body = `for ${read(ctx)}`
    })
    const get = await visiting(app.callback())
    for (const who of VISITORS) expect((await get(who)).text).toBe(`for ${who}`)
  }
})

function defineVisitor(prototype: object, find: (object: object) => unknown): void {
  Object.defineProperty(prototype, 'visitor', {
    get(this: object) {
      return find(this)
    },
  })
}

class Jar {
  readonly #who: string
  constructor(who: string) {
    this.#who = who
  }
  get(): string {
    return this.#who
  }
}
