import cookieParser from 'cookie-parser'
import cookieSession from 'cookie-session'
import express5, { type Request, type RequestHandler } from 'express'
import session from 'express-session'
import express4 from 'express4'
import { describe, expect, it } from 'vitest'
import { fallbackCache } from '../../src/middleware/express.js'
import { ask } from '../middleware/hosts/client.js'
import { listen } from '../middleware/hosts/listen.js'

const WAYS: Readonly<Record<string, (req: Request) => unknown>> = {
  'by name': (req) => req.cookies.tenant,
  destructured: ({ cookies: { tenant } }) => tenant,
  spread: (req) => ({ ...req.cookies }).tenant,
  'as JSON': (req) => JSON.stringify(req.cookies),
  listed: (req) => Object.values(req.cookies).join(),
  'from the field': (req) => req.headers.cookie,
}

/** What a middleware keeps of the field in the turn in which cookie-parser reads it as well. */
const READS: Readonly<Record<string, (req: Request) => unknown>> = {
  'from the field': (req) => req.headers.cookie,
  'by req.get': (req) => req.get('Cookie'),
  'from its lines': (req) => req.headersDistinct.cookie?.join(),
}

/** Asks with a cookie of a name that no list knows, and with cookies that everybody has. */
async function play(handlers: readonly RequestHandler[], make: typeof express5, who: readonly (string | undefined)[]) {
  const app = make()
  app.use(...handlers)
  const running = await listen(app)
  const got: string[] = []
  try {
    for (const name of who) {
      const cookie = name === undefined ? '_ga=GA1' : `_ga=${name}; tenant=${name}`
      got.push((await ask(running.port, '/', { fields: { cookie } })).text)
    }
  } finally {
    await running.close()
  }
  return got
}

describe.each([
  ['Express 5', express5],
  ['Express 4', express4 as unknown as typeof express5],
])('cookies that are parsed in %s', (_, make) => {
  const places = {
    behind: (...parsers: RequestHandler[]) => [fallbackCache({ ttl: 60 }), ...parsers],
    'in front': (...parsers: RequestHandler[]) => [...parsers, fallbackCache({ ttl: 60 })],
  }
  for (const [place, around] of Object.entries(places)) {
    for (const [way, read] of Object.entries(WAYS)) {
      it(`are for one user only, parsed ${place} and read ${way}`, async () => {
        const answer: RequestHandler = (req, res) => void res.send(`for ${read(req)}`)
        const who = ['ann', 'bob', undefined, 'ann']
        const got = await play([...around(cookieParser('secret')), answer], make, who)
        expect(got[0]).toContain('ann')
        expect(got[1]).toContain('bob')
        expect(got[1]).not.toContain('ann')
        expect(got[2]).not.toMatch(/ann|bob/)
        expect(got[3]).toContain('ann')
      })
    }

    for (const [name, before] of Object.entries(READS)) {
      it(`are for one user only, read before they are parsed ${place} (${name})`, async () => {
        const answer: RequestHandler = (req, res) => void res.send(`for ${Reflect.get(req, 'before')}`)
        const read: RequestHandler = (req, _res, next) => {
          Object.assign(req, { before: before(req) })
          next()
        }
        const got = await play([...around(read, cookieParser('secret')), answer], make, [
          'ann',
          'bob',
          undefined,
          'ann',
        ])
        expect(got[0]).toContain('ann')
        expect(got[1]).toContain('bob')
        expect(got[2]).not.toMatch(/ann|bob/)
        expect(got[3]).toContain('ann')
      })
    }

    it(`keep nothing from the cache that no handler reads, parsed ${place}`, async () => {
      let runs = 0
      const answer: RequestHandler = (_req, res) => void res.send(`run ${++runs}`)
      const got = await play([...around(cookieParser('secret')), answer], make, ['ann', 'bob', undefined])
      expect(got).toEqual(['run 1', 'run 1', 'run 1'])
    })

    it(`may be shared by those who do not have the one that is read, parsed ${place}`, async () => {
      let runs = 0
      const answer: RequestHandler = (req, res) => void res.send(`run ${++runs} ${req.cookies.tenant ?? 'guest'}`)
      const got = await play([...around(cookieParser()), answer], make, [undefined, 'ann', undefined])
      expect(got).toEqual(['run 1 guest', 'run 2 ann', 'run 1 guest'])
    })

    it(`leave a request as the parser has made it, parsed ${place}`, async () => {
      const answer: RequestHandler = (req, res) => {
        res.send('sent')
        expect(req.cookies).toEqual({ _ga: 'ann', tenant: 'ann' })
      }
      expect(await play([...around(cookieParser('secret')), answer], make, ['ann'])).toEqual(['sent'])
    })
  }

  it('hold back the page of a session whose cookie no list knows', async () => {
    const greet: RequestHandler = (req, res) => {
      const { session: own } = req as unknown as { session: { name?: string } }
      if (typeof req.query.name === 'string') own.name = req.query.name
      res.send(`hello ${own.name ?? 'guest'}`)
    }
    for (const sessions of [
      session({ name: 'kaufen', secret: 's', resave: false, saveUninitialized: false }),
      cookieSession({ name: 'kaufen', secret: 's' }),
    ]) {
      const app = make()
      app.use(fallbackCache({ ttl: 60 }), sessions)
      app.get('/', greet)
      const running = await listen(app)
      try {
        const login = await fetch(`http://127.0.0.1:${running.port}/?name=ann`)
        const lines = login.headers.getSetCookie()
        const cookie = lines.map((line) => line.split(';', 1)[0]).join('; ')
        expect(cookie).toContain('kaufen')
        expect((await ask(running.port, '/')).text).toBe('hello guest')
        expect((await ask(running.port, '/', { fields: { cookie } })).text).toBe('hello ann')
        expect((await ask(running.port, '/')).text).toBe('hello guest')
      } finally {
        await running.close()
      }
    }
  })
})

