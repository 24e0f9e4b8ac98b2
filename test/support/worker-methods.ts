import { createServer, type Server } from 'node:http'
import type { CacheStats } from '../../src/core/cache-stats.js'
import { systemClock } from '../../src/core/clock.js'
import type { CacheEvents } from '../../src/core/events.js'
import { engineOf, FallbackCache } from '../../src/core/fallback-cache.js'
import type { FallbackCacheOptions } from '../../src/core/options.js'
import { type ClientSetup, makeClient, type OpenClient } from './clients.js'
import { type LoadOptions, type LoadReport, runLoad } from './load.js'

/** What a worker is made of. */
export interface WorkerSetup {
  /** The client in front of Redis. @defaultValue none: memory only */
  readonly client?: ClientSetup
  /** Options of the cache that can be sent to another process. */
  readonly cache?: Omit<FallbackCacheOptions, 'redis' | 'clock' | 'logger' | 'serializer' | 'deserializer'>
  /** How wrong the wall clock of this host is, milliseconds. @defaultValue 0 */
  readonly clockSkew?: number
}

/** How the app of {@link WorkerMethods.serve} behaves. */
export interface ServeOptions {
  /** Seconds. @defaultValue 60 */
  readonly ttl?: number
  /** Milliseconds that the handler takes. @defaultValue 0 */
  readonly handlerTime?: number
}

interface GateOptions {
  gate?: string
  ttl?: number
  tags?: string[]
}

const EVENTS = ['circuit', 'outage', 'recovery', 'invalidate', 'skip', 'fault'] as const satisfies (keyof CacheEvents)[]

/** What a worker can be asked to do. */
export interface WorkerMethods {
  setup(setup: WorkerSetup): Promise<void>
  get(key: string): Promise<unknown>
  find(key: string): Promise<{ value: unknown; tier: 'memory' | 'redis'; disconnected: boolean } | undefined>
  set(key: string, value: unknown, options?: { ttl?: number; tags?: string[] }): Promise<void>
  getOrSet(key: string, value: unknown, options?: GateOptions): Promise<{ value: unknown; ran: boolean }>
  refresh(key: string, value: unknown, options: GateOptions): Promise<boolean>
  atGate(gate: string): Promise<void>
  open(gate: string): Promise<void>
  delete(key: string): Promise<boolean>
  invalidateKey(key: string): Promise<{ durable: boolean }>
  invalidatePrefix(prefix: string, options?: { ignoreCase?: boolean }): Promise<{ durable: boolean }>
  invalidateTags(tags: string[]): Promise<{ durable: boolean }>
  clear(): Promise<{ durable: boolean }>
  /** What a successful request with an unsafe method does. */
  retire(keys: string[]): Promise<void>
  stats(): Promise<CacheStats>
  events(name: keyof CacheEvents): Promise<unknown[]>
  load(options: LoadOptions): Promise<LoadReport>
  serve(options?: ServeOptions): Promise<string>
  handlerRuns(): Promise<number>
  memory(): Promise<number>
  /** What the owner of a lazy client does at last. */
  connectClient(): Promise<void>
  close(): Promise<void>
}

/** A cache with what stands around it. */
export function createInstance(): WorkerMethods {
  let cache: FallbackCache = new FallbackCache()
  let client: OpenClient | undefined
  let server: Server | undefined
  let handlerRuns = 0
  const recorded: { [Name in keyof CacheEvents]?: unknown[] } = {}
  const gates = new Map<string, Gate>()

  const gate = (name: string): Gate => {
    const known = gates.get(name)
    if (known) return known
    let reach = (): void => {}
    let open = (): void => {}
    const reached = new Promise<void>((resolve) => {
      reach = resolve
    })
    const opened = new Promise<void>((resolve) => {
      open = resolve
    })
    const made = { reached, opened, reach, open }
    gates.set(name, made)
    return made
  }

  const passGate = async (name: string | undefined): Promise<void> => {
    if (name === undefined) return
    gate(name).reach()
    await gate(name).opened
  }

  return {
    async setup({ client: clientSetup, cache: options, clockSkew = 0 }) {
      const clock = { ...systemClock, now: () => Date.now() + clockSkew }
      if (clientSetup) client = await makeClient(clientSetup)
      cache = new FallbackCache({ ...options, clock, ...(client ? { redis: client.redis } : {}) })
      for (const name of EVENTS) {
        const list: unknown[] = []
        recorded[name] = list
        cache.on(name, (payload) => list.length < 10_000 && list.push(printable(payload)))
      }
    },
    async get(key) {
      return await cache.get(key)
    },
    async find(key) {
      const found = await engineOf(cache).find(key)
      if (!found) return undefined
      return { value: JSON.parse(found.entry.body.toString()), tier: found.tier, disconnected: found.disconnected }
    },
    async set(key, value, options) {
      await cache.set(key, value, options)
    },
    async getOrSet(key, value, { gate, ...options } = {}) {
      let ran = false
      const answer = await cache.getOrSet(
        key,
        async () => {
          ran = true
          handlerRuns++
          await passGate(gate)
          return value
        },
        options,
      )
      return { value: answer, ran }
    },
    async refresh(key, value, { gate, ttl = 300, tags = [] }) {
      const mark = engineOf(cache).mark()
      await passGate(gate)
      const now = engineOf(cache).clock.now()
      const body = Buffer.from(JSON.stringify(value))
      const stored = engineOf(cache).store(
        key,
        { staleAt: now + ttl * 1000, deleteAt: now + ttl * 1000, tags, body },
        mark,
      )
      await stored.written
      return stored.stored
    },
    async atGate(name) {
      await gate(name).reached
    },
    async open(name) {
      gate(name).open()
    },
    async delete(key) {
      return await cache.delete(key)
    },
    async invalidateKey(key) {
      return await cache.invalidateKey(key)
    },
    async invalidatePrefix(prefix, options) {
      return await cache.invalidatePrefix(prefix, options)
    },
    async invalidateTags(tags) {
      return await cache.invalidateTags(tags)
    },
    async clear() {
      return await cache.clear()
    },
    async retire(keys) {
      await engineOf(cache).retire(keys)
    },
    async stats() {
      return cache.stats()
    },
    async events(name) {
      return recorded[name] ?? []
    },
    async load(options) {
      return await runLoad(cache, client, options)
    },
    async serve({ ttl = 60, handlerTime = 0 } = {}) {
      const { default: express } = await import('express')
      const { fallbackCache } = await import('../../src/middleware/express.js')
      const app = express()
      app.get('/items/:id', fallbackCache({ cache, ttl }), async (request, response) => {
        handlerRuns++
        if (handlerTime > 0) await new Promise((resolve) => setTimeout(resolve, handlerTime))
        response.json({ id: request.params.id })
      })
      server = createServer(app)
      await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve))
      const address = server.address()
      if (address === null || typeof address === 'string') throw new Error('the app has no port')
      return `http://127.0.0.1:${address.port}`
    },
    async handlerRuns() {
      return handlerRuns
    },
    async memory() {
      globalThis.gc?.()
      return process.memoryUsage().rss
    },
    async connectClient() {
      client?.connect()
    },
    async close() {
      server?.closeAllConnections()
      server?.close()
      await cache.close()
      client?.end()
    },
  }
}

/** Where slow handlers wait. */
interface Gate {
  readonly reached: Promise<void>
  readonly opened: Promise<void>
  reach(): void
  open(): void
}

function printable(payload: unknown): unknown {
  return JSON.parse(JSON.stringify(payload, (_, value) => (value instanceof Error ? String(value) : value)))
}
