import { Bindings } from './bindings.js'
import type { Disaster, History, QuietRead, QuietSet, Read, Run, SoakRecord, Write } from './records.js'

/** The promises of `docs/coherence.md` that a history can break, and two that every cache makes. */
export const PROMISES = ['C1', 'C2', 'C3', 'C4', 'C5', 'C6', 'C7', 'C8', 'C9', 'C11', 'liveness', 'trouble'] as const

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

/** The longest that an operation may take: a handler, a lease of single flight, and a busy machine. ms. */
const LONGEST = 8_000
/** Rounding. ms. */
const SLACK = 2
/** What happened before a value was stored, and may be why it was lost. ms. */
const LED_TO_IT = 6_000

/** Judges a history by the contract. Knows nothing of how the library works. */
export function check(history: History): Verdict {
  return new Checker(history).check()
}

class Checker {
  readonly #history: History
  readonly #violations: Violation[] = []
  readonly #staleness: number[] = []
  readonly #reads: readonly Read[]
  readonly #writes: readonly Write[]
  readonly #runs: ReadonlyMap<string, Run>
  /** By resource, then by version. */
  readonly #byVersion = new Map<string, (Write | undefined)[]>()
  readonly #bindings: Bindings

  constructor(history: History) {
    this.#history = history
    this.#reads = only(history.records, 'read').sort((one, other) => one.startAt - other.startAt)
    this.#writes = only(history.records, 'write')
    this.#runs = new Map(only(history.records, 'run').map((run) => [run.run, run]))
    const isTrusted = (read: Read): boolean => read.isConnected && read.version !== undefined && !this.#ranDuring(read)
    this.#bindings = new Bindings(history, this.#reads, isTrusted)
    for (const write of this.#writes) {
      for (const [resource, version] of Object.entries(write.versions)) {
        const versions = this.#byVersion.get(resource) ?? []
        versions[version] = write
        this.#byVersion.set(resource, versions)
      }
    }
  }

