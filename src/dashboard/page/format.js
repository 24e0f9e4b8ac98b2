// Numbers as people read them.

const whole = new Intl.NumberFormat('en')

/** @param {number} value */
export function count(value) {
  if (value >= 10_000_000) return `${(value / 1e6).toFixed(0)} M`
  if (value >= 1_000_000) return `${(value / 1e6).toFixed(1)} M`
  if (value >= 100_000) return `${(value / 1e3).toFixed(0)} k`
  return whole.format(Math.round(value))
}

/** A rate; small ones with a digit more. @param {number} value */
export function rate(value) {
  return value > 0 && value < 10 ? value.toFixed(1) : count(value)
}

/** @param {number | null} ratio 0 to 1 */
export function percent(ratio) {
  if (ratio === null) return '–'
  const value = ratio * 100
  return `${value >= 99.95 || value === 0 ? value.toFixed(0) : value.toFixed(1)} %`
}

/** @param {number} value in bytes */
export function bytes(value) {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let unit = 0
  let left = value
  while (left >= 1000 && unit < units.length - 1) {
    left /= 1000
    unit++
  }
  return `${unit === 0 || left >= 100 ? left.toFixed(0) : left.toFixed(1)} ${units[unit]}`
}

/** A duration of a request. @param {number | null} seconds */
export function duration(seconds) {
  if (seconds === null) return '–'
  if (seconds < 0.001) return `${Math.round(seconds * 1e6)} µs`
  if (seconds < 1) return `${Number((seconds * 1000).toPrecision(2))} ms`
  return `${Number(seconds.toPrecision(2))} s`
}

/** A long time, such as the handler time saved. @param {number} seconds */
export function span(seconds) {
  if (seconds < 59.5) return `${seconds.toFixed(seconds < 9.95 ? 1 : 0)} s`
  const whole = Math.round(seconds)
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  const minutes = Math.round(seconds / 60)
  if (minutes < 2880) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
  return `${(seconds / 86_400).toFixed(1)} days`
}

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' })

/** @param {number} at epoch ms */
export function time(at) {
  return clock.format(at)
}
