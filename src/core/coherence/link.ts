import type { Clock, Timer } from '../clock.js'
import { asError } from '../errors.js'
import type { CircuitBreaker } from '../tiers/circuit-breaker.js'
import { isErrorReply } from '../tiers/redis-tier.js'

/**
 * The state of the connection to Redis:
 * - `starting`: the first connection is being made, and requests wait for it within their deadline;
 * - `connected`: Redis answers, and this process has caught up with the log;
 * - `disconnected`: only memory is used.
 */
export type LinkState = 'starting' | 'connected' | 'disconnected'

/** The functions that a {@link Link} calls. */
export interface LinkDuties {
  /** Checks whether Redis answers. */
  readonly ping: () => Promise<unknown>
  /** Performs the recovery that is required before Redis is used. */
  readonly recover: () => Promise<void>
  readonly onLost: (cause: Error | undefined) => void
  /** Called if another attempt fails while Redis is already disconnected. */
  readonly onStillLost?: (cause: Error) => void
  readonly onConnected: (disconnectedFor: number) => void
  /**
   * Whether no event will report that Redis can be used again, because the client keeps the connection, and gives up
   * commands before their replies.
   */
  readonly isUnheard?: (cause: Error) => boolean
}

/** Minimum time between two attempts triggered by events, in ms. */
const SHORTEST_PAUSE = 250
/** Pause after a failed attempt while the breaker is closed, in ms; doubled up to the longest. */
const FIRST_PAUSE = 250
const LONGEST_PAUSE = 5_000
/** Pause while no event will report that Redis can be used, in ms. */
const UNANNOUNCED_PAUSE = 2_000

/**
 * Tracks whether Redis can be used, and decides when to try again: when the client reports a connection, when a reply
 * arrives after its timeout, or after the cooldown. There is one attempt at a time, and none is part of a user's
 * request.
 */
export class Link {
  #state: LinkState = 'starting'
  #attempt: Promise<void> | undefined
  #again = false
  #lastAttemptAt = Number.NEGATIVE_INFINITY
  #failures = 0
  /** Whether no event will report that Redis can be used: it answers that it cannot serve yet (LOADING), or is not heard. */
  #isUnannounced = false
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

  /** Resolves when the first connection has succeeded or failed. */
  get whenStarted(): Promise<void> {
    return this.#whenStarted
  }

  /** The last error that prevented the use of Redis; `undefined` while it is connected. */
  get cause(): Error | undefined {
    return this.#cause
  }

  /** The recovery attempt in progress, if there is one. */
  get attempt(): Promise<void> | undefined {
    return this.#attempt
  }

  /** Notes that Redis can no longer be used, and schedules the next attempt. */
  lose(cause?: Error): void {
    if (this.#closed) return
    const was = this.#state
    // An error reply of Redis says more than that there is no connection now.
    if (cause !== undefined && (isErrorReply(cause.cause) || !isErrorReply(this.#cause?.cause))) this.#cause = cause
    if (cause !== undefined) {
      this.#isUnannounced = isErrorReply(cause.cause) || this.#duties.isUnheard?.(cause) === true
    }
    this.#become('disconnected')
    if (was !== 'disconnected') {
      this.#lostAt = this.#clock.monotonic()
      this.#failures = 0
      this.#duties.onLost(cause)
    } else if (cause !== undefined) this.#duties.onStillLost?.(cause)
    // A connection that repeatedly comes and goes must not postpone the next attempt forever.
    if (was !== 'disconnected' || this.#timer === undefined) this.#schedule(this.#pause())
  }

  /** Redis may be back: tries again as soon as the last attempt is long enough ago. */
  lookSoon(): void {
    if (this.#closed || this.#state === 'connected') return
    if (this.#attempt !== undefined) {
      this.#again = true
      return
    }
    const wait = this.#lastAttemptAt + SHORTEST_PAUSE - this.#clock.monotonic()
    if (wait <= 0) void this.lookNow()
    else this.#schedule(wait)
  }

  /** Tries now, or joins the attempt in progress. Never rejects. */
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
      return this.#isUnannounced ? Math.min(UNANNOUNCED_PAUSE, this.#cooldown) : this.#cooldown
    }
    return Math.min(FIRST_PAUSE * 2 ** Math.min(this.#failures, 6), LONGEST_PAUSE, this.#cooldown)
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
