import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { FallbackCache } from '../../src/core/fallback-cache.js'
import { RedisServer } from '../support/redis-server.js'
import { until } from '../support/until.js'

const open: FallbackCache[] = []
afterEach(async () => {
  await Promise.all(open.splice(0).map((cache) => cache.close()))
})

function make(options: ConstructorParameters<typeof FallbackCache>[0] = {}): FallbackCache {
  const cache = new FallbackCache(options)
  open.push(cache)
  return cache
}

describe('the receipt of an invalidation in memory', () => {
  it('says what was covered and when, and that no process has to be told', async () => {
    const before = Date.now()
    const receipt = await make().invalidatePrefix('/A', { ignoreCase: true, soft: true })
    expect(receipt).toEqual({
      durable: true,
      covers: ['si/a'],
      at: expect.any(Number),
      position: undefined,
      confirmedBy: undefined,
      counted: undefined,
    })
    expect(receipt.at).toBeGreaterThanOrEqual(before)
  })

  it('is confirmed by this process', async () => {
    const { confirmedBy } = await make().clear({ confirm: true })
    expect(confirmedBy).toEqual([expect.stringContaining(`/${process.pid}/`)])
  })
})

describe('a dry run', () => {
  it('counts what would be covered, and invalidates nothing', async () => {
    const cache = make()
    for (let index = 0; index < 30; index++)
      await cache.set(`user:${index}`, index, { tags: [index % 2 ? 'odd' : 'even'] })
    const { durable, counted, covers } = await cache.invalidateTags(['odd'], { dryRun: true })
    expect({ durable, covers }).toEqual({ durable: false, covers: ['todd'] })
    expect(counted).toMatchObject({ memory: 15, redis: 0, isComplete: true })
    expect(counted?.sample).toHaveLength(15)
    expect((await cache.invalidatePrefix('user:1', { dryRun: true })).counted?.memory).toBe(11)
    expect((await cache.invalidateKey('user:1', { dryRun: true })).counted?.sample).toEqual(['user:1'])
    expect((await cache.clear({ dryRun: true })).counted?.sample).toHaveLength(20)
    expect(await cache.get('user:1')).toBe(1)
    expect(cache.stats().counters.invalidations).toBe(0)
  })

  it('takes no option that means nothing for a key', () => {
    expect(() => make().invalidateKey('a', { soft: true } as object)).toThrow('unknown option "soft" of invalidateKey')
  })
})

describe.skipIf(process.env.SKIP_REDIS === '1')('receipts with Redis', () => {
  let server: RedisServer
  beforeAll(async () => {
    server = await RedisServer.start()
  })
  afterAll(() => server.stop())
  const connected = async (keyPrefix: string) => {
    const cache = make({ redis: server.url, redisTimeout: 1000, keyPrefix })
    await until('connected', () => cache.stats().connected || undefined)
    return cache
  }

  it('have positions that grow', async () => {
    const a = await connected('p:')
    const first = await a.invalidatePrefix('x')
    const second = await a.invalidateKey('x')
    expect(first.durable && second.durable).toBe(true)
    expect(second.position).toBeGreaterThan(first.position ?? Number.POSITIVE_INFINITY)
  })

  it('count entries in Redis that this process does not have, and no other keys', async () => {
    const a = await connected('c:')
    for (let index = 0; index < 120; index++) await a.set(`user:${index}`, index, { tags: ['users'] })
    await a.set('other', 1)
    await a.delete('user:5')
    await server.command('SET', 'c:user:foreign', 'x')
    const b = await connected('c:')
    const { counted } = await b.invalidateTags(['users'], { dryRun: true })
    expect(counted).toMatchObject({ memory: 0, redis: 119, isComplete: true })
    expect(await a.get('user:7')).toBe(7)
  })

  it('name the processes that have applied it', async () => {
    const [a, b, c] = [await connected('n:'), await connected('n:'), await connected('n:')]
    await server.command('PING')
    const [asked, unasked] = await Promise.all([a.clear({ confirm: true }), b.invalidatePrefix('x')])
    expect(asked.confirmedBy).toHaveLength(3)
    expect(new Set(asked.confirmedBy).size).toBe(3)
    expect(unasked.confirmedBy).toBe(undefined)
    await c.close()
    expect((await a.clear({ confirm: true })).confirmedBy).toHaveLength(2)
    const keys = (await server.command('KEYS', 'n:*confirm*')) as string[]
    for (const key of keys) expect(await server.command('PTTL', key)).toBeGreaterThan(0)
  })

  it('have no position while Redis cannot be told', async () => {
    const a = await connected('o:')
    server.freeze()
    const receipt = await a.invalidatePrefix('x', { confirm: true })
    expect(receipt).toMatchObject({ durable: false, position: undefined, confirmedBy: [expect.any(String)] })
    server.resume()
  })
})
