import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Random } from '../simulation/random.js'
import { ChaosProxy } from '../support/chaos-proxy.js'
import { RedisServer } from '../support/redis-server.js'
import { type Disaster, type History, moment, type SoakRecord } from './records.js'
import { LETTERS, type Letter, type MachineFault, machineFaults, type NetworkFault, networkFaults } from './schedule.js'
import { Database, SoakWorker } from './soak-worker.js'
import { beStranger } from './stranger.js'

/** How long, and what. */
export interface SoakOptions {
  readonly seconds: number
  readonly seed: number
  /** @defaultValue 'redis-first' */
  readonly read?: 'redis-first' | 'confirmed' | 'memory-first'
  /** Takes the third process out of the shared log, which must show; for the test of this test. @defaultValue false */
  readonly sabotage?: boolean
  /** Told of every disaster as it comes. */
  readonly log?: (line: string) => void
}

/** Seconds; short, so that partitions outlast it. */
const MAX_STALE = 1
/** Seconds. */
const LEASE = 0.3
/** The process whose wall clock is wrong. */
const SKEWED = 'C'
/** After the last disaster, ms. */
const CALM = 1_500

/**
 * Three processes on one Redis, each behind a proxy of its own: random reads and writes while connections and machines
 * fail. Gives the history of it, to be judged by {@link check}.
 */
export async function runSoak(options: SoakOptions): Promise<History> {
  const server = await RedisServer.start()
  const proxies = await Promise.all(LETTERS.map(() => ChaosProxy.start({ port: server.port })))
  const soak = new Soak(options, server, proxies)
  try {
    return await soak.run()
  } finally {
    await soak.end()
    await Promise.all(proxies.map((proxy) => proxy.close()))
    await server.stop()
  }
}

class Soak {
  readonly #options: SoakOptions
  readonly #server: RedisServer
  readonly #proxies: readonly ChaosProxy[]
  readonly #database = new Database()
  readonly #records: SoakRecord[] = []
  readonly #disasters: Disaster[] = []
  readonly #workers = new Map<Letter, SoakWorker>()
  readonly #lives = new Map<Letter, number>()
  readonly #seeds: Random
  #startAt = 0

  constructor(options: SoakOptions, server: RedisServer, proxies: readonly ChaosProxy[]) {
    this.#options = options
    this.#server = server
    this.#proxies = proxies
    this.#seeds = new Random(options.seed ^ 0x2545f491)
  }

