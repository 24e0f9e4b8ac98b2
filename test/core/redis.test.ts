import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../src/core/clock.js'
import { Changes, changeName } from '../../src/core/coherence/changes.js'
import { engineOf, FallbackCache } from '../../src/core/fallback-cache.js'
import type { FallbackCacheOptions } from '../../src/core/options.js'
import { IoredisPort } from '../../src/core/tiers/ioredis-port.js'
import { ChaosProxy } from '../support/chaos-proxy.js'
import { freePort } from '../support/free-port.js'
import { ManualClock } from '../support/manual-clock.js'
import { RedisServer } from '../support/redis-server.js'
import { ShiftedClock } from '../support/shifted-clock.js'
import { until } from '../support/until.js'

let server: RedisServer
const caches: FallbackCache[] = []
const clients: Redis[] = []

beforeAll(async () => {
  server = await RedisServer.start()
})
afterAll(() => server.stop())
beforeEach(() => server.command('FLUSHALL'))
afterEach(async () => {
  await Promise.all(caches.splice(0).map((cache) => cache.close()))
  for (const client of clients.splice(0)) client.disconnect()
})

/** A cache as one process has it. Deadlines are long: what is looked at here is not how fast the machine is. */
function make(options: FallbackCacheOptions = {}): FallbackCache {
  const cache = new FallbackCache({ redis: server.url, redisTimeout: 2000, ...options })
  caches.push(cache)
  return cache
}

async function connected(...list: readonly FallbackCache[]): Promise<void> {
  for (const cache of list) await until('connected', () => cache.stats().connected)
}

async function client(): Promise<Redis> {
  const made = new Redis(server.url)
  clients.push(made)
  await once(made, 'ready')
  return made
}

describe('a small value that memory holds', () => {
  it('gives way to what another process stored in the same millisecond with the same bytes and other fields', async () => {
    const clock = new ManualClock(Date.now())
    const now = clock.now()
    const [a, b] = [make({ clock }), make({ clock })]
    await connected(a, b)
    const entry = { storedAt: now, staleAt: now + 60_000, deleteAt: now + 60_000, body: Buffer.from('page') }
    for (const [cache, meta] of [
      [a, 'of a'],
      [b, 'of b'],
    ] as const) {
      await engineOf(cache).store('k', { ...entry, meta }, engineOf(cache).mark()).written
    }
    for (const cache of [a, b]) expect((await engineOf(cache).find('k'))?.entry.meta).toBe('of b')
  })
})

describe('a value that another process has replaced', () => {
  it.each(['changes', 'log'])('is not used again when Redis has lost the newer one and the %s (C11)', async (lost) => {
    const [a, b] = [make({ read: 'confirmed' }), make({ read: 'confirmed' })]
    await connected(a, b)
    await a.set('k', 'old')
    expect(await b.get('k')).toBe('old')
    await a.set('k', 'new')
    // It learns of the change together with another read.
    expect(await b.get('other')).toBe(null)
    if (lost === 'log') await a.close()
    const { gaps } = b.stats().changes
    // By chance it reads the notes between two of these commands, and misses none.
    while (b.stats().changes.gaps === gaps) {
      if (lost === 'changes') await a.set('another', 1)
      await server.command('UNLINK', 'k', `{fallback-cache}:${lost}`)
      if (lost === 'changes') await a.set('another', 2)
      else await b.invalidateTags(['other'])
      await connected(b)
      expect(await b.get('other')).toBe(null)
    }
    expect(await b.get('k')).toBe(null)
    expect(await server.command('EXISTS', 'k')).toBe(0)
  })
})

it('C11: a value is not used again when Redis has lost its successor, but not the note of that, among others', async () => {
  const [a, b] = [make({ read: 'confirmed' }), make({ read: 'confirmed' })]
  await connected(a, b)
  await a.set('k', 'old')
  expect(await b.get('k')).toBe('old')
  await a.set('another', 1)
  await server.command('UNLINK', '{fallback-cache}:changes')
  await a.set('k', 'new')
  await server.command('UNLINK', 'k')
  expect(await b.get('k')).toBe(null)
})

