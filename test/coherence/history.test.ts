import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { FallbackCache } from '../../src/core/fallback-cache.js'
import type { FallbackCacheOptions } from '../../src/core/options.js'
import { ChaosProxy } from '../support/chaos-proxy.js'
import { otherProtocol } from '../support/other-protocol.js'
import { RedisServer } from '../support/redis-server.js'
import { until } from '../support/until.js'

const opened: FallbackCache[] = []
let server: RedisServer

afterEach(async () => {
  await Promise.all(opened.splice(0).map((cache) => cache.close()))
  await server?.stop()
})

async function start(options: FallbackCacheOptions = {}, Cache = FallbackCache): Promise<FallbackCache> {
  const quiet = { info: () => {}, warn: () => {} }
  const cache = new Cache({
    redis: server.url,
    defaultTtl: 600,
    keyPrefix: 'app:',
    redisTimeout: 1000,
    circuitBreaker: { cooldown: 1 },
    logger: quiet,
    ...options,
  })
  opened.push(cache)
  await connected(cache)
  return cache
}

/** The highest id of a stream. */
const lastId = '18446744073709551615-18446744073709551615'

/** The name of the life that the log has in Redis. */
const lifeOf = async () => String(await server.command('GET', 'app:{fallback-cache}:head')).split(' ')[1]

const connected = (...caches: FallbackCache[]) =>
  until('connected', () => caches.every((cache) => cache.stats().connected), { timeout: 15_000 })

describe('two crashes on one snapshot', () => {
  it.each([
    { who: 'its issuer is gone', issuerLives: false, knowerLives: true },
    { who: 'its issuer has no room to remember it', issuerLives: true, knowerLives: true },
    { who: 'all who knew it are gone', issuerLives: false, knowerLives: false },
  ])(
    'bring back nothing that was invalidated: $who (C1, C2)',
    async ({ issuerLives, knowerLives }) => {
      server = await RedisServer.start()
      const issuer = await start({ maxJournalBytes: 150 })
      const knower = await start()
      for (const key of ['k', 'p:1']) {
        await issuer.set(key, 'old')
        await knower.get(key)
      }
      await issuer.set('tagged', 'old', { tags: ['t'] })
      await server.command('SAVE')
      expect(await issuer.invalidateKey('k')).toMatchObject({ durable: true })
      expect(await issuer.invalidatePrefix('p:')).toMatchObject({ durable: true })
      expect(await issuer.invalidateTags(['t'])).toMatchObject({ durable: true })
      await issuer.invalidateKey('other')
      await knower.get('k')
      const alive = [...(issuerLives ? [issuer] : []), ...(knowerLives ? [knower] : [])]
      for (const cache of [issuer, knower]) if (!alive.includes(cache)) await cache.close()
      for (let crash = 1; crash <= 2; crash++) {
        await server.kill()
        await until('the loss is seen', () => alive.every((cache) => !cache.stats().connected))
        await server.restart()
        await connected(...alive)
        const newcomer = await start()
        for (const cache of [...alive, newcomer]) {
          const values = [await cache.get('k'), await cache.get('p:1'), await cache.get('tagged')]
          expect(values, `crash ${crash}`).toEqual([null, null, null])
        }
      }
    },
    60_000,
  )
})

it('a backup that is restored under other processes brings back nothing (C1)', async () => {
  server = await RedisServer.start()
  const before = await start()
  await before.set('k', 'old')
  await server.command('SAVE')
  const dump = readFileSync(join(server.directory, 'dump.rdb'))
  await server.restart()
  await connected(before)
  await before.invalidatePrefix('k')
  await before.set('k', 'new')
  await server.command('SAVE')
  await before.close()
  await server.kill()
  writeFileSync(join(server.directory, 'dump.rdb'), dump)
  await server.restart()
  expect(await (await start()).get('k')).toBe(null)
}, 60_000)

