import type { City, CountryRow } from '../atlas.js'
import { KNOWN_CITIES } from '../traffic.js'

/** The revision that each written city is known to have, by its id: what a read that begins now must at least show. */
export type Revisions = ReadonlyMap<number, number>

/** True when a body shows anything older than a write that was acknowledged before its request began. */
export function isOutdated(path: string, body: unknown, known: Revisions): boolean {
  if (path === '/countries') return (body as CountryRow[]).some((row) => row.revision < ofCountry(row.country, known))
  if (path.startsWith('/countries/')) {
    const { country, revision } = body as CountryRow
    return revision < ofCountry(country, known)
  }
  const shown = path.startsWith('/cities?') ? (body as { cities: City[] }).cities : [body as City]
  return shown.some((city) => city.revision < (known.get(city.id) ?? 0))
}

function ofCountry(country: string, known: Revisions): number {
  return KNOWN_CITIES.reduce(
    (latest, city) => (city.country === country ? Math.max(latest, known.get(city.id) ?? 0) : latest),
    0,
  )
}
