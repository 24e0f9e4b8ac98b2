import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { bundled } from '../../scripts/bundled.mjs'
import { FallbackCache } from '../../src/index.js'
import { check, type Verdict } from '../soak/checker.js'
import { observe } from '../soak/connection.js'
import { footprintTable } from '../soak/footprint.js'
import type { Disaster, History, SoakRecord } from '../soak/records.js'
import { violationText } from '../soak/report.js'
import { runSoak } from '../soak/soak.js'
import { ChaosProxy } from '../support/chaos-proxy.js'
import { RedisServer } from '../support/redis-server.js'
import { until } from '../support/until.js'

describe.skipIf(process.env.SKIP_REDIS === '1')('the soak test', () => {
  it('keeps every promise, in its short form', async () => {
    const args = [bundled('test/soak/main.ts'), '--short', '--quiet']
    // What it says of a failure is more than that it failed.
    const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 80_000 }).catch(
      (thrown: { stdout: string; stderr: string }) => expect.fail(`${thrown.stdout}\n${thrown.stderr}`),
    )
    expect(stdout).toMatch(/^violations( +|, )(C\d+|liveness|trouble) 0(, (C\d+|liveness|trouble) 0)+$/m)
    expect(stdout).toMatch(/^reads +[1-9]\d{2,}/m)
    expect(stdout).toMatch(/^disasters +[1-9]\d/m)
    expect(stdout).toMatch(/^ +1( +[1-9]\d*\.\d){3} +[1-9]\d* /m)
  }, 90_000)

  it('notices a process that does not follow the log', async () => {
    const promises = new Set<string>()
    // On a busy machine few reads take place in a run.
    for (let seed = 3; seed < 8 && !promises.has('C1'); seed++) {
      const { violations } = check(await runSoak({ seconds: 4, seed, sabotage: true }))
      for (const { promise } of violations) promises.add(promise)
      expect(violations.every(({ text }) => !/^[AB]\d \(.* after [AB]\d invalidated/.test(text))).toBe(true)
    }
    expect(promises).toContain('C1')
  }, 120_000)
})

describe.skipIf(process.env.SKIP_REDIS === '1')('the observation of a cache in the soak test', () => {
  it.each(['find', 'get', 'getOrSet'] as const)(
    'does not take an answer of %s after a timeout for a connected one',
    async (how) => {
      const server = await RedisServer.start()
      const proxy = await ChaosProxy.start({ port: server.port })
      const cache = new FallbackCache({ redis: proxy.url })
      try {
        const connection = observe(cache, () => {})
        const ask = async (): Promise<boolean> => {
          if (how === 'find') return (await connection.find('k')).isConnected
          const look = how === 'get' ? () => cache.get('k') : () => cache.getOrSet('k', () => 'another value')
          const { result, isConnected } = await connection.during(look)
          expect(result).toBe('value')
          return isConnected
        }
        await until('the cache is connected', () => cache.stats().connected)
        await cache.set('k', 'value')
        expect(await until('Redis answers in time', ask)).toBe(true)
        proxy.hold()
        expect(await ask()).toBe(false)
        // One timeout is no outage.
        expect(cache.stats().connected).toBe(true)
      } finally {
        await cache.close()
        await proxy.close()
        await server.stop()
      }
    },
  )
})

