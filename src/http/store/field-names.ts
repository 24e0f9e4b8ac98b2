import { validateHeaderName } from 'node:http'
import { describesBody } from '../rules/conditional.js'
import { isOfConnection } from '../rules/stored-fields.js'
import type { FieldList } from '../syntax/fields.js'

/** The names of a response's fields, and what they alone decide: many responses share one such object. */
export interface FieldNames {
  /** In lower case, in the order of the fields. */
  readonly lower: readonly string[]
  readonly hasVary: boolean
  /** The index of Cache-Status; -1 if there is none. */
  readonly cacheStatusAt: number
  /** The index of Content-Length; -1 if there is none. */
  readonly contentLengthAt: number
  /** The index of Content-Disposition; -1 if there is none. */
  readonly dispositionAt: number
  /** The indexes of the fields that a 304 has, too. */
  readonly keptBy304: readonly number[]
  /** {@link lower} and the names that a hit adds; `undefined` if Node.js would reject a name. */
  readonly ofHit: readonly string[] | undefined
  /** The same for a 304. */
  readonly of304: readonly string[]
}

/** Reads the names of a list of fields. */
export function namesInList(list: FieldList): FieldNames {
  const sent: string[] = []
  for (let at = 0; at < list.length; at += 2) sent.push(String(list[at]))
  const lower = sent.map((name) => name.toLowerCase())
  const keptBy304 = [...lower.keys()].filter((at) => !describesBody(lower[at] ?? ''))
  return {
    lower,
    hasVary: lower.includes('vary'),
    cacheStatusAt: lower.indexOf('cache-status'),
    contentLengthAt: lower.indexOf('content-length'),
    dispositionAt: lower.indexOf('content-disposition'),
    keptBy304,
    ofHit: sent.every(isValidName) ? [...lower, ...ADDED] : undefined,
    of304: [...keptBy304.map((at) => lower[at] ?? ''), ...ADDED],
  }
}

/** Whether a stored response can have fields of these names: each once, and none that is for a single connection. */
export function areStorable({ lower }: FieldNames): boolean {
  return new Set(lower).size === lower.length && !lower.some(isOfConnection)
}

/**
 * Whether the Content-Length of a list, if there is one, is that of its body: with another, a client would take the rest
 * of the body for the next response, or wait for more of it.
 *
 * @param length - of the body, in bytes
 */
export function hasLengthOf(length: number, list: FieldList, { contentLengthAt }: FieldNames): boolean {
  if (contentLengthAt < 0) return true
  const announced = list[2 * contentLengthAt + 1]
  if (announced === String(length)) return true
  return typeof announced === 'string' && /^\d+$/.test(announced) && Number(announced) === length
}

/** Names of fields that a hit adds to the stored ones; their values are always valid. */
const ADDED: readonly string[] = ['age', 'cache-status']

/** Whether Node.js accepts the name of a field. */
export function isValidName(name: string): boolean {
  try {
    validateHeaderName(name)
    return true
  } catch {
    return false
  }
}
