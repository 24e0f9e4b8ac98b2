import type { Clock } from '../clock.js'
import { type Cover, coverText } from './cover.js'
import { NO_LIFE } from './nonces.js'

/** A log record that this process knows, with the time when it learned of it. */
export interface KnownRecord {
  readonly position: number
  readonly nonce: string
  readonly covers: readonly Cover[]
  /** Monotonic ms. */
  readonly learnedAt: number
}

/** How long a record is remembered, in ms; a failover loses less. */
const REMEMBERED_FOR = 60_000

/** Estimated overhead of a record, in bytes. */
const RECORD_OVERHEAD = 150

/**
 * Remembers recent log records, so that this process can append them to the next life of the log: those of the last
 * minute, from all processes, and the position up to which records are no longer remembered.
 *
 * A server that comes back with old data, or without any, has lost the later invalidations. The records that one
 * process still knows apply to all processes once it has appended them to the new life; see `docs/coherence.md`.
 */
export class Knowledge {
  readonly #clock: Clock
  readonly #maxBytes: number
  readonly #past = new Set<string>()
  #records: KnownRecord[] = []
  #bytes = 0
  #life = NO_LIFE
  #upTo = 0
  #from = 0
  #fromLearnedAt: number

  constructor(clock: Clock, maxBytes: number) {
    this.#clock = clock
    this.#maxBytes = maxBytes
    this.#fromLearnedAt = clock.monotonic()
  }

  /** The life of the log that this process follows; {@link NO_LIFE} before it follows one. */
  get life(): string {
    return this.#life
  }

  /** The last position up to which all records were known. */
  get upTo(): number {
    return this.#upTo
  }

  /** The position up to which records are not remembered. */
  get from(): number {
    return this.#from
  }

  /** How long the record at {@link from} has been known, in ms. */
  get age(): number {
    return this.#clock.monotonic() - this.#fromLearnedAt
  }

  /** Number and size of the remembered records; the size limit is that of the journal. */
  get size(): { readonly known: number; readonly knownBytes: number } {
    return { known: this.#records.length, knownBytes: this.#bytes }
  }

  /** Whether this process has followed that life before and has left it. */
  hasLeft(life: string): boolean {
    return this.#past.has(life)
  }

  /** Starts to follow another life of the log from this position on. */
  enter(life: string, from: number): void {
    this.rename(life)
    this.#upTo = 0
    this.skip(from)
  }

  /** Notes that the followed life has a new name, with the same records. */
  rename(life: string): void {
    if (this.#life !== NO_LIFE) this.#past.add(this.#life)
    for (const oldest of this.#past) {
      if (this.#past.size <= MOST_PAST) break
      this.#past.delete(oldest)
    }
    this.#life = life
  }

  /** Continues at this position, without the records before it. */
  skip(position: number): void {
    this.#records = []
    this.#bytes = 0
    this.#from = position
    this.#fromLearnedAt = this.#clock.monotonic()
    this.reach(position)
  }

  /** Notes that all records up to this position have been applied. */
  reach(position: number): void {
    if (position > this.#upTo) this.#upTo = position
  }

  /** Adds a record of this life. */
  add(position: number, nonce: string, covers: readonly Cover[]): void {
    if (covers.length === 0) return
    const learnedAt = this.#clock.monotonic()
    this.#records.push({ position, nonce, covers, learnedAt })
    this.#bytes += bytesOf(covers)
    this.#letGo(learnedAt - REMEMBERED_FOR)
  }

  /** The remembered records after a position, oldest first. */
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

/** Maximum number of past lives remembered. */
const MOST_PAST = 100

function bytesOf(covers: readonly Cover[]): number {
  let bytes = RECORD_OVERHEAD
  for (const cover of covers) bytes += 60 + 2 * coverText(cover).length
  return bytes
}
