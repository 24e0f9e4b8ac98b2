import type { Clock } from '../../core/clock.js'

/** The longest time that one turn of the event loop spends on releasing, in ms. */
const SLICE = 5

/**
 * Maximum number of requests released per turn, because most of the work of their handlers happens after it can be
 * measured here.
 */
const CROWD = 20

/** Approximate number of microtask turns until a released request has sent its reply or called its handler. */
const STEPS = 16

/**
 * Resolves several promises with the same value, one after another. After some of them, or a few milliseconds, it
 * yields to the event loop, so that releasing many requests does not delay other ones.
 */
export async function release<T>(resolves: readonly ((value: T) => void)[], value: T, clock: Clock): Promise<void> {
  let since = clock.monotonic()
  let released = 0
  for (const resolve of resolves) {
    if (released >= CROWD || clock.monotonic() - since >= SLICE) {
      await new Promise<void>((turned) => clock.endOfTurn(turned))
      since = clock.monotonic()
      released = 0
    }
    released += 1
    resolve(value)
    // The released request runs during these steps, so that its time is measured.
    for (let step = 0; step < STEPS; step++) await undefined
  }
}
