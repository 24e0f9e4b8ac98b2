import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Clock, systemClock } from '../../src/core/clock.js'
import { FallbackCache } from '../../src/core/fallback-cache.js'
import type { FallbackCacheOptions } from '../../src/core/options.js'
import { RedisServer } from '../support/redis-server.js'
import { until } from '../support/until.js'

let server: RedisServer
const made: FallbackCache[] = []
const lines: { readonly level: string; readonly details: Record<string, unknown>; readonly message: string }[] = []
const troubles: unknown[] = []
const keepTrouble = (thrown: unknown): void => void troubles.push(thrown)

beforeEach(async () => {
  server = await RedisServer.start()
  process.on('unhandledRejection', keepTrouble)
})
afterEach(async () => {
  await Promise.all(made.splice(0).map((cache) => cache.close()))
  await server.stop()
  lines.length = 0
  process.off('unhandledRejection', keepTrouble)
  expect(troubles.splice(0)).toEqual([])
})

const logger = {
  info: (details: object, message: string) => void lines.push({ level: 'info', details: { ...details }, message }),
  warn: (details: object, message: string) => void lines.push({ level: 'warn', details: { ...details }, message }),
}

function open(options: FallbackCacheOptions = {}): FallbackCache {
  const cache = new FallbackCache({ redis: server.url, redisTimeout: 2000, logger, ...options })
  made.push(cache)
  return cache
}

async function connected(options: FallbackCacheOptions = {}): Promise<FallbackCache> {
  const cache = open(options)
  await until('connected', () => cache.stats().connected)
  lines.length = 0
  return cache
}

const connections = async (): Promise<number> =>
  Number(/total_connections_received:(\d+)/.exec(String(await server.command('INFO', 'stats')))?.[1])

