import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { leastRules, redisCommands } from '../../scripts/redis-commands.mjs'
import { FallbackCache } from '../../src/core/fallback-cache.js'
import type { FallbackCacheOptions } from '../../src/core/options.js'
import { RedisServer } from '../support/redis-server.js'
import { until } from '../support/until.js'

let server: RedisServer
const opened: FallbackCache[] = []

beforeAll(async () => {
  server = await RedisServer.start()
})
afterAll(() => server.stop())
beforeEach(() => server.command('FLUSHALL'))
afterEach(async () => {
  await Promise.all(opened.splice(0).map((cache) => cache.close()))
})

function open(options: FallbackCacheOptions): FallbackCache {
  const cache = new FallbackCache({
    defaultTtl: 60,
    redisTimeout: 2000,
    circuitBreaker: { cooldown: 0.05 },
    logger: { info: () => {}, warn: () => {} },
    ...options,
  })
  opened.push(cache)
  return cache
}

/** Everything that a process tells Redis. */
async function use(cache: FallbackCache): Promise<void> {
  await cache.set('mine', 1, { tags: ['t'] })
  await cache.getOrSet('made', () => 1)
  await cache.invalidateKey('mine')
  await cache.invalidateTags(['t'])
  await cache.invalidatePrefix('m', { soft: true })
  await cache.get('mine')
}

it('a process that may not use one of the commands hurts none that may', { timeout: 30_000 }, async () => {
  await Promise.all(redisCommands().map((command) => hurtsNone(command)))
})

async function hurtsNone(command: string): Promise<void> {
  const keyPrefix = `no-${command}:`
  const redis = server.url.replace('//', `//${command}:pw@`)
  await server.command('ACL', 'SETUSER', command, 'reset', ...leastRules(keyPrefix, '>pw').split(' '), `-${command}`)
  const life = async () => String(await server.command('GET', `${keyPrefix}{fallback-cache}:head`)).split(' ')[1]
  const healthy = open({ redis: server.url, keyPrefix })
  await until('connected', () => healthy.stats().connected)
  await healthy.set('kept', 'as it was')
  const before = await life()
  for (const less of [open({ redis, keyPrefix }), open({ redis, keyPrefix })]) {
    await until('connected or refused', () => less.stats().connected || less.stats().redisError !== undefined)
    await use(less)
  }
  // Some attempts more.
  await sleep(300)
  expect([command, await healthy.invalidateTags(['u'])]).toMatchObject([command, { durable: true }])
  expect([command, await life()]).toEqual([command, before])
  expect([command, healthy.stats().counters]).toMatchObject([command, { outages: 0, redisErrors: {} }])
  const newcomer = open({ redis: server.url, keyPrefix })
  await until('connected', () => newcomer.stats().connected)
  expect([command, await newcomer.get('kept')]).toEqual([command, 'as it was'])
}