it('C11: a value whose reply later ones have overtaken is known to be replaced, also after a gap in the changes', async () => {
  const changes = new Changes(new IoredisPort(await client()), '', systemClock)
  const head = (count: number) => `1 life 5 nonce 0 0 run c${count}`
  const note = async (count: number, key: string) => {
    const text = String(count).padStart(8, '0') + changeName('life', key)
    await server.command('SETRANGE', '{fallback-cache}:changes', String(count * 16 - 16), text)
  }
  await changes.follow(head(5), systemClock.monotonic())
  await note(6, 'another')
  await note(8, 'k')
  await note(9, 'another')
  await changes.follow(head(9), systemClock.monotonic())
  expect(changes.stats().gaps).toBe(1)
  const [overtaken, last] = [changes.placeOf(head(6)), changes.placeOf(head(9))]
  expect([overtaken, last].map((place) => changes.judge('k', place ?? 0))).toEqual(['replaced', 'current'])
  expect(changes.judge('any', overtaken ?? 0)).toBe('unknown')
})

describe('a large value that memory holds', () => {
  const large = 'x'.repeat(100_000)

  /** Bytes that Redis sends while something is done. */
  async function sent(act: () => Promise<unknown>): Promise<number> {
    const before = await outputBytes()
    await act()
    return (await outputBytes()) - before
  }

  async function outputBytes(): Promise<number> {
    const info = String(await server.command('INFO', 'stats'))
    return Number(/total_net_output_bytes:(\d+)/.exec(info)?.[1])
  }

  it('is confirmed by Redis, and not sent once more', async () => {
    const [a, b] = [make(), make()]
    await connected(a, b)
    await a.set('k', large)
    expect(await sent(() => b.get('k'))).toBeGreaterThan(100_000)
    for (const cache of [a, b]) {
      const hits = cache.stats().counters.redisHits
      expect(await sent(async () => expect(await cache.get('k')).toBe(large))).toBeLessThan(20_000)
      expect(cache.stats().counters.redisHits).toBe(hits + 1)
    }
  })

  it('is read again once another process has stored another one', async () => {
    const [a, b] = [make(), make()]
    await connected(a, b)
    await a.set('k', large)
    await b.get('k')
    await b.set('k', `${large}y`)
    expect(await a.get('k')).toBe(`${large}y`)
    await b.set('k', 'small')
    expect(await a.get('k')).toBe('small')
  })

  it.each(['redis-first', 'confirmed'] as const)(
    'is not sent again if memory evicts it while it is confirmed, %s',
    async (mode) => {
      const proxy = await ChaosProxy.start({ port: server.port })
      const [a, b] = [make({ redis: proxy.url, read: mode, maxEntries: 2 }), make({ read: mode })]
      await connected(a, b)
      await a.set('large', large)
      await a.set('small', 'old')
      expect([await a.get('large'), await a.get('small')]).toEqual([large, 'old'])
      await b.set('small', 'new')
      const asks = mode === 'confirmed' ? /MGET.*small/s : /GETRANGE.*large/s
      const engine = engineOf(a)
      let evicted = 0
      proxy.filter((_direction, chunk) => {
        if (!asks.test(chunk.toString('latin1'))) return 'pass'
        evicted++
        const now = engine.clock.now()
        const entry = { staleAt: now + 60_000, deleteAt: now + 60_000, body: Buffer.from('page') }
        for (const key of ['other', 'another']) engine.store(key, entry, engine.mark())
        return 'pass'
      })
      const read = async () => expect(await Promise.all([a.get('large'), a.get('small')])).toEqual([large, 'new'])
      expect(await sent(read)).toBeLessThan(20_000)
      expect(evicted).toBe(1)
      await proxy.close()
    },
  )

  it('is not used once another process has invalidated it, by key, prefix or tag', async () => {
    const [a, b] = [make(), make()]
    await connected(a, b)
    const invalidations = [() => b.delete('k'), () => b.invalidatePrefix('k'), () => b.invalidateTags(['t'])]
    for (const invalidate of invalidations) {
      await a.set('k', large, { tags: ['t'] })
      expect(await a.get('k')).toBe(large)
      await invalidate()
      expect(await a.get('k')).toBeNull()
    }
  })

  it('answers when Redis has lost it, and when another program has put something of another kind there', async () => {
    const cache = make()
    await connected(cache)
    await cache.set('k', large)
    await server.command('DEL', 'k')
    expect(await cache.get('k')).toBe(large)
    await server.command('RPUSH', 'k', 'list')
    expect(await cache.get('k')).toBe(large)
    await server.command('DEL', 'k')
    await server.command('SET', 'k', 'foreign')
    expect(await cache.get('k')).toBe(large)
  })

  it('is sent after all to a memory that has let it go, and to readers one of whom has it', async () => {
    const cache = make({ maxEntries: 1 })
    await connected(cache)
    await cache.set('k', large)
    await cache.set('other', 1)
    const values = await Promise.all([cache.get('k'), cache.get('k')])
    expect(values).toEqual([large, large])
  })
})

