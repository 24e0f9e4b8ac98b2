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
    ['the longest names', 'a long name '],
    ['the longest names in another script', '漢'],
  ])(
    'is connected within a second over 50 Mbit/s, by the default redisTimeout: %s',
    async (_, letters) => {
      const keyPrefix = letters
      const filler = new FallbackCache({ redis: server.url, redisTimeout: 5_000, keyPrefix })
      await until('it is connected', () => filler.stats().connected)
      const atOnce = 16
      for (let at = 0; at < MARKS + 500; at += 50 * atOnce) {
        const calls = Array.from({ length: 50 }, (_, call) =>
          filler.invalidatePrefixes(
            Array.from({ length: atOnce }, (_, index) => `${at + call * atOnce + index}:`.padEnd(LONGEST, letters)),
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
        process.stdout.write(`\nconnected to ${marks} marks of ${LONGEST} characters in ${took.toFixed(0)} ms\n`)
        expect(took).toBeLessThan(1_000)
      } finally {
        await newcomer.close()
        await filler.close()
      }
    },
    60_000,
  )
})

describe('a link too slow for a whole page within redisTimeout', () => {
  it('keeps no new process from its Redis', async () => {
    const slow = await ChaosProxy.start({ port: server.port })
    const [timeout, bytesPerSecond] = [250, 140_000]
    const options = { keyPrefix: 'slow:', circuitBreaker: { cooldown: 60 } }
    const filler = new FallbackCache({ redis: server.url, redisTimeout: 5_000, ...options })
    await until('it is connected', () => filler.stats().connected)
    for (let at = 0; at < 400; at += 20) {
      await filler.invalidateTags(Array.from({ length: 20 }, (_, index) => `${at + index}:`.padEnd(LONGEST, 'tag ')))
    }
    slow.limitRate(bytesPerSecond)
    const newcomer = new FallbackCache({ redis: slow.url, redisTimeout: timeout, ...options })
    try {
      await until('it is connected', () => newcomer.stats().connected)
      expect(slow.bytes.down).toBeGreaterThan(400 * LONGEST)
      expect(newcomer.stats().counters.redisTimeouts).toBeGreaterThan(0)
    } finally {
      await newcomer.close()
      await filler.close()
      await slow.close()
    }
  })
})

describe('a process that has made entries while large records were written', () => {
  it('reads no more of them than arrive in time, and lets its entries go', async () => {
    const keyPrefix = 'large:'
    const filler = new FallbackCache({ redis: server.url, redisTimeout: 5_000, keyPrefix })
    await until('it is connected', () => filler.stats().connected)
    await proxy.refuse()
    const newcomer = new FallbackCache({ redis: proxy.url, keyPrefix, redisTimeout: 1_000 })
    await newcomer.set('own', 1)
    const names = Array.from({ length: 30 }, (_, index) => `${index}`.padEnd(LONGEST, 'a long name '))
    for (let at = 0; at < 800; at += 40) {
      await Promise.all(Array.from({ length: 40 }, () => filler.invalidatePrefixes(names)))
    }
    const before = proxy.bytes.down
    await proxy.restore()
    try {
      await until('it is connected', () => newcomer.stats().connected)
      expect(proxy.bytes.down - before).toBeLessThan(3_500_000)
      expect(await newcomer.get('own')).toBeNull()
    } finally {
      await newcomer.close()
      await filler.close()
    }
  })
})

async function marksKey(keyPrefix: string): Promise<string> {
  const [key = ''] = (await server.command('KEYS', `*${keyPrefix}*marks`)) as string[]
  return key
}
