import type { Open } from './setup.js'

/** Something that can be measured, in a Node process of its own. */
interface Entry {
  open(): Promise<Open>
  /** How often the handler runs for two requests. @defaultValue 1, as with a cache */
  readonly runs?: 0 | 2
}

const express = () => import('./express.js')
const koa = () => import('./koa.js')
const front = () => import('./front.js')

/** What can be measured, by name. A scenario leaves out what it names and does not exist. */
export const catalog: Readonly<Record<string, Entry>> = {
  raw: { open: async () => (await import('./raw.js')).raw, runs: 0 },
  origin: { open: async () => (await import('./raw.js')).origin, runs: 2 },

  // In front of the framework.
  'ours express, front door': { open: async () => (await express()).oursInFront },
  'ours express, front door, metrics': { open: async () => (await express()).oursInFrontWatched },
  'ours express, front door, redis-first': { open: async () => (await express()).oursInFrontRedis },
  'ours express, front door, confirmed': { open: async () => (await express()).oursInFrontConfirmed },
  'ours koa, front door': { open: async () => (await koa()).oursInFront },
  'ours koa, front door, metrics': { open: async () => (await koa()).oursInFrontWatched },
  'ours koa, front door, redis-first': { open: async () => (await koa()).oursInFrontRedis },
  'ours koa, front door, confirmed': { open: async () => (await koa()).oursInFrontConfirmed },
  'in front by hand': { open: async () => (await front()).handWritten },
  'in front by hand, one write': { open: async () => (await front()).handWrittenAtOnce },

  'express uncached': { open: async () => (await express()).uncached, runs: 2 },
  'express by hand': { open: async () => (await express()).handWritten },
  'express by hand, redis': { open: async () => (await express()).handWrittenRedis },
  'ours express': { open: async () => (await express()).oursMemory },
  'ours express, metrics': { open: async () => (await express()).oursWatched },
  'ours express, redis-first': { open: async () => (await express()).oursRedis },
  'ours express, redis only': { open: async () => (await express()).oursRedisOnly },
  'ours express, memory-first': { open: async () => (await express()).oursMemoryFirst },
  'ours express, confirmed': { open: async () => (await express()).oursConfirmed },
  'ours express, precompressed': { open: async () => (await express()).oursPrecompressed },
  'ours express, skipping': { open: async () => (await express()).oursSkipping, runs: 2 },
  'compression over ours express': { open: async () => (await express()).oursCompressed },
  apicache: { open: async () => (await express()).apicacheMemory },
  'apicache-plus': { open: async () => (await express()).apicachePlusMemory },
  'apicache-plus, redis': { open: async () => (await express()).apicachePlusRedis },
  'route-cache': { open: async () => (await express()).routeCacheMemory },
  'route-cache, redis': { open: async () => (await express()).routeCacheRedis },
  'cacheable-response': { open: async () => (await express()).cacheableResponseMemory },
  'express-redis-cache': { open: async () => (await express()).expressRedisCache },

  'koa uncached': { open: async () => (await koa()).uncached, runs: 2 },
  'koa by hand': { open: async () => (await koa()).handWritten },
  'koa by hand, redis': { open: async () => (await koa()).handWrittenRedis },
  'ours koa': { open: async () => (await koa()).oursMemory },
  'ours koa, metrics': { open: async () => (await koa()).oursWatched },
  'ours koa, redis-first': { open: async () => (await koa()).oursRedis },
  'ours koa, redis only': { open: async () => (await koa()).oursRedisOnly },
  'ours koa, confirmed': { open: async () => (await koa()).oursConfirmed },
  'ours koa, precompressed': { open: async () => (await koa()).oursPrecompressed },
  'ours koa, skipping': { open: async () => (await koa()).oursSkipping, runs: 2 },
  'koa-cash': { open: async () => (await koa()).koaCashMemory },
  'koa-cash, redis': { open: async () => (await koa()).koaCashRedis },
}
