import type { Setup } from '../candidates/setup.js'
import type { Load } from '../load/load.js'
import { uniform } from '../load/uniform.js'
import type { LineChart, Series } from '../plot/line-chart.js'
import type { Measured, Scenario, Surroundings } from '../scenario.js'
import { cpuOfLines } from '../scenarios/comparison.js'
import { timesOfInvalidation } from '../scenarios/invalidation.js'
import { latenciesOf } from '../scenarios/latency.js'
import { growthOf } from '../scenarios/memory.js'
import { isKnown } from '../start.js'
import { roleOf, show } from './curve.js'

/** A curve of processor time for a hit over something. */
interface CpuCurve {
  readonly name: string
  readonly about: string
  readonly candidates: readonly string[]
  readonly x: LineChart['x']
  readonly y: LineChart['y']['scale']
  readonly steps: readonly number[]
  setup?(step: number): Partial<Setup>
  load(step: number): Omit<Load, 'connections' | 'seconds'>
  warmUp(step: number): number
}

const oneKey = { paths: ['/page/1'] }
const some = ['raw', 'express by hand', 'ours express', 'ours express, front door', 'ours koa', 'apicache', 'koa-cash']

/** What things cost against how much there is of something. Each is drawn. */
export const curves: readonly Scenario[] = [
  cpuCurve({
    name: 'cpu-by-body-size',
    about: 'CPU for a hit from memory, by the size of its body',
    candidates: [...some, 'nginx', 'varnish'],
    x: { label: 'body', scale: 'steps', format: shownBytes },
    y: 'log',
    steps: [256, 1024, 4096, 16_384, 65_536, 262_144],
    setup: (size) => ({ size }),
    load: () => oneKey,
    warmUp: (size) => (size > 20_000 ? 3000 : 8000),
  }),
  cpuCurve({
    name: 'cpu-by-keys',
    about: 'CPU for a hit from memory, 1 KB, by the number of keys, all asked for equally often',
    candidates: some.filter((name) => name !== 'raw'),
    x: { label: 'keys in memory', scale: 'steps', format: shownCount },
    y: 'linear',
    steps: [1, 100, 10_000, 100_000],
    setup: () => ({ maxEntries: 200_000 }),
    load: (keys) => ({ paths: uniform(keys) }),
    warmUp: (keys) => Math.max(8000, keys + 1000),
  }),
  cpuCurve({
    name: 'cpu-by-fields',
    about: 'CPU for a hit from memory, 1 KB, by the number of header fields that the application sets',
    candidates: some,
    x: { label: 'header fields set by the application', scale: 'linear' },
    y: 'linear',
    steps: [0, 5, 10, 20, 40],
    setup: (fields) => ({ fields }),
    load: () => oneKey,
    warmUp: () => 8000,
  }),
  {
    name: 'invalidation-by-keys',
    about: 'invalidatePrefix, and SCAN for the same keys, by the number of keys in Redis',
    needsRedis: true,
    async run({ redis, isShort }) {
      if (redis === undefined) throw new Error('there is no redis-server')
      const times = await timesOfInvalidation(redis, isShort ? [100, 1000] : [1000, 10_000, 100_000, 1_000_000])
      const series: Series[] = [
        { name: 'invalidatePrefix', role: 'ours', points: times.map(({ keys, ours }) => [keys, ours]) },
        { name: 'SCAN COUNT 1000', role: 'other', points: times.map(({ keys, scan }) => [keys, scan]) },
      ]
      const title = 'Invalidation by prefix, against the number of keys in Redis'
      const x = { label: 'keys in Redis', scale: 'steps', format: shownCount } as const
      const y = { label: 'ms', scale: 'log' } as const
      const subtitle = 'Until it is durable, median of 50; SCAN only finds the keys, and does not delete them'
      show('invalidation-by-keys', { title, subtitle, x, y, series }, isShort)
      return new Map()
    },
  },
  {
    name: 'memory-by-entries',
    about: 'growth of the process by the number of 1 KB responses stored',
    async run({ node, isShort }) {
      const names = ['ours express', 'ours koa', 'express by hand', 'apicache', 'koa-cash']
      const sizes = isShort ? [50, 100] : [10_000, 30_000, 60_000, 100_000]
      const series: Series[] = []
      for (const name of (isShort ? names.slice(0, 1) : names).filter(isKnown)) {
        const growths = await growthOf(name, sizes, node)
        const role = roleOf(name)
        series.push({ name, role, points: growths.map(({ entries, resident }) => [entries, resident / 2 ** 20]) })
        if (name === 'ours express')
          series.push({
            name: `${name}, as counted`,
            role,
            isDashed: true,
            points: growths.map(({ entries, counted }) => [entries, counted / 2 ** 20]),
          })
      }
      const title = 'Memory, against the number of responses stored'
      const x = { label: 'responses of 1 KB in memory', scale: 'linear' } as const
      const y = { label: 'MiB that the process has grown by', scale: 'linear' } as const
      show('memory-by-entries', { title, subtitle: 'Resident, after a collection of garbage', x, y, series }, isShort)
      return new Map()
    },
  },
  {
    name: 'latency-by-load',
    about: 'p50 and p99 of a hit, with and without Redis, by requests per second that come also if the server is slow',
    async run(around) {
      const names = [
        'raw',
        'ours express',
        'ours express, front door',
        'ours express, redis-first',
        'express by hand, redis',
      ]
      const known = names.filter((name) => isKnown(name) && (around.redis !== undefined || !name.includes('redis')))
      const rates = around.isShort ? [200, 400] : [500, 1000, 2000, 4000, 8000, 12_000, 16_000]
      const found = await latenciesOf(around.isShort ? known.slice(1, 2) : known, rates, around)
      const series = known.flatMap((name): Series[] => {
        const own = found.filter((one) => one.name === name)
        // Two lines of ours in one chart: with Redis it is the other colour.
        const role = name === 'ours express, redis-first' ? 'ours too' : roleOf(name)
        return [
          { name: `${name}, p50`, role, points: own.map(({ rate, p50 }) => [rate, p50]) },
          { name: `${name}, p99`, role, isDashed: true, points: own.map(({ rate, p99 }) => [rate, p99]) },
        ]
      })
      const title = 'Latency of a hit, 1 KB, against the load offered'
      const subtitle =
        '50 connections; each answer counts from when its request was due; a line ends where the server no longer keeps up'
      const x = { label: 'requests per second', scale: 'steps', format: shownCount } as const
      show('latency-by-load', { title, subtitle, x, y: { label: 'ms', scale: 'log' }, series }, around.isShort)
      return new Map()
    },
  },
]

