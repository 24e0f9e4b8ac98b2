/** A city that the demo reads and writes: its id and name in the atlas, and its country. */
export interface KnownCity {
  readonly id: number
  readonly name: string
  readonly country: string
}

/** Cities that many people ask for, the most wanted first. */
export const KNOWN_CITIES: readonly KnownCity[] = [
  { id: 2988507, name: 'Paris', country: 'FR' },
  { id: 1850147, name: 'Tokyo', country: 'JP' },
  { id: 3413829, name: 'Reykjavík', country: 'IS' },
  { id: 184745, name: 'Nairobi', country: 'KE' },
  { id: 5128581, name: 'New York City', country: 'US' },
  { id: 3448439, name: 'São Paulo', country: 'BR' },
  { id: 1275339, name: 'Mumbai', country: 'IN' },
  { id: 2950159, name: 'Berlin', country: 'DE' },
  { id: 2147714, name: 'Sydney', country: 'AU' },
  { id: 360630, name: 'Cairo', country: 'EG' },
  { id: 3936456, name: 'Lima', country: 'PE' },
  { id: 2332459, name: 'Lagos', country: 'NG' },
  { id: 745044, name: 'Istanbul', country: 'TR' },
  { id: 658225, name: 'Helsinki', country: 'FI' },
  { id: 3530597, name: 'Mexico City', country: 'MX' },
  { id: 3441575, name: 'Montevideo', country: 'UY' },
]

const SEARCHES = ['san', 'new york', 'reykjvik', 'sankt', 'hel', 'lisbn', 'port', 'villa', 'bad', 'kyoto', 'rio', 'st']

/** What is asked for over and over: the records of the cities, their countries, searches, the world. */
export const POPULAR_PATHS: readonly string[] = interleave([
  KNOWN_CITIES.map((city) => `/cities/${city.id}`),
  ['/countries', ...KNOWN_CITIES.map((city) => `/countries/${city.country}`)],
  SEARCHES.map((search) => `/cities?q=${encodeURIComponent(search)}`),
])

/** One of the popular paths, the first ones far more often than the last ones (Zipf's law). */
export function popularPath(random: () => number = Math.random): string {
  const at = Math.floor(POPULAR_PATHS.length ** random()) - 1
  return POPULAR_PATHS[at] ?? '/countries'
}

/** A search that hardly anybody makes, for which a handler has to run. */
export function rarePath(random: () => number = Math.random): string {
  const letter = () => String.fromCharCode(97 + Math.floor(random() * 26))
  return `/cities?q=${letter()}${letter()}${letter()}`
}

function interleave(lists: readonly (readonly string[])[]): string[] {
  const longest = Math.max(...lists.map((list) => list.length))
  return Array.from({ length: longest }, (_, i) => lists.flatMap((list) => list[i] ?? [])).flat()
}
