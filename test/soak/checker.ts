import type { Disaster, History, Read, Run, SoakRecord, Write } from './records.js'

/** The promises of `docs/coherence.md` that a history can break, and two that every cache makes. */
export const PROMISES = ['C1', 'C2', 'C3', 'C4', 'C5', 'C6', 'C7', 'C8', 'C9', 'liveness', 'trouble'] as const

/** A promise that was not kept. */
export interface Violation {
  readonly promise: (typeof PROMISES)[number]
  readonly text: string
  /** The stretch of the history to look at, and whose. */
  readonly from: number
  readonly to: number
  readonly resource: string | undefined
  readonly run: string | undefined
}

/** What a history shows. */
export interface Verdict {
  readonly violations: readonly Violation[]
  readonly reads: number
  readonly connectedReads: number
  readonly writes: number
  readonly durableWrites: number
  /** Requests that would have run their handler without a cache, and how many did. */
  readonly requests: number
  readonly runs: number
  /** Milliseconds since the oldest invalidation that an answer of a process that was cut off did not know, ascending. */
  readonly staleness: readonly number[]
  readonly quietReads: number
}

/** One life of the data in Redis: nothing was lost from its beginning to its end. */
interface Epoch {
  readonly startAt: number
  readonly endAt: number
}

/** The longest that an operation may take: a handler, a lease of single flight, and a busy machine. ms. */
const LONGEST = 8_000
/** How long an acknowledged invalidation is repeated for when the log was lost; the library says 60 s. ms. */
const REPEATED_FOR = 50_000
/** Rounding. ms. */
const SLACK = 2

/** Judges a history by the contract. Knows nothing of how the library works. */
export function check(history: History): Verdict {
  return new Checker(history).check()
}

class Checker {
  readonly #history: History
  readonly #violations: Violation[] = []
  readonly #staleness: number[] = []
  readonly #epochs: readonly Epoch[]
  readonly #reads: readonly Read[]
  readonly #writes: readonly Write[]
  readonly #runs: ReadonlyMap<string, Run>
  /** Answers out of a tier that a process trusted, by process, in the order of their start. */
  readonly #trusted = new Map<string, Read[]>()
  /** By resource, then by version. */
  readonly #byVersion = new Map<string, (Write | undefined)[]>()
  readonly #recoveries = new Map<string, number[]>()
  readonly #bounds = new Map<Write, readonly (number | undefined)[]>()

