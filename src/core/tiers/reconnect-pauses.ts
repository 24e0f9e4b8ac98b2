/**
 * Delays between connection attempts of an owned client: 50 ms, doubled at each attempt up to 2 s, or up to 5 s after
 * the server refused as a non-master would, plus up to 100 ms of random jitter.
 *
 * The count starts at the last trusted connection, so that a server that accepts and then closes, or refuses, is not
 * contacted at full speed.
 */
export class ReconnectPauses {
  #attempts = 0
  #longest = LONGEST_PAUSE

  next(): number {
    const pause = Math.min(FIRST_PAUSE * 2 ** Math.min(this.#attempts, 10), this.#longest)
    this.#attempts++
    return pause + Math.floor(Math.random() * 100)
  }

  /** Raises the maximum delay: the server refused what a master would accept. */
  refused(): void {
    this.#longest = LONGEST_AFTER_REFUSAL
  }

  /** Resets the delays: the connection is trusted. */
  settle(): void {
    this.#attempts = 0
    this.#longest = LONGEST_PAUSE
  }
}

const FIRST_PAUSE = 50
const LONGEST_PAUSE = 2_000
const LONGEST_AFTER_REFUSAL = 5_000
