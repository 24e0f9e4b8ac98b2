import { setTimeout as sleep } from 'node:timers/promises'
import { ChaosProxy } from '../support/chaos-proxy.js'
import type { ClientSetup } from '../support/clients.js'
import { RedisServer } from '../support/redis-server.js'
import { until } from '../support/until.js'
import { Worker, type WorkerSetup } from '../support/worker.js'

/** Both ways to read; every promise holds for both, in memory-first mode within the lease. */
export const READ_MODES = ['redis-first', 'memory-first'] as const

export type ReadMode = (typeof READ_MODES)[number]

/** Seconds; short, so that tests need not wait. */
const LEASE = 0.2

/** Milliseconds. Longer than the default: few tests are about how fast Redis answers, and those say so. */
export const REDIS_TIMEOUT = 300

/** What a fleet is made of. */
export interface FleetOptions {
  readonly read: ReadMode
  readonly cache?: WorkerSetup['cache']
  /** How wrong the wall clocks of the three hosts are, milliseconds. @defaultValue none is */
  readonly clockSkews?: readonly [number, number, number]
  /** User names for the three, each with itself as the password. @defaultValue the default user */
  readonly users?: readonly [string, string, string]
  /** Further arguments of the server. */
  readonly args?: readonly string[]
}

/** The three processes, started once for a test file; each test gets a cache of its own in each of them. */
export class Hosts {
  static async start(): Promise<Hosts> {
    return new Hosts(await Promise.all([Worker.start(), Worker.start(), Worker.start()]))
  }

  readonly workers: readonly Worker[]

  private constructor(workers: readonly Worker[]) {
    this.workers = workers
  }

  async troubles(): Promise<string[]> {
    return (await Promise.all(this.workers.map((worker) => worker.troubles()))).flat()
  }

  async stop(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.stop()))
  }
}

/** Three processes with one Redis, and a proxy between it and each of them. */
export class Fleet {
  readonly server: RedisServer
  readonly a: Worker
  readonly b: Worker
  readonly c: Worker
  readonly #proxies: ReadonlyMap<Worker, ChaosProxy>
  readonly #read: ReadMode

  /** Resolves once all three are connected. */
  static async start(hosts: Hosts, options: FleetOptions): Promise<Fleet> {
    const server = await RedisServer.start({ args: options.args ?? [] })
    for (const user of options.users ?? [])
      await server.command('ACL', 'SETUSER', user, 'on', `>${user}`, '~*', '&*', '+@all')
    const members = await Promise.all(
      hosts.workers.map(async (host, index) => {
        const proxy = await ChaosProxy.start({ port: server.port })
        const worker = await host.sibling({
          client: clientFor(proxy, options.users?.[index]),
          cache: { read: options.read, lease: LEASE, redisTimeout: REDIS_TIMEOUT, ...options.cache },
          clockSkew: options.clockSkews?.[index] ?? 0,
        })
        return [worker, proxy] as const
      }),
    )
    const fleet = new Fleet(server, members, options.read)
    await fleet.connected()
    return fleet
  }

  private constructor(server: RedisServer, members: readonly (readonly [Worker, ChaosProxy])[], read: ReadMode) {
    const [a, b, c] = members.map(([worker]) => worker)
    if (!a || !b || !c) throw new Error('a fleet is three processes')
    this.server = server
    this.a = a
    this.b = b
    this.c = c
    this.#proxies = new Map(members)
    this.#read = read
  }

  get all(): readonly Worker[] {
    return [this.a, this.b, this.c]
  }

  proxy(worker: Worker): ChaosProxy {
    const proxy = this.#proxies.get(worker)
    if (!proxy) throw new Error('not of this fleet')
    return proxy
  }

  /** Waits until these processes (all, if none is named) trust Redis. */
  async connected(...workers: readonly Worker[]): Promise<void> {
    for (const worker of workers.length > 0 ? workers : this.all) {
      await until('connected', async () => (await worker.stats()).connected, { timeout: 12_000 })
    }
  }

  /** Takes a process away from Redis, and waits until it knows. */
  async cutOff(...workers: readonly Worker[]): Promise<void> {
    await Promise.all(workers.map((worker) => this.proxy(worker).refuse()))
    for (const worker of workers) await until('cut off', async () => !(await worker.stats()).connected)
  }

  /** Gives it back, and waits until it trusts Redis again. */
  async heal(...workers: readonly Worker[]): Promise<void> {
    await Promise.all(workers.map((worker) => this.proxy(worker).restore()))
    await this.connected(...workers)
  }

  /**
   * Waits for what the read mode allows between the acknowledgement of an invalidation and its effect elsewhere:
   * nothing in redis-first mode, the lease in memory-first mode.
   */
  async grace(): Promise<void> {
    if (this.#read === 'memory-first') await sleep(LEASE * 1000 + 20)
  }

  /** What the three answer, one after the other. */
  async answers(key: string): Promise<unknown[]> {
    const answers: unknown[] = []
    for (const worker of this.all) answers.push(await worker.get(key))
    return answers
  }

  /** Sets a key in one process and has the others read it, so that all three have a copy in memory. */
  async spread(key: string, value: unknown, options: { ttl?: number; tags?: string[] } = {}): Promise<void> {
    await this.a.set(key, value, options)
    for (const worker of this.all) await until(`${key} is everywhere`, async () => (await worker.get(key)) === value)
  }

  /** The key of the stream that the log is. */
  async logKey(): Promise<string> {
    const [, keys] = (await this.server.command('SCAN', '0', 'COUNT', 10_000, 'TYPE', 'stream')) as [string, string[]]
    const [key] = keys
    if (key === undefined) throw new Error('there is no log')
    return key
  }

  /** All keys that belong to the log, and none of an entry. */
  async logKeys(): Promise<string[]> {
    const tag = /\{[^}]+\}/.exec(await this.logKey())?.[0] ?? ''
    const [, keys] = (await this.server.command('SCAN', '0', 'COUNT', 10_000)) as [string, string[]]
    return keys.filter((key) => key.includes(tag))
  }

  async stop(): Promise<void> {
    await Promise.all(this.all.map((worker) => worker.stop()))
    await Promise.all([...this.#proxies.values()].map((proxy) => proxy.close()))
    await this.server.stop()
  }
}

function clientFor(proxy: ChaosProxy, user: string | undefined): ClientSetup {
  return { kind: 'url', port: proxy.port, ...(user === undefined ? {} : { username: user, password: user }) }
}

/** What processes answer while Redis answers them: a process that was idle learns of a fault by its first read. */
export function answersOf(workers: readonly Worker[], key: string): Promise<readonly unknown[]> {
  return Promise.all(
    workers.map((worker) =>
      until('an answer that is not from an outage', async () => {
        const found = await worker.find(key)
        return found?.disconnected ? undefined : (found?.value ?? null)
      }),
    ),
  )
}
