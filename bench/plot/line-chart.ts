import { linearScale, logScale, type Scale, stepScale } from './scale.js'

/** One line of a chart. */
export interface Series {
  readonly name: string
  readonly points: readonly (readonly [x: number, y: number])[]
  /** What it is drawn as: of this library, of another one, or a floor or ideal. */
  readonly role: 'ours' | 'ours too' | 'other' | 'ideal'
  /** Whether it is a second figure of the same thing, such as a p99 beside a p50. */
  readonly isDashed?: boolean
}

/** An axis: what it measures, and how its ticks are written. */
export interface Axis {
  readonly label: string
  readonly scale: 'linear' | 'log' | 'steps'
  format?(value: number): string
}

/** A chart of lines. */
export interface LineChart {
  readonly title: string
  readonly subtitle: string
  readonly x: Axis
  readonly y: Axis
  readonly series: readonly Series[]
}

const size = { width: 900, height: 480 }
const plot = { left: 76, right: 640, top: 84, bottom: 416 }
const lineHeight = 17
/** The others differ in shade and mark, so that the eye is on ours; none of them depends on red against green. */
const shades = ['other-0', 'other-1', 'other-2', 'other-3', 'other-4']

/** Colours on light and on dark, by class. */
const colours: Readonly<Record<string, readonly [light: string, dark: string]>> = {
  ours: ['#0969da', '#58a6ff'],
  'ours-too': ['#8250df', '#bc8cff'],
  ideal: ['#57606a', '#9ea7b3'],
  'other-0': ['#bc4c00', '#f0883e'],
  'other-1': ['#9a6700', '#d29922'],
  'other-2': ['#bf3989', '#ff7bbf'],
  'other-3': ['#1b7c83', '#39c5cf'],
  'other-4': ['#6e7781', '#8b949e'],
}

// Without variables, which not every renderer knows.
const style = `
  text { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #424a53 }
  .title { font-size: 17px; font-weight: 600; fill: #1f2328 }
  .grid { stroke: #d1d9e0; stroke-width: 1 }
  .axis { stroke: #818b98; stroke-width: 1 }
  .leader { stroke: #b7bfc8; stroke-width: 1; fill: none }
  .line { fill: none; stroke-width: 1.75; stroke-linejoin: round; stroke-linecap: round }
  .dashed { stroke-dasharray: 5 4 }
  .strong { stroke-width: 3 }
  .bold { font-weight: 600 }
  ${coloured(0)}
  @media (prefers-color-scheme: dark) {
    text { fill: #c4ccd5 } .title { fill: #f0f6fc }
    .grid { stroke: #2f363e } .axis { stroke: #7d8590 } .leader { stroke: #4a525b }
    ${coloured(1)}
  }`

function coloured(scheme: 0 | 1): string {
  return Object.entries(colours)
    .map(
      ([name, { [scheme]: colour }]) =>
        `.${name} .line { stroke: ${colour} } .${name} .mark, .name.${name} { fill: ${colour} }`,
    )
    .join('\n  ')
}

/** Draws a chart as SVG, legible on light and on dark, each line named at its end. */
export function lineChart({ title, subtitle, x, y, series }: LineChart): string {
  const drawn = series
    .map((one) => ({ ...one, points: one.points.filter(([, value]) => Number.isFinite(value)) }))
    .filter(({ points }) => points.length > 0)
  const points = drawn.flatMap((one) => one.points)
  const across = scaleOf(
    x,
    points.map(([value]) => value),
    [plot.left, plot.right],
  )
  const up = scaleOf(
    y,
    points.map(([, value]) => value),
    [plot.bottom, plot.top],
  )
  const classes = classesOf(drawn)
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width} ${size.height}" width="${size.width}" height="${size.height}" role="img" aria-label="${escaped(title)}">`,
    `<title>${escaped(title)}</title><style>${style}\n</style>`,
    text(20, 30, title, 'title'),
    text(20, 52, subtitle),
    ...up.ticks.flatMap((tick) => [
      `<line class="grid" x1="${plot.left}" x2="${plot.right}" y1="${round(up.at(tick))}" y2="${round(up.at(tick))}"/>`,
      text(plot.left - 8, up.at(tick) + 4, written(tick, y), '', 'end'),
    ]),
    ...across.ticks.map((tick) => text(across.at(tick), plot.bottom + 20, written(tick, x), '', 'middle')),
    `<line class="axis" x1="${plot.left}" x2="${plot.right}" y1="${plot.bottom}" y2="${plot.bottom}"/>`,
    text((plot.left + plot.right) / 2, plot.bottom + 46, x.label, '', 'middle'),
    text(plot.left - 56, plot.top - 12, y.label),
    ...drawn.map((one, at) => lineOf(one, classes[at] ?? '', across, up)),
    ...namesOf(drawn, classes, across, up),
    '</svg>\n',
  ].join('\n')
}

