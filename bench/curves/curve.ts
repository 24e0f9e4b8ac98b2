import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { built } from '../build.js'
import { type LineChart, lineChart, type Series } from '../plot/line-chart.js'
import { printTable, shown } from '../table.js'

const plots = fileURLToPath(new URL('../../docs/plots', import.meta.url))

/** Prints the points of a chart, and draws it into docs/plots; a short run draws it elsewhere. */
export function show(name: string, chart: LineChart, isShort: boolean): void {
  const steps = [...new Set(chart.series.flatMap(({ points }) => points.map(([x]) => x)))].sort(
    (one, other) => one - other,
  )
  const at = (series: Series, step: number): string => shown(series.points.find(([x]) => x === step)?.[1])
  const rows = chart.series.map((series) => [series.name, ...steps.map((step) => at(series, step))])
  const format = chart.x.format ?? String
  console.log(`${chart.y.label}, by ${chart.x.label}`)
  printTable(['', ...steps.map(format)], rows)
  const directory = isShort ? built : plots
  mkdirSync(directory, { recursive: true })
  writeFileSync(`${directory}/${name}.svg`, lineChart(chart))
  console.log(`drawn into ${directory}/${name}.svg`)
}

/** How a candidate is drawn. */
export function roleOf(candidate: string): Series['role'] {
  if (/^ours koa/.test(candidate)) return 'ours too'
  if (candidate.startsWith('ours')) return 'ours'
  return candidate === 'raw' || candidate.includes('by hand') ? 'ideal' : 'other'
}
