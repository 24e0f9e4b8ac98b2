import express, { type Request } from 'express'
import session from 'express-session'
import express4 from 'express4'
import Koa from 'koa'
import Koa2 from 'koa2'
import request from 'supertest'
import { describe, expect, it } from 'vitest'
import { fallbackCache } from '../../src/middleware/express.js'
import { fallbackCache as koaCache } from '../../src/middleware/koa.js'

type Listener = Parameters<typeof request>[0]

/** How authentication in front of the cache says who is asking; the name is a request field that no list knows. */
const WAYS = ['user', 'auth', 'session', 'locals'] as const
type Way = (typeof WAYS)[number]

interface Page {
  readonly name: string
  readonly shared: boolean
}

interface Known {
  readonly name: string
}

function expressApp(make: typeof express, way: Way): Listener {
  const app = make()
  app.use((req, res, next) => {
    const name = req.get('x-who')
    if (name === undefined) return next()
    if (way === 'locals') res.locals.user = { name }
    else Object.assign(req, { [way]: { name } })
    next()
  })
  app.use(fallbackCache({ ttl: 60 }))
  app.get('/:page', (req, res) => {
    // A field that was read behind the cache would select: the name is found in front of it here.
    const { user, auth, session } = req as unknown as { user?: Known; auth?: Known; session?: Known }
    const known = user ?? auth ?? session ?? (res.locals.user as Known | undefined)
    const page: Page = { name: known?.name ?? 'guest', shared: req.params.page === 'shared' }
    if (page.shared) res.set('Cache-Control', 'public')
    res.send(`hi ${page.name}`)
  })
  return app
}

function koaApp(make: typeof Koa): Listener {
  const app = new make()
  app.use((ctx, next) => {
    const name = ctx.get('x-who')
    if (name !== '') ctx.state.user = { name }
    return next()
  })
  app.use(koaCache({ ttl: 60 }))
  app.use((ctx) => {
    if (ctx.path === '/shared') ctx.set('Cache-Control', 'public')
    ctx.body = `hi ${(ctx.state.user as Known | undefined)?.name ?? 'guest'}`
  })
  return app.callback()
}

describe.each([
  ...WAYS.map((way) => ({ host: `Express 5, ${way}`, app: () => expressApp(express, way) })),
  ...WAYS.map((way) => ({ host: `Express 4, ${way}`, app: () => expressApp(express4 as never, way) })),
  { host: 'Koa 3', app: () => koaApp(Koa) },
  { host: 'Koa 2', app: () => koaApp(Koa2 as never) },
])('a visitor whom authentication in front of the cache knows, $host', ({ app }) => {
  it("gets a page of their own, not the guest's that is stored, and guests keep theirs", async () => {
    const listener = app()
    const get = (who?: string) => {
      const asked = request(listener).get('/page').set('Host', 'shop.example')
      return who === undefined ? asked : asked.set('x-who', who)
    }
    expect((await get()).text).toBe('hi guest')
    const ann = await get('ann')
    expect(ann.text).toBe('hi ann')
    expect(ann.headers['cache-status']).toContain('fwd=bypass; ')
    expect((await get('bob')).text).toBe('hi bob')
    const guest = await get()
    expect(guest.text).toBe('hi guest')
    expect(guest.headers['cache-status']).toContain('hit')
  })

  it('gets what is stored when it says that it is for everybody', async () => {
    const listener = app()
    const get = () => request(listener).get('/shared').set('Host', 'shop.example')
    await get()
    const ann = await get().set('x-who', 'ann')
    expect(ann.text).toBe('hi guest')
    expect(ann.headers['cache-status']).toContain('hit')
  })
})

class Hidden {
  readonly #name: string
  constructor(name: string) {
    this.#name = name
  }
  get name(): string {
    return this.#name
  }
}

it.each<[string, (name: string) => object, (req: Request) => unknown]>([
  ['a session that is a text', (name) => ({ session: name }), (req) => Reflect.get(req, 'session')],
  [
    'a session that is a Map',
    (name) => ({ session: new Map([['name', name]]) }),
    (req) => (Reflect.get(req, 'session') as unknown as Map<string, string>).get('name'),
  ],
  [
    'a session with private fields',
    (name) => ({ session: new Hidden(name) }),
    (req) => Reflect.get(req, 'session').name,
  ],
  [
    'a session that inherits its data',
    (name) => ({ session: Object.create({ name }) }),
    (req) => Reflect.get(req, 'session').name,
  ],
  ['req.auth, a text', (name) => ({ auth: name }), (req) => Reflect.get(req, 'auth')],
  ['req.auth, with private fields', (name) => ({ auth: new Hidden(name) }), (req) => Reflect.get(req, 'auth').name],
  ['req.auth, a function', (name) => ({ auth: () => ({ name }) }), (req) => Reflect.get(req, 'auth')().name],
])('a visitor gets no page of another one whom authentication knows by %s', async (_what, known, read) => {
  const app = express()
  app.use((req, _res, next) => {
    Object.assign(req, known(req.get('x-who') ?? 'guest'))
    next()
  })
  app.use(fallbackCache({ ttl: 60 }))
  app.get('/page', (req, res) => void res.send(`hi ${read(req)}`))
  for (const who of ['ann', 'bob', 'ann']) {
    expect((await request(app).get('/page').set('Host', 'shop.example').set('x-who', who)).text).toBe(`hi ${who}`)
  }
})

it.each<[string, (req: Request) => string]>([
  ['what it has stored under a name with an underscore', ({ session }) => Reflect.get(session, '_csrfSecret')],
  ['the identifier of a session without data', ({ session }) => session.id],
])('a page with %s is made for each visitor, if the session is made in front of the cache', async (what, read) => {
  const app = express()
  app.use(session({ secret: 'x', resave: false, saveUninitialized: false }))
  app.use(fallbackCache({ ttl: 60 }))
  app.get('/page', (req, res) => {
    if (what.includes('stored')) Object.assign(req.session, { _csrfSecret: `secret of ${req.session.id}` })
    res.send(`token: ${read(req)}`)
  })
  const get = async () => (await request(app).get('/page').set('Host', 'shop.example')).text
  expect(await get()).not.toBe(await get())
})