describe('what Redis refuses', () => {
  it('OOM: one line when it begins and one when it ends, and in the stats in between', async () => {
    const cache = await connected()
    await server.command('CONFIG', 'SET', 'maxmemory', '1')
    for (let index = 0; index < 20; index++) await cache.set(`k${index}`, index)
    expect(lines).toEqual([
      {
        level: 'warn',
        details: expect.objectContaining({ kind: 'OOM', purpose: 'store' }),
        message: expect.any(String),
      },
    ])
    expect(cache.stats()).toMatchObject({ connected: true, redisError: expect.stringMatching(/^OOM /) })
    // More where the sets took so long that entries were written back, which is refused too.
    const { OOM, ...others } = cache.stats().counters.redisErrors
    expect(OOM).toBeGreaterThanOrEqual(20)
    expect(others).toEqual({})
    await server.command('CONFIG', 'SET', 'maxmemory', '0')
    await until('the end is told', async () => {
      await cache.set('k', 1)
      return lines.length > 1
    })
    expect(lines[1]).toMatchObject({ level: 'info', details: { code: 'OOM' } })
    expect(cache.stats().redisError).toBeUndefined()
    expect(lines).toHaveLength(2)
  })

  it('OOM without a logger: one process warning', async () => {
    const warnings: string[] = []
    const warned = (warning: Error): void => void warnings.push(warning.message)
    process.on('warning', warned)
    const cache = await connected({ logger: undefined })
    await server.command('CONFIG', 'SET', 'maxmemory', '1')
    for (let index = 0; index < 5; index++) await cache.set(`k${index}`, index)
    await sleep(10)
    process.off('warning', warned)
    expect(warnings.filter((text) => text.includes('OOM'))).toHaveLength(1)
  })

  it('NOPERM on reading: one line, and memory answers', async () => {
    const cache = await connected()
    await cache.set('k', 1)
    await server.command('ACL', 'SETUSER', 'default', '-mget')
    for (let round = 0; round < 5; round++) expect(await cache.get('k')).toBe(1)
    const told = () => lines.filter(({ details }) => (details.kind ?? details.code) === 'NOPERM')
    expect(told()).toMatchObject([{ details: { purpose: 'read' } }])
    expect(cache.stats()).toMatchObject({ connected: false, redisError: expect.stringMatching(/^NOPERM /) })
    // Longer than a refusal lasts if nothing is refused: what the cache reads by itself is refused too.
    await sleep(3_300)
    expect(told()).toHaveLength(1)
    expect(cache.stats().connected).toBe(false)
    await server.command('ACL', 'SETUSER', 'default', '+mget')
    await until('the end is told', () => told().length === 2)
    expect(cache.stats()).toMatchObject({ connected: true, redisError: undefined })
  })

  it('NOPERM on invalidating: over when the permission is back, though nothing else is invalidated', async () => {
    const cache = await connected()
    await server.command('ACL', 'SETUSER', 'default', '-xadd')
    expect(await cache.invalidateTags(['t'])).toMatchObject({ durable: false })
    expect(cache.stats().redisError).toMatch(/permission|can't run/)
    await server.command('ACL', 'SETUSER', 'default', '+xadd')
    await until('the end is told', async () => {
      await cache.get('k')
      const { connected, redisError, pendingInvalidations } = cache.stats()
      return connected && redisError === undefined && pendingInvalidations === 0
    })
    expect(lines.map(({ level, details }) => [level, details.code ?? details.kind])).toContainEqual(['info', 'NOPERM'])
  })

  it('NOPERM on invalidating, and still on storing after the outage: one line for each', async () => {
    const cache = await connected()
    await server.command('ACL', 'SETUSER', 'default', '-xadd', '-getrange')
    expect(await cache.invalidateTags(['t'])).toMatchObject({ durable: false })
    await server.command('ACL', 'SETUSER', 'default', '+xadd')
    await until('the outage is over', () => cache.stats().connected)
    for (let round = 0; round < 5; round++) await cache.set('k', 1)
    const warned = lines.filter(({ level }) => level === 'warn')
    expect(warned).toMatchObject([{ details: { kind: 'NOPERM' } }, { details: { kind: 'NOPERM', purpose: 'store' } }])
  })

  it.each([
    ['max number of clients', 'maxclients', ['CONFIG', 'SET', 'maxclients', '1']],
    ['DB index', 'number of the database', undefined],
  ] as const)('names the remedy of an ERR: %s', async (said, remedy, setting) => {
    if (setting !== undefined) await server.command(...setting)
    const cache = open(setting === undefined ? { redis: `${server.url}/16` } : {})
    await until('said', () => lines.some(({ message }) => message.includes(remedy)))
    expect(cache.stats().redisError).toContain(said)
  })

  it.each(['get', 'zscore', 'xrevrange'])(
    'NOPERM on reading the log by %s: its process does without Redis, and the log goes on for the others',
    async (command) => {
      const cache = await connected({ circuitBreaker: { cooldown: 0.1 } })
      await cache.set('k', 1)
      const life = async () => String(await server.command('GET', '{fallback-cache}:head')).split(' ')[1]
      const before = await life()
      await server.command('ACL', 'SETUSER', 'default', `-${command}`)
      expect(await cache.invalidateTags(['t'])).toMatchObject({ durable: false })
      const newcomer = open({ circuitBreaker: { cooldown: 0.1 } })
      await until('refused', () => /permission|can't run|ACL failure/.test(newcomer.stats().redisError ?? ''))
      // Some attempts more of both.
      await sleep(500)
      expect([cache.stats().connected, newcomer.stats().connected]).toEqual([false, false])
      expect(lines.map(({ details }) => details.code)).not.toContain('log-broken')
      await server.command('ACL', 'SETUSER', 'default', `+${command}`)
      await until('both are back', () => cache.stats().connected && newcomer.stats().connected)
      expect(await life()).toBe(before)
      expect(await newcomer.get('k')).toBe(1)
    },
  )

  it('NOPERM on reading what a store replaces: nothing newer is replaced', async () => {
    const cache = await connected()
    const other = await connected({ redis: server.url })
    const mark = other.mark()
    await cache.set('k', 'newer')
    await server.command('ACL', 'SETUSER', 'default', '-getrange')
    await other.set('k', 'older', { since: mark })
    expect(other.stats()).toMatchObject({
      connected: true,
      redisError: expect.stringMatching(/permission|can't run|ACL failure/),
    })
    await server.command('ACL', 'SETUSER', 'default', '+getrange')
    const third = await connected()
    expect(await third.get('k')).toBe('newer')
  })

  it('NOPERM on a sweep: it is made up for, and over, when the permission is back', async () => {
    // The pause of a minute until the sweep is tried again; a refusal lasts two seconds at least.
    const setTimer: Clock['setTimer'] = (run, ms) => systemClock.setTimer(run, ms === 60_000 ? 2_100 : ms)
    const cache = await connected({ clock: { ...systemClock, setTimer } })
    await cache.set('k', 1, { tags: ['t'] })
    await server.command('ACL', 'SETUSER', 'default', '-scan')
    await cache.invalidateTags(['t'])
    await until('refused', () => /^NOPERM /.test(cache.stats().redisError ?? ''))
    await server.command('ACL', 'SETUSER', 'default', '+scan')
    await until('swept', () => cache.stats().counters.swept === 1 && cache.stats().redisError === undefined)
    expect(lines.map(({ level, details }) => [level, details.purpose])).toEqual([
      ['warn', 'sweep'],
      ['info', 'sweep'],
    ])
  })

  it('READONLY: one line, no flapping, few connections, and back when it is a master again', async () => {
    const cache = await connected()
    await cache.set('k', 1)
    await server.command('REPLICAOF', '127.0.0.1', '1')
    const before = await connections()
    const end = performance.now() + 4000
    for (let round = 0; performance.now() < end; round++) {
      await cache.set(`k${round}`, round)
      expect(await cache.get('k')).toBe(1)
      await sleep(20)
    }
    expect(lines.map(({ level, details }) => [level, details.kind])).toEqual([['warn', 'READONLY']])
    expect(cache.stats()).toMatchObject({ connected: false, redisError: expect.stringMatching(/^READONLY /) })
    expect(cache.stats().counters).toMatchObject({ outages: 1 })
    expect((await connections()) - before).toBeLessThan(10)
    await server.command('REPLICAOF', 'NO', 'ONE')
    await until('back', () => cache.stats().connected, { timeout: 15_000 })
    expect(cache.stats().redisError).toBeUndefined()
    expect(lines).toHaveLength(2)
  }, 30_000)

  it('NOAUTH after a restart with a password: told as another reason', async () => {
    const cache = await connected({ circuitBreaker: { cooldown: 0.3 } })
    await server.restart(['--requirepass', 'right'])
    await until('told', () => lines.some(({ details }) => details.kind === 'NOAUTH'), { timeout: 15_000 })
    await sleep(1500)
    expect(lines.filter(({ details }) => details.kind === 'NOAUTH')).toHaveLength(1)
    expect(cache.stats().redisError).toMatch(/^NOAUTH /)
  }, 30_000)

  it('a wrong password: no flood of connections, and the password nowhere', async () => {
    const locked = await RedisServer.start({ args: ['--requirepass', 'right'], login: { password: 'right' } })
    const seen: unknown[] = []
    const cache = open({ redis: locked.url.replace('//', '//:s3cret@') })
    for (const event of ['outage', 'fault', 'circuit'] as const) cache.on(event, (payload) => void seen.push(payload))
    const received = async (): Promise<number> =>
      Number(/total_connections_received:(\d+)/.exec(String(await locked.command('INFO', 'stats')))?.[1])
    await until('refused', () => cache.stats().redisError !== undefined)
    await sleep(3000)
    const before = await received()
    await sleep(3000)
    expect((await received()) - before).toBeLessThanOrEqual(3)
    expect(cache.stats().redisError).toMatch(/^WRONGPASS /)
    expect(inspect([seen, lines, cache, cache.stats()], { depth: 12, showHidden: true })).not.toContain('s3cret')
    await cache.close()
    await locked.stop()
  }, 30_000)

  it('LOADING: in the stats by its code, and connected once it has loaded', async () => {
    const pipeline = server.client.pipeline()
    for (let index = 0; index < 3_000; index++) pipeline.set(`filler:${index}`, 'x'.repeat(2_000))
    await pipeline.exec()
    await server.command('SAVE')
    await server.kill()
    server.launchInBackground(['--key-load-delay', '500', '--loading-process-events-interval-bytes', '1024'])
    const cache = open()
    await until('loading', () => /^LOADING /.test(cache.stats().redisError ?? ''))
    await until('connected', () => cache.stats().connected, { timeout: 20_000 })
    expect(cache.stats().redisError).toBeUndefined()
  }, 40_000)

  it('a node-redis client that the application did not connect: the remedy in the stats and the log', async () => {
    const client = createClient({ url: server.url })
    client.on('error', () => {})
    const cache = open({ redis: client })
    await cache.set('k', 1)
    expect(cache.stats().redisError).toMatch(/client\.connect\(\)/)
    await until('told', () => lines.length > 0)
    expect(lines[0]?.details.cause).toMatch(/client\.connect\(\)/)
    expect(lines).toHaveLength(1)
    await client.connect()
    await until('connected', () => cache.stats().connected)
    client.destroy()
  })

  it('a client with a deadline of its own: back soon after a pause, although it hides late replies', async () => {
    const clients = [80, 300].map((commandTimeout) => new Redis(server.port, { commandTimeout }))
    for (const client of clients) client.on('error', () => {})
    const caches = clients.map((redis) => open({ redis, redisTimeout: 150 }))
    await until('connected', () => caches.every((cache) => cache.stats().connected))
    server.freeze()
    await until('the breakers are open', async () => {
      await Promise.all(caches.map((cache) => cache.get('k')))
      return caches.every((cache) => cache.stats().circuitBreakerState === 'open')
    })
    // The later client gives up its commands.
    await sleep(350)
    server.resume()
    // The cooldown of the breaker is 30 s.
    await until('connected', () => caches.every((cache) => cache.stats().connected))
    for (const client of clients) client.disconnect()
  })

  it('nothing in health: the sweep of a database with keys of other types counts no error', async () => {
    await server.command('RPUSH', 'queue', 'job')
    await server.command('HSET', 'hash', 'field', 'value')
    const cache = await connected()
    for (let index = 0; index < 20; index++) await cache.set(`k${index}`, index)
    expect(await cache.get('queue')).toBeNull()
    await cache.invalidatePrefix('k')
    await until('swept', () => cache.stats().counters.swept === 20)
    await cache.getOrSet('made', () => 1)
    expect(cache.stats().counters).toMatchObject({ redisErrorReplies: 0, redisErrors: {}, redisFailures: 0 })
    expect(cache.stats().redisError).toBeUndefined()
    expect(lines).toEqual([])
  })
})

describe('the database of a URL', () => {
  it('holds what is stored, after a lost connection too', async () => {
    const cache = await connected({ redis: `${server.url}/3` })
    await cache.set('k', 1)
    const id = /id=(\d+)[^\n]* db=3 /.exec(String(await server.command('CLIENT', 'LIST')))?.[1]
    await server.command('CLIENT', 'KILL', 'ID', String(id))
    await until('lost and back', () => cache.stats().counters.outages === 1 && cache.stats().connected)
    await cache.set('other', 1)
    expect(await server.command('DBSIZE')).toBe(0)
    expect(String(await server.command('INFO', 'keyspace'))).toMatch(/^# Keyspace\r\ndb3:keys=\d+[^\n]*\r\n$/)
  })

  it('that Redis refuses to select is an error, and nothing goes to another one', async () => {
    const cache = open({ redis: `${server.url}/99` })
    await cache.set('k', 1)
    await until('said', () => cache.stats().redisError !== undefined)
    expect(cache.stats()).toMatchObject({ connected: false, redisError: expect.stringMatching(/DB index|range/i) })
    await sleep(1000)
    expect(await server.command('DBSIZE')).toBe(0)
  })

  it('that may no longer be selected at a reconnect ends nothing but the use of Redis', async () => {
    await server.command('ACL', 'SETUSER', 'app', 'on', '>pw', '~*', '+@all')
    const cache = await connected({ redis: `redis://app:pw@127.0.0.1:${server.port}/2` })
    await server.command('ACL', 'SETUSER', 'app', '-select')
    await server.command('CLIENT', 'KILL', 'USER', 'app')
    await until('said', () => /^NOPERM /.test(cache.stats().redisError ?? ''))
    await cache.set('k', 1)
    expect(await server.command('DBSIZE')).toBe(0)
  })

  it('of a client handed in is held to as well', async () => {
    const client = new Redis({ port: server.port, db: 99 })
    client.on('error', () => {})
    const cache = open({ redis: client })
    await cache.set('k', 1)
    await until('said', () => /DB index|range/i.test(cache.stats().redisError ?? ''))
    expect(cache.stats().connected).toBe(false)
    expect(await server.command('DBSIZE')).toBe(0)
    client.disconnect()
  })
})

describe('a client whose application switches it to another database', () => {
  it.each(['ioredis', 'ioredis5', 'iovalkey'])(
    'is not used until it is back, and that is said: %s',
    async (name) => {
      const { Redis: Client } = (await import(name)) as { Redis: typeof Redis }
      const client = new Client({ port: server.port })
      client.on('error', () => {})
      // The breaker opens if the machine is slow: then nothing but its cooldown brings the next attempt.
      const cache = await connected({ redis: client, circuitBreaker: { cooldown: 1 } })
      const other = await connected({ redis: server.url })
      await cache.set('k', 1)
      expect(await other.get('k')).toBe(1)
      await client.select(3)
      expect(await cache.get('k')).toBe(1)
      expect(await cache.invalidateKey('k')).toMatchObject({ durable: false })
      expect(cache.stats().redisError).toContain('switched the client from database 0')
      await client.select(0)
      await until('back', () => cache.stats().connected, { timeout: 15_000 })
      expect(await other.get('k')).toBeNull()
      expect(String(await server.command('INFO', 'keyspace'))).not.toContain('db3:')
      client.disconnect()
    },
    30_000,
  )
})

describe('a user without INFO', () => {
  it('keeps its memory when Redis comes back empty, and gives it up when Redis is flushed', async () => {
    const config = () => ['user default on nopass ~* &* +@all -info', 'user admin on >pw ~* &* +@all']
    const limited = await RedisServer.start({ config, login: { username: 'admin', password: 'pw' } })
    const cache = open({ redis: limited.url, circuitBreaker: { cooldown: 0.3 } })
    await until('connected', () => cache.stats().connected)
    await cache.set('k', 1)
    await limited.restart()
    await until('back', () => cache.stats().counters.outages > 0 && cache.stats().connected, { timeout: 15_000 })
    expect(await cache.get('k')).toBe(1)
    await limited.command('FLUSHALL')
    await until('forgotten', async () => (await cache.get('k')) === null)
    await cache.close()
    await limited.stop()
  }, 30_000)
})
