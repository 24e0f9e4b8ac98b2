import { performance } from 'node:perf_hooks'
import timers from 'node:timers'

/** A pending call of a {@link Clock}; only useful for {@link Clock.clearTimer}. */
export type Timer = unknown

/**
 * The source of time for the library. The `clock` option lets tests control time.
 *
 * Stored timestamps (`storedAt`, `staleAt`, `deleteAt`) use {@link Clock.now}; intervals within one process (deadlines,
 * cooldowns, leases) use {@link Clock.monotonic}, which is not affected by changes of the system time.
 */
export interface Clock {
  /** Wall clock time in epoch milliseconds. */
  now(): number
  /** Milliseconds since an arbitrary fixed point; never decreases. */
  monotonic(): number
  /** Calls `run` once after `ms` milliseconds. A timer never keeps the process alive. */
  setTimer(run: () => void, ms: number): Timer
  /** Cancels a timer. Has no effect after the timer fired. */
  clearTimer(timer: Timer): void
  /** Calls `run` after the input of the current event loop turn was read, so that work caused by it can be batched. */
  endOfTurn(run: () => void): void
}

/** Resolves after `ms` milliseconds. */
export function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.setTimer(resolve, ms)
  })
}

/** Resolves when `promise` has settled, or after `ms` milliseconds, whichever is first. */
export function settledWithin(clock: Clock, promise: Promise<unknown>, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = clock.setTimer(resolve, ms)
    const settle = (): void => {
      clock.clearTimer(timer)
      resolve()
    }
    promise.then(settle, settle)
  })
}

// Captured at load time: a test runner's fake timers must not delay reads or their deadlines. Jest may have replaced the
// globals by then, but leaves modules of Node.js as they are.
const { setTimeout, clearTimeout, setImmediate, clearImmediate } = timers
const monotonic = performance.now.bind(performance)

/** The longest delay that Node.js timers support, in ms (24.8 days); a longer delay fires at once. */
const LONGEST_TIMEOUT = 2 ** 31 - 1

class SystemTimer {
  #timeout: NodeJS.Timeout
  #immediate: NodeJS.Immediate | undefined

  constructor(run: () => void, ms: number) {
    this.#timeout = setTimeout(
      () => {
        this.#immediate = setImmediate(run)
      },
      Math.min(ms, LONGEST_TIMEOUT),
    )
    this.#timeout.unref()
  }

  clear(): void {
    clearTimeout(this.#timeout)
    if (this.#immediate !== undefined) clearImmediate(this.#immediate)
  }
}

/**
 * The system clock. `now` reads `Date` at each call, so that tests can expire entries with a fake `Date`; timers and
 * monotonic time are those captured when this module was loaded.
 *
 * Its timers fire after pending input was read. After a blocked event loop a plain timer would fire before the socket
 * whose data has already arrived, and a deadline would treat a healthy Redis as slow.
 */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic,
  setTimer: (run, ms) => new SystemTimer(run, ms),
  clearTimer: (timer) => {
    if (timer instanceof SystemTimer) timer.clear()
  },
  endOfTurn: (run) => {
    setImmediate(run)
  },
}

const CLOCK_METHODS = ['now', 'monotonic', 'setTimer', 'clearTimer', 'endOfTurn'] as const satisfies (keyof Clock)[]

/** Checks the `clock` option. @throws TypeError */
export function readClock(clock: Clock | undefined): Clock {
  if (
    typeof clock !== 'object' ||
    clock === null ||
    !CLOCK_METHODS.every((name) => typeof clock[name] === 'function')
  ) {
    throw new TypeError('clock must have the methods now, monotonic, setTimer, clearTimer and endOfTurn')
  }
  if (!Number.isFinite(clock.now()) || !Number.isFinite(clock.monotonic())) {
    throw new TypeError('clock.now() and clock.monotonic() must return a finite number')
  }
  return clock
}
