import { setTimeout as sleep } from 'node:timers/promises'

/** What {@link checkCoherence} asks, whom, and how often. */
export interface CoherenceCheckOptions {
  /** Whom to ask: one base URL (or another name that `read` understands) for each process. At least one. */
  readonly urls: readonly string[]
  /** Asks one of them. Gives the version that it answers with: a number that grows with every write. */
  readonly read: (url: string) => number | Promise<number>
  /**
   * Changes what `read` reads, and invalidates it. Resolves once that is acknowledged, with the version that is right
   * from then on; with `undefined` when it was not acknowledged, and so binds nobody yet.
   */
  readonly write: () => number | undefined | Promise<number | undefined>
  /** How long to go on, above 0. @defaultValue 10 */
  readonly seconds?: number | undefined
  /** Readers at one time, for each URL; an integer from 1. @defaultValue 4 */
  readonly concurrency?: number | undefined
  /** Milliseconds between two reads of one reader. @defaultValue 10 */
  readonly readEvery?: number | undefined
  /** Milliseconds between the end of one write and the next. @defaultValue 200 */
  readonly writeEvery?: number | undefined
  /** Milliseconds that an answer may lag behind: the lease in memory-first mode. @defaultValue 0 */
  readonly grace?: number | undefined
}

/** An answer that was no longer right when it was asked for. */
export interface StaleRead {
  readonly url: string
  /** The version that came. */
  readonly got: number
  /** The newest version that was acknowledged before the question. */
  readonly expected: number
  /** Milliseconds from the acknowledgement of the oldest write that the answer did not know, to the question. */
  readonly age: number
}

/** What {@link checkCoherence} found. */
export interface CoherenceReport {
  readonly reads: number
  /** Writes that were acknowledged. */
  readonly writes: number
  /** Reads and writes that threw, or gave no number. */
  readonly failed: number
  /** What the first ten of them said. */
  readonly failures: readonly string[]
  readonly stale: number
  /** Stale reads by age: how many were at most so many milliseconds old, and older than the line before. */
  readonly byAge: readonly { readonly upTo: number; readonly count: number }[]
  /** The oldest stale read. */
  readonly worst: StaleRead | undefined
  /** Reads, and stale ones among them, for each URL. */
  readonly byUrl: Readonly<Record<string, { readonly reads: number; readonly stale: number }>>
}

/** Upper ends of the ages that are counted together, ms. */
const AGES = [10, 100, 1_000, 10_000, Number.POSITIVE_INFINITY] as const

/**
 * Writes, and asks every process again and again whether it knows: the answers that it should no longer have given are
 * counted, by how long they had been wrong. Knows nothing of the cache in between, so it judges any.
 *
 * ```ts
 * const report = await checkCoherence({ urls, read: readVersion, write: writeVersion })
 * assert.equal(report.stale, 0)
 * ```
 *
 * @throws TypeError or RangeError for options that cannot be meant
 */
export async function checkCoherence(options: CoherenceCheckOptions): Promise<CoherenceReport> {
  const { urls, read, write, seconds = 10, concurrency = 4, readEvery = 10, writeEvery = 200, grace = 0 } = options
  if (urls.length === 0) throw new TypeError('urls must name at least one process, got none')
  if (!(seconds > 0)) throw new RangeError(`seconds must be above 0, got ${seconds}`)
  if (!Number.isInteger(concurrency) || concurrency < 1) {
    throw new RangeError(`concurrency must be an integer from 1, got ${concurrency}`)
  }
  const ledger = new Ledger(urls, grace)
  const endAt = performance.now() + seconds * 1_000

  const askOnce = async (url: string): Promise<void> => {
    const askedAt = performance.now()
    await ledger.attempt(`read of ${url}`, async () => ledger.judge(url, numberFrom(await read(url)), askedAt))
  }
  const keepReading = async (url: string): Promise<void> => {
    for (; performance.now() < endAt; await sleep(readEvery)) await askOnce(url)
  }
  const keepWriting = async (): Promise<void> => {
    for (; performance.now() < endAt; await sleep(writeEvery)) {
      await ledger.attempt('write', async () => {
        const version = await write()
        if (version !== undefined) ledger.acknowledge(numberFrom(version), performance.now())
      })
    }
  }
  // Copies in memory that only a write could disturb: each process answers once before the first.
  for (const url of urls) await askOnce(url)
  const readers = urls.flatMap((url) => Array.from({ length: concurrency }, () => keepReading(url)))
  await Promise.all([keepWriting(), ...readers])
  for (const url of urls) await askOnce(url)
  return ledger.report()
}

/** What has been acknowledged, and what was answered in spite of it. */
class Ledger {
  readonly #acknowledged: { readonly version: number; readonly at: number }[] = []
  readonly #stale: StaleRead[] = []
  readonly #reads: Map<string, number>
  readonly #grace: number
  readonly #failures: string[] = []
  #failed = 0

  constructor(urls: readonly string[], grace: number) {
    this.#reads = new Map(urls.map((url) => [url, 0]))
    this.#grace = grace
  }

  acknowledge(version: number, at: number): void {
    const newest = this.#acknowledged.at(-1)
    if (newest !== undefined && version <= newest.version) {
      throw new RangeError(`versions must grow with every write, got ${version} after ${newest.version}`)
    }
    this.#acknowledged.push({ version, at })
  }

  judge(url: string, got: number, askedAt: number): void {
    this.#reads.set(url, (this.#reads.get(url) ?? 0) + 1)
    const unknown = this.#acknowledged.filter(({ version, at }) => version > got && at + this.#grace < askedAt)
    const [oldest] = unknown
    const newest = unknown.at(-1)
    if (oldest === undefined || newest === undefined) return
    this.#stale.push({ url, got, expected: newest.version, age: askedAt - oldest.at })
  }

  async attempt(what: string, run: () => Promise<void>): Promise<void> {
    try {
      await run()
    } catch (thrown) {
      if (++this.#failed <= 10) this.#failures.push(`${what}: ${thrown instanceof Error ? thrown.message : thrown}`)
    }
  }

  report(): CoherenceReport {
    const byUrl = Array.from(this.#reads, ([url, reads]) => {
      return [url, { reads, stale: this.#stale.filter((read) => read.url === url).length }] as const
    })
    return {
      reads: byUrl.reduce((sum, [, { reads }]) => sum + reads, 0),
      writes: this.#acknowledged.length,
      failed: this.#failed,
      failures: this.#failures,
      stale: this.#stale.length,
      byAge: AGES.map((upTo, index) => {
        const above = AGES[index - 1] ?? Number.NEGATIVE_INFINITY
        return { upTo, count: this.#stale.filter(({ age }) => age > above && age <= upTo).length }
      }),
      worst: this.#stale.reduce<StaleRead | undefined>(
        (worst, read) => (worst === undefined || read.age > worst.age ? read : worst),
        undefined,
      ),
      byUrl: Object.fromEntries(byUrl),
    }
  }
}

function numberFrom(version: unknown): number {
  if (typeof version === 'number' && Number.isFinite(version)) return version
  throw new TypeError(`a version must be a number, got ${JSON.stringify(version)}`)
}
