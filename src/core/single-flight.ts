import { AsyncLocalStorage } from 'node:async_hooks'
import { sharedSymbol } from './brand.js'
import type { Clock, Timer } from './clock.js'
import { CacheError } from './errors.js'
import type { RunMark } from './mark.js'

const CURRENT: unique symbol = sharedSymbol('computation') as never
const shared = globalThis as { [CURRENT]?: AsyncLocalStorage<Flight<unknown>> }

/** The computation that the current code is part of, across all caches of this process. */
shared[CURRENT] ??= new AsyncLocalStorage<Flight<unknown>>()
const current = shared[CURRENT]

/** A result, and whether it is shared with the caller that computed it. */
export interface Landed<T> {
  readonly result: T
  readonly isShared: boolean
}

/**
 * Runs one computation per key at a time: concurrent callers get the same result.
 *
 * A running computation is only joined if its mark is still valid: a result whose computation began before an
 * invalidation must not reach a caller that asks after it. A computation that exceeds the time limit is abandoned, and
 * the next caller computes again.
 */
export class SingleFlight<T> {
  readonly #flights = new Map<string, Flight<T>>()
  readonly #clock: Clock
  readonly #limit: number

  /** @param limit - how long callers wait for another's computation, in ms */
  constructor(clock: Clock, limit: number) {
    this.#clock = clock
    this.#limit = limit
  }

  /** Number of computations in progress, without those that callers no longer wait for. */
  get size(): number {
    return this.#flights.size
  }

  /**
   * Joins the running computation of this key if `mayJoin` allows it, or starts one.
   *
   * @throws CacheError `circular-wait` if the running computation waits for the calling one
   */
  async join(
    key: string,
    mayJoin: (mark: RunMark) => boolean,
    takeMark: () => RunMark,
    run: (mark: RunMark) => Promise<T>,
  ): Promise<Landed<T>> {
    for (;;) {
      const flying = this.#flights.get(key)
      if (flying === undefined || flying.isOverdue || !mayJoin(flying.mark)) {
        return { result: await this.#start(key, takeMark(), run), isShared: false }
      }
      const landed = await flying.share(key)
      if (landed !== undefined) return { result: landed.result, isShared: true }
    }
  }

  #start(key: string, mark: RunMark, run: (mark: RunMark) => Promise<T>): Promise<T> {
    const flight = new Flight<T>(mark, this.#clock, this.#limit)
    this.#dropOverdue()
    this.#flights.delete(key)
    this.#flights.set(key, flight)
    return waitedFor(flight, () =>
      flight.begin(run, () => {
        if (this.#flights.get(key) === flight) this.#flights.delete(key)
      }),
    )
  }

  /** A computation that never ends must not be held for good. The oldest comes first. */
  #dropOverdue(): void {
    for (const [key, flight] of this.#flights) {
      if (!flight.isOverdue) return
      this.#flights.delete(key)
    }
  }
}

class Flight<T> {
  readonly mark: RunMark
  /** The computations that this one waits for. */
  readonly waitsFor = new Set<Flight<unknown>>()
  readonly #clock: Clock
  readonly #overdueAt: number
  #result: Promise<T> | undefined
  #overdue: Promise<undefined> | undefined
  #timer: Timer | undefined
  /**
   * Set because a timer may fire slightly early: callers that waited for it must not wait for this computation again.
   */
  #hasTimedOut = false

  constructor(mark: RunMark, clock: Clock, limit: number) {
    this.mark = mark
    this.#clock = clock
    this.#overdueAt = clock.monotonic() + limit
  }

  get isOverdue(): boolean {
    return this.#hasTimedOut || this.#clock.monotonic() >= this.#overdueAt
  }

  begin(run: (mark: RunMark) => Promise<T>, onEnd: () => void): Promise<T> {
    this.#result = current
      .run(this as Flight<unknown>, () => run(this.mark))
      .finally(() => {
        if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer)
        onEnd()
      })
    return this.#result
  }

  /** The result, or `undefined` if the computation exceeds the time limit. */
  share(key: string): Promise<{ readonly result: T } | undefined> {
    const asking = current.getStore()
    if (asking !== undefined && reaches(this as Flight<unknown>, asking)) {
      const message = `the computation of ${JSON.stringify(key)} waits for itself: it asks getOrSet for a key that is being computed for it`
      return Promise.reject(new CacheError('circular-wait', message))
    }
    return waitedFor(this as Flight<unknown>, () =>
      Promise.race([Promise.resolve(this.#result).then((result) => ({ result: result as T })), this.#untilOverdue()]),
    )
  }

  /** One timer for all waiting callers. */
  #untilOverdue(): Promise<undefined> {
    this.#overdue ??= new Promise((resolve) => {
      const left = Math.max(0, this.#overdueAt - this.#clock.monotonic())
      this.#timer = this.#clock.setTimer(() => {
        this.#hasTimedOut = true
        resolve(undefined)
      }, left)
    })
    return this.#overdue
  }
}

/** Registers that the calling computation, if any, waits for another one. */
async function waitedFor<R>(flight: Flight<unknown>, wait: () => Promise<R>): Promise<R> {
  const asking = current.getStore()
  if (asking === undefined) return wait()
  asking.waitsFor.add(flight)
  try {
    return await wait()
  } finally {
    asking.waitsFor.delete(flight)
  }
}

/** Whether a computation is, or transitively waits for, another one. Not recursive, because a chain may be long. */
function reaches(from: Flight<unknown>, to: Flight<unknown>): boolean {
  const reached = new Set([from])
  for (const flight of reached) {
    if (flight === to) return true
    for (const next of flight.waitsFor) reached.add(next)
  }
  return false
}
