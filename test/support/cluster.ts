import { freePort } from './free-port.js'
import { migrateLogin, RedisServer } from './redis-server.js'
import { until } from './until.js'

/** Slots of a Redis Cluster. */
const SLOTS = 16_384

/** How a Cluster is started. */
export interface ClusterOptions {
  /** @defaultValue 3 */
  readonly masters?: number
  /** @defaultValue 1 */
  readonly replicasEach?: number
  /** `cluster-node-timeout`, milliseconds. @defaultValue 1500 */
  readonly nodeTimeout?: number
}

/** A Redis Cluster of private processes; it is put together with CLUSTER commands alone. */
export class RedisCluster {
  readonly nodes: readonly RedisServer[]
  readonly #ids = new Map<RedisServer, string>()

  /** Starts it and resolves once every node calls it whole and sees that every replica follows its master. */
  static async start({
    masters = 3,
    replicasEach = 1,
    nodeTimeout = 1500,
  }: ClusterOptions = {}): Promise<RedisCluster> {
    const nodes = await Promise.all(Array.from({ length: masters * (1 + replicasEach) }, () => startNode(nodeTimeout)))
    const cluster = new RedisCluster(nodes)
    await cluster.#join()
    await cluster.#assignSlots(nodes.slice(0, masters))
    await cluster.#attachReplicas(nodes.slice(0, masters), nodes.slice(masters))
    await cluster.healthy()
    return cluster
  }

  private constructor(nodes: readonly RedisServer[]) {
    this.nodes = nodes
  }

  /** Addresses for a client's list of startup nodes. */
  get addresses(): { host: string; port: number }[] {
    return this.nodes.map(({ port }) => ({ host: '127.0.0.1', port }))
  }

  /** The cluster's name for a node. */
  id(node: RedisServer): string {
    const id = this.#ids.get(node)
    if (id === undefined) throw new Error(`no node of this cluster: ${node.port}`)
    return id
  }

  /** The nodes that are masters with slots at this moment, as the first answering node sees it. */
  async masters(): Promise<RedisServer[]> {
    const rows = await this.#table()
    return rows
      .filter(({ flags, slots }) => flags.includes('master') && !flags.some(isFailed) && slots > 0)
      .map(({ node }) => node)
  }

  async replicasOf(master: RedisServer): Promise<RedisServer[]> {
    const rows = await this.#table()
    return rows.filter((row) => row.master === this.id(master)).map(({ node }) => node)
  }

  /** The slot that a key belongs to, hash tags included. */
  async slotOf(key: string): Promise<number> {
    return Number(await this.#answering().command('CLUSTER', 'KEYSLOT', key))
  }

  /** The master that holds the slot of a key at this moment. */
  async masterOf(key: string): Promise<RedisServer> {
    const slot = await this.slotOf(key)
    const rows = (await this.#answering().command('CLUSTER', 'SLOTS')) as [number, number, [string, number, string]][]
    const row = rows.find(([from, to]) => slot >= from && slot <= to)
    const node = this.nodes.find(({ port }) => port === row?.[2][1])
    if (!node) throw new Error(`no node has slot ${slot}`)
    return node
  }

  /**
   * Moves a slot with all its keys to another master, in the steps of a live resharding.
   * `between` runs while the slot is migrating and half of it may have moved.
   */
  async moveSlot(slot: number, from: RedisServer, to: RedisServer, between?: () => Promise<void>): Promise<void> {
    await to.command('CLUSTER', 'SETSLOT', slot, 'IMPORTING', this.id(from))
    await from.command('CLUSTER', 'SETSLOT', slot, 'MIGRATING', this.id(to))
    await between?.()
    for (;;) {
      const keys = (await from.commandBuffer('CLUSTER', 'GETKEYSINSLOT', slot, 100)) as Buffer[]
      if (keys.length === 0) break
      await from.command('MIGRATE', '127.0.0.1', to.port, '', 0, 5000, ...migrateLogin(), 'KEYS', ...keys)
    }
    for (const node of [to, from]) await node.command('CLUSTER', 'SETSLOT', slot, 'NODE', this.id(to))
    for (const node of await this.masters()) {
      if (node !== to && node !== from) await node.command('CLUSTER', 'SETSLOT', slot, 'NODE', this.id(to))
    }
  }

  /** Waits until the replicas of a dead or frozen master have put one of themselves in its place, and gives that one. */
  async failedOver(old: RedisServer, timeout = 20_000): Promise<RedisServer> {
    const before = new Set(
      (await this.#table(old)).filter((row) => row.master === this.id(old)).map(({ node }) => node),
    )
    return await until(
      'failover of a master',
      async () => {
        for (const row of await this.#table(old)) {
          if (
            row.node !== old &&
            row.flags.includes('master') &&
            row.slots > 0 &&
            (before.size === 0 || before.has(row.node))
          )
            return row.node
        }
        return undefined
      },
      { timeout, every: 50 },
    )
  }

  /** Waits until every running node says `cluster_state:ok` and sees all slots covered. */
  async healthy(timeout = 30_000): Promise<void> {
    await until(
      'cluster_state:ok everywhere',
      async () => {
        const infos = await Promise.all(
          this.nodes.filter(({ running }) => running).map((node) => node.command('CLUSTER', 'INFO')),
        )
        return infos.every(
          (info) => /cluster_state:ok/.test(String(info)) && /cluster_slots_ok:16384/.test(String(info)),
        )
      },
      { timeout, every: 50 },
    )
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()))
  }

  async #join(): Promise<void> {
    for (const node of this.nodes) this.#ids.set(node, String(await node.command('CLUSTER', 'MYID')))
    const [first, ...others] = this.nodes
    if (!first) throw new Error('a cluster of no nodes')
    await Promise.all(this.nodes.map((node, index) => node.command('CLUSTER', 'SET-CONFIG-EPOCH', index + 1)))
    for (const node of others) await first.command('CLUSTER', 'MEET', '127.0.0.1', node.port, busPorts.get(node) ?? 0)
    await until('all nodes have met', async () => {
      const tables = await Promise.all(this.nodes.map((node) => node.command('CLUSTER', 'NODES')))
      return tables.every(
        (table) => String(table).trim().split('\n').length === this.nodes.length && !/handshake/.test(String(table)),
      )
    })
  }

