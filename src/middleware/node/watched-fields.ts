import { inspect } from 'node:util'
import { isNameOfObjects } from '../../http/port/index.js'
import { ownerOf } from './prototype-chain.js'

/** An object with inputs of a request, such as its fields or its cookies. */
export type InputRecord = Record<string, unknown>

/** The record of every object without values. */
export const NO_VALUES: InputRecord = Object.freeze({})

/** Callbacks for accesses to a watched object. */
export interface RecordReader {
  /** Whether reads of absent entries count even for names that code looks up on every object (`toString`, `then`). */
  readonly countsAllNames?: boolean
  /** An entry was read, or its existence was checked. */
  one(name: string): void
  /** The object was listed, copied or serialized. */
  all(): void
  /** An entry under a symbol was read. */
  symbol?(name: symbol): void
  /** An entry was set or deleted. */
  written?(name: string): void
  /** A method of a class is called, which may read what the object keeps in private fields. */
  hidden?(name: string): void
  /** An entry that is a function is handed out; the result is handed out in its place. */
  handOut?(name: string, value: () => unknown): unknown
}

/**
 * Returns a Proxy that reports reads to `reader` and otherwise behaves like the object: writes, deletions and copies
 * work. The exception is `structuredClone`, which rejects every Proxy.
 */
export function watchedRecord<R extends object>(record: R, reader: RecordReader): R {
  return new WatchedRecord(record as InputRecord, reader).proxy as R
}

/** Like {@link watchedRecord}, for an object that is created on first access. */
export function watchedLater(make: () => object, reader: RecordReader): object {
  return new WatchedRecord(undefined, reader, make).proxy
}

/** The key under which `util.inspect` gets the plain object. */
const PRINTED = Symbol('fallback-cache.printed')

/** Both the target and the handler of its Proxy, which saves an object per request. */
class WatchedRecord implements ProxyHandler<WatchedRecord> {
  readonly proxy: object
  readonly #reader: RecordReader
  readonly #make: (() => object) | undefined
  #own: InputRecord | undefined

  constructor(record: InputRecord | undefined, reader: RecordReader, make?: () => object) {
    this.#own = record
    this.#reader = reader
    this.#make = make
    this.proxy = new Proxy(this, this)
  }

  get #record(): InputRecord {
    this.#own ??= (this.#make?.() ?? {}) as InputRecord
    return this.#own
  }

  /** `util.inspect` finds this method on the target, bypassing the traps, and calls it with the Proxy as `this`. */
  [inspect.custom](): InputRecord {
    return this[PRINTED]
  }

  get [PRINTED](): InputRecord {
    this.#reader.all()
    return this.#record
  }

  get(_target: object, name: string | symbol): unknown {
    if (typeof name === 'string') this.#note(name)
    else if (name === PRINTED) return this[PRINTED]
    else if (name === inspect.custom) return undefined
    else if (!WELL_KNOWN.has(name)) this.#reader.symbol?.(name)
    const value = this.#record[name as string]
    if (typeof value !== 'function') return value
    if (isMethodOfClass(this.#record, name)) return this.#method(String(name), value as () => unknown)
    if (typeof name !== 'string' || this.#reader.handOut === undefined) return value
    return this.#reader.handOut(name, value as () => unknown)
  }

  /** Methods of a class, such as those of a Map, may only work on the object itself. */
  #method(name: string, method: () => unknown): (...args: never[]) => unknown {
    const [reader, record, proxy] = [this.#reader, this.#record, this.proxy]
    return function (this: unknown, ...args) {
      reader.hidden?.(name)
      return Reflect.apply(method, this === proxy ? record : this, args)
    }
  }

  has(_target: object, name: string | symbol): boolean {
    if (typeof name === 'string') this.#note(name)
    return name in this.#record
  }

  ownKeys(): (string | symbol)[] {
    this.#reader.all()
    return Reflect.ownKeys(this.#record)
  }

  getOwnPropertyDescriptor(_target: object, name: string | symbol): PropertyDescriptor | undefined {
    if (typeof name === 'string') this.#note(name)
    const descriptor = Reflect.getOwnPropertyDescriptor(this.#record, name)
    // A Proxy must not report a property as non-configurable that its target lacks.
    if (descriptor !== undefined) descriptor.configurable = true
    return descriptor
  }

  set(_target: object, name: string | symbol, value: unknown, receiver: unknown): boolean {
    // An object that inherits from the record gets a property of its own.
    if (receiver !== this.proxy) return Reflect.set(this.#record, name, value, receiver)
    if (typeof name === 'string') this.#reader.written?.(name)
    return Reflect.set(this.#record, name, value)
  }

  defineProperty(_target: object, name: string | symbol, descriptor: PropertyDescriptor): boolean {
    if (typeof name === 'string') this.#reader.written?.(name)
    return Reflect.defineProperty(this.#record, name, { ...descriptor, configurable: true })
  }

  deleteProperty(_target: object, name: string | symbol): boolean {
    if (typeof name === 'string') this.#reader.written?.(name)
    return Reflect.deleteProperty(this.#record, name)
  }

  getPrototypeOf(): object | null {
    return Reflect.getPrototypeOf(this.#record)
  }

  setPrototypeOf(_target: object, prototype: object | null): boolean {
    return Reflect.setPrototypeOf(this.#record, prototype)
  }

  /**
   * Methods, and properties that serializers look for on every object, are not inputs, unless an entry has that name,
   * or may have it.
   */
  #note(name: string): void {
    const isEntry = this.#reader.countsAllNames === true || !isNameOfObjects(name) || Object.hasOwn(this.#record, name)
    if (isEntry) this.#reader.one(name)
  }
}

/** Whether a function comes from a class, not from an object with defaults or from the object itself. */
function isMethodOfClass(record: object, name: string | symbol): boolean {
  if (Object.hasOwn(record, name)) return false
  const owner = ownerOf(Object.getPrototypeOf(record), name)
  return owner !== undefined && owner !== OBJECT && Object.hasOwn(owner, 'constructor')
}

const OBJECT: object = Object.prototype

/** Symbols that the language looks for on objects. */
const WELL_KNOWN: ReadonlySet<unknown> = new Set(
  Object.getOwnPropertyNames(Symbol).map((name) => Reflect.get(Symbol, name) as unknown),
)

/**
 * Returns a Proxy for a list of raw fields that reports every access as a read of all fields: raw fields are read to be
 * copied.
 */
export function watchedList(list: string[], reader: RecordReader): string[] {
  return new Proxy(list, new ListHandler(reader))
}

/** A class, because a shared prototype costs nothing per request. */
class ListHandler implements ProxyHandler<string[]> {
  readonly #reader: RecordReader

  constructor(reader: RecordReader) {
    this.#reader = reader
  }

  get(target: string[], name: string | symbol): unknown {
    this.#reader.all()
    return Reflect.get(target, name)
  }

  has(target: string[], name: string | symbol): boolean {
    this.#reader.all()
    return Reflect.has(target, name)
  }

  ownKeys(target: string[]): (string | symbol)[] {
    this.#reader.all()
    return Reflect.ownKeys(target)
  }

  getOwnPropertyDescriptor(target: string[], name: string | symbol): PropertyDescriptor | undefined {
    this.#reader.all()
    return Reflect.getOwnPropertyDescriptor(target, name)
  }
}
