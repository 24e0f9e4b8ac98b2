/** A pending call of a {@link Clock}; only good for {@link Clock.clearTimer}. */
export type Timer = unknown

/**
 * Where the library takes its time from. Handed in as the `clock` option, so that tests move time themselves.
 *
 * Moments that are written down (`storedAt`, `staleAt`, `deleteAt`) use {@link Clock.now}; everything that measures
 * a distance inside one process (deadlines, cooldowns, leases) uses {@link Clock.monotonic}, which no
 * administrator can set back.
 */
export interface Clock {
  /** Wall clock, epoch milliseconds. */
  now(): number
  /** Milliseconds since some fixed moment, never going back. */
  monotonic(): number
  /** Calls `run` once after `ms` milliseconds. A timer never keeps the process alive. */
  setTimer(run: () => void, ms: number): Timer
  /** Takes a timer back. A timer that has fired is ignored. */
  clearTimer(timer: Timer): void
  /** Calls `run` when the input of this turn of the event loop has been read: all that came in with it can travel together. */
  endOfTurn(run: () => void): void
}

/** Lets `ms` milliseconds pass. */
export function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.setTimer(resolve, ms)
  })
}

/** Resolves when `promise` has settled, either way, or `ms` milliseconds have passed. */
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

// Taken once: fake timers of a test runner replace the globals, and neither a read nor its deadline may wait for them.
const { setTimeout, clearTimeout, setImmediate, clearImmediate } = globalThis
const monotonic = performance.now.bind(performance)

/** What node's timers can hold, ms (24.8 days): they fire at once for more. */
const longestTimeout = 2 ** 31 - 1

class SystemTimer {
  #timeout: NodeJS.Timeout
  #immediate: NodeJS.Immediate | undefined

  constructor(run: () => void, ms: number) {
    this.#timeout = setTimeout(
      () => {
        this.#immediate = setImmediate(run)
      },
      Math.min(ms, longestTimeout),
    )
    this.#timeout.unref()
  }

  clear(): void {
    clearTimeout(this.#timeout)
    if (this.#immediate !== undefined) clearImmediate(this.#immediate)
  }
}

/**
 * The clock of the machine. Its wall clock is `Date` at the moment of the call, so that a test can move lifetimes by a fake `Date`; its
 * timers and its monotonic time are those of the moment this module was loaded.
 *
 * Its timers let the input that was already waiting be read first: after a blocked event loop a plain timer fires
 * before the socket that has had the answer for long, and a deadline would call a healthy Redis slow.
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
