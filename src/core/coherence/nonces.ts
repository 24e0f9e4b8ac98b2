import { randomBytes } from 'node:crypto'

/**
 * The records that a process moving from one life of the log to another can append to the new one: all records of
 * `life` in (`from`, `upTo`]. Stored in the name of a record that covers nothing.
 */
export interface Note {
  /** The previous life; {@link NO_LIFE} if the process was in none but has stored entries. */
  readonly life: string
  /**
   * The newest record that the process can no longer repeat; a process that does not know that one has missed
   * something.
   */
  readonly from: number
  /** The newest record that the process knows. */
  readonly upTo: number
  /** How long the process has known the record at `from`, or, without a life, how long it has run; in ms. */
  readonly age: number
}

/** The name used instead of a life for a process that has followed none. */
export const NO_LIFE = '-'

const KNOWS = '-knows:'

/** Creates unique names for log records, by which a process recognizes its own. */
export class Nonces {
  readonly #issuer = `${randomBytes(6).toString('hex')}-`
  #given = 0

  /** The id of this process in the names of its records. */
  get id(): string {
    return this.#issuer.slice(0, -1)
  }

  next(): string {
    return `${this.#issuer}${(++this.#given).toString(36)}`
  }

  /** The name of a record that contains a note. */
  nextNote({ life, from, upTo, age }: Note): string {
    return `${this.next()}${KNOWS}${life}:${from}:${upTo}:${Math.max(0, Math.floor(age))}`
  }

  isOwn(nonce: string): boolean {
    return nonce.startsWith(this.#issuer)
  }
}

/** The note in the name of a record; `undefined` if there is none. */
export function readNote(nonce: string): Note | undefined {
  const at = nonce.indexOf(KNOWS)
  if (at < 0) return undefined
  const [life = '', from, upTo, age] = nonce.slice(at + KNOWS.length).split(':')
  return { life, from: Number(from), upTo: Number(upTo), age: Number(age) }
}