  async run(): Promise<History> {
    const { seed, seconds, read } = this.#options
    await Promise.all(LETTERS.map((letter) => this.#start(letter)))
    this.#startAt = moment()
    const endAt = this.#startAt + seconds * 1_000
    await sleep(500)
    await Promise.all([
      this.#lane(networkFaults(seed), endAt, (fault) => this.#breakNetwork(fault)),
      this.#lane(machineFaults(seed), endAt, (fault) => this.#breakMachine(fault)),
      this.#measureRedis(endAt),
    ])
    await this.#heal()
    await sleep(CALM)
    const alive = new Set(Array.from(this.#workers.values(), ({ name }) => name))
    await this.#untilConnected()
    const askedAt = moment()
    const quietInRedis = await this.#quietKeys()
    await Promise.all(Array.from(this.#workers.values(), (worker) => worker.stop()))
    return {
      records: this.#records,
      disasters: this.#disasters.sort((one, other) => one.endAt - other.endAt),
      quietInRedis,
      askedAt,
      alive,
      startAt: this.#startAt,
      endAt: moment(),
      maxStale: MAX_STALE * 1_000,
      lease: read === 'memory-first' ? LEASE * 1_000 : 0,
      confirms: read === 'confirmed',
      skewed: SKEWED,
    }
  }

  async end(): Promise<void> {
    await Promise.all(Array.from(this.#workers.values(), (worker) => worker.kill()))
  }

  /** Disasters one after another; none lasts beyond the end. */
  async #lane<Fault extends { calm: number; duration: number }>(
    faults: Generator<Fault>,
    endAt: number,
    strike: (fault: Fault) => Promise<void>,
  ): Promise<void> {
    for (const fault of faults) {
      if (moment() + fault.calm > endAt) return
      await sleep(fault.calm)
      await strike({ ...fault, duration: Math.max(1, Math.min(fault.duration, endAt - moment())) })
    }
  }

  async #measureRedis(endAt: number): Promise<void> {
    for (; moment() < endAt; await sleep(1_000)) {
      if (!this.#server.running || this.#server.frozen) continue
      // A server that is killed or frozen during the question gives no answer.
      const redisBytes = await Promise.race([this.#usedMemory().catch(() => Number.NaN), sleep(500, Number.NaN)])
      if (Number.isNaN(redisBytes)) continue
      this.#records.push({ type: 'footprint', by: 'redis', at: moment(), sizes: { redisBytes } })
    }
  }

  async #start(letter: Letter): Promise<void> {
    const life = (this.#lives.get(letter) ?? 0) + 1
    this.#lives.set(letter, life)
    const isOdd = letter === SKEWED
    const setup = {
      name: `${letter}${life}`,
      url: this.#proxy(letter).url,
      keyPrefix: isOdd && this.#options.sabotage ? 'other:' : 'soak:',
      seed: Math.floor(this.#seeds.fraction() * 2 ** 32),
      read: this.#options.read ?? 'redis-first',
      lease: LEASE,
      maxStale: MAX_STALE,
      clockSkew: isOdd ? 3_600_000 : 0,
    }
    this.#workers.set(letter, await SoakWorker.start(setup, this.#database, this.#records))
  }

  async #breakNetwork({ kind, victims, duration, severity }: NetworkFault): Promise<void> {
    await this.#during(`network: ${kind}`, victims, async () => {
      const proxies = victims.map((victim) => this.#proxy(victim))
      for (const proxy of proxies) {
        if (kind === 'hold') proxy.hold()
        else if (kind === 'refuse') await proxy.refuse()
        else if (kind === 'drop replies') proxy.dropReplies()
        else if (kind === 'accept then close') proxy.acceptThenClose()
        else if (kind === 'latency') proxy.delay({ up: 40 * severity, down: 40 * (1 - severity) })
        else if (kind === 'reset often') proxy.resetEvery(20 + 300 * severity)
        else if (kind === 'surplus reply') proxy.addReply(severity < 0.5 ? '$-1\r\n' : '+OK\r\n')
        else if (kind === 'missing reply') proxy.loseReply()
        else if (kind === 'cut') proxy.cutAfter(1 + Math.floor(5_000 * severity))
        else proxy.reset()
      }
      await sleep(kind === 'reset' ? 1 : duration)
      for (const proxy of proxies) await proxy.restore()
    })
  }

  async #breakMachine({ kind, victims: [victim = 'A'], duration, severity }: MachineFault): Promise<void> {
    const worker = this.#workers.get(victim)
    if (worker === undefined) return
    switch (kind) {
      case 'freeze redis':
        return this.#during('redis: frozen', LETTERS, async () => {
          this.#server.freeze()
          await sleep(duration)
          this.#server.resume()
        })
      case 'kill redis':
      case 'restart redis':
        return this.#during(
          `redis: ${kind}`,
          LETTERS,
          () => this.#restartRedis(kind === 'kill redis' ? duration : 0),
          'everything by accident',
        )
      case 'restore backup':
      case 'crash loop': {
        const crashes = kind === 'crash loop' ? 2 + Math.round(2 * severity) : 1
        const restore = (): Promise<void> => this.#restoreBackup(duration, crashes)
        return this.#during(`redis: ${kind}, ${crashes}`, LETTERS, restore, 'everything perhaps')
      }
      case 'flush redis':
        return this.#during('redis: FLUSHALL', LETTERS, () => this.#order('FLUSHALL'), 'everything on purpose')
      case 'evict entries':
        return this.#during('redis: entries evicted', LETTERS, () => this.#evict(), 'entries')
      case 'fill redis':
        return this.#during('redis: full, noeviction', LETTERS, () => this.#fill(duration), 'tombstones')
      case 'evict anything': {
        const evict = (): Promise<void> => this.#evictAnything(duration, severity)
        return this.#during('redis: full, allkeys-lru', LETTERS, evict, 'everything perhaps')
      }
      case 'flood':
        return this.#during('process: flooded by clients', [victim], () => worker.flood(duration), 'tombstones')
      case 'other protocol':
        return this.#during('redis: a process of another protocol', LETTERS, () => this.#admitStranger(duration))
      case 'freeze process':
        return this.#during('process: frozen', [victim], async () => {
          worker.freeze()
          await sleep(duration)
          worker.resume()
        })
      case 'kill process':
      case 'terminate process':
        return this.#during(`process: ${kind}`, [victim], async () => {
          await (kind === 'kill process' ? worker.kill() : worker.terminate())
          await this.#start(victim)
        })
    }
  }