function cpuCurve(curve: CpuCurve): Scenario {
  return {
    name: curve.name,
    about: curve.about,
    async run(around: Surroundings): Promise<Measured> {
      const measured: Measured = new Map()
      const points = new Map<string, (readonly [number, number])[]>()
      for (const step of around.isShort ? curve.steps.slice(0, 2) : curve.steps) {
        const comparison = {
          name: curve.name,
          lines: curve.candidates,
          ours: 'ours express',
          setup: curve.setup?.(step) ?? {},
          load: curve.load(step),
          warmUp: curve.warmUp(step),
          short: ['ours express'],
        }
        for (const [name, cpu] of await cpuOfLines(comparison, {
          ...around,
          processes: 1,
          rounds: around.rounds + 1,
        })) {
          points.set(name, [...(points.get(name) ?? []), [step, cpu]])
          measured.set(`${curve.name}: ${name}: ${step}`, cpu)
        }
      }
      const series = [...points].map(([name, own]) => ({ name, role: roleOf(name), points: own }))
      const subtitle =
        'User and system time of the server process for one request, the lowest tenth of its samples; lower is better'
      const y = { label: 'CPU µs for a hit', scale: curve.y }
      show(curve.name, { title: curve.about, subtitle, x: curve.x, y, series }, around.isShort)
      return measured
    },
  }
}

function shownBytes(bytes: number): string {
  return bytes < 1024 ? `${bytes} B` : `${bytes / 1024} KB`
}

function shownCount(count: number): string {
  if (count >= 1e6) return `${count / 1e6} M`
  return count >= 1000 ? `${count / 1000} k` : String(count)
}
