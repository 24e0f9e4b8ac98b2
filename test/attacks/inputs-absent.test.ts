import express5, { type Express, type Request } from 'express'
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

/** Asks as visitors for some of whom middleware in front of the cache sets a value. */
async function visit(handle: Parameters<typeof listen>[0], path = '/page') {
  const running = await listen(handle)
  open.push(() => running.close())
  return async (who?: string) => {
    const got = await ask(running.port, path, { fields: who === undefined ? {} : { 'x-who': who } })
    return { text: got.text, status: String(got.field('cache-status')), isHit: got.cacheStatus.hit === true }
  }
}

type Visit = Awaited<ReturnType<typeof visit>>

/** The page of a guest comes first, and the value is known only for the visitors after. */
async function isTold(get: Visit) {
  for (const who of [undefined, 'ann', undefined, 'bob', 'ann', undefined]) {
    expect((await get(who)).text).toBe(`for ${who}`)
  }
}

const setTenant = (req: Request) => {
  const who = req.get('x-who')
  if (who !== undefined) Object.assign(req, { tenant: who, account: { id: who }, nameOf: () => who })
}

const READS: Readonly<Record<string, (req: Request) => unknown>> = {
  'a value': (req) => Reflect.get(req, 'tenant'),
  'an object with a telling name': (req) => Reflect.get(req, 'account')?.id,
  'a function': (req) => Reflect.get(req, 'nameOf')?.(),
}

describe.each([
  ['Express 5', express5],
  ['Express 4', express4 as unknown as typeof express5],
])('%s, with values that are set for some visitors only', (_, make) => {
  const app = (mount: (site: Express) => unknown, cached = fallbackCache({ ttl: 60 })): Express => {
    open.push(() => cached.close())
    const site = make()
    site.use((req, _res, next) => {
      setTenant(req)
      next()
    })
    site.use(cached)
    mount(site)
    return site
  }
  const page = (read: (req: Request) => unknown) => (site: Express) =>
    site.get('/page', (req, res) => void res.send(`for ${read(req)}`))

  it.each(Object.entries(READS))('tells guests from others by the absence of %s', async (_what, read) => {
    await isTold(await visit(app(page(read))))
  })

  it('keeps the page of the guests, and one for each value', async () => {
    const get = await visit(app(page((req) => Reflect.get(req, 'tenant'))))
    await isTold(get)
    expect([(await get()).isHit, (await get('ann')).isHit, (await get('bob')).isHit]).toEqual([true, true, true])
  })

  it('sees what a sub-application reads, and what is read after it has passed a request on', async () => {
    for (const path of ['/sub/page', '/page']) {
      const get = await visit(
        app((site) => {
          const inner = make()
          inner.get('/page', (req, res) => void res.send(`for ${Reflect.get(req, 'tenant')}`))
          const sub = make()
          sub.use('/', inner)
          site.use('/sub', sub)
          site.use('/', make())
          site.get('/page', (req, res) => void res.send(`for ${Reflect.get(req, 'tenant')}`))
        }),
        path,
      )
      await isTold(get)
    }
  })

  it.each<[string, string, (site: Express) => void]>([
    [
      'a URL is rewritten to one that takes a full parser',
      '/other',
      (site) =>
        site.use((req, _res, next) => {
          req.url = '/sub/page?a b'
          next()
        }),
    ],
    [
      'a package has put a parsed URL of its own on the request',
      '/sub/page',
      (site) =>
        site.use((req, _res, next) => {
          Object.assign(req, { _parsedUrl: { raw: req.url, pathname: req.url } })
          next()
        }),
    ],
    [
      'a URL is rewritten',
      '/other',
      (site) =>
        site.use((req, _res, next) => {
          req.url = '/sub/page'
          next()
        }),
    ],
  ])('sees what a sub-application reads after %s', async (_what, path, mount) => {
    const get = await visit(
      app((site) => {
        mount(site)
        const sub = make()
        sub.get('/page', (req, res) => void res.send(`for ${Reflect.get(req, 'tenant')}`))
        site.use('/sub', sub)
      }),
      path,
    )
    await isTold(get)
  })

  it('leaves the parsed URL as it is without the cache', async () => {
    const site = (isCached: boolean) => {
      const parsed: unknown[] = []
      const note = (req: Request, next?: () => void) => {
        const { pathname, query, search, path, href } = Reflect.get(req, '_parsedUrl')
        parsed.push({ pathname, query, search, path, href, text: req.query })
        next?.()
      }
      const mount = (to: Express) => {
        const router = make.Router()
        router.get('/page', (req, res) => {
          note(req)
          res.send('page')
        })
        to.use((req, _res, next) => note(req, next))
        to.use('/sub', router, (req, _res, next) => note(req, next))
      }
      const plain = make()
      if (!isCached) mount(plain)
      return { parsed, handle: isCached ? app(mount) : plain }
    }
    const [cached, plain] = [site(true), site(false)]
    for (const { handle } of [cached, plain]) {
      for (const path of ['/sub/page?a=1&b=2', '/sub/page', '/sub?c', '/sub/none', '/sub/page?%20#a']) {
        await (await visit(handle, path))()
      }
    }
    expect(cached.parsed).toEqual(plain.parsed)
  })

  it('tells them apart in front of the application too', async () => {
    const cached = fallbackCache({ ttl: 60 })
    const site = app(
      page((req) => Reflect.get(req, 'tenant')),
      cached,
    )
    await isTold(await visit(cached.listener(site, { skipOnHit: 'all' })))
  })

  it('answers in front of an application that mounts nothing before the cache', async () => {
    const cached = fallbackCache({ ttl: 60 })
    open.push(() => cached.close())
    const site = make()
    site.use(cached)
    page((req) => Reflect.get(req, 'tenant'))(site)
    let entered = 0
    const get = await visit(cached.listener(Object.assign(site, { handle: counted(site) })))
    function counted(of: Express) {
      const { handle } = of as unknown as { handle: (...args: unknown[]) => unknown }
      return (...args: unknown[]) => {
        entered += 1
        return handle.apply(of, args)
      }
    }
    await get()
    expect([(await get()).isHit, entered]).toEqual([true, 1])
  })

  it('puts the prototype of the request and the parsed URL back', async () => {
    const after: unknown[] = []
    const cached = fallbackCache({ ttl: 60 })
    open.push(() => cached.close())
    const site = make()
    site.use((req, res, next) => {
      const before = Object.getPrototypeOf(req)
      res.once('finish', () => {
        const descriptor = Object.getOwnPropertyDescriptor(req, '_parsedUrl')
        after.push(Object.getPrototypeOf(req) === before, descriptor?.get)
      })
      next()
    })
    site.use(cached)
    site.get('/page', (req, res) => void res.send(`${req instanceof Object.getPrototypeOf(req).constructor}`))
    const get = await visit(site)
    expect((await get()).text).toBe('true')
    expect(after).toEqual([true, undefined])
  })
})

