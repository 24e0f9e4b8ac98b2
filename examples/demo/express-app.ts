import express from 'express'
import type { FallbackCache } from 'fallback-cache'
import { fallbackCache } from 'fallback-cache/express'
import type { Atlas } from './atlas.js'
import { LIFETIMES, tagsOfCities, tagsOfCity } from './caching.js'

/** The atlas as an Express 5 app. The Koa app beside it has the same routes; both keep their responses in one cache. */
export function expressApp(atlas: Atlas, cache: FallbackCache, name: string): express.Express {
  const cached = fallbackCache({ cache, ...LIFETIMES })
  const app = express()
  app.disable('x-powered-by')

  app.use('/__cache', cached.dashboard({ readOnly: false, environment: 'demo' }))

  app.get('/cities', cached, (req, res) => {
    const result = atlas.search(String(req.query.q ?? ''))
    res.fallbackCache.tag(...tagsOfCities(result.cities))
    res.set('X-Computed-By', name).json(result)
  })

  app.get('/cities/:id', cached, (req, res) => {
    const city = atlas.city(Number(req.params.id))
    if (city === undefined) return void res.status(404).json({ error: 'no such city' })
    res.set('X-Computed-By', name).json(city)
  })

  app.get('/countries', cached, (_req, res) => {
    res.fallbackCache.tag('countries')
    res.set('X-Computed-By', name).json(atlas.countries())
  })

  app.get('/countries/:code', cached, (req, res) => {
    const country = atlas.country(req.params.code)
    if (country === undefined) return void res.status(404).json({ error: 'no such country' })
    res.fallbackCache.tag(`country:${country.country}`)
    res.set('X-Computed-By', name).json(country)
  })

  app.patch('/cities/:id', express.json(), async (req, res) => {
    const city = atlas.setPopulation(Number(req.params.id), Number(req.body.population))
    if (city === undefined) return void res.status(404).json({ error: 'no such city' })
    const path = await cached.invalidate(`/cities/${city.id}`)
    const tags = await cached.invalidateTags(tagsOfCity(city))
    res.json({ ...city, durable: path.durable && tags.durable })
  })

  return app
}
