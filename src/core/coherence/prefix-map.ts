import { AgedMap } from './aged-map.js'

/**
 * A map by prefix, in the order in which its values were last set. Prefixes are grouped by length, so that a lookup
 * slices the key once per length in use instead of comparing it with every prefix.
 */
export class PrefixMap<Value> extends AgedMap<Value> {
  readonly #byLength = new Map<number, Map<string, Value>>()

  override set(prefix: string, value: Value): void {
    super.set(prefix, value)
    const group = this.#byLength.get(prefix.length) ?? new Map<string, Value>()
    this.#byLength.set(prefix.length, group)
    group.set(prefix, value)
  }

  override delete(prefix: string): boolean {
    const group = this.#byLength.get(prefix.length)
    if (group?.delete(prefix) === true && group.size === 0) this.#byLength.delete(prefix.length)
    return super.delete(prefix)
  }

  /** Whether one of the prefixes of this key has a value that satisfies a predicate. */
  some(key: string, isWanted: (value: Value) => boolean): boolean {
    for (const [length, group] of this.#byLength) {
      if (length > key.length) continue
      const value = group.get(length === key.length ? key : key.slice(0, length))
      if (value !== undefined && isWanted(value)) return true
    }
    return false
  }
}
