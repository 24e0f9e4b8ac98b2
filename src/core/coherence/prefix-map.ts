/** A map by prefix. Grouped by length, so that a key is cut once for each length in use and never compared with all. */
export class PrefixMap<Value> implements Iterable<[string, Value]> {
  readonly #byLength = new Map<number, Map<string, Value>>()
  #size = 0

  get size(): number {
    return this.#size
  }

  get(prefix: string): Value | undefined {
    return this.#byLength.get(prefix.length)?.get(prefix)
  }

  set(prefix: string, value: Value): void {
    const group = this.#byLength.get(prefix.length) ?? new Map<string, Value>()
    this.#byLength.set(prefix.length, group)
    if (!group.has(prefix)) this.#size++
    group.set(prefix, value)
  }

  delete(prefix: string): boolean {
    const group = this.#byLength.get(prefix.length)
    if (group?.delete(prefix) !== true) return false
    this.#size--
    if (group.size === 0) this.#byLength.delete(prefix.length)
    return true
  }

  /** Whether one of the prefixes that this key starts with has a value like that. */
  some(key: string, isWanted: (value: Value) => boolean): boolean {
    for (const [length, group] of this.#byLength) {
      if (length > key.length) continue
      const value = group.get(length === key.length ? key : key.slice(0, length))
      if (value !== undefined && isWanted(value)) return true
    }
    return false
  }

  *[Symbol.iterator](): Generator<[string, Value]> {
    for (const group of this.#byLength.values()) yield* group
  }
}
