import type { Clock } from '../clock.js'
import type { Counters } from '../counters.js'
import { replyCode } from './reply-code.js'

/** What a command was sent for; a refusal is over when the same works again. */
export type Purpose = 'read' | 'store' | 'invalidate' | 'single flight' | 'sweep'

/** One kind of refusal that goes on. */
export interface RedisRefusal {
  /** The error code of Redis, such as `OOM`. */
  readonly code: string
  /** The words of Redis. */
  readonly message: string
  readonly purpose: Purpose
}

/** How long nothing of a kind may be refused before it is over, ms: at the edge of its memory Redis refuses now and then. */
const quietFor = 2000

/** Codes that are told apart; a script of Redis could make up any number of them. */
const mostCodes = 32

interface Active {
  readonly refusal: RedisRefusal
  readonly purposes: Set<Purpose>
  lastAt: number
}

/**
 * Commands that Redis answered with an error, by its code: how many there were, and which kinds go on.
 *
 * In health nothing is counted: what the cache expects (a script that Redis does not know yet, a key of another type) is no refusal.
 */
export class Refusals {
  readonly #clock: Clock
  readonly #counters: Counters
  readonly #onBegin: (refusal: RedisRefusal) => void
  readonly #onEnd: (refusal: RedisRefusal) => void
  readonly #active = new Map<string, Active>()

  constructor(
    clock: Clock,
    counters: Counters,
    onBegin: (refusal: RedisRefusal) => void,
    onEnd: (refusal: RedisRefusal) => void,
  ) {
    this.#clock = clock
    this.#counters = counters
    this.#onBegin = onBegin
    this.#onEnd = onEnd
  }

  /** Whether any kind goes on. */
  get isAny(): boolean {
    return this.#active.size > 0
  }

  /** The kind that began first, of those that go on. */
  get first(): RedisRefusal | undefined {
    for (const { refusal } of this.#active.values()) return refusal
    return undefined
  }

  /** Redis answered with an error. */
  count(error: Error): string {
    const counts = this.#counters.redisErrors
    const said = replyCode(error) ?? 'OTHER'
    const code = said in counts || Object.keys(counts).length < mostCodes ? said : 'OTHER'
    counts[code] = (counts[code] ?? 0) + 1
    return code
  }

  /** Redis works, and refused this. */
  begin(code: string, error: Error, purpose: Purpose): void {
    const lastAt = this.#clock.monotonic()
    const active = this.#active.get(code)
    if (active !== undefined) {
      active.lastAt = lastAt
      active.purposes.add(purpose)
      return
    }
    const refusal: RedisRefusal = { code, message: error.message, purpose }
    this.#active.set(code, { refusal, purposes: new Set([purpose]), lastAt })
    this.#onBegin(refusal)
  }

  /** Redis did this. */
  worked(purpose: Purpose): void {
    const now = this.#clock.monotonic()
    for (const [code, active] of this.#active) {
      if (now - active.lastAt < quietFor || !active.purposes.delete(purpose) || active.purposes.size > 0) continue
      this.#active.delete(code)
      this.#onEnd(active.refusal)
    }
  }
}
