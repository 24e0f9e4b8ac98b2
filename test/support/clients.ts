import type { Cluster, Redis } from 'ioredis'
import type { Cluster as Cluster5, Redis as Redis5 } from 'ioredis5'
import type { Redis as Valkey, Cluster as ValkeyCluster } from 'iovalkey'
import type { NodeRedisLike, RedisClient } from '../../src/core/tiers/redis-client.js'

/** The clients that users hand in, each with its own default options, and our own, made from a URL. */
export const CLIENT_KINDS = [
  'url',
  'ioredis 6',
  'ioredis 5',
  'iovalkey',
  'node-redis 6',
  'node-redis 5',
  'node-redis 4',
] as const

export type ClientKind = (typeof CLIENT_KINDS)[number]

interface Address {
  readonly host: string
  readonly port: number
}

/** Which client to make, and what for. Everything not said here is left at the client's own defaults. */
export type ClientSetup =
  | {
      readonly kind: ClientKind
      readonly port: number
      /** Connects at the first command only, or (node-redis) never. @defaultValue false */
      readonly lazy?: boolean
      readonly username?: string
      readonly password?: string
    }
  | {
      readonly kind: 'ioredis 6 sentinel'
      readonly sentinels: readonly Address[]
      readonly name: string
      readonly options?: object
    }
  | {
      readonly kind: 'ioredis 6 cluster' | 'ioredis 5 cluster' | 'iovalkey cluster' | 'node-redis 6 cluster'
      readonly nodes: readonly Address[]
      readonly options?: object
    }

/** A client as the `redis` option takes it, and what the tests want to know about it. */
export interface OpenClient {
  readonly redis: string | RedisClient
  /** Commands that the client holds: not answered, or waiting for a connection. `undefined` if that is unknown. */
  pending(): number | undefined
  /** Connects a lazy client, as its owner would. */
  connect(): void
  /** Ends it without waiting for anything. */
  end(): void
}

/**
 * Makes the client and, for those that must be told to, has it connect, without waiting for that. A package is loaded
 * when it is asked for: to load all six takes longer than everything else that a process does at its start.
 */
export async function makeClient(setup: ClientSetup): Promise<OpenClient> {
  switch (setup.kind) {
    case 'url':
      return { redis: urlOf(setup), pending: () => undefined, connect: () => {}, end: () => {} }
    case 'ioredis 6': {
      const { Redis } = await import('ioredis')
      return fromIoredis(
        new Redis({ ...login(setup), host: '127.0.0.1', port: setup.port, lazyConnect: setup.lazy === true }),
      )
    }
    case 'ioredis 5': {
      const { Redis } = await import('ioredis5')
      return fromIoredis(
        new Redis({ ...login(setup), host: '127.0.0.1', port: setup.port, lazyConnect: setup.lazy === true }),
      )
    }
    case 'iovalkey': {
      const { Redis } = await import('iovalkey')
      return fromIoredis(
        new Redis({ ...login(setup), host: '127.0.0.1', port: setup.port, lazyConnect: setup.lazy === true }),
      )
    }
    case 'node-redis 6': {
      const { createClient } = await import('redis')
      return fromNodeRedis(createClient({ url: urlOf(setup) }), setup.lazy)
    }
    case 'node-redis 5': {
      const { createClient } = await import('redis5')
      return fromNodeRedis(createClient({ url: urlOf(setup) }), setup.lazy)
    }
    case 'node-redis 4': {
      const { createClient } = await import('redis4')
      return fromNodeRedis(createClient({ url: urlOf(setup) }), setup.lazy)
    }
    case 'ioredis 6 sentinel': {
      const { Redis } = await import('ioredis')
      return fromIoredis(new Redis({ sentinels: [...setup.sentinels], name: setup.name, ...setup.options }))
    }
    case 'ioredis 6 cluster': {
      const { Cluster } = await import('ioredis')
      return fromCluster(new Cluster([...setup.nodes], setup.options))
    }
    case 'ioredis 5 cluster': {
      const { Cluster } = await import('ioredis5')
      return fromCluster(new Cluster([...setup.nodes], setup.options))
    }
    case 'iovalkey cluster': {
      const { Cluster } = await import('iovalkey')
      return fromCluster(new Cluster([...setup.nodes], setup.options))
    }
    case 'node-redis 6 cluster': {
      const { createCluster } = await import('redis')
      const client = createCluster({
        rootNodes: setup.nodes.map(({ port }) => ({ url: `redis://127.0.0.1:${port}` })),
        ...setup.options,
      })
      client.on('error', () => {})
      client.connect().catch(() => {})
      return { redis: client, pending: () => undefined, connect: () => {}, end: () => client.destroy() }
    }
  }
}

interface Login {
  readonly username?: string
  readonly password?: string
}

function login({ username, password }: Login): Login {
  return { ...(username === undefined ? {} : { username }), ...(password === undefined ? {} : { password }) }
}

function urlOf({ username = '', password, port }: Login & { readonly port: number }): string {
  const user = password === undefined ? '' : `${username}:${password}@`
  return `redis://${user}127.0.0.1:${port}`
}

function fromIoredis(client: Redis | Redis5 | Valkey): OpenClient {
  return {
    redis: client,
    pending: () => queueLength(client, 'commandQueue') + queueLength(client, 'offlineQueue'),
    connect: () => void client.connect().catch(() => {}),
    end: () => client.disconnect(),
  }
}

function fromCluster(client: Cluster | Cluster5 | ValkeyCluster): OpenClient {
  return {
    redis: client,
    pending: () =>
      client
        .nodes()
        .reduce((sum, node) => sum + queueLength(node, 'commandQueue') + queueLength(node, 'offlineQueue'), 0),
    connect: () => void client.connect().catch(() => {}),
    end: () => client.disconnect(),
  }
}

/** The queues are not part of the types; they are what fills up without a limit on the commands in flight. */
function queueLength(client: object, name: 'commandQueue' | 'offlineQueue'): number {
  const queue: unknown = (client as Record<string, unknown>)[name]
  return typeof queue === 'object' && queue !== null && 'length' in queue ? Number(queue.length) : 0
}

/** What the clients of node-redis 4, 5 and 6 share. A union of their own types costs the compiler 20 seconds. */
interface AnyNodeRedis extends NodeRedisLike {
  connect(): Promise<unknown>
  /** Since version 5; version 4 has `disconnect`. */
  destroy?(): void
  disconnect?(): unknown
}

function fromNodeRedis(client: AnyNodeRedis, lazy: boolean | undefined): OpenClient {
  // As its manual demands: without an error listener this client ends the process by itself.
  client.on('error', () => {})
  if (!lazy) client.connect().catch(() => {})
  return {
    redis: client,
    pending: () => undefined,
    connect: () => void client.connect().catch(() => {}),
    end: () => {
      if (client.destroy) client.destroy()
      else void Promise.resolve(client.disconnect?.()).catch(() => {})
    },
  }
}
