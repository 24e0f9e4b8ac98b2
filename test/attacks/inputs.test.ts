import { inspect } from 'node:util'
import express5, { type Request } from 'express'
import express4 from 'express4'
import Koa, { type Context } from 'koa'
import Koa2 from 'koa2'
import { describe, expect, it } from 'vitest'
import { fallbackCache } from '../../src/middleware/express.js'
import { fallbackCache as koaCache } from '../../src/middleware/koa.js'
import { ask } from '../middleware/hosts/client.js'
import { listen } from '../middleware/hosts/listen.js'
import { raw, lines as requestOf } from './raw.js'

/** Names of cookies and fields that no list knows. */
const COOKIES = [
  'tenant',
  'uid',
  'cart',
  'org_id',
  'theme',
  'warenkorb',
  'コ',
  'a.b',
  '$x',
  '_ga',
  'constructor',
  'toString',
]
const FIELDS = [
  'x-org',
  'x-roles',
  'accept-language',
  'user-agent',
  'x-forwarded-for',
  'origin',
  'referer',
  'forwarded',
  'accept',
  'x-b3-traceid',
]

/** Ways to get at a field from what Express hands on. */
const EXPRESS_WAYS: Readonly<Record<string, (req: Request, name: string) => unknown>> = {
  'headers[name]': (req, name) => req.headers[name],
  'req.get': (req, name) => req.get(name),
  'req.header, in capitals': (req, name) => req.header(name.toUpperCase()),
  spread: (req, name) => ({ ...req.headers })[name],
  'Object.entries': (req, name) => Object.entries(req.headers).find(([own]) => own === name)?.[1],
  'for in': (req, name) => {
    for (const own in req.headers) if (own === name) return req.headers[own]
    return undefined
  },
  'util.inspect': (req) => inspect(req.headers),
  JSON: (req, name) => JSON.parse(JSON.stringify(req.headers))[name],
  descriptors: (req, name) => Object.getOwnPropertyDescriptor(req.headers, name)?.value,
  in: (req, name) => name in req.headers && Object.values(req.headers).join(),
  rawHeaders: (req, name) => req.rawHeaders.find((_, at) => req.rawHeaders[at - 1]?.toLowerCase() === name),
  'rawHeaders, destructured': ({ rawHeaders: [...raw] }, name) =>
    raw.find((_, at) => raw[at - 1]?.toLowerCase() === name),
  headersDistinct: (req, name) => req.headersDistinct[name]?.join(),
  'Object.assign': (req, name) => Object.assign({}, req.headers)[name],
  'new Map': (req, name) => new Map(Object.entries(req.headers)).get(name),
  Reflect: (req, name) => Reflect.get(req.headers, name),
  res: (req, name) => req.res?.req.headers[name],
}

const KOA_WAYS: Readonly<Record<string, (ctx: Context, name: string) => unknown>> = {
  'ctx.get': (ctx, name) => ctx.get(name),
  'ctx.headers': (ctx, name) => ctx.headers[name],
  'ctx.request.header': (ctx, name) => ctx.request.header[name],
  'ctx.req.headers': (ctx, name) => ctx.req.headers[name],
  spread: (ctx, name) => ({ ...ctx.headers })[name],
  'util.inspect': (ctx) => inspect(ctx.headers),
  'ctx.request.toJSON': (ctx, name) => JSON.parse(JSON.stringify(ctx.request)).header[name],
  rawHeaders: (ctx, name) => ctx.req.rawHeaders.find((_, at) => ctx.req.rawHeaders[at - 1]?.toLowerCase() === name),
}

async function isTold(
  app: { handle: Parameters<typeof listen>[0] },
  path: string,
  fieldsOf: (who: string) => Record<string, string>,
) {
  const running = await listen(app.handle)
  try {
    for (const who of ['ann', 'bob', 'ann', 'cat']) {
      const got = await ask(running.port, path, { fields: fieldsOf(who) })
      expect(got.text).toContain(who)
      for (const other of ['ann', 'bob', 'cat']) if (other !== who) expect(got.text).not.toContain(other)
    }
    const guest = await ask(running.port, path)
    expect(guest.text).toContain('for')
    expect(guest.text).not.toMatch(/ann|bob|cat/)
  } finally {
    await running.close()
  }
}

describe.each([
  ['Express 5', express5],
  ['Express 4', express4 as unknown as typeof express5],
])('%s', (_, make) => {
  for (const [way, read] of Object.entries(EXPRESS_WAYS)) {
    it(`hands no page of Ann to Bob whose field was read by ${way}`, async () => {
      for (const name of [...FIELDS, 'cookie']) {
        const app = make()
        app.use(fallbackCache({ ttl: 60 }))
        app.get('/page', (req, res) => void res.send(`for ${read(req, name)}`))
        await isTold({ handle: app }, '/page', (who) => ({ [name]: name === 'cookie' ? `any=${who}` : who }))
      }
    })
  }
})

