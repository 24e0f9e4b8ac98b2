import { pause, systemClock } from '../clock.js'
import { bareError } from './bare-error.js'
import { literalPattern } from './literal-pattern.js'
import {
  isNodeRedisCluster,
  type NodeRedisClusterLike,
  type NodeRedisLike,
  type RedisArgument,
  type RedisPort,
  type ScanPage,
} from './redis-client.js'
import { scanNode } from './scan-node.js'

/**
 * Makes node-redis return bulk strings as Buffers: version 4 reads the first option, version 5 and later the second.
 */
const asBuffers = { returnBuffers: true, typeMapping: { 36: Buffer } }

/** How long a server may take to close a connection that was asked to end, in ms. */
const LONGEST_QUIT = 2000

/**
 * The {@link RedisPort} over a node-redis client, version 4, 5 or 6. The client belongs to the application: it is never
 * connected or ended here, except to replace a connection on which nothing arrives any more.
 */
export class NodeRedisPort implements RedisPort {
  readonly isCluster: boolean
  /** Always empty: node-redis has no key prefix option. */
  readonly keyPrefix = ''
  readonly #client: NodeRedisLike | NodeRedisClusterLike
  readonly #listeners: [string, (argument: unknown) => void][] = []
  /** How many connections were lost. */
  #lost = 0
  #isClosed = false

  constructor(client: NodeRedisLike | NodeRedisClusterLike) {
    this.#client = client
    this.isCluster = isNodeRedisCluster(client)
  }

  send(key: string, [name, ...args]: readonly [string, ...RedisArgument[]]): Promise<unknown> {
    const command: RedisArgument[] = [name, ...args]
    return isNodeRedisCluster(this.#client)
      ? this.#client.sendCommand(key, false, command, asBuffers)
      : this.#client.sendCommand(command, asBuffers)
  }

  isReady(): boolean {
    return isNodeRedisCluster(this.#client) ? this.#client.slots.length > 0 : this.#client.isReady
  }

  get obstacle(): string | undefined {
    // False before connect() and after close(); such a client does not connect by itself.
    return this.#client.isOpen === false
      ? 'the node-redis client is not open. Call client.connect() when the application starts'
      : undefined
  }

  async selectDatabase(): Promise<void> {
    // Nothing to do: a node-redis client that cannot select its database never becomes ready.
  }

  async scan(prefix: string, count: number, cursor: string | undefined): Promise<ScanPage> {
    const pattern = literalPattern(prefix)
    return scanNode(await this.#masters(), cursor, (node, at) =>
      node.sendCommand(['SCAN', at, 'MATCH', pattern, 'COUNT', String(count)]),
    )
  }

  watch(onReady: () => void, onClose: () => void, onError: (error: unknown) => void): void {
    this.#listen('ready', onReady)
    // A single client emits 'connect' before it is usable; a cluster may emit no other event.
    if (this.isCluster) this.#listen('connect', onReady)
    for (const event of ['reconnecting', 'end']) {
      this.#listen(event, () => {
        this.#lost++
        onClose()
      })
    }
    this.#listen('error', (error) => onError(bareError(error)))
  }

  connect(): void {
    // node-redis throws at a second connect(), and the application makes the first call.
  }

  reconnect(): void {
    // The connection belongs to the application.
  }

  reset(): void {
    // No client method does this: QUIT makes the server close the connection, then the client reconnects.
    const quit = isNodeRedisCluster(this.#client)
      ? this.#masters().then((masters) => Promise.all(masters.map((master) => master.sendCommand(['QUIT']))))
      : this.#client.sendCommand(['QUIT'])
    quit.catch(() => {})
    void this.#replaceUnless(this.#lost)
  }

  /**
   * Replaces the connection if the server does not close it, because nothing that is sent arrives: by its default options
   * the client would wait for as long as the operating system does, a quarter of an hour. In a cluster it is not known
   * which connection that is.
   */
  async #replaceUnless(lost: number): Promise<void> {
    const client = this.#client
    if (isNodeRedisCluster(client)) return
    await pause(systemClock, LONGEST_QUIT)
    // One that is not ready is being made again by the client itself.
    if (this.#isClosed || this.#lost > lost || !client.isReady || !client.connect) return
    // Version 4 has no destroy; its disconnect does the same.
    if (client.destroy) client.destroy()
    else await Promise.resolve(client.disconnect?.()).catch(() => {})
    // If it fails, the client says so by an error event too, and has given up by its own strategy.
    await client.connect().catch(() => {})
  }

  settle(): void {
    // The application configures the reconnect strategy.
  }

  async close(): Promise<void> {
    this.#isClosed = true
    for (const [event, listener] of this.#listeners) this.#client.off(event, listener)
  }

  async #masters(): Promise<NodeRedisLike[]> {
    if (!isNodeRedisCluster(this.#client)) return [this.#client]
    const clients = await Promise.all(this.#client.masters.map((master) => master.client))
    return clients.filter((client) => client !== undefined) as NodeRedisLike[]
  }

  #listen(event: string, listener: (argument: unknown) => void): void {
    this.#client.on(event, listener)
    this.#listeners.push([event, listener])
  }
}
