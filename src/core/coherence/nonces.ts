import { randomBytes } from 'node:crypto'

/**
 * What a process that goes from one life of the log to another can tell the new one: all records of `life` in
 * (`from`, `upTo`]. In the name of a record that covers nothing.
 */
export interface Note {
  /** The life it comes from; `noLife` for a process that was in none and has made entries all the same. */
  readonly life: string
  /** The newest record that it can no longer tell; a process that does not know that one has missed something. */
  readonly from: number
  /** The newest record that it knows. */
  readonly upTo: number
  /** How long it has known the newest record that it cannot tell; without a life, how long it has run; ms. */
  readonly age: number
}

/** Stands for the life of the log of a process that was in none. */
export const noLife = '-'

const knows = '-knows:'

/** The names this process gives its records in the log: no other process gives the same, and it knows its own again. */
export class Nonces {
  readonly #issuer = `${randomBytes(6).toString('hex')}-`
  #given = 0

  next(): string {
    return `${this.#issuer}${(++this.#given).toString(36)}`
  }

  /** The name of a record that is a note. */
  nextNote({ life, from, upTo, age }: Note): string {
    return `${this.next()}${knows}${life}:${from}:${upTo}:${Math.max(0, Math.floor(age))}`
  }

  isOwn(nonce: string): boolean {
    return nonce.startsWith(this.#issuer)
  }
}

/** The note in the name of a record, if it is one. */
export function readNote(nonce: string): Note | undefined {
  const at = nonce.indexOf(knows)
  if (at < 0) return undefined
  const [life = '', from, upTo, age] = nonce.slice(at + knows.length).split(':')
  return { life, from: Number(from), upTo: Number(upTo), age: Number(age) }
}
