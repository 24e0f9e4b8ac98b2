/** A map in the order in which its values were last set. The oldest value is found without a search. */
export class AgedMap<Value> implements Iterable<[string, Value]> {
  readonly #values = new Map<string, Value>()
  /** Iterates over the map once: everything before its position was deleted or set again, except the front. */
  #queue: Iterator<[string, Value]> | undefined
  #front: readonly [string, Value] | undefined

  get size(): number {
    return this.#values.size
  }

  get(name: string): Value | undefined {
    return this.#values.get(name)
  }

  /** Sets a value, and makes it the newest one. */
  set(name: string, value: Value): void {
    this.delete(name)
    this.#values.set(name, value)
  }

  delete(name: string): boolean {
    if (this.#front?.[0] === name) this.#front = undefined
    return this.#values.delete(name)
  }

  /** The name and value that were set longest ago. */
  oldest(): readonly [string, Value] | undefined {
    this.#front ??= this.#next() ?? this.#restart()
    return this.#front
  }

  [Symbol.iterator](): IterableIterator<[string, Value]> {
    return this.#values[Symbol.iterator]()
  }

  #next(): readonly [string, Value] | undefined {
    const next = this.#queue?.next()
    return next === undefined || next.done === true ? undefined : next.value
  }

  /** Starts a new iterator, because one that has ended does not see values set later. */
  #restart(): readonly [string, Value] | undefined {
    this.#queue = this.#values.entries()
    return this.#next()
  }
}
