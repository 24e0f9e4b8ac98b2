import { afterEach, describe, expect, it, vi } from 'vitest'
import { Knowledge } from '../../src/core/coherence/knowledge.js'
import { engineOf, FallbackCache } from '../../src/core/fallback-cache.js'
import { FakeClient } from './fake-client.js'
import { FakeRedis } from './fake-redis.js'
import { Keyspace } from './keyspace.js'
import { Random } from './random.js'
import { ProcessClock, Scheduler } from './scheduler.js'

afterEach(() => {
  vi.restoreAllMocks()
})

describe('a process that was cut off for longer than invalidations are remembered', () => {
  it.each([
    { what: 'an invalidation that is still remembered', invalidatesLater: false },
    { what: 'an invalidation that no process remembers any more', invalidatesLater: true },
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
    const durable = expect.objectContaining({ durable: true })
    expect(done).toEqual([undefined, 'old', durable, ...(invalidatesLater ? [durable] : [])])
    expect([issuer, absent].map(({ cache }) => cache.stats().connected)).toEqual([true, true])
    note(absent.cache.get('k'))
    await scheduler.runUntil(161_000)
    note(issuer.cache.get('k'))
    await scheduler.runUntil(162_000)
    expect(done.slice(-2)).toEqual([null, null])
  })
})

describe('a store that arrives when the tombstone of its key is gone', () => {
  it.each([
    { what: 'evicted', waits: 100 },
    { what: 'expired', waits: 120_000 },
  ])('is refused: the tombstone was $what (C3)', async ({ waits }) => {
    const scheduler = new Scheduler()
    const redis = new FakeRedis(scheduler)
    const random = new Random(1)
    const start = () => {
      const client = new FakeClient(scheduler, redis, random.fork(), { queuesOffline: false, resends: false })
      const clock = new ProcessClock(scheduler, 0, 0)
      return { client, cache: new FallbackCache({ redis: client, clock, defaultTtl: 3600, maxHandlerTime: 10 }) }
    }
    const hold = ({ client }: ReturnType<typeof start>, isHeld: boolean) => {
      client.weather.blocksCommands = isHeld
      client.followWeather()
    }
    const [issuer, writer] = [start(), start()]
    const entry = { staleAt: 2e12, deleteAt: 2e12, body: Buffer.from('"old"') }
    await scheduler.runUntil(1_000)
    const mark = engineOf(writer.cache).mark()
    hold(writer, true)
    const { stored } = engineOf(writer.cache).store('k', entry, mark)
    await scheduler.runUntil(1_001)
    const done: unknown[] = []
    void issuer.cache.invalidateKey('k').then((result) => done.push(result))
    await scheduler.runUntil(1_100)
    redis.execute(['DEL', 'k'].map((word) => Buffer.from(word)))
    await scheduler.runUntil(1_100 + waits)
    hold(writer, false)
    // Records of single keys are let go after a while, when others come.
    for (let at = 150_000; at <= 300_000; at += 50_000) {
      await scheduler.runUntil(at)
      void issuer.cache.invalidateKey('another')
      void writer.cache.invalidateKey('another')
    }
    await scheduler.runUntil(301_000)
    const newcomer = start()
    await scheduler.runUntil(302_000)
    for (const { cache } of [issuer, writer, newcomer]) void cache.get('k').then((value) => done.push(value))
    await scheduler.runUntil(303_000)
    expect({ stored, done }).toEqual({
      stored: true,
      done: [expect.objectContaining({ durable: true }), null, null, null],
    })
  })
})

