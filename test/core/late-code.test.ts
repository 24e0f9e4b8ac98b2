import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient, createCluster } from 'redis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { systemClock } from '../../src/core/clock.js'
import { untilLoaded } from '../../src/core/tiers/late-port.js'
import { freePort } from '../support/free-port.js'
import { RedisServer } from '../support/redis-server.js'
import { until } from '../support/until.js'

type Library = typeof import('../../src/index.js')
type Cache = InstanceType<Library['FallbackCache']>

/** The first cache of a process that has Redis: it is used before the code for Redis is loaded. */
describe('a cache whose code for Redis is being loaded', () => {
  let server: RedisServer
  let other: Cache
  let library: Library
  const closing: Cache[] = []

  beforeAll(async () => {
    server = await RedisServer.start()
    const { FallbackCache } = await import('../../src/index.js')
    other = new FallbackCache({ redis: server.url, redisTimeout: '2s' })
    await until('connected', () => other.stats().connected)
  })
  afterAll(async () => {
    await other.close()
    await server.stop()
  })
  beforeEach(async () => {
    await other.clear()
    vi.resetModules()
    library = await import('../../src/index.js')
    // The cache does not know that it is there; the import takes no second, even while the machine is busy.
    await import('../../src/core/coherence/shared-store.js')
  })
  afterEach(async () => void (await Promise.all(closing.splice(0).map((cache) => cache.close()))))

  function first(options: ConstructorParameters<Library['FallbackCache']>[0] = {}): Cache {
    const cache = new library.FallbackCache({ redis: server.url, redisTimeout: '2s', ...options })
    closing.push(cache)
    return cache
  }

  it('reads from Redis and writes to it', async () => {
    await other.set('known', 'by another')
    const cache = first()
    expect(cache.stats()).toMatchObject({ backend: 'redis', connected: false, redisError: undefined })
    const [known] = await Promise.all([cache.get('known'), cache.set('new', 'by this one')])
    expect(known).toBe('by another')
    expect(await other.get('new')).toBe('by this one')
    expect(cache.stats()).toMatchObject({ connected: true, counters: { redisHits: 1, redisSkipped: 0 } })
  })

  it('computes once for all, and serves a hit from memory', async () => {
    const cache = first()
    expect(await cache.getOrSet('made', () => 'once')).toBe('once')
    expect(await cache.getOrSet('made', () => 'twice')).toBe('once')
    expect(await other.get('made')).toBe('once')
  })

  it('invalidates in every process', async () => {
    await other.set('a:1', 'old')
    expect(await first().invalidatePrefix('a:')).toMatchObject({ durable: true })
    expect(await other.get('a:1')).toBeNull()
  })

  it('says whether a key that it deletes existed', async () => {
    await other.set('there', 1)
    const cache = first()
    expect(await Promise.all([cache.delete('there'), cache.delete('not there')])).toEqual([true, false])
  })

  it.each([
    ['at once', false],
    ['after it was connected', true],
  ])('sends a burst of invalidations in few records, also if it is closed then: %s', async (_, isConnected) => {
    const keys = Array.from({ length: 3_000 }, (_, index) => `burst:${index}`)
    const told = keys.filter((_, index) => index % 100 === 0)
    for (const key of told) await other.set(key, 'old')
    const cache = first()
    if (isConnected) await until('connected', () => cache.stats().connected)
    const before = Number(await server.command('XLEN', '{fallback-cache}:log'))
    const existed = Promise.all(keys.map((key) => cache.delete(key)))
    await cache.close()
    expect(cache.stats().pendingInvalidations).toBe(0)
    const known = (await existed).flatMap((did, index) => (did ? [keys[index]] : []))
    // At the start the calls wait for redisTimeout, and the invalidations for longer.
    if (isConnected) expect(known).toEqual(told)
    expect(await Promise.all(told.map((key) => other.get(key)))).toEqual(told.map(() => null))
    expect(Number(await server.command('XLEN', '{fallback-cache}:log')) - before).toBeLessThan(300)
  })

  it('sends what it has invalidated, also if it is closed at once', async () => {
    await other.set('b:1', 'old')
    const cache = first()
    void cache.invalidatePrefix('b:')
    await cache.close()
    expect(await other.get('b:1')).toBeNull()
  })

  it('hears an error of the client of the application, which would end the process', async () => {
    const client = createClient({ url: `redis://127.0.0.1:${await freePort()}` })
    const cache = first({ redis: client })
    expect(() => client.emit('error', new Error('said too early'))).not.toThrow()
    await until('the error is shown', () => cache.stats().redisError === 'said too early')
  })

  it('keeps what is set at once although an earlier process left invalidations', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'fallback-cache-late-'))
    const journalFile = join(folder, 'journal')
    writeFileSync(journalFile, '{"n":"an-earlier-process-1","c":["pc:"]}\n')
    await other.set('c:2', 'old')
    const cache = first({ journalFile })
    await Promise.all([cache.set('c:1', 'new'), cache.get('other')])
    expect([await cache.get('c:1'), await cache.get('c:2')]).toEqual(['new', null])
    expect([await other.get('c:1'), await other.get('c:2')]).toEqual(['new', null])
    await cache.close()
    rmSync(folder, { recursive: true })
  })

  it('waits for the code also if the event loop is blocked for longer than the limit', async () => {
    let isLoaded = false
    const load = async () => {
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
      isLoaded = true
    }
    const waiting = untilLoaded(systemClock, load())
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1100)
    await waiting
    expect(isLoaded).toBe(true)
  })

  it('answers from memory within its bounds if the code cannot be loaded', async () => {
    const log: string[] = []
    const logger = { info: () => {}, warn: (_details: object, line: string) => void log.push(line) }
    vi.resetModules()
    vi.doMock('../../src/core/coherence/shared-store.js', () => {
      throw new Error('it is gone')
    })
    library = await import('../../src/index.js')
    const cache = first({ maxMirrorBytes: 65_536, logger })
    expect(await cache.invalidatePrefix('first:')).toMatchObject({ durable: false })
    vi.doUnmock('../../src/core/coherence/shared-store.js')
    for (let item = 0; item < 1000; item++) await cache.invalidatePrefix(`item:${item}:`)
    await cache.set('kept', 'in memory')
    expect(await cache.get('kept')).toBe('in memory')
    expect(cache.stats().mirror.bytes).toBeLessThanOrEqual(65_536)
    expect(log).toEqual([expect.stringContaining('the code for Redis cannot be loaded')])
  })

  it('throws for what can be seen at construction', () => {
    const folder = mkdtempSync(join(tmpdir(), 'fallback-cache-late-'))
    expect(() => first({ journalFile: folder })).toThrow('journalFile must be a file that can be written')
    rmSync(folder, { recursive: true })
    expect(() => first({ redis: {} as never })).toThrow('redis must be a URL, or a client of ioredis')
    const cluster = createCluster({ rootNodes: [{ url: server.url }] })
    expect(() => first({ redis: cluster, keyPrefix: '{}a' })).toThrow('must not begin an empty hash tag')
  })
})
