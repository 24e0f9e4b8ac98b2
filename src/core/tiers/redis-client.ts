/** An argument of a command. Nothing else: clients turn other values into surprising text. */
export type RedisArgument = string | Buffer

/**
 * What we need of a client: that it sends a command and tells when its connection comes and goes.
 *
 * Replies are Buffers where Redis sends bulk strings, numbers (or, as some clients can be told, texts of digits) where it
 * sends integers. An error reply rejects with an
 * `Error` whose message starts with the error code of Redis.
 */
export interface RedisPort {
  /** Sends one command. `key` routes it in a cluster. */
  send(key: string, command: readonly [string, ...RedisArgument[]]): Promise<unknown>
  /** Whether a command sent now would be written to a connection. */
  isReady(): boolean
  /** True for a cluster: several keys in one command must not be taken for granted. */
  readonly isCluster: boolean
  /** Walks over the keys of every master that begin with a text. Each yielded array is one page, possibly empty. */
  scan(prefix: string, count: number): AsyncGenerator<string[]>
  /** Starts to listen; called once. `onReady` at every new usable connection, `onClose` at every lost one,
   * `onError` with what the client has to say of it. */
  watch(onReady: () => void, onClose: () => void, onError: (error: unknown) => void): void
  /** What the client itself puts in front of every key. */
  readonly keyPrefix: string
  /** Why the client will not connect by itself, in words for its owner; `undefined`: it does, or is connected. */
  readonly obstacle: string | undefined
  /**
   * Makes sure that a new connection is in the database that is meant, where the client selects it without a look at the
   * answer. Rejects when Redis refuses.
   */
  selectDatabase(): Promise<void>
  /** Asks for a connection to another server, where the client is ours: the one there is refuses. */
  reconnect(): void
  /** Redis is trusted on this connection: the next loss of it is the first again. */
  settle(): void
  /** Makes a client that waits for its first command connect. */
  connect(): void
  /** Drops the connection, for replies on it no longer answer the commands they come for; the client makes another. */
  reset(): void
  /** Stops listening, and ends the connection when we made it. */
  close(): Promise<void>
}

/** What an ioredis `Redis` and an iovalkey client have in common, as far as we need it. */
export interface IoredisLike {
  readonly status: string
  readonly options?:
    | {
        readonly enableAutoPipelining?: boolean | undefined
        readonly keyPrefix?: string | undefined
        readonly db?: number | undefined
      }
    | undefined
  /** The state of the connection that there is, the database among it. */
  readonly condition?: { readonly select?: number | undefined } | null | undefined
  callBuffer(command: string, ...args: RedisArgument[]): Promise<unknown>
  connect(): Promise<unknown>
  disconnect(reconnect?: boolean): void
  on(event: string, listener: (...args: unknown[]) => void): unknown
  off(event: string, listener: (...args: unknown[]) => void): unknown
}

/** An ioredis or iovalkey `Cluster`. */
export interface IoredisClusterLike extends IoredisLike {
  nodes(role: 'master'): IoredisLike[]
}

/** A client of node-redis 4, 5 or 6, standalone. */
export interface NodeRedisLike {
  readonly isReady: boolean
  readonly isOpen?: boolean
  sendCommand(args: RedisArgument[], options?: object): Promise<unknown>
  on(event: string, listener: (...args: unknown[]) => void): unknown
  off(event: string, listener: (...args: unknown[]) => void): unknown
}

/** A cluster client of node-redis 4, 5 or 6. */
export interface NodeRedisClusterLike {
  readonly masters: readonly { readonly client?: unknown }[]
  readonly slots: readonly unknown[]
  readonly isOpen?: boolean
  sendCommand(key: string, isReadonly: boolean, args: RedisArgument[], options?: object): Promise<unknown>
  on(event: string, listener: (...args: unknown[]) => void): unknown
  off(event: string, listener: (...args: unknown[]) => void): unknown
}

/** Every client the `redis` option takes as it is. */
export type RedisClient = IoredisLike | NodeRedisLike | NodeRedisClusterLike

/** Whether a value can emit and be asked like an ioredis client. */
export function isIoredis(client: object): client is IoredisLike {
  return has(client, 'callBuffer', 'disconnect', 'on') && 'status' in client
}

/** Whether a value is an ioredis cluster. */
export function isIoredisCluster(client: IoredisLike): client is IoredisClusterLike {
  return 'isCluster' in client && client.isCluster === true && has(client, 'nodes')
}

/** Whether a value is a client of node-redis. */
export function isNodeRedis(client: object): client is NodeRedisLike {
  return has(client, 'sendCommand', 'on') && 'isReady' in client && !('masters' in client)
}

/** Whether a value is a cluster client of node-redis. */
export function isNodeRedisCluster(client: object): client is NodeRedisClusterLike {
  return has(client, 'sendCommand', 'on') && 'masters' in client && 'slots' in client
}

function has(client: object, ...methods: readonly string[]): boolean {
  return methods.every((name) => name in client && typeof (client as Record<string, unknown>)[name] === 'function')
}
