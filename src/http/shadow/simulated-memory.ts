/** Most entries, so that many tiny responses take no more room than the directory. */
const MOST_ENTRIES = 50_000

/** Which responses a memory of a certain size would hold: the names and sizes of the most recently used ones. */
export class SimulatedMemory {
  readonly #maxBytes: number
  readonly #sizes = new Map<string, number>()
  /** Kept, because a new one passes the places of all entries that have left: they are many. */
  #oldest = this.#sizes.keys()
  #bytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Whether it would hold an entry that is asked for now. If not, the handler's response would be stored again. */
  ask(key: string, size: number): boolean {
    const has = this.#sizes.has(key)
    this.put(key, size)
    return has
  }

  /** Stores an entry, and drops those that were not used for the longest time. */
  put(key: string, size: number): void {
    this.drop(key)
    if (size > this.#maxBytes) return
    this.#sizes.set(key, size)
    this.#bytes += size
    while (this.#bytes > this.#maxBytes || this.#sizes.size > MOST_ENTRIES) this.#dropOldest()
  }

  drop(key: string): void {
    this.#bytes -= this.#sizes.get(key) ?? 0
    this.#sizes.delete(key)
  }

  /** Each entry that the iterator has passed has left; one that is put again comes last. */
  #dropOldest(): void {
    const { value, done } = this.#oldest.next()
    if (done === true) this.#oldest = this.#sizes.keys()
    else this.drop(value)
  }
}
