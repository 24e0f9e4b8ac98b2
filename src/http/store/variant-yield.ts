/** Number of new variants of a key after which their benefit is checked. */
const TRIAL = 32

/** Minimum benefit: one find per this many new variants. */
const PER_FIND = 8

/** How long no variant is stored if the benefit is too small, in ms. */
const GIVEN_UP_FOR = 60_000

/**
 * Tracks whether storing variants by an observed input is worthwhile. An input with a new value in nearly every run (an
 * identifier, a time) fills the store with responses that no request finds.
 */
export class VariantYield {
  #stored = 0
  #found = 0
  #givenUpUntil = Number.NEGATIVE_INFINITY

  /** Records that a request found one of the variants. */
  find(): void {
    this.#found += 1
  }

  /** Records that a new variant was stored because of such an input. @param now - monotonic, ms */
  store(now: number): void {
    this.#stored += 1
    if (this.#stored < TRIAL) return
    if (this.#found * PER_FIND < this.#stored) this.#givenUpUntil = now + GIVEN_UP_FOR
    this.#stored = 0
    this.#found = 0
  }

  /** @param now - monotonic, ms */
  isGivenUp(now: number): boolean {
    return now < this.#givenUpUntil
  }
}