  async #assignSlots(masters: readonly RedisServer[]): Promise<void> {
    const share = SLOTS / masters.length
    await Promise.all(
      masters.map((node, index) =>
        node.command('CLUSTER', 'ADDSLOTSRANGE', Math.floor(index * share), Math.floor((index + 1) * share) - 1),
      ),
    )
  }

  async #attachReplicas(masters: readonly RedisServer[], replicas: readonly RedisServer[]): Promise<void> {
    for (const [index, replica] of replicas.entries()) {
      const master = masters[index % masters.length]
      if (master)
        await until(
          'replica attached',
          async () => (await replica.command('CLUSTER', 'REPLICATE', this.id(master))) === 'OK',
        )
    }
    await Promise.all(
      replicas.map((replica) =>
        until(
          'replica in sync',
          async () => /master_link_status:up/.test(String(await replica.command('INFO', 'replication'))),
          { timeout: 20_000 },
        ),
      ),
    )
    await until('every node sees the replicas', async () => {
      const tables = await Promise.all(this.nodes.map((node) => node.command('CLUSTER', 'NODES')))
      return tables.every((table) => String(table).match(/\bslave\b/g)?.length === replicas.length)
    })
  }

  #answering(except?: RedisServer): RedisServer {
    const node = this.nodes.find((candidate) => candidate.running && !candidate.frozen && candidate !== except)
    if (!node) throw new Error('no node of the cluster runs')
    return node
  }

  async #table(except?: RedisServer): Promise<{ node: RedisServer; flags: string[]; master: string; slots: number }[]> {
    const text = String(await this.#answering(except).command('CLUSTER', 'NODES'))
    return text
      .trim()
      .split('\n')
      .flatMap((line) => {
        const [id, , flags, master, , , , , ...slots] = line.split(' ')
        const node = this.nodes.find((candidate) => this.#ids.get(candidate) === id)
        return node ? [{ node, flags: (flags ?? '').split(','), master: master ?? '-', slots: slots.length }] : []
      })
  }
}

function isFailed(flag: string): boolean {
  return flag === 'fail' || flag === 'fail?'
}

/** The port of the cluster bus; the usual "port + 10000" may lie beyond 65535. */
const busPorts = new WeakMap<RedisServer, number>()

async function startNode(nodeTimeout: number): Promise<RedisServer> {
  const bus = await freePort()
  const node = await RedisServer.start({
    args: [
      ['--cluster-enabled', 'yes'],
      ['--cluster-port', String(bus)],
      ['--cluster-node-timeout', String(nodeTimeout)],
      ['--cluster-replica-validity-factor', '0'],
      ['--repl-diskless-sync-delay', '0'],
    ].flat(),
  })
  busPorts.set(node, bus)
  return node
}
