import { inspect } from 'node:util'

/** A record of a request: its fields, its cookies. */
export type InputRecord = Record<string, unknown>

/** Told of the reads of a record. */
export interface RecordReader {
  /** One entry was read, or looked for. */
  one(name: string): void
  /** The record was listed, copied or serialized. */
  all(): void
  /** An entry was set or deleted. */
  written?(name: string): void
}

/**
 * A record that tells a reader what is read from it, and is otherwise the record itself: writes, deletions and copies work.
 * `structuredClone` is the exception: it refuses every Proxy.
 */
export function watchedRecord<R extends object>(record: R, reader: RecordReader): R {
  return new WatchedRecord(record as InputRecord, reader).proxy as unknown as R
}

/** As {@link watchedRecord}, for a record that is made when it is read first. */
export function watchedLater(make: () => object, reader: RecordReader): object {
  return new WatchedRecord(undefined, reader, make).proxy
}

/** What `util.inspect` prints of a record. */
const PRINTED = Symbol('fallback-cache.printed')

/** Both the target and the handler of its Proxy: an object less for each request. */
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

  /** `util.inspect` finds this on the target, around the traps, and calls it with the Proxy as `this`. */
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
    return this.#record[name as string]
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
    // A Proxy may not call a property fixed that its target does not have.
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

  /** Methods and what serializers ask every object for are no inputs, unless an entry has their name. */
  #note(name: string): void {
    if ((name in OBJECT || ASKED_OF_ALL.has(name)) && !Object.hasOwn(this.#record, name)) return
    this.#reader.one(name)
  }
}

const OBJECT: object = Object.prototype

const ASKED_OF_ALL: ReadonlySet<string> = new Set([
  'toJSON',
  'then',
  'nodeType',
  '$$typeof',
  'asymmetricMatch',
  '@@__IMMUTABLE_ITERABLE__@@',
])

/** A list of raw fields that tells a reader of every look at it: raw fields are read to be copied. */
export function watchedList(list: string[], reader: RecordReader): string[] {
  return new Proxy(list, new ListHandler(reader))
}

/** A class, since methods that all lists share cost nothing a request. */
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
