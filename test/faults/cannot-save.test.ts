import { mkdirSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { FallbackCache } from '../../src/core/fallback-cache.js'
import { RedisServer } from '../support/redis-server.js'
import { until } from '../support/until.js'

it('MISCONF: a Redis that cannot save is read, and hears of what was invalidated once it can', async () => {
  const server = await RedisServer.start()
  const kinds: unknown[] = []
  const logger = { info: () => {}, warn: ({ kind }: { readonly kind?: unknown }) => void kinds.push(kind) }
  const open = (): FallbackCache => new FallbackCache({ redis: server.url, defaultTtl: 60, redisTimeout: 2000, logger })
  const [cache, other] = [open(), open()]
  const blocker = join(server.directory, 'dump.rdb')
  const saves = async (state: 'ok' | 'err') =>
    until(`saving: ${state}`, async () => {
      await server.command('BGSAVE').catch(() => {})
      return String(await server.command('INFO', 'persistence')).includes(`rdb_last_bgsave_status:${state}`)
    })
  try {
    await until('connected', () => cache.stats().connected && other.stats().connected)
    await cache.set('k', 'old')
    await other.get('k')
    // A folder where the file should be: the disk is as good as full.
    mkdirSync(blocker)
    await server.command('CONFIG', 'SET', 'save', '3600 1')
    await saves('err')
    for (let index = 0; index < 5; index++) await cache.set(`k${index}`, index)
    expect(cache.stats()).toMatchObject({ connected: true, redisError: expect.stringMatching(/^MISCONF /) })
    expect([await cache.get('k'), await cache.get('k4'), kinds]).toEqual(['old', 4, ['MISCONF']])
    expect(await cache.invalidateKey('k')).toMatchObject({ durable: false })
    expect(await cache.get('k')).toBe(null)
    rmdirSync(blocker)
    await saves('ok')
    await until('told', async () => (await other.get('k')) === null && cache.stats().pendingInvalidations === 0)
    await until('over', async () => {
      await cache.set('after', 1)
      return cache.stats().connected && cache.stats().redisError === undefined
    })
    await until('written back', async () => (await other.get('k4')) === 4)
  } finally {
    await Promise.all([cache.close(), other.close()])
    await server.stop()
  }
}, 30_000)
