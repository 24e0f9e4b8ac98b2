import type { Clock } from '../clock.js'
import { CacheError } from '../errors.js'
import { NOWHERE, type Stamp } from '../stamp.js'
import { type Head, headAt } from './head.js'
import type { Knowledge } from './knowledge.js'
import type { Mirror } from './mirror.js'
import type { LogRecord } from './shared-log.js'

/**
 * Tolerated difference between the clocks of two servers, in ms; if it is larger, a new process may miss records since
 * its start.
 */
export const CLOCK_MARGIN = 5000

/** How far a process has read the log of invalidations. */
export interface LogStats {
  /**
   * Position of the last record that was applied, in microseconds of the Redis clock: processes that show the same one
   * know the same invalidations. `null` before the first connection.
   */
  readonly position: number | null
  /**
   * For how long other processes may have added records that this one does not know, in seconds. Below 2 while Redis is
   * used; grows during an outage. `null` before the first connection.
   */
  readonly lagSeconds: number | null
}

/** A record of this process that the log acknowledged. */
interface OwnRecord {
  readonly position: number
  readonly nonce: string
  readonly takenAt: number
}

/** The position in the shared log up to which this process has applied all records, and when that was last confirmed. */
export class LogPosition {
  readonly #mirror: Mirror
  readonly #knowledge: Knowledge
  readonly #clock: Clock
  #head: Head | undefined
  /** When the head last changed, in monotonic ms. */
  #movedAt = Number.NEGATIVE_INFINITY
  /** The newest own record that was not read from the log yet: if it is missing there, the log has lost it. */
  #unseen: OwnRecord | undefined
  #confirmedAt = Number.NEGATIVE_INFINITY

  constructor(mirror: Mirror, knowledge: Knowledge, clock: Clock) {
    this.#mirror = mirror
    this.#knowledge = knowledge
    this.#clock = clock
  }

  /** The end of the applied part of the log; `undefined` until the log was opened. */
  get head(): Head | undefined {
    return this.#head
  }

  /** The position in the log of a handler that starts now. */
  get stamp(): Stamp {
    return this.#head ?? NOWHERE
  }

  /** When the mirror was last known to be complete, in monotonic ms. */
  get confirmedAt(): number {
    return this.#confirmedAt
  }

  /** Whether an own record was acknowledged by the log, but not read from it yet. */
  get missesOwn(): boolean {
    return this.#unseen !== undefined
  }

  stats(): LogStats {
    const lag = Math.max(0, this.#clock.monotonic() - this.#confirmedAt)
    return { position: this.#head?.position ?? null, lagSeconds: Number.isFinite(lag) ? lag / 1000 : null }
  }

  /**
   * Whether this process was in step with the log before the clock of the same server reached this position, within a
   * few seconds.
   *
   * @param now - the time of that clock, just read: it may have been set since this process entered its life of the log
   */
  wasInStepBefore(position: number, now: number): boolean {
    const outOfStepFor = this.#clock.monotonic() - this.#confirmedAt
    return now - position < (outOfStepFor + CLOCK_MARGIN) * 1000
  }

  /** Whether a head precedes a position that was known before the head was requested: the log has lost records. */
  wentBack(ahead: Head, askedAt: number): boolean {
    const unseen = this.#unseen
    if (this.#head !== undefined && ahead.position < this.#head.position && askedAt > this.#movedAt) return true
    return unseen !== undefined && ahead.position < unseen.position && askedAt > unseen.takenAt
  }

  /** Notes that all records in the log at `askedAt` have been applied. */
  confirm(askedAt: number): void {
    if (askedAt > this.#confirmedAt) this.#confirmedAt = askedAt
  }

  /** Notes that all records up to this head have been applied. */
  moveTo(head: Head): void {
    this.#head = head
    this.#movedAt = this.#clock.monotonic()
    this.#knowledge.reach(head.position)
    this.#mirror.raiseFloor(head.floor)
  }

  /** Expects no own record any longer: another life of the log, or the part after a gap, may lack it. */
  expectNoOwn(): void {
    this.#unseen = undefined
  }

  /** Takes the fields that follow those of the log from a head, unless the known one has some: it may be of a record. */
  learnMore({ more }: Head): void {
    if (this.#head?.more === '') this.#head = headAt(this.#head, { ...this.#head, more })
  }

  /**
   * Notes that the log has a record of this process.
   *
   * @param head - the head with this record as the last one
   * @param previous - the head before it; `undefined` if it cannot be read
   */
  acknowledge(head: Head, previous: Head | undefined): void {
    // No other record came in between: the head can move without reading the log.
    if (isSamePlace(previous, this.#head)) this.moveTo(head)
    else if (head.incarnation === this.#head?.incarnation && head.position > this.#head.position) {
      this.#unseen = { position: head.position, nonce: head.nonce, takenAt: this.#clock.monotonic() }
    }
  }

  /** @throws CacheError if the log has passed the position of an own record, and the record was missing */
  meet(record: LogRecord): void {
    const unseen = this.#unseen
    if (unseen === undefined || record.position < unseen.position) return
    if (record.nonce !== unseen.nonce) throw new CacheError('log-broken', 'the invalidation log lost a record')
    this.#unseen = undefined
  }
}

/** Whether two heads name the same last record: what follows the fields of the log may have changed. */
function isSamePlace(one: Head | undefined, other: Head | undefined): boolean {
  if (one === undefined || one.incarnation !== other?.incarnation) return false
  return one.position === other.position && one.nonce === other.nonce
}