describe('a key that two processes retire', () => {
  it.each([
    { what: 'sent again in a new life of the log', losesLog: true, retiresBefore: true },
    { what: 'first sent after an outage', losesLog: false, retiresBefore: false },
  ])('serves the later one nothing older, when the tombstone of the earlier one is $what (C2)', async (how) => {
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
    const [earlier, later] = [start(), start()]
    const make = ({ cache }: ReturnType<typeof start>, body: string) =>
      engineOf(cache).store('k', { staleAt: 2e12, deleteAt: 2e12, body: Buffer.from(body) }, engineOf(cache).mark())
    await scheduler.runUntil(1_000)
    if (how.retiresBefore) void engineOf(earlier.cache).retire(['k'])
    await scheduler.runUntil(1_100)
    if (how.retiresBefore) make(earlier, 'old')
    await scheduler.runUntil(1_200)
    cutOff(earlier, true)
    await scheduler.runUntil(2_000)
    if (!how.retiresBefore) void engineOf(earlier.cache).retire(['k'])
    await scheduler.runUntil(2_100)
    if (!how.retiresBefore) make(earlier, 'old')
    if (how.losesLog) {
      const head = redis.keys().find((key) => key.endsWith(':head')) ?? ''
      redis.execute(['DEL', head].map((word) => Buffer.from(word)))
    }
    await scheduler.runUntil(10_000)
    void engineOf(later.cache).retire(['k'])
    await scheduler.runUntil(10_100)
    make(later, 'new')
    await scheduler.runUntil(10_200)
    cutOff(earlier, false)
    await scheduler.runUntil(50_000)
    expect([earlier, later].map(({ cache }) => cache.stats().connected)).toEqual([true, true])
    const found: unknown[] = []
    for (const { cache } of [later, earlier, later]) {
      void Promise.resolve(engineOf(cache).find('k')).then((entry) => found.push(entry?.entry.body.toString()))
      await scheduler.runUntil(scheduler.now + 1_000)
    }
    expect(found).toHaveLength(3)
    expect(found).not.toContain('old')
    make(earlier, 'newest')
    await scheduler.runUntil(scheduler.now + 1_000)
    void Promise.resolve(engineOf(later.cache).find('k')).then((entry) => found.push(entry?.entry.body.toString()))
    await scheduler.runUntil(scheduler.now + 1_000)
    expect(found.at(-1)).toBe('newest')
  })
})

describe('the tombstone of a request', () => {
  it('outlives the removal of invalidated entries, so that a handler of another process leaves nothing behind (C3)', async () => {
    const scheduler = new Scheduler()
    const redis = new FakeRedis(scheduler)
    const random = new Random(1)
    const start = () => {
      const client = new FakeClient(scheduler, redis, random.fork(), { queuesOffline: false, resends: false })
      return new FallbackCache({ redis: client, clock: new ProcessClock(scheduler, 0, 0), defaultTtl: 3600 })
    }
    const [issuer, other] = [start(), start()]
    await scheduler.runUntil(1_000)
    void issuer.clear()
    await scheduler.runUntil(1_100)
    void Promise.resolve(engineOf(other).find('k'))
    await scheduler.runUntil(1_200)
    const mark = engineOf(other).mark()
    void engineOf(issuer).retire(['k'])
    await scheduler.runUntil(20_000)
    expect(redis.keys()).toContain('k')
    engineOf(other).store('k', { staleAt: 2e12, deleteAt: 2e12, body: Buffer.from('late') }, mark)
    await scheduler.runUntil(21_000)
    const found: unknown[] = []
    for (const cache of [issuer, other])
      void Promise.resolve(engineOf(cache).find('k')).then((entry) => found.push(entry))
    await scheduler.runUntil(22_000)
    expect(found).toEqual([undefined, undefined])
  })
})

