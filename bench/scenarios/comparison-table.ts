import { changeOf, noiseKey } from '../kept-runs.js'
import type { Driven } from '../load/load.js'
import type { Measured } from '../scenario.js'
import { median, printTable, quantile, shown, sum } from '../table.js'

/** What was compared. */
export interface Compared {
  readonly name: string
  /** The line that ratios are made to, beside `raw`. */
  readonly ours: string
}

/** What one candidate used while it was driven once. */
export interface Round {
  readonly cpu: readonly number[]
  /** Microseconds of garbage collection. */
  readonly gc: number
  readonly pageFaults: number
  readonly driven: Driven
}

/** Prints a comparison, a line for each candidate; returns the CPU time of each, and its ratio to each other. */
export function printComparison(comparison: Compared, rounds: ReadonlyMap<string, readonly Round[]>): Measured {
  const measured: Measured = new Map()
  const cpu = new Map([...rounds].map(([name, done]) => [name, lowCpu(done)]))
  const ratio = (name: string, to: string): number => (cpu.get(name) ?? Number.NaN) / (cpu.get(to) ?? Number.NaN)
  const rows = [...rounds].map(([name, done]) => {
    measured.set(`${comparison.name}: ${name}`, cpu.get(name) ?? Number.NaN)
    measured.set(noiseKey(comparison.name, name), noiseOf(done))
    for (const other of rounds.keys()) measured.set(`${comparison.name}: ${name} / ${other}`, ratio(name, other))
    const middle = (of: (driven: Driven) => number): number => median(done.map(({ driven }) => of(driven)))
    const errors = done.reduce((sum, { driven }) => sum + driven.errors, 0)
    const perSecond = middle((driven) => driven.perSecond)
    const requests = sum(done.map(({ driven }) => driven.requests))
    const gc = sum(done.map((round) => round.gc)) / requests
    const pageFaults = sum(done.map((round) => round.pageFaults)) / requests
    const [p50, p99] = [middle((driven) => driven.p50), middle((driven) => driven.p99)]
    const ratios = [shown(ratio(name, 'raw')), shown(ratio(name, comparison.ours))]
    return [
      name,
      shown(cpu.get(name), 1),
      shown(100 * noiseOf(done), 0),
      shown(gc, 1),
      shown(pageFaults),
      ...ratios,
      shown(perSecond, 0),
      shown(p50),
      shown(p99),
      String(errors),
    ]
  })
  printTable(
    [
      'candidate',
      'CPU µs',
      '± %',
      'of it GC',
      'faults',
      '/ raw',
      `/ ${comparison.ours}`,
      'per s',
      'p50 ms',
      'p99 ms',
      'errors',
    ],
    rows,
  )
  return measured
}

/**
 * The lowest tenth of all windows: what others do on the machine makes a request dearer, and never cheaper. A shared core may be half as fast
 * as before for most of the time.
 */
export function lowCpu(done: readonly Round[]): number {
  return quantile(
    done.flatMap(({ cpu }) => cpu),
    0.1,
  )
}

/** How far the rounds of one candidate differ from each other, as a part of the lowest; `NaN` for a single one. */
function noiseOf(done: readonly Round[]): number {
  const each = done.map((round) => lowCpu([round]))
  return each.length < 2 ? Number.NaN : Math.max(...each) / Math.min(...each) - 1
}

/** The name of a line whose library is that of the other checkout. */
export function nameBefore(name: string): string {
  return `${name}, before`
}

/** Prints what the library of this checkout costs beside that of the other one; less than the noise of both is equal. */
export function printChanges(rounds: ReadonlyMap<string, readonly Round[]>): void {
  const rows = [...rounds].flatMap(([name, done]) => {
    const before = rounds.get(nameBefore(name))
    if (before === undefined) return []
    const ratio = lowCpu(done) / lowCpu(before)
    const noise = noiseOf(done) + noiseOf(before)
    return [[name, shown(ratio), shown(100 * noise, 0), changeOf(ratio, noise)]]
  })
  printTable(['candidate', 'now / before', '± %', ''], rows)
}
