import { AsyncLocalStorage } from 'node:async_hooks'
import Router from '@koa/router'
import express5, { type Express, type Request, type Response } from 'express'
import express4 from 'express4'
import Koa, { type Context } from 'koa'
import Koa2 from 'koa2'
import { afterEach, describe, expect, it } from 'vitest'
import { fallbackCache } from '../../src/middleware/express.js'
import { fallbackCache as koaCache } from '../../src/middleware/koa.js'
import { ask } from '../middleware/hosts/client.js'
import { listen } from '../middleware/hosts/listen.js'

const open: (() => unknown)[] = []

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close()
})

/** Asks as visitors for whom middleware in front of the cache fills in the value of a field that the cache does not see read. */
async function visit(handle: Parameters<typeof listen>[0], path = '/page?u=1') {
  const running = await listen(handle)
  open.push(() => running.close())
  return async (who?: string) => {
    const got = await ask(running.port, path, { fields: who === undefined ? {} : { 'x-who': who } })
    return { text: got.text, status: String(got.field('cache-status')), isHit: got.cacheStatus.hit === true }
  }
}

async function isTold(get: Awaited<ReturnType<typeof visit>>) {
  for (const who of ['ann', 'bob', 'ann', 'cat', undefined]) {
    const { text } = await get(who)
    if (who !== undefined) expect(text).toContain(who)
    for (const other of ['ann', 'bob', 'cat']) if (other !== who) expect(text).not.toContain(other)
  }
}

const LANG = Symbol('language')

const EXPRESS_PLACES: Readonly<
  Record<
    string,
    { fill(req: Request, res: Response, who: string | undefined): void; read(req: Request, res: Response): unknown }
  >
