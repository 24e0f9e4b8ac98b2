import { isPlain } from '../../core/plain-object.js'
import type { InputsRead } from '../../http/port/index.js'
import { isIdentifierName, isNeutralName, isPlainValue, isPrivate } from '../../http/port/index.js'
import { ownValue } from './filled-values.js'
import { type InputRecord, NO_VALUES, type RecordReader, watchedRecord } from './watched-fields.js'
import { isAbsent, noteRead, watchedFunction } from './watched-property.js'

/**
 * Records all reads of `res.locals` or `ctx.state`, those of absent properties too.
 *
 * @param parent - the response or the context
 */
export function watchHolder(prefix: 'locals' | 'state', parent: object, inputs: InputsRead): InputRecord {
  const own = heldBy(parent, prefix)
  // A text or a list is part of the key.
  if (typeof own !== 'object' || own === null || Array.isArray(own)) return NO_VALUES
  // Inherited values are added when they are read.
  const before = isPlain(own) ? valuesOf(own) : { ...valuesOf(own) }
  const watched = watchedRecord(own, new HolderWatch(prefix, own, before, inputs))
  // The property may be fixed, so that nothing that is read from it is seen.
  if (!hold(parent, prefix, watched)) inputs.filled(`${prefix}:*`, false)
  inputs.onClose(() => {
    if (heldBy(parent, prefix) === watched) hold(parent, prefix, own)
  })
  return before
}

/** The locals of a response, or the state of a context. */
interface Holding {
  locals?: unknown
  state?: unknown
}

function heldBy(parent: Holding, prefix: 'locals' | 'state'): unknown {
  // A separate expression for each name, because V8 does not optimize accesses with a varying name.
  return prefix === 'locals' ? parent.locals : parent.state
}

/** Returns false if the property is fixed. By name, as {@link heldBy}; `Reflect.set` is slow for both names. */
function hold(parent: Holding, prefix: 'locals' | 'state', value: object): boolean {
  try {
    if (prefix === 'locals') parent.locals = value
    else parent.state = value
    return true
  } catch {
    return false
  }
}

/** All own values, those of hidden properties and of getters too. */
function valuesOf(own: object): InputRecord {
  const names = Object.getOwnPropertyNames(own)
  return names.length === 0 ? NO_VALUES : Object.fromEntries(names.map((name) => [name, ownValue(own, name)]))
}

/** Records reads of values that existed when the run began. */
class HolderWatch implements RecordReader {
  readonly #prefix: string
  readonly #own: object
  readonly #before: Record<string, unknown>
  readonly #inputs: InputsRead
  #written: Set<string> | undefined
  #functions: Map<() => unknown, unknown> | undefined
  #isAll = false

  constructor(prefix: string, own: object, before: Record<string, unknown>, inputs: InputsRead) {
    this.#prefix = prefix
    this.#own = own
    this.#before = before
    this.#inputs = inputs
  }

  one(name: string): void {
    if (!this.#inputs.isCounting || isNeutralName(name) || this.#written?.has(name) === true) return
    if (!Object.hasOwn(this.#before, name) && !isPlain(this.#own) && name in this.#own) {
      this.#before[name] = ownValue(this.#own, name)
    }
    const value = this.#before[name]
    const input = `${this.#prefix}:${name}`
    const now = Object.getOwnPropertyDescriptor(this.#own, name)
    if (isPrivate(name, value)) return
    // Middleware in front has kept the object, and set the value after it has called `next()`.
    if (now !== undefined && 'value' in now && !Object.is(now.value, value)) this.#inputs.filled(input, false)
    const isCompared = isAbsent(value) || (isPlainValue(value) && !this.#inputs.counted.has(input))
    if (!isCompared || !this.#isAll || isIdentifierName(name)) noteRead(input, name, value, this.#inputs)
  }

  all(): void {
    if (!this.#inputs.isCounting || this.#isAll) return
    this.#isAll = true
    this.#inputs.filled(`${this.#prefix}:*`, true)
  }

  /** Symbols have no name by which another request could be compared. */
  symbol(name: symbol): void {
    const known = Symbol.keyFor(name)
    if (this.#inputs.isCounting && known?.startsWith('nodejs.') !== true) {
      this.#inputs.filled(`${this.#prefix}:${String(name)}`, false)
    }
  }

  hidden(name: string): void {
    this.#inputs.filled(`${this.#prefix}:${name}`, false)
  }

  handOut(name: string, value: () => unknown): unknown {
    const isOfFront = Object.hasOwn(this.#before, name) && this.#before[name] === value
    if (!this.#inputs.isCounting || !isOfFront || isNeutralName(name) || isPrivate(name, value)) return value
    this.#functions ??= new Map()
    const known = this.#functions.get(value)
    if (known !== undefined) return known
    const watched = watchedFunction(value, () => this.#inputs.filled(`${this.#prefix}:${name}`, false))
    this.#functions.set(value, watched)
    return watched
  }

  written(name: string): void {
    this.#written ??= new Set()
    this.#written.add(name)
  }
}
