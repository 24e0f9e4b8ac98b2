import { hash } from 'node:crypto'
import { shown } from './option-checks.js'
import { isThenable } from './thenable.js'

/** The parameters of {@link buildKey}: JSON values, `bigint`, and objects, by `toJSON` or their own properties. */
export type KeyParams = Readonly<Record<string, unknown>>

/**
 * Builds a key from a readable prefix and a short hash of parameters: `users:bb73de0958e0`.
 *
 * Returns the same key as `build_key(prefix, **params)` of the Python package `fallback-cache`: the hash is the first
 * 12 hex digits of SHA-256 over the parameters as Python's `json.dumps(params, sort_keys=True)` serializes them.
 * Top-level parameters that are `null` or `undefined` are omitted; the order of names does not matter.
 *
 * Differences that JavaScript cannot represent do not affect the hash: Python's floats `1.0` and `-0.0` are the
 * integers `1` and `0` here. Integers from 2^53 on must be a `bigint` (a number that large is hashed as a float). `NaN`
 * is serialized as in Python. A hash of 48 bits is not unique: if a collision must not be served, compare the stored
 * value with the request.
 *
 * @param prefix - used unchanged; `invalidatePrefix` matches it
 * @param params - JSON-like values; a `Date` is hashed as its ISO text, other objects by `toJSON` or their own
 * properties
 * @throws TypeError if `prefix` is not a string, or if `params` contains a cycle, a function, a symbol, a promise, or an
 * iterable without properties, such as `URLSearchParams`
 */
export function buildKey(prefix: string, params: KeyParams = {}): string {
  if (typeof prefix !== 'string') throw new TypeError(`prefix must be a string, got ${shown(prefix)}`)
  if (params === null || typeof params !== 'object' || Array.isArray(params)) {
    throw new TypeError(`params must be an object of names and values, got ${shown(params)}`)
  }
  checkHasProperties(params)
  const names = Object.keys(params).filter((name) => params[name] !== null && params[name] !== undefined)
  // join() creates a flat string: V8 keeps a template result as a rope, which takes three times the memory and slows
  // lookups.
  return [prefix, hash('sha256', pythonObject(params, names, []), 'hex').slice(0, 12)].join(':')
}

function pythonJson(value: unknown, above: readonly unknown[]): string {
  switch (typeof value) {
    case 'string':
      return pythonString(value)
    case 'number':
      return pythonNumber(value)
    case 'bigint':
    case 'boolean':
      return String(value)
    case 'undefined':
      return 'null'
    case 'object':
      return value === null ? 'null' : pythonContainer(value, above)
    default:
      throw new TypeError(`a key parameter cannot be a ${typeof value}`)
  }
}

function pythonContainer(value: object, above: readonly unknown[]): string {
  if (above.includes(value)) throw new TypeError('a key parameter must not contain itself')
  const path = [...above, value]
  if ('toJSON' in value && typeof value.toJSON === 'function') return pythonJson(value.toJSON(), path)
  if (Array.isArray(value)) return `[${value.map((item) => pythonJson(item, path)).join(', ')}]`
  if (value instanceof Set) return pythonContainer([...value], path)
  if (value instanceof Map) return pythonContainer(Object.fromEntries(value), path)
  checkHasProperties(value)
  const record = value as Readonly<Record<string, unknown>>
  return pythonObject(record, Object.keys(record), path)
}

/** Refuses objects whose contents are not in properties: all of a class would give the same key. @throws TypeError */
function checkHasProperties(value: object): void {
  if (isThenable(value)) throw new TypeError('a key parameter must not be a promise: await it')
  if (Symbol.iterator in value && Object.keys(value).length === 0 && !ArrayBuffer.isView(value)) {
    throw new TypeError(`a key parameter must have properties, got ${shown(value)}: pass Object.fromEntries(it)`)
  }
}

/** @param names - the names of the members, in any order; sorted in place */
function pythonObject(record: Readonly<Record<string, unknown>>, names: string[], path: readonly unknown[]): string {
  if (!names.every((name, at) => at === 0 || byCodePoint(names[at - 1] ?? '', name) < 0)) names.sort(byCodePoint)
  let members = ''
  for (const name of names) {
    members += `${members === '' ? '' : ', '}${pythonString(name)}: ${pythonJson(record[name], path)}`
  }
  return `{${members}}`
}

const ESCAPES: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\b': '\\b',
  '\t': '\\t',
  '\n': '\\n',
  '\f': '\\f',
  '\r': '\\r',
}

/** Escapes non-ASCII characters as lower-case `\uXXXX`, like Python's `ensure_ascii`. */
function pythonString(text: string): string {
  if (PLAIN.test(text)) return `"${text}"`
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is to be escaped
  return `"${text.replace(/["\\\u0000-\u001f\u007f-\uffff]/g, escapeCharacter)}"`
}

/** Matches texts without characters to escape. */
const PLAIN = /^[ !#-[\]-~]*$/

function escapeCharacter(character: string): string {
  return ESCAPES[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

/** Formats like Python's `repr` of a float, except that an integral number below 2^53 is formatted as an integer. */
function pythonNumber(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (!Number.isFinite(value)) return value > 0 ? 'Infinity' : '-Infinity'
  if (Number.isSafeInteger(value)) return String(value)
  // Both languages use the shortest digits; only the layout differs.
  const [mantissa = '', exponent = '0'] = value.toExponential().split('e')
  const power = Number(exponent)
  if (power >= -4 && power < 16) return positional(mantissa, power)
  const sign = power < 0 ? '-' : '+'
  return `${mantissa}e${sign}${String(Math.abs(power)).padStart(2, '0')}`
}

function positional(mantissa: string, power: number): string {
  const minus = mantissa.startsWith('-') ? '-' : ''
  const digits = mantissa.replace('-', '').replace('.', '')
  if (power < 0) return `${minus}0.${'0'.repeat(-power - 1)}${digits}`
  const whole = digits.slice(0, power + 1).padEnd(power + 1, '0')
  return `${minus}${whole}.${digits.slice(power + 1) || '0'}`
}

/** Compares by code point, as Python does. JavaScript's own order by UTF-16 code unit differs above U+FFFF. */
function byCodePoint(left: string, right: string): number {
  const length = Math.min(left.length, right.length)
  for (let index = 0; index < length; index++) {
    const a = left.charCodeAt(index)
    const b = right.charCodeAt(index)
    if (a !== b) return rank(left, index) - rank(right, index)
  }
  return left.length - right.length
}

/** The code point that this code unit belongs to; a lone surrogate counts as itself. */
function rank(text: string, index: number): number {
  const unit = text.charCodeAt(index)
  const isTrail = unit >= 0xdc00 && unit <= 0xdfff
  const before = index > 0 ? text.charCodeAt(index - 1) : 0
  const pairStart = isTrail && before >= 0xd800 && before <= 0xdbff ? index - 1 : index
  return text.codePointAt(pairStart) ?? unit
}
