import type { Measured } from './scenario.js'
import { isKnown } from './start.js'
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

const expressPeers = ['apicache', 'apicache-plus', 'route-cache', 'cacheable-response']
const koaPeers = ['koa-cash']

/**
 * Prints what was to be reached and what was.
 *
 * @param isWhole - whether no scenarios were named: else what was not measured is left out
 */
export function printTargets(measured: Measured, isWhole: boolean): void {
  const rows = targets(measured).flatMap(({ number, about, goals }) =>
    goals
      .filter(({ value }) => isWhole || !Number.isNaN(value ?? Number.NaN))
      .map(({ name, value, atMost }, at) => [
        at === 0 ? `${number} ${about}` : '',
        name,
        `≤ ${atMost}`,
        shown(value),
        value === undefined || Number.isNaN(value) ? 'not measured' : value <= atMost ? 'met' : 'NOT MET',
      ]),
  )
  if (rows.length === 0) return
  console.log('## targets')
  printTable(['target', 'measured as', 'to reach', 'measured', ''], rows)
}

function targets(measured: Measured): readonly Target[] {
  return [
    { number: 1, about: 'hit from memory', goals: memoryHits(measured) },
    { number: 2, about: 'front door', goals: frontDoors(measured) },
    { number: 3, about: 'hit from Redis', goals: redisHits(measured) },
    { number: 4, about: '304, HEAD, compressed', goals: otherForms(measured) },
    { number: 5, about: 'miss and store', goals: misses(measured) },
    { number: 6, about: 'memory', goals: memory(measured) },
    { number: 7, about: 'stampede', goals: stampedes(measured) },
    { number: 8, about: 'invalidation', goals: invalidations(measured) },
    { number: 9, about: 'outage', goals: outages(measured) },
    { number: 10, about: 'processes', goals: processes(measured) },
  ]
}

function memoryHits(measured: Measured): readonly Goal[] {
  const { goal } = reader(measured)
  return [
    goal('express / by hand', 'hot-1k: ours express / express by hand', 1.1),
    ...expressPeers.map((peer) => goal(`express / ${peer}`, `hot-1k: ours express / ${peer}`, 1)),
    goal('koa / by hand', 'hot-1k: ours koa / koa by hand', 1.1),
    ...koaPeers.map((peer) => goal(`koa / ${peer}`, `hot-1k: ours koa / ${peer}`, 1)),
  ]
}

function frontDoors(measured: Measured): readonly Goal[] {
  const { goal, best } = reader(measured)
  const doors = ['express', 'koa'].filter((framework) => isKnown(`ours ${framework}, front door`))
  const goals = doors.flatMap((framework) =>
    ['hot-1k', 'hot-64k'].flatMap((scenario) => {
      const name = `${scenario}: ours ${framework}, front door`
      const peers = [...expressPeers, ...koaPeers].map((peer) => `${name} / ${peer}`)
      const about = `${framework}, ${scenario.slice(4).toUpperCase()}B`
      return [
        goal(`${about} / raw`, `${name} / raw`, 1),
        // The best peer is the one that the ratio is largest to.
        { name: `${about} / best peer`, value: best(peers), atMost: 0.65 },
        goal(`${about} / Varnish`, `${name} / varnish`, 1),
      ]
    }),
  )
  return goals.length > 0 ? goals : [{ name: 'there is none', value: undefined, atMost: 1 }]
}

function redisHits(measured: Measured): readonly Goal[] {
  const { goal, ratio } = reader(measured)
  const byHand = (scenario: string, framework: string): Goal =>
    goal(
      `${framework} / by hand, ${scenario.slice(6)}`,
      `${scenario}: ours ${framework}, redis-first / ${framework} by hand, redis`,
      0.9,
    )
  const each = ['express', 'koa']
  return [
    ...['redis-1k', 'redis-64k', 'redis-zipf'].flatMap((scenario) =>
      each.map((framework) => byHand(scenario, framework)),
    ),
    ...each.flatMap((framework) => [
      goal(`${framework}, commands a read`, `redis-commands: ours ${framework}, redis-first: alone`, 2),
      goal(`${framework}, readings a read`, `redis-commands: ours ${framework}, redis-first: alone: readings`, 1.05),
      goal(`${framework}, commands a read of 50`, `redis-commands: ours ${framework}, redis-first: 50 at a time`, 1),
      {
        name: `${framework}, p99 / plain GET`,
        value: ratio(`latency: ours ${framework}, redis-first: p99`, `latency: ${framework} by hand, redis: p99`),
        atMost: 1.2,
      },
    ]),
  ]
}

