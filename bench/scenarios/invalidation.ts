import { FallbackCache } from 'fallback-cache'
import type { RedisServer } from '../../test/support/redis-server.js'
import type { Measured, Scenario } from '../scenario.js'
import { median, printTable, shown } from '../table.js'

/** What an invalidation by prefix costs against the number of keys in Redis, beside finding the keys by SCAN. */
export const invalidation: Scenario = {
  name: 'invalidation',
  about: 'invalidatePrefix until it is durable, by the number of keys in Redis',
  needsRedis: true,
  isInShort: true,
  async run({ redis, isShort, isLarge }) {
    if (redis === undefined) throw new Error('there is no redis-server')
    const sizes = isShort ? [1000] : [10_000, 100_000, ...(isLarge ? [1_000_000] : [])]
    const measured: Measured = new Map()
    const rows: string[][] = []
    for (const keys of sizes) {
      await redis.client.flushall()
      await populate(redis, keys)
      const ours = await timeOfInvalidation(redis)
      const scan = await timeOfScan(redis)
      rows.push([String(keys), shown(ours), shown(scan, 1)])
      measured.set(`invalidation: ${keys}`, ours)
    }
    await redis.client.flushall()
    printTable(['keys', 'invalidatePrefix, median ms', 'SCAN COUNT 1000 MATCH, ms'], rows)
    return measured
  },
}

async function populate(redis: RedisServer, keys: number): Promise<void> {
  const script = "for at = ARGV[1], ARGV[2] do redis.call('SET', 'bench:' .. at, string.rep('x', 100)) end"
  for (let at = 0; at < keys; at += 10_000) {
    await redis.command('EVAL', script, 0, at, Math.min(at + 10_000, keys) - 1)
  }
}

async function timeOfInvalidation(redis: RedisServer): Promise<number> {
  const cache = new FallbackCache({ redis: redis.url, keyPrefix: 'bench:' })
  try {
    const times: number[] = []
    for (let at = 0; at < 60; at++) {
      const begun = performance.now()
      const { durable } = await cache.invalidatePrefix(`group-${at}:`)
      if (!durable) throw new Error('an invalidation is not durable, though Redis is there')
      times.push(performance.now() - begun)
    }
    return median(times.slice(10))
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
