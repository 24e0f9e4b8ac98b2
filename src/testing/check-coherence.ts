import { setTimeout as sleep } from 'node:timers/promises'

/** Options of {@link checkCoherence}. */
export interface CoherenceCheckOptions {
  /** One base URL (or another name that `read` understands) for each process; at least one. */
  readonly urls: readonly string[]
  /** Reads from one process. Returns the version of the response: a number that grows with every write. */
  readonly read: (url: string) => number | Promise<number>
  /**
   * Changes the resource that `read` reads, and invalidates it. Resolves after the acknowledgement with the version
   * that is correct from then on; with `undefined` if the write was not acknowledged, so that no read is judged by it.
   */
  readonly write: () => number | undefined | Promise<number | undefined>
  /** Duration of the check in seconds, greater than 0. @defaultValue 10 */
  readonly seconds?: number | undefined
  /** Concurrent readers for each URL; an integer, 1 or greater. @defaultValue 4 */
  readonly concurrency?: number | undefined
  /** Pause between two reads of a reader, in milliseconds. @defaultValue 10 */
  readonly readEvery?: number | undefined
  /** Pause between the end of a write and the next write, in milliseconds. @defaultValue 200 */
  readonly writeEvery?: number | undefined
  /** Milliseconds for which an outdated response is tolerated: the lease in memory-first mode. @defaultValue 0 */
  readonly grace?: number | undefined
}

/** A response that was already outdated when it was requested. */
export interface StaleRead {
  readonly url: string
  /** The version of the response. */
  readonly got: number
  /** The newest version that was acknowledged before the request. */
  readonly expected: number
  /** Milliseconds between the acknowledgement of the oldest write missing from the response, and the request. */
  readonly age: number
}

/** The result of {@link checkCoherence}. */
export interface CoherenceReport {
  readonly reads: number
  /** Number of acknowledged writes. */
  readonly writes: number
  /** Number of reads and writes that threw, or returned no number. */
  readonly failed: number
  /** The first ten error messages. */
  readonly failures: readonly string[]
  readonly stale: number
  /** Stale reads grouped by age: how many were at most `upTo` ms old, and older than the previous group. */
  readonly byAge: readonly { readonly upTo: number; readonly count: number }[]
  /** The stale read with the greatest age. */
  readonly worst: StaleRead | undefined
  /** Number of reads, and of stale reads, for each URL. */
  readonly byUrl: Readonly<Record<string, { readonly reads: number; readonly stale: number }>>
}

/** Upper limits of the age groups, in milliseconds. */
const AGES = [10, 100, 1_000, 10_000, Number.POSITIVE_INFINITY] as const

/**
 * Checks the coherence of a deployment: writes repeatedly while reading from every process, and counts outdated
 * responses by how long they had been outdated. Independent of the cache in between, so it works with any cache.
 *
 * ```ts
 * const report = await checkCoherence({ urls, read: readVersion, write: writeVersion })
 * assert.equal(report.stale, 0)
 * ```
 *
 * @throws TypeError or RangeError for invalid options
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
  // Each process reads once before the first write, so that it may hold a copy in memory for the write to invalidate.
  for (const url of urls) await askOnce(url)
  const readers = urls.flatMap((url) => Array.from({ length: concurrency }, () => keepReading(url)))
  await Promise.all([keepWriting(), ...readers])
  for (const url of urls) await askOnce(url)
  return ledger.report()
}

/** Records acknowledged writes, and reads that contradict them. */
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
