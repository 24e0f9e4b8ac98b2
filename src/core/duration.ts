import { parse as parseMilliseconds } from '@lukeed/ms'
import { shown } from './option-checks.js'

/** A length of time: seconds, or a text such as `'90s'`, `'5m'`, `'1h'`, `'2 days'`. */
export type Duration = number | string

/**
 * A duration in seconds.
 *
 * @throws TypeError when it cannot be read, RangeError when it is negative or not finite
 */
export function parseDuration(value: unknown, name: string): number {
  const rule = `${name} must be a number of seconds or a duration such as "5m", got ${shown(value)}`
  if (typeof value === 'number') {
    if (!Number.isFinite(value) || value < 0) throw new RangeError(rule)
    return value
  }
  if (typeof value !== 'string') throw new TypeError(rule)
  const milliseconds = parseZero(value) ?? parseMilliseconds(value)
  // The parser takes a bare number for milliseconds, where everything else here means seconds.
  if (milliseconds === undefined || /^[\s\d.+-]*$/.test(value)) throw new TypeError(rule)
  if (milliseconds < 0) throw new RangeError(rule)
  return milliseconds / 1000
}

/** A duration above 0, in seconds. @throws as {@link parseDuration} */
export function positiveDuration(value: unknown, name: string): number {
  const rule = `${name} must be a positive number of seconds or a duration such as "5m", got ${shown(value)}`
  if (typeof value === 'number' && !(value > 0 && Number.isFinite(value))) throw new RangeError(rule)
  const seconds = parseDuration(value, name)
  if (seconds === 0) throw new RangeError(rule)
  return seconds
}

/** The parser takes no length of time at all for a text it cannot read. */
function parseZero(value: string): 0 | undefined {
  const [, unit] = /^\s*0+(?:\.0+)?(\s*[a-z]+)\s*$/i.exec(value) ?? []
  return unit !== undefined && parseMilliseconds(`1${unit}`) !== undefined ? 0 : undefined
}
