import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { FallbackCache } from '../../src/core/fallback-cache.js'
import type { FallbackCacheOptions } from '../../src/core/options.js'
import { CLIENT_KINDS, type ClientKind, makeClient, type OpenClient } from '../support/clients.js'
import { RedisServer } from '../support/redis-server.js'
import { until } from '../support/until.js'

let server: RedisServer
const caches: FallbackCache[] = []
const clients: OpenClient[] = []

beforeAll(async () => {
  server = await RedisServer.start()
})
afterAll(() => server.stop())
beforeEach(() => server.command('FLUSHALL'))
afterEach(async () => {
  await Promise.all(caches.splice(0).map((cache) => cache.close()))
  for (const client of clients.splice(0)) client.end()
})

async function make(kind: ClientKind, options: FallbackCacheOptions = {}): Promise<FallbackCache> {
  return withClient(await makeClient({ kind, port: server.port }), options)
}

async function withClient(client: OpenClient, options: FallbackCacheOptions = {}): Promise<FallbackCache> {
  clients.push(client)
  const cache = new FallbackCache({
    redis: client.redis,
    redisTimeout: 2000,
    serializer: (value) => value as Buffer,
    deserializer: (data: Buffer) => data,
    ...options,
  })
  caches.push(cache)
  await until('connected', () => cache.stats().connected)
  return cache
}

/** Every byte, and sequences that look like UTF-8, like the end of a line of the protocol, and like our own frame. */
const bytes = Buffer.concat([
  Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)),
  Buffer.from('ä😀\ufffd\r\n$-1\r\n\0fallback-cache/1 x 0 0 0 0 0 0 0\n'),
  Buffer.from([0xc3, 0x28, 0xed, 0xa0, 0x80]),
])

describe.each(CLIENT_KINDS)('FallbackCache with %s', (kind) => {
  it('brings back every byte, under any key, from Redis', async () => {
    const [writer, reader] = [await make(kind), await make(kind)]
    for (const key of ['k', '', 'ключ😀', 'a\r\nb\0', '{tag}', '*']) {
      await writer.set(key, bytes, { tags: ['Größe', '😀'] })
      expect((await reader.get<Buffer>(key))?.equals(bytes)).toBe(true)
    }
    expect(reader.stats().counters).toMatchObject({ redisHits: 6, misses: 0, foreignEntries: 0, redisErrorReplies: 0 })
  })

  it('brings back an empty value, and a large one', async () => {
    const [writer, reader] = [await make(kind), await make(kind)]
    const large = Buffer.alloc(900_000, bytes)
    await Promise.all([writer.set('empty', Buffer.alloc(0)), writer.set('large', large)])
    const [empty, same] = await Promise.all([reader.get<Buffer>('empty'), reader.get<Buffer>('large')])
    expect(empty?.length).toBe(0)
    expect(same?.equals(large)).toBe(true)
  })

  it('deletes, invalidates and clears', async () => {
    const [writer, reader] = [await make(kind), await make(kind)]
    const fill = (): Promise<unknown> =>
      Promise.all(['a:1', 'a:2', 'b:1'].map((key) => writer.set(key, bytes, { tags: [key.slice(2)] })))
    const left = async (): Promise<string[]> => {
      const values = await Promise.all(['a:1', 'a:2', 'b:1'].map((key) => reader.get(key)))
      return ['a:1', 'a:2', 'b:1'].filter((_, index) => values[index] !== null)
    }
    await fill()
    expect(await left()).toEqual(['a:1', 'a:2', 'b:1'])
    expect(await reader.delete('a:1')).toBe(true)
    expect(await left()).toEqual(['a:2', 'b:1'])
    expect(await writer.invalidatePrefix('a:')).toMatchObject({ durable: true })
    expect(await left()).toEqual(['b:1'])
    await fill()
    expect(await writer.invalidateTags(['1'])).toMatchObject({ durable: true })
    expect(await left()).toEqual(['a:2'])
    expect(await writer.clear()).toMatchObject({ durable: true })
    expect(await left()).toEqual([])
    await until('swept', async () => Number(await server.command('EXISTS', 'a:2')) === 0)
  })

  it('makes a value once among processes', async () => {
    const pair = [await make(kind), await make(kind)]
    let runs = 0
    const compute = async (): Promise<Buffer> => {
      runs++
      await new Promise((resolve) => setTimeout(resolve, 50))
      return bytes
    }
    const values = await Promise.all(pair.map((cache) => cache.getOrSet('k', compute)))
    expect(values.every((value) => value.equals(bytes))).toBe(true)
    expect(runs).toBe(1)
  })

  it('goes on by itself after the server was gone', async () => {
    const cache = await make(kind, { redisTimeout: 200, circuitBreaker: { cooldown: 0.2 } })
    await cache.set('k', bytes)
    await server.kill()
    await until('lost', async () => {
      expect(await cache.get('k')).not.toBeNull()
      return !cache.stats().connected
    })
    expect(await cache.delete('k')).toBe(true)
    await cache.set('other', bytes)
    await server.restart()
    await until('back', () => cache.stats().connected, { timeout: 15_000 })
    expect(cache.stats().pendingInvalidations).toBe(0)
    await until('written back', async () => (await server.command('EXISTS', 'other')) === 1)
    expect(await cache.get('k')).toBeNull()
  })
})

