import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { ClientSetup } from '../support/clients.js'
import { SentinelGroup } from '../support/sentinel.js'
import { until } from '../support/until.js'
import type { Worker } from '../support/worker.js'
import { answersOf, Hosts, READ_MODES, REDIS_TIMEOUT } from './fleet.js'

let hosts: Hosts
beforeAll(async () => {
  hosts = await Hosts.start()
})
afterAll(() => hosts?.stop())

/** On a slow machine the first attempt after a failover may miss its deadline; the next comes after this, in seconds. */
const COOLDOWN = { cooldown: 2 }

/** What a client needs so that it finds the new master soon; see the operations guide. */
const OPTIONS = { maxRetriesPerRequest: 0, enableOfflineQueue: false, socketTimeout: 2_000, failoverDetector: true }

describe.each(READ_MODES)('on a Sentinel group, %s', (read) => {
  let group: SentinelGroup
  let workers: Worker[]
  beforeEach(async () => {
    group = await SentinelGroup.start()
    const client: ClientSetup = {
      kind: 'ioredis 6 sentinel',
      sentinels: group.addresses,
      name: group.name,
      options: OPTIONS,
    }
    workers = await Promise.all(
      hosts.workers.map((host) =>
        host.sibling({ client, cache: { read, lease: 0.2, redisTimeout: REDIS_TIMEOUT, circuitBreaker: COOLDOWN } }),
      ),
    )
    for (const worker of workers) await connected(worker)
  }, 60_000)
  afterEach(async () => {
    await Promise.all((workers ?? []).map((worker) => worker.stop()))
    await group?.stop()
    expect(await hosts.troubles()).toEqual([])
  })

  it('C8, scenario 14: failovers that lose acknowledged invalidations bring nothing back', async () => {
    const [a, b, c] = workers
    if (!a || !b || !c) throw new Error('no workers')
    for (let index = 0; index < 20; index++) await spread(`k${index}`, 'old')
    await sleep(300)
    // From here on the replica learns nothing: what is acknowledged now is lost with the master.
    const [replica] = group.replicas
    replica?.freeze()
    for (let index = 0; index < 10; index++) expect(await a.invalidateKey(`k${index}`)).toMatchObject({ durable: true })
    await grace()
    for (let index = 0; index < 10; index++) expect(await b.get(`k${index}`)).toBe(null)
    await group.master.kill()
    replica?.resume()
    for (let index = 10; index < 20; index++) await a.invalidateKey(`k${index}`)
    await group.failedOver()
    for (const worker of workers) await connected(worker)
    await until('told', async () => (await a.stats()).pendingInvalidations === 0, { timeout: 15_000 })
    await grace()
    for (let index = 0; index < 20; index++) expect(await answersOf(workers, `k${index}`)).toEqual([null, null, null])
    await a.set('k1', 'new')
    await grace()
    expect(await answersOf(workers, 'k1')).toEqual(['new', 'new', 'new'])
    expect(await c.invalidateKey('k1')).toMatchObject({ durable: true })
    await grace()
    expect(await answersOf(workers, 'k1')).toEqual([null, null, null])
    if (read === 'redis-first') await loseAgain([...Array(20).keys()].map((index) => `k${index}`))
  }, 60_000)

  /** A second loss in a row, in which the process that invalidated is cut off for good. */
  async function loseAgain(keys: readonly string[]): Promise<void> {
    const [a, b, c] = workers
    const [former] = group.replicas
    if (!a || !b || !c || !former) throw new Error('no workers')
    for (const key of keys) await spread(key, 'newer')
    await former.restart(['--replicaof', '127.0.0.1', String(group.master.port)])
    await until('replica in sync', async () =>
      /master_link_status:up/.test(String(await former.command('INFO', 'replication'))),
    )
    await group.knowReplicas()
    former.freeze()
    for (const key of keys) expect(await b.invalidateKey(key)).toMatchObject({ durable: true })
    for (const key of keys) for (const worker of workers) expect(await worker.get(key)).toBe(null)
    await group.master.kill()
    await b.stop()
    former.resume()
    await group.failedOver()
    for (const worker of [a, c]) await connected(worker)
    for (const key of keys) for (const worker of [a, c]) expect(await worker.get(key), key).toBe(null)
  }

  it('C2, scenario 14: a failover that loses what requests invalidated brings nothing back to their process', async () => {
    const [a] = workers
    if (!a) throw new Error('no workers')
    const keys = Array.from({ length: 10 }, (_, index) => `k${index}`)
    for (const key of keys) await spread(key, 'old')
    await sleep(300)
    const [replica] = group.replicas
    replica?.freeze()
    await a.call('retire', keys.slice(0, 5))
    await grace()
    // In memory-first mode others keep their copies: docs/coherence.md.
    const asking = read === 'memory-first' ? [a] : workers
    for (const key of keys.slice(0, 5)) for (const worker of asking) expect(await worker.get(key)).toBe(null)
    await group.master.kill()
    replica?.resume()
    await a.call('retire', keys.slice(5))
    await group.failedOver()
    for (const key of keys) expect(await a.get(key)).toBe(null)
    for (const worker of workers) await connected(worker)
    await until('told', async () => (await a.stats()).retired.unsentBytes === 0, { timeout: 15_000 })
    await grace()
    for (const key of keys) expect(await a.get(key)).toBe(null)
    for (const key of keys.slice(5)) {
      for (const worker of asking) await until(`${key} is gone`, async () => (await worker.get(key)) === null)
    }
    await a.set('k1', 'new')
    for (const worker of asking) await until('shared', async () => (await worker.get('k1')) === 'new')
  }, 60_000)

  it('C2 C4, scenario 14: a frozen master is replaced, and what comes back with it is not believed', async () => {
    const [a] = workers
    if (!a) throw new Error('no workers')
    for (let index = 0; index < 10; index++) await spread(`k${index}`, 'old')
    const old = group.master
    old.freeze()
    for (let index = 0; index < 10; index++) {
      await a.invalidateKey(`k${index}`)
      expect(await a.get(`k${index}`)).toBe(null)
    }
    await group.failedOver()
    for (const worker of workers) await connected(worker)
    await until('told', async () => (await a.stats()).pendingInvalidations === 0, { timeout: 15_000 })
    old.resume()
    await grace()
    for (let round = 0; round < 5; round++) {
      for (let index = 0; index < 10; index++) expect(await answersOf(workers, `k${index}`)).toEqual([null, null, null])
      await sleep(200)
    }
  }, 60_000)

  async function spread(key: string, value: string): Promise<void> {
    await until(`${key} is everywhere`, async () => {
      await workers[0]?.set(key, value)
      return (await answersOf(workers, key)).every((answer) => answer === value)
    })
  }

  async function grace(): Promise<void> {
    if (read === 'memory-first') await sleep(220)
  }
})

async function connected(worker: Worker): Promise<void> {
  // The reason is what is said if it is not.
  const reason = async (): Promise<string | undefined> => {
    const { connected, redisError } = await worker.stats()
    return connected ? 'connected' : redisError
  }
  await until('connected', async () => (await reason()) === 'connected', { timeout: 40_000 }).catch(async (thrown) => {
    throw new Error(`${thrown instanceof Error ? thrown.message : thrown}: ${await reason()}`)
  })
}
