/** After so many new variants of a key it is asked whether they were of use. */
const TRIAL = 32

/** Fewer finds than one for so many new variants are too few. */
const PER_FIND = 8

/** For so long no variant is stored then, ms. */
const GIVEN_UP_FOR = 60_000

/**
 * Whether it is of use to keep responses of a key apart by an input that the cache has seen a handler read. An input with a new value in
 * nearly every run (an identifier, a time) fills the store with responses that no request finds.
 */
export class VariantYield {
  #stored = 0
  #found = 0
  #givenUpUntil = Number.NEGATIVE_INFINITY

  /** A request has found one of the variants. */
  find(): void {
    this.#found += 1
  }

  /** A new variant is kept that such an input tells from the others. @param now - monotonic, ms */
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