it.each([
  { who: 'its issuer lives on', lives: true },
  { who: 'all processes are new', lives: false },
])(
  'a backup that is restored twice brings back nothing that was invalidated since: $who (C1, C2)',
  async ({ lives }) => {
    server = await RedisServer.start()
    const issuer = await start()
    await issuer.set('k', 'old')
    await issuer.set('tagged', 'old', { tags: ['t'] })
    await server.command('SAVE')
    const dump = readFileSync(join(server.directory, 'dump.rdb'))
    expect(await issuer.invalidateKey('k')).toMatchObject({ durable: true })
    expect(await issuer.invalidateTags(['t'])).toMatchObject({ durable: true })
    if (!lives) await issuer.close()
    for (let restore = 1; restore <= 2; restore++) {
      await server.kill()
      writeFileSync(join(server.directory, 'dump.rdb'), dump)
      if (lives) await until('the loss is seen', () => !issuer.stats().connected)
      await server.restart()
      if (lives) await connected(issuer)
      const newcomer = await start()
      for (const cache of [...(lives ? [issuer] : []), newcomer]) {
        expect([await cache.get('k'), await cache.get('tagged')], `restore ${restore}`).toEqual([null, null])
      }
      if (!lives) await newcomer.close()
    }
  },
  60_000,
)

it('each key of ours may be evicted, in any order: what was invalidated stays so, for newcomers too (C1)', async () => {
  server = await RedisServer.start()
  const writer = await start()
  const reader = await start()
  for (let round = 0; round < 12; round++) {
    const [gone, tagged, exact] = [`p${round}:k`, `t${round}`, `e${round}`]
    await writer.set(gone, 'old')
    await writer.set(tagged, 'old', { tags: [tagged] })
    await writer.set(exact, 'old')
    for (const key of [gone, tagged, exact]) await reader.get(key)
    expect(await writer.invalidatePrefix(`p${round}:`)).toMatchObject({ durable: true })
    expect(await writer.invalidateTags([tagged])).toMatchObject({ durable: true })
    expect(await writer.invalidateKey(exact)).toMatchObject({ durable: true })
    const keys = ((await server.command('KEYS', '*')) as string[]).sort()
    // Another order in each round; the last one takes all but one.
    const evicted = keys.filter((_key, index) => (index * 7 + round * 5) % 11 < round)
    for (const key of evicted) await server.command('DEL', key)
    const newcomer = await start()
    for (const cache of [newcomer, reader, writer]) {
      await until('trusted again', async () => {
        await cache.get('any')
        return cache.stats().connected
      })
      const values = [await cache.get(gone), await cache.get(tagged), await cache.get(exact)]
      expect(values, `round ${round} without ${evicted.join(' ')}`).toEqual([null, null, null])
    }
  }
}, 60_000)