describe('what a request has retired', () => {
  /** Processes over one Redis, and what they do one after the other. */
  function stage() {
    const scheduler = new Scheduler()
    const redis = new FakeRedis(scheduler)
    const random = new Random(1)
    const start = () => {
      const client = new FakeClient(scheduler, redis, random.fork(), { queuesOffline: false, resends: false })
      const clock = new ProcessClock(scheduler, 0, 0)
      return { client, cache: new FallbackCache({ redis: client, clock, defaultTtl: 3600, maxHandlerTime: 10 }) }
    }
    const store = ({ cache }: ReturnType<typeof start>, body: string, mark = engineOf(cache).mark()) =>
      engineOf(cache).store('k', { staleAt: 2e12, deleteAt: 2e12, body: Buffer.from(body) }, mark)
    const find = async ({ cache }: ReturnType<typeof start>): Promise<string | undefined> => {
      let body: string | undefined
      void Promise.resolve(engineOf(cache).find('k')).then((found) => {
        body = found?.entry.body.toString()
      })
      await scheduler.runUntil(scheduler.now + 100)
      return body
    }
    const evict = () => void redis.execute(['DEL', 'k'].map((word) => Buffer.from(word)))
    return { scheduler, redis, start, store, find, evict }
  }

  it('does not come back to its process with a late handler of another one, once the tombstone was evicted (C3)', async () => {
    const { scheduler, start, store, find, evict } = stage()
    const [issuer, other] = [start(), start()]
    await scheduler.runUntil(1_000)
    const mark = engineOf(other.cache).mark()
    void engineOf(issuer.cache).retire(['k'])
    await scheduler.runUntil(1_100)
    evict()
    store(other, 'late', mark)
    await scheduler.runUntil(1_200)
    expect(await find(issuer)).toBeUndefined()
    store(issuer, 'new')
    await scheduler.runUntil(scheduler.now + 100)
    expect([await find(other), await find(issuer)]).toEqual(['new', 'new'])
  })

  it('does not come back either when that handler had met an earlier tombstone, nor keeps out what is made next', async () => {
    const { scheduler, start, store, find, evict } = stage()
    const [issuer, other] = [start(), start()]
    await scheduler.runUntil(1_000)
    void engineOf(other.cache).retire(['k'])
    await scheduler.runUntil(1_100)
    const mark = engineOf(other.cache).mark()
    void engineOf(issuer.cache).retire(['k'])
    await scheduler.runUntil(1_200)
    evict()
    store(other, 'late', mark)
    await scheduler.runUntil(1_300)
    expect(await find(issuer)).toBeUndefined()
    store(issuer, 'new')
    await scheduler.runUntil(scheduler.now + 100)
    expect([await find(other), await find(issuer)]).toEqual(['new', 'new'])
  })

  it('does not come back with a process that had retired the key before, in an outage longer than a tombstone lives (C2)', async () => {
    const { scheduler, start, store, find } = stage()
    const [absent, issuer] = [start(), start()]
    const cutOff = (isCut: boolean) => {
      Object.assign(absent.client.weather, { blocksCommands: isCut, blocksReplies: isCut })
      absent.client.followWeather()
      if (isCut) absent.client.break(100)
    }
    await scheduler.runUntil(1_000)
    cutOff(true)
    await scheduler.runUntil(2_000)
    void engineOf(absent.cache).retire(['k'])
    await scheduler.runUntil(2_100)
    store(absent, 'old')
    await scheduler.runUntil(10_000)
    void engineOf(issuer.cache).retire(['k'])
    await scheduler.runUntil(60_000)
    cutOff(false)
    await scheduler.runUntil(90_000)
    expect(absent.cache.stats().connected).toBe(true)
    expect([await find(issuer), await find(absent)]).toEqual([undefined, undefined])
    store(absent, 'new')
    await scheduler.runUntil(scheduler.now + 100)
    expect([await find(issuer), await find(absent)]).toEqual(['new', 'new'])
  })

  it('does not come back from the memory of a process that could not write its copy, once Redis has a newer one', async () => {
    const { scheduler, redis, start, store, find } = stage()
    const [issuer, other] = [start(), start()]
    await scheduler.runUntil(1_000)
    redis.setFull(true)
    store(other, 'old')
    await scheduler.runUntil(1_100)
    redis.setFull(false)
    void engineOf(issuer.cache).retire(['k'])
    await scheduler.runUntil(1_200)
    store(issuer, 'new')
    await scheduler.runUntil(1_300)
    expect([await find(other), await find(issuer)]).toEqual(['new', 'new'])
  })

  it('does not come back from memory where Redis has a newer entry that an invalidation by prefix covers', async () => {
    const { scheduler, start, store, find, evict } = stage()
    const [issuer, other] = [start(), start()]
    await scheduler.runUntil(1_100)
    void other.cache.invalidatePrefix('k')
    await scheduler.runUntil(1_110)
    store(other, 'old')
    await scheduler.runUntil(1_120)
    evict()
    // Its place in the log is before that invalidation, which it has not heard of yet.
    const mark = engineOf(issuer.cache).mark()
    void engineOf(issuer.cache).retire(['k'])
    await scheduler.runUntil(1_130)
    store(issuer, 'new', { ...engineOf(issuer.cache).mark(), stamp: mark.stamp })
    await scheduler.runUntil(1_140)
    expect(await find(other)).toBeUndefined()
  })

  it('leaves its tombstone where an entry that came after it is removed as invalidated', async () => {
    const { scheduler, redis, start, store } = stage()
    const issuer = start()
    await scheduler.runUntil(1_000)
    void engineOf(issuer.cache).retire(['k'])
    await scheduler.runUntil(1_100)
    store(issuer, 'new')
    await scheduler.runUntil(1_200)
    void issuer.cache.invalidatePrefix('k')
    await scheduler.runUntil(10_000)
    expect(issuer.cache.stats().counters.swept).toBe(1)
    expect(String(redis.execute(['GET', 'k'].map((word) => Buffer.from(word))))).toMatch(/ 0 0 0 0 0 0 \w{16}\n$/)
  })
})

