import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { derivedKey } from '../../src/core/derived-key.js'
import type { NewEntry } from '../../src/core/entry.js'
import { engineOf } from '../../src/core/fallback-cache.js'
import { FallbackCache, type FallbackCacheOptions } from '../../src/index.js'
import { ChaosProxy } from '../support/chaos-proxy.js'
import { RedisServer } from '../support/redis-server.js'
import { until } from '../support/until.js'

const page = '/page:0123456789ab'
const variant = derivedKey(page, 'ba9876543210')

let server: RedisServer
const open: FallbackCache[] = []

/** A process of its own, as far as Redis can tell. */
async function start(options: FallbackCacheOptions = {}): Promise<FallbackCache> {
  const cache = new FallbackCache({ redis: server.url, redisTimeout: 2_000, maxEntries: 10_000, ...options })
  open.push(cache)
  await until('connected', () => cache.stats().connected)
  return cache
}

function entryOf(text: string): NewEntry {
  const now = Date.now()
  return { staleAt: now + 60_000, deleteAt: now + 60_000, body: Buffer.from(text) }
}

async function store(cache: FallbackCache, key: string, text: string, mark = engineOf(cache).mark()): Promise<boolean> {
  return engineOf(cache).store(key, entryOf(text), mark).written
}

async function read(cache: FallbackCache, key: string): Promise<string | undefined> {
  return (await engineOf(cache).find(key))?.entry.body.toString()
}

