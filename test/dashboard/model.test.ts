import { describe, expect, it } from 'vitest'
import { span } from '../../src/dashboard/page/format.js'
import { intervals, kept, quantile, ratioOf, spans } from '../../src/dashboard/page/model.js'

const none = { memory: 0, redis: 0, stale: 0, collapsed: 0, revalidated: 0, miss: 0, bypass: 0 }
const sample = (at: number, counts: Partial<typeof none> & Record<string, unknown> = {}) => ({
  ...none,
  at,
  savedSeconds: 0,
  servedBytes: 0,
  handlerCount: 0,
  handlerSeconds: 0,
  handlerBuckets: {},
  redisBuckets: {},
  memoryBytes: 10,
  connected: true,
  circuit: 'closed' as const,
  ...counts,
})

describe('the samples that a page keeps', () => {
  const own = { id: 'own', samples: [sample(2000), sample(4000)] }
  const times = (known: ReadonlyMap<string, readonly { readonly at: number }[]>) =>
    Array.from(known, ([id, samples]) => [id, samples.map(({ at }) => at)])

  it('have the whole history of a process that reports later', () => {
    const first = kept(new Map(), [own], 0)
    // The page asks for what is later than its own newest sample.
    const next = kept(
      first,
      [
        { id: 'own', samples: [sample(6000)] },
        { id: 'other', samples: [sample(5000)] },
      ],
      0,
    )
    expect(times(next)).toEqual([
      ['own', [2000, 4000, 6000]],
      ['other', []],
    ])
    const all = { id: 'other', samples: [1000, 3000, 5000, 7000].map((at) => sample(at)) }
    expect(times(kept(next, [own, all], 0))).toEqual([
      ['own', [2000, 4000, 6000]],
      ['other', [1000, 3000, 5000, 7000]],
    ])
  })

  it('are requested again after the clock was set back', () => {
    const back = kept(kept(new Map(), [own], 0, 5000), [{ id: 'own', samples: [] }], -900_000, 3000)
    expect(times(back)).toEqual([['own', [2000]]])
    expect(times(kept(back, [own], 0, 5000))).toEqual([['own', [2000, 4000]]])
  })

  it('are those of the processes that are there, of the last minutes', () => {
    const known = kept(new Map(), [own, { id: 'gone', samples: [sample(4000)] }], 0)
    expect(times(kept(known, [{ id: 'own', samples: [] }], 3000))).toEqual([['own', [4000]]])
  })
})

describe('a long time', () => {
  it.each([
    [0, '0.0 s'],
    [9.96, '10 s'],
    [59.4, '59 s'],
    [59.6, '1 min 0 s'],
    [119.7, '2 min 0 s'],
    [3599.9, '1 h 0 min'],
    [7199, '2 h 0 min'],
    [172_799, '2.0 days'],
  ])('of %d s is %j', (seconds, text) => {
    expect(span(seconds)).toBe(text)
  })
})

describe('the intervals of the charts', () => {
  it('are the growth of the totals, by second', () => {
    const [one] = intervals([[sample(2000, { memory: 10 }), sample(4000, { memory: 30, miss: 20 })]], 2000)
    expect(one).toMatchObject({ at: 4000, requests: 40, hitRatio: 0.5, perSecond: { memory: 10, miss: 10 } })
  })

  it('have the durations of handlers and of reads of Redis', () => {
    const before = sample(2000, { redisBuckets: { 0.0005: 5 } })
    const after = sample(4000, { redisBuckets: { 0.0005: 14, 0.02: 1 }, handlerBuckets: { 0.3: 1 } })
    expect(intervals([[before, after]], 2000)).toMatchObject([{ redisP50: 0.0005, redisP99: 0.02, p50: 0.3 }])
  })

  it('add the processes, whose samples are not taken at the same moment', () => {
    const processes = [
      [sample(2000, { memory: 0 }), sample(4000, { memory: 20 })],
      [sample(2900, { redis: 5 }), sample(4900, { redis: 25 })],
    ]
    expect(intervals(processes, 2000)).toMatchObject([
      { at: 4000, perSecond: { memory: 10, redis: 10 }, memoryBytes: 20 },
    ])
  })

  it('spread what grew between samples that are further apart', () => {
    const all = intervals([[sample(0, { memory: 0 }), sample(10_000, { memory: 100 })]], 2000)
    expect(all.map(({ at, perSecond, requests }) => [at, perSecond.memory, requests])).toEqual(
      [2000, 4000, 6000, 8000, 10_000].map((at) => [at, 10, 20]),
    )
  })

  it('end where the samples of all processes end, without waiting for one that is gone', () => {
    const first = [0, 2000, 4000, 6000, 8000].map((at) => sample(at))
    const ends = (other: number[]) => intervals([first, other.map((at) => sample(at))], 2000).at(-1)?.at
    expect(ends([0, 2000, 4000])).toBe(4000)
    expect(ends([-30_000, -28_000])).toBe(8000)
  })

  it('count a process that has started again from zero', () => {
    const [one] = intervals([[sample(2000, { memory: 1000 }), sample(4000, { memory: 6 })]], 2000)
    expect(one?.perSecond.memory).toBe(3)
  })

  it('are in an outage when one process is', () => {
    const processes = [
      [sample(2000), sample(4000)],
      [sample(2000), sample(4000, { connected: false, circuit: 'open' })],
    ]
    const all = intervals(processes, 2000)
    expect(all).toMatchObject([{ connected: false, circuit: 'open' }])
    expect(spans(all, ({ connected }) => !connected)).toEqual([{ from: 2000, to: 4000 }])
  })

  it('join what holds without a break to one span', () => {
    const states = [true, false, false, true, false]
    const all = intervals(
      [[sample(0), ...states.map((connected, index) => sample((index + 1) * 2000, { connected }))]],
      2000,
    )
    expect(spans(all, ({ connected }) => !connected)).toEqual([
      { from: 2000, to: 6000 },
      { from: 8000, to: 10_000 },
    ])
  })

  it('have no ratio without requests', () => {
    expect(ratioOf(none)).toBeNull()
    expect(ratioOf({ ...none, bypass: 7 })).toBeNull()
    expect(ratioOf({ ...none, memory: 1, stale: 1, miss: 1, revalidated: 1 })).toBe(0.5)
  })

  it('take quantiles from the buckets', () => {
    expect(quantile({}, 0.5)).toBeNull()
    expect(quantile({ '0.1': 99, '0.005': 1 }, 0.5)).toBe(0.1)
    expect(quantile({ '0.1': 1, '0.005': 99 }, 0.99)).toBe(0.005)
    expect(quantile({ Infinity: 1 }, 0.5)).toBe(100)
  })
})
