import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Measured } from './scenario.js'
import { printTable, shown } from './table.js'

const FOLDER = fileURLToPath(new URL('../.cache/bench-runs', import.meta.url))

/** A run of the bench, as its file holds it. */
export interface KeptRun {
  readonly node: string
  readonly scenarios: readonly string[]
  readonly measured: Readonly<Record<string, number>>
}

/** The name of the figure that says how far the rounds of a candidate differed: a part of its time. */
export function noiseKey(scenario: string, candidate: string): string {
  return `${scenario}: ${candidate}: noise`
}

/** Keeps what a run measured; returns the path of the file. */
export function keepRun(run: Omit<KeptRun, 'measured'>, measured: Measured): string {
  mkdirSync(FOLDER, { recursive: true })
  const path = join(FOLDER, `${new Date().toISOString().replaceAll(':', '-')}.json`)
  // NaN, what could not be measured, is none of JSON's numbers.
  const finite = Object.fromEntries([...measured].filter(([, value]) => Number.isFinite(value)))
  writeFileSync(path, JSON.stringify({ ...run, measured: finite } satisfies KeptRun, undefined, 1))
  return path
}

/**
 * Prints what two runs measured, side by side: ratios to the server that only sends and to applications without a cache, for
 * processor time of one day is not that of another, and all that is no time.
 *
 * @param paths - of their files; the last two runs that were kept if none are given
 * @throws Error if there are not two
 */
export function compareRuns(paths: readonly string[]): void {
  const [one, other] = paths.length > 0 ? paths : lastRuns()
  if (one === undefined || other === undefined)
    throw new Error(
      `two runs are needed: name their files, or run the bench twice without --short (${FOLDER} keeps them)`,
    )
  const [before, after] = [readRun(one), readRun(other)]
  if (before.node !== after.node) console.log(`on ${before.node}, and then on ${after.node}`)
  const rows = Object.keys(after.measured)
    .filter((key) => isComparable(key, after) && before.measured[key] !== undefined)
    .map((key) => {
      const [was, is] = [before.measured[key] ?? Number.NaN, after.measured[key] ?? Number.NaN]
      const noise = noiseIn(key, before) + noiseIn(key, after)
      const verdict = Number.isNaN(noise) ? '' : changeOf(is / was, noise)
      return [key, shown(was), shown(is), shown(is / was), shown(100 * noise, 0), verdict]
    })
  printTable(['figure', 'one', 'other', 'other / one', '± %', ''], rows)
}

/** What a ratio means if figures differ by so much without a cause. */
export function changeOf(ratio: number, noise: number): 'equal' | 'dearer' | 'cheaper' | 'unknown' {
  if (Number.isNaN(ratio) || Number.isNaN(noise)) return 'unknown'
  if (ratio <= 1 + noise && ratio >= 1 / (1 + noise)) return 'equal'
  return ratio > 1 ? 'dearer' : 'cheaper'
}

/** A ratio to what does the least, or a figure of a scenario that compares no times. */
function isComparable(key: string, { measured }: KeptRun): boolean {
  const ratio = ratioIn(key)
  if (ratio !== undefined) return ratio.of !== ratio.to
  return !key.includes(' / ') && !key.endsWith(': noise') && measured[`${key}: noise`] === undefined
}

/** The noise of both parts of a ratio together; `NaN` if it is not known. */
function noiseIn(key: string, { measured }: KeptRun): number {
  const ratio = ratioIn(key)
  if (ratio === undefined) return Number.NaN
  const noiseOf = (candidate: string): number => measured[noiseKey(ratio.scenario, candidate)] ?? Number.NaN
  return noiseOf(ratio.of) + noiseOf(ratio.to)
}

/** A ratio to the server that only sends, or to an application without a cache. */
function ratioIn(key: string): { scenario: string; of: string; to: string } | undefined {
  const [, scenario, of, to] = /^([^:]+): (.*) \/ (raw|\w+ uncached(?:, POST)?)$/.exec(key) ?? []
  return scenario === undefined || of === undefined || to === undefined ? undefined : { scenario, of, to }
}

function lastRuns(): readonly string[] {
  const files = (existsSync(FOLDER) ? readdirSync(FOLDER) : []).filter((file) => file.endsWith('.json'))
  return files
    .sort()
    .slice(-2)
    .map((file) => join(FOLDER, file))
}

function readRun(path: string): KeptRun {
  return JSON.parse(readFileSync(path, 'utf8')) as KeptRun
}
