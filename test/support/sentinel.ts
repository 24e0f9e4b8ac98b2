import { RedisServer, sentinelLogin } from './redis-server.js'
import { until } from './until.js'

/** How a Sentinel group is started. */
export interface SentinelOptions {
  /** @defaultValue 1 */
  readonly replicas?: number
  /** Milliseconds without an answer after which a Sentinel calls the master down. @defaultValue 800 */
  readonly downAfter?: number
}

/** A master with replicas and three Sentinels that watch it, each a process of its own. */
export class SentinelGroup {
  /** What clients ask the Sentinels for. */
  readonly name = 'cache'
  readonly sentinels: readonly RedisServer[]
  readonly #servers: readonly RedisServer[]
  #master: RedisServer

  /** Starts the group and resolves once every Sentinel knows all the others and the replicas. */
  static async start({ replicas = 1, downAfter = 800 }: SentinelOptions = {}): Promise<SentinelGroup> {
    const master = await RedisServer.start({ args: REPLICATION })
    const others = await Promise.all(
      Array.from({ length: replicas }, () =>
        RedisServer.start({ args: [...REPLICATION, '--replicaof', '127.0.0.1', String(master.port)] }),
      ),
    )
    await Promise.all(
      others.map((replica) =>
        until('replica in sync', async () =>
          /master_link_status:up/.test(String(await replica.command('INFO', 'replication'))),
        ),
      ),
    )
    const sentinels = await Promise.all(
      Array.from({ length: 3 }, () =>
        RedisServer.start({
          role: 'sentinel',
          config: () => [
            `sentinel monitor cache 127.0.0.1 ${master.port} 2`,
            `sentinel down-after-milliseconds cache ${downAfter}`,
            'sentinel failover-timeout cache 3000',
            'sentinel parallel-syncs cache 1',
            ...sentinelLogin('cache'),
          ],
        }),
      ),
    )
    const group = new SentinelGroup(master, [master, ...others], sentinels)
    await until(
      'Sentinels know each other',
      async () => {
        const counts = await Promise.all(sentinels.map((sentinel) => group.#known(sentinel)))
        return counts.every((known) => known.sentinels === 2 && known.replicas === replicas)
      },
      { timeout: 30_000, every: 100 },
    )
    return group
  }

  private constructor(master: RedisServer, servers: readonly RedisServer[], sentinels: readonly RedisServer[]) {
    this.#master = master
    this.#servers = servers
    this.sentinels = sentinels
  }

  /** The server that was master at the start or after the last {@link failedOver}. */
  get master(): RedisServer {
    return this.#master
  }

  get replicas(): readonly RedisServer[] {
    return this.#servers.filter((server) => server !== this.#master)
  }

  /** Addresses for the `sentinels` option of a client. */
  get addresses(): { host: string; port: number }[] {
    return this.sentinels.map(({ port }) => ({ host: '127.0.0.1', port }))
  }

  /** Waits until the Sentinels name another master that says so itself, and gives that one. */
  async failedOver(timeout = 20_000): Promise<RedisServer> {
    const before = this.#master
    this.#master = await until(
      'failover',
      async () => {
        const answers = await Promise.all(
          this.sentinels.map((sentinel) => sentinel.command('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', this.name)),
        )
        const ports = new Set(answers.map((answer) => (Array.isArray(answer) ? Number(answer[1]) : 0)))
        const [port] = ports
        if (ports.size !== 1 || port === before.port) return undefined
        const server = this.#servers.find((candidate) => candidate.port === port)
        if (!server) return undefined
        return /role:master/.test(String(await server.command('INFO', 'replication'))) ? server : undefined
      },
      { timeout, every: 50 },
    )
    return this.#master
  }

  /** Waits until every Sentinel would promote each of the replicas that run. */
  async knowReplicas(): Promise<void> {
    await until(
      'Sentinels know the replicas',
      async () => {
        const lists = await Promise.all(
          this.sentinels.map((sentinel) => sentinel.command('SENTINEL', 'REPLICAS', this.name)),
        )
        return lists.every((list) => (list as string[][]).every((flat) => flat[flat.indexOf('flags') + 1] === 'slave'))
      },
      { timeout: 20_000, every: 100 },
    )
  }

  async stop(): Promise<void> {
    await Promise.all([...this.sentinels, ...this.#servers].map((server) => server.stop()))
  }

  async #known(sentinel: RedisServer): Promise<{ sentinels: number; replicas: number }> {
    const flat = (await sentinel.command('SENTINEL', 'MASTER', this.name)) as string[]
    const field = (name: string): number => Number(flat[flat.indexOf(name) + 1])
    return { sentinels: field('num-other-sentinels'), replicas: field('num-slaves') }
  }
}

const REPLICATION = [
  '--repl-diskless-sync',
  'yes',
  '--repl-diskless-sync-delay',
  '0',
  '--repl-timeout',
  '5',
  '--repl-ping-replica-period',
  '1',
]
