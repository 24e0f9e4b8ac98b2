import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { promisify } from 'node:util'
import type { RequestHandler } from 'express'
import helmet from 'helmet'
import { describe, expect, it } from 'vitest'
import type { Got } from '../middleware/hosts/client.js'
import { expresses, koas, useStage } from './stage.js'

const stage = useStage()

type Locals = ServerResponse & { locals: { nonce?: string } }

/** As helmet's documentation makes a nonce: another for each request, for the policy and for the page. */
const nonces: RequestHandler = (_req, res, next) => {
  res.locals.nonce = randomBytes(16).toString('hex')
  next()
}
const policyWithNonce = (reportOnly = false) =>
  helmet({
    contentSecurityPolicy: {
      reportOnly,
      directives: { scriptSrc: ["'self'", (_req, res) => `'nonce-${(res as Locals).locals.nonce}'`] },
    },
  })

/** The nonces of a page: of its policy and of its script. */
function noncesOf(got: Got): readonly (string | undefined)[] {
  const policy = got.field('content-security-policy') ?? got.field('content-security-policy-report-only') ?? ''
  return [/'nonce-(\w+)'/.exec(policy)?.[1], /nonce="(\w+)"/.exec(got.text)?.[1]]
}

describe.each(expresses)('helmet in %s', (_, createApplication) => {
  it.each(['above', 'below'])('protects a hit as it does a miss, with the cache %s', async (place) => {
    const app = createApplication()
    const cached = stage.express()
    app.use(...(place === 'above' ? [cached, helmet()] : [helmet(), cached]))
    app.get('/', (_req, res) => void res.send('<p>'))
    const get = await stage.serve(app)
    const [miss, hit] = [await get('/'), await get('/')]
    expect(hit.cacheStatus.hit).toBe(true)
    const ofHelmet = miss.names.filter((name) => /policy|security|^x-|origin/.test(name))
    expect(ofHelmet.length).toBeGreaterThan(10)
    for (const name of ofHelmet) expect(hit.lines(name)).toEqual(miss.lines(name))
    expect(hit.field('x-powered-by')).toBeUndefined()
  })

  for (const place of ['above', 'below']) {
    it.each([false, true])(`shares no page with a nonce, with the cache ${place} (report only: %s)`, async (report) => {
      const app = createApplication()
      const cached = stage.express()
      const policy = [nonces, policyWithNonce(report)]
      app.use(...(place === 'above' ? [cached, ...policy] : [...policy, cached]))
      app.get('/', (_req, res) => void res.send(`<script nonce="${res.locals.nonce}">`))
      const get = await stage.serve(app)
      const first = noncesOf(await get('/'))
      const second = await get('/')
      expect(second.cacheStatus.detail).toBe('csp-nonce')
      const [inPolicy, inPage] = noncesOf(second)
      expect(inPolicy).toMatch(/^\w{32}$/)
      expect(inPage).toBe(inPolicy)
      expect(first).not.toContain(inPage)
    })
  }

  it('shares what is no page under a policy with a nonce, and each answer has a policy of its own', async () => {
    const app = createApplication()
    app.use(nonces, policyWithNonce(), stage.express())
    app.get('/', (_req, res) => void res.json({ a: 1 }))
    const get = await stage.serve(app)
    const [miss, hit] = [await get('/'), await get('/')]
    expect(hit.cacheStatus.hit).toBe(true)
    expect(noncesOf(hit)[0]).toMatch(/^\w{32}$/)
    expect(noncesOf(hit)[0]).not.toBe(noncesOf(miss)[0])
  })
})

describe.each(koas)('helmet in %s, as koa-helmet calls it', (_, createApplication) => {
  const protect = promisify(helmet()) as (req: IncomingMessage, res: ServerResponse) => Promise<void>

  it.each(['above', 'below'])('protects a hit as it does a miss, with the cache %s', async (place) => {
    const app = createApplication()
    if (place === 'above') app.use(stage.koa())
    app.use(async (ctx, next) => {
      await protect(ctx.req, ctx.res)
      await next()
    })
    if (place === 'below') app.use(stage.koa())
    app.use((ctx) => {
      ctx.body = '<p>'
    })
    const get = await stage.serve(app)
    const [miss, hit] = [await get('/'), await get('/')]
    expect(hit.cacheStatus.hit).toBe(true)
    for (const name of miss.names.filter((one) => /policy|security|^x-|origin/.test(one))) {
      expect(hit.lines(name)).toEqual(miss.lines(name))
    }
  })

  it.each(['above', 'below'])('shares no page with a nonce, with the cache %s', async (place) => {
    const app = createApplication()
    const policy = promisify(policyWithNonce()) as typeof protect
    if (place === 'above') app.use(stage.koa())
    app.use(async (ctx, next) => {
      Object.assign(ctx.res, { locals: { nonce: randomBytes(16).toString('hex') } })
      await policy(ctx.req, ctx.res)
      await next()
    })
    if (place === 'below') app.use(stage.koa())
    app.use((ctx) => {
      ctx.body = `<script nonce="${(ctx.res as Locals).locals.nonce}">`
    })
    const get = await stage.serve(app)
    const [, second] = [await get('/'), await get('/')]
    expect(second.cacheStatus.detail).toBe('csp-nonce')
    expect(noncesOf(second)[0]).toBe(noncesOf(second)[1])
  })
})
