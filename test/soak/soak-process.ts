import { Agent, createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import express from 'express'
import { systemClock } from '../../src/core/clock.js'
import { FallbackCache } from '../../src/index.js'
import { fallbackCache } from '../../src/middleware/express.js'
import { Random } from '../simulation/random.js'
import { type Connection, type Observed, observe } from './connection.js'
import { sizesOf } from './footprint.js'
import { moment, type Read, type SoakRecord, type Write } from './records.js'
import { type Cover, coverText, paths, reach, tagsOf, valueKeys } from './resources.js'

/** What a process is told at its start. */
export interface SoakSetup {
  /** The letter, and which life: `B2`. */
  readonly name: string
  readonly url: string
  readonly keyPrefix: string
  readonly seed: number
  readonly read: 'redis-first' | 'confirmed' | 'memory-first'
  /** Seconds. */
  readonly lease: number
  /** Seconds. */
  readonly maxStale: number
  /** Milliseconds by which the wall clock of this host is wrong. */
  readonly clockSkew: number
}

/** To the process. */
export type ToProcess =
  | { readonly type: 'setup'; readonly setup: SoakSetup }
  | { readonly type: 'answer'; readonly id: number; readonly versions: Readonly<Record<string, number>> }
  | { readonly type: 'flood'; readonly duration: number }
  | { readonly type: 'stop' }

/** From the process. `database` asks for the version of each resource, or changes each of them first. */
export type FromProcess =
  | { readonly type: 'ready' }
  | { readonly type: 'records'; readonly records: readonly SoakRecord[] }
  | { readonly type: 'database'; readonly id: number; readonly change: boolean; readonly resources: readonly string[] }
  | { readonly type: 'connected'; readonly isConnected: boolean }
  | { readonly type: 'stopped' }

/** Requests that are under way at one time. */
const LOOPS = 6
/** How many values of its own each process keeps and no process invalidates. */
const QUIET = 4
/** Seconds; longer than any run of a process. */
const QUIET_TTL = 3_600

/** Longer than the deadlines of what one PUT asks of Redis; ms. */
const PUT_TIME = 200

interface Versioned {
  readonly version: number
  readonly run: string
}

let records: SoakRecord[] = []
const waiting = new Map<number, (versions: Readonly<Record<string, number>>) => void>()
let calls = 0
let isStopping = false
/** Until when clients flood this process. */
let floodUntil = 0

process.on('unhandledRejection', (reason) => trouble(`unhandled rejection: ${stack(reason)}`))
process.on('uncaughtException', (error) => trouble(`uncaught exception: ${stack(error)}`))
process.on('warning', (warning) => trouble(`warning: ${stack(warning)}`))
process.on('disconnect', () => process.exit(0))

let name = '?'
process.on('message', (message: ToProcess) => {
  if (message.type === 'answer') waiting.get(message.id)?.(message.versions)
  else if (message.type === 'stop') isStopping = true
  else if (message.type === 'flood') floodUntil = moment() + message.duration
  else {
    run(message.setup).catch((thrown: unknown) => {
      console.error(stack(thrown))
      process.exit(1)
    })
  }
})

async function run(setup: SoakSetup): Promise<void> {
  name = setup.name
  const random = new Random(setup.seed)
  const clock = { ...systemClock, now: () => Date.now() + setup.clockSkew }
  const common = {
    redis: setup.url,
    clock,
    read: setup.read,
    lease: setup.lease,
    maxStaleWhileDisconnected: setup.maxStale,
    circuitBreaker: { threshold: 5, cooldown: 1 },
    maxEntries: 1000,
    // Outages are what this is about: no warning is needed.
    logger: { info: () => {}, warn: () => {} },
  }
  const cache = new FallbackCache({ ...common, keyPrefix: setup.keyPrefix, defaultTtl: 30 })
  const quiet = new FallbackCache({ ...common, keyPrefix: `quiet-${setup.keyPrefix}`, maxStaleWhileDisconnected: 600 })
  const connection = observe(cache, (isConnected) => {
    const owed = Math.max(0, cache.stats().pendingInvalidations - invalidating)
    records.push({ type: 'link', by: name, at: moment(), isConnected, owed })
    if (!isConnected) flush()
  })
  quiet.on('invalidate', ({ covers }) => {
    if (covers.includes('a')) records.push({ type: 'cleared', by: name, at: moment() })
  })
  let invalidating = 0
  let runs = 0

  const app = express()
  const cached = fallbackCache({ cache, ttl: 30, tags: (req) => tagsOf(req.path) })
  app.use(cached)
  app.get('/items/:group/:number', async (req, res) => void res.json(await handle(req.path)))
  app.get('/flood', (_req, res) => void res.vary('X-Visitor').json('variant'))
  app.post('/flood/:name', (_req, res) => void res.json('done'))
  app.put('/items/:group/:number', async (req, res) => void res.json(await change([req.path])))
  const server = createServer(app)
  // A busy process may send a request on a connection that is just being closed as idle.
  server.keepAliveTimeout = 0
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const agent = new Agent({ keepAlive: true })

  process.on('SIGTERM', () => {
    isStopping = true
    void Promise.all([cache.close(), quiet.close()]).finally(() => {
      flush()
      process.exit(0)
    })
  })

  let ticks = 0
  const flushing = setInterval(() => {
    if (ticks++ % 10 === 0) records.push({ type: 'footprint', by: name, at: moment(), sizes: sizesOf(cache) })
    flush()
    send({ type: 'connected', isConnected: cache.stats().connected && quiet.stats().connected })
  }, 100)
  send({ type: 'ready' })
  await Promise.all([
    ...Array.from({ length: LOOPS }, () => loop(random.fork())),
    keepQuietly(random.fork()),
    beFlooded(random.fork()),
  ])
  clearInterval(flushing)
  flush()
  send({ type: 'stopped' })
  server.closeAllConnections()
  server.close()
  await Promise.all([cache.close(), quiet.close()])
  process.exit(0)

  async function loop(random: Random): Promise<void> {
    while (!isStopping) {
      await sleep(random.between(5, 35))
      try {
        if (random.chance(0.02)) await write(pickCover(random))
        else await read(random)
      } catch (thrown) {
        if (!isStopping) trouble(stack(thrown))
      }
    }
  }

  async function read(random: Random): Promise<void> {
    const how = random.weighted({ getOrSet: 4, http: 4, get: 1, find: 1 })
    const resource = random.pick(how === 'http' ? paths : valueKeys)
    const startAt = moment()
    const { result, ...observed } =
      how === 'find' ? await find(resource) : await connection.during(() => lookUp(how, resource))
    const { version, run } = result ?? {}
    records.push({ type: 'read', by: name, resource, how, startAt, endAt: moment(), version, run, ...observed })
  }

  async function find(key: string): Promise<Observed<Versioned | undefined>> {
    const { result, ...observed } = await connection.find(key)
    return { result: result && (JSON.parse(result.entry.body.toString()) as Versioned), ...observed }
  }

  async function lookUp(how: Exclude<Read['how'], 'find'>, resource: string): Promise<Versioned | undefined> {
    if (how === 'get') return (await cache.get<Versioned>(resource)) ?? undefined
    if (how === 'getOrSet') return await cache.getOrSet(resource, () => handle(resource), { tags: tagsOf(resource) })
    return await ask<Versioned>('GET', resource)
  }

  /** Reads the database first, then takes its time: its end must not undo an invalidation in between. */
  async function handle(resource: string): Promise<Versioned> {
    const startAt = moment()
    const run = `${name}.${++runs}`
    const version = (await database([resource], false))[resource] ?? 0
    if (random.chance(0.1)) await sleep(random.magnitude(1, 800))
    records.push({ type: 'run', by: name, run, resource, version, startAt, endAt: moment() })
    return { version, run }
  }

  function change(resources: readonly string[]): Promise<Readonly<Record<string, number>>> {
    return database(resources, true)
  }

  async function write(cover: Cover): Promise<void> {
    const startAt = moment()
    const heading = { type: 'write', by: name, cover: coverText(cover), startAt } as const
    if (cover.kind === 'put') {
      const versions = await ask<Write['versions']>('PUT', cover.name)
      const heldAt = moment()
      const endAt = await told()
      records.push({ ...heading, versions, heldAt, endAt, durable: undefined })
      return
    }
    const versions = await change(reach(cover))
    const invalidation = invalidate(cover)
    const heldAt = moment()
    invalidating++
    const { durable } = await invalidation.finally(() => invalidating--)
    records.push({ ...heading, versions, heldAt, endAt: moment(), durable })
  }

  /** Resolves to the moment when Redis had all tombstones of requests; to `Infinity` if the process stops before. */
  async function told(): Promise<number> {
    do {
      await sleep(PUT_TIME)
      if (cache.stats().retired.unsentBytes === 0 && cache.stats().connected) return moment()
    } while (!isStopping)
    return Number.POSITIVE_INFINITY
  }

  function invalidate(cover: Exclude<Cover, { kind: 'put' }>): Promise<{ durable: boolean }> {
    if (cover.kind === 'key') return cache.invalidateKey(cover.name)
    if (cover.kind === 'prefix') return cache.invalidatePrefix(cover.name)
    if (cover.kind === 'tag') return cache.invalidateTags([cover.name])
    return cover.kind === 'all' ? cache.clear() : cached.invalidate(cover.name)
  }

  /** Values that no process invalidates: the process that stored one has it, also if Redis loses it. */
  async function keepQuietly(random: Random): Promise<void> {
    const mine: Connection = observe(quiet, () => {})
    const keys = Array.from({ length: QUIET }, (_, index) => `${name}:${index}`)
    for (const key of keys) await setQuietly(key)
    while (!isStopping) {
      await sleep(random.between(20, 100))
      const key = random.pick(keys)
      if (random.chance(0.02)) await setQuietly(key)
      const startAt = moment()
      const { result, isConnected } = await mine.during(() => quiet.get(key))
      const isFound = result !== null
      records.push({ type: 'quiet-read', by: name, key, startAt, endAt: moment(), isFound, isConnected })
      if (!isFound && isConnected) await setQuietly(key)
    }
  }

  async function setQuietly(key: string): Promise<void> {
    const startAt = moment()
    await quiet.set(key, key, QUIET_TTL)
    records.push({ type: 'quiet-set', by: name, key, startAt, endAt: moment() })
  }

  /** Anonymous POSTs to ever other URIs, and ever other variants of a page. */
  async function beFlooded(random: Random): Promise<void> {
    while (!isStopping) {
      await sleep(10)
      if (moment() > floodUntil) continue
      const visitor = random.fraction().toString(36)
      const requests = [
        ask('POST', `/flood/${visitor}${'u'.repeat(500)}`),
        ask('GET', '/flood', { 'x-visitor': visitor }),
      ]
      await Promise.all(requests).catch((thrown: unknown) => {
        if (!isStopping) trouble(stack(thrown))
      })
    }
  }

  function ask<T>(method: string, path: string, fields: Readonly<Record<string, string>> = {}): Promise<T> {
    return new Promise((resolve, reject) => {
      // One host for all processes, as behind a load balancer: the host is part of the key.
      const options = { agent, port, method, path, host: '127.0.0.1', headers: { host: 'soak.test', ...fields } }
      const outgoing = request(options, (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (chunk) => {
          text += chunk
        })
        response.on('error', reject).on('end', () => {
          if (response.statusCode === 200) resolve(JSON.parse(text) as T)
          else reject(new Error(`${method} ${path} was answered with ${response.statusCode}: ${text}`))
        })
      })
      outgoing.on('error', reject).end()
    })
  }
}