> = {
  'req.tenant': {
    fill: (req, _, who) => who !== undefined && Object.assign(req, { tenant: who }),
    read: (req) => Reflect.get(req, 'tenant'),
  },
  'req.__tenant': {
    fill: (req, _, who) => who !== undefined && Object.assign(req, { __tenant: who }),
    read: (req) => Reflect.get(req, '__tenant'),
  },
  'res.locals.__tenant, spread': {
    fill: (_, res, who) => who !== undefined && Object.assign(res.locals, { __tenant: who }),
    read: (_, res) => ({ ...res.locals }).__tenant,
  },
  'req.locale, assigned for all': {
    fill: (req, _, who) => Object.assign(req, { locale: who }),
    read: (req) => Reflect.get(req, 'locale'),
  },
  'res.locals.lang': {
    fill: (_, res, who) => {
      if (who !== undefined) res.locals.lang = who
    },
    read: (_, res) => res.locals.lang,
  },
  'res.locals, a text': {
    fill: (_, res, who) => who !== undefined && Object.assign(res, { locals: who }),
    read: (_, res) => (typeof res.locals === 'string' ? res.locals : 'guest'),
  },
  'res.locals, a list': {
    fill: (_, res, who) => who !== undefined && Object.assign(res, { locals: [who] }),
    read: (_, res) => (Array.isArray(res.locals) ? res.locals.join() : 'guest'),
  },
  'req.cookies, a text': {
    fill: (req, _, who) => who !== undefined && Object.assign(req, { cookies: who }),
    read: (req) => req.cookies,
  },
  'req.trailers': {
    fill: (req, _, who) => Object.defineProperty(req.trailers, 'who', { value: who, enumerable: true }),
    read: (req) => JSON.stringify(req.trailers),
  },
  'req.rawTrailers': {
    fill: (req, _, who) => who !== undefined && req.rawTrailers.push('who', who),
    read: (req) => req.rawTrailers[1],
  },
  'res.locals, spread': {
    fill: (_, res, who) => {
      if (who !== undefined) res.locals.anything = who
    },
    read: (_, res) => JSON.stringify({ ...res.locals }),
  },
  'req.account, an object': {
    fill: (req, _, who) => who !== undefined && Object.assign(req, { account: { id: who } }),
    read: (req) => Reflect.get(req, 'account')?.id,
  },
  ...Object.fromEntries(
    ['ntlm', 'oidc', 'kauth', 'userContext', 'userinfo', 'useragent', 'geo', 'geoip', 'ipInfo', 'ability'].map(
      (name) => [
        `req.${name}, an object of a well-known package`,
        {
          fill: (req: Request, _: Response, who: string | undefined) => Object.assign(req, { [name]: { id: who } }),
          read: (req: Request) => Reflect.get(req, name).id,
        },
      ],
    ),
  ),
  'res.__, a function': {
    fill: (_, res, who) => Object.assign(res, { __: (text: string) => `${text} ${who}` }),
    read: (_, res) => Reflect.get(res, '__')('for'),
  },
  'res.greeting, a function': {
    fill: (_, res, who) => Object.assign(res, { greeting: () => `for ${who}` }),
    read: (_, res) => Reflect.get(res, 'greeting')(),
  },
  'res.visitor, a function that returns an object': {
    fill: (_, res, who) => Object.assign(res, { visitor: () => ({ who }) }),
    read: (_, res) => Reflect.get(res, 'visitor')().who,
  },
  'res.locale': {
    fill: (_, res, who) => Object.assign(res, { locale: who }),
    read: (_, res) => Reflect.get(res, 'locale'),
  },
  'req.tenant, a getter': {
    fill: (req, _, who) => Object.defineProperty(req, 'tenant', { get: () => who, configurable: true }),
    read: (req) => Reflect.get(req, 'tenant'),
  },
  'req.tenant, a getter that cannot be replaced': {
    fill: (req, _, who) => Object.defineProperty(req, 'tenant', { get: () => who }),
    read: (req) => Reflect.get(req, 'tenant'),
  },
  'req.tenant, hidden': {
    fill: (req, _, who) => Object.defineProperty(req, 'tenant', { value: who, configurable: true, writable: true }),
    read: (req) => Reflect.get(req, 'tenant'),
  },
  'req.tenant, fixed': {
    fill: (req, _, who) => Object.defineProperty(req, 'tenant', { value: who }),
    read: (req) => Reflect.get(req, 'tenant'),
  },
  'req.account, a getter of an object': {
    fill: (req, _, who) => Object.defineProperty(req, 'account', { get: () => ({ id: who }), configurable: true }),
    read: (req) => Reflect.get(req, 'account').id,
  },
  'req.account, a fixed object': {
    fill: (req, _, who) => Object.defineProperty(req, 'account', { value: { id: who } }),
    read: (req) => Reflect.get(req, 'account').id,
  },
  'req.say, a getter of a function': {
    fill: (req, _, who) => Object.defineProperty(req, 'say', { get: () => () => who, configurable: true }),
    read: (req) => Reflect.get(req, 'say')(),
  },
  'res.locals.lang, hidden': {
    fill: (_, res, who) => Object.defineProperty(res.locals, 'lang', { value: who, configurable: true }),
    read: (_, res) => res.locals.lang,
  },
  'res.locals.lang, a getter': {
    fill: (_, res, who) => Object.defineProperty(res.locals, 'lang', { get: () => who, configurable: true }),
    read: (_, res) => res.locals.lang,
  },
  'req._tenant': {
    fill: (req, _, who) => Object.assign(req, { _tenant: who }),
    read: (req) => Reflect.get(req, '_tenant'),
  },
  'res._theme': {
    fill: (_, res, who) => Object.assign(res, { _theme: who }),
    read: (_, res) => Reflect.get(res, '_theme'),
  },
  'res.locals._csrf': {
    fill: (_, res, who) => {
      res.locals._csrf = who
    },
    read: (_, res) => res.locals._csrf,
  },
  'res.locals, by a symbol': {
    fill: (_, res, who) => {
      Reflect.set(res.locals, LANG, who)
    },
    read: (_, res) => Reflect.get(res.locals, LANG),
  },
  'req.sessionID': {
    fill: (req, _, who) => Object.assign(req, { sessionID: who }),
    read: (req) => Reflect.get(req, 'sessionID'),
  },
  'req.rateLimit': {
    fill: (req, _, who) => Object.assign(req, { rateLimit: { key: who } }),
    read: (req) => Reflect.get(req, 'rateLimit').key,
  },
  'req.rawBody of a GET': {
    fill: (req, _, who) => Object.assign(req, { rawBody: who }),
    read: (req) => Reflect.get(req, 'rawBody'),
  },
  'req.baseUrl': {
    fill: (req, _, who) => {
      req.baseUrl = `/${who}`
    },
    read: (req) => req.baseUrl,
  },
  'req.query, with another value than in the URL': {
    fill: (req, _, who) => {
      const query = { u: who ?? '1' }
      Object.defineProperty(req, 'query', { value: query, configurable: true, writable: true })
    },
    read: (req) => req.query.u,
  },
  'req.cookies that the Cookie field does not have': {
    fill: (req, _, who) => {
      req.cookies = { theme: who }
    },
    read: (req) => req.cookies.theme,
  },
  'req.signedCookies that the Cookie field does not have': {
    fill: (req, _, who) => {
      req.signedCookies = who === undefined ? {} : { theme: who }
    },
    read: (req) => req.signedCookies.theme,
  },
  'the names of response fields': {
    fill: (_, res, who) => who !== undefined && res.setHeader(`x-${who}`, '1'),
    read: (_, res) => res.getHeaderNames().join(),
  },
  'req.t, a function': {
    fill: (req, _, who) => Object.assign(req, { t: (text: string) => `${text} ${who}` }),
    read: (req) => Reflect.get(req, 't')('for'),
  },
}

