import type { Origin } from './follower.js'
import type { KnownRecord } from './knowledge.js'
import type { MetNote } from './met-note.js'
import { type Note, noLife } from './nonces.js'

/**
 * What a life of the log has been told of the one before, and what the process from this origin has to add.
 *
 * Every process that goes over to a life leaves a note: which life it comes from, up to where it knows that one, and
 * from where on it has told all of it. The first process to come tells what it knows; the next ones only what that one
 * did not know.
 */
export class ToldLife {
  readonly #origin: Origin
  readonly #toldUpTo: number
  readonly #others: readonly MetNote[]
  readonly #best: MetNote | undefined

  /** @param toldUpTo - the log itself has all records up to here */
  constructor(origin: Origin, toldUpTo: number, notes: readonly MetNote[]) {
    this.#origin = origin
    this.#toldUpTo = toldUpTo
    this.#others = notes.filter(({ life }) => life !== origin.life)
    for (const note of notes) {
      if (note.life === origin.life && note.upTo > (this.#best?.upTo ?? -1)) this.#best = note
    }
  }

  /** The records that no process has told yet. */
  missing(): readonly KnownRecord[] {
    const upTo = Math.max(this.#toldUpTo, this.#best?.upTo ?? 0)
    return this.#origin.records.filter(({ position }) => position > upTo)
  }

  /**
   * Whether a process that is in this life already may hold, or have written to Redis, what records cover that this one
   * knew and can no longer tell: then everything is to be invalidated.
   */
  needsEverything(now: number): boolean {
    const { life, from, upTo, age, leftAt } = this.#origin
    if (life === noLife || upTo === 0) return false
    if (this.#toldUpTo === 0 && this.#best !== undefined && this.#best.upTo < Math.min(from, upTo)) return true
    return this.#others.some((note) => {
      if (note.life !== noLife) return true
      // It has made all it holds since it started.
      return this.#toldUpTo === 0 && from > 0 && age + now - leftAt <= note.age + note.writtenAgo + now - note.metAt
    })
  }

  /** Whether the notes there are do not speak for this process as well. */
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
