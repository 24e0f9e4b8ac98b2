/**
 * How a real answer compares with what the cache would have sent:
 * - `same`: no difference;
 * - `stale`: the page had changed;
 * - `leaked`: another visitor's page would have been sent;
 * - `suspected`: a page made for another visitor differs, and it is not known yet why;
 * - `noise`: the page is another one in each run;
 * - `unseen`: they could not be compared (a 304, HEAD, a part, an error, a response that was not complete).
 */
export const LIKENESSES = ['same', 'stale', 'leaked', 'suspected', 'noise', 'unseen'] as const

/** See {@link LIKENESSES}. */
export type Likeness = (typeof LIKENESSES)[number]

/** The sizes of memory for which hits are counted, in MiB. */
export const SIZES = [1, 10, 64] as const

/** What the cache would have done for one route. */
export class Ledger {
  /** The handler time that would have been saved, in ms. */
  savedMs = 0
  savedBytes = 0
  /** Hits with a memory of each of {@link SIZES}. */
  readonly hitsAt: number[] = SIZES.map(() => 0)
  readonly #outcomes: Record<Likeness, number> = { same: 0, stale: 0, leaked: 0, suspected: 0, noise: 0, unseen: 0 }

  add(outcome: Likeness, count: number): void {
    this.#outcomes[outcome] += count
  }

  get outcomes(): Record<Likeness, number> {
    return { ...this.#outcomes }
  }
}
