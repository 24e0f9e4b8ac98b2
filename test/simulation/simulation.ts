import type { Cover } from '../../src/core/coherence/cover.js'
import { loadSharedStore } from '../../src/core/coherence/shared-access.js'
import { engineOf, FallbackCache } from '../../src/core/fallback-cache.js'
import type { Found } from '../../src/core/found.js'
import { otherProtocol, type Release } from '../support/other-protocol.js'
import { type DisasterKind, Disasters } from './disasters.js'
import { FakeClient } from './fake-client.js'
import { FakeRedis } from './fake-redis.js'
import { History, type Violation } from './history.js'
import { Random } from './random.js'
import { ProcessClock, Scheduler } from './scheduler.js'
import { longestRun, type Setup, SimulatedProcess } from './simulated-process.js'
import { type Key, keys, tagsOf, type Value } from './truth.js'

/** How a run may differ from what its seed alone would make of it. */
export interface SimulationOptions {
  /** Given every event, to tell how a violation came about. */
  readonly trace?: (line: string) => void
  /** The only kinds of disaster that happen. @defaultValue every kind */
  readonly only?: readonly DisasterKind[]
  /** How often requests with unsafe methods come, where other things have weights of 2 to 50. @defaultValue 6 in some runs, else 0 */
  readonly retires?: number
  /** The share of invalidations by prefix, by tag and of everything that are soft. @defaultValue 0.4 in some runs, else 0 */
  readonly softs?: number
  /** The share of processes that answer from memory what Redis confirms. @defaultValue 1 or 0.5 in some runs, else 0 */
  readonly confirms?: number
  /** Whether processes are replaced by those of a release with another protocol, and some of these again by the first. @defaultValue false */
  readonly upgrades?: boolean
  /** Whether processes may not ask for INFO, and so do not know which run of the server they talk to. @defaultValue in some runs */
  readonly hidesRun?: boolean
  /** Breaks the rules of those who use the library, or makes what it may fill smaller. */
  readonly broken?: Partial<Pick<Setup, 'marksAtCompletion' | 'maxStale' | 'allowedStale' | 'maxMirrorBytes'>>
}

/** What a run came to. */
export interface Outcome {
  readonly violations: readonly Violation[]
  /** What happened how often, over all processes. */
  readonly counts: Readonly<Record<string, number>>
}

