import cookieSession from 'cookie-session'
import session from 'express-session'
import koaSession from 'koa-session'
import passport from 'passport'
import { describe, expect, it } from 'vitest'
import { type Client, cookiesOf, expresses, koas, useStage } from './stage.js'

const stage = useStage()

/** Visitors whose sessions, made at /login, hold their names; the last one has none. */
async function isTold(get: Client) {
  const fields: Record<string, string> = {}
  for (const who of ['ann', 'bob']) fields[who] = cookiesOf(await get(`/login/${who}`))
  for (const who of ['guest', 'ann', 'bob', 'guest', 'ann', 'bob', 'guest']) {
    const cookie = fields[who]
    const got = await get('/page', cookie === undefined ? {} : { fields: { cookie } })
    expect(got.text).toBe(`for ${who}`)
  }
}

type Data = { who?: string } | null | undefined

/** The sessions of Express under names that say so and under names that do not. */
const SESSIONS = [
  ['express-session', (name: string) => session({ secret: 's', name, resave: false, saveUninitialized: false })],
  ['cookie-session', (name: string) => cookieSession({ name, secret: 'k' })],
] as const

const ORDERS = ['session, cache', 'cache, session'] as const

/** How the page learns who is asking. */
const EXPRESS_READS = {
  'req.session': (req: object) => (Reflect.get(req, 'session') as Data)?.who,
  'a value taken from the session': (req: object) => Reflect.get(req, 'who') as string | undefined,
  'a function that reads the session': (req: object) => (Reflect.get(req, 'nameOf') as () => string | undefined)(),
}

describe.each(expresses)('sessions in %s', (_, createApplication) => {
  for (const [kind, make] of SESSIONS) {
    for (const name of ['sid', 'v']) {
      for (const order of ORDERS) {
        it.each(Object.entries(EXPRESS_READS))(
          `keep visitors apart, ${kind} called ${name}, ${order}, by %s`,
          async (_read, read) => {
            const app = createApplication()
            const sessions = make(name)
            const cached = stage.express()
            const learn = (req: object, _res: object, next: () => void) => {
              const who = (Reflect.get(req, 'session') as Data)?.who
              if (who !== undefined) Object.assign(req, { who })
              Object.assign(req, { nameOf: () => who })
              next()
            }
            const login = (req: { params: { who?: string } }, res: { send(text: string): unknown }) => {
              Reflect.set(Reflect.get(req, 'session') as object, 'who', req.params.who)
              res.send('in')
            }
            app.get('/login/:who', sessions, login as never)
            if (order === 'session, cache') app.use(sessions, learn as never, cached)
            else app.use(cached, sessions, learn as never)
            app.get('/page', (req, res) => void res.send(`for ${read(req) ?? 'guest'}`))
            await isTold(await stage.serve(app))
          },
        )
      }
    }
  }

  it.each(['initialize, cache, session', 'cache, initialize, session', 'initialize, session, cache'])(
    'with passport keep visitors apart, in the order %s',
    async (order) => {
      const app = createApplication()
      const cached = stage.express()
      const own = new passport.Passport()
      own.serializeUser((user, done) => done(null, user))
      own.deserializeUser((user: Express.User, done) => done(null, user))
      app.use(session({ secret: 's', name: 'v', resave: false, saveUninitialized: false }))
      const parts: Record<string, unknown> = { initialize: own.initialize(), session: own.session(), cache: cached }
      for (const part of order.split(', ')) {
        // The users log in before the cache, wherever it is.
        if (part === 'cache') {
          app.get('/login/:who', own.initialize(), (req, res) => {
            req.login({ who: req.params.who } as never, () => res.send('in'))
          })
        }
        app.use(parts[part] as never)
      }
      app.get('/page', (req, res) => {
        const who = req.isAuthenticated?.() ? (req.user as unknown as { who: string }).who : 'guest'
        res.send(`for ${who}`)
      })
      await isTold(await stage.serve(app))
    },
  )
})

const KOA_READS = {
  'ctx.session': (ctx: object) => (Reflect.get(ctx, 'session') as Data)?.who,
  'a value taken from the session': (ctx: object) => Reflect.get(ctx, 'who') as string | undefined,
  'a value of the state': (ctx: object) => (Reflect.get(ctx, 'state') as Data)?.who,
  'a function that reads the session': (ctx: object) => (Reflect.get(ctx, 'nameOf') as () => string | undefined)(),
}

describe.each(koas)('sessions in %s', (_, createApplication) => {
  for (const key of ['koa.sess', 'v']) {
    for (const order of ORDERS) {
      it.each(Object.entries(KOA_READS))(
        `keep visitors apart, koa-session called ${key}, ${order}, by %s`,
        async (_read, read) => {
          const app = createApplication()
          app.keys = ['k']
          const sessions = koaSession({ key }, app as never)
          const cached = stage.koa()
          const login = (ctx: never, next: () => Promise<unknown>) => {
            const context = ctx as { path: string; session: object; body: unknown }
            const [, page, who] = context.path.split('/')
            if (page !== 'login') return next()
            Reflect.set(context.session, 'who', who)
            context.body = 'in'
            return undefined
          }
          const learn = (ctx: object, next: () => Promise<unknown>) => {
            const who = (Reflect.get(ctx, 'session') as Data)?.who
            if (who !== undefined) {
              Object.assign(ctx, { who })
              Object.assign(Reflect.get(ctx, 'state') as object, { who })
            }
            Object.assign(ctx, { nameOf: () => who })
            return next()
          }
          const parts = order === 'session, cache' ? [sessions, login, learn, cached] : [cached, sessions, login, learn]
          for (const part of parts) app.use(part as never)
          app.use((ctx) => {
            ctx.body = `for ${read(ctx) ?? 'guest'}`
          })
          await isTold(await stage.serve(app))
        },
      )
    }
  }
})
