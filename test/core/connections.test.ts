import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Cluster, Redis } from 'ioredis'
import { Redis as Redis5 } from 'ioredis5'
import { Redis as Valkey } from 'iovalkey'
import { createClientPool, createSentinel } from 'redis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { leastRules } from '../../scripts/redis-commands.mjs'
import { engineOf, FallbackCache } from '../../src/core/fallback-cache.js'
import type { FallbackCacheOptions } from '../../src/core/options.js'
import { ChaosProxy } from '../support/chaos-proxy.js'
import { RedisCluster } from '../support/cluster.js'
import { freePort } from '../support/free-port.js'
import { RedisServer, sentinelLogin } from '../support/redis-server.js'
import { until } from '../support/until.js'

const caches: FallbackCache[] = []
afterEach(async () => void (await Promise.all(caches.splice(0).map((cache) => cache.close()))))

async function connect(options: FallbackCacheOptions): Promise<FallbackCache> {
  const cache = new FallbackCache({ redisTimeout: 2000, ...options })
  caches.push(cache)
  await until('connected', () => cache.stats().connected)
  return cache
}

/** Everything that a cache asks of Redis: all that must work, and be seen by another process. */
async function useAll(options: FallbackCacheOptions): Promise<void> {
  const [one, other] = [await connect(options), await connect(options)]
  for (let index = 0; index < 30; index++) await one.set(`k:${index}`, index, { tags: ['t'] })
  await one.set('large', 'x'.repeat(50_000))
  for (let round = 0; round < 2; round++) expect(await other.get('large')).toHaveLength(50_000)
  expect(await other.get('k:7')).toBe(7)
  expect(await other.getOrSet('made', () => 'made')).toBe('made')
  expect(await other.delete('k:7')).toBe(true)
  expect(await one.get('k:7')).toBeNull()
  expect(await one.invalidatePrefix('k:')).toMatchObject({ durable: true })
  expect(await other.get('k:1')).toBeNull()
  await until('swept', () => one.stats().counters.swept + other.stats().counters.swept >= 20)
  expect(await one.invalidateTags(['t'])).toMatchObject({ durable: true })
  expect(await one.clear()).toMatchObject({ durable: true })
  for (const cache of [one, other]) {
    expect(cache.stats()).toMatchObject({ redisError: undefined, connected: true })
    expect(cache.stats().counters).toMatchObject({ redisErrors: {}, redisErrorReplies: 0 })
  }
}

describe('the permissions in docs/redis.md', () => {
  const config = (): string[] => [
    'user default off',
    'user admin on >pw ~* &* +@all',
    `user shop ${leastRules('shop:', '>secret')}`,
    `user bare ${leastRules('shop:', '>secret')} -info -select -scan`,
  ]
  let server: RedisServer
  beforeAll(async () => {
    server = await RedisServer.start({ config, login: { username: 'admin', password: 'pw' } })
  })
  afterAll(() => server.stop())

  it('are enough for all that a cache does, for its own client', async () => {
    await useAll({ redis: `redis://shop:secret@127.0.0.1:${server.port}`, keyPrefix: 'shop:' })
    expect(await server.command('ACL', 'LOG')).toEqual([])
  })

  it('are enough with another database', () =>
    useAll({ redis: `redis://shop:secret@127.0.0.1:${server.port}/1`, keyPrefix: 'shop:' }))

  it('may be fewer, for less', async () => {
    const cache = await connect({ redis: `redis://bare:secret@127.0.0.1:${server.port}`, keyPrefix: 'shop:' })
    await cache.set('k', 1)
    expect(await cache.get('k')).toBe(1)
    expect(await cache.invalidatePrefix('k')).toMatchObject({ durable: true })
    expect(await cache.get('k')).toBeNull()
  })
})

