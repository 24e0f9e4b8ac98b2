import type { Express, RequestHandler } from 'express'
import { describe, expect, it } from 'vitest'
import type { Ask, Got } from '../middleware/hosts/client.js'
import { type Client, expresses, koas, useStage } from './stage.js'

const stage = useStage()

/** Fields that are of one answer and not of what it answers. */
const perAnswer = new Set(['age', 'cache-status', 'connection', 'date', 'keep-alive', 'content-length', 'etag'])
const shown = (got: Got) => ({
  status: got.status,
  text: got.text,
  fields: got.names.filter((name) => !perAnswer.has(name)).map((name) => `${name}: ${got.field(name)}`),
})

/** The same is answered without a cache, from the handler and from the store. */
async function sameAsWithout(plain: Client, get: Client, path: string, options: Ask = {}): Promise<Got> {
  const without = shown(await plain(path, options))
  expect(shown(await get(path, options))).toEqual(without)
  const last = await get(path, options)
  expect(shown(last)).toEqual(without)
  return last
}

describe.each(expresses)('what %s answers', (_, createApplication) => {
  const both = async (handler: RequestHandler, prepare: (app: Express) => void = () => {}) => {
    const make = (...middleware: RequestHandler[]) => {
      const app = createApplication()
      prepare(app)
      for (const one of middleware) app.use(one)
      return stage.serve(app.use(handler))
    }
    return [await make(), await make(stage.express() as RequestHandler)] as const
  }

  it('by res.format is a variant for each type that it can give', async () => {
    const [plain, get] = await both((_req, res) => {
      res.format({ html: () => res.send('<p>'), json: () => res.json({ p: 1 }), text: () => res.send('p') })
    })
    for (const accept of ['text/html', 'application/json', 'text/plain', 'application/json;q=0.1, text/plain', '*/*']) {
      const hit = await sameAsWithout(plain, get, '/', { fields: { accept } })
      expect([hit.field('vary'), hit.cacheStatus.hit]).toEqual(['Accept', true])
    }
    const none = await get('/', { fields: { accept: 'image/png' } })
    expect([none.status, none.cacheStatus.hit]).toEqual([406, false])
  })

  it.each([301, 302, 303, 307, 308])(
    'by res.redirect(%i) stays a redirect, in the type that was asked for',
    async (status) => {
      const [plain, get] = await both((req, res) => void res.redirect(status, `/to?from=${req.path}`))
      for (const accept of ['text/html', 'text/plain']) {
        const got = await sameAsWithout(plain, get, '/a', { fields: { accept } })
        expect(got.field('location')).toBe('/to?from=/a')
        // A redirect that states no lifetime and is not permanent is none to keep.
        expect(got.cacheStatus.hit).toBe(status === 301 || status === 308)
      }
    },
  )

  it('by res.jsonp is for the callback that was asked for', async () => {
    const [plain, get] = await both((_req, res) => void res.jsonp({ a: 1 }))
    for (const path of ['/?callback=one', '/?callback=two', '/']) await sameAsWithout(plain, get, path)
    expect((await get('/?callback=one')).text).toContain('one({"a":1})')
    expect((await get('/')).text).toBe('{"a":1}')
  })

  it('by res.render is what the view made', async () => {
    let runs = 0
    const [plain, get] = await both(
      (req, res) => void res.render('answers.test.ts', { name: req.query.name }),
      (app) => {
        app.set('views', import.meta.dirname)
        // The view is this file, and its engine reads nothing of it.
        app.engine('ts', (_path, options, done) => {
          runs += 1
          done(null, `<h1>${(options as { readonly name?: string }).name}</h1>`)
        })
      },
    )
    const hit = await sameAsWithout(plain, get, '/?name=alice')
    expect([hit.text, hit.cacheStatus.hit, runs]).toEqual(['<h1>alice</h1>', true, 2])
    expect((await get('/?name=bob')).text).toBe('<h1>bob</h1>')
  })

  it('by res.json keeps its settings, with entity tags or without', async () => {
    for (const etag of ['weak', false]) {
      const [plain, get] = await both(
        (_req, res) => void res.json({ '<': [1] }),
        (app) => void app.set('json spaces', 2).set('json escape', true).set('etag', etag),
      )
      const hit = await sameAsWithout(plain, get, '/')
      expect([hit.cacheStatus.hit, hit.field('etag') !== undefined]).toEqual([true, true])
    }
  })

  it('by res.sendStatus, res.links, res.attachment, res.vary and res.location is repeated to the letter', async () => {
    const [plain, get] = await both((req, res) => {
      res.links({ next: '/2', last: '/9' }).vary('Accept-Language').location('/elsewhere')
      if (req.path === '/file') res.attachment('a "b" ü.txt')
      res.send(req.path)
    })
    for (const path of ['/', '/file']) expect((await sameAsWithout(plain, get, path)).cacheStatus.hit).toBe(true)
    const [bare, cached] = await both((_req, res) => void res.sendStatus(203))
    expect((await sameAsWithout(bare, cached, '/')).text).toBe('Non-Authoritative Information')
  })

  it('by res.clearCookie and res.cookie goes to one client', async () => {
    const [, get] = await both((_req, res) => void res.cookie('a', '1').clearCookie('b').send('x'))
    for (let asked = 0; asked < 2; asked++) {
      const got = await get('/')
      expect([got.cacheStatus.detail, got.lines('set-cookie').length]).toEqual(['set-cookie', 2])
    }
  })
})

describe.each(koas)('what %s answers', (_, createApplication) => {
  it('by ctx.accepts is a variant for each type that it can give', async () => {
    const make = (cached: boolean) => {
      const app = createApplication()
      if (cached) app.use(stage.koa())
      app.use((ctx) => {
        ctx.vary('Accept')
        ctx.body = ctx.accepts('json', 'html') === 'html' ? '<p>' : { p: 1 }
      })
      return stage.serve(app)
    }
    const [plain, get] = [await make(false), await make(true)]
    for (const accept of ['text/html', 'application/json', 'application/json;q=0.1, text/html']) {
      expect((await sameAsWithout(plain, get, '/', { fields: { accept } })).cacheStatus.hit).toBe(true)
    }
  })

  it('by ctx.redirect and ctx.attachment is repeated to the letter', async () => {
    const make = (cached: boolean) => {
      const app = createApplication()
      if (cached) app.use(stage.koa())
      app.use((ctx) => {
        if (ctx.path === '/file') {
          ctx.attachment('ü.txt')
          ctx.body = Buffer.from('bytes')
        } else {
          ctx.status = 301
          ctx.redirect(`/to?from=${ctx.path}`)
        }
      })
      return stage.serve(app)
    }
    const [plain, get] = [await make(false), await make(true)]
    for (const path of ['/file', '/a']) expect((await sameAsWithout(plain, get, path)).cacheStatus.hit).toBe(true)
    await sameAsWithout(plain, get, '/b', { fields: { accept: 'text/html' } })
  })
})
