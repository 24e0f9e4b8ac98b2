import type { Clock } from '../../core/clock.js'

/** The longest that one turn of the event loop goes on releasing; ms. */
const SLICE = 5

/** As many as this are released in one turn: most of what their handlers do comes later than can be measured here. */
const CROWD = 20

/** Turns of the microtask queue until a released request has sent its answer or called its handler, about. */
const STEPS = 16

/**
 * Resolves one promise after another with the same value. After some of them, or a few milliseconds, it lets the event loop turn, so that the
 * release of many requests delays no other one.
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
    // What the released request does happens in these steps, and so counts.
    for (let step = 0; step < STEPS; step++) await undefined
  }
}
