import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Handler, type Open, type Setup } from './candidates/setup.js'

/** What a candidate's process tells of itself. */
export interface Usage {
  /** Microseconds of processor time, user and system, for one request: one figure for each tenth of a second since it was last asked. */
  readonly cpu: readonly number[]
  /** Bytes. */
  readonly rss: number
  /** Bytes that the candidate says its memory holds. */
  readonly memoryBytes: number | undefined
  /** How often the handler ran. */
  readonly runs: number
}

const candidates: Record<string, () => Promise<Open>> = {
  raw: async () => (await import('./candidates/raw.js')).raw,
  'express uncached': async () => (await import('./candidates/express.js')).uncached,
  'express by hand': async () => (await import('./candidates/express.js')).handWritten,
  'express by hand, redis': async () => (await import('./candidates/express.js')).handWrittenRedis,
  'ours express': async () => (await import('./candidates/express.js')).oursMemory,
  'ours express, redis-first': async () => (await import('./candidates/express.js')).oursRedis,
  'ours express, memory-first': async () => (await import('./candidates/express.js')).oursMemoryFirst,
  'ours express, front door': async () => (await import('./candidates/express.js')).oursInFront,
  'ours express, front door, redis-first': async () => (await import('./candidates/express.js')).oursInFrontRedis,
  apicache: async () => (await import('./candidates/express.js')).apicacheMemory,
  'route-cache': async () => (await import('./candidates/express.js')).routeCacheMemory,
  'cacheable-response': async () => (await import('./candidates/express.js')).cacheableResponseMemory,
  'express-redis-cache': async () => (await import('./candidates/express.js')).expressRedisCache,
  'koa uncached': async () => (await import('./candidates/koa.js')).uncached,
  'koa by hand': async () => (await import('./candidates/koa.js')).handWritten,
  'koa by hand, redis': async () => (await import('./candidates/koa.js')).handWrittenRedis,
  'ours koa': async () => (await import('./candidates/koa.js')).oursMemory,
  'ours koa, redis-first': async () => (await import('./candidates/koa.js')).oursRedis,
  'ours koa, front door': async () => (await import('./candidates/koa.js')).oursInFront,
  'ours koa, front door, redis-first': async () => (await import('./candidates/koa.js')).oursInFrontRedis,
  'koa-cash': async () => (await import('./candidates/koa.js')).koaCashMemory,
}

/** A window with fewer requests tells more of everything else. */
const fewest = 20

const setup = JSON.parse(process.argv[2] ?? '{}') as Setup
const handler = new Handler(setup)
const open = await candidates[setup.candidate]?.()
if (open === undefined) throw new Error(`no candidate is called ${setup.candidate}`)
const candidate = await open(setup, handler)
const server: Server = candidate.server ?? createServer(candidate.listener)
// A load generator that ends breaks its connections.
server.on('clientError', (_error, socket) => socket.destroy())
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }))

let requests = 0
let last = { requests, cpu: process.cpuUsage() }
const windows: number[] = []
server.on('request', () => {
  requests += 1
})
setInterval(() => {
  const { user, system } = process.cpuUsage(last.cpu)
  const done = requests - last.requests
  if (done >= fewest) windows.push((user + system) / done)
  last = { requests, cpu: process.cpuUsage() }
}, 100)

process.on('message', (message) => {
  if (message === 'usage after gc') globalThis.gc?.()
  const usage: Usage = {
    cpu: windows.splice(0),
    rss: process.memoryUsage.rss(),
    memoryBytes: candidate.memoryBytes?.(),
    runs: handler.runs,
  }
  process.send?.(usage)
})
process.on('disconnect', () => process.exit(0))
