import type { City } from './atlas.js'

/** How both apps cache. The same group and, behind one origin, the same keys: what one app stored the other one answers from. */
export const LIFETIMES = { group: 'atlas', ttl: '2m', staleWhileRevalidate: '1m', staleIfError: '10m' } as const

/** The tags of a response that shows these cities. */
export function tagsOfCities(cities: readonly City[]): string[] {
  return cities.map((city) => `city:${city.id}`)
}

/** The tags of every response that a write to this city makes wrong: searches that show it, its country, the world table. */
export function tagsOfCity(city: City): string[] {
  return [`city:${city.id}`, `country:${city.country}`, 'countries']
}
