import type { Clock, Timer } from './clock.js'

/** What the wall clock may gain on the monotonic one between two looks without counting as a jump, ms. */
const tolerance = 250

/**
 * A clock whose {@link Clock.monotonic} also counts the time that the machine was asleep.
 *
 * The monotonic clock of Linux and macOS stands still during a suspend, the wall clock does not. A wall clock that gained on it may also
 * have been set forward: then leases end early, which is safe. A wall clock that was set back changes nothing.
 */
export class SleepAwareClock implements Clock {
  readonly #clock: Clock
  #wall: number
  #monotonic: number
  #slept = 0

  constructor(clock: Clock) {
    this.#clock = clock
    this.#wall = clock.now()
    this.#monotonic = clock.monotonic()
  }

  now(): number {
    return this.#clock.now()
  }

  monotonic(): number {
    const wall = this.#clock.now()
    const monotonic = this.#clock.monotonic()
    const gained = wall - this.#wall - (monotonic - this.#monotonic)
    if (gained > tolerance) this.#slept += gained
    this.#wall = wall
    this.#monotonic = monotonic
    return monotonic + this.#slept
  }

  setTimer(run: () => void, ms: number): Timer {
    return this.#clock.setTimer(run, ms)
  }

  clearTimer(timer: Timer): void {
    this.#clock.clearTimer(timer)
  }

  endOfTurn(run: () => void): void {
    this.#clock.endOfTurn(run)
  }
}