function many(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `many:${index}`)
}

async function fill(cache: FallbackCache, count: number): Promise<void> {
  for (const key of many(count)) await cache.set(key, 1)
  await until('all there', async () => Number(await server.command('EXISTS', ...many(count))) === count)
}

describe('FallbackCache and the rest of the database', () => {
  it('touches nothing that is not its own, for any prefix that it is told to clear', async () => {
    await server.command('SET', 'other', 'text')
    await server.command('SET', 'shop', 'text')
    await server.command('SET', 'shopping:list', 'text')
    await server.command('RPUSH', 'shop:queue', 'job')
    await server.command('SET', 'shop:foreign', 'text')
    const cache = make({ keyPrefix: 'shop:' })
    await cache.set('mine', 1)
    await cache.invalidatePrefix('')
    await cache.clear()
    await cache.delete('unknown')
    await until('swept', () => cache.stats().counters.swept > 0)
    expect(await server.command('MGET', 'other', 'shop', 'shopping:list', 'shop:foreign', 'shop:mine')).toEqual([
      'text',
      'text',
      'text',
      'text',
      null,
    ])
    expect(await server.command('LLEN', 'shop:queue')).toBe(1)
  })

  it('touches nothing of others without a key prefix either', async () => {
    await server.command('SET', 'other', 'text')
    await server.command('HSET', 'hash', 'field', 'value')
    const cache = make()
    await cache.set('mine', 1)
    await cache.clear()
    await until('swept', () => cache.stats().counters.swept > 0)
    expect(await server.command('GET', 'other')).toBe('text')
    expect(await server.command('HGET', 'hash', 'field')).toBe('value')
  })

  it('leaves the sweep to others when it is closed in the middle of it', async () => {
    const [closing, other] = [make(), make()]
    await connected(closing, other)
    await fill(closing, 3000)
    await closing.invalidatePrefix('many:')
    await until('begun', () => closing.stats().counters.swept > 0, { every: 1 })
    await closing.close()
    const left = await server.command('DBSIZE')
    expect(left).toBeGreaterThan(1000)
    expect(await server.command('EXISTS', '{fallback-cache}:sweep')).toBe(0)
    await other.invalidatePrefix('many:')
    await until('swept', async () => Number(await server.command('EXISTS', ...many(3000))) === 0)
  })

  it('goes on sweeping when Redis has been frozen in the middle of it', async () => {
    const cache = make({ redisTimeout: 100 })
    await connected(cache)
    await fill(cache, 3000)
    await cache.invalidatePrefix('many:')
    await until('begun', () => cache.stats().counters.swept > 0, { every: 1 })
    server.freeze()
    await sleep(300)
    server.resume()
    expect(Number(await server.command('EXISTS', ...many(3000)))).toBeGreaterThan(1000)
    await until('swept', async () => Number(await server.command('EXISTS', ...many(3000))) === 0, { timeout: 15_000 })
  })

  it('keeps caches with different prefixes apart, on one client too', async () => {
    const redis = await client()
    const [a, b] = [make({ redis, keyPrefix: 'a:' }), make({ redis, keyPrefix: 'b:' })]
    await a.set('k', 'a')
    await b.set('k', 'b')
    await a.clear()
    expect([await a.get('k'), await b.get('k')]).toEqual([null, 'b'])
    await a.close()
    await b.set('k', 'still')
    expect(await b.get('k')).toBe('still')
    expect(redis.status).toBe('ready')
  })

  it('takes no characters of the key prefix for a pattern when it sweeps', async () => {
    const cache = make({ keyPrefix: 'a*[b]?\\' })
    const other = make({ keyPrefix: 'aXb' })
    await cache.set('k', 1)
    await other.set('k', 1)
    await cache.clear()
    await until('swept', () => cache.stats().counters.swept > 0)
    expect(await other.get('k')).toBe(1)
    expect(cache.stats().counters.swept).toBe(1)
  })

  it('leaves no listener on a client that was handed in, and does not end it', async () => {
    const redis = await client()
    const count = (): number => redis.eventNames().reduce((sum, name) => sum + redis.listenerCount(name), 0)
    const before = count()
    const cache = make({ redis })
    await connected(cache)
    expect(count()).toBeGreaterThan(before)
    await cache.close()
    expect(count()).toBe(before)
    expect(await redis.exists('k')).toBe(0)
  })
})

