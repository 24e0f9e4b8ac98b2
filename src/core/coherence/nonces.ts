import { randomBytes } from 'node:crypto'

/** In the name of a record that covers nothing: its issuer no longer remembers what it invalidated up to a position. */
const forgotten = '-forgotten:'

/** The names this process gives its records in the log: no other process gives the same, and it knows its own again. */
export class Nonces {
  readonly #issuer = `${randomBytes(6).toString('hex')}-`
  #given = 0

  next(): string {
    return `${this.#issuer}${(++this.#given).toString(36)}`
  }

  /** The name of a record that only says up to which position this process no longer remembers what it invalidated. */
  nextForgotten(upTo: number): string {
    return `${this.next()}${forgotten}${upTo}`
  }

  isOwn(nonce: string): boolean {
    return nonce.startsWith(this.#issuer)
  }
}

/** Up to which position the issuer of a record no longer remembers what it invalidated; 0 for a record that does not say. */
export function forgottenUpTo(nonce: string): number {
  const at = nonce.indexOf(forgotten)
  return at < 0 ? 0 : Number(nonce.slice(at + forgotten.length))
}
