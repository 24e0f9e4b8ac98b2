import type { NewestInvalidation } from './slots.js'

/**
 * Where invalidations are in the shared log: each is in one life of the log, or waits for its position. Starting a life, and ending all waits,
 * takes one step, however many records there are.
 */
export class LogPlaces {
  #life = 0
  /** Counts the calls of {@link endWaits}. */
  #round = 0

  /** Starts a new life of the log, in which no record has a position yet. */
  startLife(): void {
    this.#life++
  }

  /** No record waits for a position any longer. */
  endWaits(): void {
    this.#round++
  }

  /** Notes that one more invalidation of a record waits for its position. */
  wait(record: NewestInvalidation): void {
    record.pending = this.isWaiting(record) ? record.pending + 1 : 1
    record.round = this.#round
  }

  isWaiting({ pending, round }: NewestInvalidation): boolean {
    return pending > 0 && round === this.#round
  }

  /** The position of a record in this life; 0 if it has none. */
  of(record: NewestInvalidation): number {
    return record.life === this.#life ? record.position : 0
  }

  /** Sets the position of a record, unless it has a newer one. */
  place(record: NewestInvalidation, position: number): void {
    if (position <= this.of(record)) return
    record.life = this.#life
    record.position = position
  }
}