describe.each([
  ['Express 5', express5],
  ['Express 4', express4 as unknown as typeof express5],
])('%s, filled in front of the cache', (_, make) => {
  const app = (place: keyof typeof EXPRESS_PLACES, cached = fallbackCache({ ttl: 60 })): Express => {
    const { fill, read } = EXPRESS_PLACES[place] as (typeof EXPRESS_PLACES)[string]
    open.push(() => cached.close())
    const site = make()
    site.use((req, res, next) => {
      fill(req, res, req.get('x-who'))
      next()
    })
    site.use(cached)
    site.get('/page', (req, res) => void res.send(`for ${read(req, res)}`))
    return site
  }

  it.each(Object.keys(EXPRESS_PLACES))('tells visitors apart by %s', async (place) => {
    await isTold(await visit(app(place)))
  })

  it('tells visitors apart by what a function of the response returns later, and not by one that answers', async () => {
    const site = make()
    site.use((req, res, next) => {
      const who = req.get('x-who')
      Object.assign(res, { ask: async () => who, success: (text: string) => res.send(text) })
      Object.assign(res, { succeed: async (text: string) => void res.send(text) })
      next()
    })
    site.use(fallbackCache({ ttl: 60 }))
    site.get('/page', async (req, res) => {
      if (req.query.by !== undefined) await Reflect.get(res, String(req.query.by))('for all')
      else res.send(`for ${await Reflect.get(res, 'ask')()}`)
    })
    await isTold(await visit(site))
    for (const by of ['success', 'succeed']) {
      const get = await visit(site, `/page?by=${by}`)
      await get('ann')
      expect(await get('bob')).toMatchObject({ text: 'for all', isHit: true })
    }
  })

  const selecting = [
    ...[
      'req.__tenant',
      'req.tenant',
      'req.tenant, a getter',
      'req.tenant, a getter that cannot be replaced',
      'req.tenant, hidden',
    ],
    ...['req.tenant, fixed', 'res.locale', 'res.locals.lang', 'res.locals.lang, hidden', 'res.locals, spread'],
  ]

  it.each(selecting)('keeps a response for each value of %s', async (place) => {
    const get = await visit(app(place))
    await get('ann')
    await get('bob')
    expect([(await get('ann')).isHit, (await get('bob')).isHit]).toEqual([true, true])
  })

  it('leaves a getter as it was, not called for a handler that does not read it, and free to throw', async () => {
    let calls = 0
    const cached = fallbackCache({ ttl: 60 })
    open.push(() => cached.close())
    const site = make()
    const getter = { get: () => calls++, enumerable: false, configurable: true }
    const seen: unknown[] = []
    site.use((req, res, next) => {
      Object.defineProperty(req, 'tenant', getter)
      Object.defineProperty(req, 'broken', {
        get: () => {
          throw new Error('not for this one')
        },
      })
      res.once('finish', () => seen.push(Object.getOwnPropertyDescriptor(req, 'tenant')))
      next()
    })
    site.use(cached)
    site.get('/page', (_req, res) => void res.send('for all'))
    const get = await visit(site)
    await get('ann')
    expect(await get('bob')).toMatchObject({ text: 'for all', isHit: true })
    expect([calls, seen]).toEqual([
      0,
      [
        { ...getter, set: undefined },
        { ...getter, set: undefined },
      ],
    ])
  })

  it('stores nothing that was made from an object that says who is asking', async () => {
    const get = await visit(app('req.account, an object'))
    expect((await get('ann')).status).toContain('filled-read')
  })

  it('keeps a response for each value of an object that vary names', async () => {
    const get = await visit(app('req.account, an object', fallbackCache({ ttl: 60, vary: ['req:account'] })))
    await isTold(get)
    expect([(await get('ann')).isHit, (await get('bob')).isHit, (await get()).isHit]).toEqual([true, true, true])
  })

  it('stores nothing by a function, whose value cannot be told', async () => {
    const get = await visit(app('req.t, a function', fallbackCache({ ttl: 60, vary: ['req:t'] })))
    await isTold(get)
    expect((await get('ann')).status).toContain('filled-read')
  })

  it('answers all from one response whose handler reads nothing of it, what is ignored, or what a framework keeps', async () => {
    for (const cached of [fallbackCache({ ttl: 60 }), fallbackCache({ ttl: 60, inputs: { ignore: ['req:tenant'] } })]) {
      const site = make()
      site.use((req, res, next) => {
        // restify names the handler that runs, and measures its time.
        const kept = { _currentHandler: `handler of ${req.get('x-who')}`, _timerMap: {} }
        Object.assign(req, { tenant: req.get('x-who'), log: {}, id: Math.random(), ...kept })
        res.locals.lang = req.get('x-who')
        next()
      })
      site.use(cached)
      site.get('/page', (req, res) => {
        if (cached !== undefined) res.locals.lang = 'mine'
        Object.assign(Reflect.get(req, '_timerMap'), { [Reflect.get(req, '_currentHandler')]: 1 })
        res.send(`${res.locals.lang} ${Reflect.get(req, 'id') === undefined} ${Object.keys(req).includes('tenant')}`)
      })
      open.push(() => cached.close())
      const get = await visit(site)
      await get('ann')
      expect(await get('bob')).toMatchObject({ text: 'mine false true', isHit: true })
    }
  })

  it('leaves a request that handlers can write to, and puts it back', async () => {
    const cached = fallbackCache({ ttl: 60 })
    open.push(() => cached.close())
    const site = make()
    const after: unknown[] = []
    site.use((req, res, next) => {
      Object.assign(req, { tenant: 'a' })
      res.locals.lang = 'x'
      const { locals } = res
      res.once('finish', () => after.push(Object.getOwnPropertyDescriptor(req, 'tenant'), res.locals === locals))
      next()
    })
    site.use(cached)
    site.get('/page', (req, res) => {
      Object.assign(req, { tenant: 'b' })
      res.locals.lang = 'y'
      res.send(`${Reflect.get(req, 'tenant')}${res.locals.lang}`)
    })
    const get = await visit(site)
    expect((await get()).text).toBe('by')
    expect((await get()).isHit).toBe(true)
    expect(after.slice(0, 2)).toEqual([{ value: 'b', writable: true, enumerable: true, configurable: true }, true])
  })

  it('goes through the application where they select', async () => {
    const cached = fallbackCache({ ttl: 60 })
    const site = app('req.tenant', cached)
    const get = await visit(cached.listener(site, { skipOnHit: 'all' }))
    await isTold(get)
    expect([(await get('ann')).isHit, (await get('bob')).isHit]).toEqual([true, true])
  })

  it('has a refresh fill in what the visitor had filled in', async () => {
    const cached = fallbackCache({ ttl: 1, staleWhileRevalidate: 600 })
    const get = await visit(app('req.tenant', cached))
    for (const who of ['ann', 'bob']) expect((await get(who)).text).toBe(`for ${who}`)
    await new Promise((resolve) => setTimeout(resolve, 1100))
    for (const who of ['ann', 'bob']) expect((await get(who)).text).toBe(`for ${who}`)
    await expect.poll(async () => (await get('ann')).status).toMatch(/hit; ttl=[01]/)
    await isTold(get)
  })
})

