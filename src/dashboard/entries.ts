import type { EntryPage, EntrySummary, InspectedEntry, Inspector } from '../inspect/index.js'

/** Entries in a page of the list. */
const PAGE = 50

/** Entries in memory that are compared to find the largest, the most recently used first, and how many are shown. */
const MOST_COMPARED = 20_000
const MOST_LARGEST = 20

/** How long the largest are remembered, in ms: to find them takes a look at many entries. */
const FIND_EVERY = 10_000

/** Looks at entries that may go on at the same time. */
const MOST_AT_ONCE = 4

/** Fields whose values are never shown. */
const SECRET = /cookie|auth|token|secret|password|session|api-?key|signature/i

/** An entry as it is shown: without its body and without values that are secrets. */
export type ShownEntry = Omit<InspectedEntry, 'body'>

/** Thrown if too many pages look at entries at the same time. */
export class BusyError extends Error {}

/** What the page shows of entries. Changes nothing; a few looks at a time. */
export class Entries {
  readonly #inspector: Inspector
  #looking = 0
  #largest: readonly EntrySummary[] = []
  #foundAt = Number.NEGATIVE_INFINITY

  constructor(inspector: Inspector) {
    this.#inspector = inspector
  }

  /** A page of the list. @throws RangeError for an invalid cursor; CacheError if Redis fails; BusyError */
  page(query: URLSearchParams): Promise<EntryPage> {
    const tier = query.get('tier')
    return this.#look(() =>
      this.#inspector.page({
        prefix: query.get('prefix') ?? '',
        limit: PAGE,
        cursor: query.get('cursor') ?? undefined,
        tier: tier === 'memory' || tier === 'redis' ? tier : undefined,
      }),
    )
  }

  /** The entry of a key in each tier that has it. @throws CacheError if Redis fails; BusyError */
  entry(key: string): Promise<readonly ShownEntry[]> {
    return this.#look(async () => (await this.#inspector.entries(key)).map(withoutSecrets))
  }

  /** The largest entries in the memory of this process. @throws BusyError */
  largest(): Promise<readonly EntrySummary[]> {
    return this.#look(async () => {
      if (performance.now() - this.#foundAt < FIND_EVERY) return this.#largest
      let largest: readonly EntrySummary[] = []
      let cursor: string | undefined
      let compared = 0
      do {
        const page = await this.#inspector.page({ tier: 'memory', limit: 1000, cursor })
        largest = [...largest, ...page.entries].sort((one, other) => other.bytes - one.bytes).slice(0, MOST_LARGEST)
        compared += page.examined
        cursor = page.cursor
        await new Promise((resolve) => setImmediate(resolve))
      } while (cursor !== undefined && compared < MOST_COMPARED)
      this.#largest = largest
      this.#foundAt = performance.now()
      return largest
    })
  }

  async #look<Found>(look: () => Promise<Found>): Promise<Found> {
    if (this.#looking >= MOST_AT_ONCE) throw new BusyError('too many pages look at entries at the same time')
    this.#looking += 1
    try {
      return await look()
    } finally {
      this.#looking -= 1
    }
  }
}

function withoutSecrets({ body: _body, response, ...entry }: InspectedEntry): ShownEntry {
  const fields = response?.fields.map(([name, value]) =>
    SECRET.test(name) ? ([name, `${value.length} characters, not shown`] as const) : ([name, value] as const),
  )
  return { ...entry, response: response && { ...response, fields: fields ?? [] } }
}
