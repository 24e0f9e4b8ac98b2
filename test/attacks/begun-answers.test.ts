import type { AddressInfo } from 'node:net'
import express5, { type Request, type Response } from 'express'
import express4 from 'express4'
import Koa, { type Context } from 'koa'
import Koa2 from 'koa2'
import { afterEach, describe, expect, it } from 'vitest'
import { fallbackCache } from '../../src/middleware/express.js'
import { fallbackCache as koaCache } from '../../src/middleware/koa.js'
import { ask } from '../middleware/hosts/client.js'
import { listen } from '../middleware/hosts/listen.js'
import { ManualClock } from '../support/manual-clock.js'

// Middleware in front of the cache has put something on the response of one visitor, from a field that the cache does not see read.

const open: (() => unknown)[] = []

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close()
})

/** Serves one page with the cache and one without. A visitor gets the same from both, after any other visitor. */
async function pair(handle: Parameters<typeof listen>[0], plain: Parameters<typeof listen>[0]) {
  const running = await Promise.all([listen(handle), listen(plain)])
  open.push(...running.map((one) => () => one.close()))
  return async (who: string) => {
    const [cached, without] = await Promise.all(
      running.map(({ port }) => ask(port, '/page', { fields: who === '' ? {} : { 'x-who': who } })),
    )
    const seen = ({ status, statusText, field, text }: Awaited<ReturnType<typeof ask>>) =>
      [status, statusText, field('content-type'), text].join(' ')
    if (cached === undefined || without === undefined) throw new Error('no request was made')
    expect(seen(cached)).toBe(seen(without))
    return cached.cacheStatus
  }
}

const VISITORS = ['', 'ann', 'bob', 'ann', '', 'bob', 'cat']

type InFront<Place extends object> = Readonly<Record<string, (place: Place, who: string) => unknown>>

const OF_EXPRESS: InFront<Response> = {
  'a status': (res, who) => who === 'ann' && res.status(402),
  'a status, directly': (res, who) => {
    if (who === 'ann') res.statusCode = 402
  },
  'a reason phrase': (res, who) => {
    if (who !== '') res.statusMessage = `Hello ${who}`
  },
  'a type': (res, who) => who === 'ann' && res.type('json'),
}

describe.each([
  ['Express 5', express5],
  ['Express 4', express4 as unknown as typeof express5],
])('%s, where middleware in front has set', (_, make) => {
  const app = (front: (res: Response, who: string) => unknown, cached?: ReturnType<typeof fallbackCache>) => {
    const site = make()
    site.use((req, res, next) => {
      front(res, req.get('x-who') ?? '')
      next()
    })
    if (cached !== undefined) site.use(cached)
    site.get('/page', (_req: Request, res: Response) => void res.send(Buffer.from('a page')))
    return site
  }
  const caches = () => {
    const cached = fallbackCache({ ttl: 60, statusTtl: { 402: 60 } })
    open.push(() => cached.close())
    return cached
  }

  it.each(Object.entries(OF_EXPRESS))('%s for one visitor, sends it to no other', async (_what, front) => {
    const get = await pair(app(front, caches()), app(front))
    for (const who of VISITORS) await get(who)
  })

  it.each(Object.entries(OF_EXPRESS))('%s for one visitor, stores it for no other in front of it', async (_, front) => {
    const cached = caches()
    const get = await pair(cached.listener(app(front, cached), { skipOnHit: 'all' }), app(front))
    for (const who of ['ann', '', '']) await get(who)
  })

  it('a type for all, keeps a text of that type', async () => {
    const cached = caches()
    const site = make()
    site.use((_req, res, next) => {
      res.type('application/json')
      next()
    })
    site.use(cached)
    site.get('/page', (_req: Request, res: Response) => void res.send('{}'))
    const running = await listen(site)
    open.push(() => running.close())
    await ask(running.port, '/page')
    expect((await ask(running.port, '/page')).cacheStatus.hit).toBe(true)
  })

  it('a status and a type for all, keeps one response', async () => {
    const get = await pair(
      app((res) => res.status(402).type('text'), caches()),
      app((res) => res.status(402).type('text')),
    )
    await get('ann')
    expect(await get('bob')).toMatchObject({ hit: true })
  })
})

