import type { IncomingMessage, ServerResponse } from 'node:http'
import { promisify } from 'node:util'
import cors from 'cors'
import { describe, expect, it } from 'vitest'
import type { MiddlewareOptions } from '../../src/middleware/express.js'
import type { Got } from '../middleware/hosts/client.js'
import { type Client, expresses, koas, useStage } from './stage.js'

const stage = useStage()
const A = 'https://a.example'
const B = 'https://b.example'
const several = () => cors({ origin: [A, B], credentials: true, exposedHeaders: 'X-Total' })

const from = (get: Client, origin: string | undefined) =>
  get('/', origin === undefined ? {} : { fields: { Origin: origin } })
const allowed = (got: Got) => got.field('access-control-allow-origin')

/** In any order of requests, and with any stored response: each origin is told what it would be told without a cache. */
async function allowsEachItsOwn(get: Client, first: string | undefined): Promise<void> {
  await from(get, first)
  for (let round = 0; round < 2; round++) {
    for (const origin of [A, B]) {
      const got = await from(get, origin)
      expect([got.status, allowed(got), got.field('vary')]).toEqual([200, origin, 'Origin'])
      expect(got.field('access-control-allow-credentials')).toBe('true')
    }
    for (const origin of [undefined, 'https://evil.example', 'null']) {
      expect(allowed(await from(get, origin))).toBeUndefined()
    }
  }
}

/** Asks beforehand, as a browser does, between two hits. */
async function answersPreflights(get: Client): Promise<void> {
  await from(get, A)
  const preflight = await get('/', {
    method: 'OPTIONS',
    fields: { Origin: B, 'Access-Control-Request-Method': 'PUT' },
  })
  expect([preflight.status, allowed(preflight), preflight.text]).toEqual([204, B, ''])
  expect(preflight.field('access-control-allow-methods')).toContain('PUT')
  expect((await from(get, A)).cacheStatus.hit).toBe(true)
}

const firsts = [undefined, A, 'https://evil.example']

describe.each(expresses)('cors in %s', (_, createApplication) => {
  const site = (place: string, share = several(), options: MiddlewareOptions = {}) => {
    const app = createApplication()
    const cached = stage.express(options)
    app.use(...(place === 'above' ? [cached, share] : [share, cached]))
    app.get('/', (_req, res) => void res.set('X-Total', '7').send('shared'))
    return stage.serve(app)
  }

  for (const place of ['above', 'below']) {
    it.each(firsts)(`allows each origin its own with the cache ${place}, when %s has asked first`, async (first) => {
      await allowsEachItsOwn(await site(place), first)
    })

    it(`answers a preflight that is never a stored GET, with the cache ${place}`, async () => {
      await answersPreflights(await site(place))
    })

    it(`reflects the origin that asks, with the cache ${place}`, async () => {
      const get = await site(place, cors({ origin: true }))
      for (const origin of [A, B, A, B]) expect(allowed(await from(get, origin))).toBe(origin)
    })
  }

  it('stores one answer for all origins when it stands in front of the cache', async () => {
    const get = await site('below')
    await from(get, A)
    for (const origin of [A, B, undefined]) expect((await from(get, origin)).cacheStatus.hit).toBe(true)
  })

  // cors reads Origin even where all origins are allowed, and the route behind it may have read it as well.
  it('stores an answer for each origin behind the cache, unless Origin is ignored', async () => {
    const get = await site('above', cors())
    await from(get, A)
    for (const origin of [B, undefined]) expect((await from(get, origin)).cacheStatus.hit).toBe(false)
    for (const origin of [A, B, undefined]) {
      const got = await from(get, origin)
      expect([got.cacheStatus.hit, allowed(got)]).toEqual([true, '*'])
    }
  })

  it('stores one answer for all origins behind the cache, when Origin is ignored', async () => {
    const get = await site('above', cors(), { inputs: { ignore: ['Origin'] } })
    await from(get, A)
    for (const origin of [B, undefined]) expect((await from(get, origin)).cacheStatus.hit).toBe(true)
  })
})

describe.each(koas)('cors in %s', (_, createApplication) => {
  const share = promisify(several()) as (req: IncomingMessage, res: ServerResponse) => Promise<void>
  const site = (place: string) => {
    const app = createApplication()
    if (place === 'above') app.use(stage.koa())
    app.use(async (ctx, next) => {
      if (ctx.method === 'OPTIONS') ctx.respond = false
      await share(ctx.req, ctx.res)
      await next()
    })
    if (place === 'below') app.use(stage.koa())
    app.use((ctx) => {
      ctx.set('X-Total', '7')
      ctx.body = 'shared'
    })
    return stage.serve(app)
  }

  for (const place of ['above', 'below']) {
    it.each(firsts)(`allows each origin its own with the cache ${place}, when %s has asked first`, async (first) => {
      await allowsEachItsOwn(await site(place), first)
    })
  }
})
