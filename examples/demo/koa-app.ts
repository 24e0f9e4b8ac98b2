import { Router } from '@koa/router'
import type { FallbackCache } from 'fallback-cache'
import { fallbackCache } from 'fallback-cache/koa'
import Koa from 'koa'
import type { Atlas } from './atlas.js'
import { LIFETIMES, tagsOfCities, tagsOfCity } from './caching.js'

/** The atlas as a Koa 3 app. The Express app beside it has the same routes; both keep their responses in one cache. */
export function koaApp(atlas: Atlas, cache: FallbackCache, name: string): Koa {
  const cached = fallbackCache({ cache, ...LIFETIMES })
  const router = new Router()

  router.get('/cities', cached, (ctx) => {
    const result = atlas.search(String(ctx.query.q ?? ''))
    ctx.fallbackCache.tag(...tagsOfCities(result.cities))
    ctx.set('X-Computed-By', name)
    ctx.body = result
  })

  router.get('/cities/:id', cached, (ctx) => {
    const city = atlas.city(Number(ctx.params.id))
    if (city === undefined) ctx.throw(404, 'no such city')
    ctx.set('X-Computed-By', name)
    ctx.body = city
  })

  router.get('/countries', cached, (ctx) => {
    ctx.fallbackCache.tag('countries')
    ctx.set('X-Computed-By', name)
    ctx.body = atlas.countries()
  })

  router.get('/countries/:code', cached, (ctx) => {
    const country = atlas.country(String(ctx.params.code))
    if (country === undefined) return ctx.throw(404, 'no such country')
    ctx.fallbackCache.tag(`country:${country.country}`)
    ctx.set('X-Computed-By', name)
    ctx.body = country
  })

  router.patch('/cities/:id', async (ctx) => {
    const chunks: Buffer[] = []
    for await (const chunk of ctx.req) chunks.push(chunk)
    const { population } = JSON.parse(Buffer.concat(chunks).toString())
    const city = atlas.setPopulation(Number(ctx.params.id), Number(population))
    if (city === undefined) return ctx.throw(404, 'no such city')
    const path = await cached.invalidate(`/cities/${city.id}`)
    const tags = await cached.invalidateTags(tagsOfCity(city))
    ctx.body = { ...city, durable: path.durable && tags.durable }
  })

  const app = new Koa()
  app.use(cached.dashboard({ readOnly: false, environment: 'demo' }))
  app.use(router.routes())
  return app
}
