import { type Note, noLife } from './nonces.js'

/** Notes kept of one life of the log, to which every process may add one. */
export const mostNotes = 256

/** A note in the log, and how old it is; ms. */
export interface MetNote extends Note {
  readonly metAt: number
  readonly writtenAgo: number
  /** Counts the notes that this process has met. */
  readonly number: number
}

/** The notes that say all that the others say: of each former life the one that knows most of it, and the process that runs for longest. */
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

/** When the process that left a note started, monotonic ms of this one. */
function startOf({ metAt, writtenAgo, age }: MetNote): number {
  return metAt - writtenAgo - age
}
