import { AsyncLocalStorage } from 'node:async_hooks'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FallbackCache } from '../../src/core/fallback-cache.js'
import { RedisServer } from '../support/redis-server.js'
import { until } from '../support/until.js'

const request = new AsyncLocalStorage<string>()
let server: RedisServer

/** A client that notes in which async context each command was sent, as a tracer would. */
class TracedRedis extends Redis {
  readonly traced: { readonly name: string; readonly context: string | undefined }[] = []

  override sendCommand(...[command, stream]: Parameters<Redis['sendCommand']>): unknown {
    this.traced?.push({ name: command.name.toLowerCase(), context: request.getStore() })
    return super.sendCommand(command, stream)
  }
}

beforeAll(async () => {
  server = await RedisServer.start()
})
afterAll(() => server?.stop())

describe('background work', () => {
  it('is no part of the request that caused it: the sweep after an invalidation', async () => {
    const client = new TracedRedis(server.url)
    const cache = new FallbackCache({ redis: client, defaultTtl: 60 })
    try {
      await until('connected', () => cache.stats().connected)
      await cache.set('/products/1', 'one')
      await request.run('of a user', () => cache.invalidatePrefix('/products/'))
      await until('swept', () => client.traced.some(({ name }) => name === 'scan'), { timeout: 10_000 })
      expect(client.traced.filter(({ name }) => name === 'scan').map(({ context }) => context)).toContain(undefined)
      expect(client.traced.filter(({ name }) => name === 'scan').map(({ context }) => context)).not.toContain(
        'of a user',
      )
    } finally {
      await cache.close()
      client.disconnect()
    }
  })
})
