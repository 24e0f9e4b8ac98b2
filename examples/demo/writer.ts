import { EventEmitter } from 'node:events'
import { type AnswerSource, answerSource } from './answer-source.js'
import type { CityRecord } from './atlas.js'
import type { Answer, Asked } from './request.js'
import { KNOWN_CITIES } from './traffic.js'

/** What each process reads before and after a write. It is shown until the next write, and says what is so now. */
export interface WriteShown {
  readonly at: number
  readonly city: string
  readonly path: string
  readonly through: string
  /** False if the invalidation was kept for a Redis that is away. */
  readonly durable: boolean
  readonly written: number
  readonly reads: readonly ReadShown[]
  /** Seconds until all processes had read the new record; undefined while one of them still reads the old one. */
  readonly everywhereAfter: number | undefined
}

/** One process's answer. */
export interface ReadShown {
  readonly app: string
  readonly before: number
  readonly now: number
  readonly source: AnswerSource
  readonly computedBy: string
}

interface WriterEvents {
  write: [WriteShown]
  note: [string]
}

const LOOK_AGAIN_MS = 500

/** Writes a record through one process, and looks at what each of them answers until all have the new one. */
export class Writer extends EventEmitter<WriterEvents> {
  last: WriteShown | undefined
  readonly #names: readonly string[]
  readonly #ask: (asked: Asked) => Promise<Answer>
  #writes = 0
  #lookAgain: NodeJS.Timeout | undefined

  constructor(names: readonly string[], ask: (asked: Asked) => Promise<Answer>) {
    super()
    this.#names = names
    this.#ask = ask
  }

  /** Reads a city through all processes, writes it through one of them, and reads it again through all. */
  async write(): Promise<void> {
    this.close()
    const city = KNOWN_CITIES[this.#writes % KNOWN_CITIES.length]
    const through = this.#names[this.#writes % this.#names.length]
    this.#writes++
    if (city === undefined || through === undefined) return
    const path = `/cities/${city.id}`
    const before = await this.#readThroughAll(path)
    const population = Math.max(...before.map(({ now }) => now)) + 1 + Math.floor(Math.random() * 999)
    const answer = await this.#ask({ method: 'PATCH', path, app: through, body: { population } })
    const { durable } = JSON.parse(answer.body.toString()) as { durable: boolean }
    const first = { at: Date.now(), city: city.name, path, through, durable, written: population, before }
    await this.#look(first, this.#writes)
    const news = durable ? '' : '; the invalidation is kept until Redis is back'
    this.emit('note', `${city.name} → ${population.toLocaleString('en')} through ${through}${news}`)
  }

  /** Looks no more. */
  close(): void {
    clearTimeout(this.#lookAgain)
    this.#lookAgain = undefined
  }

  async #look(
    first: Omit<WriteShown, 'reads' | 'everywhereAfter'> & { readonly before: readonly Read[] },
    number: number,
  ): Promise<void> {
    const { before, ...write } = first
    const reads = (await this.#readThroughAll(write.path)).map((read) => ({
      ...read,
      before: before.find(({ app }) => app === read.app)?.now ?? 0,
    }))
    const isEverywhere = reads.every(({ now }) => now === write.written)
    if (number !== this.#writes) return
    this.last = { ...write, reads, everywhereAfter: isEverywhere ? (Date.now() - write.at) / 1000 : undefined }
    this.emit('write', this.last)
    if (!isEverywhere) this.#lookAgain = setTimeout(() => this.#look(first, number).catch(() => {}), LOOK_AGAIN_MS)
  }

  /** A process that has ended is left out. */
  async #readThroughAll(path: string): Promise<Read[]> {
    const reads = this.#names.map(async (app): Promise<Read | undefined> => {
      const { headers, body } = await this.#ask({ path, app })
      if (headers['x-answered-by'] !== app) return undefined
      const { population }: CityRecord = JSON.parse(body.toString())
      const source = answerSource(headers['cache-status']?.toString())
      return { app, now: population, source, computedBy: String(headers['x-computed-by'] ?? app) }
    })
    return (await Promise.all(reads)).filter((read) => read !== undefined)
  }
}

type Read = Omit<ReadShown, 'before'>