function scaleOf({ scale }: Axis, values: readonly number[], range: readonly [number, number]): Scale {
  if (values.length === 0) return { at: () => range[0], ticks: [] }
  if (scale === 'linear') return linearScale(values, range)
  return scale === 'log' ? logScale(values, range) : stepScale(values, range)
}

/** A dashed line has the colour of the line that it belongs to: the one before it. */
function classesOf(series: readonly Series[]): readonly string[] {
  let others = -1
  return series.map(({ role, isDashed }) => {
    if (role !== 'other') return role.replace(' ', '-')
    if (isDashed !== true) others += 1
    return shades[others % shades.length] ?? 'other-4'
  })
}

function lineOf({ role, points, isDashed }: Series, colour: string, across: Scale, up: Scale): string {
  const places = points.map(([x, y]) => [round(across.at(x)), round(up.at(y))] as const)
  const kind = `${role.startsWith('ours') ? ' strong' : ''}${isDashed === true ? ' dashed' : ''}`
  const path = `<path class="line${kind}" d="M${places.map((place) => place.join(' ')).join('L')}"/>`
  const radius = role.startsWith('ours') ? 4 : 3
  const marks = places.map(([x, y]) => `<circle class="mark" cx="${x}" cy="${y}" r="${radius}"/>`)
  return `<g class="${colour}">${path}${marks.join('')}</g>`
}

/** The names beside the last points, moved apart where they would lie on each other. */
function namesOf(series: readonly Series[], classes: readonly string[], across: Scale, up: Scale): readonly string[] {
  const ends = series
    .map(({ name, role, points }, at) => {
      const [x, y] = points.at(-1) ?? [0, 0]
      const colour = `${classes[at]}${role.startsWith('ours') ? ' bold' : ''}`
      return { name, colour, x: across.at(x), y: up.at(y), place: up.at(y) }
    })
    .sort((one, other) => one.y - other.y)
  for (const [at, end] of ends.entries()) {
    const above = ends[at - 1]
    if (above !== undefined) end.place = Math.max(end.place, above.place + lineHeight)
  }
  const over = Math.max(0, (ends.at(-1)?.place ?? 0) - plot.bottom - 6)
  for (const [at, end] of [...ends.entries()].reverse()) {
    const below = ends[at + 1]
    const lowest = below === undefined ? end.place - over : below.place - lineHeight
    end.place = Math.min(end.place, lowest)
  }
  return ends.flatMap(({ name, colour, x, y, place }) => {
    const from = `M${round(x + 7)} ${round(y)}`
    const leader = `<path class="leader" d="${from}L${plot.right + 8} ${round(y)}L${plot.right + 18} ${round(place)}"/>`
    return [leader, text(plot.right + 22, place + 4, name, `name ${colour}`)]
  })
}

function text(x: number, y: number, content: string, kind = '', anchor = 'start'): string {
  return `<text x="${round(x)}" y="${round(y)}"${kind === '' ? '' : ` class="${kind}"`}${anchor === 'start' ? '' : ` text-anchor="${anchor}"`}>${escaped(content)}</text>`
}

function written(value: number, { format }: Axis): string {
  if (format !== undefined) return format(value)
  if (value >= 1e6) return `${value / 1e6} M`
  return value >= 10_000 ? `${value / 1000} k` : String(Number(value.toPrecision(6)))
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}
