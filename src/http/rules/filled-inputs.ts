import { createHash } from 'node:crypto'
import { NEUTRAL_NAMES, TELLING_NAMES } from './filled-names.js'

/**
 * Whether a selecting input is a value that middleware in front of the cache has set: `req:tenant`, `ctx:tenant`,
 * `locals:lang`, `state:lang`, `response:x-lang`.
 */
export function isFilledInput(name: string): boolean {
  return FILLED.test(name)
}

const FILLED = /^(?:req|res|ctx|request|locals|state|response):./

/**
 * Converts a value set by middleware to text, so that two texts are equal exactly if the values are. `null` for
 * `undefined` and `null`, which handlers treat alike. `undefined` if the value cannot be converted, such as a function
 * or an object with hidden state.
 */
export function filledText(value: unknown): string | null | undefined {
  if (value === undefined || value === null) return null
  try {
    const text = textOf(value, { depth: MAX_DEPTH, left: MAX_VALUES })
    // Long texts are hashed, so that tokens are not readable in the store.
    return text === undefined || text.length <= SHORT ? text : createHash('sha256').update(text).digest('base64url')
  } catch {
    return undefined
  }
}

/**
 * Whether reading a value makes it a selecting input; objects and functions are only if the option `vary` lists them.
 */
export function isPlainValue(value: unknown): value is string | number | boolean | bigint {
  return (
    typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint'
  )
}

/**
 * Whether the name of an object or function indicates the user or the language: a response made from it is not stored.
 */
export function isTelling(name: string): boolean {
  return TELLING_NAMES.has(name.toLowerCase())
}

/**
 * Whether a name indicates a value without influence on the response: request identifiers, loggers, private data of
 * middleware.
 */
export function isNeutralName(name: string): boolean {
  return name.startsWith('_') ? !TELLING_NAMES.has(name) : NEUTRAL_NAMES.has(name)
}

/** Maximum length of a text that is not hashed, in characters. */
const SHORT = 48
const MAX_DEPTH = 8

/** Maximum number of values in an object that is compared, because that is done for each hit. */
const MAX_VALUES = 1_000

interface Budget {
  readonly depth: number
  left: number
}

function textOf(value: unknown, budget: Budget): string | undefined {
  budget.left -= 1
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'bigint') return `${value}n`
  if (value === null || value === undefined || isPlainValue(value)) return String(value)
  if (typeof value !== 'object' || budget.left < 0) return undefined
  return textOfObject(value, budget)
}

function textOfObject(value: object, budget: Budget): string | undefined {
  const depth = budget.depth - 1
  if (depth < 0) return undefined
  const within = (one: unknown) => {
    const inner = { depth, left: budget.left }
    const text = textOf(one, inner)
    budget.left = inner.left
    return text
  }
  if (Array.isArray(value)) return joined('[', value, within)
  const { toJSON } = value as { readonly toJSON?: unknown }
  if (typeof toJSON === 'function') return within(toJSON.call(value))
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return undefined
  return joined('{', Object.entries(value).sort(byName), ([name, one]) => {
    const text = within(one)
    return text === undefined ? undefined : `${JSON.stringify(name)}:${text}`
  })
}

function joined<Part>(open: string, parts: readonly Part[], textOfPart: (part: Part) => string | undefined) {
  const texts: string[] = []
  for (const part of parts) {
    const text = textOfPart(part)
    if (text === undefined) return undefined
    texts.push(text)
  }
  return `${open}${texts.join()}`
}

function byName([one]: readonly [string, unknown], [other]: readonly [string, unknown]): number {
  return one < other ? -1 : Number(one > other)
}
