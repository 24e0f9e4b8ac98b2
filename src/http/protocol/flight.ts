import type { Clock, Timer } from '../../core/clock.js'
import type { Entry } from '../../core/entry.js'
import type { Gauges } from '../../core/gauges.js'
import type { RunMark } from '../../core/mark.js'
import type { Reason } from '../rules/reasons.js'
import { type StoredHead, StoredResponse } from '../store/stored-response.js'
import { release } from './release.js'

/**
 * How a handler's run ended, for those who waited for it:
 * - `stored`: here is the stored response, and whether Redis will have it;
 * - `refused`: its response was not stored, or not in time; everybody runs the handler themselves;
 * - `failed`: it answered with an error; whoever has a stale response may send it;
 * - `abandoned`: its client left or does not read, or it was invalidated; another request takes over.
 */
export type Landing =
  | { readonly kind: 'stored'; readonly stored: StoredResponse; readonly written: Promise<boolean> }
  | { readonly kind: 'refused' | 'failed' | 'abandoned'; readonly reason?: Reason }

/** A run whose response was stored; it is put together for those who waited, if there are any. */
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

/** How long a body may take from its head on, ms; requests that wait for its end run the handler themselves then. */
const STREAM_PATIENCE = 500

/** How long a handler may be held up by its client, ms; another request runs it then for those that wait. */
const CLIENT_PATIENCE = 100

/** One run of a handler that other requests for the same response may wait for. */
export class Flight {
  /** The moment the handler started, as far as invalidations go. */
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
   * @param limit - the longest that a request waits, in milliseconds from now
   * @param onLanding - called once, before those who wait go on
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

  /** Whether its body has taken so long, through no fault of its client, that the next ones are likely to. */
  get isSlow(): boolean {
    if (this.#streamsSince === undefined || this.#pausedSince !== undefined) return false
    return this.#clock.monotonic() >= this.#streamsSince + STREAM_PATIENCE
  }

  /** Whether it takes so long, as a whole or from its head on, that it is no longer worth waiting for. */
  get isOverdue(): boolean {
    return this.#clock.monotonic() >= this.#due
  }

  /**
   * Waits for the end of the run, and no longer than the limit. A promise for each follower to await, and no callbacks:
   * so each goes on in its own async context.
   */
  wait(): Promise<Landing> {
    if (this.#landing !== undefined) return Promise.resolve(this.#landing)
    this.#gauges.waiting += 1
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
      this.#watch()
    })
  }

  /** Has `run` called once, when it has ended or no request is to wait for it any longer: at once if that was before. */
  afterwards(run: (landing: Landing) => void): void {
    if (this.#landing === undefined) this.#afterwards = run
    else run(this.#landing)
  }

  /** The head is known, and its body comes in pieces. */
  stream(): void {
    this.#streamsSince = this.#clock.monotonic()
    this.#watch()
  }

  /** The handler is held up by a client that does not read as fast as it writes. */
  pause(): void {
    this.#pausedSince ??= this.#clock.monotonic()
    this.#watch()
  }

  /** The client has caught up. */
  resume(): void {
    this.#pausedSince = undefined
  }

  /** Ends it; the first time counts. */
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

  /** Has a timer end it, where a request or another process waits. */
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
    // A slow client says nothing about the handler: one of those who wait runs it for the others.
    else this.land({ kind: this.#pausedSince === undefined ? 'refused' : 'abandoned' })
  }
}
