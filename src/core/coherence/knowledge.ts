import type { Clock } from '../clock.js'
import { type Cover, coverText } from './cover.js'
import { noLife } from './nonces.js'

/** A record that this process knows, and when it learned of it. */
export interface KnownRecord {
  readonly position: number
  readonly nonce: string
  readonly covers: readonly Cover[]
  /** Monotonic ms. */
  readonly learnedAt: number
}

/** How long a record is remembered; a failover loses less. ms. */
const rememberedFor = 60_000

/** Bytes that a record takes beside what it covers. */
const recordOverhead = 150

/**
 * What this process knows of the life of the log that it follows, so that it can tell the next one: the records of the
 * last minute, whoever issued them, and up to where they are no longer remembered.
 *
 * A server that comes back with old data, or with none, has lost what was invalidated since. What one process still knows
 * binds all of them once it has told the new life; see `docs/coherence.md`.
 */
export class Knowledge {
  readonly #clock: Clock
  readonly #maxBytes: number
  readonly #past = new Set<string>()
  #records: KnownRecord[] = []
  #bytes = 0
  #life = noLife
  #upTo = 0
  #from = 0
  #fromLearnedAt: number

  constructor(clock: Clock, maxBytes: number) {
    this.#clock = clock
    this.#maxBytes = maxBytes
    this.#fromLearnedAt = clock.monotonic()
  }

  /** The life of the log that this process follows; `noLife` until it follows one. */
  get life(): string {
    return this.#life
  }

  /** The last position up to which it knew everything. */
  get upTo(): number {
    return this.#upTo
  }

  /** The newest position of which it knows no more what was there. */
  get from(): number {
    return this.#from
  }

  /** How long it has known the record at {@link from}; ms. */
  get age(): number {
    return this.#clock.monotonic() - this.#fromLearnedAt
  }

  /** How many records it remembers, and what they take; no more than the journal may. */
  get size(): { readonly known: number; readonly knownBytes: number } {
    return { known: this.#records.length, knownBytes: this.#bytes }
  }

  /** Whether this process has followed that life before, and has left it. */
  hasLeft(life: string): boolean {
    return this.#past.has(life)
  }

  /** Follows another life of the log, from this position on. */
  enter(life: string, from: number): void {
    this.rename(life)
    this.#upTo = 0
    this.skip(from)
  }

  /** The life has another name, and all records that this process knows of it. */
  rename(life: string): void {
    if (this.#life !== noLife) this.#past.add(this.#life)
    for (const oldest of this.#past) {
      if (this.#past.size <= mostPast) break
      this.#past.delete(oldest)
    }
    this.#life = life
  }

  /** Goes on at this position, without the records before it. */
  skip(position: number): void {
    this.#records = []
    this.#bytes = 0
    this.#from = position
    this.#fromLearnedAt = this.#clock.monotonic()
    this.reach(position)
  }

  /** Everything up to this position has been applied. */
  reach(position: number): void {
    if (position > this.#upTo) this.#upTo = position
  }

  /** Takes note of a record of this life. */
  add(position: number, nonce: string, covers: readonly Cover[]): void {
    if (covers.length === 0) return
    const learnedAt = this.#clock.monotonic()
    this.#records.push({ position, nonce, covers, learnedAt })
    this.#bytes += bytesOf(covers)
    this.#letGo(learnedAt - rememberedFor)
  }

  /** The records after a position, oldest first, as far as they are remembered. */
  after(position: number): readonly KnownRecord[] {
    return this.#records.filter((record) => record.position > position)
  }

  #letGo(before: number): void {
    let count = 0
    for (const { position, covers, learnedAt } of this.#records) {
      if (learnedAt > before && this.#bytes <= this.#maxBytes) break
      count++
      this.#bytes -= bytesOf(covers)
      if (position > this.#from) this.#from = position
      this.#fromLearnedAt = learnedAt
    }
    if (count > 0) this.#records.splice(0, count)
  }
}

/** Lives that are remembered as left. */
const mostPast = 100

function bytesOf(covers: readonly Cover[]): number {
  let bytes = recordOverhead
  for (const cover of covers) bytes += 60 + 2 * coverText(cover).length
  return bytes
}
