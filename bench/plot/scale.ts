/** From values to positions, and the values that an axis names. */
export interface Scale {
  /** The position of a value. */
  at(value: number): number
  readonly ticks: readonly number[]
}

/** Positions in proportion to the value, from 0. */
export function linearScale(values: readonly number[], [start, end]: readonly [number, number]): Scale {
  const largest = Math.max(...values) || 1
  const rough = largest / 5
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = ([1, 2, 2.5, 5].find((one) => one * power >= rough) ?? 10) * power
  const top = Math.ceil(largest / step) * step
  return {
    at: (value) => start + ((end - start) * value) / top,
    ticks: Array.from({ length: Math.round(top / step) + 1 }, (_, at) => at * step),
  }
}

/** Positions in proportion to the logarithm; whole decades where they are several, else 1, 2 and 5 of each. */
export function logScale(values: readonly number[], range: readonly [number, number]): Scale {
  const [low, high] = [Math.log10(Math.min(...values)), Math.log10(Math.max(...values))]
  const steps = high - low > 2.5 ? [1] : [1, 2, 5]
  const all = Array.from({ length: 26 }, (_, at) => at - 10).flatMap((decade) =>
    steps.map((step) => step * 10 ** decade),
  )
  const below = all.filter((tick) => tick <= 10 ** low * 1.001).at(-1) ?? 10 ** low
  const above = all.find((tick) => tick >= 10 ** high * 0.999) ?? 10 ** high
  return between(
    below,
    above,
    range,
    all.filter((tick) => tick >= below && tick <= above),
  )
}

/** Positions in proportion to the logarithm, and the values themselves as ticks: for an axis of chosen steps. */
export function stepScale(values: readonly number[], range: readonly [number, number]): Scale {
  const steps = [...new Set(values)].sort((one, other) => one - other)
  return between(steps[0] ?? 1, steps.at(-1) ?? 1, range, steps)
}

function between(low: number, high: number, [start, end]: readonly [number, number], ticks: readonly number[]): Scale {
  const width = Math.log(high / low) || 1
  return { at: (value) => start + ((end - start) * Math.log(value / low)) / width, ticks }
}
