import { parse as parseMilliseconds } from '@lukeed/ms'
import { shown } from './option-checks.js'

/** A length of time: a number of seconds, or a text such as `'90s'`, `'5m'`, `'1h'`, `'2 days'`. */
export type Duration = number | string

/**
 * Parses a duration to seconds.
 *
 * @throws TypeError if it cannot be parsed, RangeError if it is negative or not finite
 */
export function parseDuration(value: unknown, name: string): number {
  const rule = `${name} must be a number of seconds or a duration such as "5m", got ${shown(value)}`
  if (typeof value === 'number') {
    if (!Number.isFinite(value) || value < 0) throw new RangeError(rule)
    return value
  }
  const milliseconds = typeof value === 'string' ? readText(value) : undefined
  if (milliseconds === undefined) throw new TypeError(rule)
  if (milliseconds < 0) throw new RangeError(rule)
  return milliseconds / 1000
}

/** Parses a duration greater than 0 to seconds. @throws as {@link parseDuration} */
export function positiveDuration(value: unknown, name: string): number {
  const rule = `${name} must be a positive number of seconds or a duration such as "5m", got ${shown(value)}`
  if (typeof value === 'number' && !(value > 0 && Number.isFinite(value))) throw new RangeError(rule)
  const seconds = parseDuration(value, name)
  if (seconds === 0) throw new RangeError(rule)
  return seconds
}

/**
 * Parses a duration greater than 0 that is used for a timer to seconds; at most 24 days. @throws as
 * {@link parseDuration}
 */
export function timerDuration(value: unknown, name: string): number {
  const seconds = positiveDuration(value, name)
  if (seconds > LONGEST_TIMER / 1000) throw new RangeError(`${name} must be at most 24 days, got ${shown(value)}`)
  return seconds
}

/** The longest delay that timers support, in milliseconds: 24.8 days. */
const LONGEST_TIMER = 2 ** 31 - 1

/**
 * Parses a duration to milliseconds, for options whose numbers are milliseconds: a number greater than 0, or a text
 * such as `'50ms'`.
 *
 * @throws TypeError if it cannot be parsed, RangeError if it is not greater than 0
 */
export function positiveMilliseconds(value: unknown, name: string): number {
  const rule = `${name} must be a positive number of milliseconds or a duration such as "50ms", got ${shown(value)}`
  const milliseconds = typeof value === 'string' ? readText(value) : value
  if (milliseconds === undefined) throw new TypeError(rule)
  if (typeof milliseconds !== 'number' || !(milliseconds > 0 && Number.isFinite(milliseconds)))
    throw new RangeError(rule)
  if (milliseconds > LONGEST_TIMER) throw new RangeError(`${name} must be at most 24 days, got ${shown(value)}`)
  return milliseconds
}

/** Parses a text to milliseconds; `undefined` for a bare number, because it has no unit. */
function readText(text: string): number | undefined {
  return /^[\s\d.+-]*$/.test(text) ? undefined : (readZero(text) ?? parseMilliseconds(text))
}

/** Parses a zero duration such as `'0s'`, for which the parser returns the same as for an invalid text. */
function readZero(text: string): 0 | undefined {
  const [, unit] = /^\s*0+(?:\.0+)?(\s*[a-z]+)\s*$/i.exec(text) ?? []
  return unit !== undefined && parseMilliseconds(`1${unit}`) !== undefined ? 0 : undefined
}
