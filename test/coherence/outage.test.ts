import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { until } from '../support/until.js'
import { Worker } from '../support/worker.js'
import { Fleet, Hosts, READ_MODES } from './fleet.js'

let hosts: Hosts
beforeAll(async () => {
  hosts = await Hosts.start()
})
afterAll(() => hosts?.stop())

describe.each(READ_MODES)('through an outage, %s', (read) => {
  let fleet: Fleet
  beforeEach(async () => {
    fleet = await Fleet.start(hosts, { read })
  })
  afterEach(async () => {
    await fleet?.stop()
    expect(await hosts.troubles()).toEqual([])
  })

  it('C4 C2, scenario 7: an invalidation holds here at once and everywhere after the outage', async () => {
    await fleet.spread('item:1', 'old')
    await fleet.cutOff(fleet.a)
    expect(await fleet.a.invalidatePrefix('item:')).toMatchObject({ durable: false })
    expect(await fleet.a.get('item:1')).toBe(null)
    expect((await fleet.a.stats()).pendingInvalidations).toBe(1)
    await fleet.heal(fleet.a)
    expect((await fleet.a.stats()).pendingInvalidations).toBe(0)
    await fleet.grace()
    expect(await fleet.answers('item:1')).toEqual([null, null, null])
  })

  it('C2, scenario 7: the process that invalidated never sees the old answer again, however the outage ends', async () => {
    await fleet.spread('k', 'old')
    await fleet.cutOff(fleet.a)
    await fleet.a.delete('k')
    const restored = fleet.proxy(fleet.a).restore()
    const end = performance.now() + 2_000
    while (performance.now() < end) expect(await fleet.a.get('k')).toBe(null)
    await restored
    await fleet.connected(fleet.a)
    expect(await fleet.answers('k')).toEqual([null, null, null])
  })

  it('C4, scenario 7: the same prefix invalidated by another process before the replay', async () => {
    await fleet.spread('item:1', 'old')
    await fleet.cutOff(fleet.a)
    await fleet.a.invalidatePrefix('item:')
    expect(await fleet.c.invalidatePrefix('item:')).toMatchObject({ durable: true })
    await fleet.c.set('item:1', 'new')
    await fleet.heal(fleet.a)
    await fleet.grace()
    // The replay may cost the new answer, but never brings back the old one.
    for (const answer of await fleet.answers('item:1')) expect([null, 'new']).toContain(answer)
    await fleet.b.set('item:1', 'newer')
    await fleet.grace()
    expect(await fleet.b.get('item:1')).toBe('newer')
  })

  it('C4, scenario 7: many invalidations of one outage, all carried out', async () => {
    for (let index = 0; index < 30; index++) await fleet.spread(`k${index}`, 'old', { tags: [`t${index}`] })
    await fleet.cutOff(fleet.a)
    for (let index = 0; index < 30; index++) {
      const [byKey, byPrefix] = [index % 3 === 0, index % 3 === 1]
      const { durable } = byKey
        ? await fleet.a.invalidateKey(`k${index}`)
        : byPrefix
          ? await fleet.a.invalidatePrefix(`k${index}`)
          : await fleet.a.invalidateTags(`t${index}`)
      expect(durable).toBe(false)
    }
    await fleet.heal(fleet.a)
    await fleet.grace()
    for (let index = 0; index < 30; index++) expect(await fleet.answers(`k${index}`)).toEqual([null, null, null])
  })

  it('C4, scenario 8: an append that was applied and whose reply was lost is harmless when it comes twice', async () => {
    await fleet.spread('k', 'old')
    fleet.proxy(fleet.a).dropReplies()
    expect(await fleet.a.invalidateKey('k')).toMatchObject({ durable: false })
    expect(await fleet.a.get('k')).toBe(null)
    await fleet.heal(fleet.a)
    await fleet.grace()
    expect(await fleet.answers('k')).toEqual([null, null, null])
    await fleet.c.set('k', 'new')
    await fleet.grace()
    expect(await fleet.answers('k')).toEqual(['new', 'new', 'new'])
  })

  it('C4: bytes held in a frozen connection, then delivered late, do no harm', async () => {
    await fleet.spread('k', 'old')
    fleet.proxy(fleet.a).hold()
    expect(await fleet.a.invalidateKey('k')).toMatchObject({ durable: false })
    await fleet.a.set('k', 'from the outage')
    expect(await fleet.b.get('k')).toBe('old')
    await fleet.c.invalidateKey('k')
    await fleet.c.set('k', 'new')
    await fleet.heal(fleet.a)
    await fleet.grace()
    for (const answer of await fleet.answers('k')) expect([null, 'new']).toContain(answer)
    expect((await fleet.a.stats()).pendingInvalidations).toBe(0)
  })

  it('C5, scenario 9: what was stored during an outage is written back with its remaining lifetime', async () => {
    await fleet.cutOff(fleet.a)
    await fleet.a.set('k', 'value', { ttl: 60 })
    await sleep(500)
    await fleet.heal(fleet.a)
    await until('written back', async () => (await fleet.b.get('k')) === 'value')
    const left = Number(await fleet.server.command('PTTL', 'k'))
    expect(left).toBeGreaterThan(50_000)
    expect(left).toBeLessThan(60_000)
    await until('counted', async () => (await fleet.a.stats()).counters.writtenBack > 0)
  })

  it('C5, scenario 9: not when another process invalidated it since', async () => {
    await fleet.cutOff(fleet.a)
    await fleet.a.set('k', 'value')
    await fleet.c.invalidateKey('k')
    await fleet.heal(fleet.a)
    await staysGone('k')
  })

  it('C5, scenario 9: not when a process that was cut off as well invalidated it', async () => {
    await fleet.cutOff(fleet.a, fleet.b)
    await fleet.a.set('k', 'value')
    await fleet.b.invalidateKey('k')
    await fleet.heal(fleet.b)
    await fleet.heal(fleet.a)
    await staysGone('k')
  })

  it('C5, scenario 9: not for long when the invalidation comes back after the write-back', async () => {
    await fleet.cutOff(fleet.a, fleet.b)
    await fleet.a.set('k', 'value')
    await fleet.b.invalidateKey('k')
    await fleet.heal(fleet.a)
    expect(await fleet.b.get('k')).toBe(null)
    await fleet.heal(fleet.b)
    await fleet.grace()
    await staysGone('k')
  })

  it('C5, scenario 9: not over something newer', async () => {
    await fleet.cutOff(fleet.a)
    await fleet.a.set('k', 'older')
    await fleet.c.set('k', 'newer')
    await until('in Redis', async () => String(await fleet.server.command('GET', 'k')).includes('newer'))
    await fleet.heal(fleet.a)
    await sleep(500)
    expect(await fleet.c.get('k')).toBe('newer')
    expect(String(await fleet.server.command('GET', 'k'))).toContain('newer')
    if (read === 'redis-first') expect(await fleet.answers('k')).toEqual(['newer', 'newer', 'newer'])
  })

  it('C5, scenario 9: not when its lifetime is over', async () => {
    await fleet.cutOff(fleet.a)
    await fleet.a.set('k', 'value', { ttl: 0.5 })
    await sleep(700)
    await fleet.heal(fleet.a)
    await staysGone('k')
    expect(await fleet.server.command('EXISTS', 'k')).toBe(0)
  })

  it('C5 C7, scenario 9: not when an operator flushed Redis after it was stored', async () => {
    await fleet.cutOff(fleet.a)
    await fleet.a.set('k', 'value')
    await fleet.server.command('FLUSHALL')
    await fleet.heal(fleet.a)
    await staysGone('k')
  })

  it('C4 C9, scenario 11: while entries can be reached and the log cannot, no process serves what was invalidated', async () => {
    const own = await Fleet.start(hosts, { read, cache: { keyPrefix: 'app:' }, users: ['a', 'b', 'c'] })
    await own.spread('k', 'old')
    const keys = await own.logKeys()
    expect(keys.length).toBeGreaterThan(0)
    await own.server.command('ACL', 'SETUSER', 'b', 'resetkeys', '~app:k*')
    expect(await own.a.invalidateKey('k')).toMatchObject({ durable: true })
    await own.a.set('k', 'new')
    await own.grace()
    const answer = await own.b.find('k')
    // It has an old copy then, and must say so.
    if (answer) expect(answer).toMatchObject({ tier: 'memory', disconnected: true })
    expect(await own.b.invalidateKey('x')).toMatchObject({ durable: false })
    await own.server.command('ACL', 'SETUSER', 'b', 'allkeys')
    await until(
      'trusted again',
      async () => (await own.b.stats()).connected && (await own.b.stats()).pendingInvalidations === 0,
      { timeout: 40_000 },
    )
    await own.grace()
    expect(await own.b.get('k')).toBe('new')
    await own.stop()
  }, 60_000)

  it('C1, scenario 11: while the log can be reached and entries cannot, memory answers within the contract', async () => {
    const own = await Fleet.start(hosts, { read, cache: { keyPrefix: 'app:' }, users: ['a', 'b', 'c'] })
    await own.spread('k', 'old')
    await own.spread('kept', 'kept')
    const [prefix] = /^app:\{[^}]+\}/.exec(await own.logKey()) ?? ['']
    await own.server.command('ACL', 'SETUSER', 'b', 'resetkeys', `~${prefix}*`)
    for (let round = 0; round < 10; round++) await own.b.get('kept')
    expect(await own.a.invalidateKey('k')).toMatchObject({ durable: true })
    await own.grace()
    const found = await own.b.find('k')
    if (found) expect(found.disconnected).toBe(true)
    await own.server.command('ACL', 'SETUSER', 'b', 'allkeys')
    await until('well again', async () => (await own.b.stats()).connected, { timeout: 40_000 })
    await own.grace()
    expect(await own.b.get('k')).toBe(null)
    expect(await own.b.get('kept')).toBe('kept')
    await own.stop()
  }, 60_000)

  it.each([0, 1, 5])('C8, scenario 12: a log trimmed past my position (%i records left) is noticed', async (left) => {
    await fleet.spread('k', 'old')
    await fleet.cutOff(fleet.b)
    await fleet.a.invalidateKey('k')
    for (let index = 0; index < 30; index++) await fleet.a.invalidatePrefix(`other:${index}:`)
    await fleet.server.command('XTRIM', await fleet.logKey(), 'MAXLEN', left)
    await fleet.heal(fleet.b)
    await fleet.grace()
    expect(await fleet.b.get('k')).toBe(null)
    // A process that finds the log broken answers nothing until it has found its place again.
    await until('a log that goes on', async () => (await fleet.a.invalidateKey('k')).durable)
    await fleet.a.set('k', 'new')
    await until('all agree', async () => (await fleet.answers('k')).every((answer) => answer === 'new'))
  })

  it('C1 C8, scenario 14: what was acknowledged after a failover that lost records binds who had seen those', async () => {
    await fleet.spread('k', 'old')
    await fleet.cutOff(fleet.a)
    const keys = await fleet.logKeys()
    const before = await Promise.all(keys.map((key) => fleet.server.commandBuffer('DUMP', key) as Promise<Buffer>))
    await fleet.c.invalidateKey('lost')
    await fleet.grace()
    await fleet.b.get('lost')
    await fleet.cutOff(fleet.b, fleet.c)
    // As a replica that had not got the last record would have it.
    await fleet.server.command('DEL', ...(await fleet.logKeys()))
    for (const [index, key] of keys.entries()) await fleet.server.command('RESTORE', key, 0, before[index] ?? '')
    await fleet.heal(fleet.a)
    expect(await fleet.a.invalidateKey('k')).toMatchObject({ durable: true })
    await fleet.heal(fleet.b)
    expect(await fleet.b.get('k')).toBe(null)
    await fleet.heal(fleet.c)
    await fleet.grace()
    await staysGone('k')
  })

  it.each(['FLUSHALL', 'FLUSHDB'])('C7, scenario 13: %s by an operator clears every process', async (command) => {
    await fleet.spread('k', 'old')
    await fleet.server.command(command)
    await fleet.grace()
    expect(await fleet.answers('k')).toEqual([null, null, null])
    await sleep(500)
    expect(await fleet.server.command('EXISTS', 'k')).toBe(0)
    await fleet.connected()
    await fleet.a.set('k', 'new')
    await fleet.grace()
    await until('works on', async () => (await fleet.b.get('k')) === 'new')
    expect(await fleet.c.invalidateKey('k')).toMatchObject({ durable: true })
    await fleet.grace()
    expect(await fleet.answers('k')).toEqual([null, null, null])
  })

  it('C8 C2, scenario 13: a log that is deleted alone brings nothing back', async () => {
    await fleet.spread('k', 'old')
    await fleet.cutOff(fleet.b)
    await fleet.a.invalidateKey('k')
    await fleet.server.command('DEL', ...(await fleet.logKeys()))
    await fleet.heal(fleet.b)
    await fleet.grace()
    expect(await fleet.answers('k')).toEqual([null, null, null])
  })

  it('C8 C2, scenario 13: a stream that is deleted alone, with its head still there, brings nothing back', async () => {
    await fleet.spread('k', 'old')
    await fleet.cutOff(fleet.b)
    await fleet.a.invalidateKey('k')
    await fleet.server.command('DEL', await fleet.logKey())
    await fleet.heal(fleet.b)
    await fleet.grace()
    expect(await fleet.answers('k')).toEqual([null, null, null])
    await fleet.connected()
    expect(await fleet.c.invalidateKey('x')).toMatchObject({ durable: true })
  })

  it('C6 C7, scenario 13: after a restart that lost everything memory answers, and writes back', async () => {
    await fleet.spread('k', 'value')
    await fleet.server.restart()
    expect(await fleet.answers('k')).toEqual(['value', 'value', 'value'])
    await fleet.connected()
    expect(await fleet.answers('k')).toEqual(['value', 'value', 'value'])
    await until('written back', async () => (await fleet.server.command('EXISTS', 'k')) === 1)
  })

  it('C7, scenario 13: after a restart that lost everything, recent invalidations still bind who was cut off', async () => {
    await fleet.spread('key', 'old')
    await fleet.spread('item:1', 'old')
    await fleet.spread('tagged', 'old', { tags: ['t'] })
    await fleet.cutOff(fleet.b)
    expect(await fleet.a.invalidateKey('key')).toMatchObject({ durable: true })
    expect(await fleet.c.invalidatePrefix('item:')).toMatchObject({ durable: true })
    expect(await fleet.a.invalidateTags('t')).toMatchObject({ durable: true })
    await fleet.server.restart()
    await fleet.connected(fleet.a, fleet.c)
    await fleet.heal(fleet.b)
    await fleet.grace()
    for (const key of ['key', 'item:1', 'tagged']) expect(await fleet.answers(key)).toEqual([null, null, null])
  })

  it('C7, scenario 13: the same when the one that was cut off comes back first', async () => {
    await fleet.spread('k', 'old')
    await fleet.cutOff(fleet.b)
    expect(await fleet.a.invalidateKey('k')).toMatchObject({ durable: true })
    await fleet.cutOff(fleet.a, fleet.c)
    await fleet.server.restart()
    await fleet.heal(fleet.b)
    await fleet.heal(fleet.a)
    await fleet.heal(fleet.c)
    await fleet.grace()
    await staysGone('k')
  })

  it('C1 C4, scenario 16: a connection that flaps loses no invalidation and brings nothing back', async () => {
    let flapping = true
    const flaps = (async () => {
      while (flapping) {
        await fleet.proxy(fleet.a).refuse()
        await sleep(60)
        await fleet.proxy(fleet.a).restore()
        await sleep(240)
      }
    })()
    for (let round = 0; round < 40; round++) {
      await fleet.b.set('k', round)
      await fleet.a.get('k')
      await fleet.a.invalidateKey('k')
      expect(await fleet.a.get('k')).toBe(null)
    }
    flapping = false
    await flaps
    await fleet.connected()
    await fleet.grace()
    expect(await fleet.answers('k')).toEqual([null, null, null])
  })

  it('C1 C4, scenario 16: a Redis that hangs now and then neither', async () => {
    for (let round = 0; round < 6; round++) {
      await fleet.b.set('k', round)
      await fleet.a.get('k')
      fleet.server.freeze()
      expect(await fleet.a.invalidateKey('k')).toMatchObject({ durable: false })
      expect(await fleet.a.get('k')).toBe(null)
      await fleet.c.get('k')
      await sleep(100)
      fleet.server.resume()
      await fleet.connected()
      await fleet.grace()
      expect(await fleet.answers('k')).toEqual([null, null, null])
    }
  })

  it('C8: everything at once: all three cut off, invalidating, storing, and Redis comes back empty', async () => {
    await fleet.spread('a', 'old')
    await fleet.spread('b', 'old')
    await fleet.spread('c', 'old')
    await fleet.server.kill()
    await fleet.a.invalidateKey('a')
    await fleet.b.invalidateKey('b')
    await fleet.c.invalidateKey('c')
    await fleet.a.set('stored', 'value')
    await fleet.server.restart()
    await fleet.connected()
    for (const worker of fleet.all) await until('told', async () => (await worker.stats()).pendingInvalidations === 0)
    await fleet.grace()
    for (const key of ['a', 'b', 'c']) expect(await fleet.answers(key)).toEqual([null, null, null])
    await until('written back', async () => (await fleet.answers('stored')).every((answer) => answer === 'value'))
  })

  async function staysGone(key: string): Promise<void> {
    for (let round = 0; round < 5; round++) {
      expect(await fleet.answers(key)).toEqual([null, null, null])
      await sleep(100)
    }
  }
})