  check(): Verdict {
    for (const read of this.#reads) this.#judge(read)
    if (this.#history.confirms) this.#judgeOrder()
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
        const boundAt = this.#bindings.boundAt(read, write)
        if (boundAt === undefined) continue
        this.#staleRead(this.#promiseOf(read, write), read, write, `binding since ${ago(read, boundAt)}`)
        return
      } else if (!this.#ranDuring(read)) oldest = Math.max(oldest, this.#bindings.ageCutOff(read, write))
    }
    if (oldest > 0) this.#staleness.push(oldest)
    if (oldest > this.#history.maxStale + SLACK) {
      this.#stale('C9', read, `${read.by} was cut off and served what had been invalidated ${oldest.toFixed(0)} ms ago`)
    }
    this.#judgeFlush(read)
  }

  #promiseOf(read: Read, write: Write): Violation['promise'] {
    const run = this.#runs.get(read.run ?? '')
    if (run !== undefined && run.startAt < write.heldAt && write.heldAt < run.endAt) return 'C3'
    if (this.#bindings.wasLost(read, write)) return 'C8'
    return write.durable === false ? 'C4' : 'C1'
  }

  #judgeFlush(read: Read): void {
    const run = this.#runs.get(read.run ?? '')
    if (run === undefined || !read.isConnected || this.#ranDuring(read)) return
    for (const disaster of this.#history.disasters) {
      const isAfter = disaster.endAt < read.startAt - this.#history.lease && run.startAt < disaster.startAt
      if (disaster.loses !== 'everything on purpose' || !isAfter || !this.#bindings.isFlushKnown(disaster, read))
        continue
      this.#stale('C7', read, `${read.by} served what was made before Redis was flushed, ${ago(read, disaster.endAt)}`)
    }
  }

  /**
   * C11: after an answer with one run, none with an older one. Both were in Redis, because processes have found them that did not
   * make them; so the order in which they were made is that in which Redis took them, on hosts with right clocks.
   */
  #judgeOrder(): void {
    const given = new Map<string, Map<Run, Read>>()
    for (const read of this.#reads) {
      const run = this.#runs.get(read.run ?? '')
      if (run === undefined || !read.isConnected || this.#ranDuring(read) || this.#isSkewed(read.by, run.by)) continue
      const runs = given.get(read.resource) ?? new Map<Run, Read>()
      given.set(read.resource, runs)
      const first = runs.get(run)
      for (const [newer, proof] of first === undefined ? [] : runs) {
        const isNewer = newer.startAt > run.endAt && proof.startAt > (first?.endAt ?? Number.NaN)
        if (!isNewer || proof.endAt >= read.startAt || !read.isAnswered) continue
        if (first === undefined || this.#mayBeLost(first.startAt, read.endAt)) continue
        const text = `${read.by} (by ${read.how}) got ${read.resource} of run ${run.run} after ${proof.by} had got run ${newer.run}`
        this.#stale('C11', read, `${text}, ${ago(read, proof.endAt)} before`, run.startAt)
        break
      }
      if (first === undefined && read.by !== run.by) runs.set(run, read)
    }
  }

  /** Whether Redis may have lost something other than entries; the processes notice it within five seconds. */
  #mayBeLost(from: number, to: number): boolean {
    return this.#history.disasters.some(
      ({ loses, startAt, endAt }) => loses?.startsWith('everything') === true && startAt < to && endAt + 5_000 > from,
    )
  }

  #isSkewed(...processes: readonly string[]): boolean {
    return processes.some((name) => this.#history.skewed.includes(name.charAt(0)))
  }

  /** Not out of any tier: the handler was still running when it was asked for. */
  #ranDuring(read: Read): boolean {
    return (this.#runs.get(read.run ?? '')?.endAt ?? Number.NEGATIVE_INFINITY) >= read.startAt
  }

  #judgeQuiet(): void {
    const sets = only(this.#history.records, 'quiet-set')
    const reads = only(this.#history.records, 'quiet-read')
    for (const read of reads) {
      const set = sets.findLast(({ key, endAt }) => key === read.key && endAt <= read.startAt)
      if (set === undefined || read.isFound || !read.isConnected) continue
      if (this.#mayBeFlushed(set, reads, read.endAt) || this.#mayBeCleared(set, read.endAt)) continue
      const text = `${read.by} stored ${read.key}, no process invalidated it, and ${ago(read, set.endAt)} later it was gone`
      this.#violateQuietly('C6', text, set, read.endAt)
    }
    const { alive, disasters, quietInRedis, askedAt } = this.#history
    for (const set of sets) {
      if (!alive.has(set.by) || quietInRedis.has(set.key) || set.endAt >= askedAt) continue
      if (this.#mayBeFlushed(set, reads, askedAt) || this.#mayBeCleared(set, askedAt)) continue
      if (disasters.some((disaster) => disaster.loses === 'entries' && disaster.endAt > set.startAt)) continue
      const text = `${set.by} stored ${set.key}, and Redis does not have it at the end`
      this.#violateQuietly('C5', text, set, askedAt)
    }
  }

  #violateQuietly(promise: 'C5' | 'C6', text: string, { key, startAt }: QuietSet, to: number): void {
    this.#violate({ promise, text, from: startAt - LED_TO_IT, to, resource: key, run: undefined })
  }

  /** Whether a flush before `until` took what a process had stored before it heard of that flush. */
  #mayBeFlushed(set: QuietSet, reads: readonly QuietRead[], until: number): boolean {
    return this.#history.disasters.some((flush) => {
      const mayBeFlush = flush.loses === 'everything on purpose' || flush.loses === 'everything perhaps'
      if (!mayBeFlush || flush.startAt > until) return false
      const heard = reads.find((read) => read.by === set.by && read.isConnected && read.startAt > flush.endAt)
      return heard === undefined || heard.endAt > set.startAt
    })
  }

  /**
   * Whether everything was invalidated after a value was stored. A process that was cut off over more than one loss does so: what
   * others did in between cannot be told from what they missed. So does one that finds another which had stored values before
   * the loss, and had never been connected.
   */
  #mayBeCleared(set: QuietSet, until: number): boolean {
    const lost = this.#history.disasters.filter((loss) => loss.loses?.startsWith('everything') && loss.startAt < until)
    // Eviction may take the log more than once.
    const isOnce = lost.length < 2 && lost[0]?.loses !== 'everything perhaps'
    if (isOnce && !lost.some((loss) => this.#hadLoner(loss))) return false
    return only(this.#history.records, 'cleared').some(({ at }) => at > set.startAt && at < until)
  }

  #hadLoner({ endAt }: Disaster): boolean {
    const connected = new Set(
      only(this.#history.records, 'quiet-read')
        .filter((read) => read.isConnected && read.startAt < endAt)
        .map(({ by }) => by),
    )
    return only(this.#history.records, 'quiet-set').some(({ by, startAt }) => startAt < endAt && !connected.has(by))
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
      } else if ('endAt' in record && answeredAt(record) - record.startAt > LONGEST && !this.#wasFrozen(record)) {
        const text = `${record.by}: a ${record.type} took ${(answeredAt(record) - record.startAt).toFixed(0)} ms`
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

/** When its caller had the answer. A request need not wait for what its process tells Redis. */
function answeredAt(record: Extract<SoakRecord, { endAt: number }>): number {
  return record.type === 'write' && record.durable === undefined ? record.heldAt : record.endAt
}

function ago(read: { readonly startAt: number }, at: number): string {
  return `${(read.startAt - at).toFixed(1)} ms`
}

function only<Type extends SoakRecord['type']>(records: readonly SoakRecord[], type: Type) {
  return records.filter((record): record is Extract<SoakRecord, { type: Type }> => record.type === type)
}
