import { Cluster, Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { RedisCluster } from './cluster.js'
import { SentinelGroup } from './sentinel.js'

describe('RedisCluster', () => {
  let cluster: RedisCluster
  beforeAll(async () => {
    cluster = await RedisCluster.start()
  }, 60_000)
  afterAll(() => cluster?.stop())

  it('has three masters with a replica each', async () => {
    // A machine that stands still for the node timeout makes a failover, after which the old master joins as a replica.
    await vi.waitFor(
      async () => {
        const replicas = (await cluster.masters()).map((master) => cluster.replicasOf(master))
        expect((await Promise.all(replicas)).map((each) => each.length)).toEqual([1, 1, 1])
      },
      { timeout: 15_000, interval: 100 },
    )
  })

  it('moves a slot with its keys', async () => {
    const client = new Cluster(cluster.addresses)
    await client.set('{moving}:1', 'one')
    const from = await cluster.masterOf('{moving}:1')
    const to = (await cluster.masters()).find((node) => node !== from)
    if (!to) throw new Error('only one master')
    await cluster.moveSlot(await cluster.slotOf('{moving}:1'), from, to)
    expect(await cluster.masterOf('{moving}:1')).toBe(to)
    expect(await client.get('{moving}:1')).toBe('one')
    client.disconnect()
  })

  it('replaces a master that is killed', async () => {
    const [first] = await cluster.masters()
    if (!first) throw new Error('no master')
    await first.kill()
    const successor = await cluster.failedOver(first)
    expect(successor.port).not.toBe(first.port)
    await cluster.healthy()
  }, 40_000)
})

describe('SentinelGroup', () => {
  it('promotes the replica of a frozen master', async () => {
    const group = await SentinelGroup.start()
    const client = new Redis({ sentinels: group.addresses, name: group.name })
    expect(await client.set('k', 'v')).toBe('OK')
    const old = group.master
    old.freeze()
    const promoted = await group.failedOver()
    expect(promoted).not.toBe(old)
    client.disconnect()
    await group.stop()
  }, 40_000)
})