describe('FallbackCache and what it finds in Redis', () => {
  it('warms memory with the lifetime that remains', async () => {
    const clock = new ShiftedClock()
    const first = make({ clock })
    await first.set('k', 'v', 1000)
    clock.advance(600_000)
    const second = make({ clock })
    expect(await second.get('k')).toBe('v')
    expect(second.stats()).toMatchObject({ entries: 1, counters: { redisHits: 1 } })
    await server.command('DEL', 'k')
    expect(await second.get('k')).toBe('v')
    expect(second.stats().counters.memoryHits).toBe(1)
    clock.advance(400_000)
    expect(await second.get('k')).toBeNull()
  })

  it('lets an entry expire in Redis with its lifetime', async () => {
    const cache = make()
    await cache.set('k', 1, 100)
    const left = Number(await server.command('PTTL', 'k'))
    expect(left).toBeGreaterThan(90_000)
    expect(left).toBeLessThanOrEqual(100_000)
  })

  it.each<[string, (frame: Buffer) => Buffer]>([
    ['nothing', () => Buffer.alloc(0)],
    ['text', () => Buffer.from('hello')],
    ['JSON of the Python original', () => Buffer.from('{"a": 1}')],
    ['random bytes', () => Buffer.from([0x80, 0x00, 0xff, 0x0a, 0xc3])],
    ['a frame cut short', (frame) => frame.subarray(0, frame.length - 1)],
    ['a frame cut in its first line', (frame) => frame.subarray(0, 30)],
    ['a frame of a later version', (frame) => Buffer.from(frame.toString('latin1').replace('/1', '/2'), 'latin1')],
    ['two frames', (frame) => Buffer.concat([frame, frame])],
  ])('calls %s a miss, and counts it', async (_what, change) => {
    const writer = make()
    await writer.set('k', { a: 1 })
    const frame = (await server.commandBuffer('GET', 'k')) as Buffer
    await server.command('SET', 'k', change(frame))
    const reader = make()
    expect(await reader.get('k')).toBeNull()
    expect(reader.stats()).toMatchObject({
      circuitBreakerFailureCount: 0,
      connected: true,
      counters: { foreignEntries: 1, misses: 1, redisErrorReplies: 0 },
    })
    await reader.set('k', 2)
    expect(await writer.get('k')).toBe(2)
  })

  it.each([
    ['a list', ['RPUSH', 'k', 'a']],
    ['a hash', ['HSET', 'k', 'a', 'b']],
    ['a stream', ['XADD', 'k', '*', 'a', 'b']],
  ])('calls %s a miss, and replaces it by the next value', async (_what, [name = '', ...args]) => {
    await server.command(name, ...args)
    const cache = make()
    expect(await cache.get('k')).toBeNull()
    expect(await cache.getOrSet('other', () => 1)).toBe(1)
    await cache.set('k', 1)
    const reader = make()
    expect(await reader.get('k')).toBe(1)
    expect(cache.stats()).toMatchObject({ circuitBreakerState: 'closed', circuitBreakerFailureCount: 0 })
  })

  it('deletes a key of another type without a fault, and calls it nothing', async () => {
    await server.command('RPUSH', 'k', 'a')
    const cache = make()
    expect(await cache.delete('k')).toBe(false)
    expect(cache.stats().counters.redisErrorReplies).toBe(0)
  })

  it('reads a key once, however many ask in one turn, and several keys in one command', async () => {
    const cache = make()
    await connected(cache)
    await cache.set('a', 1)
    await server.command('CONFIG', 'RESETSTAT')
    const values = await Promise.all(['a', 'b', 'a', 'c', 'a'].map((key) => cache.get(key)))
    expect(values).toEqual([1, null, 1, null, 1])
    expect(await server.commandCounts()).toMatchObject({ mget: 1 })
    expect((await server.commandCounts()).get).toBeUndefined()
  })

  it('mends a log whose head another program overwrote', async () => {
    const cache = make()
    await cache.set('k', 1)
    await server.command('SET', '{fallback-cache}:head', 'hello')
    await cache.get('k')
    await until('connected again', async () => {
      await cache.get('k')
      return cache.stats().connected
    })
    await cache.set('k', 2)
    const reader = make()
    expect(await reader.get('k')).toBe(2)
    await server.command('DEL', '{fallback-cache}:head')
    await server.command('RPUSH', '{fallback-cache}:head', 'hello')
    await until('connected once more', async () => {
      await cache.get('k')
      return cache.stats().connected && (await server.command('TYPE', '{fallback-cache}:head')) === 'string'
    })
  })
})

