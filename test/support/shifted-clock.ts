import { type Clock, systemClock, type Timer } from '../../src/core/clock.js'

/**
 * The machine's clock, with time that a test adds: for tests with a real server, whose answers take real time. Timers
 * are the machine's own and do not notice.
 */
export class ShiftedClock implements Clock {
  #added = 0

  now(): number {
    return systemClock.now() + this.#added
  }

  monotonic(): number {
    return systemClock.monotonic() + this.#added
  }

  setTimer(run: () => void, ms: number): Timer {
    return systemClock.setTimer(run, ms)
  }

  clearTimer(timer: Timer): void {
    systemClock.clearTimer(timer)
  }

  endOfTurn(run: () => void): void {
    systemClock.endOfTurn(run)
  }

  /** Lets time pass, without firing a timer. */
  advance(ms: number): void {
    this.#added += ms
  }
}
