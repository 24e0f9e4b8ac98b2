import type { Clock, Timer } from '../core/clock.js'
import type { Entry } from '../core/entry.js'
import type { Mark } from '../core/mark.js'
import type { Reason } from './reasons.js'
import { type StoredHead, StoredResponse } from './stored-response.js'

/**
 * How a handler's run ended, for those who waited for it:
 * - `stored`: here is the stored response, and whether Redis will have it;
 * - `refused`: its response was not stored, or not in time; everybody runs the handler themselves;
 * - `failed`: it answered with an error; whoever has a stale response may send it;
 * - `abandoned`: its client left, or it was invalidated meanwhile; somebody else should take over.
 */
export type Landing =
  | { readonly kind: 'stored'; readonly stored: StoredResponse; readonly written: Promise<boolean> }
  | { readonly kind: 'refused' | 'failed' | 'abandoned'; readonly reason?: Reason }

/** A run whose response was stored; it is put together for those who waited, if there are any. */
export class Stored {
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

/** One run of a handler that other requests for the same response may wait for. */
export class Flight {
  /** The moment the handler started, as far as invalidations go. */
  readonly mark: Mark
  /** Called once, when it has ended. */
  afterwards: ((landing: Landing) => void) | undefined
  readonly #clock: Clock
  readonly #limit: number
  readonly #onLanding: (landing: Landing) => void
  #landing: Landing | undefined
  #landed: Promise<Landing> | undefined
  #resolve: ((landing: Landing) => void) | undefined
  #timer: Timer

  /**
   * @param limit - the longest that anybody waits, in milliseconds from now
   * @param onLanding - called once, before those who wait go on
   */
  constructor(mark: Mark, clock: Clock, limit: number, onLanding: (landing: Landing) => void) {
    this.mark = mark
    this.#onLanding = onLanding
    this.#clock = clock
    this.#limit = mark.startedAt + limit
  }

  /** Whether it took so long that it is no longer worth waiting for. */
  get isOverdue(): boolean {
    return this.#clock.monotonic() >= this.#limit
  }

  /**
   * Waits for the end of the run, and no longer than the limit. A promise for each follower to await, and no callbacks:
   * so each goes on in its own async context.
   */
  wait(): Promise<Landing> {
    if (this.#landing !== undefined) return Promise.resolve(this.#landing)
    this.#landed ??= new Promise((resolve) => {
      this.#resolve = resolve
      this.#timer = this.#clock.setTimer(() => this.land({ kind: 'refused' }), this.#limit - this.#clock.monotonic())
    })
    return this.#landed
  }

  /** Ends it; the first time counts. */
  land(landing: Landing): void {
    if (this.#landing !== undefined) return
    this.#landing = landing
    this.#onLanding(landing)
    this.afterwards?.(landing)
    if (this.#resolve === undefined) return
    this.#clock.clearTimer(this.#timer)
    this.#resolve(landing)
  }
}