function otherForms(measured: Measured): readonly Goal[] {
  const { goal } = reader(measured)
  const names = ['express', 'koa', 'express, front door', 'koa, front door'].filter((name) => isKnown(`ours ${name}`))
  return [
    ...names.map((name) => goal(`${name}, 304 / 200`, `304: ours ${name}, 304 / ours ${name}`, 0.95)),
    ...names.map((name) => goal(`${name}, HEAD / GET`, `head: ours ${name}, HEAD / ours ${name}`, 0.95)),
    ...['express', 'koa'].map((framework) => {
      const name = `ours ${framework}, precompressed`
      return goal(`${framework}, br / identity`, `precompressed: ${name}, br / ${name}, identity`, 1.05)
    }),
  ]
}

function misses(measured: Measured): readonly Goal[] {
  const { goal, difference } = reader(measured)
  return ['express', 'koa'].flatMap((framework) => [
    {
      name: `${framework}, storing, + µs`,
      value: difference(`store: ours ${framework}`, `store: ${framework} uncached`),
      atMost: 12,
    },
    goal(`${framework}, first byte, + ms`, `first-byte: ours ${framework}: added`, 1),
    {
      name: `${framework}, skip, + µs`,
      value: difference(`pass-by: ours ${framework}, skipping`, `pass-by: ${framework} uncached`),
      atMost: 2,
    },
    {
      name: `${framework}, POST, + µs`,
      value: difference(`pass-by: ours ${framework}, POST`, `pass-by: ${framework} uncached, POST`),
      atMost: 2,
    },
  ])
}

function memory(measured: Measured): readonly Goal[] {
  const { goal } = reader(measured)
  return ['express', 'koa'].flatMap((framework) => [
    goal(`${framework}, bytes an entry`, `memory: ours ${framework}: each`, 1638),
    goal(`${framework}, grown / counted`, `memory: ours ${framework}: grown / counted`, 1.25),
  ])
}

function stampedes(measured: Measured): readonly Goal[] {
  const { goal } = reader(measured)
  return [
    ...['express', 'koa'].flatMap((framework) => [
      goal(`${framework}, handler runs`, `stampede: ours ${framework}: runs`, 1),
      goal(`${framework}, / handler time`, `stampede: ours ${framework}: time`, 1.3),
    ]),
    goal('4 processes, handler runs', 'stampede: ours express, redis-first, 4 processes: runs', 1),
  ]
}

function invalidations(measured: Measured): readonly Goal[] {
  const times = [10_000, 100_000, 1_000_000].flatMap((keys) => measured.get(`invalidation: ${keys}`) ?? [])
  const value = times.length < 2 ? undefined : Math.max(...times) / Math.min(...times)
  return [{ name: 'longest / shortest, 10 k to 1 M keys', value, atMost: 1.5 }]
}

function outages(measured: Measured): readonly Goal[] {
  const { goal } = reader(measured)
  return ['express', 'koa'].flatMap((framework) =>
    ['refused', 'frozen'].flatMap((how) => [
      goal(`${framework}, ${how}: first, ms`, `outage: ours ${framework}, redis-first: ${how}: first`, 80),
      goal(`${framework}, ${how}: then p99, + ms`, `outage: ours ${framework}, redis-first: ${how}: added`, 1),
    ]),
  )
}

function processes(measured: Measured): readonly Goal[] {
  const { ratio, difference } = reader(measured)
  const growth = (name: string): number | undefined => ratio(`processes: ${name}: 4: cpu`, `processes: ${name}: 1: cpu`)
  // Several on one core find its caches full of each other, whatever they do: those by hand, too.
  const grown = (framework: string): number | undefined => {
    const [ours, byHand] = [`ours ${framework}, redis-first`, `${framework} by hand, redis`].map(growth)
    return ours === undefined || byHand === undefined ? undefined : ours / byHand
  }
  const delay = (name: string): number | undefined =>
    difference(`processes: ${name}: 1: delay`, 'processes: raw: 1: delay')
  return [
    ...['express', 'koa'].map((framework) => ({
      name: `${framework}, CPU a hit, 4 / 1 processes, / by hand's`,
      value: grown(framework),
      atMost: 1.15,
    })),
    ...['ours express', 'ours koa', 'ours express, redis-first', 'ours koa, redis-first'].map((name) => ({
      name: `${name}, loop delay p99, + ms`,
      value: delay(name),
      atMost: 2,
    })),
  ]
}

function reader(measured: Measured) {
  const both = (one: string, other: string, of: (one: number, other: number) => number): number | undefined => {
    const [first, second] = [measured.get(one), measured.get(other)]
    return first === undefined || second === undefined ? undefined : of(first, second)
  }
  return {
    goal: (name: string, key: string, atMost: number): Goal => ({ name, value: measured.get(key), atMost }),
    ratio: (one: string, other: string) => both(one, other, (first, second) => first / second),
    difference: (one: string, other: string) => both(one, other, (first, second) => first - second),
    /** The largest of those that were measured. */
    best: (keys: readonly string[]): number | undefined => {
      const values = keys.flatMap((key) => measured.get(key) ?? [])
      return values.length === 0 ? undefined : Math.max(...values)
    },
  }
}
