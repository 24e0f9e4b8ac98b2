import type { EventEmitter } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FallbackCache } from '../../src/core/fallback-cache.js'
import { NodeRedisPort } from '../../src/core/tiers/node-redis-port.js'
import type { NodeRedisLike } from '../../src/core/tiers/redis-client.js'
import { ChaosProxy } from '../support/chaos-proxy.js'
import { CLIENT_KINDS, makeClient } from '../support/clients.js'
import { RedisServer } from '../support/redis-server.js'
import { type Connection, ReplyProxy } from '../support/reply-proxy.js'
import { until } from '../support/until.js'

let server: RedisServer
beforeAll(async () => {
  server = await RedisServer.start()
})
afterAll(() => server.stop())

describe.each(CLIENT_KINDS)('a reply that never comes, with %s', (kind) => {
  it.each([1, 3])('does not keep Redis away: the connection is dropped (%i replies)', async (count) => {
    let missing = 0
    const proxy = await ReplyProxy.start(server.port, (reply) => (missing-- > 0 ? [] : [reply]))
    const client = await makeClient({ kind, port: proxy.port })
    const cache = new FallbackCache({ redis: client.redis, redisTimeout: 100, circuitBreaker: { cooldown: 0.2 } })
    try {
      await until('it is connected', () => cache.stats().connected)
      await cache.set('k', 'in Redis')
      missing = count
      await until('the outage is noticed', async () => {
        await cache.get('k')
        return !cache.stats().connected
      })
      await until('it is connected again', () => cache.stats().connected)
      await cache.set('k', 'again')
      expect(cache.stats().pendingWrites).toBe(0)
    } finally {
      await cache.close()
      client.end()
      await proxy.close()
    }
  })

  it('for ever does not keep Redis away: a connection on which no check is answered is dropped', async () => {
    let isSilent = false
    const silent = new WeakSet<Connection>()
    const proxy = await ReplyProxy.start(server.port, (reply, connection) => {
      if (isSilent) silent.add(connection)
      return silent.has(connection) ? [] : [reply]
    })
    const client = await makeClient({ kind, port: proxy.port })
    const cache = new FallbackCache({ redis: client.redis, redisTimeout: 100, circuitBreaker: { cooldown: 1.1 } })
    try {
      await until('it is connected', () => cache.stats().connected)
      isSilent = true
      await until('the outage is noticed', async () => {
        await cache.get('k')
        return !cache.stats().connected
      })
      isSilent = false
      await until('it is connected again', () => cache.stats().connected, { timeout: 10_000 })
    } finally {
      await cache.close()
      client.end()
      await proxy.close()
    }
  })
})

describe('the answer to a record of several invalidations that never comes', () => {
  it('cannot be taken for that to a later record with others of them, which has another name', async () => {
    let isLost = false
    const proxy = await ReplyProxy.start(server.port, (reply) => {
      if (isLost || !reply.toString().startsWith('*4\r\n:1\r\n')) return [reply]
      isLost = true
      return []
    })
    const keyPrefix = 'named:'
    const cache = new FallbackCache({
      redis: proxy.url,
      redisTimeout: 200,
      circuitBreaker: { cooldown: 0.5 },
      keyPrefix,
    })
    try {
      const issued = ['first', 'second'].map((key) => cache.invalidateKey(key))
      await until('the answer to both is lost', () => isLost, { every: 1 })
      issued.push(cache.invalidateKey('third'))
      await until('all are told', () => cache.stats().connected && cache.stats().pendingInvalidations === 0)
      await Promise.all(issued)
      const records = (await server.command('XRANGE', `${keyPrefix}{fallback-cache}:log`, '-', '+')) as [
        string,
        string[],
      ][]
      const told = records.filter(([, fields]) => fields[3]?.includes('kfirst') === true)
      expect(told.length).toBeGreaterThan(1)
      expect(new Set(told.map(([, [, name]]) => name)).size).toBe(told.length)
    } finally {
      await cache.close()
      await proxy.close()
    }
  })
})

