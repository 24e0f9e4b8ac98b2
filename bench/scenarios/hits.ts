import { zipf } from '../load/zipf.js'
import type { Scenario } from '../scenario.js'
import { compare } from './comparison.js'

/** What an answer can come from without the handler, and the handler. A front door of ours is in it as soon as it is in the catalog. */
const inMemory = [
  'raw',
  'in front by hand',
  'in front by hand, one write',
  'ours express, front door',
  'ours koa, front door',
  'nginx',
  'varnish',
  'express uncached',
  'express by hand',
  'ours express',
  'apicache',
  'apicache-plus',
  'route-cache',
  'cacheable-response',
  'koa uncached',
  'koa by hand',
  'ours koa',
  'koa-cash',
]

const inRedis = [
  'raw',
  'express by hand, redis',
  'ours express, redis-first',
  'ours express, memory-first',
  'apicache-plus, redis',
  'route-cache, redis',
  'express-redis-cache',
  'koa by hand, redis',
  'ours koa, redis-first',
  'koa-cash, redis',
]

const oneKey = { paths: ['/page/1'] }
const manyKeys = { load: { paths: zipf(10_000, 50_000) }, seconds: 0.6, warmUp: 50_000 }

/** Hits: one key of two sizes, many keys, in memory and in Redis. */
export const hits: readonly Scenario[] = [
  {
    name: 'hot-1k',
    about: 'one key, 1 KB, from memory',
    isInShort: true,
    run: (around) => {
      const short = [
        'raw',
        'ours express',
        'ours koa',
        'ours express, front door',
        'ours koa, front door',
        'nginx',
        'varnish',
      ]
      return compare({ name: 'hot-1k', lines: inMemory, ours: 'ours express', load: oneKey, short }, around)
    },
  },
  {
    name: 'hot-64k',
    about: 'one key, 64 KB, from memory',
    run: (around) =>
      compare(
        { name: 'hot-64k', lines: inMemory, ours: 'ours express', setup: { size: 65_536 }, load: oneKey, warmUp: 5000 },
        around,
      ),
  },
  {
    name: 'zipf',
    about: '10,000 keys of 1 KB, skewed, from memory',
    run: (around) => {
      const some = ['raw', 'express by hand', 'ours express', 'apicache', 'koa by hand', 'ours koa', 'koa-cash']
      const lines = inMemory.filter((name) => some.includes(name) || name.endsWith('front door'))
      return compare({ name: 'zipf', lines, ours: 'ours express', ...manyKeys }, around)
    },
  },
  {
    name: 'redis-1k',
    about: 'one key, 1 KB, from Redis',
    isInShort: true,
    needsRedis: true,
    run: (around) =>
      compare(
        {
          name: 'redis-1k',
          lines: inRedis,
          ours: 'ours express, redis-first',
          load: oneKey,
          short: ['ours express, redis-first'],
        },
        around,
      ),
  },
  {
    name: 'redis-64k',
    about: 'one key, 64 KB, from Redis',
    needsRedis: true,
    run: (around) =>
      compare(
        {
          name: 'redis-64k',
          lines: inRedis,
          ours: 'ours express, redis-first',
          setup: { size: 65_536 },
          load: oneKey,
          warmUp: 3000,
        },
        around,
      ),
  },
  {
    name: 'redis-zipf',
    about: '10,000 keys of 1 KB, skewed, from Redis',
    needsRedis: true,
    run: (around) => {
      const some = ['raw', 'express by hand, redis', 'koa by hand, redis']
      const lines = inRedis.filter((name) => some.includes(name) || name.startsWith('ours'))
      return compare({ name: 'redis-zipf', lines, ours: 'ours express, redis-first', ...manyKeys }, around)
    },
  },
]
