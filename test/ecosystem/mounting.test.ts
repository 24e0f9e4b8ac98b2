import Router from '@koa/router'
import express5, { type Express } from 'express'
import express4 from 'express4'
import type Koa from 'koa'
import mount from 'koa-mount'
import { describe, expect, it } from 'vitest'
import { type Client, expresses, koas, useStage } from './stage.js'

const stage = useStage()
const routers = { 'Express 5': express5.Router, 'Express 4': express4.Router }

/** Each place has a page of its own, with and without a query, from the handler and from the cache. */
async function keepsApart(get: Client, pages: Readonly<Record<string, string>>): Promise<void> {
  for (const isHit of [false, true]) {
    for (const [path, page] of Object.entries(pages)) {
      const got = await get(path)
      expect([path, got.text, got.cacheStatus.hit]).toEqual([path, page, isHit])
    }
  }
}

describe.each(expresses)('routers of %s', (version, createApplication) => {
  const createRouter = routers[version]
  const places = ['in front of the router', 'in the router', 'at the route'] as const

  it.each(places)('mounted twice are two places, with the cache %s', async (place) => {
    const cached = stage.express()
    const router = createRouter({ mergeParams: true })
    if (place === 'in the router') router.use(cached)
    const own = place === 'at the route' ? [cached] : []
    router.get('/', ...own, (req, res) => void res.send(`${req.baseUrl} index`))
    router.get('/item', ...own, (req, res) => void res.send(`${req.baseUrl} item ${req.query.q ?? ''}`))
    const app = createApplication()
    if (place === 'in front of the router') app.use(cached)
    app.use('/a', router)
    app.use('/b', createRouter().use('/c', router))
    const get = await stage.serve(app)
    await keepsApart(get, {
      '/a': '/a index',
      '/a?q=1': '/a index',
      '/b/c': '/b/c index',
      '/a/item': '/a item ',
      '/a/item?q=1': '/a item 1',
      '/b/c/item': '/b/c item ',
      '/b/c/item?q=1': '/b/c item 1',
    })
    await cached.invalidate('/b/c')
    expect((await get('/b/c/item?q=1')).cacheStatus.hit).toBe(false)
    expect((await get('/b/c?')).cacheStatus.hit).toBe(false)
    expect((await get('/a/item?q=1')).cacheStatus.hit).toBe(true)
  })

  it('see the URL and the parameters that they see without a cache', async () => {
    const site = (cached: boolean): Express => {
      const router = createRouter({ mergeParams: true })
      if (cached) router.use(stage.express())
      router.get('/:item', (req, res) => {
        const { url, baseUrl, originalUrl, path, params, query } = req
        res.json({ url, baseUrl, originalUrl, path, params, query })
      })
      return createApplication().use('/shops/:shop', router)
    }
    const [plain, get] = [await stage.serve(site(false)), await stage.serve(site(true))]
    for (const path of ['/shops/1/tea?a=1&a=2', '/shops/a%2Fb/caf%C3%A9', '/shops/1/tea/']) {
      const expected = (await plain(path)).text
      expect([(await get(path)).text, (await get(path)).text]).toEqual([expected, expected])
    }
  })

  it('that hand over to the next route with next("route") are asked each time that nothing is stored', async () => {
    const app = createApplication()
    app.use(stage.express())
    app.get(
      '/',
      (req, _res, next) => next(req.query.beta === undefined ? 'route' : undefined),
      (_req, res) => {
        res.send('beta')
      },
    )
    app.get('/', (_req, res) => void res.send('stable'))
    await keepsApart(await stage.serve(app), { '/': 'stable', '/?beta': 'beta' })
  })
})

describe.each(koas)('@koa/router and koa-mount in %s', (_, createApplication) => {
  const handler: Koa.Middleware = (ctx) => {
    ctx.body = `${ctx.path} ${ctx.querystring} ${JSON.stringify(ctx.params)}`
  }

  it.each(['in front of the router', 'in the router', 'at the route'])(
    'keep prefixes and nested routers apart, with the cache %s',
    async (place) => {
      const cached = stage.koa()
      const own = place === 'at the route' ? [cached] : []
      const items = new Router()
      items.get('/', ...own, handler)
      items.get('/items/:item', ...own, handler)
      const router = (prefix: string) => {
        const outer = new Router({ prefix })
        if (place === 'in the router') outer.use(cached)
        return outer.use('/shops/:shop', items.routes()).routes()
      }
      const app = createApplication()
      if (place === 'in front of the router') app.use(cached)
      app.use(router('/v1')).use(router('/v2'))
      const get = await stage.serve(app)
      await keepsApart(get, {
        '/v1/shops/1': '/v1/shops/1  {"shop":"1"}',
        '/v1/shops/2': '/v1/shops/2  {"shop":"2"}',
        '/v2/shops/1': '/v2/shops/1  {"shop":"1"}',
        '/v1/shops/1/items/tea?q=1': '/v1/shops/1/items/tea q=1 {"shop":"1","item":"tea"}',
        '/v2/shops/1/items/tea?q=1': '/v2/shops/1/items/tea q=1 {"shop":"1","item":"tea"}',
        '/v1/shops/1/items/tea/': '/v1/shops/1/items/tea/  {"shop":"1","item":"tea"}',
      })
      await cached.invalidate('/v1/shops/1')
      expect((await get('/v1/shops/1/items/tea/')).cacheStatus.hit).toBe(false)
      expect((await get('/v2/shops/1/items/tea?q=1')).cacheStatus.hit).toBe(true)
    },
  )

  it.each(['in front of the mount', 'in the mounted application'])(
    'keep mounted applications apart, with the cache %s',
    async (place) => {
      const cached = stage.koa()
      const mounted = (name: string) => {
        const inner = createApplication()
        if (place === 'in the mounted application') inner.use(cached)
        const router = new Router()
        router.get('/', (ctx) => {
          ctx.body = `${name} ${ctx.url}`
        })
        router.get('/x', (ctx) => {
          ctx.body = `${name} ${ctx.url} of ${ctx.originalUrl}`
        })
        return inner.use(router.routes())
      }
      const app = createApplication()
      if (place === 'in front of the mount') app.use(cached)
      app.use(mount('/a', mounted('A'))).use(mount('/b', mount('/c', mounted('C'))))
      const get = await stage.serve(app)
      await keepsApart(get, {
        '/a': 'A /',
        '/b/c': 'C /',
        '/a?q=1': 'A /?q=1',
        '/b/c?q=1': 'C /?q=1',
        '/a/x': 'A /x of /a/x',
        '/b/c/x': 'C /x of /b/c/x',
        '/b/c/x?q=1': 'C /x?q=1 of /b/c/x?q=1',
      })
      await cached.invalidate('/b')
      expect((await get('/b/c?q=1')).cacheStatus.hit).toBe(false)
      expect((await get('/a?q=1')).cacheStatus.hit).toBe(true)
    },
  )

  it('answer other methods by allowedMethods(), with any stored response', async () => {
    const router = new Router()
    router.get('/', handler)
    const app = createApplication()
    app.use(stage.koa()).use(router.routes()).use(router.allowedMethods())
    const get = await stage.serve(app)
    await get('/')
    const options = await get('/', { method: 'OPTIONS' })
    expect([options.status, options.field('allow')]).toEqual([200, 'HEAD, GET'])
    expect((await get('/', { method: 'PUT' })).status).toBe(405)
    expect((await get('/')).cacheStatus.hit).toBe(true)
  })
})
