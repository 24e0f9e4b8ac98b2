import { pause, systemClock } from '../clock.js'
import { CacheError } from '../errors.js'
import { bareError } from './bare-error.js'
import { literalPattern } from './literal-pattern.js'
import type { ReconnectPauses } from './reconnect-pauses.js'
import {
  type IoredisClusterLike,
  type IoredisLike,
  isIoredisCluster,
  type RedisArgument,
  type RedisPort,
  type ScanPage,
} from './redis-client.js'
import { scanNode } from './scan-node.js'

/** Begins the message of ioredis about a reply without a command. */
export const OUT_OF_STEP = 'Command queue state error'
/** The message of ioredis for an attempt to connect that was given up. */
const CONNECTION_CLOSED = 'Connection is closed.'
/** How long after such an attempt the next one begins, in ms. */
const PAUSE_BEFORE_REVIVAL = 100

/** Extra state of a client that this package created itself. */
export interface Owned {
  /** The database number for `SELECT`. */
  readonly database: number
  readonly pauses: ReconnectPauses
}

/**
 * The {@link RedisPort} over an ioredis or iovalkey client, single or cluster. If `owned` is given, this package
 * created the client and also ends it.
 */
export class IoredisPort implements RedisPort {
  readonly isCluster: boolean
  readonly keyPrefix: string
  readonly #client: IoredisLike | IoredisClusterLike
  readonly #owned: Owned | undefined
  readonly #listeners: [string, (...args: unknown[]) => void][] = []
  /** The database that was in use at the first connection. */
  #database: number | undefined
  /** Whether the client is about to be connected again, after an attempt that ended it. */
  #isReviving = false
  #isClosed = false
  /** Whether the connection is being dropped: it stays ready until it is closed. */
  #isDropping = false

  constructor(client: IoredisLike, owned?: Owned) {
    this.#client = client
    this.#owned = owned
    this.isCluster = isIoredisCluster(client)
    this.keyPrefix = String(client.options?.keyPrefix ?? '')
  }

  send(_key: string, [name, ...args]: readonly [string, ...RedisArgument[]]): Promise<unknown> {
    // The application may switch the client between two commands of one operation.
    if (this.#isElsewhere) return Promise.reject(new CacheError('redis-unavailable', this.obstacle ?? ''))
    return call(this.#client, name, args)
  }

  isReady(): boolean {
    return this.#client.status === 'ready' && !this.#isElsewhere
  }

  get obstacle(): string | undefined {
    if (this.#client.status === 'end' && !this.#isReviving) return 'the client was ended, by quit() or disconnect()'
    if (!this.#isElsewhere) return undefined
    return `the application has switched the client from database ${this.#database}: give the cache a client of its own`
  }

  /** Whether the application has called `select` on its client: the log and its entries are in another database. */
  get #isElsewhere(): boolean {
    if (this.#database === undefined || this.#owned !== undefined) return false
    const selected = this.#client.condition?.select
    return selected !== undefined && Number(selected) !== this.#database
  }

  /** Needed because ioredis selects by itself, and continues in database 0 if Redis refuses. */
  async selectDatabase(): Promise<void> {
    const { condition, options } = this.#client
    if (this.isCluster) return
    this.#database ??= Number(this.#owned?.database ?? condition?.select ?? options?.db ?? 0)
    if (this.#database !== 0) await call(this.#client, 'SELECT', [String(this.#database)])
  }

  /** SCAN is the only command with keys for which ioredis neither adds nor strips its `keyPrefix`. */
  async scan(prefix: string, count: number, cursor: string | undefined): Promise<ScanPage> {
    const nodes = isIoredisCluster(this.#client) ? this.#client.nodes('master') : [this.#client]
    const pattern = literalPattern(this.keyPrefix + prefix)
    const page = await scanNode(nodes, cursor, (node, at) =>
      call(node, 'SCAN', [at, 'MATCH', pattern, 'COUNT', String(count)]),
    )
    return { ...page, keys: page.keys.map((key) => key.slice(this.keyPrefix.length)) }
  }

  watch(onReady: () => void, onClose: () => void, onError: (error: unknown) => void): void {
    this.#listen('ready', onReady)
    this.#listen('close', () => {
      this.#isDropping = false
      onClose()
    })
    this.#listen('error', (error: unknown) => {
      // Redis sent more replies than there were commands: each later reply would be matched to the wrong command.
      const isOutOfStep = error instanceof Error && error.message.startsWith(OUT_OF_STEP)
      if (isOutOfStep) this.reset()
      if (this.#isEndedByItself(error)) void this.#revive()
      onError(bareError(error))
    })
  }

  connect(): void {
    if (this.#client.status === 'wait') this.#client.connect().catch(ignore)
  }

  reconnect(): void {
    if (this.#owned === undefined || this.#client.status !== 'ready') return
    this.#owned.pauses.refused()
    this.#client.disconnect(true)
  }

  reset(): void {
    // Without a connection there is nothing to drop, and an attempt to make one would end the client for good.
    const { status } = this.#client
    if (this.#isDropping || (status !== 'ready' && status !== 'connect')) return
    this.#isDropping = true
    this.#client.disconnect(true)
  }

  settle(): void {
    this.#owned?.pauses.settle()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    if (this.#owned) {
      // quit() alone hangs on a frozen server, and reconnects a client that is not ready.
      if (this.isReady()) await Promise.race([this.#client.callBuffer('QUIT').catch(ignore), soon(200)])
      this.#client.disconnect()
    }
    for (const [event, listener] of this.#listeners) {
      // An owned client may still emit errors while it ends; without a listener they would end the process.
      if (event !== 'error' || !this.#owned) this.#client.off(event, listener)
    }
  }

  /**
   * Whether the client is about to end although neither the application nor this package has ended it. ioredis and
   * iovalkey do so if the news of a failover (`failoverDetector`) comes while they ask a Sentinel for the master. If the
   * application ends a client, the client emits no such error.
   */
  #isEndedByItself(error: unknown): boolean {
    if (this.isCluster || this.#client.status !== 'connecting') return false
    return error instanceof Error && error.message === CONNECTION_CLOSED
  }

  /** Connects a client again that has ended by itself. */
  async #revive(): Promise<void> {
    this.#isReviving = true
    await soon(PAUSE_BEFORE_REVIVAL)
    this.#isReviving = false
    if (!this.#isClosed && this.#client.status === 'end') this.#client.connect().catch(ignore)
  }

  #listen(event: string, listener: (...args: unknown[]) => void): void {
    this.#client.on(event, listener)
    this.#listeners.push([event, listener])
  }
}

/**
 * Sends a command. With `enableAutoPipelining`, `callBuffer` loses the command's name and ends the process, so the
 * command's own method is used.
 */
function call(client: IoredisLike, name: string, args: readonly RedisArgument[]): Promise<unknown> {
  // Some versions look up the keys of a command, to add their prefix, by its lower-case name only.
  const { enableAutoPipelining, keyPrefix } = client.options ?? {}
  if (enableAutoPipelining !== true) return client.callBuffer(keyPrefix ? name.toLowerCase() : name, ...args)
  const method: unknown = Reflect.get(client, `${name.toLowerCase()}Buffer`)
  return typeof method === 'function' ? Reflect.apply(method, client, args) : client.callBuffer(name, ...args)
}

function soon(ms: number): Promise<void> {
  return pause(systemClock, ms)
}

function ignore(): void {}
