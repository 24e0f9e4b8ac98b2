import type { FakeRedis } from './fake-redis.js'
import type { History } from './history.js'
import { Keyspace } from './keyspace.js'
import type { Random } from './random.js'
import type { Scheduler } from './scheduler.js'
import type { SimulatedProcess } from './simulated-process.js'

/** What disasters may reach. */
export interface Stage {
  readonly processes: () => readonly SimulatedProcess[]
  /** Kills a process and starts another. */
  readonly replace: (process: SimulatedProcess) => void
  /** Whether wall clocks are wrong in this run. */
  readonly skews: boolean
  /** The only kinds of disaster that happen; every kind by default. */
  readonly only: readonly DisasterKind[] | undefined
}

/** How often each kind of disaster comes, against the others. */
const kinds = {
  partition: 20,
  'replies lost': 12,
  'connection broken': 14,
  'slow network': 10,
  'process killed': 5,
  'surplus reply': 4,
  'missing reply': 4,
  'restart empty': 9,
  failover: 9,
  'silent failover': 4,
  'restart from a dump': 4,
  'crash loop': 4,
  'backup restored': 3,
  'server frozen': 6,
  'server down': 5,
  'flush all': 5,
  'entries evicted': 8,
  'keys evicted': 5,
  'head evicted': 2,
  'log evicted': 2,
  'marks evicted': 2,
  'scripts forgotten': 3,
  'out of memory': 4,
  'wall clock': 4,
  'clock of Redis': 3,
  'flood by clients': 3,
}

/** A kind of disaster. */
export type DisasterKind = keyof typeof kinds

/** Everything that goes wrong in a run: what, when, to whom and for how long is drawn when the run is planned. */
export class Disasters {
  readonly #scheduler: Scheduler
  readonly #random: Random
  readonly #history: History
  readonly #redis: FakeRedis
  readonly #stage: Stage
  readonly #heals = new Set<() => void>()
  /** From here on no server goes: the run is to end with processes that have had time to come back. */
  #quietAt = Number.POSITIVE_INFINITY

  constructor(scheduler: Scheduler, random: Random, history: History, redis: FakeRedis, stage: Stage) {
    this.#scheduler = scheduler
    this.#random = random
    this.#history = history
    this.#redis = redis
    this.#stage = stage
  }

  /** Draws what will go wrong until `end`. What was begun by then may still take a server soon afterwards. */
  plan(end: number): void {
    this.#quietAt = end + 5000
    const count = 1 + this.#random.below(6)
    for (let index = 0; index < count; index++) {
      const { only } = this.#stage
      const kind = only === undefined ? this.#random.weighted(kinds) : this.#random.pick(only)
      this.#scheduler.after(this.#random.between(0, end * 0.9), () => this.#strike(kind, end))
    }
  }

