import type { Clock, Timer } from '../clock.js'
import { asError } from '../errors.js'
import type { CircuitBreaker } from '../tiers/circuit-breaker.js'
import { isErrorReply } from '../tiers/redis-tier.js'

/**
 * - `starting`: the first connection is on its way, requests wait for it within their deadline.
 * - `connected`: Redis answers and this process has caught up with the log.
 * - `disconnected`: memory answers alone.
 */
export type LinkState = 'starting' | 'connected' | 'disconnected'

/** What a {@link Link} drives. */
export interface LinkDuties {
  /** Asks Redis whether it is there. */
  readonly ping: () => Promise<unknown>
  /** Does all that must be done before Redis is trusted. */
  readonly recover: () => Promise<void>
  readonly onLost: (cause: Error | undefined) => void
  /** Redis was lost already, and this was in the way of another attempt. */
  readonly onStillLost?: (cause: Error) => void
  readonly onConnected: (disconnectedFor: number) => void
}

/** Between two attempts that an event asked for; ms. */
const shortestPause = 250
/** After a failed attempt while the breaker is closed; ms, doubled up to the longest. */
const firstPause = 250
const longestPause = 5_000
/** While Redis answers that it cannot serve yet (LOADING): nothing else will tell when it can; ms. */
const answeringPause = 2_000

/**
 * Knows whether Redis may be trusted, and when to look again: when the client reports a connection, when a reply comes
 * that had been given up, and else after the cooldown. One attempt at a time, and none of them a user's request.
 */
export class Link {
  #state: LinkState = 'starting'
  #attempt: Promise<void> | undefined
  #again = false
  #lastAttemptAt = Number.NEGATIVE_INFINITY
  #failures = 0
  #isAnswering = false
  #cause: Error | undefined
  #lostAt: number
  #timer: Timer | undefined
  #closed = false
  #started: (() => void) | undefined
  readonly #whenStarted: Promise<void>
  readonly #breaker: CircuitBreaker
  readonly #clock: Clock
  readonly #cooldown: number
  readonly #duties: LinkDuties

  constructor(breaker: CircuitBreaker, clock: Clock, cooldown: number, duties: LinkDuties) {
    this.#breaker = breaker
    this.#clock = clock
    this.#cooldown = cooldown
    this.#duties = duties
    this.#lostAt = clock.monotonic()
    this.#whenStarted = new Promise((resolve) => {
      this.#started = resolve
    })
  }

  get state(): LinkState {
    return this.#state
  }

  /** Resolves when the first connection has come, or has failed. */
  get whenStarted(): Promise<void> {
    return this.#whenStarted
  }

  /** What was last in the way; `undefined` while Redis is trusted. */
  get cause(): Error | undefined {
    return this.#cause
  }

  /** The attempt to recover that is on its way, if there is one. */
  get attempt(): Promise<void> | undefined {
    return this.#attempt
  }

  /** Redis can no longer be trusted. Looks again by itself. */
  lose(cause?: Error): void {
    if (this.#closed) return
    const was = this.#state
    // What Redis answered says more than that there is no connection now.
    if (cause !== undefined && (isErrorReply(cause.cause) || !isErrorReply(this.#cause?.cause))) this.#cause = cause
    this.#become('disconnected')
    if (was !== 'disconnected') {
      this.#lostAt = this.#clock.monotonic()
      this.#failures = 0
      this.#duties.onLost(cause)
    } else if (cause !== undefined) this.#duties.onStillLost?.(cause)
    // A connection that comes and goes must not put the next look off for ever.
    if (was !== 'disconnected' || this.#timer === undefined) this.#schedule(this.#pause())
  }

  /** Something says that Redis may be back: looks as soon as the last look is long enough ago. */
  lookSoon(): void {
    if (this.#closed || this.#state === 'connected') return
    if (this.#attempt !== undefined) {
      this.#again = true
      return
    }
    const wait = this.#lastAttemptAt + shortestPause - this.#clock.monotonic()
    if (wait <= 0) void this.lookNow()
    else this.#schedule(wait)
  }

  /** Looks now, or joins the look that is on its way. Never rejects. */
  lookNow(): Promise<void> {
    if (this.#closed || this.#state === 'connected') return Promise.resolve()
    this.#attempt ??= this.#look().finally(() => {
      this.#attempt = undefined
      if (this.#again) {
        this.#again = false
        this.lookSoon()
      }
    })
    return this.#attempt
  }

  close(): void {
    this.#closed = true
    this.#become('disconnected')
    this.#unschedule()
  }

  async #look(): Promise<void> {
    this.#lastAttemptAt = this.#clock.monotonic()
    this.#unschedule()
    this.#breaker.halfOpen()
    try {
      await this.#duties.ping()
      await this.#duties.recover()
    } catch (thrown) {
      this.#failures++
      this.#isAnswering = isErrorReply(asError(thrown).cause)
      this.#breaker.fail(asError(thrown))
      this.lose(asError(thrown))
      this.#schedule(this.#pause())
      return
    }
    if (this.#closed) return
    this.#failures = 0
    this.#cause = undefined
    this.#breaker.close()
    this.#become('connected')
    this.#duties.onConnected(this.#clock.monotonic() - this.#lostAt)
  }

  #pause(): number {
    if (this.#breaker.state === 'open') {
      return this.#isAnswering ? Math.min(answeringPause, this.#cooldown) : this.#cooldown
    }
    return Math.min(firstPause * 2 ** Math.min(this.#failures, 6), longestPause, this.#cooldown)
  }

  #schedule(ms: number): void {
    this.#unschedule()
    if (this.#closed) return
    this.#timer = this.#clock.setTimer(() => {
      this.#timer = undefined
      void this.lookNow()
    }, ms)
  }

  #unschedule(): void {
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer)
    this.#timer = undefined
  }

  #become(state: LinkState): void {
    this.#state = state
    if (state !== 'starting') this.#started?.()
  }
}