describe("with read: 'confirmed', a store whose reply came too late", () => {
  it.each([
    { what: 'leaves memory its entry (C6)', size: 10, isReplaced: false },
    { what: 'leaves memory a large entry (C6)', size: 20_000, isReplaced: false },
    { what: 'leaves memory nothing replaced (C11)', size: 10, isReplaced: true },
  ])('$what', async ({ size, isReplaced }) => {
    const scheduler = new Scheduler()
    const redis = new FakeRedis(scheduler)
    const random = new Random(1)
    const client = new FakeClient(scheduler, redis, random, { queuesOffline: false, resends: false })
    const clock = new ProcessClock(scheduler, 0, 0)
    const cache = new FallbackCache({ redis: client, clock, defaultTtl: 3600, read: 'confirmed' })
    const command = (...words: (string | Buffer)[]) => redis.execute(words.map((word) => Buffer.from(word)))
    const body = Buffer.alloc(size, 'a')
    await scheduler.runUntil(1_000)
    client.weather.blocksReplies = true
    client.followWeather()
    engineOf(cache).store('k', { staleAt: 2e12, deleteAt: 2e12, body }, engineOf(cache).mark())
    await scheduler.runUntil(1_100)
    client.weather.blocksReplies = false
    client.followWeather()
    await scheduler.runUntil(1_500)
    expect(cache.stats().pendingWrites).toBe(1)
    if (isReplaced) command('SET', 'k', String(command('GET', 'k')).replace(/a$/, 'b'))
    await scheduler.runUntil(4_000)
    expect(cache.stats()).toMatchObject({ connected: true, pendingWrites: 0 })
    command('DEL', 'k')
    const found: unknown[] = []
    void Promise.resolve(engineOf(cache).find('k')).then((got) => found.push(got?.entry.body.length))
    await scheduler.runUntil(5_000)
    expect(found).toEqual([isReplaced ? undefined : size])
  })
})

describe('a flush of a server whose clock was set back', () => {
  it.each([
    { what: 'with a restart', restarts: true, knowsRun: true },
    { what: 'while it ran', restarts: false, knowsRun: true },
    { what: 'while it ran, and its run is not known', restarts: false, knowsRun: false },
  ])('is an order also when a process that is new begins the log again: $what (C7)', async ({ restarts, knowsRun }) => {
    const scheduler = new Scheduler()
    const redis = new FakeRedis(scheduler)
    redis.permitsInfo = knowsRun
    const random = new Random(1)
    const start = () => {
      const client = new FakeClient(scheduler, redis, random.fork(), { queuesOffline: false, resends: false })
      const cache = new FallbackCache({ redis: client, clock: new ProcessClock(scheduler, 0, 0), defaultTtl: 3600 })
      return { client, cache }
    }
    const { client, cache } = start()
    await scheduler.runUntil(1_000)
    if (restarts) {
      const keyspace = redis.snapshot()
      redis.stop()
      client.break(50)
      await scheduler.runUntil(1_100)
      redis.start(keyspace, -60_000)
    } else redis.setClock(-60_000)
    await scheduler.runUntil(10_000)
    void cache.set('k', 'old')
    await scheduler.runUntil(10_100)
    expect([cache.stats().connected, redis.keys().includes('k')]).toEqual([true, true])
    redis.execute([Buffer.from('FLUSHALL')])
    const newcomer = start()
    await scheduler.runUntil(10_150)
    expect(newcomer.cache.stats().connected).toBe(true)
    const found: unknown[] = []
    void cache.get('k').then((value) => found.push(value))
    await scheduler.runUntil(15_000)
    void newcomer.cache.get('k').then((value) => found.push(value))
    await scheduler.runUntil(15_100)
    expect(found).toEqual([null, null])
    expect(cache.stats().connected).toBe(true)
  })
})