it.each([
  { what: 'a record without covers', change: ['XADD', 'log', '*', 'a', 'b'] },
  { what: 'a record whose covers are no JSON', change: ['XADD', 'log', '*', 'n', 'x', 'c', '[k'] },
  { what: 'a mark at no position', change: ['ZADD', 'marks', 'inf', 'sss'] },
  { what: 'a log that is no stream', change: ['SET', 'log', 'x'] },
  { what: 'a head that is none', change: ['SET', 'head', 'x'] },
  { what: 'a record at 1e16', change: ['XADD', 'log', '9999999999999999-0', 'n', 'x', 'c', '[]'] },
  { what: 'a record at the last position', change: ['XADD', 'log', '9000000000000000-0', 'n', 'x', 'c', '[]'] },
  { what: 'a record just before it', change: ['XADD', 'log', '8999999999999999-0', 'n', 'x', 'c', '[]'] },
  { what: 'a record in the year 2223', change: ['XADD', 'log', '8000000000000000-0', 'n', 'x', 'c', '[]'] },
  { what: 'the last record of a stream', change: ['XADD', 'log', lastId, 'n', 'x', 'c', '[]'] },
  { what: 'a last id beyond all records', change: ['XSETID', 'log', '8000000000000000-0'] },
  { what: 'a last id before 2^64', change: ['XSETID', 'log', '18446744073709551614-5'] },
  { what: 'the last id of all streams', change: ['XSETID', 'log', lastId] },
  { what: 'no record', change: ['XTRIM', 'log', 'MAXLEN', '0'] },
  { what: 'a head of 23 digits', change: ['SET', 'head', '1 x 99999999999999999999999 n 0 0 -'] },
  { what: 'a head that was born in the future', change: ['SET', 'head', '1 x 1 n 0 99999999999999999999999 -'] },
  { what: 'a head with a line end', change: ['APPEND', 'head', '\n'] },
  { what: 'a head with a space that is none in ASCII', change: ['APPEND', 'head', '\u00a0x'] },
  { what: 'a head with a count of 23 digits', change: ['APPEND', 'head', ' c99999999999999999999999'] },
  { what: 'a head with unknown fields', change: ['APPEND', 'head', ' x1 y2'] },
  { what: 'a head that expires', change: ['PEXPIRE', 'head', '100'] },
  { what: 'a log that expires', change: ['PEXPIRE', 'log', '100'] },
  { what: 'a mark in the future', change: ['ZADD', 'marks', '1e17', 'sk'] },
  { what: 'marks that are no sorted set', change: ['SET', 'marks', 'x'] },
])(
  'another program that leaves $what in the log keeps no process from Redis (C1)',
  async ({ change }) => {
    server = await RedisServer.start()
    const [writer, reader] = [await start(), await start()]
    await writer.set('k', 'old')
    await reader.get('k')
    const [command = '', part, ...rest] = change
    const key = ((await server.command('KEYS', `*:${part}`)) as string[])[0] ?? ''
    await server.command(command, key, ...rest)
    await until('durable', async () => (await writer.invalidatePrefix('k')).durable, { timeout: 10_000 })
    const newcomer = await start()
    await connected(writer, reader)
    for (const cache of [reader, newcomer, writer]) expect(await cache.get('k')).toBeNull()
    // No process begins lives for ever because it does not trust those of the others.
    const life = await lifeOf()
    await reader.set('k', 'new')
    expect(await newcomer.get('k')).toBe('new')
    expect(await writer.invalidateKey('k')).toMatchObject({ durable: true })
    for (const cache of [reader, newcomer, writer]) expect(await cache.get('k')).toBeNull()
    expect(await lifeOf()).toBe(life)
  },
  30_000,
)

it.each([
  { what: '1,200 records at one position', fill: `for i = 1, 1200 do redis.call('XADD', KEYS[1], '*', 'a', 'b') end` },
  {
    what: 'a far last id and no head',
    fill: `redis.call('XSETID', KEYS[1], '8000000000000000-0') redis.call('DEL', KEYS[3])`,
  },
  { what: 'a consumer group', fill: `redis.call('XGROUP', 'CREATE', KEYS[1], 'g', '$')` },
  {
    what: '1,200 records at one position, and one after them',
    fill: `for i = 1, 1200 do redis.call('XADD', KEYS[1], '*', 'a', 'b') end redis.call('XADD', KEYS[1], '8000000000000000-0', 'n', 'x', 'c', '[]')`,
  },
  { what: '600 marks at no position', fill: `for i = 1, 600 do redis.call('ZADD', KEYS[2], 'inf', 's' .. i) end` },
  {
    what: '600 marks at one position',
    fill: `for i = 1, 600 do redis.call('ZADD', KEYS[2], 1796000000000000, 's' .. i) end`,
  },
])(
  'another program that leaves $what keeps no process from Redis (C1)',
  async ({ fill }) => {
    server = await RedisServer.start()
    const [writer, reader] = [await start(), await start()]
    for (const cache of [writer, reader]) await cache.set('k', 'old')
    await writer.set('tagged', 'old', { tags: ['t'] })
    expect(await writer.invalidateTags(['t'])).toMatchObject({ durable: true })
    const keys = ['log', 'marks', 'head'].map((name) => `app:{fallback-cache}:${name}`)
    await server.command('EVAL', fill, '3', ...keys)
    const newcomer = await start()
    expect(await newcomer.get('tagged')).toBeNull()
    await until('durable', async () => (await writer.invalidatePrefix('k')).durable, { timeout: 10_000 })
    await connected(writer, reader, newcomer)
    for (const cache of [reader, newcomer, writer]) expect(await cache.get('k')).toBeNull()
  },
  30_000,
)

