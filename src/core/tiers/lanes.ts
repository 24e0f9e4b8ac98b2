import type { Clock } from '../clock.js'
import { CacheError } from '../errors.js'

/** Limits of {@link Lanes}. */
export interface LaneLimits {
  /** Maximum number of operations that run at a time. */
  readonly running: number
  /** Maximum number of operations that wait for their turn. */
  readonly waiting: number
  /** How long an operation may wait, in ms. */
  readonly patience: number
}

/** Runs a limited number of operations at a time; the others wait, and begin in the order in which they came. */
export class Lanes {
  readonly #clock: Clock
  readonly #limits: LaneLimits
  readonly #waiting = new Set<() => void>()
  #running = 0

  constructor(clock: Clock, limits: LaneLimits) {
    this.#clock = clock
    this.#limits = limits
  }

  /**
   * Runs an operation when it is its turn.
   *
   * @throws CacheError `redis-busy` if too many wait, or if it has waited for too long
   */
  async run<T>(operation: () => Promise<T>): Promise<T> {
    const { running, waiting, patience } = this.#limits
    if (this.#waiting.size >= waiting) throw busy()
    const cameAt = this.#clock.monotonic()
    // One that ends hands its lane on, so that an operation that comes now cannot overtake those that wait.
    if (this.#running < running) this.#running++
    else await new Promise<void>((resolve) => this.#waiting.add(resolve))
    try {
      if (this.#clock.monotonic() - cameAt > patience) throw busy()
      return await operation()
    } finally {
      this.#handOn()
    }
  }

  #handOn(): void {
    const [next] = this.#waiting
    if (next === undefined) this.#running--
    else {
      this.#waiting.delete(next)
      next()
    }
  }
}

function busy(): CacheError {
  return new CacheError('redis-busy', 'too many commands wait for Redis')
}