it('cookies that a parser in front has decoded are those of the client in each form that it reads', async () => {
  let runs = 0
  const cached = fallbackCache({ ttl: 60 })
  const app = express5()
  app.use(cookieParser('secret'), cached, (_req, res) => void res.send(`run ${++runs}`))
  const running = await listen(app)
  for (const cookie of ['_ga=1', 'a=b%20c', 'a="b c"', 'a=j%3A%7B%22b%22%3A%5B1%5D%7D', 'a=%E0%A4%A', 'a=1; a=2']) {
    expect((await ask(running.port, '/', { fields: { cookie } })).text).toBe('run 1')
  }
  await running.close()
  await cached.close()
})

type MakeApp = typeof express5

/** Two routes with a cache, of which middleware in front chooses by a field that no handler reads. */
const CHOICES: Readonly<Record<string, (make: MakeApp, cached: RequestHandler) => express5.Express>> = {
  'next("route")': (make, cached) => {
    const only = (who: string): RequestHandler => {
      return (req, _res, next) => (req.get('x-who') === who ? next() : next('route'))
    }
    const page = (text: string): RequestHandler => {
      return (_req, res) => void res.send(text)
    }
    return make().get('/page', only('ann'), cached, page('ann')).get('/page', only('bob'), cached, page('bob'))
  },
  'next("route") to another pattern, in a router': (make, cached) => {
    const router = make.Router()
    router.get('/page', (req, _res, next) => (req.get('x-who') === 'ann' ? next() : next('route')), cached, answer)
    router.get('/:name', cached, answer)
    return make().use('/', router)
  },
  'next("router")': (make, cached) => {
    const router = make.Router()
    router.use((req, _res, next) => (req.get('x-who') === 'ann' ? next() : next('router')))
    router.get('/page', cached, answer)
    return make().use(router).get('/page', cached, answer)
  },
  'a call of its router': (make, cached) => {
    const [ann, bob] = [make.Router(), make.Router()]
    ann.get('/page', cached, answer)
    bob.get('/:name', cached, answer)
    return make().use((req, res, next) => (req.get('x-who') === 'ann' ? ann : bob)(req, res, next))
  },
  'next("route") in a mounted application': (make, cached) => {
    const site = make()
    site.get('/page', (req, _res, next) => (req.get('x-who') === 'ann' ? next() : next('route')), cached, answer)
    site.get('/*splat'.replace('splat', make === express5 ? 'splat' : ''), cached, answer)
    return make().use('/', site)
  },
}

const answer: RequestHandler = (req, res) => {
  res.send(req.get('x-who'))
}

/** Middleware in front of the cache, within its route, that changes the parameters of the path for some visitors. */
const CHANGES: Readonly<Record<string, (params: Record<string, unknown>, who: string | undefined) => void>> = {
  'set to another value': (params, who) => {
    params.id = who
  },
  swapped: (params, who) => {
    if (who === 'ann') [params.id, params.part] = [params.part, params.id]
  },
  emptied: (params, who) => {
    if (who === 'ann') params.id = undefined
  },
  added: (params, who) => {
    params.who = who
  },
  'set to an object': (params, who) => {
    params.id = { who }
  },
}

describe.each([
  ['Express 5', express5],
  ['Express 4', express4 as unknown as MakeApp],
])('a route in %s', (_, make) => {
  it.each(Object.entries(CHOICES))('that is chosen by %s has responses of its own', async (_way, build) => {
    const cached = fallbackCache({ ttl: 60, inputs: { ignore: ['x-who'] } })
    const running = await listen(build(make, cached))
    const get = (who: string) => ask(running.port, '/page', { fields: { 'x-who': who } })
    const seen: unknown[] = []
    for (const who of ['ann', 'bob', 'ann', 'bob']) {
      const { text, cacheStatus } = await get(who)
      seen.push([text, cacheStatus.hit])
    }
    await running.close()
    expect(seen).toEqual([
      ['ann', false],
      ['bob', false],
      ['ann', true],
      ['bob', true],
    ])
  })

  it.each(Object.entries(CHANGES))('whose parameters are %s is cached by them', async (_way, change) => {
    const app = make()
    const inFront: RequestHandler = (req, _res, next) => {
      change(req.params, req.get('x-who'))
      next()
    }
    app.get('/page/:id/:part', inFront, fallbackCache({ ttl: 60 }), (req, res) => void res.json(req.params))
    const running = await listen(app)
    const get = (who: string) => ask(running.port, '/page/1/2', { fields: { 'x-who': who } })
    const [ann, bob, again] = [await get('ann'), await get('bob'), await get('ann')]
    await running.close()
    expect([ann.text === bob.text, again.text === ann.text, again.cacheStatus.hit]).toEqual([false, true, true])
  })

  it('whose parameters are those of its path has the key of the path', async () => {
    const cached = fallbackCache({ ttl: 60 })
    const router = make.Router({ mergeParams: true })
    router.get('/items/:id', cached, (req, res) => void res.json(req.params))
    const app = make().use('/shops/:shop', router)
    const running = await listen(app)
    const url = '/shops/a%2Fb/items/50%25'
    await ask(running.port, url)
    const explained = await cached.explain({ url, headers: { host: `127.0.0.1:${running.port}` } })
    await running.close()
    expect(explained.outcome).toBe('hit')
  })
})
