import { createHash } from 'node:crypto'
import { isPlain } from '../../core/plain-object.js'
import { IDENTIFIER_NAMES, NEUTRAL_NAMES, TELLING_NAMES } from './filled-names.js'

/**
 * Whether a selecting input is a value that an adapter provides: one that middleware in front of the cache has set
 * (`req:tenant`, `ctx:tenant`, `locals:lang`, `state:lang`, `response:x-lang`), or the separate lines of a field
 * (`lines:x-org`).
 */
export function isFilledInput(name: string): boolean {
  return FILLED.test(name)
}

const FILLED = /^(?:req|res|ctx|request|reply|locals|state|response|lines):./

/**
 * The prefix of inputs that are the lines of a request field, which `headersDistinct` tells apart although `headers` has
 * the same value for them.
 */
export const LINES = 'lines:'

/** The input of a response whose URL reaches several routes with a cache: the route that was chosen. */
export const ROUTE = 'req:route'

/**
 * Converts a value set by middleware to text, so that two texts are equal exactly if the values are. `null` for
 * `undefined` and `null`, which handlers treat alike. `undefined` if the value cannot be converted, such as a function
 * or an object with hidden state.
 *
 * @param trustsJson - whether the result of a `toJSON` method of the application stands for its object, of which it may
 *   omit something
 */
export function filledText(value: unknown, trustsJson = false): string | null | undefined {
  if (value === undefined || value === null) return null
  try {
    const text = textOf(value, { depth: MAX_DEPTH, left: MAX_VALUES, trustsJson })
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

/** Whether a name indicates a value without influence on the response: loggers, private data of packages. */
export function isNeutralName(name: string): boolean {
  return NEUTRAL_NAMES.has(name)
}

/** Whether an object or a function of this name is private data of a tracer or an agent, without influence on the response. */
export function isPrivate(name: string, value: unknown): boolean {
  const isObject = (typeof value === 'object' && value !== null) || typeof value === 'function'
  return isObject && name.startsWith('__') && !TELLING_NAMES.has(name)
}

/** Whether a name indicates an identifier of the request, which only matters if the response contains it. */
export function isIdentifierName(name: string): boolean {
  return IDENTIFIER_NAMES.has(name)
}

/** Maximum length of a text that is not hashed, in characters. */
const SHORT = 48
const MAX_DEPTH = 8

/** Maximum number of values in an object that is compared, because that is done for each hit. */
const MAX_VALUES = 1_000

interface Budget {
  readonly depth: number
  readonly trustsJson: boolean
  left: number
}

function textOf(value: unknown, budget: Budget): string | undefined {
  budget.left -= 1
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'bigint') return `${value}n`
  if (Object.is(value, -0)) return '-0'
  if (value === null || value === undefined || isPlainValue(value)) return String(value)
  if (typeof value !== 'object' || budget.left < 0) return undefined
  return textOfObject(value, budget)
}

function textOfObject(value: object, budget: Budget): string | undefined {
  const depth = budget.depth - 1
  if (depth < 0) return undefined
  const within = (one: unknown) => {
    const inner = { ...budget, depth }
    const text = textOf(one, inner)
    budget.left = inner.left
    return text
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  const kind = TOLD_BY_JSON.get(prototype)
  const { toJSON } = value as { readonly toJSON?: unknown }
  if (typeof toJSON === 'function') {
    if (kind === undefined ? !budget.trustsJson : !showsAll(value, 0)) return undefined
    const text = within(toJSON.call(value))
    return text === undefined ? undefined : `${kind ?? 'JSON'}${text}`
  }
  if (Array.isArray(value)) {
    if (value.length > budget.left) return undefined
    return prototype === Array.prototype && isDense(value) ? joined('[]', value, within) : undefined
  }
  if (!isPlain(value)) return undefined
  const names = Object.keys(value)
  if (names.length > budget.left || !showsAll(value, names.length)) return undefined
  const text = joined('{}', Object.entries(value), ([name, one]) => {
    const text = within(one)
    return text === undefined ? undefined : `${JSON.stringify(name)}:${text}`
  })
  return text !== undefined && prototype === null ? `null${text}` : text
}

/** Objects whose `toJSON` says all that they hold, by their prototypes, and what distinguishes them from its result. */
const TOLD_BY_JSON: ReadonlyMap<unknown, string> = new Map<unknown, string>([
  [Date.prototype, 'Date'],
  [URL.prototype, 'URL'],
])

/** Whether an object has so many properties, so that none is hidden or under a symbol. */
function showsAll(value: object, count: number): boolean {
  return Reflect.ownKeys(value).length === count
}

/** Whether a list has no holes, and no properties beside its elements. */
function isDense(list: readonly unknown[]): boolean {
  const { length } = list
  const names = Reflect.ownKeys(list)
  // Those of the elements come first, in ascending order.
  return names.length === length + 1 && (length === 0 || names[length - 1] === String(length - 1))
}

function joined<Part>(brackets: '[]' | '{}', parts: readonly Part[], textOfPart: (part: Part) => string | undefined) {
  const texts: string[] = []
  for (const part of parts) {
    const text = textOfPart(part)
    if (text === undefined) return undefined
    texts.push(text)
  }
  return `${brackets[0]}${texts.join()}${brackets[1]}`
}
