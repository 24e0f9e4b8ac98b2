import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { connect, createServer as createHttp2Server, type Http2ServerRequest } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import express5, { type Express, type Request } from 'express'
import createExpress4 from 'express4'
import Koa from 'koa'
import Koa2 from 'koa2'
import { afterEach, describe, expect, it } from 'vitest'
import { fallbackCache } from '../../src/middleware/express.js'
import { fallbackCache as koaCache } from '../../src/middleware/koa.js'
import { listen } from '../middleware/hosts/listen.js'
import { lines, raw } from './raw.js'

const open: { close(): unknown }[] = []

afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})

/** Everything of a request's origin that a handler can print. */
function seenByExpress(request: Request): object {
  const { headers, hostname, protocol, secure } = request
  const { host, 'x-forwarded-host': forwardedHost, 'x-forwarded-proto': forwardedProto } = headers
  return { host, authority: headers[':authority'], forwardedHost, forwardedProto, hostname, protocol, secure }
}

type Place = 'middleware' | 'front' | 'nowhere'

function inExpress(create: () => Express, place: Place, trust: boolean): RequestListener {
  const app = create()
  const cached = fallbackCache({ ttl: 60 })
  open.push(cached)
  app.set('trust proxy', trust)
  if (place !== 'nowhere') app.use(cached)
  app.get('/page', (req, res) => void res.json(seenByExpress(req)))
  return place === 'front' ? cached.listener(app) : app
}

function inKoa(KoaApplication: typeof Koa, place: Place, trust: boolean): RequestListener {
  const app = new KoaApplication({ proxy: trust })
  const cached = koaCache({ ttl: 60 })
  open.push(cached)
  if (place !== 'nowhere') app.use(cached)
  app.use((ctx) => {
    const { host, 'x-forwarded-host': forwardedHost, 'x-forwarded-proto': forwardedProto } = ctx.headers
    const { hostname, protocol, secure, origin } = ctx
    const authority = ctx.headers[':authority']
    ctx.body = { host, authority, forwardedHost, forwardedProto, hostname, protocol, secure, origin, of: ctx.host }
  })
  return place === 'front' ? cached.listener(app) : app.callback()
}

const applications: Readonly<Record<string, (place: Place, trust: boolean) => RequestListener>> = {
  'Express 5': (place, trust) => inExpress(express5, place, trust),
  'Express 4': (place, trust) => inExpress(createExpress4, place, trust),
  'Koa 3': (place, trust) => inKoa(Koa, place, trust),
  'Koa 2': (place, trust) => inKoa(Koa2 as unknown as typeof Koa, place, trust),
}

const victim = ['Host: shop.example']

/** Requests that an application may read as one for shop.example, or print. */
const attackers: readonly (readonly string[])[] = [
  ['Host: a@shop.example'],
  ['Host: a@shop.example/"><script>'],
  ['Host: shop.example,"><script>'],
  ['Host: shop.example,evil.example'],
  ['Host: shop.example/evil'],
  ['Host: shop.example?evil'],
  ['Host: shop.example:80'],
  ['Host: shop.example:'],
  ['Host: shop.example:80@evil.example'],
  ['Host: shop.example.'],
  ['Host: Shop.Example'],
  ['Host: shop.example\t'],
  ['Host: shop.example"'],
  ['Host: shop%2eexample'],
  ['Host: sh\u00f6p.example'],
  ['Host: [::1]'],
  ['Host: [::1]"><script>'],
  ['Host:'],
  ['Host: shop.example', 'X-Forwarded-Host: evil.example'],
  ['Host: shop.example', 'X-Forwarded-Host: shop.example, evil.example'],
  ['Host: shop.example', 'X-Forwarded-Host: evil.example, shop.example'],
  ['Host: shop.example', 'X-Forwarded-Host: '],
  ['Host: shop.example', 'X-Forwarded-Host: "><script>'],
  ['Host: evil.example', 'X-Forwarded-Host: shop.example'],
  ['Host: shop.example', 'X-Forwarded-Proto: https'],
  ['Host: shop.example', 'X-Forwarded-Proto: HTTP'],
  ['Host: shop.example', 'X-Forwarded-Proto: http, https'],
  ['Host: shop.example', 'X-Forwarded-Proto: https"><script>'],
  ['Host: shop.example', 'X-Forwarded-Proto: http://shop.example/page?x='],
]

const places = (['middleware', 'front'] as const).flatMap((place) =>
  [false, true].map((trust) => [place, trust] as const),
)

