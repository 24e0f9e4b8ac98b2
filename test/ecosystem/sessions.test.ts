import type { Request } from 'express'
import session, { type SessionOptions } from 'express-session'
import koaSession from 'koa-session'
import { describe, expect, it } from 'vitest'
import type { MiddlewareOptions as ExpressOptions } from '../../src/middleware/express.js'
import { cookiesOf, expresses, koas, useStage } from './stage.js'

const stage = useStage()

declare module 'express-session' {
  interface SessionData {
    name?: string
    views?: number
  }
}

/** The names of a session cookie: the usual one, and one that is not recognizable. */
const names = ['connect.sid', 'v']

describe.each(expresses)('express-session in %s', (_, createApplication) => {
  const site = (place: string, options: Partial<SessionOptions> = {}, cache: ExpressOptions = {}) => {
    const app = createApplication()
    const cached = stage.express(cache)
    const sessions = session({ secret: 'secret', resave: false, saveUninitialized: true, ...options })
    app.use(...(place === 'above' ? [cached, sessions] : [sessions, cached]))
    app.get('/login/:name', (req: Request<{ name: string }>, res) => {
      req.session.name = req.params.name
      res.send('welcome')
    })
    app.get('/me', (req, res) => void res.send(`hello ${req.session.name ?? 'stranger'}`))
    app.get('/shop', (_req, res) => void res.send('shop'))
    app.get('/views', (req, res) => {
      req.session.views = (req.session.views ?? 0) + 1
      res.send(`views: ${req.session.views}`)
    })
    app.get('/id', (req, res) => void res.send(req.session.id))
    return stage.serve(app)
  }

  for (const place of ['above', 'below']) {
    for (const name of names) {
      it(`gives two visitors each their page and their cookie, with the cache ${place} and a cookie called ${name}`, async () => {
        const get = await site(place, { name })
        const alice = { fields: { cookie: cookiesOf(await get('/login/alice')) } }
        const bob = { fields: { cookie: cookiesOf(await get('/login/bob')) } }
        expect(alice.fields.cookie).toMatch(new RegExp(`^${name}=`))
        expect(alice.fields.cookie).not.toBe(bob.fields.cookie)
        for (let round = 0; round < 2; round++) {
          expect((await get('/me', alice)).text).toBe('hello alice')
          expect((await get('/me', bob)).text).toBe('hello bob')
        }
      })

      it(`counts each visitor's own views, with the cache ${place} and a cookie called ${name}`, async () => {
        const get = await site(place, { name })
        const [alice, bob] = [await get('/views'), await get('/views')].map((got) => ({
          fields: { cookie: cookiesOf(got) },
        }))
        expect((await get('/views', alice)).text).toBe('views: 2')
        expect((await get('/views', alice)).text).toBe('views: 3')
        expect((await get('/views', bob)).text).toBe('views: 2')
      })
    }

    it(`gives no visitor the cookie of another, with the cache ${place}`, async () => {
      const get = await site(place)
      const cookies = []
      for (let visitor = 0; visitor < 3; visitor++) cookies.push(cookiesOf(await get('/shop')))
      expect(new Set(cookies).size).toBe(3)
      expect(cookies.every((cookie) => cookie.startsWith('connect.sid='))).toBe(true)
    })

    it(`keeps a cookie rolling, with the cache ${place}`, async () => {
      const get = await site(place, { rolling: true, cookie: { maxAge: 60_000 } })
      const first = cookiesOf(await get('/shop'))
      for (let visit = 0; visit < 2; visit++) {
        expect(cookiesOf(await get('/shop', { fields: { cookie: first } }))).toBe(first)
      }
    })
  }

  it('shares the page of visitors whose session holds nothing, in front of the cache', async () => {
    const get = await site('below')
    const miss = await get('/shop')
    const hit = await get('/shop')
    expect([hit.text, hit.cacheStatus.hit]).toEqual(['shop', true])
    expect(cookiesOf(hit)).not.toBe(cookiesOf(miss))
    expect(hit.field('content-length')).toBe('4')
  })

  it('shares the page of visitors who get no cookie, behind the cache', async () => {
    const get = await site('above', { saveUninitialized: false })
    await get('/shop')
    const hit = await get('/shop')
    expect([hit.cacheStatus.hit, hit.field('set-cookie')]).toEqual([true, undefined])
  })

  it('says why it shares no page of a session that holds something', async () => {
    const get = await site('below', { name: 'v' }, { inputs: { ignore: ['cookie:v'] } })
    const cookie = cookiesOf(await get('/login/alice'))
    expect((await get('/me', { fields: { cookie } })).cacheStatus.detail).toBe('logged-in')
    // The value of a signed cookie gives it away under any name.
    for (const name of names) {
      const usual = await site('below', { name })
      const known = cookiesOf(await usual('/login/alice'))
      expect((await usual('/me', { fields: { cookie: known } })).cacheStatus.detail).toBe('cookie')
    }
  })
})

describe.each(koas)('koa-session in %s', (_, createApplication) => {
  const site = (place: string, key: string) => {
    const app = createApplication()
    app.keys = ['secret']
    if (place === 'above') app.use(stage.koa())
    app.use(koaSession({ key }, app))
    if (place === 'below') app.use(stage.koa())
    app.use((ctx) => {
      const { session: own } = ctx
      if (own === null) throw new Error('no session')
      const [, path, name] = ctx.path.split('/')
      if (path === 'login') own.name = name
      if (path === 'views') own.views = (own.views ?? 0) + 1
      ctx.body = path === 'me' ? `hello ${own.name ?? 'stranger'}` : path === 'views' ? `views: ${own.views}` : 'shop'
    })
    return stage.serve(app)
  }

  for (const place of ['above', 'below']) {
    for (const key of ['koa.sess', 'v']) {
      it(`gives two visitors each their page and their cookie, with the cache ${place} and a cookie called ${key}`, async () => {
        const get = await site(place, key)
        const alice = { fields: { cookie: cookiesOf(await get('/login/alice')) } }
        const bob = { fields: { cookie: cookiesOf(await get('/login/bob')) } }
        for (let round = 0; round < 2; round++) {
          expect((await get('/me', alice)).text).toBe('hello alice')
          expect((await get('/me', bob)).text).toBe('hello bob')
        }
      })

      it(`counts each visitor's own views, with the cache ${place} and a cookie called ${key}`, async () => {
        const get = await site(place, key)
        const first = await get('/views')
        expect(first.text).toBe('views: 1')
        const second = await get('/views', { fields: { cookie: cookiesOf(first) } })
        expect(second.text).toBe('views: 2')
        expect((await get('/views')).text).toBe('views: 1')
      })
    }

    it(`lets everybody have what no session had a part in, with the cache ${place}`, async () => {
      const get = await site(place, 'koa.sess')
      await get('/shop')
      const hit = await get('/shop')
      expect([hit.cacheStatus.hit, hit.field('set-cookie')]).toEqual([true, undefined])
    })
  }
})