describe('what requests with unsafe methods take out of use (RFC 9111, section 4.4)', () => {
  beforeAll(async () => {
    server = await RedisServer.start()
  })
  beforeEach(() => server.restart())
  afterEach(async () => {
    await Promise.all(open.splice(0).map((cache) => cache.close()))
  })
  afterAll(() => server?.stop())

  it('is not answered by a copy that could not be written to Redis, once another process has stored a newer one there', async () => {
    const [a, b] = [await start(), await start()]
    await server.command('CONFIG', 'SET', 'maxmemory', '1')
    expect(await store(b, page, 'old')).toBe(false)
    await server.command('CONFIG', 'SET', 'maxmemory', '0')
    expect(await read(b, page)).toBe('old')
    await engineOf(a).retire([page])
    expect(await store(a, page, 'new')).toBe(true)
    expect(await read(b, page)).not.toBe('old')
    await until('both answer the same', async () => (await read(b, page)) === 'new')
  })

  it.each(['9000000000000001', '99999999999999999999'])(
    'is gone from every process although another program has moved the entry to position %s',
    async (position) => {
      const [a, b] = [await start(), await start()]
      await store(a, page, 'old')
      expect(await read(b, page)).toBe('old')
      const [magic, life, , ...rest] = String(await server.command('GET', page)).split(' ')
      await server.command('SET', page, [magic, life, position, ...rest].join(' '))
      await engineOf(a).retire([page])
      expect([await read(b, page), await read(a, page)]).toEqual([undefined, undefined])
      expect(await store(b, page, 'new')).toBe(true)
      expect(await read(a, page)).toBe('new')
    },
  )

  it('is gone from every process that asks Redis, and what is stored afterwards is shared', async () => {
    const [a, b] = [await start(), await start()]
    await store(a, page, 'old')
    expect([await read(b, page), await read(a, page)]).toEqual(['old', 'old'])
    await engineOf(a).retire([page])
    expect([await read(b, page), await read(a, page)]).toEqual([undefined, undefined])
    expect(await store(b, page, 'new')).toBe(true)
    expect([await read(a, page), await read(b, page)]).toEqual(['new', 'new'])
    await engineOf(b).retire([page])
    expect([await read(b, page), await read(a, page)]).toEqual([undefined, undefined])
    expect(await store(a, page, 'newest')).toBe(true)
    expect([await read(a, page), await read(b, page)]).toEqual(['newest', 'newest'])
  })

  it('makes no record, no mark and no move of the head', async () => {
    const [a, b] = [await start(), await start()]
    const head = await server.command('GET', '{fallback-cache}:head')
    const marks = await server.command('ZCARD', '{fallback-cache}:marks')
    for (let at = 0; at < 200; at++) await engineOf(a).retire([`/${at}/${'x'.repeat(at * 30)}:0123456789ab`])
    await read(b, page)
    expect(await server.command('GET', '{fallback-cache}:head')).toEqual(head)
    expect(await server.command('XLEN', '{fallback-cache}:log')).toBe(1)
    expect(await server.command('ZCARD', '{fallback-cache}:marks')).toBe(marks)
    for (const cache of [a, b]) expect(cache.stats().mirror).toMatchObject({ records: 0, folds: 0 })
  })

  it('keeps a handler that was running out, in its own process and in another', async () => {
    const [a, b] = [await start(), await start()]
    const marks = [engineOf(a).mark(), engineOf(b).mark()] as const
    await engineOf(a).retire([page])
    expect(engineOf(a).store(page, entryOf('late'), marks[0]).reason).toBe('invalidated')
    // The other process does not know yet: it learns by what it tries to store.
    expect(await store(b, page, 'late', marks[1])).toBe(false)
    expect([await read(a, page), await read(b, page)]).toEqual([undefined, undefined])
    expect(await store(b, page, 'new')).toBe(true)
    expect([await read(a, page), await read(b, page)]).toEqual(['new', 'new'])
  })

  it('keeps a late handler of a third process out also when the tombstone has been replaced', async () => {
    const [a, b, c] = [await start(), await start(), await start()]
    const mark = engineOf(c).mark()
    await engineOf(a).retire([page])
    expect([await read(b, page), await store(b, page, 'new')]).toEqual([undefined, true])
    expect(await store(c, page, 'late', mark)).toBe(false)
    expect([await read(a, page), await read(b, page), await read(c, page)]).toEqual(['new', 'new', 'new'])
    // Who has read it knows of the tombstone.
    expect(await store(c, page, 'newest')).toBe(true)
    expect([await read(a, page), await read(b, page)]).toEqual(['newest', 'newest'])
  })

  it('reaches the keys that are derived in its own process, in both tiers, and in others those that are named', async () => {
    const [a, b] = [await start(), await start()]
    for (const key of [variant, '/other:0123456789ab']) {
      await store(a, key, 'old')
      await read(b, key)
    }
    await engineOf(a).retire([page])
    expect([await read(a, variant), await read(b, variant)]).toEqual([undefined, 'old'])
    await engineOf(a).retire([page, variant])
    expect([await read(a, variant), await read(b, variant)]).toEqual([undefined, undefined])
    expect(await store(b, variant, 'new')).toBe(true)
    expect([await read(a, variant), await read(b, variant)]).toEqual(['new', 'new'])
    expect([await read(a, '/other:0123456789ab'), await read(b, '/other:0123456789ab')]).toEqual(['old', 'old'])
  })

  it('gives back what lay there without a body, so that what it names can follow', async () => {
    const a = await start()
    const now = Date.now()
    const marker = { staleAt: now + 60_000, deleteAt: now + 60_000, meta: 'm'.repeat(5_000), body: Buffer.alloc(0) }
    await engineOf(a).store(page, marker, engineOf(a).mark()).written
    await store(a, variant, 'with a body')
    const existed = await engineOf(a).retire([page, variant])
    expect([...(existed?.keys() ?? [])]).toEqual([page])
    expect(existed?.get(page)?.meta).toBe(marker.meta)
    expect((await engineOf(a).retire([page]))?.size).toBe(0)
  })

  it('gives way to a value that is set, and leaves an application its own tombstones', async () => {
    const [a, b] = [await start(), await start()]
    const mark = engineOf(b).mark()
    expect(await a.invalidateKey(page)).toMatchObject({ durable: true })
    await engineOf(a).retire([page])
    expect(await store(b, page, 'late', mark)).toBe(false)
    await b.set(page, 'set')
    expect(await a.get(page)).toBe('set')
  })

  it('gives way to a value that is set within two deadlines, however slow Redis is', async () => {
    const proxy = await ChaosProxy.start({ port: server.port })
    try {
      const [a, b] = [await start({ redis: proxy.url, redisTimeout: 1_000 }), await start()]
      // Redis knows the script by then.
      await a.set('another', 1)
      await engineOf(b).retire(['k'])
      proxy.delay({ down: 700 })
      const begun = performance.now()
      await a.set('k', 'set')
      // Looking at the log, writing, and writing again: each takes 700 ms.
      expect(performance.now() - begun).toBeLessThan(2_000)
      expect(await a.get('k')).toBe('set')
      await until('it is shared', async () => (await b.get('k')) === 'set')
    } finally {
      await proxy.close()
    }
  })

  it('lives as long as a handler may run, and fills Redis no further than its bound', async () => {
    const a = await start({ maxHandlerTime: 10 })
    await engineOf(a).retire([page])
    const ttl = Number(await server.command('PTTL', page))
    expect(ttl).toBeGreaterThan(10_000)
    expect(ttl).toBeLessThanOrEqual(15_000)
    await store(a, '/kept:0123456789ab', 'old')
    for (let at = 0; at < 600; at += 50) {
      const urls = Array.from({ length: 50 }, (_, index) => `/${at + index}/${'y'.repeat(7_000)}:0123456789ab`)
      await Promise.all(urls.map((url) => engineOf(a).retire([url])))
    }
    const { retired } = a.stats()
    expect(retired.addedBytes).toBeLessThanOrEqual(retired.maxAddedBytes ?? 0)
    expect(Number(await server.command('DBSIZE'))).toBeLessThan(200)
    // Past the bound, what is there still goes.
    await engineOf(a).retire(['/kept:0123456789ab'])
    expect(await read(a, '/kept:0123456789ab')).toBe(undefined)
    expect(await read(await start(), '/kept:0123456789ab')).toBe(undefined)
  })

  it('during an outage holds here at once, does not come back with Redis, and then goes to Redis', async () => {
    const [a, b] = [await start(), await start()]
    for (const key of [page, '/kept:0123456789ab']) {
      await store(a, key, 'old')
      await read(b, key)
    }
    server.freeze()
    const retired = engineOf(a).retire([page])
    expect((await engineOf(a).find('/kept:0123456789ab'))?.entry.body.toString()).toBe('old')
    await retired
    await Promise.all(
      Array.from({ length: 2_000 }, (_, at) => engineOf(a).retire([`/${at}/${'x'.repeat(2_000)}:0123456789ab`])),
    )
    expect(a.stats().journal).toMatchObject({ pending: 0, bytes: 0 })
    await engineOf(a).retire([page])
    await until('kept', () => (a.stats().retired.unsentBytes ?? 0) > 0)
    expect(a.stats().retired.unsentBytes).toBeLessThanOrEqual(a.stats().retired.maxUnsentBytes ?? 0)
    server.resume()
    await until('connected again', () => a.stats().connected)
    expect(await read(a, page)).toBe(undefined)
    await until('sent', () => a.stats().retired.unsentBytes === 0)
    await until('the other one is connected', () => b.stats().connected)
    expect(await read(b, page)).toBe(undefined)
    expect(await read(b, '/kept:0123456789ab')).toBe('old')
  }, 30_000)

  it('leaves alone what another program has put under the key', async () => {
    const a = await start()
    await server.command('LPUSH', page, 'theirs')
    await server.command('SET', variant, 'theirs too')
    await engineOf(a).retire([page, variant])
    expect(await server.command('LLEN', page)).toBe(1)
    expect(await server.command('GET', variant)).toBe('theirs too')
  })

  it('is noticed by memory that Redis confirms, also when another program has written where changes are noted', async () => {
    const [a, b] = [await start({ read: 'confirmed' }), await start({ read: 'confirmed' })]
    await store(a, page, 'old')
    expect([await read(a, page), await read(b, page)]).toEqual(['old', 'old'])
    const [ring] = (await server.command('KEYS', '*changes')) as [string]
    await server.command('DEL', ring)
    await server.command('LPUSH', ring, 'theirs')
    for (const text of ['new', 'newer']) {
      await engineOf(a).retire([page])
      await store(a, page, text)
      expect([await read(a, page), await read(b, page)]).toEqual([text, text])
    }
    expect(b.stats().counters.redisErrors).toEqual({})
    expect(await server.command('TYPE', ring)).toBe('string')
  })

  it.each(['redis-first', 'confirmed'] as const)('takes the entry away when Redis is full, %s', async (mode) => {
    const [a, b] = [await start({ read: mode }), await start({ read: mode })]
    await store(a, page, 'old')
    if (mode === 'confirmed') expect(await read(b, page)).toBe('old')
    await server.command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction', 'maxmemory', '1')
    await engineOf(a).retire([page])
    await server.command('CONFIG', 'SET', 'maxmemory', '0')
    await sleep(10)
    expect(await server.command('EXISTS', page)).toBe(0)
    expect(await read(b, page)).toBe(undefined)
  })
})
