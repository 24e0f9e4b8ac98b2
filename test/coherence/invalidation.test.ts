import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { until } from '../support/until.js'
import type { Worker } from '../support/worker.js'
import { Fleet, Hosts, READ_MODES } from './fleet.js'

let hosts: Hosts
beforeAll(async () => {
  hosts = await Hosts.start()
})
afterAll(() => hosts?.stop())

/** Every way to name what is at `item:1`, which was set with the tag `t`. */
const WAYS: readonly { readonly way: string; invalidate(worker: Worker): Promise<{ durable: boolean }> }[] = [
  { way: 'its key', invalidate: (worker) => worker.invalidateKey('item:1') },
  { way: 'a prefix', invalidate: (worker) => worker.invalidatePrefix('item:') },
  { way: 'a tag', invalidate: (worker) => worker.invalidateTags('t') },
  { way: 'clear', invalidate: (worker) => worker.clear() },
]

describe.each(READ_MODES)('an invalidation, %s', (read) => {
  let fleet: Fleet
  beforeEach(async () => {
    fleet = await Fleet.start(hosts, { read })
  })
  afterEach(async () => {
    await fleet?.stop()
    expect(await hosts.troubles()).toEqual([])
  })

  it.each(WAYS)('C1 C2, scenario 1: binds every process from the next read on, by $way', async ({ invalidate }) => {
    await fleet.spread('item:1', 'old', { tags: ['t'] })
    await fleet.spread('other', 'kept')
    expect(await invalidate(fleet.a)).toMatchObject({ durable: true })
    expect(await fleet.a.get('item:1')).toBe(null)
    await fleet.grace()
    expect(await fleet.answers('item:1')).toEqual([null, null, null])
  })

  it('C1: leaves alone what it does not name', async () => {
    await fleet.spread('item:1', 'old')
    await fleet.spread('other', 'kept')
    await fleet.a.invalidatePrefix('item:')
    await fleet.grace()
    expect(await fleet.answers('other')).toEqual(['kept', 'kept', 'kept'])
  })

  it('C1: holds time after time, for any pair of processes', async () => {
    for (let round = 0; round < (read === 'redis-first' ? 100 : 10); round++) {
      const writer = fleet.all[round % 3] ?? fleet.a
      const reader = fleet.all[(round + 1) % 3] ?? fleet.b
      const other = fleet.all[(round + 2) % 3] ?? fleet.c
      await other.set('n', round)
      await fleet.grace()
      await reader.get('n')
      expect(await writer.invalidateKey('n')).toMatchObject({ durable: true })
      await fleet.grace()
      expect(await reader.get('n')).toBe(null)
      expect(await other.get('n')).toBe(null)
    }
  })

  it('C6, scenarios 1 and 13: memory answers for what Redis evicted', async () => {
    await fleet.spread('k', 'value')
    await fleet.server.command('DEL', 'k')
    expect(await fleet.b.find('k')).toMatchObject({ value: 'value', tier: 'memory', disconnected: false })
  })

  it('C9, scenario 2: a process that is cut off answers from its copy, says so and counts it', async () => {
    await fleet.spread('k', 'value')
    await fleet.cutOff(fleet.b)
    expect(await fleet.b.find('k')).toEqual({ value: 'value', tier: 'memory', disconnected: true })
    await fleet.b.get('k')
    expect((await fleet.b.stats()).counters.servedWhileDisconnected).toBeGreaterThan(0)
  })

  it.each(WAYS)(
    'C3, scenario 3: a handler that it overtook leaves nothing behind: same process, $way',
    async ({ invalidate }) => {
      const slow = fleet.a.getOrSet('item:1', 'old', { gate: 'g', tags: ['t'] })
      await fleet.a.atGate('g')
      expect(await invalidate(fleet.a)).toMatchObject({ durable: true })
      await fleet.a.open('g')
      expect((await slow).value).toBe('old')
      await fleet.grace()
      expect(await fleet.answers('item:1')).toEqual([null, null, null])
    },
  )

  it.each(WAYS)(
    'C3, scenario 3: a handler that it overtook leaves nothing behind: other process, $way',
    async ({ invalidate }) => {
      const slow = fleet.a.getOrSet('item:1', 'old', { gate: 'g', tags: ['t'] })
      await fleet.a.atGate('g')
      expect(await invalidate(fleet.b)).toMatchObject({ durable: true })
      await fleet.a.open('g')
      await slow
      await fleet.grace()
      expect(await fleet.answers('item:1')).toEqual([null, null, null])
    },
  )

  it('C3, scenario 3: a tag that only the response names counts as well', async () => {
    const slow = fleet.a.refresh('item:1', 'old', { gate: 'g', tags: ['only-now-known'] })
    await fleet.a.atGate('g')
    await fleet.c.invalidateTags('only-now-known')
    await fleet.a.open('g')
    await slow
    await fleet.grace()
    expect(await fleet.answers('item:1')).toEqual([null, null, null])
  })

  it('C3, scenario 3: a handler across the start of an outage leaves nothing behind when the outage is over', async () => {
    const slow = fleet.b.refresh('item:1', 'old', { gate: 'g' })
    await fleet.b.atGate('g')
    await fleet.cutOff(fleet.b)
    expect(await fleet.a.invalidateKey('item:1')).toMatchObject({ durable: true })
    await fleet.b.open('g')
    await slow
    await fleet.heal(fleet.b)
    await fleet.grace()
    expect(await fleet.answers('item:1')).toEqual([null, null, null])
    await sleep(300)
    expect(await fleet.answers('item:1')).toEqual([null, null, null])
  })

  it('C3, scenario 3: a handler across the end of an outage leaves nothing behind', async () => {
    await fleet.cutOff(fleet.b)
    const slow = fleet.b.refresh('item:1', 'old', { gate: 'g' })
    await fleet.b.atGate('g')
    await fleet.a.invalidateKey('item:1')
    await fleet.heal(fleet.b)
    await fleet.b.open('g')
    await slow
    await fleet.grace()
    expect(await fleet.answers('item:1')).toEqual([null, null, null])
  })

  it.each(WAYS)(
    'C3, scenario 4: a background refresh that it overtook leaves nothing behind, by $way',
    async ({ invalidate }) => {
      await fleet.spread('item:1', 'older', { tags: ['t'] })
      const refresh = fleet.b.refresh('item:1', 'old', { gate: 'g', tags: ['t'] })
      await fleet.b.atGate('g')
      await invalidate(fleet.c)
      await fleet.b.open('g')
      await refresh
      await fleet.grace()
      expect(await fleet.answers('item:1')).toEqual([null, null, null])
    },
  )

  it.each(['the same process', 'another process'])(
    'C3, scenario 5: a request after it, by %s, does not join the older handler',
    async (whose) => {
      const slow = fleet.a.getOrSet('k', 'old', { gate: 'g' })
      await fleet.a.atGate('g')
      await (whose === 'the same process' ? fleet.a : fleet.b).invalidateKey('k')
      await fleet.grace()
      expect(await fleet.a.getOrSet('k', 'new')).toEqual({ value: 'new', ran: true })
      await fleet.a.open('g')
      await slow
      expect(await fleet.answers('k')).toEqual(['new', 'new', 'new'])
    },
  )

  it('C3: followers of the older handler do not spread its result', async () => {
    const leader = fleet.a.getOrSet('k', 'old', { gate: 'g' })
    await fleet.a.atGate('g')
    const follower = fleet.a.getOrSet('k', 'made afterwards')
    await fleet.a.invalidateKey('k')
    await fleet.a.open('g')
    await Promise.all([leader, follower])
    await fleet.grace()
    for (const answer of await fleet.answers('k')) expect([null, 'made afterwards']).toContain(answer)
  })

  it('C3, scenario 6: a slow loser does not replace a newer entry', async () => {
    const slow = fleet.b.refresh('k', 'old', { gate: 'g' })
    await fleet.b.atGate('g')
    await fleet.a.invalidateKey('k')
    await fleet.a.set('k', 'new')
    await fleet.b.open('g')
    await slow
    await fleet.grace()
    expect(await fleet.answers('k')).toEqual(['new', 'new', 'new'])
    expect(String(await fleet.server.command('GET', 'k'))).toContain('new')
  })

  it('C1 C9, scenario 10: with one of three cut off, the other two keep the contract, and so does it afterwards', async () => {
    await fleet.spread('k', 'old')
    await fleet.cutOff(fleet.c)
    expect(await fleet.a.invalidateKey('k')).toMatchObject({ durable: true })
    await fleet.grace()
    expect(await fleet.a.get('k')).toBe(null)
    expect(await fleet.b.get('k')).toBe(null)
    expect(await fleet.c.get('k')).toBe('old')
    await fleet.b.set('k', 'new')
    expect(await fleet.a.get('k')).toBe('new')
    await fleet.heal(fleet.c)
    expect(await fleet.c.get('k')).toBe('new')
  })

  it('C1, scenario 19: a prefix is a string; glob characters in it are literal', async () => {
    for (const [prefix, taken, kept] of [
      ['us', 'users:1', 'xus'],
      ['a*b', 'a*b1', 'axb1'],
      ['a[1]', 'a[1]x', 'a1x'],
      ['q?', 'q?1', 'qa1'],
      ['back\\', 'back\\1', 'back1'],
      ['/api/user/', '/api/user/1', '/api/users/1'],
    ] as const) {
      await fleet.spread(taken, 'taken')
      await fleet.spread(kept, 'kept')
      await fleet.a.invalidatePrefix(prefix)
      await fleet.grace()
      expect(await fleet.answers(taken)).toEqual([null, null, null])
      expect(await fleet.answers(kept)).toEqual(['kept', 'kept', 'kept'])
    }
  })

  it('C1, scenario 19: a prefix can be asked to disregard case', async () => {
    await fleet.spread('/Products/1', 'old')
    await fleet.a.invalidatePrefix('/products', { ignoreCase: true })
    await fleet.grace()
    expect(await fleet.answers('/Products/1')).toEqual([null, null, null])
  })

  it('the sweep of a prefix takes the invalidated entries out of Redis, and only those', async () => {
    for (let index = 0; index < 50; index++) await fleet.a.set(`swept:${index}`, index)
    await fleet.a.set('kept', 1)
    await fleet.server.command('SET', 'swept:foreign', 'not an entry of ours')
    await fleet.a.invalidatePrefix('swept:')
    await fleet.a.set('swept:new', 'new')
    await until(
      'swept',
      async () =>
        (await fleet.server.command('EXISTS', ...Array.from({ length: 50 }, (_, index) => `swept:${index}`))) === 0,
      { timeout: 15_000, every: 100 },
    )
    expect(await fleet.server.command('EXISTS', 'kept')).toBe(1)
    expect(await fleet.answers('swept:new')).toEqual(['new', 'new', 'new'])
  })
})

