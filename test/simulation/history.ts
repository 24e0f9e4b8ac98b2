import { type Cover, parseCover } from '../../src/core/coherence/cover.js'
import type { FakeRedis } from './fake-redis.js'
import type { Scheduler } from './scheduler.js'
import { type Key, reaches, Truth, type Value } from './truth.js'

/** A promise of the contract, one that every cache makes (`key`: an answer is that of the key asked for), of an upgrade (`versions`), or of the test itself. */
export type PromiseName =
  | 'C1'
  | 'C2'
  | 'C3'
  | 'C4'
  | 'C5'
  | 'C6'
  | 'C7'
  | 'C8'
  | 'C9'
  | 'C11'
  | 'key'
  | 'versions'
  | 'liveness'
  | 'harness'

/** A promise that was not kept. */
export interface Violation {
  readonly promise: PromiseName
  readonly at: number
  readonly text: string
}

/** A process, as far as the history needs to know it. */
export interface Witness {
  readonly name: string
  /** Ms for which memory may answer without a look at the log; 0 when every read asks Redis. */
  readonly lease: number
  /** Whether memory answers what Redis confirms. */
  readonly confirms: boolean
  /** Whether it promises C11: it confirms, and clocks are right. */
  readonly promisesOrder: boolean
  /** Ms for which memory may answer for a Redis that cannot be reached. */
  readonly maxStale: number
  /** Whether memory has room for every key and every invalidation, and clocks are right: then a miss must have a reason. */
  readonly isRoomy: boolean
}

/** An invalidation, and since when it binds everybody. */
export interface Issued {
  readonly number: number
  readonly by: Witness
  readonly text: string
  readonly issuedAt: Moment
  /** For each key it reaches, the version from which on a value is right. */
  readonly versions: ReadonlyMap<Key, number>
  /** Since when it holds everywhere; undefined while it does not. */
  boundAt: Moment | undefined
  /** Whether the first answer said `durable`. */
  wasDurable: boolean
  /** Whether Redis lost it after it was bound. */
  wasLost: boolean
  /** Who had seen it when it was lost. */
  readonly knownBy: Set<Witness>
  /** Whether a client's request asked for it: only its own process is bound. */
  readonly isRequest: boolean
  /** Whether older values may still be given, if it is said that they are stale. */
  readonly isSoft: boolean
}

/** A place in the order of things, and its time. */
export interface Moment {
  readonly tick: number
  readonly step: number
  readonly at: number
}

/** One run of a handler. */
export interface Run {
  readonly number: number
  readonly by: Witness
  readonly value: Value
  readonly startedAt: Moment
  /** What its process was sure to know when it started. */
  readonly knownTick: number
  finishedAt: Moment | undefined
  /** End of its lifetime, ms of the run; 0 while it was not given to the cache. */
  until: number
  /** Whether it was kept while its process was cut off. */
  wasKeptAlone: boolean
  /** For a value handed to `set`: when that returned. `undefined`: it has not yet; `null`: it was not. */
  assignedAt: Moment | undefined | null
}

/** A response in Redis, in the order in which Redis took them. */
interface Taken {
  readonly run: Run
  readonly tick: number
  /** Since when C11 holds for it: Redis has it, and a process has answered with it or was told that it was stored. */
  given: number | undefined
}

/** An answer that promises C11, to be judged in the end. */
interface Answer {
  readonly by: Witness
  readonly run: Run
  readonly startedAt: Moment
  /** Those of the same key that Redis had, and that were given when the lookup began. */
  readonly given: readonly Taken[]
}

/** A lookup that has begun. */
export interface Reading {
  readonly by: Witness
  readonly key: Key
  readonly how: 'find' | 'get' | 'getOrSet'
  readonly startedAt: Moment
  /** What C11 holds for. */
  readonly given: readonly Taken[]
}

