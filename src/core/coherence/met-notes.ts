import type { Clock } from '../clock.js'
import type { KnownRecord } from './knowledge.js'
import { NO_LIFE, type Note, readNote } from './nonces.js'
import type { LogState } from './shared-log.js'

/** Maximum number of notes kept of one life of the log; every process may add one. */
export const MOST_NOTES = 256

/** A note read from the log, with its age when it was read, in ms. */
export interface MetNote extends Note {
  readonly metAt: number
  readonly writtenAgo: number
  /** Serial number among the notes that this process has read. */
  readonly number: number
}

/** The knowledge that a process brings from a previous life of the log. */
export interface Origin {
  readonly life: string
  readonly from: number
  readonly upTo: number
  /**
   * How long the record at `from` has been known, or, without a life, how long the process has run; in ms, at `leftAt`.
   */
  readonly age: number
  readonly leftAt: number
  readonly records: readonly KnownRecord[]
}

/**
 * Notes in the log: another process states what it has appended to a life of the log, and so which records cannot be
 * repeated. They tell whether this process has missed records that may cover its entries.
 */
export class MetNotes {
  readonly #clock: Clock
  /** The previous life from which entries in memory remain; `undefined` if there are none. */
  #origin: Origin | undefined
  /** Notes of this life read since it was entered. */
  #notes: MetNote[] = []
  #count = 0
  /** The Redis clock in epoch µs, and the monotonic time in ms when it was read. */
  #redisTime = { at: 0, monotonic: 0 }

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The notes of other processes in this life of the log. */
  get ofThisLife(): readonly MetNote[] {
    return this.#notes
  }

  /** Number of notes read, in all lives. */
  get count(): number {
    return this.#count
  }

  /** Begins to read a life of the log, with the knowledge from a previous one. */
  enter({ time }: Pick<LogState, 'time'>, origin: Origin | undefined): void {
    this.#origin = origin
    this.#notes = []
    this.#redisTime = { at: time, monotonic: this.#clock.monotonic() }
  }

  /** Notes that no entry is left from a previous life. */
  forgetOrigin(): void {
    this.#origin = undefined
  }

  /**
   * Reads the note in a nonce, if there is one.
   *
   * @param position - that of its record
   * @param born - the position at which this life of the log began
   * @returns whether this process has missed a record that cannot be repeated
   */
  meet(nonce: string, position: number, born: number): boolean {
    const note = readNote(nonce)
    if (note === undefined) return false
    const metAt = this.#clock.monotonic()
    const redisNow = this.#redisTime.at + (metAt - this.#redisTime.monotonic) * 1000
    const writtenAgo = Math.max(0, (redisNow - position) / 1000)
    const met: MetNote = { ...note, metAt, writtenAgo, number: this.#count + 1 }
    const isOfThisLife = position >= born
    if (isOfThisLife) this.#keep(met)
    const origin = this.#origin
    if (origin === undefined) return false
    // A note of a previous life was meant for processes joining that life, but its loss is one to all who were not there.
    const concerns = isOfThisLife || origin.life === NO_LIFE || origin.life === note.life
    return concerns && misses(origin, met)
  }

  #keep(note: MetNote): void {
    this.#count = note.number
    this.#notes.push(note)
    if (this.#notes.length > MOST_NOTES) this.#notes = decisive(this.#notes)
  }
}

/** Whether a process with that origin has missed a record that the writer of a note can no longer repeat. */
function misses(origin: Origin, note: MetNote): boolean {
  if (note.life === NO_LIFE) return false
  // All its entries were made here since this process started.
  if (origin.life === NO_LIFE)
    return note.from > 0 && note.age + note.writtenAgo <= origin.age + note.metAt - origin.leftAt
  return note.life !== origin.life || origin.upTo < note.from
}

/**
 * Reduces notes to those that imply the others: for each former life the note with the highest known position, and the
 * note of the process that has run longest.
 */
export function decisive(notes: readonly MetNote[]): MetNote[] {
  const best = new Map<string, MetNote>()
  let eldest: MetNote | undefined
  for (const note of notes) {
    const other = best.get(note.life)
    if (other === undefined || note.upTo > other.upTo) best.set(note.life, note)
    if (note.life === NO_LIFE && (eldest === undefined || startOf(note) < startOf(eldest))) eldest = note
  }
  const kept = new Set([...best.values(), ...(eldest === undefined ? [] : [eldest])])
  return [...kept].slice(-MOST_NOTES / 2)
}

/** When the process that left a note started, in monotonic ms of this process. */
function startOf({ metAt, writtenAgo, age }: MetNote): number {
  return metAt - writtenAgo - age
}
