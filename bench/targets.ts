import type { Measured } from './scenario.js'
import { isKnown } from './start.js'
import { printTable, shown } from './table.js'

/** A figure: the key of one that was measured, or how it follows from others. */
type Figure =
  | string
  | { readonly ratio: readonly [Figure, Figure] }
  | { readonly difference: readonly [Figure, Figure] }
  /** The largest of those that were measured. */
  | { readonly largest: readonly string[] }
  /** The largest divided by the smallest of those that were measured. */
  | { readonly spread: readonly string[] }

interface Goal {
  /** As it is measured. */
  readonly name: string
  readonly figure: Figure
  /** The largest value that meets it. */
  readonly atMost: number
}

interface Target {
  readonly about: string
  readonly goals: readonly Goal[]
}

const expressPeers = ['apicache', 'apicache-plus', 'route-cache', 'cacheable-response']
const koaPeers = ['koa-cash']

/** What is to be reached, in the order in which it is printed and numbered. */
const TARGETS: readonly Target[] = [
  { about: 'hit from memory', goals: memoryHits() },
  { about: 'front door', goals: frontDoors() },
  { about: 'hit from Redis', goals: redisHits() },
  { about: '304, HEAD, compressed', goals: otherForms() },
  { about: 'miss and store', goals: misses() },
  { about: 'memory', goals: memory() },
  { about: 'stampede', goals: stampedes() },
  { about: 'invalidation', goals: invalidations() },
  { about: 'outage', goals: outages() },
  { about: 'processes', goals: processes() },
  { about: 'metrics', goals: metrics() },
  { about: 'large bodies', goals: largeBodies() },
  { about: 'first requests', goals: firstRequests() },
  { about: 'many keys', goals: manyKeys() },
]

/**
 * Prints what was to be reached and what was.
 *
 * @param isWhole - whether no scenarios were named: else what was not measured is left out
 */
export function printTargets(measured: Measured, isWhole: boolean): void {
  const rows = TARGETS.flatMap(({ about, goals }, number) =>
    goals
      .map((goal) => ({ ...goal, value: valueIn(goal.figure, measured) }))
      .filter(({ value }) => isWhole || !Number.isNaN(value ?? Number.NaN))
      .map(({ name, value, atMost }, at) => [
        at === 0 ? `${number + 1} ${about}` : '',
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

/** The value of a figure; `undefined` if something that it needs was not measured. */
function valueIn(figure: Figure, measured: Measured): number | undefined {
  if (typeof figure === 'string') return measured.get(figure)
  if ('largest' in figure || 'spread' in figure) {
    const values = ('largest' in figure ? figure.largest : figure.spread).flatMap((key) => measured.get(key) ?? [])
    if ('largest' in figure) return values.length === 0 ? undefined : Math.max(...values)
    return values.length < 2 ? undefined : Math.max(...values) / Math.min(...values)
  }
  const [one, other] = ('ratio' in figure ? figure.ratio : figure.difference).map((each) => valueIn(each, measured))
  if (one === undefined || other === undefined) return undefined
  return 'ratio' in figure ? one / other : one - other
}

function memoryHits(): readonly Goal[] {
  return [
    goal('express / by hand', 'hot-1k: ours express / express by hand', 1.1),
    ...expressPeers.map((peer) => goal(`express / ${peer}`, `hot-1k: ours express / ${peer}`, 1)),
    goal('koa / by hand', 'hot-1k: ours koa / koa by hand', 1.1),
    ...koaPeers.map((peer) => goal(`koa / ${peer}`, `hot-1k: ours koa / ${peer}`, 1)),
  ]
}

/** A body that is sent, beside the server that only sends; and small reads beside large ones. */
function largeBodies(): readonly Goal[] {
  const doors = ['express', 'koa', 'express, front door', 'koa, front door'].filter((name) => isKnown(`ours ${name}`))
  return [
    ...['64k', '1m', '8m'].flatMap((size) =>
      doors.map((name) => goal(`${name}, ${size.toUpperCase()}B / raw`, `bodies-${size}: ours ${name} / raw`, 1.05)),
    ),
    ...['express', 'koa'].map((name) =>
      goal(`${name}, small reads, p99`, `beside-large: ours ${name}, redis only`, 1.5),
    ),
  ]
}

/** A process that has answered nothing yet, beside the application without a cache. */
function firstRequests(): readonly Goal[] {
  return ['express', 'koa'].flatMap((framework) =>
    [`ours ${framework}`, `ours ${framework}, front door`].flatMap((name) => [
      {
        name: `${name.slice(5)}, p99 of 1,000 / without`,
        figure: ratio(`cold: ${name}: p99`, `cold: ${framework} uncached: p99`),
        atMost: 1.2,
      },
      goal(`${name.slice(5)}, 500 at once / handler time`, `cold: ${name}: stampede`, 1.3),
    ]),
  )
}

/** A hit with all metrics on, and with none. */
function metrics(): readonly Goal[] {
  return ['ours express', 'ours express, front door', 'ours koa', 'ours koa, front door'].map((name) => ({
    name: `${name.slice(5)}: all on / none`,
    figure: `metrics: ${name}: all`,
    atMost: 1.03,
  }))
}

/** A hit of many keys, and of one. */
function manyKeys(): readonly Goal[] {
  const hosts = ['express', 'koa', 'express, front door', 'koa, front door']
  return [
    ['keys', ''],
    ['keys-confirmed', ', confirmed'],
  ].flatMap(([scenario, mode]) =>
    hosts.flatMap((host) =>
      ['10 k zipf', '100 k'].map((count) => {
        const name = `ours ${host}${mode}`
        return goal(`${host}${mode}: ${count} / 1`, `${scenario}: ${name}, ${count} / ${name}, 1 key`, 1.25)
      }),
    ),
  )
}

function frontDoors(): readonly Goal[] {
  const doors = ['express', 'koa'].filter((framework) => isKnown(`ours ${framework}, front door`))
  const goals = doors.flatMap((framework) =>
    ['hot-1k', 'hot-64k'].flatMap((scenario) => {
      const name = `${scenario}: ours ${framework}, front door`
      const peers = [...expressPeers, ...koaPeers].map((peer) => `${name} / ${peer}`)
      const about = `${framework}, ${scenario.slice(4).toUpperCase()}B`
      return [
        goal(`${about} / raw`, `${name} / raw`, 1),
        // The best peer is the one that the ratio is largest to.
        { name: `${about} / best peer`, figure: { largest: peers }, atMost: 0.65 },
        goal(`${about} / Varnish`, `${name} / varnish`, 1),
      ]
    }),
  )
  return goals.length > 0 ? goals : [{ name: 'there is none', figure: 'front door', atMost: 1 }]
}

function redisHits(): readonly Goal[] {
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
        figure: ratio(`latency: ours ${framework}, redis-first: p99`, `latency: ${framework} by hand, redis: p99`),
        atMost: 1.2,
      },
    ]),
  ]
}

