import { type KnownOption, meantOption } from './option-hints.js'

/**
 * Throws for an unknown option, and suggests the option that was probably meant.
 *
 * @param known - the options by name
 * @throws TypeError
 */
export function rejectUnknownOptions(
  options: object,
  known: Readonly<Record<string, KnownOption>>,
  owner: string,
): void {
  record(options, `options of ${owner}`)
  for (const name of Object.keys(options)) {
    if (Object.hasOwn(known, name)) continue
    const meant = meantOption(name, known)
    throw new TypeError(
      `unknown option "${shortened(name)}" of ${owner}${meant === undefined ? '' : `; did you mean "${meant}"?`}`,
    )
  }
}

/** Checks for an integer that is 1 or greater. @throws RangeError */
export function positiveInteger(value: unknown, name: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 1) {
    throw new RangeError(`${name} must be a positive integer, got ${shown(value)}`)
  }
  return value
}

/** Checks for a number from `least` to `most`. @throws RangeError */
export function numberWithin(value: unknown, least: number, most: number, name: string): number {
  if (typeof value !== 'number' || !(value >= least && value <= most)) {
    throw new RangeError(`${name} must be a number from ${least} to ${most}, got ${shown(value)}`)
  }
  return value
}

/** Checks for one of the given words. @throws TypeError */
export function oneOf<T extends string>(value: unknown, words: readonly T[], name: string): T {
  const found = words.find((word) => word === value)
  if (found === undefined) {
    throw new TypeError(`${name} must be ${words.map((word) => `"${word}"`).join(' or ')}, got ${shown(value)}`)
  }
  return found
}

/** Checks for a boolean or `undefined`. @throws TypeError */
export function flag(value: unknown, name: string): boolean | undefined {
  if (value !== undefined && typeof value !== 'boolean') {
    throw new TypeError(`${name} must be true or false, got ${shown(value)}`)
  }
  return value
}

/** Checks for a function or `undefined`. @throws TypeError */
export function callable<T>(value: T | undefined, name: string): T | undefined {
  if (value !== undefined && typeof value !== 'function') {
    throw new TypeError(`${name} must be a function, got ${shown(value)}`)
  }
  return value
}

/** Replaces `undefined` by the default. `null` is kept, for the check of the option to reject. */
export function given<T>(value: T | undefined, fallback: T): T {
  return value === undefined ? fallback : value
}

/** Checks for a string of at most `longest` characters. @throws TypeError, RangeError */
export function text(value: unknown, name: string, longest: number): string {
  if (typeof value !== 'string') throw new TypeError(`${name} must be a string, got ${shown(value)}`)
  if (value.length > longest) {
    throw new RangeError(`${name} must be a string of at most ${longest} characters, got ${value.length}`)
  }
  return value
}

/**
 * Checks for a list of at most `most` non-empty names of at most 256 characters, and copies it. `undefined` gives an
 * empty list.
 *
 * @throws TypeError, RangeError
 */
export function namesIn(list: unknown, option: string, most: number): readonly string[] {
  if (list === undefined) return []
  if (!Array.isArray(list)) throw new TypeError(`${option} must be a list of names, got ${shown(list)}`)
  if (list.length > most) throw new RangeError(`${option} must be a list of at most ${most} names, got ${list.length}`)
  // Array.from turns holes into `undefined`, which is rejected.
  return Array.from(list, (name: unknown) => {
    if (typeof name !== 'string' || name === '') {
      throw new TypeError(`${option} must be a list of names, got ${shown(name)} in it`)
    }
    return text(name, `each name in ${option}`, LONGEST_NAME)
  })
}

const LONGEST_NAME = 256

/** Checks for an object that can hold options. @throws TypeError */
export function record(value: unknown, name: string): object {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || isBoxed(value)) {
    throw new TypeError(`${name} must be an object, got ${shown(value)}${remedyFor(value)}`)
  }
  return value
}

function remedyFor(value: unknown): string {
  if (value instanceof Map) return ': pass Object.fromEntries(map)'
  return value instanceof URL ? ': pass { redis: url.href }' : ''
}

/** Whether an object has its contents elsewhere than in properties, so that no option would be found in it. */
function isBoxed(value: object): boolean {
  return BOXES.some((box) => value instanceof box)
}

const BOXES = [Number, String, Boolean, Date, Map, Set, Promise, RegExp, URL] as const

/** Formats a value for an error message: short, with strings in quotes. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(shortened(value))
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'function') return 'a function'
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'object' && value !== null) {
    const box = BOXES.find((one) => value instanceof one)
    return box === undefined ? 'an object' : `a ${box.name}`
  }
  return String(value)
}

function shortened(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}…` : text
}