/** One run: a few processes, one Redis, and a minute or more of everything that can happen, drawn from the seed. */
export async function simulate(seed: number, options: SimulationOptions = {}): Promise<Outcome> {
  const { stackTraceLimit } = Error
  // Thousands of errors are part of each run, and nothing reads where they come from.
  Error.stackTraceLimit = 0
  try {
    if (options.upgrades === true) other ??= await otherProtocol()
    return await new Simulation(seed, options).run()
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

const current: Release = { FallbackCache, engineOf, loadSharedStore }
let other: Release | undefined

/** How long users come once everything is well, and the least of the mean time between two of them; ms. */
const settleTime = 12_000
/** Time in which processes are exchanged; ms. */
const upgradeTime = 30_000
const calmPause = 400

class Simulation {
  readonly #random: Random
  readonly #scheduler = new Scheduler()
  readonly #history: History
  readonly #redis: FakeRedis
  readonly #disasters: Disasters
  readonly #options: SimulationOptions
  readonly #setup: Setup
  readonly #skews: boolean
  /** How often requests with unsafe methods come. */
  readonly #retires: number
  readonly #pause: number
  readonly #upgrades: boolean
  /** Drawn apart, so that a seed gives the same run with and without soft invalidations. */
  readonly #softRandom: Random
  readonly #softs: number
  readonly #confirmRandom: Random
  readonly #confirms: number
  readonly #counts: Record<string, number> = {}
  #processes: SimulatedProcess[] = []
  /** The release of the processes that start from now on. */
  #release = current
  #born = 0

  constructor(seed: number, options: SimulationOptions) {
    this.#random = new Random(seed)
    this.#options = options
    this.#history = new History(this.#scheduler, options.trace)
    this.#redis = new FakeRedis(this.#scheduler)
    this.#redis.permitsInfo = !(options.hidesRun ?? false)
    this.#redis.onSet = (name, data) => this.#history.set(name, data, this.#redis)
    this.#redis.onDelete = (names) => this.#history.deleted(names, this.#redis)
    this.#redis.onAppend = (args) => this.#history.appended(JSON.parse(String(args.at(-1))) as string[])
    this.#skews = this.#random.chance(0.25)
    const retires = this.#random.chance(0.4) ? 6 : 0
    this.#retires = options.retires ?? retires
    this.#softRandom = new Random(seed + 1_000_003)
    const softs = this.#softRandom.chance(0.5) ? 0.4 : 0
    this.#softs = options.softs ?? softs
    this.#confirmRandom = new Random(seed + 2_000_003)
    const confirms = this.#confirmRandom.pick([0, 0, 0.5, 1])
    this.#confirms = options.confirms ?? confirms
    this.#setup = this.#drawSetup()
    this.#upgrades = options.upgrades ?? false
    this.#pause = this.#random.magnitude(this.#upgrades ? 400 : 30, 1000)
    this.#disasters = new Disasters(this.#scheduler, this.#random.fork(), this.#history, this.#redis, {
      processes: () => this.#processes,
      replace: (process) => this.#replace(process),
      skews: this.#skews,
      only: options.only,
    })
  }

  async run(): Promise<Outcome> {
    const count = this.#random.pick([2, 2, 3, 3, 4])
    if (this.#upgrades && this.#random.chance(0.5)) this.#release = other ?? current
    for (let index = 0; index < count; index++) this.#start()
    const end = (this.#upgrades ? upgradeTime : 0) + this.#random.magnitude(20, 150) * this.#pause
    if (this.#upgrades) this.#planUpgrade(end)
    this.#disasters.plan(end)
    this.#act(end, this.#pause)
    const isOver = () => this.#history.violations.length > 0
    await this.#scheduler.runUntil(end, isOver)
    this.#disasters.healAll()
    this.#act(end + settleTime, Math.max(this.#pause, calmPause))
    await this.#scheduler.runUntil(end + settleTime, isOver)
    await this.#scheduler.runUntil(end + settleTime + longestRun + 1000, isOver)
    if (!isOver()) await this.#audit()
    this.#history.judgeOrder()
    for (const process of this.#processes) this.#leave(process)
    for (const word of this.#redis.unknown) this.#history.violate('harness', `the fake Redis does not know ${word}`)
    return { violations: this.#history.violations, counts: this.#counts }
  }

  #drawSetup(): Setup {
    const random = this.#random
    const isRoomy = random.chance(0.75)
    return {
      redisTimeout: 50,
      cooldown: random.pick([1000, 2000, 5000]),
      threshold: random.pick([1, 3, 5]),
      maxStale: random.pick([0, 2000, 5000, 20_000]),
      maxHandlerTime: random.pick([3000, 20_000]),
      lease: 0,
      confirms: false,
      skews: this.#skews,
      maxEntries: isRoomy ? 100 : 3,
      maxMirrorBytes: isRoomy ? 2 ** 20 : 900,
      maxJournalBytes: isRoomy ? 2 ** 20 : 700,
      isRoomy: isRoomy && !this.#skews,
      marksAtCompletion: false,
      ...this.#options.broken,
    }
  }

  /** Processes are exchanged one after the other; those of the other protocol wait for the end of the last one. */
  #planUpgrade(end: number): void {
    this.#forgetPresence()
    const random = this.#random
    const [first, next] = [this.#release, this.#release === current ? (other ?? current) : current]
    const exchangeAll = (release: Release, within: number) => {
      this.#release = release
      for (const process of this.#processes) {
        this.#scheduler.after(random.between(0, within), () => {
          if (!process.isDead) this.#replace(process)
        })
      }
    }
    exchangeAll(next, end / 3)
    if (random.chance(0.5)) this.#scheduler.after(end / 2, () => exchangeAll(first, end / 8))
  }

  /** The minute for which Redis knows of a protocol whose processes are gone is a second here. */
  #forgetPresence(): void {
    this.#scheduler.after(1000, () => {
      const isThere = (release: Release | undefined) => this.#processes.some((process) => process.release === release)
      if (!isThere(current)) this.#redis.forget('app:{fallback-cache}:present:1')
      if (!isThere(other)) this.#redis.forget('app:{fallback-cache}:present:2')
      this.#forgetPresence()
    })
  }

  #start(): SimulatedProcess {
    const random = this.#random
    const skew = this.#skews ? random.pick([0, 3_600_000, -3_600_000, 12_000]) : 0
    const clock = new ProcessClock(this.#scheduler, skew, random.between(1000, 1e6))
    const habits = { queuesOffline: random.chance(0.5), resends: random.chance(0.5) }
    const client = new FakeClient(this.#scheduler, this.#redis, random.fork(), habits)
    const lease = random.chance(0.2) ? 1000 : 0
    const name = `P${++this.#born}`
    const setup = { ...this.#setup, lease, confirms: this.#confirmRandom.chance(this.#confirms) }
    const parts = { scheduler: this.#scheduler, history: this.#history, clock, client, release: this.#release }
    const process = new SimulatedProcess(name, setup, parts)
    this.#processes.push(process)
    this.#history.note(
      () =>
        `${name} starts${this.#release === current ? '' : ', of another release'}${lease > 0 ? ', memory first' : setup.confirms ? ', confirmed' : ''}, ${JSON.stringify(habits)}`,
    )
    return process
  }

  #replace(process: SimulatedProcess): void {
    this.#leave(process)
    process.kill()
    this.#processes = this.#processes.filter((other) => other !== process)
    this.#scheduler.after(this.#random.between(10, 2000), () => this.#start())
  }

  #leave(process: SimulatedProcess): void {
    this.#counts.amended = (this.#counts.amended ?? 0) + process.amended
    for (const [name, count] of Object.entries(process.engine.counters)) {
      if (typeof count === 'number') this.#counts[name] = (this.#counts[name] ?? 0) + count
    }
  }

  /** Users come, one after the other or several at once, until `end`, so many ms apart on average. */
  #act(end: number, pause: number): void {
    const random = this.#random
    this.#scheduler.after(-Math.log(1 - random.fraction()) * pause, () => {
      if (this.#scheduler.now >= end) return
      const many = random.chance(0.15) ? 1 + random.below(5) : 1
      const key = this.#drawKey()
      for (let index = 0; index < many && this.#processes.length > 0; index++) {
        this.#doSomething(random.pick(this.#processes), random.chance(0.7) ? key : this.#drawKey())
      }
      this.#act(end, pause)
    })
  }

  #doSomething(process: SimulatedProcess, key: Key): void {
    const random = this.#random
    const what = random.weighted({
      find: 50,
      getOrSet: 12,
      get: 6,
      handle: 6,
      set: 2,
      invalidate: 14,
      delete: 2,
      retire: this.#retires,
    })
    const duration = random.chance(0.8) ? random.magnitude(1, 50) : random.magnitude(50, longestRun)
    const ttl = random.chance(0.9) ? 300_000 : random.magnitude(100, 10_000)
    this.#count(what)
    if (what === 'find') void this.#findOrHandle(process, key, duration, ttl)
    else if (what === 'getOrSet') void process.getOrSet(key, duration, ttl)
    else if (what === 'get') void process.get(key)
    else if (what === 'handle') void process.handle(key, duration, ttl)
    else if (what === 'set') void process.set(key, ttl)
    else if (what === 'delete') void process.delete(key)
    else if (what === 'retire') void process.retire(key)
    else void process.invalidate(this.#drawSoft(this.#drawCover(key)))
  }

  async #findOrHandle(process: SimulatedProcess, key: Key, duration: number, ttl: number): Promise<void> {
    const found = await process.find(key)
    if (found === undefined) this.#count('nothing')
    else this.#count(found.disconnected ? 'found while disconnected' : `found in ${found.tier}`)
    if (found === undefined && !process.isDead) await process.handle(key, duration, ttl)
  }

  #drawKey(): Key {
    return this.#random.chance(0.4) ? 'a:1' : this.#random.pick(keys)
  }

  #drawSoft(cover: Cover): Cover {
    if (cover.kind === 'key' || !this.#softRandom.chance(this.#softs)) return cover
    this.#count('softly invalidate')
    return { ...cover, soft: true }
  }

  #drawCover(key: Key): Cover {
    const random = this.#random
    switch (random.weighted({ key: 40, prefix: 30, tag: 25, all: 3 })) {
      case 'key':
        return { kind: 'key', key }
      case 'prefix':
        return { kind: 'prefix', prefix: random.pick(['a:', 'b:', 'a', key]), ignoreCase: random.chance(0.3) }
      case 'tag':
        return { kind: 'tag', tag: random.pick(tagsOf[key]) }
      case 'all':
        return { kind: 'all' }
    }
  }

  /** The storm is over: everybody must know everything, and what was kept in it must be in Redis. */
  async #audit(): Promise<void> {
    this.#history.note(() => 'the audit begins')
    for (const process of this.#processes) {
      const { connected, pendingInvalidations, redisError } = process.cache.stats()
      if (!connected && redisError?.includes('protocol') === true) continue
      if (!connected) this.#history.violate('liveness', `${process.name} does not recover`)
      else if (pendingInvalidations > 0) this.#history.violate('C4', `${process.name} has untold invalidations`)
      else this.#history.settled(process)
      for (const name of process.unsettled()) this.#history.violate('liveness', `${process.name} ${name} never ends`)
    }
    const end = this.#scheduler.now + 1000
    for (const process of this.#processes) {
      for (const key of keys) void process.find(key).then((found) => this.#judgeWrittenBack(process, key, found))
    }
    await this.#scheduler.runUntil(end)
  }

  #judgeWrittenBack(process: SimulatedProcess, key: Key, found: Found | undefined): void {
    if (found === undefined) return
    const { run } = JSON.parse(found.entry.body.toString()) as Value
    this.#history.judgeWrittenBack(process, key, { tier: found.tier, run })
  }

  #count(what: string): void {
    this.#counts[what] = (this.#counts[what] ?? 0) + 1
  }
}
