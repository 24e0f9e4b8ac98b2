import type { Clock } from '../core/clock.js'

/** As many keys as this are remembered at most; past it, those refused longest ago are forgotten. */
const MEMORY = 10_000

/** Longer keys are not remembered. */
const MAX_LENGTH = 1_024

/**
 * Keys whose responses were lately not stored. Their requests go to the handler side by side: to let them wait for one
 * another would serialise traffic that no response can ever serve ("hit for miss").
 */
export class RecentlyRefused {
  readonly #clock: Clock
  readonly #until = new Map<string, number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Remembers a key for so many milliseconds. */
  add(key: string, duration: number): void {
    // How long a path is, is up to clients: ten thousand long ones would not be forgotten soon enough.
    if (key.length > MAX_LENGTH) return
    this.#until.delete(key)
    this.#until.set(key, this.#clock.monotonic() + duration)
    if (this.#until.size <= MEMORY) return
    const { value } = this.#until.keys().next()
    if (value !== undefined) this.#until.delete(value)
  }

  has(key: string): boolean {
    const until = this.#until.get(key)
    if (until === undefined) return false
    if (this.#clock.monotonic() < until) return true
    this.#until.delete(key)
    return false
  }

  /** A response of this key was stored after all. */
  delete(key: string): void {
    this.#until.delete(key)
  }
}
