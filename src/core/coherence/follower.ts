import { CacheError } from '../errors.js'
import type { Cover } from './cover.js'
import { type Head, headAt, readHead } from './head.js'
import type { Knowledge } from './knowledge.js'
import type { LogParts } from './log-parts.js'
import type { LogPosition } from './log-position.js'
import type { MetNotes } from './met-notes.js'
import type { Mirror } from './mirror.js'
import type { Nonces } from './nonces.js'
import type { LogReader } from './patient-reader.js'
import type { LogRecord, SharedLog } from './shared-log.js'

/** Callbacks of a {@link Follower}. */
export interface FollowerDuties {
  /** Called with the records of other processes. */
  readonly onRecords: (covers: readonly Cover[], record: Pick<LogRecord, 'position' | 'nonce'>) => void
  /** Called if all entries in memory may be invalid. */
  readonly onForget: () => void
  /** Called if the log can no longer be followed; rejects when everything possible has been done about it. */
  readonly onLostTrack: (message: string) => Promise<never>
}

/** Number of records per reply when catching up. */
export const PAGE_SIZE = 1000

/**
 * Keeps this process at the end of the shared log. If a head is ahead, the records up to it are read and added to the
 * mirror; if it cannot follow the last one, the log has lost records.
 */
export class Follower {
  readonly #log: SharedLog
  readonly #mirror: Mirror
  readonly #nonces: Nonces
  readonly #knowledge: Knowledge
  readonly #notes: MetNotes
  readonly #position: LogPosition
  readonly #duties: FollowerDuties
  #catchingUp: Promise<void> | undefined

  constructor({ log, mirror, nonces, knowledge, notes, position }: LogParts, duties: FollowerDuties) {
    this.#log = log
    this.#mirror = mirror
    this.#nonces = nonces
    this.#knowledge = knowledge
    this.#notes = notes
    this.#position = position
    this.#duties = duties
  }

  /**
   * Ensures that all records up to this head have been applied.
   *
   * @param text - the head as returned by Redis, together with the entries it judges or after them
   * @param askedAt - when the command was sent, in monotonic ms
   * @returns undefined if there is nothing to do; otherwise a promise that rejects if the log cannot be followed
   */
  follow(text: string | undefined, askedAt: number): undefined | Promise<void> {
    if (text !== undefined && text === this.#position.head?.text && !this.#position.missesOwn) {
      this.#position.confirm(askedAt)
      return undefined
    }
    return this.#catchUpWith(text, askedAt)
  }

  /** Applies the records after the last one applied here. @throws CacheError if that record is missing */
  async catchUp(reader: Pick<LogReader, 'since'> = this.#log): Promise<void> {
    for (let skipped = 0; ; ) {
      const known = this.#position.head
      if (known === undefined) throw new CacheError('log-broken', 'the invalidation log is not known yet')
      const { records, hasMore } = await reader.since(known.position + skipped, PAGE_SIZE)
      const [first] = records
      if (skipped === 0 && (first === undefined || !isSameRecord(first, known))) {
        throw new CacheError('log-broken', 'the invalidation log does not continue where it was left')
      }
      for (const record of records.slice(1 - skipped)) this.#apply(record, known)
      if (!hasMore || records.length === 1) return
      skipped = this.#position.head === known ? 1 : 0
      // A page of records at one position: they are of another program, and may cover everything.
      if (skipped === 1) this.forget()
    }
  }

  /** Waits no longer for records that were asked for before an outage: the reply may never come. */
  abandonReads(): void {
    this.#catchingUp = undefined
  }

  /** Adds a record of another process to the mirror. */
  take({ position, nonce, covers }: LogRecord): void {
    if (this.#notes.meet(nonce, position, this.#position.head?.born ?? 0)) this.forget()
    if (covers.length === 0) return
    this.#knowledge.add(position, nonce, covers)
    this.#mirror.record(covers, position)
    this.#duties.onRecords(covers, { position, nonce })
  }

  /** Invalidates all results stored or judged so far, because records that may cover them cannot be read. */
  forget(): void {
    this.#notes.forgetOrigin()
    this.#mirror.forgetEverything()
    this.#duties.onForget()
  }

  /** Catches up with a head that is ahead, once for all concurrent callers; repeats if the head has moved on. */
  async #catchUpWith(text: string | undefined, askedAt: number): Promise<void> {
    const { onLostTrack } = this.#duties
    if (text === undefined) return onLostTrack('the head of the invalidation log is gone')
    const ahead = readHead(text)
    if (ahead === undefined) return onLostTrack('the head of the invalidation log cannot be read')
    const position = this.#position
    while (position.head?.text !== text || position.missesOwn) {
      const known: Head | undefined = position.head
      if (known === undefined || known.incarnation !== ahead.incarnation) {
        return onLostTrack('the invalidation log is a new one')
      }
      if (position.wentBack(ahead, askedAt)) return onLostTrack('the invalidation log lost records')
      // Replies may overtake each other: this head has already been applied.
      if (known.text === text) break
      if (known.position > ahead.position) {
        position.learnMore(ahead)
        break
      }
      if (known.position === ahead.position) {
        if (known.nonce !== ahead.nonce) return onLostTrack('the invalidation log has another history')
        position.moveTo(ahead)
        break
      }
      const catchingUp = this.#catchingUp ?? this.catchUp()
      this.#catchingUp = catchingUp
      try {
        await catchingUp
      } catch (thrown) {
        if (thrown instanceof CacheError && thrown.code === 'log-broken') return onLostTrack(thrown.message)
        throw thrown
      } finally {
        if (this.#catchingUp === catchingUp) this.#catchingUp = undefined
      }
    }
    position.confirm(askedAt)
  }

  #apply(record: LogRecord, known: Head): void {
    const { head } = this.#position
    if (head === undefined || head.incarnation !== known.incarnation || record.position <= head.position) return
    this.#position.moveTo(headAt(record, known))
    this.#position.meet(record)
    if (!this.#nonces.isOwn(record.nonce)) this.take(record)
  }
}

function isSameRecord(record: LogRecord, head: Head): boolean {
  return record.position === head.position && record.nonce === head.nonce
}
