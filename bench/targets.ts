import type { Measured } from './scenario.js'
import { printTable, shown } from './table.js'

interface Goal {
  /** As it is measured. */
  readonly name: string
  readonly value: number | undefined
  /** The largest value that meets it. */
  readonly atMost: number
}

interface Target {
  readonly number: number
  readonly about: string
  readonly goals: readonly Goal[]
}

const peers = ['apicache', 'route-cache', 'cacheable-response']

/** Prints what was to be reached and what was. */
export function printTargets(measured: Measured): void {
  const rows = targets(measured).flatMap(({ number, about, goals }) =>
    goals.length === 0
      ? [[`${number} ${about}`, '', '', '', 'not measured']]
      : goals.map(({ name, value, atMost }, at) => [
          at === 0 ? `${number} ${about}` : '',
          name,
          `≤ ${atMost}`,
          shown(value),
          value === undefined || Number.isNaN(value) ? 'not measured' : value <= atMost ? 'met' : 'NOT MET',
        ]),
  )
  printTable(['target', 'measured as', 'to reach', 'measured', ''], rows)
}

function targets(measured: Measured): readonly Target[] {
  const goal = (name: string, key: string, atMost: number): Goal => ({ name, value: measured.get(key), atMost })
  const added = (ours: string, without: string): number | undefined => {
    const [stored, plain] = [measured.get(`miss: ${ours}`), measured.get(`miss: ${without}`)]
    return stored === undefined || plain === undefined ? undefined : stored - plain
  }
  const ratio = (one: string, other: string): number | undefined => {
    const [above, below] = [measured.get(one), measured.get(other)]
    return above === undefined || below === undefined ? undefined : above / below
  }
  const flatness = (): number | undefined => {
    const times = [10_000, 100_000, 1_000_000].flatMap((keys) => measured.get(`invalidation: ${keys}`) ?? [])
    return times.length < 2 ? undefined : Math.max(...times) / Math.min(...times)
  }
  const outages = ['ours express, redis-first', 'ours koa, redis-first'].flatMap((name) =>
    ['refused', 'frozen'].flatMap((how) => [
      goal(`${name}, ${how}: first, ms`, `outage: ${name}: ${how}: first`, 80),
      goal(`${name}, ${how}: then p99, + ms`, `outage: ${name}: ${how}: added`, 1),
    ]),
  )
  return [
    {
      number: 1,
      about: 'hit from memory',
      goals: [
        goal('express / by hand', 'hot-1k: ours express / express by hand', 1.1),
        ...peers.map((peer) => goal(`express / ${peer}`, `hot-1k: ours express / ${peer}`, 1)),
        goal('koa / by hand', 'hot-1k: ours koa / koa by hand', 1.1),
        goal('koa / koa-cash', 'hot-1k: ours koa / koa-cash', 1),
      ],
    },
    {
      number: 2,
      about: 'front door',
      goals: [
        goal('express / raw, 1 KB', 'hot-1k: ours express, front door / raw', 1),
        goal('koa / raw, 1 KB', 'hot-1k: ours koa, front door / raw', 1),
        goal('express / raw, 64 KB', 'hot-64k: ours express, front door / raw', 1),
        goal('koa / raw, 64 KB', 'hot-64k: ours koa, front door / raw', 1),
        goal('express / apicache', 'hot-1k: ours express, front door / apicache', 0.65),
        goal('koa / koa-cash', 'hot-1k: ours koa, front door / koa-cash', 0.65),
      ],
    },
    {
      number: 3,
      about: 'hit from Redis',
      goals: [
        goal('express / by hand', 'redis-1k: ours express, redis-first / express by hand, redis', 0.9),
        goal('koa / by hand', 'redis-1k: ours koa, redis-first / koa by hand, redis', 0.9),
        goal('express / by hand, zipf', 'redis-zipf: ours express, redis-first / express by hand, redis', 0.9),
      ],
    },
    {
      number: 4,
      about: '304',
      goals: [
        { name: 'express, 304 / 200', value: ratio('304: ours express', 'hot-1k: ours express'), atMost: 0.95 },
        { name: 'koa, 304 / 200', value: ratio('304: ours koa', 'hot-1k: ours koa'), atMost: 0.95 },
      ],
    },
    {
      number: 5,
      about: 'miss and store',
      goals: [
        { name: 'express, added µs', value: added('ours express', 'express uncached'), atMost: 12 },
        { name: 'koa, added µs', value: added('ours koa', 'koa uncached'), atMost: 12 },
      ],
    },
    {
      number: 6,
      about: 'memory',
      goals: [
        goal('express, bytes an entry', 'memory: ours express: each', 1638),
        goal('express, grown / counted', 'memory: ours express: grown / counted', 1.25),
        goal('koa, bytes an entry', 'memory: ours koa: each', 1638),
      ],
    },
    {
      number: 7,
      about: 'stampede',
      goals: [
        goal('express, handler runs', 'stampede: ours express: runs', 1),
        goal('express, / handler time', 'stampede: ours express: time', 1.3),
        goal('koa, handler runs', 'stampede: ours koa: runs', 1),
        goal('koa, / handler time', 'stampede: ours koa: time', 1.3),
        goal('4 processes, handler runs', 'stampede: ours express, redis-first, 4 processes: runs', 1),
      ],
    },
    {
      number: 8,
      about: 'invalidation',
      goals: [{ name: 'longest / shortest, by keys', value: flatness(), atMost: 1.5 }],
    },
    { number: 9, about: 'outage', goals: outages },
    { number: 10, about: 'processes', goals: [] },
  ]
}
