import uPlot from 'uplot'

// <cache-chart>: a chart over time. Its property `view` says what to draw.

/**
 * A line, or an area on those before it.
 *
 * @typedef {{ label: string, colour: string, values: (number | null)[], isArea?: boolean, isDashed?: boolean }} Line
 */

/**
 * `colour` is the name of a custom property of the style sheet, `format` makes text of a value; `shades` are times to
 * mark, such as outages.
 *
 * @typedef {{
 *   times: number[], lines: Line[], format: (value: number) => string, isLog?: boolean, most?: number,
 *   shades: readonly { from: number, to: number, colour: string }[],
 * }} ChartView
 */

const HEIGHT = 190

class Chart extends HTMLElement {
  /** @type {uPlot | undefined} */
  #plot
  /** What a plot cannot change once it is made: its lines and its colours. */
  #kind = ''
  /** @type {ChartView | undefined} */
  #view
  #resized = new ResizeObserver(() => this.#resize())
  #tip = document.createElement('div')

  constructor() {
    super()
    this.#tip.className = 'tip'
    this.#tip.hidden = true
  }

  connectedCallback() {
    this.#resized.observe(this)
    this.#draw()
  }

  disconnectedCallback() {
    this.#resized.disconnect()
    this.#plot?.destroy()
    this.#plot = undefined
    this.#kind = ''
  }

  /** @param {ChartView} view */
  set view(view) {
    this.#view = view
    this.#draw()
  }

  #draw() {
    const view = this.#view
    if (view === undefined || !this.isConnected || this.clientWidth === 0) return
    const kind = JSON.stringify([
      view.lines.map(({ label, colour, isArea }) => [label, colour, isArea]),
      view.isLog,
      theme(),
    ])
    if (kind !== this.#kind) {
      this.#plot?.destroy()
      this.#kind = kind
      this.#plot = new uPlot(this.#options(view), dataOf(view), this)
      this.append(this.#tip)
    } else this.#plot?.setData(dataOf(view))
  }

  #resize() {
    if (this.#plot === undefined) this.#draw()
    else if (this.clientWidth > 0) this.#plot.setSize({ width: this.clientWidth, height: HEIGHT })
  }

  /** @param {ChartView} view @returns {import('uplot').Options} */
  #options(view) {
    const axis = {
      stroke: colourOf('muted'),
      grid: { stroke: colourOf('grid'), width: 1 },
      ticks: { show: false },
      font: '12px system-ui, sans-serif',
    }
    const areas = view.lines.map(({ isArea }) => isArea === true)
    return {
      width: this.clientWidth,
      height: HEIGHT,
      padding: [8, 4, 0, 0],
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
      scales: {
        x: { time: true },
        y: view.isLog ? { distr: 3 } : { range: (_plot, _least, most) => [0, view.most ?? (most || 1) * 1.08] },
      },
      axes: [
        { ...axis, size: 28, space: 80, values: (_plot, at) => at.map((one) => clock.format(one * 1000)) },
        {
          ...axis,
          size: 62,
          space: 34,
          values: (_plot, values) =>
            values.map((one) => (isPower(one) || !view.isLog ? view.format(one).replace('.0', '') : '')),
        },
      ],
      series: [
        {},
        ...view.lines.map(({ label, colour, isArea, isDashed }, index) => ({
          label,
          stroke: colourOf(colour),
          width: isArea ? 1 : 2,
          ...(isArea && index === 0 ? { fill: colourOf(`${colour}-soft`) } : {}),
          ...(isDashed ? { dash: [4, 4] } : {}),
          points: { show: true, size: 4, filter: lonely },
          spanGaps: false,
        })),
      ],
      bands: view.lines.flatMap(({ colour }, index) =>
        index > 0 && areas[index] && areas[index - 1]
          ? [{ series: /** @type {[number, number]} */ ([index + 1, index]), fill: colourOf(`${colour}-soft`) }]
          : [],
      ),
      hooks: {
        drawClear: [(plot) => this.#shade(plot)],
        setCursor: [(plot) => this.#point(plot)],
      },
    }
  }

  /** Marks times behind the lines. @param {uPlot} plot */
  #shade(plot) {
    const { ctx, bbox } = plot
    ctx.save()
    for (const { from, to, colour } of this.#view?.shades ?? []) {
      const left = Math.max(bbox.left, plot.valToPos(from / 1000, 'x', true))
      const right = Math.min(bbox.left + bbox.width, plot.valToPos(to / 1000, 'x', true))
      if (right <= left) continue
      ctx.fillStyle = colourOf(colour)
      ctx.fillRect(left, bbox.top, Math.max(2, right - left), bbox.height)
    }
    ctx.restore()
  }

  /** Shows the values under the pointer. @param {uPlot} plot */
  #point(plot) {
    const { idx, left = -1 } = plot.cursor
    const view = this.#view
    this.#tip.hidden = view === undefined || idx === null || idx === undefined || left < 0
    if (view === undefined || idx === null || idx === undefined) return
    const rows = view.lines.map(({ label, values }) => {
      const value = values[idx]
      return `${label}: ${value === null || value === undefined ? '–' : view.format(value)}`
    })
    this.#tip.textContent = [clock.format(view.times[idx] ?? 0), ...rows].join('\n')
    const isRight = left > plot.width / 2
    this.#tip.style.left = isRight ? '' : `${left + 76}px`
    this.#tip.style.right = isRight ? `${plot.width - left - 40}px` : ''
  }
}

/** Makes <cache-chart> known to the browser. */
export function defineChart() {
  customElements.define('cache-chart', Chart)
}

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' })

/** The columns of a plot; areas stand on the areas before them. @param {ChartView} view @returns {import('uplot').AlignedData} */
function dataOf({ times, lines }) {
  /** @type {number[]} */
  let below = times.map(() => 0)
  const columns = lines.map(({ values, isArea }) => {
    if (!isArea) return values
    below = below.map((sum, index) => sum + (values[index] ?? 0))
    return below
  })
  return /** @type {import('uplot').AlignedData} */ ([times.map((at) => at / 1000), ...columns])
}

/** The places of values without a neighbour, which no line shows. @param {uPlot} plot @param {number} series */
function lonely(plot, series) {
  const values = plot.data[series] ?? []
  const isLonely = (/** @type {number} */ at) =>
    isValue(values[at]) && !isValue(values[at - 1]) && !isValue(values[at + 1])
  return Array.from(values.keys()).filter(isLonely)
}

/** @param {unknown} value */
function isValue(value) {
  return typeof value === 'number'
}

/** @param {number} value */
function isPower(value) {
  const power = Math.log10(value)
  return Math.abs(power - Math.round(power)) < 1e-9
}

/** @param {string} name of a custom property */
function colourOf(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()
}

function theme() {
  return colourOf('muted')
}