describe('values that are too large for Redis', () => {
  const large = 'x'.repeat(5000)

  it('stay in memory, are not sent, and are counted', async () => {
    const cache = make({ maxRedisBytes: 1000 })
    await cache.set('k', large)
    expect(await cache.get('k')).toBe(large)
    expect(await server.command('EXISTS', 'k')).toBe(0)
    expect(cache.stats().counters.tooLargeForRedis).toBe(1)
  })

  it('take the smaller one that they replace out of Redis', async () => {
    const [writer, reader] = [make({ maxRedisBytes: 1000 }), make()]
    await writer.set('k', 'small')
    await writer.set('k', large)
    expect(await writer.get('k')).toBe(large)
    expect(await reader.get('k')).toBeNull()
  })

  it('give way to what another process stores later', async () => {
    const [a, b] = [make({ maxRedisBytes: 1000 }), make({ maxRedisBytes: 1000 })]
    await a.set('k', large)
    await b.set('k', 'newer')
    expect(await a.get<string>('k')).toHaveLength(5)
  })

  it('are made by every process for itself, not by one after the other', async () => {
    const processes = [make({ maxRedisBytes: 1000 }), make({ maxRedisBytes: 1000 }), make({ maxRedisBytes: 1000 })]
    await connected(...processes)
    let running = 0
    let together = 0
    const compute = async (): Promise<string> => {
      together = Math.max(together, ++running)
      await sleep(300)
      running--
      return large
    }
    await processes[0]?.getOrSet('k', compute)
    await Promise.all(processes.slice(1).map((cache) => cache.getOrSet('k', compute)))
    expect(together).toBe(2)
  })
})

describe('getOrSet among processes', () => {
  it('makes a value once, and gives it to all', async () => {
    const processes = [make(), make(), make()]
    await connected(...processes)
    let runs = 0
    const compute = async (): Promise<number> => {
      await sleep(100)
      return ++runs
    }
    expect(await Promise.all(processes.map((cache) => cache.getOrSet('k', compute)))).toEqual([1, 1, 1])
  })

  it('lets the next one try when the first one fails, and the error goes to those who asked there', async () => {
    const [a, b] = [make(), make()]
    await connected(a, b)
    let isRunning = false
    const failing = a.getOrSet('k', async () => {
      isRunning = true
      await sleep(100)
      throw new Error('no')
    })
    await until('the first one to run', () => isRunning || undefined)
    const other = b.getOrSet('k', () => 'made')
    await expect(failing).rejects.toThrow('no')
    expect(await other).toBe('made')
  })

  it('does not wait for an entry that bears the name of a turn', async () => {
    const cache = make()
    await cache.set('k#turn', 'a value')
    const startedAt = performance.now()
    expect(await cache.getOrSet('k', () => 1)).toBe(1)
    expect(performance.now() - startedAt).toBeLessThan(1500)
    expect(await cache.get('k#turn')).toBe('a value')
  })
})

describe('a Redis that takes nothing', () => {
  it('is asked less and less often to take what it refused', async () => {
    const cache = make()
    await connected(cache)
    await server.command('CONFIG', 'SET', 'maxmemory', '1')
    try {
      for (let index = 0; index < 10; index++) await cache.set(`k${index}`, index)
      await server.command('CONFIG', 'RESETSTAT')
      await sleep(4200)
      // After one second and three, not after each.
      expect((await server.commandCounts()).evalsha).toBe(20)
      expect(await cache.get('k3')).toBe(3)
      expect(cache.stats()).toMatchObject({ connected: true, circuitBreakerFailureCount: 0 })
    } finally {
      await server.command('CONFIG', 'SET', 'maxmemory', '0')
    }
    await until('written', async () => (await server.command('EXISTS', 'k3')) === 1)
  })
})