const OF_KOA: InFront<Context> = {
  'a status': (ctx, who) => {
    if (who === 'ann') ctx.status = 402
  },
  'a status, directly': (ctx, who) => {
    if (who === 'ann') ctx.res.statusCode = 402
  },
  'a status and a reason phrase': (ctx, who) => {
    ctx.status = 200
    ctx.message = `Hello ${who}`
  },
  'a type': (ctx, who) => {
    if (who === 'bob') ctx.type = 'json'
  },
  'a body': (ctx, who) => {
    if (who !== '') ctx.body = `hello ${who}`
  },
  'a body that is an object': (ctx, who) => {
    if (who !== '') ctx.body = { who }
  },
  'a body of bytes': (ctx, who) => {
    if (who !== '') ctx.body = Buffer.from(who)
  },
  'no content': (ctx, who) => {
    if (who === 'ann') ctx.status = 204
    else ctx.body = null
  },
}

describe.each([
  ['Koa 3', Koa],
  ['Koa 2', Koa2 as unknown as typeof Koa],
])('%s, where middleware in front has set', (_, Application) => {
  const app = (front: (ctx: Context, who: string) => unknown, cached?: ReturnType<typeof koaCache>) => {
    const site = new Application()
    site.use((ctx, next) => {
      front(ctx, ctx.get('x-who'))
      return next()
    })
    if (cached !== undefined) site.use(cached)
    site.use((ctx) => {
      if (ctx.status === 204) ctx.status = 200
      else ctx.body ??= 'a page'
    })
    return site
  }

  it.each(Object.entries(OF_KOA))('%s for one visitor, sends it to no other', async (_what, front) => {
    const cached = koaCache({ ttl: 60, statusTtl: { 402: 60 } })
    open.push(() => cached.close())
    const get = await pair(app(front, cached).callback(), app(front).callback())
    for (const who of VISITORS) await get(who)
  })
})

describe('a refresh of a page whose answer, or whose URL, middleware in front has chosen for one visitor', () => {
  it.each<[string, (req: Request, res: Response) => void, string]>([
    ['a status', (_req, res) => void res.status(402), '402 /page'],
    [
      'a URL',
      (req) => {
        req.url = '/page?plan=gold'
      },
      '200 /page?plan=gold',
    ],
  ])('makes it as that visitor would get it, and never for others: %s', async (_what, front, made) => {
    const clock = new ManualClock(Date.now())
    const cached = fallbackCache({ ttl: 60, statusTtl: { 402: 60 }, staleWhileRevalidate: 300, clock })
    open.push(() => cached.close())
    const site = express5()
    let runs = 0
    site.use((req, res, next) => {
      if (req.get('x-who') === 'ann') front(req, res)
      next()
    })
    site.use(cached)
    site.get('/page', (req, res) => {
      runs += 1
      res.send(`${res.statusCode} ${req.url}`)
    })
    const running = await listen(site)
    open.push(() => running.close())
    const get = async (who?: string) => (await ask(running.port, '/page', { fields: who ? { 'x-who': who } : {} })).text
    expect([await get('ann'), await get()]).toEqual([made, '200 /page'])
    for (let round = 2; round < 4; round += 1) {
      clock.advance(70_000)
      expect([await get('ann'), await get()]).toEqual([made, '200 /page'])
      await expect.poll(() => runs).toBe(round * 2)
      expect([await get('ann'), await get()]).toEqual([made, '200 /page'])
    }
  })
})

/** Middleware in front has set fields on the response; what a handler makes of them is in its page. */
const OF_RESPONSE: Readonly<Record<string, (res: Response | Context['res']) => unknown>> = {
  getHeader: (res) => res.getHeader('X-Lang'),
  hasHeader: (res) => res.hasHeader('x-lang'),
  getHeaders: (res) => res.getHeaders()['x-lang'],
  'getHeaders, in an expression': (res) => 'x-lang' in res.getHeaders(),
  'getHeaders, copied': (res) => JSON.stringify({ ...res.getHeaders() }).replace(/"x-request-id":"\d*",?/, ''),
  'getHeader of a cookie': (res) => res.getHeader('Set-Cookie'),
}