const KOA_PLACES: Readonly<
  Record<string, { fill(ctx: Context, who: string | undefined): void; read(ctx: Context): unknown }>
> = {
  'ctx.state.lang': {
    fill: (ctx, who) => {
      if (who !== undefined) ctx.state.lang = who
    },
    read: (ctx) => ctx.state.lang,
  },
  'ctx.state, spread': {
    fill: (ctx, who) => {
      if (who !== undefined) ctx.state.anything = who
    },
    read: (ctx) => JSON.stringify(Object.assign({}, ctx.state)),
  },
  'ctx.tenant': {
    fill: (ctx, who) => {
      if (who !== undefined) ctx.tenant = who
    },
    read: (ctx) => ctx.tenant,
  },
  'ctx.req.tenant': {
    fill: (ctx, who) => who !== undefined && Object.assign(ctx.req, { tenant: who }),
    read: (ctx) => Reflect.get(ctx.req, 'tenant'),
  },
  'ctx.tenant, a getter': {
    fill: (ctx, who) => Object.defineProperty(ctx, 'tenant', { get: () => who, configurable: true }),
    read: (ctx) => ctx.tenant,
  },
  'ctx.tenant, a getter that cannot be replaced': {
    fill: (ctx, who) => Object.defineProperty(ctx, 'tenant', { get: () => who }),
    read: (ctx) => ctx.tenant,
  },
  'ctx.tenant, hidden': {
    fill: (ctx, who) => Object.defineProperty(ctx, 'tenant', { value: who, configurable: true }),
    read: (ctx) => ctx.tenant,
  },
  'ctx.state.lang, hidden': {
    fill: (ctx, who) => Object.defineProperty(ctx.state, 'lang', { value: who, configurable: true }),
    read: (ctx) => ctx.state.lang,
  },
  'ctx.user': {
    fill: (ctx, who) => {
      if (who !== undefined) ctx.user = { id: who }
    },
    read: (ctx) => ctx.user?.id,
  },
  'ctx.req.user': {
    fill: (ctx, who) => who !== undefined && Object.assign(ctx.req, { user: who }),
    read: (ctx) => Reflect.get(ctx.req, 'user'),
  },
  'ctx.res.theme': {
    fill: (ctx, who) => Object.assign(ctx.res, { theme: who }),
    read: (ctx) => Reflect.get(ctx.res, 'theme'),
  },
  'ctx.state._csrf': {
    fill: (ctx, who) => {
      ctx.state._csrf = who
    },
    read: (ctx) => ctx.state._csrf,
  },
  'ctx.cookies, an object of its own': {
    fill: (ctx, who) => {
      if (who !== undefined) ctx.cookies = { get: () => who } as never
    },
    read: (ctx) => ctx.cookies.get('theme'),
  },
  'ctx.cookies.get, a function of its own': {
    fill: (ctx, who) => {
      if (who !== undefined) ctx.cookies.get = () => who
    },
    read: (ctx) => ctx.cookies.get('theme'),
  },
  'ctx.cookies.theme': {
    fill: (ctx, who) => {
      if (who !== undefined) Object.assign(ctx.cookies, { theme: who })
    },
    read: (ctx) => Reflect.get(ctx.cookies, 'theme'),
  },
  'ctx.params that are not in the URL': {
    fill: (ctx, who) => {
      if (who !== undefined) Object.assign(ctx, { params: { lang: who } })
    },
    read: (ctx) => Reflect.get(ctx, 'params')?.lang,
  },
  'ctx.query, with another value than in the URL': {
    fill: (ctx, who) => {
      if (who !== undefined) ctx.query.u = who
    },
    read: (ctx) => ctx.query.u,
  },
  'ctx.state, a text': {
    fill: (ctx, who) => {
      if (who !== undefined) ctx.state = who as never
    },
    read: (ctx) => (typeof ctx.state === 'string' ? ctx.state : 'guest'),
  },
  'ctx.mountPath': {
    fill: (ctx, who) => who !== undefined && Object.assign(ctx, { mountPath: who }),
    read: (ctx) => ctx.mountPath,
  },
  'ctx.captures': {
    fill: (ctx, who) => Object.assign(ctx, { captures: [who] }),
    read: (ctx) => ctx.captures[0],
  },
  'ctx.matched': {
    fill: (ctx, who) => Object.assign(ctx, { matched: [{ path: who }] }),
    read: (ctx) => ctx.matched[0].path,
  },
  'ctx.router': {
    fill: (ctx, who) => Object.assign(ctx, { router: { url: who } }),
    read: (ctx) => ctx.router.url,
  },
  'ctx.routerName': {
    fill: (ctx, who) => who !== undefined && Object.assign(ctx, { routerName: who }),
    read: (ctx) => ctx.routerName,
  },
  'ctx.compress': {
    fill: (ctx, who) => who !== undefined && Object.assign(ctx, { compress: who }),
    read: (ctx) => ctx.compress,
  },
  'ctx.ips': {
    fill: (ctx, who) => Object.defineProperty(ctx, 'ips', { value: [who], configurable: true }),
    read: (ctx) => ctx.ips[0],
  },
  'ctx.request.ips': {
    fill: (ctx, who) => Object.defineProperty(ctx.request, 'ips', { value: [who], configurable: true }),
    read: (ctx) => ctx.ips[0],
  },
  'ctx.request.originalUrl': {
    fill: (ctx, who) => {
      if (who !== undefined) ctx.request.originalUrl = `/${who}`
    },
    read: (ctx) => ctx.request.originalUrl,
  },
  'ctx.response.theme': {
    fill: (ctx, who) => Object.assign(ctx.response, { theme: who ?? 'guest' }),
    read: (ctx) => Reflect.get(ctx.response, 'theme'),
  },
  'ctx.res.locals': {
    fill: (ctx, who) => Object.assign(ctx.res, { locals: { theme: who } }),
    read: (ctx) => Reflect.get(ctx.res, 'locals').theme,
  },
  'ctx.message': {
    fill: (ctx, who) => {
      if (who !== undefined) ctx.message = who
    },
    read: (ctx) => ctx.res.statusMessage,
  },
  'ctx.req.originalUrl': {
    fill: (ctx, who) => who !== undefined && Object.assign(ctx.req, { originalUrl: who }),
    read: (ctx) => Reflect.get(ctx.req, 'originalUrl'),
  },
  'ctx.req.body': {
    fill: (ctx, who) => Object.assign(ctx.req, { body: { who } }),
    read: (ctx) => Reflect.get(ctx.req, 'body').who,
  },
  'ctx.req.cookies': {
    fill: (ctx, who) => who !== undefined && Object.assign(ctx.req, { cookies: { theme: who } }),
    read: (ctx) => Reflect.get(ctx.req, 'cookies')?.theme,
  },
  'ctx.state.org, an object': {
    fill: (ctx, who) => {
      ctx.state.org = who === undefined ? undefined : { id: who }
    },
    read: (ctx) => ctx.state.org?.id,
  },
}

