import { describe, expect, it } from 'vitest'
import { type LineChart, lineChart } from '../../../bench/plot/line-chart.js'
import { linearScale, logScale, stepScale } from '../../../bench/plot/scale.js'

const chart: LineChart = {
  title: 'Cost & size',
  subtitle: 'lower is better',
  x: { label: 'body', scale: 'steps', format: (bytes) => `${bytes} B` },
  y: { label: 'µs', scale: 'log' },
  series: [
    {
      name: 'ours',
      role: 'ours',
      points: [
        [256, 20],
        [1024, 25],
        [4096, Number.NaN],
      ],
    },
    {
      name: 'other',
      role: 'other',
      points: [
        [256, 21],
        [1024, 25.1],
      ],
    },
    { name: 'not measured', role: 'other', points: [] },
  ],
}

describe('lineChart', () => {
  const svg = lineChart(chart)

  it('names the axes with their units, and writes their ticks', () => {
    for (const text of ['>body<', '>µs<', '>256 B<', '>1024 B<', '>20<']) expect(svg).toContain(text)
  })

  it('has colours for light and for dark', () => {
    expect(svg).toContain('prefers-color-scheme: dark')
  })

  it('writes the names of lines that end together under each other', () => {
    const places = Array.from(svg.matchAll(/y="([\d.]+)" class="name/g), ([, y]) => Number(y))
    expect(places).toHaveLength(2)
    expect(Math.abs((places[0] ?? 0) - (places[1] ?? 0))).toBeGreaterThanOrEqual(16)
  })

  it('draws what was measured, and no line for what was not', () => {
    expect(svg).not.toContain('NaN')
    expect(svg).not.toContain('not measured')
    expect(svg.match(/class="line/g)).toHaveLength(2)
  })

  it('escapes what names hold', () => {
    expect(svg).toContain('Cost &amp; size')
  })
})

describe('scales', () => {
  it('puts values in proportion from 0 on a linear axis, and ends at a tick', () => {
    const { at, ticks } = linearScale([3, 42], [0, 100])
    expect(ticks).toEqual([0, 10, 20, 30, 40, 50])
    expect(at(25)).toBe(50)
  })

  it('puts decades at equal distances on a logarithmic axis', () => {
    const { at, ticks } = logScale([1, 1000], [0, 300])
    expect(ticks).toEqual([1, 10, 100, 1000].map((tick) => expect.closeTo(tick)))
    expect(at(10)).toBeCloseTo(100)
  })

  it('names 1, 2 and 5 where there are few decades', () => {
    expect(logScale([15, 90], [0, 1]).ticks.map((tick) => Math.round(tick))).toEqual([10, 20, 50, 100])
  })

  it('names the steps that were measured, and nothing else', () => {
    expect(stepScale([256, 1024, 256, 4096], [0, 1]).ticks).toEqual([256, 1024, 4096])
  })
})