/** What a lookup gave. */
export interface Result {
  readonly value: Value | undefined
  readonly tier: 'memory' | 'redis'
  /** `undefined`: not known, and something did go wrong in between. */
  readonly isConnected: boolean | undefined
  readonly hadTrouble: boolean
  /** Whether it was given as stale. */
  readonly softened?: boolean
}

const headName = '{fallback-cache}:head'

/**
 * Everything that happened, in order, judged against the contract as it happens.
 *
 * Knows nothing of how the library works; only what was promised to those who call it.
 */
export class History {
  readonly truth = new Truth()
  readonly violations: Violation[] = []
  readonly #scheduler: Scheduler
  readonly #issued: Issued[] = []
  /** Keys that requests have retired. */
  readonly #retired = new Set<Key>()
  readonly #runs: Run[] = []
  readonly #appended: { readonly covers: readonly Cover[]; readonly tick: number }[] = []
  readonly #kept = new Map<Witness, Map<Key, Run | 'unsure'>>()
  readonly #knownTicks = new Map<Witness, number>()
  /** What Redis took under each key in this life of the log, and in all. */
  readonly #taken = new Map<Key, Taken[]>()
  readonly #lastTaken = new Map<Run, number>()
  readonly #answers: Answer[] = []
  #logLife = ''
  /** Whether Redis may have gone back, and the log has no new life yet. */
  #isOrderLost = false
  #tick = 0
  #forgottenAt = 0
  #takenAt = 0
  #wentBackAt = 0
  #flushedAt: Moment | undefined
  #restartedAt = 0
  readonly #recoveredAt = new Map<Witness, number>()
  readonly #trace: ((line: string) => void) | undefined

  constructor(scheduler: Scheduler, trace: ((line: string) => void) | undefined) {
    this.#scheduler = scheduler
    this.#trace = trace
  }

