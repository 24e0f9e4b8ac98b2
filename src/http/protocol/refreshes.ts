import type { Clock } from '../../core/clock.js'
import type { Gauges } from '../../core/gauges.js'
import type { DetachedRun } from '../port/exchange.js'

/** So many refreshes of one middleware hold a slot at a time. */
const SLOTS = 64

/** What bounds a refresh. */
export interface RefreshLimits {
  /** A slot comes back after so many milliseconds, whether or not the handler has ended. */
  readonly slotFor: number
  /** A run is given up after so many milliseconds: its response could not be stored any more. */
  readonly runFor: number
}

/** The refreshes in the background of one middleware: at most 64 at a time, and no handler that hangs holds a slot for good. */
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
   * @param onOverdue - called when the slot comes back before the run has ended
   * @returns to be called when the run has ended: the slot comes back
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