describe.each([
  ['Koa 3', Koa],
  ['Koa 2', Koa2 as unknown as typeof Koa],
])('%s, filled in front of the cache', (_, make) => {
  const handle = (place: string, cached = koaCache({ ttl: 60 })) => {
    const { fill, read } = KOA_PLACES[place] as (typeof KOA_PLACES)[string]
    open.push(() => cached.close())
    const app = new make()
    app.use((ctx, next) => {
      fill(ctx, ctx.get('x-who') || undefined)
      return next()
    })
    app.use(cached)
    app.use((ctx) => {
      ctx.body = `for ${read(ctx)}`
    })
    return app.callback()
  }

  it.each(Object.keys(KOA_PLACES))('tells visitors apart by %s', async (place) => {
    await isTold(await visit(handle(place)))
  })

  it('keeps a response for each value of an object that vary names', async () => {
    const get = await visit(handle('ctx.state.org, an object', koaCache({ ttl: 60, vary: ['state:org'] })))
    await isTold(get)
    expect([(await get('ann')).isHit, (await get('bob')).isHit, (await get()).isHit]).toEqual([true, true, true])
  })
})

it('tells visitors apart by a language that nestjs-i18n has found, and keeps in an AsyncLocalStorage', async () => {
  const language = new AsyncLocalStorage<string>()
  const cached = fallbackCache({ ttl: 60 })
  open.push(() => cached.close())
  const app = express5()
  app.use((req, _res, next) => {
    const i18nLang = req.get('x-who') ?? 'guest'
    Object.assign(req, { i18nLang })
    language.run(i18nLang, next)
  })
  app.use(cached)
  app.get('/page', (_req, res) => void res.send(`for ${language.getStore()}`))
  await isTold(await visit(app))
})

