import { FallbackCache } from 'fallback-cache'
import type { RedisServer } from '../../test/support/redis-server.js'
import { until } from '../../test/support/until.js'
import type { Measured, Scenario } from '../scenario.js'
import { median, printTable, shown } from '../table.js'

/** What an invalidation by prefix costs against the number of keys in Redis, beside finding the keys by SCAN. */
export const invalidation: Scenario = {
  name: 'invalidation',
  about: 'invalidatePrefix until it is durable, by the number of keys in Redis, beside finding them by SCAN',
  needsRedis: true,
  isInShort: true,
  async run({ redis, isShort }) {
    if (redis === undefined) throw new Error('there is no redis-server')
    const sizes = isShort ? [1000] : [10_000, 100_000, 1_000_000]
    const measured: Measured = new Map()
    const rows: string[][] = []
    for (const { keys, ours, scan } of await timesOfInvalidation(redis, sizes)) {
      rows.push([String(keys), shown(ours), shown(scan, 1)])
      measured.set(`invalidation: ${keys}`, ours)
      measured.set(`invalidation: ${keys}: scan`, scan)
    }
    printTable(['keys', 'invalidatePrefix, median ms', 'SCAN COUNT 1000 MATCH, ms'], rows)
    return measured
  },
}

/** Milliseconds, median, with so many keys in Redis. */
interface Times {
  readonly keys: number
  readonly ours: number
  readonly scan: number
}

/** How long an invalidation takes until it is durable, and how long finding the same keys, with each of these numbers of keys in Redis. */
export async function timesOfInvalidation(redis: RedisServer, sizes: readonly number[]): Promise<readonly Times[]> {
  const times: Times[] = []
  for (const keys of sizes) {
    await redis.client.flushall()
    await populate(redis, keys)
    times.push({ keys, ours: await timeOfInvalidation(redis), scan: await timeOfScan(redis) })
  }
  await redis.client.flushall()
  return times
}

async function populate(redis: RedisServer, keys: number): Promise<void> {
  const script = "for at = ARGV[1], ARGV[2] do redis.call('SET', 'bench:' .. at, string.rep('x', 100)) end"
  for (let at = 0; at < keys; at += 10_000) {
    await redis.command('EVAL', script, 0, at, Math.min(at + 10_000, keys) - 1)
  }
}

async function timeOfInvalidation(redis: RedisServer): Promise<number> {
  const cache = new FallbackCache({ redis: redis.url, keyPrefix: 'bench:', redisTimeout: 5000 })
  try {
    await until('it is connected', () => cache.stats().connected)
    const times: number[] = []
    for (let at = 0; at < 400; at++) {
      const begun = performance.now()
      const { durable } = await cache.invalidatePrefix(`group-${at}:`)
      if (!durable) throw new Error('an invalidation is not durable, though Redis is there')
      times.push(performance.now() - begun)
    }
    // The first ones of a process are slow for other reasons, and the smallest number of keys comes first.
    return median(times.slice(200))
  } finally {
    await cache.close()
  }
}

async function timeOfScan(redis: RedisServer): Promise<number> {
  const begun = performance.now()
  let cursor = '0'
  do {
    ;[cursor] = await redis.client.scan(cursor, 'MATCH', 'bench:group-1:*', 'COUNT', 1000)
  } while (cursor !== '0')
  return performance.now() - begun
}
