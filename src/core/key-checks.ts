import { type Logger, notify } from './logger.js'
import { shown } from './option-checks.js'

/** Checks a key given by the user. @throws TypeError */
export function checkKey(key: string): string {
  if (typeof key !== 'string') throw new TypeError(`a key must be a string, got ${shown(key)}`)
  if (HALF_PAIR.test(key)) throw new TypeError(`a key must be well-formed Unicode, got ${shown(key)}`)
  return key
}

/** Checks a list of prefixes or tags given by the user. @throws TypeError */
export function checkList(list: readonly string[], name: string): readonly string[] {
  if (!Array.isArray(list)) throw new TypeError(`${name} must be an array of strings, got ${shown(list)}`)
  // Array.from turns holes into `undefined`, which is rejected.
  for (const item of Array.from<unknown>(list)) {
    if (typeof item === 'string') continue
    throw new TypeError(`${name} must be an array of strings, got an array with ${shown(item)} in it`)
  }
  const broken = list.find((item) => HALF_PAIR.test(item))
  if (broken !== undefined) throw new TypeError(`${name} must be well-formed Unicode, got ${shown(broken)}`)
  return list
}

/**
 * Matches a lone surrogate: it has no UTF-8 encoding, so Redis could not distinguish it from any other lone surrogate.
 */
const HALF_PAIR = /\p{Surrogate}/u

/**
 * Warns of a prefix that was probably meant as a pattern: its star is a character like any other.
 *
 * @returns whether there is one
 */
export function noteStar(prefixes: readonly string[], logger: Logger | undefined): boolean {
  const starred = prefixes.find((prefix) => prefix.endsWith('*'))
  if (starred === undefined) return false
  const meant = starred.slice(0, -1)
  notify(
    logger,
    `the prefix ${shown(starred)} covers only keys that have the star themselves; ${shown(meant)} covers all keys that begin with it`,
  )
  return true
}
