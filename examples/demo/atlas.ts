import type { Database, Place } from './database.js'

/** A place of the atlas, as it is now. */
export interface City extends Place {
  /** Which write made this row what it is; 0 until the first one. */
  readonly revision: number
}

/** One page of search results, best match first. */
export interface SearchResult {
  readonly query: string
  readonly total: number
  readonly cities: readonly City[]
}

/** A place and its surroundings. */
export interface CityRecord extends City {
  readonly nearest: readonly (Pick<City, 'id' | 'name' | 'country'> & { readonly km: number })[]
}

/** What the rows of one country add up to. */
export interface CountrySummary {
  readonly country: string
  readonly name: string
  readonly places: number
  readonly population: number
  readonly median: number
  readonly largest: readonly City[]
  readonly metros: readonly { readonly name: string; readonly within50km: number }[]
  readonly revision: number
}

/** One line of the world table. */
export interface CountryRow {
  readonly country: string
  readonly name: string
  readonly places: number
  readonly population: number
  readonly largest: string
  readonly revision: number
}

const PAGE = 20
const NEAREST = 10
const METROS = 25
const EARTH_RADIUS_KM = 6371
const RADIANS = Math.PI / 180

interface Row extends City {
  population: number
  revision: number
  readonly folded: string
}

/**
 * What the apps know of the database: places searched, measured and added up in plain JavaScript at every call, so that an
 * answer costs real CPU time. Rows are ranked by the population they had at start; a write changes a row and not its rank.
 */
export class Atlas {
  /** How often anything was computed: what a cache is there to keep low. */
  runs = 0

  readonly #database: Database
  readonly #rows: readonly Row[]
  readonly #byId: ReadonlyMap<number, Row>
  readonly #countryNames = new Intl.DisplayNames(['en'], { type: 'region', fallback: 'code' })
  #writes = 0

  constructor(database: Database) {
    this.#database = database
    this.#rows = database.places().map((place) => ({ ...place, revision: 0, folded: fold(place.name) }))
    this.#byId = new Map(this.#rows.map((row) => [row.id, row]))
  }

  /** The places whose name begins with, contains, or looks like the query (one letter wrong is forgiven), the larger first. */
  search(query: string): SearchResult {
    this.#run()
    const wanted = fold(query)
    const pairs = letterPairs(wanted)
    const scored: { row: Row; score: number }[] = []
    for (const row of this.#rows) {
      const score = similarity(row.folded, wanted, pairs)
      if (score > 0) scored.push({ row, score })
    }
    scored.sort((a, b) => b.score - a.score)
    return { query, total: scored.length, cities: scored.slice(0, PAGE).map(({ row }) => published(row)) }
  }

  /** A place and the ten nearest to it, or undefined when there is no such place. */
  city(id: number): CityRecord | undefined {
    this.#run()
    const city = this.#byId.get(id)
    if (city === undefined) return undefined
    const nearest: { row: Row; km: number }[] = []
    for (const row of this.#rows) {
      const km = distance(city, row)
      if (row === city || (nearest.length === NEAREST && km >= (nearest[NEAREST - 1]?.km ?? 0))) continue
      nearest.push({ row, km })
      nearest.sort((a, b) => a.km - b.km).splice(NEAREST)
    }
    return {
      ...published(city),
      nearest: nearest.map(({ row: { id, name, country }, km }) => ({
        id,
        name,
        country,
        km: Math.round(km * 10) / 10,
      })),
    }
  }

  /** The sums of one country, and how many people live around its largest cities; undefined when the code is unknown. */
  country(code: string): CountrySummary | undefined {
    this.#run()
    const rows = this.#rows.filter((row) => row.country === code)
    if (rows.length === 0) return undefined
    const metros = rows.slice(0, METROS).map((city) => ({
      name: city.name,
      within50km: rows.reduce((sum, row) => (distance(city, row) <= 50 ? sum + row.population : sum), 0),
    }))
    return {
      country: code,
      name: this.#countryNames.of(code) ?? code,
      places: rows.length,
      population: rows.reduce((sum, row) => sum + row.population, 0),
      median: rows[rows.length >> 1]?.population ?? 0,
      largest: rows.slice(0, NEAREST).map(published),
      metros: metros.sort((a, b) => b.within50km - a.within50km),
      revision: rows.reduce((latest, row) => Math.max(latest, row.revision), 0),
    }
  }

  /** The world by country, the most populous first. */
  countries(): readonly CountryRow[] {
    this.#run()
    return [...groupByCountry(this.#rows)]
      .map(([country, rows]) => ({
        country,
        name: this.#countryNames.of(country) ?? country,
        places: rows.length,
        population: rows.reduce((sum, row) => sum + row.population, 0),
        largest: rows[0]?.name ?? '',
        revision: rows.reduce((latest, row) => Math.max(latest, row.revision), 0),
      }))
      .sort((a, b) => b.population - a.population)
  }

  /** Writes a new population and returns the row as it is now, or undefined when there is no such place or number. */
  setPopulation(id: number, population: number): City | undefined {
    const row = this.#byId.get(id)
    if (row === undefined || !Number.isSafeInteger(population)) return undefined
    this.#database.write({ id, population })
    this.#catchUp()
    return published(row)
  }

  #run(): void {
    this.runs++
    this.#catchUp()
  }

  /** Takes over what other processes have written. */
  #catchUp(): void {
    for (const { id, population } of this.#database.newWrites()) {
      const revision = ++this.#writes
      const row = this.#byId.get(id)
      if (row !== undefined) Object.assign(row, { population, revision })
    }
  }
}

function published({ folded: _, ...city }: Row): City {
  return city
}

function groupByCountry(rows: readonly Row[]): Map<string, Row[]> {
  const groups = new Map<string, Row[]>()
  for (const row of rows) {
    const group = groups.get(row.country)
    if (group === undefined) groups.set(row.country, [row])
    else group.push(row)
  }
  return groups
}

/** The name as people type it: no accents, no capitals. */
function fold(name: string): string {
  return name.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase()
}

/** The pairs of neighbouring letters, each as one number. */
function letterPairs(text: string): ReadonlySet<number> {
  const pairs = new Set<number>()
  for (let i = 1; i < text.length; i++) pairs.add(pairAt(text, i))
  return pairs
}

function pairAt(text: string, i: number): number {
  return (text.charCodeAt(i - 1) << 16) | text.charCodeAt(i)
}

/** 4 for the name itself, 3 and 2 for a beginning and a part of it, up to 1 for the share of letter pairs in common; 0 for no match. */
function similarity(name: string, wanted: string, wantedPairs: ReadonlySet<number>): number {
  const at = name.indexOf(wanted)
  if (at === 0) return name.length === wanted.length ? 4 : 3
  if (at > 0) return 2
  let common = 0
  for (let i = 1; i < name.length; i++) if (wantedPairs.has(pairAt(name, i))) common++
  const share = (2 * common) / (name.length - 1 + wantedPairs.size)
  return share >= 0.6 && share <= 1 ? share : 0
}

/** Kilometres along the great circle (haversine). */
function distance(a: City, b: City): number {
  const dLatitude = (b.latitude - a.latitude) * RADIANS
  const dLongitude = (b.longitude - a.longitude) * RADIANS
  const h =
    Math.sin(dLatitude / 2) ** 2 +
    Math.cos(a.latitude * RADIANS) * Math.cos(b.latitude * RADIANS) * Math.sin(dLongitude / 2) ** 2
  return 2 * EARTH_RADIUS_KM * Math.asin(Math.sqrt(Math.min(1, h)))
}
