import { ChaosProxy } from '../support/chaos-proxy.js'
import type { ClientKind } from '../support/clients.js'
import { RedisServer } from '../support/redis-server.js'

/** A Redis with a proxy in front of it, of its own for each fault. */
export interface Place {
  readonly server: RedisServer
  readonly proxy: ChaosProxy
}

/** Something that a Redis, or the way to it, does to its users. */
export interface Fault {
  readonly name: string
  /** Whether it is there before the client connects for the first time. */
  readonly fromStart: boolean
  /** Whether every command fails while it lasts, so that the breaker stays open. */
  readonly total: boolean
  /** Whether clients reach the server through the proxy; otherwise they meet the server itself. */
  readonly byProxy: boolean
  /** Makes a client that waits for its first command, or (node-redis) for its owner. @defaultValue false */
  readonly lazy?: boolean
  begin(place: Place): Promise<void>
  end(place: Place): Promise<void>
}

const PROXY_FAULT = { fromStart: false, total: true, byProxy: true, end: ({ proxy }: Place) => proxy.restore() }

/** Everything that must not hurt anybody. */
export const FAULTS: readonly Fault[] = [
  {
    name: 'refused from the start',
    fromStart: true,
    total: true,
    byProxy: false,
    begin: ({ server }) => server.kill(),
    end: ({ server }) => server.restart(),
  },
  {
    name: 'killed',
    fromStart: false,
    total: true,
    byProxy: false,
    begin: ({ server }) => server.kill(),
    end: ({ server }) => server.restart(),
  },
  {
    name: 'frozen',
    fromStart: false,
    total: true,
    byProxy: false,
    begin: async ({ server }) => server.freeze(),
    end: async ({ server }) => server.resume(),
  },
  {
    name: 'frozen at the first connect',
    fromStart: true,
    total: true,
    byProxy: false,
    begin: async ({ server }) => server.freeze(),
    end: async ({ server }) => server.resume(),
  },
  { ...PROXY_FAULT, name: '2 s slow', begin: async ({ proxy }) => proxy.delay({ up: 1000, down: 1000 }) },
  { ...PROXY_FAULT, name: 'bytes held', begin: async ({ proxy }) => proxy.hold() },
  { ...PROXY_FAULT, name: 'replies lost', begin: async ({ proxy }) => proxy.dropReplies() },
  {
    ...PROXY_FAULT,
    name: 'resetting every 100 ms',
    total: false,
    begin: async ({ proxy }) => proxy.resetEvery(100),
  },
  { ...PROXY_FAULT, name: 'accept, then close', begin: async ({ proxy }) => proxy.acceptThenClose() },
  {
    ...PROXY_FAULT,
    name: 'replies cut',
    total: false,
    begin: async ({ proxy }) => proxy.cutAfter(500),
  },
  {
    name: 'never connected',
    fromStart: true,
    total: false,
    byProxy: false,
    lazy: true,
    begin: async () => {},
    end: async () => {},
  },
]

/** Starts the Redis and the proxy for one fault. */
export async function openPlace(): Promise<Place> {
  const server = await RedisServer.start()
  return { server, proxy: await ChaosProxy.start({ port: server.port }) }
}

export async function closePlace({ server, proxy }: Place): Promise<void> {
  await proxy.close()
  await server.stop()
}

/** The port that a client is given. */
export function portFor(fault: Fault, { server, proxy }: Place): number {
  return fault.byProxy ? proxy.port : server.port
}

/** node-redis connects when its owner says so, and never by itself. */
export function connectsByItself(kind: ClientKind): boolean {
  return !kind.startsWith('node-redis')
}
