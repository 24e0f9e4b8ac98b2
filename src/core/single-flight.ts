import type { Mark } from './mark.js'

interface Flight<T> {
  readonly mark: Mark
  readonly result: Promise<T>
}

/**
 * One computation a key at a time: whoever asks while it runs gets its result.
 *
 * A flight is only joined while its mark is still good: a result that was begun before an invalidation must not be
 * given to somebody who came after it.
 */
export class SingleFlight<T> {
  readonly #flights = new Map<string, Flight<T>>()

  /** Joins the flight of this key when `mayJoin` allows it, or starts one. */
  join(key: string, mayJoin: (mark: Mark) => boolean, mark: Mark, run: (mark: Mark) => Promise<T>): Promise<T> {
    const flying = this.#flights.get(key)
    if (flying !== undefined && mayJoin(flying.mark)) return flying.result
    const flight: Flight<T> = { mark, result: run(mark).finally(() => this.#land(key, flight)) }
    this.#flights.set(key, flight)
    return flight.result
  }

  #land(key: string, flight: Flight<T>): void {
    if (this.#flights.get(key) === flight) this.#flights.delete(key)
  }
}