const setFields = (res: Response | Context['res'], who: string) => {
  res.setHeader('X-Request-Id', String(Math.random()).slice(2))
  if (who === '') return
  res.setHeader('X-Lang', who)
  res.setHeader('Set-Cookie', `visit=${who}`)
}

it('a refresh is made for the host that an application further in, which trusts proxies, has made the page for', async () => {
  const clock = new ManualClock(Date.now())
  const cached = fallbackCache({ ttl: 60, staleWhileRevalidate: 300, clock })
  open.push(() => cached.close())
  const inner = express5().set('trust proxy', 'loopback')
  let runs = 0
  inner.get('/', (req, res) => {
    runs += 1
    res.send(`for ${req.hostname}`)
  })
  const running = await listen(express5().use(cached).use('/page', inner))
  open.push(() => running.close())
  const get = async (fields: Record<string, string>) => (await ask(running.port, '/page', { fields })).text
  const both = async () => [await get({ host: 'a.test', 'x-forwarded-host': 'b.test' }), await get({ host: 'a.test' })]
  expect(await both()).toEqual(['for b.test', 'for a.test'])
  clock.advance(70_000)
  expect(await both()).toEqual(['for b.test', 'for a.test'])
  await expect.poll(() => runs).toBe(4)
  expect(await both()).toEqual(['for b.test', 'for a.test'])
})

it.each([false, true])(
  'a refresh is made with the field that middleware in front has set, or not at all',
  async (isKept) => {
    const clock = new ManualClock(Date.now())
    const cached = fallbackCache({ ttl: 60, staleWhileRevalidate: 300, clock })
    open.push(() => cached.close())
    const site = express5()
    let requests = 0
    site.use((req, _res, next) => {
      requests += 1
      req.headers['x-plan'] = `plan of ${req.get('x-who') ?? 'guest'}`
      if (!isKept) delete req.headers['x-who']
      next()
    })
    site.use(cached)
    site.get('/page', (req, res) => void res.send(req.get('x-plan')))
    const running = await listen(site)
    open.push(() => running.close())
    const get = async (who: string) => (await ask(running.port, '/page', { fields: { 'x-who': who } })).text
    for (let round = 0; round < 3; round += 1) {
      expect([await get('ann'), await get('bob')]).toEqual(['plan of ann', 'plan of bob'])
      await expect.poll(() => requests).toBeGreaterThanOrEqual(2 + round * 4)
      clock.advance(70_000)
    }
  },
)

it('the front door sends no page for which a middleware that hits skip has set a request field', async () => {
  const cached = fallbackCache({ ttl: 60 })
  open.push(() => cached.close())
  const site = express5()
  site.use(function setPlan(req, _res, next) {
    req.headers['x-plan'] = `plan of ${req.get('x-who')}`
    next()
  })
  site.use(cached)
  site.get('/page', (req, res) => void res.send(req.get('x-plan')))
  const server = cached.serve(site, { skipOnHit: ['setPlan'] }).listen(0)
  open.push(() => server.close())
  const { port } = server.address() as AddressInfo
  for (const who of ['ann', 'bob', 'ann']) {
    expect((await ask(port, '/page', { fields: { 'x-who': who } })).text).toBe(`plan of ${who}`)
  }
})

