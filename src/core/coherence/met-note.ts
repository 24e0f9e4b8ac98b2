import { type Note, noLife } from './nonces.js'

/** Maximum number of notes kept of one life of the log; every process may add one. */
export const mostNotes = 256

/** A note read from the log, with its age when it was read, in ms. */
export interface MetNote extends Note {
  readonly metAt: number
  readonly writtenAgo: number
  /** Serial number among the notes that this process has read. */
  readonly number: number
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
    if (note.life === noLife && (eldest === undefined || startOf(note) < startOf(eldest))) eldest = note
  }
  const kept = new Set([...best.values(), ...(eldest === undefined ? [] : [eldest])])
  return [...kept].slice(-mostNotes / 2)
}

/** When the process that left a note started, in monotonic ms of this process. */
function startOf({ metAt, writtenAgo, age }: MetNote): number {
  return metAt - writtenAgo - age
}