describe('a process that was cut off over two lives of the log', () => {
  it('drops what the first of them may have invalidated, if the log lost that (C1, C8)', async () => {
    const scheduler = new Scheduler()
    const redis = new FakeRedis(scheduler)
    const random = new Random(1)
    const start = () => {
      const client = new FakeClient(scheduler, redis, random.fork(), { queuesOffline: false, resends: false })
      const cache = new FallbackCache({ redis: client, clock: new ProcessClock(scheduler, 0, 0), defaultTtl: 3600 })
      return { client, cache }
    }
    const evict = async (part: string) => {
      redis.execute([Buffer.from('DEL'), Buffer.from(redis.keys().find((key) => key.endsWith(part)) ?? '')])
      await scheduler.runUntil(scheduler.now + 10_000)
    }
    const [absent, issuer] = [start(), start()]
    await scheduler.runUntil(1_000)
    void absent.cache.set('k', 'old')
    await scheduler.runUntil(1_100)
    Object.assign(absent.client.weather, { blocksCommands: true, blocksReplies: true })
    absent.client.break(100)
    const done: unknown[] = []
    void issuer.cache.invalidateKey('k').then(({ durable }) => done.push(durable))
    await scheduler.runUntil(1_200)
    // The only process that knows of it ends; one that is new can only note that something was lost.
    issuer.client.kill()
    const second = start()
    await evict(':log')
    second.client.kill()
    await evict(':marks')
    Object.assign(absent.client.weather, { blocksCommands: false, blocksReplies: false })
    absent.client.followWeather()
    await scheduler.runUntil(scheduler.now + 20_000)
    const other = start()
    await scheduler.runUntil(scheduler.now + 1_000)
    expect([absent, other].map(({ cache }) => cache.stats().connected)).toEqual([true, true])
    for (const { cache } of [absent, other]) {
      void cache.get('k').then((value) => done.push(value))
      await scheduler.runUntil(scheduler.now + 100)
    }
    expect(done).toEqual([true, null, null])
  })
})

describe('a backup from before a flush, on a server whose clock had been set back', () => {
  it.each([
    { what: 'is told by the lives that a process has left', knowsLives: true },
    { what: 'is believed without knowledge of those lives', knowsLives: false },
  ])('$what', async ({ knowsLives }) => {
    if (!knowsLives) vi.spyOn(Knowledge.prototype, 'hasLeft').mockReturnValue(false)
    const scheduler = new Scheduler()
    const redis = new FakeRedis(scheduler)
    const random = new Random(1)
    const start = () => {
      const client = new FakeClient(scheduler, redis, random.fork(), { queuesOffline: false, resends: false })
      const cache = new FallbackCache({ redis: client, clock: new ProcessClock(scheduler, 0, 0), defaultTtl: 3600 })
      return { client, cache }
    }
    const restart = async (keyspace: Keyspace, skew: number) => {
      redis.stop()
      client.break(50)
      await scheduler.runUntil(scheduler.now + 100)
      redis.start(keyspace, skew)
      await scheduler.runUntil(scheduler.now + 10_000)
    }
    const { client, cache } = start()
    await scheduler.runUntil(1_000)
    await restart(redis.snapshot(), -60_000)
    void cache.set('k', 'old')
    await scheduler.runUntil(scheduler.now + 100)
    const backup = redis.snapshot()
    // A flush is an order; a process that is new begins a life of the log whose positions are before all known ones.
    redis.execute([Buffer.from('FLUSHALL')])
    const newcomer = start()
    await scheduler.runUntil(scheduler.now + 50)
    newcomer.client.kill()
    await scheduler.runUntil(scheduler.now + 5_000)
    expect([cache.stats().connected, redis.keys().includes('k')]).toEqual([true, false])
    // The backup is loaded into the running server, so that the name of its run does not tell.
    vi.spyOn(FakeRedis.prototype, 'runName', 'get').mockReturnValue(redis.runName)
    await restart(backup, 0)
    expect(cache.stats().connected).toBe(true)
    const found: unknown[] = []
    void cache.get('k').then((value) => found.push(value))
    await scheduler.runUntil(scheduler.now + 1_000)
    expect(found).toEqual([knowsLives ? null : 'old'])
  })
})