describe('a handler that reads response fields which middleware in front has set for some visitors', () => {
  const caches = <Cache extends { close(): Promise<void> }>(cached: Cache): Cache => {
    open.push(() => cached.close())
    return cached
  }

  const inExpress = (make: typeof express5) => (read: (res: Response) => unknown, isCached: boolean) => {
    const site = make()
    site.use((req, res, next) => {
      setFields(res, req.get('x-who') ?? '')
      next()
    })
    if (isCached) site.use(caches(fallbackCache({ ttl: 60 })))
    return site.get('/page', (_req: Request, res: Response) => void res.send(`page ${read(res)}`))
  }
  const inKoa = (Application: typeof Koa) => (read: (ctx: Context) => unknown, isCached: boolean) => {
    const site = new Application()
    site.use((ctx, next) => {
      setFields(ctx.res, ctx.get('x-who'))
      return next()
    })
    if (isCached) site.use(caches(koaCache({ ttl: 60 })))
    return site
      .use((ctx) => {
        ctx.body = `page ${read(ctx)}`
      })
      .callback()
  }
  const applications = [
    ['Express 5', inExpress(express5)],
    ['Express 4', inExpress(express4 as unknown as typeof express5)],
    ['Koa 3', inKoa(Koa)],
    ['Koa 2', inKoa(Koa2 as unknown as typeof Koa)],
  ] as const

  it.each(
    applications.flatMap(([name, app]) =>
      Object.entries(OF_RESPONSE).map(([way, read]) => [name, way, read, app] as const),
    ),
  )('in %s by %s gets each visitor a page of their own', async (_name, _way, read, app) => {
    const of = (place: Response | Context) =>
      read('req' in place && 'res' in place && 'state' in place ? place.res : (place as Response))
    const get = await pair(app(of as never, true), app(of as never, false))
    for (const who of VISITORS) await get(who)
  })

  it.each<[string, (ctx: Context) => unknown]>([
    ['get', (ctx) => ctx.response.get('X-Lang')],
    ['has', (ctx) => Reflect.get(ctx.response, 'has').call(ctx.response, 'X-Lang')],
    ['headers', (ctx) => ctx.response.headers['x-lang']],
    ['toJSON', (ctx) => JSON.stringify(ctx.response.toJSON()).replace(/"x-request-id":"\d*",?/, '')],
  ])('in Koa by response.%s gets each visitor a page of their own', async (_way, read) => {
    for (const Application of [Koa, Koa2 as unknown as typeof Koa]) {
      const get = await pair(inKoa(Application)(read, true), inKoa(Application)(read, false))
      for (const who of VISITORS) await get(who)
    }
  })

  it('gets a hit for the same value, and for another one none', async () => {
    const get = await pair(
      inExpress(express5)((res) => res.get('x-lang'), true),
      inExpress(express5)((res) => res.get('x-lang'), false),
    )
    await get('ann')
    expect([(await get('ann')).hit, (await get('bob')).hit, (await get('bob')).hit]).toEqual([true, false, true])
  })

  it('may add to them, look at what it has set itself, and at fields that frameworks read for every response', async () => {
    const read = (res: Response) => {
      res.links({ next: '/2' }).vary('Accept').set('X-Lang', 'own')
      return [res.get('X-Lang'), res.get('ETag'), res.get('X-Request-Id') !== undefined]
    }
    const get = await pair(inExpress(express5)(read, true), inExpress(express5)(read, false))
    await get('ann')
    expect(await get('bob')).toMatchObject({ hit: true })
  })

  it('is not stored if its page contains an identifier of the response', async () => {
    const site = inExpress(express5)((res) => res.get('X-Request-Id'), true)
    const running = await listen(site)
    open.push(() => running.close())
    const pages = await Promise.all([ask(running.port, '/page'), ask(running.port, '/page')])
    expect(new Set(pages.map(({ text }) => text)).size).toBe(2)
    expect(pages.map(({ cacheStatus }) => cacheStatus.detail)).toContain('reflected')
  })

  it('is not looked at where inputs.ignore names the field', async () => {
    const cached = caches(fallbackCache({ ttl: 60, inputs: { ignore: ['response:X-Lang'] } }))
    const site = express5()
    site.use((req, res, next) => {
      setFields(res, req.get('x-who') ?? '')
      next()
    })
    site.use(cached)
    site.get('/page', (_req, res) => void res.send(`page ${typeof res.get('x-lang')}`))
    const running = await listen(site)
    open.push(() => running.close())
    await ask(running.port, '/page', { fields: { 'x-who': 'ann' } })
    expect((await ask(running.port, '/page', { fields: { 'x-who': 'bob' } })).cacheStatus.hit).toBe(true)
  })
})