describe('starting and ending', () => {
  it('keeps what is set at once, before there is a connection, in both tiers', async () => {
    const first = make()
    await first.set('old', 1)
    await first.clear()
    const cache = make()
    await cache.set('k', 1)
    expect(await cache.get('k')).toBe(1)
    expect(await first.get('k')).toBe(1)
  })

  it('applies what is not awaited before there is a connection in the order of the calls', async () => {
    const cache = make()
    const value = { n: 1 }
    const calls = [cache.set('k', value), cache.set('other', value), cache.invalidatePrefix('k')]
    value.n = 2
    await Promise.all(calls)
    expect(await cache.get('k')).toBeNull()
    expect(await cache.get('other')).toEqual({ n: 1 })
    const reader = make()
    expect(await reader.get('k')).toBeNull()
  })

  it('tells Redis of what a program invalidates that ends at once, when there is a connection', async () => {
    const proxy = await ChaosProxy.start({ port: server.port })
    const reader = make()
    await connected(reader)
    await reader.set('k', 1)
    proxy.hold()
    const script = make({ redis: proxy.url, redisTimeout: 50 })
    expect(await script.invalidatePrefix('k')).toMatchObject({ durable: false })
    const closed = script.close()
    await sleep(1_200)
    await proxy.restore()
    await closed
    expect(await reader.get('k')).toBeNull()
    await proxy.close()
  })

  it('waits for the acknowledgement of what was invalidated just before it is closed', async () => {
    const cache = make()
    await connected(cache)
    const told = Promise.all([cache.invalidateTags(['a']), cache.invalidatePrefix('b:'), cache.clear()])
    await cache.close()
    expect(cache.stats().pendingInvalidations).toBe(0)
    for (const receipt of await told) expect(receipt).toMatchObject({ durable: true })
  })

  it('warns of invalidations that are lost when it is closed', async () => {
    const proxy = await ChaosProxy.start({ port: server.port })
    const said: unknown[] = []
    const cache = make({ redis: proxy.url, logger: { info: () => {}, warn: (_, message) => said.push(message) } })
    await connected(cache)
    await proxy.refuse()
    await cache.invalidatePrefix('k')
    await cache.close()
    expect(said.at(-1)).toBe(
      'fallback-cache: closed while Redis could not be used: an invalidation has not reached the other processes, and is lost: set journalFile, or repeat what is not durable',
    )
    await proxy.close()
  })

  it('says of a journal file that cannot be written, once, that what waits for Redis may be lost', async () => {
    const proxy = await ChaosProxy.start({ port: server.port })
    const folder = mkdtempSync(join(tmpdir(), 'fallback-cache-journal-'))
    const journalFile = join(folder, 'journal')
    const said: string[] = []
    const cache = make({
      redis: proxy.url,
      journalFile,
      logger: { info: () => {}, warn: (_, message) => said.push(message) },
    })
    await connected(cache)
    await proxy.refuse()
    rmSync(journalFile)
    mkdirSync(journalFile)
    for (const prefix of ['a', 'b']) await cache.invalidatePrefix(prefix)
    await cache.close()
    expect(said.filter((line) => line.includes('the journalFile has failed'))).toEqual([
      expect.stringContaining('may lack invalidations that wait for Redis: EISDIR'),
    ])
    expect(said.at(-1)).toContain('2 invalidations have not reached the other processes, and are lost')
    await proxy.close()
    rmSync(folder, { recursive: true })
  })

  it('can be closed before there is a connection, during recovery and twice', async () => {
    for (let waits = 0; waits < 8; waits++) {
      const cache = make()
      void cache.set('k', 1).catch(() => {})
      for (let turn = 0; turn < waits; turn++) await sleep(1)
      await Promise.all([cache.close(), cache.close()])
      expect(await cache.get('k')).toBeNull()
      expect(cache.stats().connected).toBe(false)
    }
  })

  it('gives way to a caller who waits while it is closed: nothing hangs, nothing rejects', async () => {
    const cache = make()
    await connected(cache)
    const waiting = Promise.allSettled([
      cache.get('a'),
      cache.set('b', 1),
      cache.delete('c'),
      cache.invalidateTags(['t']),
      cache.clear(),
      cache.getOrSet('d', () => 4),
    ])
    await cache.close()
    for (const result of await waiting) expect(result.status).toBe('fulfilled')
  })

  it('holds the turn of a computation that never ends for ten leases, no longer', async () => {
    const [a, b] = [make({ singleFlightLease: 0.05 }), make({ singleFlightLease: 0.05 })]
    await connected(a, b)
    void a.getOrSet('k', () => new Promise(() => {}))
    expect(await b.getOrSet('k', () => 'mine')).toBe('mine')
    await until('the turn is free', async () => (await server.command('EXISTS', 'k#turn')) === 0, { timeout: 3000 })
  })

  it('ends the turn of a computation that takes longer than maxHandlerTime', async () => {
    const cache = make({ maxHandlerTime: 0.2, singleFlightLease: 60 })
    await connected(cache)
    void cache.getOrSet('k', () => new Promise(() => {}))
    expect(await cache.getOrSet('k', () => 'mine')).toBe('mine')
    await until('the turn is free', async () => (await server.command('EXISTS', 'k#turn')) === 0)
  })
})