describe('the end of a process', () => {
  let fleet: Fleet
  let extra: Worker | undefined
  const directory = mkdtempSync(join(tmpdir(), 'fallback-cache-journal-'))
  beforeEach(async () => {
    fleet = await Fleet.start(hosts, { read: 'redis-first' })
  })
  afterEach(async () => {
    await extra?.kill()
    await fleet?.stop()
  })
  afterAll(() => rmSync(directory, { recursive: true, force: true }))

  it('C4, scenario 7: SIGTERM tells the log what was invalidated in the outage', async () => {
    await fleet.spread('k', 'old')
    const proxy = fleet.proxy(fleet.a)
    extra = await Worker.start({ client: { kind: 'url', port: proxy.port } })
    await fleet.connected(extra)
    await proxy.refuse()
    await until('cut off', async () => !(await extra?.stats())?.connected)
    expect(await extra.invalidateKey('k')).toMatchObject({ durable: false })
    await proxy.restore()
    await extra.terminate()
    await fleet.connected()
    expect(await fleet.answers('k')).toEqual([null, null, null])
  })

  it('C4: a journal file keeps what was invalidated in the outage through a crash', async () => {
    await fleet.spread('k', 'old')
    const proxy = fleet.proxy(fleet.a)
    const setup = {
      client: { kind: 'url', port: proxy.port },
      cache: { journalFile: join(directory, 'journal') },
    } as const
    extra = await Worker.start(setup)
    await fleet.connected(extra)
    await proxy.refuse()
    await until('cut off', async () => !(await extra?.stats())?.connected)
    expect(await extra.invalidateKey('k')).toMatchObject({ durable: false })
    await extra.kill()
    await proxy.restore()
    await fleet.connected()
    expect(await fleet.b.get('k')).toBe('old')
    extra = await Worker.start(setup)
    await fleet.connected(extra)
    expect(await fleet.answers('k')).toEqual([null, null, null])
  })
})

describe('the breaker', () => {
  it('scenario 16: opens on a hang, and lets one probe through, which is no user’s request', async () => {
    const fleet = await Fleet.start(hosts, {
      read: 'redis-first',
      cache: { circuitBreaker: { threshold: 3, cooldown: 1 }, redisTimeout: 50 },
    })
    await fleet.spread('k', 'value')
    fleet.proxy(fleet.a).hold()
    await until('open', async () => {
      await fleet.a.get('k')
      return (await fleet.a.stats()).circuitBreakerState === 'open'
    })
    const seen: string[] = []
    fleet.proxy(fleet.a).filter((direction, chunk) => {
      if (direction === 'up') seen.push(chunk.toString('latin1'))
      return 'hold'
    })
    const end = performance.now() + 2_500
    while (performance.now() < end) {
      await Promise.all(Array.from({ length: 50 }, () => fleet.a.get('k')))
      await sleep(5)
    }
    expect(seen.join('')).not.toContain('GET')
    expect((await fleet.a.stats()).circuitBreakerState).not.toBe('closed')
    await fleet.heal(fleet.a)
    expect((await fleet.a.find('k'))?.tier).toBe('redis')
    await fleet.stop()
  })
})
