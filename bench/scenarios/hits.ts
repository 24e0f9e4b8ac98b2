import type { Scenario } from '../scenario.js'
import { compare } from './comparison.js'

const inMemory = [
  'raw',
  'express uncached',
  'express by hand',
  'ours express',
  'ours express, front door',
  'apicache',
  'route-cache',
  'cacheable-response',
  'koa uncached',
  'koa by hand',
  'ours koa',
  'ours koa, front door',
  'koa-cash',
]

const inRedis = [
  'raw',
  'express by hand, redis',
  'ours express, redis-first',
  'ours express, front door, redis-first',
  'ours express, memory-first',
  'express-redis-cache',
  'koa by hand, redis',
  'ours koa, redis-first',
  'ours koa, front door, redis-first',
]

/** Skewed as real traffic is: the page at place n is asked for in proportion to 1/n. Always the same pages in the same order. */
function zipf(keys: number, requests: number): readonly string[] {
  const upTo: number[] = []
  let sum = 0
  for (let key = 1; key <= keys; key++) {
    sum += 1 / key
    upTo.push(sum)
  }
  let state = 1
  return Array.from({ length: requests }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    const point = (state / 2 ** 32) * sum
    let low = 0
    let high = keys - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if ((upTo[middle] ?? 0) < point) low = middle + 1
      else high = middle
    }
    return `/page/${low}`
  })
}

/** Hits: one key of two sizes, many keys, in memory and in Redis; and what is no hit. */
export const hits: readonly Scenario[] = [
  {
    name: 'hot-1k',
    about: 'one key, 1 KB, from memory',
    isInShort: true,
    run: (around) =>
      compare(
        { name: 'hot-1k', candidates: inMemory, ours: 'ours express', size: 1024, load: { paths: ['/page/1'] } },
        around,
      ),
  },
  {
    name: 'hot-64k',
    about: 'one key, 64 KB, from memory',
    run: (around) =>
      compare(
        { name: 'hot-64k', candidates: inMemory, ours: 'ours express', size: 65_536, load: { paths: ['/page/1'] } },
        around,
      ),
  },
  {
    name: 'zipf',
    about: '10,000 keys of 1 KB, skewed, from memory',
    run: (around) =>
      compare(
        {
          name: 'zipf',
          candidates: ['raw', 'express by hand', 'ours express', 'apicache', 'koa by hand', 'ours koa', 'koa-cash'],
          ours: 'ours express',
          size: 1024,
          load: { paths: zipf(10_000, 50_000) },
          seconds: 2,
        },
        around,
      ),
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
          candidates: inRedis,
          ours: 'ours express, redis-first',
          size: 1024,
          load: { paths: ['/page/1'] },
        },
        around,
      ),
  },
  {
    name: 'redis-zipf',
    about: '10,000 keys of 1 KB, skewed, from Redis',
    needsRedis: true,
    run: (around) =>
      compare(
        {
          name: 'redis-zipf',
          candidates: inRedis.filter((name) => name !== 'express-redis-cache'),
          ours: 'ours express, redis-first',
          size: 1024,
          load: { paths: zipf(10_000, 50_000) },
          seconds: 2,
        },
        around,
      ),
  },
  {
    name: 'miss',
    about: 'a key that nobody has asked for before, 1 KB: the handler runs, the answer is stored',
    run: (around) =>
      compare(
        {
          name: 'miss',
          candidates: ['raw', ...inMemory.slice(1)],
          ours: 'ours express',
          size: 1024,
          load: { paths: ['/page/new'], unique: true },
        },
        around,
      ),
  },
  {
    name: '304',
    about: 'one key, 1 KB, from memory, to a client that has it',
    run: (around) =>
      compare(
        {
          name: '304',
          candidates: [
            'raw',
            'express uncached',
            'ours express',
            'ours express, front door',
            'route-cache',
            'ours koa',
            'ours koa, front door',
          ],
          ours: 'ours express',
          size: 1024,
          load: { paths: ['/page/1'] },
          revalidates: true,
        },
        around,
      ),
  },
]