  moment(): Moment {
    return { tick: ++this.#tick, step: this.#scheduler.step, at: this.#scheduler.now }
  }

  note(line: () => string): void {
    this.#trace?.(`${this.#scheduler.now.toFixed(1).padStart(9)} ${line()}`)
  }

  violate(promise: PromiseName, text: string): void {
    this.note(() => `!!! ${promise}: ${text}`)
    this.violations.push({ promise, at: this.#scheduler.now, text })
  }

  /** The database changes, and at once the process is told to invalidate what depends on it. */
  issue(by: Witness, covers: readonly Cover[], text: string, isRequest = false): Issued {
    const versions = this.truth.change(covers)
    const isSoft = covers.every(({ soft }) => soft === true)
    if (isRequest) for (const key of versions.keys()) this.#retired.add(key)
    const issued: Issued = {
      number: this.#issued.length,
      by,
      text,
      issuedAt: this.moment(),
      versions,
      boundAt: undefined,
      wasDurable: false,
      wasLost: false,
      knownBy: new Set(),
      isRequest,
      isSoft,
    }
    this.#issued.push(issued)
    this.note(() => `${by.name} issues #${issued.number} ${text}: ${show(versions)}`)
    return issued
  }

  /** Its promise resolved with `durable`. */
  acknowledge(issued: Issued): void {
    issued.wasDurable = true
    this.#bind(issued)
    this.note(() => `${issued.by.name} has #${issued.number} acknowledged`)
  }

  /** The process trusts Redis again: everything it ever invalidated must hold everywhere. */
  recovered(by: Witness): void {
    this.note(() => `${by.name} is connected`)
    this.#recoveredAt.set(by, this.moment().tick)
    for (const issued of this.#issued) if (issued.by === by) this.#bind(issued)
  }

  /** Redis is back with what it had at `survivesUntil`, or with nothing (-1): later invalidations wait to be told again. */
  lost(survivesUntil: number): void {
    this.taken()
    this.losesOrder()
    this.#isOrderLost = true
    if (survivesUntil >= 0) this.#wentBackAt = this.moment().tick
    for (const issued of this.#issued) {
      if (issued.boundAt === undefined || issued.boundAt.at < survivesUntil) continue
      for (const [witness, tick] of this.#knownTicks) if (tick > issued.boundAt.tick) issued.knownBy.add(witness)
      issued.boundAt = undefined
      issued.wasLost = true
    }
  }

  /** A process is gone: what it still had to tell dies with it. */
  died(by: Witness): void {
    this.note(() => `${by.name} dies`)
    this.#kept.delete(by)
  }

  /** A record entered the log. */
  appended(texts: readonly string[]): void {
    const moment = this.moment()
    this.note(() => `the log takes ${JSON.stringify(texts)}`)
    this.#appended.push({ covers: texts.map(parseCover), tick: moment.tick })
  }

  /** Keys are deleted: by a process that takes the log over from another protocol, the whole log. */
  deleted(names: readonly string[], redis: FakeRedis): void {
    if (names.length === 1 || !names[0]?.endsWith(headName)) return
    this.note(() => 'the log is taken over')
    const protocol = protocolIn(redis, names[0])
    const presence = Buffer.from(names[0].replace(/head$/, `present:${protocol}`))
    if (redis.execute([Buffer.from('EXISTS'), presence]) === 1)
      this.violate('versions', `the log of protocol ${protocol} is taken over, although a process of it is there`)
    this.taken()
    this.mayForget()
    this.losesOrder()
  }

  /** Redis takes a text under an entry's or an internal name. */
  set(name: string, data: Buffer, redis: FakeRedis): void {
    if (name.endsWith(headName)) {
      const [protocol, life = ''] = data.toString('latin1').split(' ')
      const before = protocolIn(redis, name)
      if (before !== undefined && before !== protocol)
        this.violate('versions', `the head of protocol ${before} is replaced by one of ${protocol}`)
      if (life !== this.#logLife) this.#taken.clear()
      if (life !== this.#logLife) this.#isOrderLost = false
      this.#logLife = life
      return
    }
    const run = this.#runs[Number(/"run":(\d+)/.exec(data.toString('latin1'))?.[1] ?? Number.NaN)]
    if (run === undefined) return
    const { key } = run.value
    const { tick } = this.moment()
    this.note(() => `Redis takes run ${run.number} for ${key}`)
    this.#lastTaken.set(run, tick)
    if (this.#isOrderLost) return
    const taken = this.#taken.get(key) ?? []
    this.#taken.set(key, taken)
    // The same once more, after nothing else, is no other response.
    if (taken.at(-1)?.run !== run) taken.push({ run, tick, given: undefined })
  }

  /** The notes of what changed went from Redis: what it lost as well can no longer be told from what was never there. */
  losesOrder(): void {
    this.#taken.clear()
  }

  /** A process was told that Redis has its response, or answered with it: C11 holds from now on. */
  give(run: Run | undefined): void {
    if (run === undefined) return
    const taken = this.#taken.get(run.value.key)?.findLast((one) => one.run === run)
    if (taken !== undefined) taken.given ??= this.moment().tick
  }

  /** Judges C11 when it is known what Redis took in which order. */
  judgeOrder(): void {
    for (const { by, run, startedAt, given } of this.#answers) {
      const lastAt = this.#lastTaken.get(run) ?? run.finishedAt?.tick ?? Number.POSITIVE_INFINITY
      const newer = given.find((one) => one.run !== run && one.tick > lastAt)
      if (newer === undefined) continue
      this.violate(
        'C11',
        `${by.name} got ${run.value.key} of run ${run.number}, asked at ${startedAt.at.toFixed(1)}, after run ` +
          `${newer.run.number}, which replaced it, had been given`,
      )
    }
  }

  /** Entries went from Redis: evicted, or with a server that had them. */
  taken(): void {
    this.#takenAt = this.moment().tick
  }

  /** Something happened after which memory may be empty: keys of the log were taken away. */
  mayForget(): void {
    this.#forgottenAt = this.moment().tick
  }

  /**
   * An operator emptied Redis. An order to those who know this run of it; who does not takes it for an accident, and knows nothing of
   * invalidations that went with it until those return who do.
   */
  flushed(present: readonly Witness[]): void {
    const restartedAt = this.#restartedAt
    const areSure = present.every((witness) => (this.#recoveredAt.get(witness) ?? 0) > restartedAt)
    if (areSure) this.#flushedAt = this.moment()
    else this.lost(-1)
    this.mayForget()
  }

  /** Redis is another run: it can no longer be told that an operator had emptied it. */
  restarted(): void {
    this.#flushedAt = undefined
    this.#restartedAt = this.moment().tick
  }

  start(by: Witness, key: Key): Run {
    const run: Run = {
      number: this.#runs.length,
      by,
      value: { key, version: this.truth.version(key), run: this.#runs.length },
      startedAt: this.moment(),
      knownTick: this.#knownTicks.get(by) ?? 0,
      finishedAt: undefined,
      until: 0,
      wasKeptAlone: false,
      assignedAt: null,
    }
    this.#runs.push(run)
    this.note(() => `${by.name} starts run ${run.number} for ${key}@${run.value.version}`)
    return run
  }

  /** The handler is done, and its result is given to the cache for so many ms. */
  finish(run: Run, ttl: number, what: string): void {
    run.finishedAt = this.moment()
    run.until = this.#scheduler.now + ttl
    this.note(() => `${run.by.name} finishes run ${run.number} for ${run.value.key}@${run.value.version}: ${what}`)
    // Which of two is kept is for the library to say: known again when one of them is found.
    const kept = this.#keptBy(run.by)
    if (kept.has(run.value.key)) kept.set(run.value.key, 'unsure')
  }

  /** Memory took it, and has it for as long as it lives unless there is a reason. */
  keep(run: Run, isAlone: boolean): void {
    run.wasKeptAlone = isAlone
    const kept = this.#keptBy(run.by)
    if (kept.get(run.value.key) !== 'unsure') kept.set(run.value.key, run)
  }

  /** Its `set` has returned. */
  assigned(run: Run): void {
    run.assignedAt = this.moment()
  }

  read(by: Witness, key: Key, how: Reading['how']): Reading {
    const given = by.promisesOrder ? this.#taken.get(key)?.filter((one) => one.given !== undefined) : undefined
    return { by, key, how, startedAt: this.moment(), given: given ?? [] }
  }

  /** Judges what a lookup gave. */
  judge(reading: Reading, result: Result): void {
    const { by, key, startedAt } = reading
    const { value } = result
    this.note(() => {
      const what = value === undefined ? 'nothing' : `@${value.version} of run ${value.run} from ${result.tier}`
      const state = result.isConnected === undefined ? ', unsure' : result.isConnected ? '' : ', disconnected'
      return `${by.name} ${reading.how} ${key} (since ${startedAt.at.toFixed(1)}): ${what}${state}`
    })
    const now = this.moment()
    if (value === undefined) this.#judgeMiss(reading, result)
    else {
      if (value.key !== key) this.violate('key', `${by.name} asked for ${key} and got ${value.key}`)
      for (const issued of this.#issued) {
        if (issued.isSoft && (result.softened === true || reading.how === 'getOrSet')) continue
        if (value.version < (issued.versions.get(key) ?? 0)) this.#judgeMissed(reading, result, value, issued, now)
      }
      this.#judgeFlush(reading, result, value)
      const run = this.#runs[value.run]
      if (reading.how !== 'getOrSet' && result.isConnected === true) {
        const given = reading.given.filter((one) => this.#taken.get(key)?.includes(one) === true)
        if (by.promisesOrder && run !== undefined) this.#answers.push({ by, run, startedAt, given })
        this.give(run)
      }
      if (reading.how !== 'getOrSet' && run?.finishedAt !== undefined) this.#keptBy(by).set(key, run)
      else this.#keptBy(by).set(key, 'unsure')
    }
    const isSure = result.isConnected === true && !result.hadTrouble && by.lease === 0 && reading.how === 'find'
    if (isSure && startedAt.tick > (this.#knownTicks.get(by) ?? 0)) this.#knownTicks.set(by, startedAt.tick)
  }

  /** What was kept while Redis could not be told must be there by now, for everybody. */
  judgeWrittenBack(
    by: Witness,
    key: Key,
    found: { readonly tier: 'memory' | 'redis'; readonly run: number } | undefined,
  ): void {
    const run = found === undefined ? undefined : this.#runs[found.run]
    if (found?.tier !== 'memory' || run === undefined || by.lease > 0 || !by.isRoomy || this.#retired.has(key)) return
    if (run.by !== by || !run.wasKeptAlone || run.finishedAt === undefined) return
    const { tick } = run.finishedAt
    if (by.confirms && (this.#lastTaken.get(run) ?? 0) > tick) return
    // What replaced it in Redis may have lived less long.
    const isReplaced = this.#runs.some(
      ({ value, finishedAt, until }) =>
        value.key === key && finishedAt !== undefined && finishedAt.tick > tick && until <= this.#scheduler.now,
    )
    // It is stale for all, and may be kept by none in another life of the log.
    const isSoftened = this.#issued.some(
      ({ isSoft, versions }) => isSoft && (versions.get(key) ?? 0) > run.value.version,
    )
    if (this.#takenAt <= tick && !isReplaced && !isSoftened)
      this.violate('C5', `${by.name} has ${key} of run ${run.number} in memory alone, kept while it was cut off`)
  }

  /** Since the harness knows that nothing waits any more: what each of them invalidated holds everywhere. */
  settled(by: Witness): void {
    for (const issued of this.#issued) if (issued.by === by) this.#bind(issued)
  }

  #bind(issued: Issued): void {
    if (!issued.isRequest) issued.boundAt ??= this.moment()
  }

  #keptBy(by: Witness): Map<Key, Run | 'unsure'> {
    const kept = this.#kept.get(by) ?? new Map<Key, Run | 'unsure'>()
    this.#kept.set(by, kept)
    return kept
  }

  #judgeMissed(reading: Reading, result: Result, value: Value, issued: Issued, now: Moment): void {
    const { by, startedAt } = reading
    const run = this.#runs[value.run]
    // What `set` is given counts as read when `set` has its place in the log: another's invalidation at the same time is older.
    if (run !== undefined && isAssignedBeside(run, issued)) return
    const isLate = run?.finishedAt === undefined || run.finishedAt.tick > issued.issuedAt.tick
    const story = () =>
      `${by.name} got ${value.key}@${value.version} (run ${value.run} of ${run?.by.name}) by ${reading.how} from ` +
      `${result.tier}${result.isConnected === false ? ', disconnected' : ''}, which #${issued.number} ${issued.text} of ` +
      `${issued.by.name} had made ${issued.versions.get(value.key)} at ${issued.issuedAt.at.toFixed(1)}`
    const wasIssued =
      reading.how === 'getOrSet' ? issued.issuedAt.tick < startedAt.tick : issued.issuedAt.step < now.step
    if (issued.by === by && wasIssued) {
      this.violate(isLate ? 'C3' : 'C2', story())
      return
    }
    const bound = issued.boundAt
    if (bound === undefined) {
      const knew =
        issued.knownBy.has(by) && result.isConnected === true && result.tier === 'memory' && reading.how === 'find'
      if (knew) this.violate('C8', `${story()}, and had seen`)
      return
    }
    if (result.isConnected === true) {
      const isBound = by.lease === 0 ? bound.tick < startedAt.tick : bound.at < startedAt.at - by.lease - 1
      if (!isBound) return
      const promise = isLate ? 'C3' : issued.wasLost ? 'C8' : issued.wasDurable ? 'C1' : 'C4'
      this.violate(promise, `${story()}; binding since ${bound.at.toFixed(1)}`)
    } else if (reading.how === 'getOrSet' && (run?.finishedAt?.tick ?? 0) > startedAt.tick) {
      // Not out of any tier: the handler still ran when it was asked for.
      return
    } else if (startedAt.at - bound.at > by.maxStale + by.lease + 1) {
      this.violate('C9', `${story()}; binding for ${(startedAt.at - bound.at).toFixed(0)} ms`)
    }
  }

  /** Whether another process has stored something else under its key. */
  #isReplaced(run: Run): boolean {
    const tick = this.#lastTaken.get(run) ?? run.startedAt.tick
    return this.#runs.some(
      (other) => other.value.key === run.value.key && other !== run && (this.#lastTaken.get(other) ?? 0) > tick,
    )
  }

  #judgeFlush(reading: Reading, result: Result, value: Value): void {
    const flushed = this.#flushedAt
    const run = this.#runs[value.run]
    if (flushed === undefined || run === undefined || result.isConnected !== true || reading.how === 'getOrSet') return
    const { by, startedAt } = reading
    const isBound = by.lease === 0 ? flushed.tick < startedAt.tick : flushed.at < startedAt.at - by.lease - 1
    if (isBound && run.startedAt.tick < flushed.tick) {
      this.violate(
        'C7',
        `${by.name} got ${value.key} of run ${value.run}, begun before Redis was emptied at ${flushed.at}`,
      )
    }
  }

  #judgeMiss(reading: Reading, result: Result): void {
    const { by, key, startedAt } = reading
    const run = this.#kept.get(by)?.get(key)
    if (run === undefined || run === 'unsure' || !by.isRoomy || result.isConnected !== true || result.hadTrouble) return
    // Its tombstone may be met late, and takes more out of use than is wrong.
    if (this.#retired.has(key)) return
    // What has been replaced is not used again, though Redis has lost what replaced it.
    if (by.promisesOrder && this.#isReplaced(run)) return
    if (run.finishedAt === undefined || run.finishedAt.tick > startedAt.tick) return
    if (run.until <= this.#scheduler.now + 2 || this.#forgottenAt > run.knownTick) return
    // What is stale is found, but `get` and `getOrSet` do not give it.
    const mayMiss = (isSoft: boolean): boolean => !isSoft || reading.how !== 'find'
    const isIssuedSince = ({ issuedAt, versions, isSoft }: Issued): boolean =>
      issuedAt.tick > run.startedAt.tick && versions.has(key) && mayMiss(isSoft)
    if (this.#issued.some(isIssuedSince)) return
    // A log that lost records is read as a whole once more, and covers what it covers, judged before or not.
    const since = this.#wentBackAt > run.knownTick ? 0 : run.knownTick
    const mayCover = this.#appended.some(
      ({ covers, tick }) => tick > since && covers.some((cover) => reaches(cover, key) && mayMiss(cover.soft === true)),
    )
    if (mayCover) return
    this.violate('C6', `${by.name} found nothing under ${key}, though it kept run ${run.number} and nothing covers it`)
  }
}

/** The number of the protocol at the start of the head in Redis. */
function protocolIn(redis: FakeRedis, headKey: string): string | undefined {
  const head = redis.execute([Buffer.from('GET'), Buffer.from(headKey)])
  return Buffer.isBuffer(head) ? head.toString('latin1').split(' ')[0] : undefined
}

function show(versions: ReadonlyMap<Key, number>): string {
  return [...versions].map(([key, version]) => `${key}@${version}`).join(' ')
}

function isAssignedBeside(run: Run, issued: Issued): boolean {
  if (run.assignedAt === null || issued.by === run.by || issued.issuedAt.tick < run.startedAt.tick) return false
  return run.assignedAt === undefined || issued.issuedAt.tick < run.assignedAt.tick
}
