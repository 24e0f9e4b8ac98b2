import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { UNCOUNTED_FOR } from '../../src/core/coherence/changes.js'
import { ownName } from '../../src/core/coherence/names.js'
import { engineOf, FallbackCache } from '../../src/core/fallback-cache.js'
import type { RedisClient } from '../../src/core/tiers/redis-client.js'
import { type ClientSetup, makeClient } from '../support/clients.js'
import { RedisCluster } from '../support/cluster.js'
import { ManualClock } from '../support/manual-clock.js'
import { ShiftedClock } from '../support/shifted-clock.js'
import { until } from '../support/until.js'
import type { Worker } from '../support/worker.js'
import { answersOf, Hosts, REDIS_TIMEOUT } from './fleet.js'

// Each test lets three processes read thirty keys until all agree.
vi.setConfig({ testTimeout: 60_000 })

let hosts: Hosts
beforeAll(async () => {
  hosts = await Hosts.start()
})
afterAll(() => hosts?.stop())

const KINDS = ['ioredis 6 cluster', 'ioredis 5 cluster', 'iovalkey cluster', 'node-redis 6 cluster'] as const

/**
 * What an ioredis or iovalkey cluster needs so that it leaves a frozen master; with its defaults it waits for that node
 * for ever, in any application.
 */
const OPTIONS = {
  enableOfflineQueue: false,
  slotsRefreshInterval: 2_000,
  slotsRefreshTimeout: 1_000,
  redisOptions: { maxRetriesPerRequest: 0, connectTimeout: 1_000, socketTimeout: 1_000 },
}

/** The same for node-redis 6: by default it gives up a client whose socket was silent for that long. */
const NODE_REDIS_OPTIONS = {
  topologyRefreshOnReconnectionAttemptStrategy: 500,
  defaults: { pingInterval: 500, socket: { connectTimeout: 1_000, socketTimeout: 1_000, reconnectStrategy: 200 } },
}

/** Keys that live on all masters. */
const KEYS = Array.from({ length: 30 }, (_, index) => `item:${index}`)

