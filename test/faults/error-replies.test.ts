import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { CLIENT_KINDS } from '../support/clients.js'
import { RedisServer } from '../support/redis-server.js'
import { until } from '../support/until.js'
import { Worker } from '../support/worker.js'

/** What Redis answers is looked at here, not how soon. */
const UNHURRIED = { redisTimeout: 300 }

let host: Worker
beforeAll(async () => {
  host = await Worker.start()
})
afterAll(() => host?.stop())

describe.each(CLIENT_KINDS)('with %s, an error that Redis answers with', (kind) => {
  let server: RedisServer
  let worker: Worker

  beforeEach(async () => {
    server = await RedisServer.start()
    worker = await host.sibling({ client: { kind, port: server.port }, cache: UNHURRIED })
    await until('connected', async () => {
      await worker.set('warm', 1)
      return (await worker.find('warm'))?.tier === 'redis'
    })
  })
  afterEach(async () => {
    await worker?.stop()
    await server?.stop()
  })

  it('WRONGTYPE: is a miss, or what memory has', async () => {
    await server.command('RPUSH', 'list', 'not ours')
    for (let round = 0; round < 8; round++) expect(await worker.get('list')).toBe(null)
    await worker.set('mine', 'value')
    await server.command('DEL', 'mine')
    await server.command('RPUSH', 'mine', 'not ours')
    for (let round = 0; round < 8; round++) expect([null, 'value']).toContain(await worker.get('mine'))
    await trusted()
  })

  it('WRONGTYPE: a value can be set in its place, or stays in memory', async () => {
    await server.command('RPUSH', 'list', 'not ours')
    for (let round = 0; round < 8; round++) await worker.set('list', 'value')
    expect(await worker.get('list')).toBe('value')
    await trusted()
  })

  it('OOM: values stay in memory, reads go on', async () => {
    await server.command('CONFIG', 'SET', 'maxmemory', '1')
    for (let round = 0; round < 8; round++) await worker.set(`k${round}`, round)
    for (let round = 0; round < 8; round++) expect(await worker.get(`k${round}`)).toBe(round)
    expect(await worker.find('warm')).toMatchObject({ value: 1 })
    await trusted()
    await server.command('CONFIG', 'SET', 'maxmemory', '0')
    await worker.set('after', 1)
    expect((await worker.find('after'))?.tier).toBe('redis')
  })

  it('OOM: an invalidation holds here at once, and everywhere when there is room again', async () => {
    const other = await host.sibling({ client: { kind, port: server.port }, cache: UNHURRIED })
    await until('connected', async () => (await other.find('warm'))?.tier === 'redis')
    await worker.set('k', 'old')
    expect(await other.get('k')).toBe('old')
    await server.command('CONFIG', 'SET', 'maxmemory', '1')
    const { durable } = await worker.invalidateKey('k')
    expect(await worker.get('k')).toBe(null)
    if (durable) expect(await other.get('k')).toBe(null)
    await server.command('CONFIG', 'SET', 'maxmemory', '0')
    await until('told everywhere', async () => (await other.get('k')) === null, { timeout: 8_000 })
    expect(await worker.get('k')).toBe(null)
    await other.stop()
  })

  it('NOPERM on writing: values stay in memory, reads go on', async () => {
    await server.command('ACL', 'SETUSER', 'default', '-set', '-eval', '-evalsha', '-setex', '-psetex')
    for (let round = 0; round < 8; round++) await worker.set(`k${round}`, round)
    for (let round = 0; round < 8; round++) expect(await worker.get(`k${round}`)).toBe(round)
    await trusted()
  })

  it('NOPERM on everything: memory answers', async () => {
    await worker.set('k', 'value')
    const admin = server.client
    await admin.call('PING')
    await admin.call('ACL', 'SETUSER', 'admin', 'on', '>secret', '~*', '+@all')
    await admin.call('AUTH', 'admin', 'secret')
    await admin.call('ACL', 'SETUSER', 'default', '-@all', '+ping', '+info', '+hello', '+client')
    for (let round = 0; round < 8; round++) expect([null, 'value']).toContain(await worker.get('k'))
    for (let round = 0; round < 8; round++) await worker.set(`k${round}`, round)
    await quiet()
  })

  it('READONLY: values stay in memory, reads go on', async () => {
    await server.command('REPLICAOF', '127.0.0.1', '1')
    for (let round = 0; round < 8; round++) await worker.set(`k${round}`, round)
    for (let round = 0; round < 8; round++) expect(await worker.get(`k${round}`)).toBe(round)
    await quiet()
    await server.command('REPLICAOF', 'NO', 'ONE')
    await until('writing again', async () => {
      await worker.set('after', 1)
      return (await worker.find('after'))?.tier === 'redis'
    })
  })

  it('LOADING: memory answers until it has loaded', async () => {
    const pipeline = server.client.pipeline()
    for (let index = 0; index < 3_000; index++) pipeline.set(`filler:${index}`, 'x'.repeat(2_000))
    await pipeline.exec()
    await server.command('SAVE')
    await worker.set('k', 'value')
    await server.kill()
    server.launchInBackground(['--key-load-delay', '500', '--loading-process-events-interval-bytes', '1024'])
    await until('it says LOADING', async () =>
      server.command('GET', 'k').then(
        () => false,
        (error: Error) => error.message.startsWith('LOADING'),
      ),
    )
    for (let round = 0; round < 20; round++) expect([null, 'value']).toContain(await worker.get('k'))
    await until('loaded', async () => (await server.command('GET', 'filler:1')) !== null)
    await until(
      'an answer from Redis',
      async () => {
        await worker.set('k', 'value')
        return (await worker.find('k'))?.tier === 'redis'
      },
      // ioredis asks again up to ten seconds later, by its own default.
      { timeout: 15_000 },
    )
    await quiet()
  })

  it('NOAUTH or WRONGPASS: memory answers', async () => {
    const locked = await RedisServer.start({ args: ['--requirepass', 'right'], login: { password: 'right' } })
    const wrong = await host.sibling({ client: { kind, port: locked.port, password: 'wrong' } })
    const none = await host.sibling({ client: { kind, port: locked.port } })
    for (const client of [wrong, none]) {
      for (let round = 0; round < 8; round++) {
        await client.set('k', 'value')
        expect(await client.get('k')).toBe('value')
      }
      await client.stop()
    }
    await locked.stop()
    await quiet()
  })

  it('no script is known any more: the next ones are sent in full', async () => {
    await server.command('SCRIPT', 'FLUSH')
    await worker.set('k', 'value')
    expect(await worker.find('k')).toMatchObject({ value: 'value', tier: 'redis' })
    expect(await worker.invalidatePrefix('k')).toMatchObject({ durable: true })
    expect(await worker.get('k')).toBe(null)
    await trusted()
  })

  /** The breaker stayed closed, and nothing came out. */
  async function trusted(): Promise<void> {
    const { circuitBreakerState, circuitBreakerFailureCount } = await worker.stats()
    expect({ circuitBreakerState, circuitBreakerFailureCount }).toEqual({
      circuitBreakerState: 'closed',
      circuitBreakerFailureCount: 0,
    })
    expect(await worker.events('circuit')).toEqual([])
    await quiet()
  }

  async function quiet(): Promise<void> {
    expect(await host.troubles()).toEqual([])
  }
})