it.each(['behind', 'within'])(
  'what routers of Koa set is shared by all visitors of a route, with the cache %s them',
  async (where) => {
    const cached = koaCache({ ttl: 60 })
    open.push(() => cached.close())
    const [router, next] = [new Router(), new Router()]
    const inFront = where === 'behind' ? [cached] : []
    router.get('one', '/page', ...(where === 'behind' ? [] : [cached]), (_ctx, goOn) => goOn())
    next.get('two', '/:name', (ctx) => {
      ctx.body = `${ctx.captures} ${ctx.matched?.length} ${ctx.router.url('two', 'x')} ${ctx.routerName}`
    })
    const app = new Koa()
    for (const one of [...inFront, router.routes(), next.routes()]) app.use(one as never)
    const get = await visit(app.callback())
    expect(await get('ann')).toMatchObject({ text: 'page 2 /x two', isHit: false })
    expect(await get('bob')).toMatchObject({ text: 'page 2 /x two', isHit: true })
  },
)

describe('vary with a filled value', () => {
  it('is an error where nothing is watched, and names the remedy', () => {
    expect(() => fallbackCache({ ttl: 60, vary: ['req:tenant'], inputs: false })).toThrow(/option key/)
    expect(() => fallbackCache({ ttl: 60, vary: ['app:tenant'] })).toThrow(/vary must be a list/)
  })
})