describe('a key prefix of the client itself', () => {
  let server: RedisServer
  beforeAll(async () => {
    server = await RedisServer.start()
  })
  afterAll(() => server.stop())

  it.each([
    ['ioredis 6', (port: number) => new Redis({ port, keyPrefix: 'mi*ne:' })],
    ['ioredis 5', (port: number) => new Redis5({ port, keyPrefix: 'mi*ne:' })],
    ['iovalkey', (port: number) => new Valkey({ port, keyPrefix: 'mi*ne:' })],
  ])('works everywhere with %s, and touches nothing else', async (_, make) => {
    await server.command('FLUSHALL')
    await server.command('SET', 'page:k:1', 'of others')
    await server.command('SET', 'miXne:page:k:1', 'of others')
    const redis = make(server.port)
    await useAll({ redis, keyPrefix: 'page:' })
    expect(await server.command('MGET', 'page:k:1', 'miXne:page:k:1')).toEqual(['of others', 'of others'])
    redis.disconnect()
  })

  it('works everywhere in a cluster', async () => {
    const cluster = await RedisCluster.start()
    const redis = new Cluster([...cluster.addresses], { keyPrefix: 'mine:' })
    await useAll({ redis, keyPrefix: 'page:' })
    redis.disconnect()
    // Reads go to masters, also if other commands of the application do not.
    const far = new Cluster([...cluster.addresses], { scaleReads: 'slave' })
    await useAll({ redis: far, keyPrefix: 'far:' })
    far.disconnect()
    const masters = await cluster.masters()
    const statsOf = async (node: RedisServer) => String(await node.command('INFO', 'commandstats'))
    for (const node of cluster.nodes) {
      const reads = /cmdstat_(?:m?get|getrange):/
      if (masters.includes(node)) expect(await statsOf(node)).toMatch(reads)
      else expect(await statsOf(node)).not.toMatch(reads)
    }
    await cluster.stop()
  }, 60_000)
})

describe('news of a failover that comes while a client asks a Sentinel', () => {
  let master: RedisServer
  let sentinel: RedisServer
  let proxy: ChaosProxy
  beforeAll(async () => {
    master = await RedisServer.start()
    const config = () => [`sentinel monitor cache 127.0.0.1 ${master.port} 1`, ...sentinelLogin('cache')]
    sentinel = await RedisServer.start({ role: 'sentinel', config })
  })
  afterAll(() => Promise.all([sentinel.stop(), master.stop()]))
  beforeEach(async () => {
    proxy = await ChaosProxy.start({ port: sentinel.port })
    proxy.hold()
  })
  afterEach(() => proxy.close())

  /** A client that waits for the answer of a Sentinel. */
  async function asking<Client extends { readonly status: string }>(
    open: (options: object) => Client,
  ): Promise<Client> {
    const sentinels = [{ host: '127.0.0.1', port: proxy.port }]
    const client = open({ sentinels, name: 'cache', enableOfflineQueue: false, failoverDetector: true })
    await until('it asks', () => client.status === 'connecting' && proxy.connections > 0)
    return client
  }

  it.each<[string, (options: object) => Redis | Valkey]>([
    ['ioredis 6', (options) => new Redis(options)],
    ['ioredis 5', (options) => new Redis5(options) as unknown as Redis],
    ['iovalkey', (options) => new Valkey(options)],
  ])('ends the client of %s, which is connected again', async (_, open) => {
    const client = await asking(open)
    const cache = new FallbackCache({ redis: client, redisTimeout: 2000 })
    caches.push(cache)
    // All that the failover detector of an earlier connection does.
    ;(client as unknown as { connector: { disconnect(): void } }).connector.disconnect()
    await proxy.restore()
    await until('connected', () => cache.stats().connected)
    client.disconnect()
  })

  it('connects no client again that the application has ended', async () => {
    const client = await asking((options) => new Redis(options))
    const cache = new FallbackCache({ redis: client, redisTimeout: 2000 })
    caches.push(cache)
    client.disconnect()
    await proxy.restore()
    await until('it says so', () => cache.stats().redisError?.includes('the client was ended') === true)
    expect(client.status).toBe('end')
  })
})

describe('a client that could read from a replica', () => {
  const nodes = [{ host: '127.0.0.1', port: 1 }]
  const lazy = { lazyConnect: true, scaleReads: 'slave' } as const

  it.each([
    [
      'a key prefix',
      () => new Cluster(nodes, { ...lazy, keyPrefix: 'a:' }),
      /got one with scaleReads: "slave" and a keyPrefix/,
    ],
    ['pipelines', () => new Cluster(nodes, { ...lazy, enableAutoPipelining: true }), /and enableAutoPipelining/],
    ['a role', () => new Redis({ sentinels: nodes, name: 'm', role: 'slave', lazyConnect: true }), /role: 'slave'/],
    [
      'node-redis',
      () => createSentinel({ name: 'm', sentinelRootNodes: nodes }),
      /a Sentinel client of node-redis is not/,
    ],
    ['a client that was not awaited', () => Promise.resolve(), /got a Promise .*; await it/],
    ['a pool', () => createClientPool(), /pass createClient\(\), not a pool/],
  ])('is refused at construction: %s', (_, make, message) => {
    const redis = make() as FallbackCacheOptions['redis']
    expect(() => new FallbackCache({ redis })).toThrow(message)
  })

  it('is used if it sends our commands to masters all the same', () => {
    const redis = new Cluster(nodes, lazy)
    const cache = new FallbackCache({ redis, logger: { info: () => {}, warn: () => {} } })
    redis.disconnect()
    return cache.close()
  })
})