describe('a burst of invalidations', () => {
  it('reaches the log, more of them than commands may wait for Redis', async () => {
    const cache = make({ maxInFlight: 2 })
    await connected(cache)
    const receipts = await Promise.all(
      Array.from({ length: 100 }, (_, n) =>
        n % 2 === 0 ? cache.invalidatePrefix(`item:${n}`) : cache.invalidateTags([`t${n}`]),
      ),
    )
    expect(receipts.filter(({ durable }) => durable)).toHaveLength(100)
    expect(cache.stats()).toMatchObject({ connected: true, pendingInvalidations: 0, counters: { outages: 0 } })
  })
})

describe('set after an invalidation by another process', () => {
  it('is seen by everybody, though this process had not heard of the invalidation', async () => {
    const [a, b] = [make(), make()]
    await connected(a, b)
    await a.set('k', 1)
    expect(await b.get('k')).toBe(1)
    await a.delete('k')
    await a.invalidatePrefix('k')
    await b.set('k', 2)
    expect(await a.get('k')).toBe(2)
    expect(await b.get('k')).toBe(2)
  })

  it('does not outlive an invalidation issued here after its call', async () => {
    const [a, b] = [make(), make()]
    await connected(a, b)
    await a.invalidatePrefix('k')
    const setting = b.set('k', 1)
    await b.delete('k')
    await setting
    expect(await b.get('k')).toBeNull()
    expect(await a.get('k')).toBeNull()
  })
})

describe('a Redis that cannot be used from the start', () => {
  it('is named in the warning, the outage and the stats: the password is wrong', async () => {
    const locked = await RedisServer.start({ args: ['--requirepass', 'right'], login: { password: 'right' } })
    const warnings: string[] = []
    const warned = (warning: Error) => void warnings.push(warning.message)
    process.on('warning', warned)
    const causes: (string | undefined)[] = []
    const cache = new FallbackCache({ redis: locked.url.replace('//', '//:wrong@') })
    cache.on('outage', ({ cause }) => causes.push(cause?.message))
    try {
      await until('the outage', () => causes.length > 0)
      expect(causes[0]).toMatch(/WRONGPASS|invalid/i)
      expect(cache.stats().redisError).toMatch(/WRONGPASS|invalid/i)
      await until('the warning', () => warnings.some((text) => /memory answers alone.*(WRONGPASS|invalid)/i.test(text)))
    } finally {
      process.off('warning', warned)
      await cache.close()
      await locked.stop()
    }
  })
})

describe('a Redis that is slow to connect at the start', () => {
  /** What is said while ten requests at a time meet a Redis behind a proxy, until `isOver`. */
  async function said(proxy: ChaosProxy, isOver: (lines: readonly object[], cache: FallbackCache) => boolean) {
    const lines: object[] = []
    const logger = { info: () => {}, warn: (details: object) => void lines.push(details) }
    const cache = make({ redis: proxy.url, redisTimeout: 30, logger })
    await Promise.all(Array.from({ length: 10 }, () => cache.get('k')))
    expect(cache.stats()).toMatchObject({ connected: false, circuitBreakerState: 'open', counters: { outages: 1 } })
    await until('it is over', () => isOver(lines, cache))
    return lines
  }

  it('logs nothing when it is there within a second, though requests gave up on it', async () => {
    const proxy = await ChaosProxy.start({ port: server.port })
    proxy.hold()
    setTimeout(() => void proxy.restore(), 200)
    const lines = await said(proxy, (_, cache) => cache.stats().connected)
    await sleep(1100)
    expect(lines).toEqual([])
    await proxy.close()
  })

  it('is said to be missing when it is not', async () => {
    const proxy = await ChaosProxy.start({ port: server.port })
    proxy.hold()
    const lines = await said(proxy, ({ length }) => length > 0)
    expect(lines).toEqual([{ code: 'redis-unavailable', cause: 'there is no connection to Redis' }])
    await proxy.close()
  })
})