function otherForms(): readonly Goal[] {
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

function misses(): readonly Goal[] {
  return ['express', 'koa'].flatMap((framework) => [
    {
      name: `${framework}, storing, + µs`,
      figure: difference(`store: ours ${framework}`, `store: ${framework} uncached`),
      atMost: 12,
    },
    goal(`${framework}, first byte, + ms`, `first-byte: ours ${framework}: added`, 1),
    {
      name: `${framework}, skip, + µs`,
      figure: difference(`pass-by: ours ${framework}, skipping`, `pass-by: ${framework} uncached`),
      atMost: 2,
    },
    {
      name: `${framework}, POST, + µs`,
      figure: difference(`pass-by: ours ${framework}, POST`, `pass-by: ${framework} uncached, POST`),
      atMost: 2,
    },
  ])
}

function memory(): readonly Goal[] {
  return ['express', 'koa'].flatMap((framework) => [
    goal(`${framework}, bytes an entry`, `memory: ours ${framework}: each`, 1638),
    goal(`${framework}, grown / counted`, `memory: ours ${framework}: grown / counted`, 1.25),
  ])
}

function stampedes(): readonly Goal[] {
  return [
    ...['express', 'koa'].flatMap((framework) => [
      goal(`${framework}, handler runs`, `stampede: ours ${framework}: runs`, 1),
      goal(`${framework}, / handler time`, `stampede: ours ${framework}: time`, 1.3),
    ]),
    goal('4 processes, handler runs', 'stampede: ours express, redis-first, 4 processes: runs', 1),
  ]
}

function invalidations(): readonly Goal[] {
  const times = [10_000, 100_000, 1_000_000].map((keys) => `invalidation: ${keys}`)
  return [{ name: 'longest / shortest, 10 k to 1 M keys', figure: { spread: times }, atMost: 1.5 }]
}

function outages(): readonly Goal[] {
  return ['express', 'koa'].flatMap((framework) =>
    ['refused', 'frozen'].flatMap((how) => [
      goal(`${framework}, ${how}: first, ms`, `outage: ours ${framework}, redis-first: ${how}: first`, 80),
      goal(`${framework}, ${how}: then p99, + ms`, `outage: ours ${framework}, redis-first: ${how}: added`, 1),
    ]),
  )
}

function processes(): readonly Goal[] {
  const growth = (name: string): Figure => ratio(`processes: ${name}: 4: cpu`, `processes: ${name}: 1: cpu`)
  // Several on one core find its caches full of each other: those by hand, too.
  const grown = (framework: string): Figure =>
    ratio(growth(`ours ${framework}, redis-first`), growth(`${framework} by hand, redis`))
  const delay = (name: string): Figure => difference(`processes: ${name}: 1: delay`, 'processes: raw: 1: delay')
  return [
    ...['express', 'koa'].map((framework) => ({
      name: `${framework}, CPU a hit, 4 / 1 processes, / by hand's`,
      figure: grown(framework),
      atMost: 1.15,
    })),
    ...['ours express', 'ours koa', 'ours express, redis-first', 'ours koa, redis-first'].map((name) => ({
      name: `${name}, loop delay p99, + ms`,
      figure: delay(name),
      atMost: 2,
    })),
  ]
}

function goal(name: string, figure: Figure, atMost: number): Goal {
  return { name, figure, atMost }
}

function ratio(one: Figure, other: Figure): Figure {
  return { ratio: [one, other] }
}

function difference(one: Figure, other: Figure): Figure {
  return { difference: [one, other] }
}