describe('FallbackCache with a client of unusual options', () => {
  const unusual: [string, () => Promise<OpenClient>][] = [
    ['ioredis that gives numbers as text', async () => ioredis({ stringNumbers: true })],
    ['ioredis with a key prefix of its own', async () => ioredis({ keyPrefix: 'mine:' })],
    ['ioredis that speaks RESP2', async () => ioredis({ protocol: 2 })],
    ['ioredis that pipelines by itself', async () => ioredis({ enableAutoPipelining: true })],
    ['ioredis without a queue', async () => ioredis({ enableOfflineQueue: false, maxRetriesPerRequest: 0 })],
    ['node-redis that speaks RESP2', async () => nodeRedis({ RESP: 2 })],
    ['node-redis that speaks RESP3', async () => nodeRedis({ RESP: 3 })],
    ['node-redis that gives Buffers', async () => nodeRedis({ commandOptions: { typeMapping: { 36: Buffer } } })],
    [
      'node-redis that gives numbers as text',
      async () => nodeRedis({ commandOptions: { typeMapping: { 58: String } } }),
    ],
  ]

  function ioredis(options: object): OpenClient {
    const client = new Redis({ port: server.port, ...options })
    return { redis: client, pending: () => 0, connect: () => {}, end: () => client.disconnect() }
  }

  async function nodeRedis(options: object): Promise<OpenClient> {
    const client = createClient({ url: server.url, ...options })
    client.on('error', () => {})
    await client.connect()
    return {
      redis: client as unknown as OpenClient['redis'],
      pending: () => 0,
      connect: () => {},
      end: () => client.destroy(),
    }
  }

  it.each(unusual)('keeps every promise with %s', async (_what, open) => {
    const pair = [await withClient(await open()), await withClient(await open())] as const
    const [writer, reader] = pair
    await writer.set('k', bytes)
    expect((await reader.get<Buffer>('k'))?.equals(bytes)).toBe(true)
    expect(await writer.delete('k')).toBe(true)
    expect(await reader.get('k')).toBeNull()
    await writer.set('k', bytes)
    expect(await reader.get('k')).not.toBeNull()
    expect(await writer.clear()).toMatchObject({ durable: true })
    expect(await reader.get('k')).toBeNull()
    let runs = 0
    const compute = async (): Promise<Buffer> => {
      runs++
      await new Promise((resolve) => setTimeout(resolve, 50))
      return bytes
    }
    await Promise.all(pair.map((cache) => cache.getOrSet('made', compute)))
    expect(runs).toBe(1)
    expect(writer.stats().counters).toMatchObject({ redisErrorReplies: 0, redisFailures: 0, redisTimeouts: 0 })
  })
})

describe('FallbackCaches with different clients', () => {
  it('share entries, and are bound by the invalidations of one another', async () => {
    const all = await Promise.all(CLIENT_KINDS.map(async (kind) => ({ kind, cache: await make(kind) })))
    for (const [index, { kind, cache }] of all.entries()) {
      await cache.set('k', bytes, { tags: ['t'] })
      for (const other of all) expect((await other.cache.get<Buffer>('k'))?.equals(bytes), other.kind).toBe(true)
      const invalidation = [
        () => cache.invalidateKey('k'),
        () => cache.invalidateTags(['t']),
        () => cache.invalidatePrefix('K', { ignoreCase: true }),
        () => cache.clear(),
      ][index % 4]
      expect(await invalidation?.(), kind).toMatchObject({ durable: true })
      for (const other of all) expect(await other.cache.get('k'), `${kind} told ${other.kind}`).toBeNull()
    }
  })
})
