/** A map in the order in which its values were last set, whose oldest value is found without a search. */
export class AgedMap<Value> implements Iterable<[string, Value]> {
  readonly #values = new Map<string, Value>()
  /** Goes through the map once: everything before its place was deleted or set again, except the front. */
  #queue: Iterator<[string, Value]> | undefined
  #front: readonly [string, Value] | undefined

  get size(): number {
    return this.#values.size
  }

  get(name: string): Value | undefined {
    return this.#values.get(name)
  }

  /** Sets a value, which is the newest one then. */
  set(name: string, value: Value): void {
    this.delete(name)
    this.#values.set(name, value)
  }

  delete(name: string): boolean {
    if (this.#front?.[0] === name) this.#front = undefined
    return this.#values.delete(name)
  }

  /** The value that was not set for longest, and its name. */
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

  /** An iterator that has come to its end does not see what is set afterwards. */
  #restart(): readonly [string, Value] | undefined {
    this.#queue = this.#values.entries()
    return this.#next()
  }
}