describe('a connection on which nothing passes any more, in either direction', () => {
  it.concurrent.each(CLIENT_KINDS)('is replaced, with %s', { timeout: 60_000 }, async (kind) => {
    const proxy = await ChaosProxy.start({ port: server.port })
    const client = await makeClient({ kind, port: proxy.port })
    const cache = new FallbackCache({ redis: client.redis, redisTimeout: 300, circuitBreaker: { cooldown: 1 } })
    try {
      await until('it is connected', () => cache.stats().connected, { timeout: 20_000 })
      const silent = proxy.accepted
      proxy.filter((_direction, _chunk, connection) => (connection <= silent ? 'drop' : 'pass'))
      await until('the outage is noticed', async () => {
        await cache.get('k')
        return !cache.stats().connected
      })
      await until('it is connected again', () => cache.stats().connected, { timeout: 30_000 })
    } finally {
      await cache.close()
      client.end()
      await proxy.close()
    }
  })
})

describe('a client of node-redis that connects again by itself', () => {
  it.concurrent.each(['node-redis 6', 'node-redis 5', 'node-redis 4'] as const)('is left alone: %s', async (kind) => {
    const gone = await RedisServer.start()
    const { redis, end } = await makeClient({ kind, port: gone.port })
    const client = redis as EventEmitter & NodeRedisLike
    let ended = 0
    client.on('end', () => ended++)
    const port = new NodeRedisPort(client)
    try {
      await gone.stop()
      await until('the connection is lost', () => !client.isReady)
      // Too late to replace the connection: the client has lost it already.
      port.reset()
      await sleep(2_300)
      expect(ended).toBe(0)
    } finally {
      await port.close()
      end()
    }
  })
})

describe('a reply that no command waits for, with a URL', () => {
  it.each(['$-1\r\n', '*-1\r\n', '$1\r\na\r\n', '-ERR late\r\n', '$-1\r\n$-1\r\n:1\r\n'])(
    'drops the connection, and ends no process: %j',
    async (surplus) => {
      let added = ''
      const proxy = await ReplyProxy.start(server.port, (reply) => {
        const bytes = Buffer.concat([reply, Buffer.from(added)])
        added = ''
        return [bytes]
      })
      const cache = new FallbackCache({ redis: proxy.url, redisTimeout: 500 })
      try {
        await until('it is connected', () => cache.stats().connected)
        await cache.set('k', 'value')
        added = surplus
        expect(await cache.get('k')).toBe('value')
        await until('the connection is dropped', () => !cache.stats().connected)
        await until('it is connected again', () => cache.stats().connected)
        expect(await cache.get('k')).toBe('value')
      } finally {
        await cache.close()
        await proxy.close()
      }
    },
  )

  it.each([
    ['that has no login and no database', (address: string) => `redis://${address}`],
    ['that has both', (address: string) => `redis://user:password@${address}/5`],
    ['of Sentinels', (address: string) => `redis-sentinel://${address}/master`],
  ])('ends no process where they come from the first command on: one %s', async (_, urlOf) => {
    let asked = 0
    const babbler = createServer((socket) => {
      socket.on('error', () => {})
      socket.on('data', () => {
        asked++
        socket.write(`-ERR no\r\n${'$-1\r\n'.repeat(50)}`)
      })
    })
    await new Promise<void>((resolve) => babbler.listen(0, '127.0.0.1', resolve))
    const { port } = babbler.address() as AddressInfo
    const cache = new FallbackCache({ redis: urlOf(`127.0.0.1:${port}`), redisTimeout: 100 })
    try {
      await until('it has asked on several connections', () => asked > 3)
      await cache.set('k', 'value')
      expect(await cache.get('k')).toBe('value')
    } finally {
      await cache.close()
      babbler.close()
    }
  })
})