const KOA_READS: Readonly<Record<string, (ctx: Context) => unknown>> = {
  'a property of the context': (ctx) => ctx.tenant,
  'a property of the request of Node.js': (ctx) => Reflect.get(ctx.req, 'tenant'),
  'a function on the context': (ctx) => ctx.nameOf?.(),
  'a value of the state': (ctx) => ctx.state.tenant,
  'a function of the state': (ctx) => ctx.state.nameOf?.(),
}

describe.each([
  ['Koa 3', Koa],
  ['Koa 2', Koa2 as unknown as typeof Koa],
])('%s, with values that are set for some visitors only', (_, make) => {
  it.each(Object.entries(KOA_READS))('tells guests from others by the absence of %s', async (_what, read) => {
    const cached = koaCache({ ttl: 60 })
    open.push(() => cached.close())
    const app = new make()
    app.use((ctx, next) => {
      const who = ctx.get('x-who') || undefined
      const values = { tenant: who, nameOf: () => who }
      if (who !== undefined) for (const one of [ctx, ctx.req, ctx.state]) Object.assign(one, values)
      return next()
    })
    app.use(cached)
    app.use((ctx) => {
      ctx.body = `for ${read(ctx)}`
    })
    await isTold(await visit(app.callback()))
  })
})

describe('a function that middleware in front leaves', () => {
  const site = (cached: ReturnType<typeof fallbackCache>, read: (req: Request) => unknown, name = 'csrfToken') => {
    open.push(() => cached.close())
    const app = express5()
    app.use((req, res, next) => {
      const who = req.get('x-who')
      const made = Object.assign(() => `of ${who}`, { kind: 'token' })
      Object.assign(req, { [name]: made })
      res.locals[name] = made
      next()
    })
    app.use(cached)
    app.get('/page', (req, res) => void res.send(`for ${read(req)}`))
    return app
  }
  const call = (name: string) => (req: Request) => Reflect.get(req, name)()

  it('keeps what was made by calling it from being stored, and says how it is named', async () => {
    const get = await visit(site(fallbackCache({ ttl: 60 }), call('csrfToken')))
    for (const who of ['ann', 'bob', 'ann']) expect((await get(who)).text).toBe(`for of ${who}`)
    expect((await get('ann')).status).toContain('filled-read')
  })

  it('does the same in res.locals, where a copy for a template calls nothing', async () => {
    const called = await visit(site(fallbackCache({ ttl: 60 }), (req) => req.res?.locals.csrfToken()))
    for (const who of ['ann', 'bob']) expect((await called(who)).text).toBe(`for of ${who}`)
    const copied = await visit(site(fallbackCache({ ttl: 60 }), (req) => Object.keys({ ...req.res?.locals }).join()))
    await copied('ann')
    expect((await copied('bob')).isHit).toBe(true)
  })

  it('counts translations by the names that the package i18n uses', async () => {
    const get = await visit(site(fallbackCache({ ttl: 60 }), call('__'), '__'))
    for (const who of ['ann', 'bob', 'ann']) expect((await get(who)).text).toBe(`for of ${who}`)
  })

  it('does not count while it is not called, nor if inputs.ignore names it', async () => {
    const looked = await visit(site(fallbackCache({ ttl: 60 }), (req) => Reflect.get(req, 'csrfToken').kind))
    await looked('ann')
    expect(await looked('bob')).toMatchObject({ text: 'for token', isHit: true })
    const ignored = fallbackCache({ ttl: 60, inputs: { ignore: ['req:csrfToken'] } })
    const get = await visit(site(ignored, call('csrfToken')))
    await get('ann')
    expect((await get('ann')).isHit).toBe(true)
  })

  it('does not count if it overrides a method of the request, as tracers do', async () => {
    const get = await visit(
      site(
        fallbackCache({ ttl: 60 }),
        (req) => {
          req.emit('x')
          return 'all'
        },
        'emit',
      ),
    )
    await get('ann')
    expect((await get('bob')).isHit).toBe(true)
  })
})
