/** An argument of a command. Other types are excluded because clients convert them to text in unexpected ways. */
export type RedisArgument = string | Buffer

/**
 * The interface to a Redis client: sends commands, and reports when the connection opens and closes.
 *
 * Replies are Buffers for bulk strings, and numbers for integers (or digit strings, depending on the client's
 * settings). An error reply rejects with an `Error` whose message starts with the Redis error code.
 */
export interface RedisPort {
  /** Sends one command. `key` determines the node in a cluster. */
  send(key: string, command: readonly [string, ...RedisArgument[]]): Promise<unknown>
  /** Resolves when the package of the client is loaded, or cannot be; `undefined` if there is nothing to load. */
  readonly loading?: Promise<void> | undefined
  /** Whether a command sent now would be written to an open connection. */
  isReady(): boolean
  /** True for a cluster, where a command with several keys may fail. */
  readonly isCluster: boolean
  /**
   * Reads one page, possibly empty, of the keys of every master that start with `prefix`.
   *
   * @param cursor - that of the previous page; `undefined` to begin
   */
  scan(prefix: string, count: number, cursor: string | undefined): Promise<ScanPage>
  /**
   * Registers listeners; called once. `onReady` fires for every new usable connection, `onClose` for every lost one,
   * `onError` for every error the client emits.
   */
  watch(onReady: () => void, onClose: () => void, onError: (error: unknown) => void): void
  /** The prefix that the client itself adds to every key. */
  readonly keyPrefix: string
  /** A user-readable reason why the client will not connect by itself; `undefined` if it does or is connected. */
  readonly obstacle: string | undefined
  /**
   * Ensures that a new connection uses the configured database, because clients may ignore the reply to their own
   * SELECT. Rejects if Redis refuses.
   */
  selectDatabase(): Promise<void>
  /** Reconnects an owned client, possibly to another server, because the current server refuses commands. */
  reconnect(): void
  /** Resets the reconnect delays, because the connection is trusted. */
  settle(): void
  /** Connects a client that otherwise waits for its first command. */
  connect(): void
  /** Drops the connection, because its replies no longer match the commands; the client reconnects. */
  reset(): void
  /** Removes the listeners, and ends the connection of an owned client. */
  close(): Promise<void>
}

/** One page of keys. */
export interface ScanPage {
  readonly keys: readonly string[]
  /** Where the next page begins: the number of a node, and the cursor of Redis; `undefined` if this was the last. */
  readonly cursor: string | undefined
}

/** The common subset of an ioredis `Redis` and an iovalkey client that this package uses. */
export interface IoredisLike {
  readonly status: string
  readonly options?:
    | {
        readonly enableAutoPipelining?: boolean | undefined
        readonly keyPrefix?: string | undefined
        readonly db?: number | undefined
        /** With Sentinels: the kind of server to connect to. */
        readonly role?: string | undefined
        /** In a cluster: which nodes are read from. */
        readonly scaleReads?: unknown
      }
    | undefined
  /** State of the current connection, including the selected database. */
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
  connect?(): Promise<unknown>
  /** Since version 5; version 4 has `disconnect`. */
  destroy?(): void
  disconnect?(): unknown
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

/** Every client type that the `redis` option accepts. */
export type RedisClient = IoredisLike | NodeRedisLike | NodeRedisClusterLike

/** Whether a value has the methods of an ioredis client. */
export function isIoredis(client: object): client is IoredisLike {
  return has(client, 'callBuffer', 'disconnect', 'on') && 'status' in client
}

/** Whether a value is an ioredis cluster. */
export function isIoredisCluster(client: IoredisLike): client is IoredisClusterLike {
  return 'isCluster' in client && client.isCluster === true && has(client, 'nodes')
}

/** Whether a value is a client of node-redis. */
export function isNodeRedis(client: object): client is NodeRedisLike {
  // A Sentinel client has the same methods with other parameters.
  return has(client, 'sendCommand', 'on') && 'isReady' in client && !('masters' in client || 'getMasterNode' in client)
}

/** Whether a value is a cluster client of node-redis. */
export function isNodeRedisCluster(client: object): client is NodeRedisClusterLike {
  return has(client, 'sendCommand', 'on') && 'masters' in client && 'slots' in client
}

function has(client: object, ...methods: readonly string[]): boolean {
  return methods.every((name) => name in client && typeof (client as Record<string, unknown>)[name] === 'function')
}
