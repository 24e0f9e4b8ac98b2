import type { Clock } from '../clock.js'

/** How long Redis was lost. */
export interface OutageStats {
  /** Duration of all outages, the current one included, in seconds; how many there were is `counters.outages`. */
  readonly seconds: number
  /** Duration of the current outage, in seconds; `null` if there is none. */
  readonly currentSeconds: number | null
}

/** Measures how long Redis was lost, in all and now. */
export class Outages {
  readonly #clock: Clock
  /** When the current outage began, in monotonic ms; `undefined` if there is none. */
  #lostSince: number | undefined
  /** Duration of all past outages, in ms. */
  #lostFor = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Begins an outage, unless one has begun. */
  begin(): void {
    this.#lostSince ??= this.#clock.monotonic()
  }

  /** Ends the current outage, if there is one. */
  end(): void {
    if (this.#lostSince !== undefined) this.#lostFor += this.#clock.monotonic() - this.#lostSince
    this.#lostSince = undefined
  }

  stats(): OutageStats {
    const current = this.#lostSince === undefined ? undefined : this.#clock.monotonic() - this.#lostSince
    return {
      seconds: (this.#lostFor + (current ?? 0)) / 1000,
      currentSeconds: current === undefined ? null : current / 1000,
    }
  }
}