describe('the judge of the soak test', () => {
  const write = {
    type: 'write',
    by: 'A1',
    cover: 'key x',
    versions: { x: 1 },
    startAt: 100,
    heldAt: 101,
    endAt: 110,
    durable: true,
  } as const
  const read = {
    type: 'read',
    by: 'B1',
    resource: 'x',
    how: 'get',
    startAt: 200,
    endAt: 201,
    version: 0,
    run: 'B1.1',
    isConnected: true,
    isAnswered: true,
  } as const
  const run = { type: 'run', by: 'B1', run: 'B1.1', resource: 'x', version: 0, startAt: 10, endAt: 20 } as const
  const trusted = { ...read, by: 'A1', resource: 'y', run: undefined, version: 0 } as const
  const lost = { text: 'redis: killed', victims: ['A', 'B'], startAt: 150, endAt: 160 } as const

  it.each([
    ['a right answer', [write, run, { ...read, version: 1 }], []],
    ['a stale answer that was asked for before', [write, run, { ...read, startAt: 105 }], []],
    ['a stale answer', [write, run, read], ['C1']],
    ['a stale answer of the process that invalidated', [write, { ...run, by: 'A1' }, { ...read, by: 'A1' }], ['C2']],
    [
      'the same, cut off',
      [
        { ...write, durable: false },
        { ...read, by: 'A1', isConnected: false },
      ],
      ['C2'],
    ],
    ['a stale answer after a request, once Redis knew of it', [{ ...write, durable: undefined }, run, read], ['C1']],
    [
      'the same, of a process that was cut off',
      [{ ...write, durable: undefined }, run, { ...read, isConnected: false, startAt: 1_200, endAt: 1_201 }],
      [],
    ],
    ['the same, before Redis knew', [{ ...write, durable: undefined, endAt: 300 }, run, read], []],
    [
      'the same, where a read of Redis was not answered in time',
      [{ ...write, durable: undefined }, run, { ...read, isAnswered: false }],
      [],
    ],
    [
      'a stale answer after an invalidation in the log, whether a read was answered or not',
      [write, run, { ...read, isAnswered: false }],
      ['C1'],
    ],
    [
      'the same, where its process stopped before Redis knew',
      [{ ...write, durable: undefined, endAt: Number.POSITIVE_INFINITY }, run, read],
      [],
    ],
    ['a late store', [write, { ...run, endAt: 120 }, read], ['C3']],
    ['an invalidation that waits for Redis', [{ ...write, durable: false }, run, read], []],
    [
      'one that had waited, once its process is connected',
      [{ ...write, durable: false }, run, { ...trusted, startAt: 150, endAt: 151 }, read],
      ['C4'],
    ],
    ['trust in spite of a debt', [{ type: 'link', by: 'A1', at: 50, isConnected: true, owed: 1 }], ['C4']],
    ['a stale answer of a process that was cut off', [write, run, { ...read, isConnected: false }], []],
    ['the same, for too long', [write, run, { ...read, isConnected: false, startAt: 1_200, endAt: 1_201 }], ['C9']],
    ['an operation that takes too long', [{ ...run, endAt: 10_000 }], ['liveness']],
    ['a warning', [{ type: 'trouble', by: 'A1', at: 5, text: 'warning' }], ['trouble']],
  ] satisfies [string, SoakRecord[], string[]][])('judges %s', (_, records, promises) => {
    expect(promisesIn(verdict(records))).toEqual(promises)
  })

  it.each([
    ['not by an invalidation that was lost with the log', [write, run, read], []],
    ['by one that its process has repeated', [write, run, { ...trusted, startAt: 170, endAt: 171 }, read], ['C8']],
  ] satisfies [string, SoakRecord[], string[]][])(
    'holds a process bound after a restart %s',
    (_, records, promises) => {
      expect(promisesIn(verdict(records, [{ ...lost, loses: 'everything by accident' }]))).toEqual(promises)
    },
  )

  it('holds no other process to a request whose tombstones may be lost', () => {
    const request = { ...write, durable: undefined }
    expect(promisesIn(verdict([request, run, read], [{ ...lost, loses: 'entries' }]))).toEqual([])
    expect(promisesIn(verdict([request, run, read], [{ ...lost, loses: 'tombstones' }]))).toEqual([])
    expect(promisesIn(verdict([request, run, { ...read, by: 'A1' }], [{ ...lost, loses: 'entries' }]))).toEqual(['C2'])
  })

  it('notices an answer that is older than one given before, on hosts with right clocks', () => {
    const older = { ...run, run: 'A1.1', by: 'A1' } as const
    const newer = { ...run, run: 'A1.2', by: 'A1', startAt: 40, endAt: 50 } as const
    const got = (by: string, made: string, startAt: number) => ({ ...read, by, run: made, startAt, endAt: startAt + 1 })
    const records = [older, newer, got('B1', 'A1.1', 30), got('B1', 'A1.2', 60)]
    expect(promisesIn(verdict([...records, got('B1', 'A1.1', 70)]))).toEqual(['C11'])
    expect(promisesIn(verdict([...records, got('B1', 'A1.2', 70)]))).toEqual([])
    expect(promisesIn(verdict([...records, { ...got('B1', 'A1.1', 70), isConnected: false }]))).toEqual([])
    expect(promisesIn(verdict([...records, got('C1', 'A1.1', 70)]))).toEqual([])
    const restart = { ...lost, startAt: 62, endAt: 65, loses: 'everything by accident' } as const
    expect(promisesIn(verdict([...records, got('B1', 'A1.1', 70)], [restart]))).toEqual([])
  })

  it('notices what a flush did not take', () => {
    const flush = { ...lost, loses: 'everything on purpose' } as const
    const late = { ...run, startAt: 170, endAt: 180 }
    const restart = { ...flush, startAt: 90, endAt: 100, loses: 'everything by accident' } as const
    const met = { ...trusted, by: 'B1', startAt: 120, endAt: 121 } as const
    expect(promisesIn(verdict([run, met, read], [flush]))).toEqual(['C7'])
    expect(promisesIn(verdict([late, met, read], [flush]))).toEqual([])
    expect(promisesIn(verdict([run, met, read], [{ ...flush, loses: 'everything perhaps' }]))).toEqual([])
    expect(promisesIn(verdict([run, met, read], [restart, flush]))).toEqual(['C7'])
    // To a process that had not met the server, it is one that came back empty.
    expect(promisesIn(verdict([run, { ...met, startAt: 80, endAt: 81 }, read], [restart, flush]))).toEqual([])
  })

  it('notices values that memory forgot, or that Redis was not given back', () => {
    const set = { type: 'quiet-set', by: 'A1', key: 'q', startAt: 10, endAt: 20 } as const
    const miss = {
      type: 'quiet-read',
      by: 'A1',
      key: 'q',
      startAt: 200,
      endAt: 201,
      isFound: false,
      isConnected: true,
    } as const
    expect(promisesIn(verdict([set, miss]))).toEqual(['C6', 'C5'])
    expect(promisesIn(verdict([set, miss], [{ ...lost, loses: 'everything by accident' }]))).toEqual(['C6', 'C5'])
    // A Redis that is full refuses entries, and gets them later. Where it evicts any key, that may look like a flush.
    expect(promisesIn(verdict([set, miss], [{ ...lost, loses: 'tombstones' }]))).toEqual(['C6', 'C5'])
    expect(promisesIn(verdict([set, miss], [{ ...lost, loses: 'everything perhaps' }]))).toEqual([])
    const flush = { ...lost, loses: 'everything on purpose' } as const
    expect(promisesIn(verdict([set, miss], [flush]))).toEqual([])
    const cleared = { type: 'cleared', by: 'A1', at: 190 } as const
    expect(promisesIn(verdict([set, cleared, miss]))).toEqual(['C6', 'C5'])
    // A process that was never connected had stored values before the loss.
    const loner = { ...set, by: 'B1', key: 'r', startAt: 140, endAt: 141 }
    const restart = { ...lost, loses: 'everything by accident' } as const
    const hitBefore = { ...miss, startAt: 120, endAt: 121, isFound: true }
    expect(promisesIn(verdict([set, hitBefore, cleared, miss], [restart]))).toEqual(['C6', 'C5'])
    expect(promisesIn(verdict([set, hitBefore, loner, cleared, miss], [restart]))).toEqual([])
    const twice = [flush, { ...lost, startAt: 170, endAt: 171, loses: 'everything by accident' }] as const
    expect(promisesIn(verdict([{ ...set, startAt: 180, endAt: 185 }, cleared, miss], twice))).toEqual([])
    const afterwards = { ...set, startAt: 180, endAt: 190 }
    // Not before the process that stored it has heard of the flush.
    expect(promisesIn(verdict([afterwards, miss], [flush]))).toEqual([])
    const hit = { ...miss, startAt: 170, endAt: 171, isFound: true }
    expect(promisesIn(verdict([afterwards, hit, miss], [flush]))).toEqual(['C6', 'C5'])
    // Stored when Redis had been asked what it has.
    expect(promisesIn(verdict([{ ...set, startAt: 20_001, endAt: 20_002 }]))).toEqual([])
  })

  it('shows the largest size in each minute', () => {
    const table = footprintTable(
      [
        { type: 'footprint', by: 'A1', at: 1_000, sizes: { heapBytes: 20 * 1_048_576, entries: 7 } },
        { type: 'footprint', by: 'B1', at: 60_900, sizes: { heapBytes: 10 * 1_048_576, entries: 9 } },
        { type: 'footprint', by: 'redis', at: 2_000, sizes: { redisBytes: 1_536 } },
        { type: 'footprint', by: 'A1', at: 61_000, sizes: { entries: 8 } },
      ],
      1_000,
    )
    const cells = table.split('\n').map((line) => line.trim().split(/ {2,}/).slice(0, 5))
    expect(cells).toEqual([
      ['minute', 'heap MB', 'rss MB', 'Redis KB', 'entries'],
      ['1', '20.0', '-', '1.5', '9'],
      ['2', '-', '-', '-', '8'],
    ])
  })

  it('shows what led to a violation', () => {
    const history = historyOf([write, run, read], [lost])
    const [violation] = check(history).violations
    expect(violation && violationText(history, violation).split('\n')).toEqual([
      'C1, 0.2 s: B1 (connected, by get) got x@0 of run B1.1 after A1 invalidated "key x" @1: binding since 90.0 ms',
      '    -201.0  B1 runs the handler of x: run B1.1 @0, +10.0',
      '    -111.0  A1 invalidates key x @1: held +1.0, answered +10.0, durable true',
      '     -61.0  >>> redis: killed (A B)',
      '     -51.0  <<< redis: killed (A B)',
      '     -11.0  B1 get @0 of B1.1, +1.0',
    ])
  })

  it('shows what led to a value that memory forgot', () => {
    const set = { type: 'quiet-set', by: 'A1', key: 'A1:3', startAt: 10, endAt: 20 } as const
    const hit = {
      type: 'quiet-read',
      by: 'A1',
      key: 'A1:3',
      startAt: 100,
      endAt: 101,
      isFound: true,
      isConnected: true,
    } as const
    const miss = { ...hit, startAt: 200, endAt: 201, isFound: false } as const
    const history = historyOf([set, hit, { type: 'cleared', by: 'B1', at: 195 }, miss], [lost])
    const [violation] = check(history).violations
    expect(violation && violationText(history, violation).split('\n')).toEqual([
      'C6, 0.2 s: A1 stored A1:3, no process invalidated it, and 180.0 ms later it was gone',
      '    -191.0  A1 stores A1:3, +10.0',
      '     -51.0  >>> redis: killed (A B)',
      '     -41.0  <<< redis: killed (A B)',
      '      -6.0  B1 drops the values that no process invalidates',
      '      -1.0  A1 gets no A1:3, +1.0',
    ])
  })

  function historyOf(records: readonly SoakRecord[], disasters: readonly Disaster[]): History {
    const alive = new Set(['A1', 'B1'])
    return {
      records,
      disasters,
      quietInRedis: new Set(),
      askedAt: 20_000,
      alive,
      startAt: 0,
      endAt: 20_000,
      maxStale: 1_000,
      lease: 0,
      confirms: true,
      skewed: 'C',
    }
  }

  function verdict(records: readonly SoakRecord[], disasters: readonly Disaster[] = []): Verdict {
    return check(historyOf(records, disasters))
  }

  function promisesIn({ violations }: Verdict): string[] {
    return violations.map(({ promise }) => promise)
  }
})