it('positions that start over, below those that processes know, keep no process from Redis (C1)', async () => {
  server = await RedisServer.start()
  const [writer, ...readers] = [await start(), await start(), await start({ read: 'confirmed' })]
  await writer.set('k', 'old')
  for (const reader of readers) await reader.get('k')
  await writer.invalidateKey('other')
  await server.command('XADD', 'app:{fallback-cache}:log', '9000000000000000-0', 'n', 'x', 'c', '[]')
  // The log is ahead of these: they read the record of the other program too.
  await Promise.all(readers.map((reader) => reader.get('k')))
  expect(readers.map((reader) => reader.stats().log?.position)).toEqual([9e15, 9e15])
  const caches = [writer, ...readers]
  // Each of the readers begins a life that it trusts.
  for (const cache of caches) {
    await until('durable', async () => (await cache.invalidateKey('k')).durable, { timeout: 10_000 })
    expect(await cache.get('k')).toBeNull()
  }
  const keepLife = async () => {
    const life = await lifeOf()
    for (const cache of caches) if (!(await cache.invalidateKey('k')).durable) return false
    return (await lifeOf()) === life
  }
  await until('all trust one life', keepLife, { timeout: 10_000 })
  expect(await keepLife()).toBe(true)
  expect(caches.filter((cache) => (cache.stats().log?.position ?? 9e15) > 8e15)).toEqual([])
}, 30_000)

it.each(['9000000000000001', '99999999999999999999', '-1', '1.5', '1e15', 'NaN', 'inf', ''])(
  'an entry or a tombstone at the position "%s" is no hit, and is replaced (C1)',
  async (position) => {
    server = await RedisServer.start()
    const [writer, reader] = [await start(), await start()]
    for (const shape of ['entry', 'tombstone'] as const) {
      await writer.set('k', 'old')
      const frame = (await server.command('GET', 'app:k')) as string
      const [magic, life, , ...rest] = frame.split(' ')
      const odd =
        shape === 'entry' ? [magic, life, position, ...rest].join(' ') : `${magic} ${life} ${position} 0 0 0 0 0 0\n`
      await server.command('SET', 'app:k', odd)
      expect(await reader.get('k'), shape).toBeNull()
      expect(await writer.invalidateKey('k')).toMatchObject({ durable: true })
      for (const cache of [reader, writer]) expect(await cache.get('k'), shape).toBeNull()
      await server.command('SET', 'app:k', odd)
      await writer.set('k', 'new')
      expect(await reader.get('k'), shape).toBe('new')
      expect([writer, reader].map((cache) => cache.stats().connected)).toEqual([true, true])
      await writer.invalidateKey('k')
    }
  },
)

it('under allkeys-lru and with far too little memory, nothing that was invalidated is served (C1)', async () => {
  server = await RedisServer.start({ args: ['--maxmemory', '3mb', '--maxmemory-policy', 'allkeys-lru'] })
  const [writer, reader] = [await start({ maxEntries: 20 }), await start({ maxEntries: 20 })]
  const wrong: string[] = []
  for (let round = 0; round < 60; round++) {
    const key = `k:${round % 15}`
    await writer.set(key, `v${round}`, { tags: [`t${round % 3}`] })
    await reader.get(key)
    await Promise.all(Array.from({ length: 15 }, (_, index) => writer.set(`fill:${round}:${index}`, 'x'.repeat(9000))))
    const { durable } = round % 2 === 0 ? await writer.invalidatePrefix('k:') : await writer.invalidateKey(key)
    if (durable && reader.stats().connected) {
      const value = await reader.get(key)
      if (value !== null && reader.stats().connected) wrong.push(`${key}: ${value}`)
    }
  }
  expect(wrong).toEqual([])
}, 60_000)