  constructor(history: History) {
    this.#history = history
    const losses = history.disasters.filter(({ loses }) => loses?.startsWith('everything'))
    const startsAt = [Number.NEGATIVE_INFINITY, ...losses.map(({ endAt }) => endAt)]
    const endsAt = [...losses.map(({ startAt }) => startAt), Number.POSITIVE_INFINITY]
    this.#epochs = startsAt.map((startAt, index) => ({ startAt, endAt: endsAt[index] ?? Number.POSITIVE_INFINITY }))
    this.#reads = only(history.records, 'read').sort((one, other) => one.startAt - other.startAt)
    this.#writes = only(history.records, 'write')
    this.#runs = new Map(only(history.records, 'run').map((run) => [run.run, run]))
    for (const read of this.#reads) {
      if (read.isConnected && read.version !== undefined && !this.#ranDuring(read))
        within(this.#trusted, read.by).push(read)
    }
    for (const write of this.#writes) {
      for (const [resource, version] of Object.entries(write.versions)) {
        within(this.#byVersion, resource)[version] = write
      }
    }
    for (const link of only(history.records, 'link'))
      if (link.isConnected) within(this.#recoveries, link.by).push(link.at)
  }

  check(): Verdict {
    for (const read of this.#reads) this.#judge(read)
    this.#judgeQuiet()
    this.#judgeRest()
    const requests = this.#reads.filter(({ how }) => how === 'getOrSet' || how === 'http').length
    return {
      violations: this.#violations,
      reads: this.#reads.length,
      connectedReads: this.#reads.filter(({ isConnected }) => isConnected).length,
      writes: this.#writes.length,
      durableWrites: this.#writes.filter(({ durable }) => durable === true).length,
      requests,
      runs: this.#runs.size,
      staleness: this.#staleness.sort((one, other) => one - other),
      quietReads: only(this.#history.records, 'quiet-read').length,
    }
  }

  #judge(read: Read): void {
    if (read.version === undefined) return
    const versions = this.#byVersion.get(read.resource) ?? []
    let oldest = 0
    for (let version = read.version + 1; version < versions.length; version++) {
      const write = versions[version]
      // Of a process that was killed before it could tell.
      if (write === undefined) continue
      if (write.startAt > read.startAt) break
      if (write.by === read.by && write.heldAt < read.startAt) {
        this.#staleRead('C2', read, write, `${read.by} had invalidated it itself`)
        return
      }
      if (read.isConnected) {
        const boundAt = this.#boundFor(read, write)
        if (boundAt === undefined) continue
        this.#staleRead(this.#promiseOf(read, write), read, write, `binding since ${ago(read, boundAt)}`)
        return
      } else if (!this.#ranDuring(read)) oldest = Math.max(oldest, this.#ageCutOff(read, write))
    }
    if (oldest > 0) this.#staleness.push(oldest)
    if (oldest > this.#history.maxStale + SLACK) {
      this.#stale('C9', read, `${read.by} was cut off and served what had been invalidated ${oldest.toFixed(0)} ms ago`)
    }
    this.#judgeFlush(read)
  }

  /** Since when a write binds a process that says it is connected; `undefined` while it does not. */
  #boundFor(read: Read, write: Write): number | undefined {
    const index = this.#epochs.findIndex(({ startAt, endAt }) => startAt < read.startAt && read.endAt < endAt)
    const boundAt = this.#boundsOf(write)[index]
    return boundAt !== undefined && boundAt + this.#history.lease + SLACK / 10 < read.startAt ? boundAt : undefined
  }

  /** For each life of Redis, when a write had come to bind everybody. */
  #boundsOf(write: Write): readonly (number | undefined)[] {
    const known = this.#bounds.get(write)
    if (known !== undefined) return known
    const bounds = this.#epochs.map((epoch) => {
      const isWithin = epoch.startAt < write.startAt && write.endAt < epoch.endAt
      if (isWithin && write.durable === true) return write.endAt
      if (write.endAt >= epoch.endAt) return undefined
      // What could not be told, or was lost, has been told (again) before its process trusts Redis (again).
      const trusted = this.#trustedAfter(write.by, Math.max(write.endAt, epoch.startAt))
      if (trusted === undefined || trusted >= epoch.endAt) return undefined
      return trusted - write.endAt < REPEATED_FOR || (isWithin && write.durable === false) ? trusted : undefined
    })
    this.#bounds.set(write, bounds)
    return bounds
  }

  /** The end of the first answer after `at` that says: this process is connected. */
  #trustedAfter(process: string, at: number): number | undefined {
    const reads = this.#trusted.get(process) ?? []
    const first = reads[firstIndex(reads, (read) => read.startAt - this.#history.lease > at)]
    return first?.endAt
  }

  #promiseOf(read: Read, write: Write): Violation['promise'] {
    const run = this.#runs.get(read.run ?? '')
    if (run !== undefined && run.startAt < write.heldAt && write.heldAt < run.endAt) return 'C3'
    const wasLost = this.#epochs.some(({ startAt }) => write.startAt < startAt && startAt < read.startAt)
    if (wasLost) return 'C8'
    return write.durable === false ? 'C4' : 'C1'
  }

  /** How long ago a process that is cut off should have heard of a write; 0 when it need not have. */
  #ageCutOff(read: Read, write: Write): number {
    const recoveries = this.#recoveries.get(read.by) ?? []
    let age = 0
    this.#epochs.forEach((epoch, index) => {
      const boundAt = this.#boundsOf(write)[index]
      if (boundAt === undefined || boundAt >= read.startAt) return
      // It has since been told another history, in which the write was lost.
      if (recoveries.some((at) => at > epoch.endAt && at < read.startAt)) return
      age = Math.max(age, read.startAt - boundAt)
    })
    return age
  }

  #judgeFlush(read: Read): void {
    const run = this.#runs.get(read.run ?? '')
    if (run === undefined || !read.isConnected || this.#ranDuring(read)) return
    for (const { endAt, startAt, loses } of this.#history.disasters) {
      if (loses !== 'everything on purpose' || read.startAt - this.#history.lease <= endAt || run.startAt >= startAt)
        continue
      // Once the server is another, nobody can tell any more.
      const life = this.#epochs.find((epoch) => epoch.startAt === endAt)
      if (life !== undefined && read.endAt < life.endAt) {
        this.#stale('C7', read, `${read.by} served what was made before Redis was flushed, ${ago(read, endAt)}`)
      }
    }
  }

  /** Not out of any tier: the handler was still running when it was asked for. */
  #ranDuring(read: Read): boolean {
    return (this.#runs.get(read.run ?? '')?.endAt ?? Number.NEGATIVE_INFINITY) >= read.startAt
  }

  #judgeQuiet(): void {
    const sets = only(this.#history.records, 'quiet-set')
    const losses = this.#history.disasters.filter(({ loses }) => loses !== undefined)
    const flushes = losses.filter(({ loses }) => loses === 'everything on purpose')
    for (const read of only(this.#history.records, 'quiet-read')) {
      const set = sets.findLast(({ key, endAt }) => key === read.key && endAt <= read.startAt)
      if (set === undefined || read.isFound || !read.isConnected) continue
      if (flushes.some(({ startAt, endAt }) => startAt < read.endAt && endAt > set.startAt)) continue
      const text = `${read.by} stored ${read.key}, nobody invalidated it, and ${ago(read, set.endAt)} it was gone`
      this.#violate({ promise: 'C6', text, from: set.startAt, to: read.endAt, resource: undefined, run: undefined })
    }
    for (const set of sets) {
      if (!this.#history.alive.has(set.by) || this.#history.quietInRedis.has(set.key)) continue
      if (losses.some(({ endAt, loses }) => loses !== 'everything by accident' && endAt > set.startAt)) continue
      const text = `${set.by} stored ${set.key}, and Redis does not have it at the end`
      this.#violate({
        promise: 'C5',
        text,
        from: set.startAt,
        to: this.#history.endAt,
        resource: undefined,
        run: undefined,
      })
    }
  }

  #judgeRest(): void {
    for (const record of this.#history.records) {
      if (record.type === 'trouble') {
        const at = { from: record.at - 200, to: record.at + 50 }
        this.#violate({
          promise: 'trouble',
          text: `${record.by}: ${record.text}`,
          ...at,
          resource: undefined,
          run: undefined,
        })
      } else if (record.type === 'link' && record.isConnected && record.owed > 0) {
        const text = `${record.by} trusts Redis and owes it ${record.owed} invalidations`
        this.#violate({
          promise: 'C4',
          text,
          from: record.at - 1_000,
          to: record.at,
          resource: undefined,
          run: undefined,
        })
      } else if ('endAt' in record && record.endAt - record.startAt > LONGEST && !this.#wasFrozen(record)) {
        const text = `${record.by}: a ${record.type} took ${(record.endAt - record.startAt).toFixed(0)} ms`
        this.#violate({
          promise: 'liveness',
          text,
          from: record.startAt,
          to: record.endAt,
          resource: undefined,
          run: undefined,
        })
      }
    }
  }

  #wasFrozen({ by, startAt, endAt }: { by: string; startAt: number; endAt: number }): boolean {
    const isHit = ({ text, victims }: Disaster): boolean => text.includes('process') && victims.includes(by.charAt(0))
    return this.#history.disasters.some(
      (disaster) => isHit(disaster) && disaster.startAt < endAt && disaster.endAt > startAt,
    )
  }

  #staleRead(promise: Violation['promise'], read: Read, write: Write, why: string): void {
    const version = write.versions[read.resource]
    const kind = `${read.isConnected ? 'connected' : 'cut off'}, by ${read.how}`
    this.#stale(
      promise,
      read,
      `${read.by} (${kind}) got ${read.resource}@${read.version} of run ${read.run} after ${write.by} invalidated "${write.cover}" @${version}: ${why}`,
      write.startAt,
    )
  }

  #stale(promise: Violation['promise'], read: Read, text: string, since = read.startAt): void {
    const from = Math.min(since, this.#runs.get(read.run ?? '')?.startAt ?? since) - 50
    this.#violate({ promise, text, from, to: read.endAt + 10, resource: read.resource, run: read.run })
  }

  #violate(violation: Violation): void {
    this.#violations.push(violation)
  }
}

function ago(read: { readonly startAt: number }, at: number): string {
  return `${(read.startAt - at).toFixed(1)} ms`
}

function only<Type extends SoakRecord['type']>(records: readonly SoakRecord[], type: Type) {
  return records.filter((record): record is Extract<SoakRecord, { type: Type }> => record.type === type)
}

function within<Item>(lists: Map<string, Item[]>, name: string): Item[] {
  const list = lists.get(name) ?? []
  lists.set(name, list)
  return list
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