  /** A process of another protocol must get nothing while one of this protocol is known to Redis. */
  async #admitStranger(duration: number): Promise<void> {
    if (Number(await this.#order('EXISTS', 'soak:{fallback-cache}:present:1')) === 0) return
    const text = await beStranger(this.#server.url, duration)
    if (text !== undefined) this.#records.push({ type: 'trouble', by: 'stranger', at: moment(), text })
  }

  async #restartRedis(pause: number): Promise<void> {
    await this.#server.kill()
    await sleep(pause)
    await this.#server.restart()
  }

  /** Comes back with the data of a while ago, once or several times: each time, what was written since is lost. */
  async #restoreBackup(age: number, crashes: number): Promise<void> {
    await this.#order('SAVE')
    for (let crash = 0; crash < crashes; crash++) {
      await sleep(age / crashes)
      await this.#restartRedis(0)
    }
    rmSync(join(this.#server.directory, 'dump.rdb'))
  }

  /** Everything that is no part of a log: what an eviction policy for keys with a lifetime may take. */
  async #evict(): Promise<void> {
    const keys = (await this.#order('KEYS', '*')) as string[]
    const entries = keys.filter((key) => /^(soak|other|quiet-\w+):[^{]/.test(key))
    if (entries.length > 0) await this.#order('UNLINK', ...entries)
  }

  /** Refuses every write for a while. */
  async #fill(duration: number): Promise<void> {
    await this.#limitMemory('noeviction', 1)
    await sleep(duration)
    await this.#limitMemory('noeviction', 0)
  }

  /** Evicts some keys at a time, the log among them, until this share of all is gone or the time is over. */
  async #evictAnything(duration: number, share: number): Promise<void> {
    const until = moment() + duration
    const least = (1 - share) * Number(await this.#order('DBSIZE'))
    do {
      await this.#limitMemory('allkeys-lru', (await this.#usedMemory()) - 2_048)
      await sleep(10)
      await this.#limitMemory('allkeys-lru', 0)
    } while (Number(await this.#order('DBSIZE')) > least && moment() < until)
  }

  /** @param bytes - 0: no limit */
  async #limitMemory(policy: 'noeviction' | 'allkeys-lru', bytes: number): Promise<void> {
    await this.#order('CONFIG', 'SET', 'maxmemory-policy', policy)
    await this.#order('CONFIG', 'SET', 'maxmemory', String(bytes))
  }

  async #usedMemory(): Promise<number> {
    const info = String(await this.#order('INFO', 'memory'))
    return Number(/^used_memory:(\d+)/m.exec(info)?.[1] ?? Number.NaN)
  }

  async #quietKeys(): Promise<ReadonlySet<string>> {
    const keys = (await this.#order('KEYS', 'quiet-*')) as string[]
    return new Set(keys.map((key) => key.replace(/^quiet-\w+:/, '')))
  }

  #order(...command: [string, ...string[]]): Promise<unknown> {
    return this.#server.command(...command)
  }

  async #during(
    text: string,
    victims: readonly Letter[],
    happen: () => Promise<unknown>,
    loses?: Disaster['loses'],
  ): Promise<void> {
    const startAt = moment()
    await happen()
    const endAt = moment()
    this.#disasters.push({ text, victims, startAt, endAt, ...(loses === undefined ? {} : { loses }) })
    const at = ((startAt - this.#startAt) / 1_000).toFixed(1).padStart(6)
    const who = text.startsWith('redis') ? '' : ` (${victims.join(' ')})`
    this.#options.log?.(`${at} s  ${text}${who}, ${(endAt - startAt).toFixed(0)} ms`)
  }

  async #heal(): Promise<void> {
    for (const proxy of this.#proxies) await proxy.restore()
    await this.#untilConnected()
  }

  /** Within the longest pause between two looks, and some. */
  async #untilConnected(): Promise<void> {
    const until = moment() + 15_000
    for (const worker of this.#workers.values()) {
      while (!worker.isConnected && moment() < until) await sleep(20)
      if (worker.isConnected) continue
      const text = 'does not trust Redis 15 s after the last disaster'
      this.#records.push({ type: 'trouble', by: worker.name, at: moment(), text })
    }
  }

  #proxy(letter: Letter): ChaosProxy {
    const proxy = this.#proxies[LETTERS.indexOf(letter)]
    if (proxy === undefined) throw new Error(`no proxy for ${letter}`)
    return proxy
  }
}