function pickCover(random: Random): Cover {
  const kind = random.weighted({ key: 8, put: 4, prefix: 3, path: 3, tag: 2, all: 1 })
  switch (kind) {
    case 'key':
      return { kind, name: random.pick(valueKeys) }
    case 'put':
      return { kind, name: random.pick(paths) }
    case 'prefix':
      return { kind, name: `item:${random.pick(['a', 'b', 'c'])}:` }
    case 'path':
      return { kind, name: random.chance(0.5) ? random.pick(paths) : `/items/${random.pick(['a', 'b', 'c'])}` }
    case 'tag':
      return { kind, name: random.pick(['odd', 'even']) }
    case 'all':
      return { kind }
  }
}

function database(resources: readonly string[], change: boolean): Promise<Readonly<Record<string, number>>> {
  const id = ++calls
  return new Promise((resolve) => {
    waiting.set(id, (versions) => {
      waiting.delete(id)
      resolve(versions)
    })
    send({ type: 'database', id, change, resources })
  })
}

function flush(): void {
  if (records.length === 0) return
  send({ type: 'records', records })
  records = []
}

function trouble(text: string): void {
  records.push({ type: 'trouble', by: name, at: moment(), text })
}

function send(message: FromProcess): void {
  if (process.connected) process.send?.(message)
}

function stack(thrown: unknown): string {
  return thrown instanceof Error ? (thrown.stack ?? String(thrown)) : String(thrown)
}
