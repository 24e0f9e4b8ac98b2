import type { Clock, Timer } from '../../core/clock.js'
import type { Entry } from '../../core/entry.js'
import type { Gauges } from '../../core/gauges.js'
import type { RunMark } from '../../core/mark.js'
import type { Reason } from '../rules/reasons.js'
import type { StoredHead } from '../store/stored-head.js'
import { StoredResponse } from '../store/stored-response.js'
import { release } from './release.js'

/**
 * How a handler run ended for the requests that waited for it:
 * - `stored`: the response was stored; `written` resolves to whether Redis has it;
 * - `refused`: the response was not stored, or not in time; each waiting request runs the handler itself;
 * - `failed`: the handler answered with an error; waiting requests may get a stale response;
 * - `abandoned`: the client left or reads too slowly, or the response was invalidated; another request runs the
 *   handler.
 */
export type Landing =
  | { readonly kind: 'stored'; readonly stored: StoredResponse; readonly written: Promise<boolean> }
  | { readonly kind: 'refused' | 'failed' | 'abandoned'; readonly reason?: Reason }

/** A run whose response was stored. The response object is built on first use, because often no request has waited. */
export class StoredRun {
  readonly kind = 'stored'
  readonly written: Promise<boolean>
  readonly #entry: Entry
  readonly #head: StoredHead
  #stored: StoredResponse | undefined

  constructor(entry: Entry, head: StoredHead, written: Promise<boolean>) {
    this.#entry = entry
    this.#head = head
    this.written = written
  }

  get stored(): StoredResponse {
    this.#stored ??= new StoredResponse(this.#entry, this.#head)
    return this.#stored
  }
}

/** How long a body may take after its head, in ms; then waiting requests run the handler themselves. */
const STREAM_PATIENCE = 500

/** How long a slow client may hold up a handler, in ms; then another request runs the handler for those that wait. */
const CLIENT_PATIENCE = 100

/** One handler run that requests for the same response may wait for. */
export class Flight {
  /** The handler's start, which decides which invalidations affect the response. */
  readonly mark: RunMark
  readonly #clock: Clock
  readonly #limit: number
  readonly #onLanding: (landing: Landing) => void
  readonly #gauges: Gauges
  readonly #waiting: ((landing: Landing) => void)[] = []
  #landing: Landing | undefined
  #afterwards: ((landing: Landing) => void) | undefined
  #streamsSince: number | undefined
  #pausedSince: number | undefined
  #timer: Timer
  #timerAt = Number.POSITIVE_INFINITY

  /**
   * @param limit - maximum waiting time, in milliseconds from the start of the run
   * @param onLanding - called once, before waiting requests continue
   */
  constructor(
    mark: RunMark,
    { clock, gauges }: { readonly clock: Clock; readonly gauges: Gauges },
    limit: number,
    onLanding: (landing: Landing) => void,
  ) {
    this.mark = mark
    this.#onLanding = onLanding
    this.#clock = clock
    this.#limit = mark.startedAt + limit
    this.#gauges = gauges
  }

  /**
   * Whether the body has taken so long, not because of a slow client, that the next responses are likely to be slow
   * too.
   */
  get isSlow(): boolean {
    if (this.#streamsSince === undefined || this.#pausedSince !== undefined) return false
    return this.#clock.monotonic() >= this.#streamsSince + STREAM_PATIENCE
  }

  /** Whether the run has reached its time limit, in total or since its head, and is no longer worth waiting for. */
  get isOverdue(): boolean {
    return this.#clock.monotonic() >= this.#due
  }

  /**
   * Waits for the end of the run, up to the limit. Each waiting request awaits a promise of its own instead of passing
   * a callback, so that it continues in its own async context.
   */
  wait(): Promise<Landing> {
    if (this.#landing !== undefined) return Promise.resolve(this.#landing)
    this.#gauges.waiting += 1
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
      this.#watch()
    })
  }

  /** Calls `run` once when the run has ended or reached its time limit; immediately if it already has. */
  afterwards(run: (landing: Landing) => void): void {
    if (this.#landing === undefined) this.#afterwards = run
    else run(this.#landing)
  }

  /** Notes that the head is known, and the body arrives in chunks. */
  stream(): void {
    this.#streamsSince = this.#clock.monotonic()
    this.#watch()
  }

  /** Notes that the client reads more slowly than the handler writes. */
  pause(): void {
    this.#pausedSince ??= this.#clock.monotonic()
    this.#watch()
  }

  /** Notes that the client has caught up. */
  resume(): void {
    this.#pausedSince = undefined
  }

  /** Ends the run; only the first call counts. */
  land(landing: Landing): void {
    if (this.#landing !== undefined) return
    this.#landing = landing
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer)
    this.#onLanding(landing)
    this.#afterwards?.(landing)
    if (this.#waiting.length === 0) return
    this.#gauges.waiting -= this.#waiting.length
    void release(this.#waiting, landing, this.#clock)
  }

  get #due(): number {
    const streamed = (this.#streamsSince ?? Number.POSITIVE_INFINITY) + STREAM_PATIENCE
    return Math.min(this.#limit, streamed, (this.#pausedSince ?? Number.POSITIVE_INFINITY) + CLIENT_PATIENCE)
  }

  /** Sets a timer for the time limit if a request or another process waits. */
  #watch(): void {
    if (this.#landing !== undefined || (this.#waiting.length === 0 && this.#afterwards === undefined)) return
    const due = this.#due
    if (this.#timerAt <= due) return
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer)
    this.#timerAt = due
    this.#timer = this.#clock.setTimer(() => this.#onTimer(), due - this.#clock.monotonic())
  }

  #onTimer(): void {
    this.#timer = undefined
    this.#timerAt = Number.POSITIVE_INFINITY
    if (!this.isOverdue) this.#watch()
    // A slow client says nothing about the handler: one of the waiting requests runs it for the others.
    else this.land({ kind: this.#pausedSince === undefined ? 'refused' : 'abandoned' })
  }
}
