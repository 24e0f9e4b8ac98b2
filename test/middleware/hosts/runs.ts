/** Counts how often each route of a site has run. */
export class Runs {
  readonly #counts = new Map<unknown, number>()

  /** Counts one run of `route` and answers how many there were. */
  next(route: unknown): number {
    const count = (this.#counts.get(route) ?? 0) + 1
    this.#counts.set(route, count)
    return count
  }
}