describe('an input with a new value in nearly every run', () => {
  it('is given up, and takes no room from variants that requests find', async () => {
    const cached = fallbackCache({ ttl: 60 })
    open.push(() => cached.close())
    const site = express5()
    site.use(cached)
    site.get('/page', (req, res) => void res.send(`for ${req.get('x-who')}`))
    const get = await visit(site)
    await get('ann')
    for (let at = 0; at < 100; at++) await get(`trace-${at}`)
    expect((await get('trace-new')).status).toContain('too-many-variants')
    expect((await get('trace-new')).text).toBe('for trace-new')
  })

  it('leaves a variant that requests find as it is', async () => {
    const cached = fallbackCache({ ttl: 60, maxVariants: 8 })
    open.push(() => cached.close())
    const site = express5()
    site.use(cached)
    site.get('/page', (req, res) => void res.send(`for ${req.get('x-who')}`))
    const get = await visit(site)
    await get('ann')
    for (let at = 0; at < 100; at++) {
      expect((await get('ann')).isHit).toBe(true)
      await get(`trace-${at}`)
    }
  })
})

it('stores nothing that was made from what middleware in front has set after next() in an object that it has kept', async () => {
  const cached = fallbackCache({ ttl: 60 })
  open.push(() => cached.close())
  const app = express5()
  app.use((req, res, next) => {
    const { locals } = res
    const who = req.get('x-who')
    next()
    if (who !== undefined) locals.who = who
  })
  app.get('/page', cached, async (_req, res) => {
    await new Promise(setImmediate)
    res.send(`for ${res.locals.who}`)
  })
  await isTold(await visit(app))
})

it('stores what routes set in res.locals themselves, and read again', async () => {
  const cached = fallbackCache({ ttl: 60 })
  open.push(() => cached.close())
  const app = express5()
  app.use((_req, res, next) => {
    Object.assign(res.locals, { lang: 'en', none: Number.NaN })
    next()
  })
  app.get('/page', cached, (_req, res) => {
    Object.assign(res.locals, { lang: 'de' }).title = 'title'
    Object.defineProperty(res.locals, 'more', { value: 1, configurable: true })
    res.send([res.locals.lang, res.locals.title, res.locals.more, res.locals.none].join())
  })
  const get = await visit(app)
  expect((await get('ann')).text).toBe('de,title,1,NaN')
  expect((await get('bob')).isHit).toBe(true)
})
