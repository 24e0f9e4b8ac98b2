import type { Clock } from '../clock.js'
import type { Counters } from '../counters.js'
import { replyCode } from './reply-code.js'

/** What a command was sent for. A refusal ends when a command with the same purpose succeeds. */
export type Purpose = 'read' | 'store' | 'invalidate' | 'single flight' | 'sweep' | 'dashboard' | 'invalidate once'

/** One kind of refusal by Redis that is still going on. */
export interface RedisRefusal {
  /** The Redis error code, such as `OOM`. */
  readonly code: string
  /** The message that Redis sent. */
  readonly message: string
  readonly purpose: Purpose
}

/** A refusal ends after this many ms without a new one: close to its memory limit Redis refuses intermittently. */
const QUIET_FOR = 2000

/**
 * Purposes for which no command may be sent for hours. A refusal of one of these also ends if there was no other one for a
 * minute, in ms.
 */
const RARE: readonly Purpose[] = ['single flight', 'dashboard', 'invalidate once']
const RARE_QUIET_FOR = 60_000

/** Purposes that a cache may do without for ever: their refusals do not hide those of the others. */
const ASIDE: readonly Purpose[] = ['sweep', 'dashboard', 'invalidate once']

/** Maximum number of distinct codes counted; Redis scripts can produce any number of codes. */
const MOST_CODES = 32

interface Active {
  refusal: RedisRefusal
  readonly purposes: Set<Purpose>
  lastAt: number
}

/**
 * Tracks error replies of Redis by code: how many there were, and which refusals are still going on.
 *
 * Expected errors (an unknown script, a key of another type) are not refusals, so a healthy Redis has a count of zero.
 */
export class Refusals {
  readonly #clock: Clock
  readonly #counters: Counters
  readonly #onBegin: (refusal: RedisRefusal) => void
  readonly #onEnd: (refusal: RedisRefusal) => void
  readonly #active = new Map<string, Active>()
  #refusesReads = false

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

  /** Whether any refusal is going on. */
  get isAny(): boolean {
    return this.#active.size > 0
  }

  /** Whether the last command for a lookup was refused. */
  get refusesReads(): boolean {
    return this.#refusesReads
  }

  /** The refusal that started first, of those still going on; rather one of what requests need. */
  get first(): RedisRefusal | undefined {
    const all = [...this.#active.values()].map(({ refusal }) => refusal)
    return all.find(({ purpose }) => !ASIDE.includes(purpose)) ?? all[0]
  }

  /** Counts an error reply; returns the code it was counted under. */
  count(error: Error): string {
    const counts = this.#counters.redisErrors
    const said = replyCode(error) ?? 'OTHER'
    const code = said in counts || Object.keys(counts).length < MOST_CODES ? said : 'OTHER'
    counts[code] = (counts[code] ?? 0) + 1
    return code
  }

  /** Records that a working Redis refused a command. */
  begin(code: string, error: Error, purpose: Purpose): void {
    if (purpose === 'read') this.#refusesReads = true
    const lastAt = this.#clock.monotonic()
    const refusal: RedisRefusal = { code, message: error.message, purpose }
    const kind = ASIDE.includes(purpose) ? `${code} aside` : code
    const active = this.#active.get(kind)
    if (active === undefined) this.#active.set(kind, { refusal, purposes: new Set([purpose]), lastAt })
    else {
      active.lastAt = lastAt
      active.purposes.add(purpose)
      // A refused invalidation is told as an outage: other commands, refused after its end, would go unnoticed.
      if (active.refusal.purpose !== 'invalidate' || purpose === 'invalidate') return
      active.refusal = refusal
    }
    this.#onBegin(refusal)
  }

  /** Records that the invalidations that were refused have reached the log, in a recovery. */
  recovered(): void {
    for (const { purposes } of this.#active.values()) purposes.delete('invalidate')
  }

  /** Records that a command succeeded, which may end refusals. */
  worked(purpose: Purpose): void {
    if (purpose === 'read') this.#refusesReads = false
    const now = this.#clock.monotonic()
    for (const [kind, active] of this.#active) {
      if (now - active.lastAt < QUIET_FOR) continue
      active.purposes.delete(purpose)
      if (now - active.lastAt >= RARE_QUIET_FOR) for (const rare of RARE) active.purposes.delete(rare)
      if (active.purposes.size > 0) continue
      this.#active.delete(kind)
      this.#onEnd(active.refusal)
    }
  }
}