describe('two protocols on one Redis', () => {
  let Other: typeof FallbackCache
  beforeAll(async () => {
    ;({ FallbackCache: Other } = await otherProtocol())
  })

  it('leave each other alone, and the later one takes over when no other was heard of for long enough', async () => {
    server = await RedisServer.start()
    const first = await start()
    await first.set('k', 'of the first')
    const head = await server.command('GET', 'app:{fallback-cache}:head')
    const said: string[] = []
    const logger = { info: () => {}, warn: (_details: object, message: string) => void said.push(message) }
    const second = new Other({
      redis: server.url,
      defaultTtl: 600,
      keyPrefix: 'app:',
      logger,
      circuitBreaker: { cooldown: 1 },
    })
    opened.push(second)
    await until('the second has been refused', () => said.some((text) => text.includes('version')) || said.length > 0)
    expect(second.stats().redisError).toContain('protocol')
    await second.set('k', 'of the second')
    await second.invalidatePrefix('k')
    expect(await server.command('GET', 'app:{fallback-cache}:head')).toBe(head)
    expect([first.stats().connected, second.stats().connected]).toEqual([true, false])
    expect(await first.get('k')).toBe('of the first')
    await first.close()
    // As a minute later.
    await server.command('DEL', 'app:{fallback-cache}:present:1')
    await until('the second takes over', () => second.stats().connected, { timeout: 15_000 })
    expect(await second.get('k')).toBe(null)
    await second.set('k', 'of the second')
    expect(String(await server.command('GET', 'app:{fallback-cache}:head'))).toMatch(/^2 /)
    // And the other way round: a rollback waits as well.
    const rolledBack = new FallbackCache({ redis: server.url, keyPrefix: 'app:', logger })
    opened.push(rolledBack)
    await until('it has been refused', () => rolledBack.stats().redisError?.includes('protocol "2"') === true)
    expect(await rolledBack.get('k')).toBe(null)
  }, 60_000)

  it.each([
    { what: 'a minute later', end: ['DEL', 'app:{fallback-cache}:present:1'] },
    { what: 'after Redis was emptied', end: ['FLUSHALL'] },
  ] as const)(
    'know nothing of what the other has invalidated: the later one drops its memory when it takes over $what (C1)',
    async ({ end: [command, ...args] }) => {
      server = await RedisServer.start()
      const proxy = await ChaosProxy.start({ port: server.port })
      await proxy.refuse()
      const first = await start()
      const more = { defaultTtl: 600, keyPrefix: 'app:', circuitBreaker: { cooldown: 0.2 } }
      const second = new Other({ redis: server.url, ...more })
      // One that has not met the other, for it cannot reach Redis.
      const third = new Other({ redis: proxy.url, ...more })
      opened.push(second, third)
      await until('the second has been refused', () => second.stats().redisError?.includes('protocol') === true)
      for (const cache of [second, third]) {
        await cache.set('k', 'old')
        expect(await cache.get('k')).toBe('old')
      }
      expect(await first.invalidatePrefix('k')).toMatchObject({ durable: true })
      await first.close()
      await server.command(command, ...args)
      await until('the second takes over', () => second.stats().connected, { timeout: 15_000 })
      expect(await second.get('k')).toBe(null)
      if (command === 'DEL') {
        await proxy.restore()
        await until('the third is connected', () => third.stats().connected, { timeout: 15_000 })
        expect(await third.get('k')).toBe(null)
      }
      await second.set('new', 1)
      expect(await second.get('new')).toBe(1)
      await proxy.close()
    },
    30_000,
  )
})