describe.each(READ_MODES)('with wall clocks that are an hour off, %s', (read) => {
  let fleet: Fleet
  beforeEach(async () => {
    fleet = await Fleet.start(hosts, { read, clockSkews: [0, 3_600_000, -3_600_000], cache: { defaultTtl: '3h' } })
  })
  afterEach(() => fleet?.stop())

  it('C10 C1, scenario 15: an invalidation binds every process from the next read on', async () => {
    for (const writer of fleet.all) {
      await fleet.spread('k', 'old')
      expect(await writer.invalidateKey('k')).toMatchObject({ durable: true })
      await fleet.grace()
      expect(await fleet.answers('k')).toEqual([null, null, null])
    }
  })

  it('C10 C3, scenario 15: a late store dies, whichever clock is wrong', async () => {
    for (const slowOne of fleet.all) {
      for (const writer of fleet.all) {
        const name = `${fleet.all.indexOf(slowOne)}${fleet.all.indexOf(writer)}`
        const slow = slowOne.refresh(name, 'old', { gate: name })
        await slowOne.atGate(name)
        await writer.invalidatePrefix(name)
        await writer.set(name, 'new')
        await slowOne.open(name)
        await slow
        await fleet.grace()
        expect(await fleet.answers(name)).toEqual(['new', 'new', 'new'])
      }
    }
  })

  it('C10 C4, scenario 15: an invalidation from an outage is carried out', async () => {
    for (const lost of fleet.all) {
      await fleet.spread('k', 'old')
      await fleet.cutOff(lost)
      expect(await lost.invalidateKey('k')).toMatchObject({ durable: false })
      await fleet.heal(lost)
      await fleet.grace()
      expect(await fleet.answers('k')).toEqual([null, null, null])
    }
  })
})

describe('maxStaleWhileDisconnected', () => {
  it('C9, scenario 2: bounds how long a copy answers for a Redis that is gone', async () => {
    const fleet = await Fleet.start(hosts, { read: 'redis-first', cache: { maxStaleWhileDisconnected: 0.5 } })
    await fleet.spread('k', 'value')
    await fleet.cutOff(fleet.b)
    expect(await fleet.b.get('k')).toBe('value')
    await sleep(700)
    expect(await fleet.b.get('k')).toBe(null)
    await fleet.heal(fleet.b)
    expect(await fleet.b.get('k')).toBe('value')
    await fleet.stop()
  })
})
