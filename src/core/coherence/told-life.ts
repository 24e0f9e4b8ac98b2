import type { KnownRecord } from './knowledge.js'
import type { MetNote, Origin } from './met-notes.js'
import { NO_LIFE, type Note } from './nonces.js'

/**
 * Determines what a life of the log was told about the previous one, and which records a process has to add.
 *
 * Every process that moves to a life leaves a note: which life it comes from, up to which position it knows that life,
 * and from which position on it has repeated all records. The first process repeats the records it knows; later ones
 * only those that the earlier ones did not know.
 */
export class ToldLife {
  readonly #origin: Origin
  readonly #toldUpTo: number
  readonly #others: readonly MetNote[]
  readonly #best: MetNote | undefined

  /** @param toldUpTo - the log itself contains all records up to this position */
  constructor(origin: Origin, toldUpTo: number, notes: readonly MetNote[]) {
    this.#origin = origin
    this.#toldUpTo = toldUpTo
    this.#others = notes.filter(({ life }) => life !== origin.life)
    for (const note of notes) {
      if (note.life === origin.life && note.upTo > (this.#best?.upTo ?? -1)) this.#best = note
    }
  }

  /** The records that no process has repeated yet. */
  missing(): readonly KnownRecord[] {
    const upTo = Math.max(this.#toldUpTo, this.#best?.upTo ?? 0)
    return this.#origin.records.filter(({ position }) => position > upTo)
  }

  /**
   * Whether everything must be invalidated: a process already in this life may hold, or have written to Redis, entries
   * covered by records that this process knew but can no longer repeat.
   */
  needsEverything(now: number): boolean {
    const { life, from, upTo, age, leftAt } = this.#origin
    if (life === NO_LIFE || upTo === 0) return false
    if (this.#toldUpTo === 0 && this.#best !== undefined && this.#best.upTo < Math.min(from, upTo)) return true
    return this.#others.some((note) => {
      if (note.life !== NO_LIFE) return true
      // A process without a former life has made all its entries since it started.
      return this.#toldUpTo === 0 && from > 0 && age + now - leftAt <= note.age + note.writtenAgo + now - note.metAt
    })
  }

  /** Whether the existing notes do not cover this process, so that it needs a note of its own. */
  needsNote(): boolean {
    return this.#best === undefined || this.#best.upTo < this.#origin.upTo
  }

  /** The note of this process. */
  note(now: number): Note {
    const { life, from, upTo, age, leftAt } = this.#origin
    const isAllTold = this.#toldUpTo > 0 || this.needsEverything(now)
    const told = this.#best === undefined ? from : Math.max(from, this.#best.from)
    return { life, from: isAllTold ? 0 : told, upTo, age: age + now - leftAt }
  }
}
