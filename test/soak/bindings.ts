import type { Disaster, History, Read, Write } from './records.js'

/** How long an acknowledged invalidation is repeated for when the log was lost; the library says 60 s. ms. */
const REPEATED_FOR = 50_000
/** How long the tombstone of a request is there; the library says five seconds more. ms. */
const TOMBSTONE_FOR = 60_000
/** Rounding. ms. */
const SLACK = 0.2

/** One life of the data in Redis: nothing was lost from its beginning to its end. */
interface Life {
  readonly startAt: number
  readonly endAt: number
}

/** Since when which invalidation binds whom. */
export class Bindings {
  readonly #lives: readonly Life[]
  /** Keys went from Redis, with a server or alone. */
  readonly #losses: readonly Disaster[]
  readonly #lease: number
  /** When Redis was another server. */
  readonly #restarts: readonly number[]
  /** By process, in the order of their start. */
  readonly #reads = new Map<string, Read[]>()
  readonly #trusted = new Map<string, Read[]>()
  readonly #recoveries = new Map<string, number[]>()
  readonly #met = new Map<Disaster, boolean>()
  readonly #known = new Map<Write, readonly (number | undefined)[]>()

  /**
   * @param reads - in the order of their start
   * @param isTrusted - whether an answer came out of a tier that its process trusted
   */
  constructor(history: History, reads: readonly Read[], isTrusted: (read: Read) => boolean) {
    const losses = history.disasters.filter(({ loses }) => loses?.startsWith('everything'))
    const startsAt = [Number.NEGATIVE_INFINITY, ...losses.map(({ endAt }) => endAt)]
    const endsAt = [...losses.map(({ startAt }) => startAt), Number.POSITIVE_INFINITY]
    this.#lives = startsAt.map((startAt, index) => ({ startAt, endAt: endsAt[index] ?? Number.POSITIVE_INFINITY }))
    this.#losses = history.disasters.filter(({ loses }) => loses !== undefined)
    this.#lease = history.lease
    this.#restarts = losses.filter(({ loses }) => loses !== 'everything on purpose').map(({ endAt }) => endAt)
    for (const read of reads) {
      listOf(this.#reads, read.by).push(read)
      if (isTrusted(read)) listOf(this.#trusted, read.by).push(read)
    }
    for (const record of history.records) {
      if (record.type === 'link' && record.isConnected) listOf(this.#recoveries, record.by).push(record.at)
    }
  }

  /** Since when a write binds the process of a read, if that is connected; `undefined` while it does not. */
  boundAt(read: Read, write: Write): number | undefined {
    if (write.durable === undefined) return this.#isRequestMet(read, write) ? write.endAt : undefined
    const index = this.#lives.findIndex(({ startAt, endAt }) => startAt < read.startAt && read.endAt < endAt)
    const boundAt = this.#boundsOf(write)[index]
    return boundAt !== undefined && boundAt + this.#lease + SLACK < read.startAt ? boundAt : undefined
  }

  /** How long ago the process of a read, if it is cut off, should have heard of a write; 0 when it need not have. */
  ageCutOff(read: Read, write: Write): number {
    // The log does not tell of requests: what is known to be right by it may have been taken out of use by one.
    if (write.durable === undefined) return 0
    const recoveries = this.#recoveries.get(read.by) ?? []
    const ages = this.#boundsOf(write).map((boundAt, index) => {
      const endAt = this.#lives[index]?.endAt ?? 0
      // It may have been told another history since, in which the write was lost.
      const isOver = recoveries.some((at) => at > endAt && at < read.startAt)
      return boundAt === undefined || isOver ? 0 : read.startAt - boundAt
    })
    return Math.max(0, ...ages)
  }

  /** Whether the tombstone of a request had to be there at a read that asked Redis for its key. */
  #isRequestMet(read: Read, { startAt, endAt }: Write): boolean {
    if (!read.isAnswered || this.#lease > 0 || read.startAt - endAt > TOMBSTONE_FOR || endAt + SLACK >= read.startAt)
      return false
    return !this.#losses.some((loss) => loss.endAt > startAt && loss.startAt < read.endAt)
  }

  /** Whether Redis lost what it had of a write before a read. */
  wasLost(read: Read, write: Write): boolean {
    return this.#lives.some(({ startAt }) => write.startAt < startAt && startAt < read.startAt)
  }

  /**
   * Whether everything made before a flush had to be gone at a read: all processes that lived through it had met that
   * server before (to others it is one that came back empty), and the server has not been lost since.
   */
  isFlushKnown(flush: Disaster, read: Read): boolean {
    const life = this.#lives.find(({ startAt }) => startAt === flush.endAt)
    return life !== undefined && read.endAt < life.endAt && this.#haveAllMet(flush)
  }

  #haveAllMet(flush: Disaster): boolean {
    const known = this.#met.get(flush)
    if (known !== undefined) return known
    const server = this.#restarts.findLast((at) => at < flush.startAt) ?? Number.NEGATIVE_INFINITY
    const haveMet = Array.from(this.#reads).every(([process, reads]) => {
      const livedThrough =
        reads.some(({ endAt }) => endAt < flush.startAt) && (reads.at(-1)?.startAt ?? 0) > flush.startAt
      const trusted = this.#trusted.get(process) ?? []
      return (
        !livedThrough || trusted.some(({ startAt, endAt }) => startAt - this.#lease > server && endAt < flush.startAt)
      )
    })
    this.#met.set(flush, haveMet)
    return haveMet
  }

  /** For each life, when a write had come to bind everybody. */
  #boundsOf(write: Write): readonly (number | undefined)[] {
    const known = this.#known.get(write)
    if (known !== undefined) return known
    const bounds = this.#lives.map((life) => {
      const isWithin = life.startAt < write.startAt && write.endAt < life.endAt
      if (isWithin && write.durable === true) return write.endAt
      if (write.endAt >= life.endAt) return undefined
      // What could not be told, or was lost, has been told (again) before its process trusts Redis (again).
      const trusted = this.#trustedAfter(write.by, Math.max(write.endAt, life.startAt))
      if (trusted === undefined || trusted >= life.endAt) return undefined
      return trusted - write.endAt < REPEATED_FOR || (isWithin && write.durable === false) ? trusted : undefined
    })
    this.#known.set(write, bounds)
    return bounds
  }

  /** The end of the first answer that was asked for after `at` and says: this process is connected. */
  #trustedAfter(process: string, at: number): number | undefined {
    const reads = this.#trusted.get(process) ?? []
    return reads[firstIndex(reads, (read) => read.startAt - this.#lease > at)]?.endAt
  }
}

/** The first place at which a predicate holds that holds from there on. */
function firstIndex<Item>(list: readonly Item[], holds: (item: Item) => boolean): number {
  let low = 0
  let high = list.length
  while (low < high) {
    const middle = (low + high) >> 1
    const item = list[middle]
    if (item !== undefined && holds(item)) high = middle
    else low = middle + 1
  }
  return low
}

function listOf<Item>(lists: Map<string, Item[]>, name: string): Item[] {
  const list = lists.get(name) ?? []
  lists.set(name, list)
  return list
}