describe.each(Object.entries(applications))('%s', (_, serve) => {
  it.each(places)(
    '%s, trust proxy: %s: keeps what one request says of its origin from all others',
    async (place, trust) => {
      const site = await listen(serve(place, trust))
      const plain = await listen(serve('nowhere', trust))
      open.push(site, plain)
      const ask = async (port: number, fields: readonly string[]) =>
        (await raw(port, lines('GET /page HTTP/1.1', ...fields))).split('\r\n\r\n')[1]
      await Promise.all(attackers.map((attacker) => ask(site.port, attacker)))
      for (const fields of [victim, ...attackers]) {
        expect(await ask(site.port, fields), fields.join(' | ')).toBe(await ask(plain.port, fields))
      }
    },
  )
})

describe.each(Object.entries(applications).filter(([name]) => name.startsWith('Koa')))('%s', (_, serve) => {
  it.each(['middleware', 'front'] as const)(
    '%s, HTTP/2: stores no page for a Host that is not :authority',
    async (place) => {
      const server = createHttp2Server(serve(place, false) as never)
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
      open.push(server, session)
      const ask = async (fields: Record<string, string>) => {
        const body = await text(session.request({ ':path': '/page', ...fields }))
        return JSON.parse(body) as { readonly host?: string }
      }
      expect((await ask({ ':authority': 'shop.example', host: 'evil.example' })).host).toBe('evil.example')
      expect((await ask({ ':authority': 'shop.example' })).host).toBeUndefined()
      expect((await ask({ ':authority': 'shop.example', host: 'Shop.Example' })).host).toBe('Shop.Example')
    },
  )
})

describe('HTTP/2, in node:http and in Koa: a scheme that is not that of the connection', () => {
  const cached = fallbackCache({ ttl: 60 })
  const koa = new Koa()
  koa.use(koaCache({ ttl: 60 }))
  koa.use((ctx) => {
    ctx.body = `${(ctx.req as never as Http2ServerRequest).scheme} ${ctx.headers[':scheme']}`
  })
  it.each<[string, (req: never, res: never) => unknown]>([
    [
      'node:http2',
      (req: Http2ServerRequest & IncomingMessage, res: never) =>
        cached(req, res, () => (res as ServerResponse).end(`${req.scheme} ${req.headers[':scheme']}`)),
    ],
    ['Koa 3', koa.callback() as never],
  ])('%s: is kept from those who send another', async (_name, listener) => {
    const server = createHttp2Server(listener as never)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    open.push(server, session)
    const ask = async (scheme: string) => {
      const request = session.request({ ':path': '/page', ':authority': 'shop.example', ':scheme': scheme })
      let status: unknown
      request.on('response', (headers) => {
        status = headers['cache-status']
      })
      return [await text(request), String(status).includes('; hit')]
    }
    for (const hit of [false, true]) {
      for (const scheme of ['https', 'evil', 'http']) expect(await ask(scheme)).toEqual([`${scheme} ${scheme}`, hit])
    }
  })
})

describe.each([
  ['Express 5', express5],
  ['Express 4', createExpress4],
] as const)('an application further in that trusts proxies, in %s', (_, create: () => Express) => {
  /** Whether the inner application answers itself, or only leaves what it found for the outer one. */
  it.each([true, false])('does not make pages for those who forward nothing (it answers: %s)', async (answers) => {
    const app = create()
    const cached = fallbackCache({ ttl: 60 })
    open.push(cached)
    app.use(cached)
    const inner = create()
    inner.set('trust proxy', true)
    inner.get('/page', (req, res, next) => {
      res.locals.seen = `${req.protocol}://${req.hostname}`
      if (answers) res.send(res.locals.seen)
      else next()
    })
    app.use('/in', inner)
    app.use((_req, res) => void res.send(res.locals.seen))
    const site = await listen(app)
    open.push(site)
    const ask = (...fields: string[]) => raw(site.port, lines('GET /in/page HTTP/1.1', 'Host: shop.example', ...fields))
    expect(await ask('X-Forwarded-Host: evil.example', 'X-Forwarded-Proto: https')).toContain('https://evil.example')
    expect(await ask('X-Forwarded-Proto: https')).toContain('https://shop.example')
    expect(await ask('X-Forwarded-Host: evil.example')).toContain('http://evil.example')
    const good = await ask()
    expect(good).toContain('http://shop.example')
    expect(await ask()).toContain('; hit')
  })
})
