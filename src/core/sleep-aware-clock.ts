import type { Clock, Timer } from './clock.js'

/** Maximum gain of the wall clock over the monotonic clock between two reads that is not treated as a jump, in ms. */
const TOLERANCE = 250

/**
 * A clock whose {@link Clock.monotonic} includes the time during which the machine was suspended.
 *
 * The monotonic clock of Linux and macOS stops during a suspend, the wall clock does not. If the wall clock gains time
 * because it was set forward, leases end early, which is safe. Setting it back has no effect.
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
    if (gained > TOLERANCE) this.#slept += gained
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
