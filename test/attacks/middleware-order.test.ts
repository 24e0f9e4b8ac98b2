import compression from 'compression'
import cors from 'cors'
import express, { type Express, type Request, type RequestHandler } from 'express'
import session from 'express-session'
import helmet from 'helmet'
import { afterEach, describe, expect, it } from 'vitest'
import { fallbackCache } from '../../src/middleware/express.js'
import { ask } from '../middleware/hosts/client.js'
import { listen } from '../middleware/hosts/listen.js'

const open: { close(): unknown }[] = []
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})

const cookieOf = (req: Request, name: string) => new RegExp(`${name}=([^;]+)`).exec(String(req.headers.cookie))?.[1]

/** A middleware, and what of the visitor its handler writes into the page. */
const middlewares: Record<string, { use: RequestHandler; page: (req: Request) => unknown }> = {
  compression: { use: compression({ threshold: 0 }) as unknown as RequestHandler, page: (req) => req.get('x-who') },
  'compression, with a handler that reads Accept-Encoding': {
    use: compression() as unknown as RequestHandler,
    page: (req) => req.get('accept-encoding'),
  },
  helmet: { use: helmet(), page: (req) => req.get('x-who') },
  cors: { use: cors({ origin: true, credentials: true }), page: (req) => req.get('origin') },
  'express-session': {
    use: session({ secret: 's', resave: false, saveUninitialized: true }),
    page: (req) => `${req.sessionID} ${cookieOf(req, 'who')}`,
  },
  'a login such as passport': {
    use: (req, _res, next) => {
      const who = cookieOf(req, 'who')
      if (who !== undefined) Object.assign(req, { user: { name: who } })
      next()
    },
    page: (req) => (Reflect.get(req, 'user') as { name: string } | undefined)?.name,
  },
  'tokens such as those of csurf': {
    use: (req, _res, next) => {
      const who = cookieOf(req, 'who')
      Object.assign(req, { csrfToken: () => `token of ${who}` })
      next()
    },
    page: (req) => (Reflect.get(req, 'csrfToken') as () => string)(),
  },
  'translations such as those of i18next': {
    use: (req, _res, next) => {
      const language = req.get('accept-language') ?? 'en'
      Object.assign(req, { language, t: (text: string) => `${text} in ${language}` })
      next()
    },
    page: (req) => (Reflect.get(req, 't') as (text: string) => string)('hello'),
  },
}

const visitors = ['ann', 'bob', 'ann', 'cat', 'bob'].map((who) => ({
  who,
  fields: {
    'x-who': who,
    origin: `https://${who}.example`,
    cookie: `who=${who}`,
    'accept-language': who,
    'accept-encoding': who,
  },
}))

describe.each(Object.entries(middlewares))('%s', (_name, { use, page }) => {
  const places: Record<string, (app: Express, cached: RequestHandler) => unknown> = {
    'in front of the cache': (app, cached) => app.use(use, cached),
    'behind the cache': (app, cached) => app.use(cached, use),
  }
  it.each(Object.entries(places))('%s shows no user the page of another', async (_place, mount) => {
    const cached = fallbackCache({ ttl: 60 })
    const app = express()
    mount(app, cached as RequestHandler)
    app.get('/', (req, res) => void res.send(`page for ${page(req)}.`))
    const running = await listen(app)
    open.push(cached, running)
    for (const { who, fields } of visitors) {
      const { text } = await ask(running.port, '/', { fields })
      expect(text).toContain(who)
      for (const other of ['ann', 'bob', 'cat']) if (other !== who) expect(text).not.toContain(other)
    }
  })
})