describe.each(KINDS)('on a Redis Cluster with %s', (kind) => {
  let cluster: RedisCluster
  let workers: Worker[]
  beforeAll(async () => {
    cluster = await RedisCluster.start()
  }, 60_000)
  afterAll(() => cluster?.stop())
  beforeEach(async () => {
    const options = kind.startsWith('node-redis') ? NODE_REDIS_OPTIONS : OPTIONS
    const client: ClientSetup = { kind, nodes: cluster.addresses, options }
    workers = await Promise.all(
      hosts.workers.map((host) => host.sibling({ client, cache: { redisTimeout: REDIS_TIMEOUT } })),
    )
    for (const worker of workers) await connected(worker)
  }, 40_000)
  afterEach(async () => {
    await Promise.all((workers ?? []).map((worker) => worker.stop()))
    expect(await hosts.troubles()).toEqual([])
  })

  it('C1, scenario 20: an invalidation binds every process for keys of all slots; no CROSSSLOT, no KEYS', async () => {
    const [a] = workers
    await spread('old')
    for (const node of await cluster.masters()) await node.command('CONFIG', 'RESETSTAT')
    expect(await a?.invalidatePrefix('item:')).toMatchObject({ durable: true })
    for (const key of KEYS) expect(await answersOf(workers, key)).toEqual([null, null, null])
    await spread('tagged', ['t'])
    expect(await a?.invalidateTags('t')).toMatchObject({ durable: true })
    for (const key of KEYS) expect(await answersOf(workers, key)).toEqual([null, null, null])
    for (const node of await cluster.masters()) {
      expect(String(await node.command('INFO', 'errorstats'))).not.toContain('CROSSSLOT')
      expect((await node.commandCounts()).keys).toBe(undefined)
    }
  })

  it('scenario 20: the sweep of a prefix reaches every master', async () => {
    await spread('old')
    await workers[0]?.invalidatePrefix('item:')
    await until(
      'swept on every master',
      async () => {
        for (const node of await cluster.masters()) {
          const [, keys] = (await node.command('SCAN', '0', 'MATCH', 'item:*', 'COUNT', 10_000)) as [string, string[]]
          if (keys.length > 0) return false
        }
        return true
      },
      { timeout: 15_000, every: 100 },
    )
  })

  it('C2 C3, scenario 20: what a request invalidates is gone from every process, for keys of all slots', async () => {
    const [a, b] = workers
    await spread('old')
    for (const node of await cluster.masters()) await node.command('CONFIG', 'RESETSTAT')
    const late = KEYS.slice(0, 6).map((key) => b?.refresh(key, 'late', { gate: key }))
    for (const key of KEYS.slice(0, 6)) await b?.atGate(key)
    await a?.call('retire', KEYS)
    for (const key of KEYS) expect(await answersOf(workers, key)).toEqual([null, null, null])
    for (const key of KEYS.slice(0, 6)) await b?.open(key)
    await Promise.all(late)
    for (const key of KEYS) expect(await answersOf(workers, key)).toEqual([null, null, null])
    await spread('new')
    for (const node of await cluster.masters()) {
      expect(String(await node.command('INFO', 'errorstats'))).not.toContain('CROSSSLOT')
    }
  })

  it('processes read what others have written about themselves', async () => {
    const { redis, end } = await makeClient({ kind, nodes: cluster.addresses, options: {} })
    const caches = [1, 2].map(() => new FallbackCache({ redis, keyPrefix: 'shop:', redisTimeout: REDIS_TIMEOUT }))
    await until('connected', () => caches.every((cache) => cache.stats().connected))
    const [one, two] = await Promise.all(caches.map((cache) => engineOf(cache).board()))
    expect(await one?.isWanted()).toBe(false)
    expect((await two?.read())?.processes).toEqual([])
    expect([await one?.isWanted(), await one?.write('hello')]).toEqual([true, true])
    expect((await two?.read())?.processes).toMatchObject([{ id: one?.self, text: 'hello' }])
    expect(caches[0]?.stats().counters.redisErrors).toEqual({})
    await Promise.all(caches.map((cache) => cache.close()))
    end()
  })

  it('C11: one order of responses for all processes, although a store and its note are two commands', async () => {
    const { redis, end } = await makeClient({ kind, nodes: cluster.addresses, options: {} })
    const slow = withSlowNotes(redis as object)
    const clock = new ShiftedClock()
    const settings = { read: 'confirmed', redisTimeout: 5_000, clock } as const
    const [a, b] = [new FallbackCache({ ...settings, redis: slow.redis }), new FallbackCache({ ...settings, redis })]
    await until('connected', () => a.stats().connected && b.stats().connected)
    // By then changes are relied on.
    clock.advance(UNCOUNTED_FOR)
    const both = async () => [await a.get('item:1'), await b.get('item:1')]
    await b.set('item:1', 'first')
    expect(await both()).toEqual(['first', 'first'])

    // The note of A arrives after that of B, which has stored later.
    slow.hold()
    const stored = a.set('item:1', 'second')
    await until('held', () => slow.held === 1)
    await b.set('item:1', 'third')
    slow.release()
    await stored
    expect(await both()).toEqual(['third', 'third'])

    // A note that is lost is made up for.
    slow.fail()
    await a.set('item:1', 'fourth')
    await until('noted', async () => (await both()).every((found) => found === 'fourth'))
    await Promise.all([a.close(), b.close()])
    end()
  })

  it('C1: memory that Redis confirms, while the slot of the log is being moved', async () => {
    const { redis, end } = await makeClient({ kind, nodes: cluster.addresses, options: {} })
    const clock = new ShiftedClock()
    const settings = { redis, keyPrefix: 'moved:', read: 'confirmed', redisTimeout: REDIS_TIMEOUT, clock } as const
    const [a, b] = [new FallbackCache(settings), new FallbackCache(settings)]
    await until('connected', () => a.stats().connected && b.stats().connected)
    clock.advance(UNCOUNTED_FOR)
    await a.set('item:1', 'old')
    expect([await a.get('item:1'), await b.get('item:1'), await b.get('item:1')]).toEqual(['old', 'old', 'old'])
    const { outages } = b.stats().counters
    const head = ownName('moved:', 'head')
    const from = await cluster.masterOf(head)
    const to = (await cluster.masters()).find((master) => master !== from) ?? from
    await cluster.moveSlot(await cluster.slotOf(head), from, to, async () => {
      expect(await b.get('item:1')).toBe('old')
      expect(await a.invalidatePrefix('item:')).toMatchObject({ durable: true })
      expect(await b.get('item:1')).toBe(null)
      // Their reads are on the way at the same time, in different forms.
      const reads = Array.from({ length: 20 }, async (_, index) => {
        await sleep(index / 4)
        return b.get('item:1')
      })
      expect(new Set(await Promise.all(reads))).toEqual(new Set([null]))
      expect(b.stats().counters).toMatchObject({ redisErrors: {}, outages })
    })
    await Promise.all([a.close(), b.close()])
    end()
  })

  it.runIf(kind === KINDS[0])('C11: a store of a process that does not know yet that changes are noted', async () => {
    const { redis, end } = await makeClient({ kind, nodes: cluster.addresses, options: {} })
    const settings = { redis, keyPrefix: 'noted:', redisTimeout: 5_000 }
    // This process reads the head only for lookups, because its timers do not run.
    const stopped = new ManualClock(Date.now())
    const other = new FallbackCache({ ...settings, clock: stopped })
    await until('connected', () => other.stats().connected)
    const store = (text: string) => {
      const now = Date.now()
      const entry = { staleAt: now + 60_000, deleteAt: now + 60_000, body: Buffer.from(text) }
      return engineOf(other).store('item:1', entry, engineOf(other).mark()).written
    }
    expect(await store('first')).toBe(true)
    const clock = new ShiftedClock()
    const joined = new FallbackCache({ ...settings, read: 'confirmed', clock })
    await until('connected', () => joined.stats().connected)
    const found = async () => (await engineOf(joined).find('item:1'))?.entry.body.toString()
    expect([await found(), await found()]).toEqual(['first', 'first'])
    expect(await store('second')).toBe(true)
    expect([await found(), joined.stats().counters.confirmedHits]).toEqual(['second', 0])

    // After this time every process notes what it stores, also one that was frozen and has not read the head since.
    clock.advance(UNCOUNTED_FOR)
    stopped.setWallClock(Date.now() + UNCOUNTED_FOR + 1_000)
    expect([await found(), await found(), joined.stats().counters.confirmedHits]).toEqual(['second', 'second', 1])
    expect(await store('third')).toBe(true)
    expect(await found()).toBe('third')
    await Promise.all([other.close(), joined.close()])
    end()
  })

  it('C1, scenario 20: a slot that moves while its keys are invalidated', async () => {
    await spread('old')
    const from = await cluster.masterOf('item:1')
    const to = (await cluster.masters()).find((node) => node !== from)
    if (!to) throw new Error('there is one master only')
    await cluster.moveSlot(await cluster.slotOf('item:1'), from, to, async () => {
      const { durable } = (await workers[0]?.invalidateKey('item:1')) ?? {}
      expect(await workers[0]?.get('item:1')).toBe(null)
      if (durable) expect(await answersOf(workers, 'item:1')).toEqual([null, null, null])
    })
    for (const worker of workers) await connected(worker)
    await until('told', async () => (await workers[0]?.stats())?.pendingInvalidations === 0)
    expect(await answersOf(workers, 'item:1')).toEqual([null, null, null])
    await workers[0]?.set('item:1', 'new')
    await until('stored', async () => (await answersOf(workers, 'item:1')).every((answer) => answer === 'new'))
  })

  it('C1 C2 C4 C8, scenario 20: the master of the log is killed during a fan-out', async () => {
    await spread('old')
    await throughFailover('kill')
  })

  it('C1 C2 C4 C8, scenario 20: the master of the log is frozen during a fan-out', async () => {
    await cluster.healthy()
    await spread('old')
    await throughFailover('freeze')
  })

  async function throughFailover(fault: 'kill' | 'freeze'): Promise<void> {
    const [a, b] = workers
    const log = await cluster.masterOf('{fallback-cache}')
    if (fault === 'kill') await log.kill()
    else log.freeze()
    const acknowledged = new Set<string>()
    for (const key of KEYS) {
      if ((await a?.invalidateKey(key))?.durable) acknowledged.add(key)
      expect(await a?.get(key)).toBe(null)
    }
    for (const key of acknowledged) expect(await b?.get(key)).toBe(null)
    await cluster.failedOver(log)
    for (const worker of workers) await connected(worker)
    await until('told', async () => (await a?.stats())?.pendingInvalidations === 0, { timeout: 15_000 })
    for (const key of KEYS) expect(await answersOf(workers, key)).toEqual([null, null, null])
    if (fault === 'kill') await log.restart()
    else if (log.frozen) log.resume()
    await cluster.healthy()
    for (const worker of workers) await connected(worker)
    for (const key of KEYS) expect(await answersOf(workers, key)).toEqual([null, null, null])
    expect(await b?.invalidateKey('after')).toMatchObject({ durable: true })
  }

  async function spread(value: string, tags: string[] = []): Promise<void> {
    for (const key of KEYS) {
      await until(`${key} is everywhere`, async () => {
        await workers[0]?.set(key, value, { tags })
        return (await answersOf(workers, key)).every((answer) => answer === value)
      })
    }
  }
})

async function connected(worker: Worker): Promise<void> {
  await until('connected', async () => (await worker.stats()).connected, { timeout: 20_000 })
}

/** A client whose commands that note a change can be held, or fail. */
function withSlowNotes(client: object) {
  let release = (): void => {}
  let gate: Promise<void> | undefined
  let isFailing = false
  let held = 0
  const redis = new Proxy(client, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      if (name !== 'callBuffer' && name !== 'sendCommand') return value.bind(target)
      return async (...args: unknown[]) => {
        const parts = args.flat().map(String)
        const isNote = !parts.includes('GETRANGE') && parts.some((part) => part.endsWith(':changes'))
        if (isNote && isFailing) {
          isFailing = false
          throw new Error('Connection is closed.')
        }
        if (isNote && gate !== undefined) {
          held++
          await gate
        }
        return Reflect.apply(value, target, args)
      }
    },
  }) as RedisClient
  return {
    redis,
    get held() {
      return held
    },
    hold(): void {
      gate = new Promise((resolve) => {
        release = () => {
          gate = undefined
          resolve()
        }
      })
    },
    release: () => release(),
    fail(): void {
      isFailing = true
    },
  }
}