describe('a rediss:// URL', () => {
  let folder: string
  let server: RedisServer
  let port: number
  const pem = (name: string): string => readFileSync(join(folder, name), 'utf8')

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'fallback-cache-tls-'))
    const openssl = (...args: string[]): void => void execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' })
    const subject = (name: string): string[] => ['-subj', `/CN=${name}`]
    openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'ca.key', '-out', 'ca.pem', ...subject('ca'))
    for (const name of ['localhost', 'client']) {
      openssl('req', '-newkey', 'rsa:2048', '-nodes', '-keyout', `${name}.key`, '-out', `${name}.csr`, ...subject(name))
      openssl(
        ...['x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial'],
        ...['-out', `${name}.pem`],
      )
    }
    const file = (name: string): string => join(folder, name)
    port = await freePort()
    server = await RedisServer.start({
      args: [
        ...['--tls-port', String(port), '--tls-ca-cert-file', file('ca.pem'), '--tls-auth-clients', 'yes'],
        ...['--tls-cert-file', file('localhost.pem'), '--tls-key-file', file('localhost.key')],
      ],
    })
  }, 30_000)
  afterAll(async () => {
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  it('takes a CA and a client certificate by the option tls', async () => {
    const tls = { ca: pem('ca.pem'), cert: pem('client.pem'), key: pem('client.key'), servername: 'localhost' }
    await useAll({ redis: `rediss://127.0.0.1:${port}`, tls })
  })

  it('trusts no certificate of an unknown authority, and says so', async () => {
    const said: string[] = []
    const logger = { info: () => {}, warn: (_: object, message: string) => void said.push(message) }
    const cache = new FallbackCache({ redis: `rediss://127.0.0.1:${port}`, logger })
    caches.push(cache)
    await cache.set('k', 1)
    await until('said', () => said.some((message) => message.includes('tls: { ca }')))
    expect(cache.stats().redisError).toMatch(/certificate/i)
    expect(await cache.get('k')).toBe(1)
  })

  it('takes a CA and certificates that change, by the option credentials', async () => {
    const right = { ca: pem('ca.pem'), cert: pem('client.pem'), key: pem('client.key'), servername: 'localhost' }
    let asked = 0
    const credentials = async () => {
      asked += 1
      if (asked === 1) return { tls: { ca: pem('client.pem') } }
      return { tls: asked === 2 ? { ca: '-----BEGIN CERTIFICATE-----\nx' } : right }
    }
    await useAll({ redis: `rediss://127.0.0.1:${port}`, credentials: async () => ({ tls: right }) })
    const cache = await connect({ redis: `rediss://127.0.0.1:${port}`, credentials })
    await cache.set('k', 1)
    expect(await engineOf(cache).find('k')).toMatchObject({ tier: 'redis' })
    expect(asked).toBeGreaterThanOrEqual(3)
  })

  it('stays with the last ones where the function returns the path of a file', async () => {
    const right = { ca: pem('ca.pem'), cert: pem('client.pem'), key: pem('client.key'), servername: 'localhost' }
    let asked = 0
    const credentials = async () => {
      asked += 1
      return { tls: asked === 1 ? right : { ...right, ca: join(folder, 'ca.pem') } }
    }
    const cache = await connect({ redis: `rediss://127.0.0.1:${port}`, credentials })
    await server.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    await until('lost', () => !cache.stats().connected)
    await until('connected with the last ones', () => cache.stats().connected, { timeout: 15_000 })
    expect(asked).toBeGreaterThan(1)
  })

  it('refuses what cannot be read, at construction', () => {
    const redis = 'rediss://h'
    expect(() => new FallbackCache({ redis, tls: { ca: '/etc/ca.pem' } })).toThrow(/tls\.ca must be the text of a PEM/)
    expect(() => new FallbackCache({ redis, tls: { cert: '-----BEGIN CERTIFICATE-----\nx' } })).toThrow(/tls cannot/)
    expect(() => new FallbackCache({ redis, tls: 'ca.pem' as never })).toThrow(/tls must be an object/)
    expect(() => new FallbackCache({ redis: 'redis://h', tls: {} })).toThrow(/rediss:\/\//)
    expect(() => new FallbackCache({ tls: {} })).toThrow(/rediss:\/\//)
  })
})

describe('credentials', () => {
  let server: RedisServer
  let password = ''
  let login: () => Promise<{ username: string; password: string }>
  const give = () => login()
  beforeAll(async () => {
    const config = (): string[] => ['user default off', 'user admin on >pw ~* &* +@all']
    server = await RedisServer.start({ config, login: { username: 'admin', password: 'pw' } })
  })
  afterAll(() => server.stop())
  beforeEach(async () => {
    await rotate('first')
    login = async () => ({ username: 'shop', password })
  })

  /** A new password, and connections with the old one are closed. */
  async function rotate(to: string): Promise<void> {
    await server.command('ACL', 'SETUSER', 'shop', 'reset', ...leastRules('shop:', `>${to}`).split(' '))
    await server.command('CLIENT', 'KILL', 'USER', 'shop')
    password = to
  }

  const open = () => ({ redis: `redis://127.0.0.1:${server.port}`, keyPrefix: 'shop:', credentials: give })
  const works = async (cache: FallbackCache) => {
    await cache.set('k', 1)
    return (await engineOf(cache).find('k'))?.tier === 'redis'
  }

  it('are asked for at each connection: a password may change while the process runs', async () => {
    const cache = await connect(open())
    for (const next of ['second', 'third']) {
      await rotate(next)
      await until('connected with the new one', () => works(cache), { timeout: 15_000 })
    }
    expect(cache.stats().redisError).toBeUndefined()
  })

  it('are asked for by node-redis itself, by its option credentialsProvider', async () => {
    const { createClient } = await import('redis')
    const credentialsProvider = { type: 'async-credentials-provider', credentials: () => login() } as const
    const client = createClient({ url: `redis://127.0.0.1:${server.port}`, credentialsProvider })
    client.on('error', () => {})
    await client.connect()
    try {
      const cache = await connect({ redis: client, keyPrefix: 'shop:' })
      await rotate('second')
      await until('connected with the new one', () => works(cache), { timeout: 15_000 })
      expect(cache.stats().redisError).toBeUndefined()
      await cache.close()
    } finally {
      client.destroy()
    }
  })

  it('that come late or not at all leave the last ones in use, and memory answers until there are some', async () => {
    login = async () => Promise.reject(new Error('the vault is sealed'))
    const cache = new FallbackCache({ redisTimeout: 2000, ...open(), logger: { info: () => {}, warn: () => {} } })
    caches.push(cache)
    await cache.set('k', 1)
    expect(await cache.get('k')).toBe(1)
    await until('it says so', () => /NOAUTH|vault is sealed/.test(cache.stats().redisError ?? ''))
    login = async () => ({ username: 'shop', password })
    await until('connected', () => works(cache), { timeout: 15_000 })
    for (const odd of [undefined, 'text', { password: 7 }, { tls: {} }, new Promise(() => {})]) {
      login = () => odd as never
      await server.command('CLIENT', 'KILL', 'USER', 'shop')
      await until('connected with the last ones', () => works(cache), { timeout: 15_000 })
    }
  }, 60_000)

  it('do not hold up close()', async () => {
    login = () => new Promise(() => {})
    const cache = new FallbackCache({ ...open() })
    await cache.set('k', 1)
    const before = performance.now()
    await cache.close()
    expect(performance.now() - before).toBeLessThan(1_000)
    expect(await server.command('CLIENT', 'LIST', 'TYPE', 'normal')).not.toMatch(/user=shop/)
  })

  it('are for a URL without a login', () => {
    const credentials = give
    expect(() => new FallbackCache({ redis: 'redis://u:p@h', credentials })).toThrow(/exclude each other/)
    expect(() => new FallbackCache({ redis: new Redis({ lazyConnect: true }), credentials })).toThrow(/for a redis URL/)
    expect(() => new FallbackCache({ redis: 'redis://h', credentials: { password: 'x' } as never })).toThrow(
      /credentials/,
    )
  })
})

describe('a link over which not even the smallest page of the log arrives within redisTimeout', () => {
  it('connects a new process, slowly', async () => {
    const server = await RedisServer.start()
    const proxy = await ChaosProxy.start({ port: server.port })
    try {
      const filler = await connect({ redis: server.url })
      for (const round of [0, 1]) {
        await filler.invalidatePrefixes(Array.from({ length: 100 }, (_, index) => `${round}${index}:`.padEnd(256, 'x')))
      }
      // 1 Mbit/s: 81 marks of 256 bytes take 170 ms.
      proxy.limitRate(125_000)
      const newcomer = new FallbackCache({ redis: proxy.url, circuitBreaker: { cooldown: 1 } })
      caches.push(newcomer)
      await until('connected', () => newcomer.stats().connected, { timeout: 25_000 })
    } finally {
      await Promise.all(caches.splice(0).map((cache) => cache.close()))
      await proxy.close()
      await server.stop()
    }
  }, 40_000)
})