describe('an outage', () => {
  it('names the failure that opened the circuit breaker, to listeners and to the logger: Redis is frozen', async () => {
    const lines: unknown[] = []
    const causes: (Error | undefined)[] = []
    const logger = { info: () => {}, warn: (details: object) => void lines.push(details), error: () => {} }
    const cache = make({ redisTimeout: 40, circuitBreaker: { threshold: 3 }, logger })
    await connected(cache)
    cache.on('outage', ({ cause }) => causes.push(cause))
    server.freeze()
    try {
      await until('the outage', async () => {
        await cache.get('k')
        return causes.length > 0
      })
    } finally {
      server.resume()
    }
    const message = 'Redis did not answer within 40 ms'
    expect(causes).toEqual([expect.objectContaining({ name: 'CacheError', code: 'redis-timeout', message })])
    expect(lines).toEqual([{ code: 'redis-timeout', cause: message }])
    await connected(cache)
  })

  it('names the failure of a connection: nothing listens there', async () => {
    const causes: (Error | undefined)[] = []
    const cache = make({ redis: `redis://127.0.0.1:${await freePort()}` })
    cache.on('outage', ({ cause }) => causes.push(cause))
    await until('the outage', () => causes.length > 0)
    expect(causes[0]).toMatchObject({ code: 'redis-unavailable', message: expect.stringContaining('ECONNREFUSED') })
  })
})

describe('set with the mark of the moment when its value was read', () => {
  it('is kept out by an invalidation of any process since then, and not by an earlier one', async () => {
    const [a, b] = [make(), make()]
    await connected(a, b)
    await a.delete('k')
    await b.get('k')
    const since = b.mark()
    await b.set('k', 'before', { since })
    expect(await a.get('k')).toBe('before')
    await a.delete('k')
    await b.set('k', 'too old', { ttl: 60, since })
    expect(await a.get('k')).toBeNull()
    expect(await b.get('k')).toBeNull()
  })
})

it('after an outage, no lookup waits for records that were asked for before it', async () => {
  const silent = silentOnce(await client())
  const a = make({ redis: silent.redis, redisTimeout: 300, circuitBreaker: { threshold: 1, cooldown: 0.2 } })
  const b = make()
  await connected(a, b)
  silent.arm()
  expect(await b.invalidateTags(['t'])).toMatchObject({ durable: true })
  await a.get('k')
  await until('an outage', () => a.stats().counters.outages === 1 && a.stats().connected)
  const timeouts = a.stats().counters.redisTimeouts
  await b.set('k', 'new')
  expect(await b.invalidateTags(['t'])).toMatchObject({ durable: true })
  expect([await a.get('k'), a.stats().counters.redisTimeouts]).toEqual(['new', timeouts])
})

it('C4: what is issued while changes begin to be counted is in the log before Redis is trusted', async () => {
  const made = await client()
  let issue = (): void => {}
  const redis = new Proxy(made, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      if (name !== 'callBuffer') return value.bind(target)
      return async (...args: unknown[]) => {
        const reply: unknown = await Reflect.apply(value, target, args)
        const [, , keys, key = ''] = args.flat().map(String)
        if (keys === '1' && key.endsWith(':head')) issue()
        return reply
      }
    },
  })
  const cache = make({ redis, read: 'confirmed' })
  await connected(cache)
  const pending: number[] = []
  cache.on('recovery', () => pending.push(cache.stats().pendingInvalidations))
  const receipts: Promise<unknown>[] = []
  issue = () => receipts.push(cache.invalidateTags(['t']))
  await server.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
  await until('a recovery', () => pending.length > 0)
  expect([pending[0], await receipts[0]]).toMatchObject([0, { durable: false }])
})

/** A client that never settles the first read of the log once it is armed, as on a server of a cluster that is frozen. */
function silentOnce(made: Redis) {
  let isArmed = false
  const redis = new Proxy(made, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      if (name !== 'callBuffer') return value.bind(target)
      return (...args: unknown[]) => {
        const parts = args.flat().map(String)
        const isAnswered = !isArmed || parts[2] !== '1' || parts[3]?.endsWith(':log') !== true
        if (isAnswered) return Reflect.apply(value, target, args)
        isArmed = false
        return new Promise(() => {})
      }
    },
  })
  return {
    redis,
    arm(): void {
      isArmed = true
    },
  }
}
