import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FallbackCache } from '../../src/core/fallback-cache.js'
import { ChaosProxy } from '../support/chaos-proxy.js'
import { RedisServer } from '../support/redis-server.js'
import { until } from '../support/until.js'

/** 50 Mbit/s, bytes a second. */
const RATE = 6_250_000
/** Prefixes and tags that the marks hold, and characters of the longest name. */
const MARKS = 10_000
const LONGEST = 256

let server: RedisServer
let proxy: ChaosProxy
beforeAll(async () => {
  server = await RedisServer.start()
  proxy = await ChaosProxy.start({ port: server.port })
  proxy.limitRate(RATE)
})
afterAll(async () => {
  await proxy.close()
  await server.stop()
})

describe('a process that is new to the fullest log there can be', () => {
  it.each([
    ['short names', 40],
    ['the longest names', LONGEST],
  ])(
    'is connected within a second over 50 Mbit/s, by the default redisTimeout: %s',
    async (_, length) => {
      const keyPrefix = `${length}:`
      const filler = new FallbackCache({ redis: server.url, redisTimeout: 5_000, keyPrefix })
      await until('it is connected', () => filler.stats().connected)
      const atOnce = 16
      for (let at = 0; at < MARKS + 500; at += 50 * atOnce) {
        const calls = Array.from({ length: 50 }, (_, call) =>
          filler.invalidatePrefixes(
            Array.from({ length: atOnce }, (_, index) =>
              `${at + call * atOnce + index}:`.padEnd(length, 'a long name '),
            ),
          ),
        )
        await Promise.all(calls)
      }
      const marks = Number(await server.command('ZCARD', await marksKey(keyPrefix)))
      expect(marks).toBeGreaterThan(MARKS * 0.75)
      const newcomer = new FallbackCache({ redis: proxy.url, keyPrefix })
      try {
        const startedAt = performance.now()
        await until('it is connected', () => newcomer.stats().connected, { every: 5 })
        const took = performance.now() - startedAt
        process.stdout.write(`\nconnected to ${marks} marks of ${length} characters in ${took.toFixed(0)} ms\n`)
        expect(took).toBeLessThan(1_000)
      } finally {
        await newcomer.close()
        await filler.close()
      }
    },
    60_000,
  )
})

async function marksKey(keyPrefix: string): Promise<string> {
  const [key = ''] = (await server.command('KEYS', `*${keyPrefix}*marks`)) as string[]
  return key
}
