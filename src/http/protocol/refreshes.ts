import type { Clock } from '../../core/clock.js'
import type { Gauges } from '../../core/gauges.js'
import type { DetachedRun } from '../port/exchange.js'

/** Maximum number of refreshes per middleware that hold a slot at the same time. */
const SLOTS = 64

/** The time limits of a refresh. */
export interface RefreshLimits {
  /** Milliseconds after which a slot is released, even if the handler is still running. */
  readonly slotFor: number
  /** Milliseconds after which a run is cancelled, because its response could no longer be stored. */
  readonly runFor: number
}

/**
 * Limits the background refreshes of one middleware to 64 at a time. A handler that hangs does not hold its slot
 * forever.
 */
export class Refreshes {
  readonly #clock: Clock
  readonly #gauges: Gauges
  readonly #limits: RefreshLimits
  #slots = 0

  constructor(clock: Clock, gauges: Gauges, limits: RefreshLimits) {
    this.#clock = clock
    this.#gauges = gauges
    this.#limits = limits
  }

  /** Whether all slots are taken. */
  get areFull(): boolean {
    return this.#slots >= SLOTS
  }

  /**
   * Takes a slot for a run.
   *
   * @param onOverdue - called if the slot is released before the run has ended
   * @returns a function to call when the run has ended, which releases the slot
   */
  take(run: DetachedRun, onOverdue: () => void): () => void {
    this.#slots += 1
    this.#gauges.refreshing += 1
    const { slotFor, runFor } = this.#limits
    let holdsSlot = true
    let isOver = false
    const free = () => {
      if (holdsSlot) this.#slots -= 1
      holdsSlot = false
    }
    const slotTimer = this.#clock.setTimer(
      () => {
        free()
        onOverdue()
      },
      Math.min(slotFor, runFor),
    )
    const runTimer = this.#clock.setTimer(() => run.cancel(), runFor)
    return () => {
      if (isOver) return
      isOver = true
      this.#gauges.refreshing -= 1
      this.#clock.clearTimer(slotTimer)
      this.#clock.clearTimer(runTimer)
      free()
    }
  }
}