describe.each([
  ['Koa 3', Koa],
  ['Koa 2', Koa2 as unknown as typeof Koa],
])('%s', (_, make) => {
  for (const [way, read] of Object.entries(KOA_WAYS)) {
    it(`hands no page of Ann to Bob whose field was read by ${way}`, async () => {
      for (const name of [...FIELDS, 'cookie']) {
        const app = new make()
        app.use(koaCache({ ttl: 60 }))
        app.use((ctx) => {
          ctx.body = `for ${read(ctx, name)}`
        })
        await isTold({ handle: app.callback() }, '/page', (who) => ({ [name]: name === 'cookie' ? `any=${who}` : who }))
      }
    })
  }

  it('hands no page of Ann to Bob that was made from a cookie of any name', async () => {
    for (const name of COOKIES.filter((one) => /^[\w.$]+$/.test(one))) {
      const app = new make()
      app.use(koaCache({ ttl: 60 }))
      app.use((ctx) => {
        ctx.body = `for ${ctx.cookies.get(name)}`
      })
      await isTold({ handle: app.callback() }, '/page', (who) => ({ cookie: `x=1; ${name}=${who}; y=2` }))
    }
  })
})

describe('lines that headers joins, or of which it drops all but the first', () => {
  it.each(['user-agent', 'referer', 'host', 'x-org', 'set-cookie'])('are told apart for %s', async (name) => {
    const app = express5().use(fallbackCache({ ttl: 60 }))
    app.get('/', (req, res) => void res.json(req.headersDistinct[name] ?? []))
    app.get('/lines', (req, res) => void res.json(req.headers[name] ?? 'none'))
    const running = await listen(app)
    const told = async (path: string, ...lines: string[]) => {
      const fields = [...(name === 'host' ? [] : ['Host: x']), ...lines.map((line) => `${name}: ${line}`)]
      const got = await raw(running.port, requestOf(`GET ${path} HTTP/1.1`, ...fields))
      return { text: got.split('\r\n\r\n')[1] ?? '', isHit: got.includes('; hit') }
    }
    for (const lines of [['a'], ['a', 'b'], ['a, b'], ['a'], ['a', 'b']]) {
      expect(JSON.parse((await told('/', ...lines)).text)).toEqual(lines)
    }
    expect((await told('/', 'a')).isHit).toBe(true)
    if (name === 'set-cookie') {
      for (const lines of [['a, b'], ['a', 'b']])
        expect(JSON.parse((await told('/lines', ...lines)).text)).toEqual(lines)
    }
    await running.close()
  })
})

describe.each([
  ['observed', {}],
  ['not observed', { inputs: false }],
] as const)('Vary that private="vary" keeps out of the store, with inputs %s', (_, options) => {
  it.each(['origin', 'accept-encoding', 'x-lang'])('still selects by %s', async (name) => {
    const cached = fallbackCache({ ttl: 60, ...options })
    const app = express5().use(cached)
    app.get('/', (req, res) => {
      res.set({ Vary: name, 'Cache-Control': 'max-age=60, private="vary"' }).send(`for ${req.get(name)}`)
    })
    const running = await listen(app)
    for (const who of ['ann', 'bob', 'ann']) {
      expect((await ask(running.port, '/', { fields: { [name]: who } })).text).toBe(`for ${who}`)
    }
    await running.close()
    await cached.close()
  })
})

describe('fields that middleware in front has put in an object of its own', () => {
  it.each<[string, (req: Request) => object, (headers: object) => unknown]>([
    ['inherited', ({ headers }) => Object.create(headers), (headers) => Reflect.get(headers, 'x-who')],
    [
      'behind a method',
      ({ headers }) => Object.create({ of: (name: string) => headers[name] }),
      (headers) => (headers as { of(name: string): unknown }).of('x-who'),
    ],
    [
      'in a Headers',
      ({ headers }) => new Headers({ 'x-who': String(headers['x-who']) }),
      (headers) => (headers as Headers).get('x-who'),
    ],
  ])('reach no other visitor, %s', async (_, put, read) => {
    for (const order of [
      ['undefined', 'ann', 'bob'],
      ['ann', 'undefined', 'bob'],
    ]) {
      const app = express5()
      app.use((req, _res, next) => {
        Object.assign(req, { headers: put(req) })
        next()
      })
      app.use(fallbackCache({ ttl: 60 }))
      app.get('/', (req, res) => void res.send(`for ${read(req.headers)}`))
      const running = await listen(app)
      for (const who of [...order, ...order]) {
        const got = await ask(running.port, '/', { fields: who === 'undefined' ? {} : { 'x-who': who } })
        expect(got.text).toBe(`for ${who}`)
      }
      await running.close()
    }
  })
})
