import { AgedMap } from './aged-map.js'

/**
 * A map by prefix, in the order in which its values were last set. Grouped by length, so that a key is cut once for each length
 * in use and never compared with all.
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

  /** Whether one of the prefixes that this key starts with has a value like that. */
  some(key: string, isWanted: (value: Value) => boolean): boolean {
    for (const [length, group] of this.#byLength) {
      if (length > key.length) continue
      const value = group.get(length === key.length ? key : key.slice(0, length))
      if (value !== undefined && isWanted(value)) return true
    }
    return false
  }
}