  /** Everything is well again. */
  healAll(): void {
    this.#history.note(() => 'everything heals')
    for (const heal of [...this.#heals]) heal()
  }

  #strike(kind: DisasterKind, end: number): void {
    const random = this.#random
    const processes = this.#stage.processes()
    const process = processes.length === 0 ? undefined : random.pick(processes)
    const duration = random.magnitude(20, Math.max(1000, end - this.#scheduler.now))
    this.#history.note(() => `*** ${kind} (${process?.name}, ${duration.toFixed(0)} ms)`)
    if (process !== undefined && this.#strikeProcess(kind, process, duration)) return
    this.#strikeServer(kind, duration, end)
  }

  #strikeProcess(kind: DisasterKind, process: SimulatedProcess, duration: number): boolean {
    const { weather } = process.client
    const random = this.#random
    switch (kind) {
      case 'partition':
        this.#change(process, duration, () => {
          weather.blocksCommands = true
          weather.blocksReplies = true
        })
        if (random.chance(0.5)) this.#breakIn(process, random.between(0, duration))
        return true
      case 'replies lost':
        this.#change(process, duration, () => {
          weather.blocksReplies = true
        })
        if (random.chance(0.6)) this.#breakIn(process, random.between(0, duration))
        return true
      case 'connection broken':
        process.client.break(random.magnitude(1, 3000))
        return true
      case 'slow network':
        this.#change(process, duration, () => {
          weather.latency = random.between(0, 30)
          weather.jitter = random.between(5, 60)
        })
        return true
      case 'surplus reply':
        process.client.surplusReply()
        return true
      case 'missing reply':
        process.client.loseReplies(random.pick([1, 1, 2, 3]))
        return true
      case 'process killed':
        this.#stage.replace(process)
        return true
      case 'flood by clients':
        void process.flood(260)
        return true
      case 'wall clock':
        if (this.#stage.skews) process.clock.setSkew(random.pick([0, 3_600_000, -3_600_000]))
        return true
      default:
        return false
    }
  }

  #strikeServer(kind: DisasterKind, duration: number, end: number): void {
    const random = this.#random
    const downFor = Math.min(random.magnitude(10, 5000), duration)
    if (!this.#redis.isUp) return
    switch (kind) {
      case 'restart empty':
        this.#restart(downFor, undefined)
        return
      case 'failover':
        this.#restartFromPast(random.magnitude(1, 2000), downFor, -5000)
        return
      case 'silent failover':
        this.#replaceByPast(random.magnitude(1, 2000))
        return
      case 'restart from a dump':
        this.#restartFromPast(random.magnitude(1000, 100_000), downFor, 0)
        return
      case 'crash loop':
        this.#crashOnOneSnapshot(2 + random.below(2), random.magnitude(100, 20_000))
        return
      case 'backup restored':
        this.#restoreBackup(random.between(0.1, 0.9) * (end - this.#scheduler.now), downFor)
        return
      case 'server down':
        this.#restart(duration, this.#redis.snapshot())
        return
      case 'server frozen':
        for (const process of this.#stage.processes()) {
          this.#change(process, Math.min(duration, 10_000), () => {
            process.client.weather.blocksCommands = true
          })
        }
        return
      case 'flush all':
        this.#command('FLUSHALL')
        this.#history.flushed(this.#stage.processes())
        return
      case 'entries evicted':
        this.#history.taken()
        for (const key of this.#redis.keys()) if (!key.includes('{') && random.chance(0.7)) this.#command('DEL', key)
        return
      case 'keys evicted':
        this.#evictKeys(1 + random.below(20), duration)
        return
      case 'head evicted':
      case 'log evicted':
      case 'marks evicted':
        this.#command('DEL', `app:{fallback-cache}:${kind.split(' ')[0]}`)
        this.#history.mayForget()
        return
      case 'scripts forgotten':
        this.#redis.forgetScripts()
        return
      case 'clock of Redis':
        this.#redis.setClock(random.pick([0, -10_000, -3_600_000, 10_000]))
        return
      case 'out of memory':
        this.#redis.setFull(true)
        this.#healIn(Math.min(duration, 10_000), () => this.#redis.setFull(false))
        return
    }
  }

  /** A process's weather changes for a while. */
  #change(process: SimulatedProcess, duration: number, change: () => void): void {
    change()
    process.client.followWeather()
    this.#healIn(duration, () => {
      Object.assign(process.client.weather, { latency: 0.2, jitter: 1, blocksCommands: false, blocksReplies: false })
      process.client.followWeather()
    })
  }

  #breakIn(process: SimulatedProcess, ms: number): void {
    this.#scheduler.after(ms, () => process.client.break(this.#random.between(20, 500)))
  }

  /** What the replica or the dump has is taken now; until the master dies, it lags behind. */
  #restartFromPast(age: number, downFor: number, skew: number): void {
    const keyspace = this.#redis.snapshot()
    const takenAt = this.#scheduler.now
    const { life } = this.#redis
    this.#scheduler.after(age, () => {
      if (this.#redis.life === life) this.#restart(downFor, keyspace, takenAt, skew)
    })
  }

  /** A backup is put in the place of what Redis has, also after other runs of Redis since it was taken. */
  #restoreBackup(age: number, downFor: number): void {
    const keyspace = this.#redis.snapshot()
    const takenAt = this.#scheduler.now
    this.#scheduler.after(age, () => this.#restart(downFor, keyspace, takenAt))
  }

  /** One key after the other goes, as Redis needs the room: entries, tombstones, turns, and the keys of the log. */
  #evictKeys(count: number, duration: number): void {
    const keys = this.#redis.isUp ? this.#redis.keys() : []
    if (keys.length > 0) {
      const key = this.#random.pick(keys)
      this.#history.note(() => `*** ${key} is evicted`)
      this.#history.taken()
      if (key.includes('{')) this.#history.mayForget()
      if (key.endsWith('}:changes')) this.#history.losesOrder()
      this.#command('DEL', key)
    }
    if (count > 1)
      this.#scheduler.after(this.#random.magnitude(1, duration), () => this.#evictKeys(count - 1, duration))
  }

  /** Comes back with the same snapshot each time, and with nothing of what was done since. */
  #crashOnOneSnapshot(
    times: number,
    age: number,
    keyspace = this.#redis.snapshot(),
    takenAt = this.#scheduler.now,
  ): void {
    this.#scheduler.after(age, () => {
      if (!this.#redis.isUp) return
      this.#restart(this.#random.magnitude(10, 2000), keyspace.copy(), takenAt)
      if (times > 1) this.#crashOnOneSnapshot(times - 1, this.#random.magnitude(500, 20_000), keyspace, takenAt)
    })
  }

  #replaceByPast(age: number): void {
    const keyspace = this.#redis.snapshot()
    const takenAt = this.#scheduler.now
    const { life } = this.#redis
    this.#scheduler.after(age, () => {
      if (this.#redis.life !== life || !this.#redis.isUp || this.#scheduler.now > this.#quietAt) return
      this.#history.note(() => `*** another Redis, with ${takenAt.toFixed(1)}`)
      this.#history.lost(takenAt)
      this.#history.restarted()
      this.#redis.replace(keyspace, -5000)
    })
  }

  /** @param keyspace - what the server comes back with; undefined for nothing */
  #restart(downFor: number, keyspace: Keyspace | undefined, takenAt = this.#scheduler.now, skew = 0): void {
    if (!this.#redis.isUp || this.#scheduler.now > this.#quietAt) return
    const survivesUntil = keyspace === undefined ? -1 : takenAt
    this.#history.note(
      () => `*** Redis goes, to be back with ${survivesUntil < 0 ? 'nothing' : `${takenAt.toFixed(1)}`}`,
    )
    this.#redis.stop()
    this.#history.lost(survivesUntil)
    this.#history.restarted()
    for (const process of this.#stage.processes()) {
      if (this.#random.chance(0.9)) process.client.break(this.#random.between(1, 200))
    }
    this.#healIn(downFor, () => {
      this.#history.note(() => '*** Redis is back')
      this.#redis.start(keyspace ?? new Keyspace(), skew)
    })
  }

  #command(...words: string[]): void {
    if (this.#redis.isUp) this.#redis.execute(words.map((word) => Buffer.from(word)))
  }

  #healIn(ms: number, heal: () => void): void {
    const once = () => {
      if (this.#heals.delete(once)) heal()
    }
    this.#heals.add(once)
    this.#scheduler.after(ms, once)
  }
}
