import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest'
import { FallbackCache } from '../../src/core/fallback-cache.js'
import { RedisServer } from '../support/redis-server.js'
import { ShiftedClock } from '../support/shifted-clock.js'
import { until } from '../support/until.js'
import { valueContract } from './contract.js'

let server: RedisServer
const open: FallbackCache[] = []

beforeAll(async () => {
  server = await RedisServer.start()
})
afterAll(() => server.stop())
beforeEach(() => server.command('FLUSHALL'))
afterEach(async () => {
  await Promise.all(open.splice(0).map((cache) => cache.close()))
})

for (const read of ['redis-first', 'confirmed', 'memory-first'] as const) {
  valueContract(`with Redis, ${read}`, async (options) => {
    const clock = new ShiftedClock()
    const [writer, reader] = [1, 2].map(() => {
      const cache = new FallbackCache({ clock, redis: server.url, redisTimeout: 2000, read, ...options })
      open.push(cache)
      return cache
    }) as [FallbackCache, FallbackCache]
    await until('both are connected', () => writer.stats().connected && reader.stats().connected)
    // Memory-first looks at the log once its lease of a second is over.
    const seen = (): void => clock.advance(read === 'memory-first' ? 1001 : 0)
    return { writer, reader, pass: (ms) => clock.advance(ms), seen }
  })
}
