import session from 'express-session'
import passport from 'passport'
import { describe, expect, it } from 'vitest'
import { type Client, cookiesOf, expresses, useStage } from './stage.js'

const stage = useStage()

/** A strategy as passport-custom makes them: any name is believed. */
class ByField extends passport.Strategy {
  override readonly name = 'by-field'
  readonly field: string

  constructor(field: string) {
    super()
    this.field = field
  }

  override authenticate(req: Parameters<passport.Strategy['authenticate']>[0]): void {
    const name = req.headers[this.field]
    if (name === undefined) this.fail(401)
    else this.success({ name: String(name) })
  }
}

function authenticator(field: string): passport.Authenticator {
  const own = new passport.Passport()
  own.use(new ByField(field))
  own.serializeUser((user, done) => done(null, user))
  own.deserializeUser((user: Express.User, done) => done(null, user))
  return own
}

const nameOf = (user: Express.User | undefined) => (user as { readonly name?: string } | undefined)?.name ?? 'guest'

async function keepsApart(get: Client, alice: Parameters<Client>[1], bob: Parameters<Client>[1]): Promise<void> {
  for (let round = 0; round < 2; round++) {
    expect((await get('/me', alice)).text).toBe('me: alice')
    expect((await get('/me', bob)).text).toBe('me: bob')
    expect((await get('/me')).status).toBe(401)
  }
}

describe.each(expresses)('passport in %s', (_, createApplication) => {
  for (const place of ['above', 'below']) {
    it.each(['authorization', 'x-who'])(`keeps users apart by %s, with the cache ${place}`, async (field) => {
      const app = createApplication()
      const own = authenticator(field)
      const cached = stage.express()
      const who = own.authenticate('by-field', { session: false })
      app.get('/me', ...(place === 'above' ? [cached, who] : [who, cached]), (req, res) => {
        res.send(`me: ${nameOf(req.user)}`)
      })
      const get = await stage.serve(app)
      await keepsApart(get, { fields: { [field]: 'alice' } }, { fields: { [field]: 'bob' } })
    })

    it.each(['connect.sid', 'v'])(`keeps users apart by a session called %s, with the cache ${place}`, async (name) => {
      const app = createApplication()
      const own = authenticator('x-who')
      const cached = stage.express()
      if (place === 'above') app.use(cached)
      app.use(session({ secret: 'secret', name, resave: false, saveUninitialized: false }))
      app.use(own.initialize(), own.session())
      if (place === 'below') app.use(cached)
      app.post('/login', own.authenticate('by-field'), (_req, res) => void res.send('welcome'))
      app.post('/logout', (req, res, next) => req.logout((error) => (error ? next(error) : res.send('bye'))))
      app.get('/me', (req, res) => {
        if (req.isAuthenticated()) res.send(`me: ${nameOf(req.user)}`)
        else res.status(401).send('who are you?')
      })
      app.get('/shop', (req, res) => void res.send(`shop for ${nameOf(req.user)}`))
      const get = await stage.serve(app)
      const login = async (who: string) => ({
        fields: { cookie: cookiesOf(await get('/login', { method: 'POST', fields: { 'x-who': who } })) },
      })
      const alice = await login('alice')
      await keepsApart(get, alice, await login('bob'))
      expect((await get('/shop', alice)).text).toBe('shop for alice')
      expect((await get('/shop')).text).toBe('shop for guest')
      expect((await get('/shop')).cacheStatus.hit).toBe(true)
      if (place === 'below' || name === 'connect.sid') expect((await get('/shop', alice)).text).toBe('shop for alice')
      await get('/logout', { method: 'POST', ...alice })
      expect((await get('/me', alice)).status).toBe(401)
    })
  }
})
