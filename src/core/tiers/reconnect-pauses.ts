/**
 * How long a client of ours waits before each attempt to connect: 50 ms, doubled at each attempt up to 2 s, or to 5 s where a server
 * was there and refused, plus up to 100 ms at random.
 *
 * Counts from the last connection that was trusted: a server that accepts and closes, or refuses, is not met at full speed.
 */
export class ReconnectPauses {
  #attempts = 0
  #longest = longestPause

  next(): number {
    const pause = Math.min(firstPause * 2 ** Math.min(this.#attempts, 10), this.#longest)
    this.#attempts++
    return pause + Math.floor(Math.random() * 100)
  }

  /** The server refused what a master would do. */
  refused(): void {
    this.#longest = longestAfterRefusal
  }

  /** The connection is trusted. */
  settle(): void {
    this.#attempts = 0
    this.#longest = longestPause
  }
}

const firstPause = 50
const longestPause = 2_000
const longestAfterRefusal = 5_000
