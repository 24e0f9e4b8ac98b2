import { describe, expect, it } from 'vitest'
import { FallbackCache } from '../../src/core/fallback-cache.js'
import { FakeClient } from './fake-client.js'
import { FakeRedis } from './fake-redis.js'
import { Keyspace } from './keyspace.js'
import { Random } from './random.js'
import { ProcessClock, Scheduler } from './scheduler.js'

describe('a process that was cut off for longer than invalidations are remembered', () => {
  it.each([
    { what: 'an invalidation that is still remembered', invalidatesLater: false },
    { what: 'an invalidation that nobody remembers any more', invalidatesLater: true },
  ])('serves nothing that $what covered, once Redis came back empty (C1, C8)', async ({ invalidatesLater }) => {
    const scheduler = new Scheduler()
    const redis = new FakeRedis(scheduler)
    const random = new Random(1)
    const start = () => {
      const client = new FakeClient(scheduler, redis, random.fork(), { queuesOffline: false, resends: false })
      const clock = new ProcessClock(scheduler, 0, 0)
      return { client, cache: new FallbackCache({ redis: client, clock, defaultTtl: 3600 }) }
    }
    const cutOff = ({ client }: ReturnType<typeof start>, isCut: boolean) => {
      Object.assign(client.weather, { blocksCommands: isCut, blocksReplies: isCut })
      client.followWeather()
      if (isCut) client.break(100)
    }
    const done: unknown[] = []
    const note = (result: Promise<unknown>) => void result.then((value) => done.push(value))
    const [issuer, absent] = [start(), start()]
    await scheduler.runUntil(1_000)
    note(issuer.cache.set('k', 'old'))
    await scheduler.runUntil(1_100)
    note(absent.cache.get('k'))
    await scheduler.runUntil(1_200)
    cutOff(absent, true)
    await scheduler.runUntil(2_000)
    note(issuer.cache.invalidateKey('k'))
    await scheduler.runUntil(70_000)
    if (invalidatesLater) note(issuer.cache.invalidateKey('another'))
    await scheduler.runUntil(80_000)
    redis.stop()
    issuer.client.break(50)
    await scheduler.runUntil(81_000)
    redis.start(new Keyspace(), 0)
    await scheduler.runUntil(115_000)
    cutOff(absent, false)
    await scheduler.runUntil(160_000)
    const durable = { durable: true }
    expect(done).toEqual([undefined, 'old', durable, ...(invalidatesLater ? [durable] : [])])
    expect([issuer, absent].map(({ cache }) => cache.stats().connected)).toEqual([true, true])
    note(absent.cache.get('k'))
    await scheduler.runUntil(161_000)
    note(issuer.cache.get('k'))
    await scheduler.runUntil(162_000)
    expect(done.slice(-2)).toEqual([null, null])
  })
})
