import type { Clock } from '../clock.js'
import { CacheError } from '../errors.js'
import type { Stamp } from '../wire-frame.js'
import type { Cover } from './cover.js'
import type { Issued, Journal } from './journal.js'
import type { Mirror } from './mirror.js'
import { forgottenUpTo, type Nonces } from './nonces.js'
import { type Head, type LogRecord, type LogState, readHead, type SharedLog } from './shared-log.js'

/** What a {@link Follower} asks and tells. */
export interface FollowerDuties {
  /** Whether everything in the log is known to have reached this process. */
  readonly isConnected: () => boolean
  /** Records came from other processes. */
  readonly onRecords: (covers: readonly Cover[]) => void
  /** Whatever is in memory may be wrong. */
  readonly onForget: () => void
  /** The log cannot be followed any more; rejects when all has been done about it that can be. */
  readonly onLostTrack: (message: string) => Promise<never>
}

/** Reads up to `count` records from a position on, the one at that position included. */
export type ReadPage = (from: number, count: number) => Promise<readonly LogRecord[]>

/** Records read in one reply when catching up. */
const pageSize = 1000

/**
 * Where this process stands in the shared log, and how it keeps up: a head that is ahead means reading the records up
 * to it and entering them in the mirror; a head that cannot come after the last one means that the log lost something.
 */
export class Follower {
  readonly #log: SharedLog
  readonly #journal: Journal
  readonly #mirror: Mirror
  readonly #nonces: Nonces
  readonly #clock: Clock
  readonly #duties: FollowerDuties
  #head: Head | undefined
  /** When the head moved last; monotonic ms. */
  #movedAt = Number.NEGATIVE_INFINITY
  /** The newest record of ours that the log took and that has not been met in it since: if it is not there, the log lost it. */
  #unseen: { readonly position: number; readonly nonce: string; readonly takenAt: number } | undefined
  /** The last position at which this process knew everything; and what that was when this life of the log began for it. */
  #knownUpTo = 0
  #cameFrom = 0
  #confirmedAt = Number.NEGATIVE_INFINITY
  #catchingUp: Promise<void> | undefined

  constructor(log: SharedLog, journal: Journal, mirror: Mirror, nonces: Nonces, clock: Clock, duties: FollowerDuties) {
    this.#log = log
    this.#journal = journal
    this.#mirror = mirror
    this.#nonces = nonces
    this.#clock = clock
    this.#duties = duties
  }

  /** The end of what has been applied; `undefined` until the log was opened once. */
  get head(): Head | undefined {
    return this.#head
  }

  /** Where a handler that starts now stands in the log. */
  get stamp(): Stamp {
    return this.#head ?? nowhere
  }

  /** When the mirror was last known to be complete; monotonic ms. */
  get confirmedAt(): number {
    return this.#confirmedAt
  }

  /** Whether a record of ours that the log took has yet to be met in it. */
  get missesOwn(): boolean {
    return this.#unseen !== undefined
  }

  /**
   * Makes sure that everything up to this head has been applied.
   *
   * @param text - the head as Redis gave it, with or after the entries it is to judge
   * @param askedAt - monotonic ms, when the question was sent
   * @returns undefined when there is nothing to do; a promise that rejects when the log cannot be followed
   */
  follow(text: string | undefined, askedAt: number): undefined | Promise<void> {
    if (text !== undefined && text === this.#head?.text && this.#unseen === undefined) {
      this.confirm(askedAt)
      return undefined
    }
    return this.#catchUpWith(text, askedAt)
  }

  /** Everything that was in the log at `askedAt` has been applied. */
  confirm(askedAt: number): void {
    if (askedAt > this.#confirmedAt) this.#confirmedAt = askedAt
    if (this.#head !== undefined && this.#duties.isConnected()) this.#knownUpTo = this.#head.position
  }

  /**
   * Appends what was issued here to this life of the log.
   *
   * @returns what the exact keys held in Redis
   * @throws CacheError when the log is another one
   */
  async append(incarnation: string, issued: Issued): Promise<readonly Buffer[]> {
    const { nonce, recorded } = issued
    const result = await this.#log.append(incarnation, this.#head?.position ?? 0, nonce, recorded.covers)
    if (!result.appended) throw new CacheError('log-broken', 'the invalidation log is a new one')
    this.#journal.acknowledge(issued, result.head.position)
    // Nothing came between what had been applied and this record: the head may move without reading the log.
    if (result.previous === this.#head?.text) this.#moveTo(result.head)
    else if (result.head.incarnation === this.#head?.incarnation && result.head.position > this.#head.position) {
      this.#unseen = { position: result.head.position, nonce, takenAt: this.#clock.monotonic() }
    }
    return result.existed
  }

  /** Applies what the log has beyond the last record applied here. @throws CacheError when that record is not there */
  async catchUp(readPage: ReadPage = (from, count) => this.#log.since(from, count)): Promise<void> {
    for (;;) {
      const known = this.#head
      if (known === undefined) throw new CacheError('log-broken', 'the invalidation log is not known yet')
      const records = await readPage(known.position, pageSize)
      const [first] = records
      if (first === undefined || first.position !== known.position || first.nonce !== known.nonce) {
        throw new CacheError('log-broken', 'the invalidation log does not continue where it was left')
      }
      for (const record of records.slice(1)) this.#apply(record, known)
      if (records.length < pageSize) return
    }
  }

  /** Follows another life of the log, from its start: what memory holds may be covered by any of it. */
  async startOver(state: LogState, readPage: ReadPage): Promise<void> {
    this.#cameFrom = this.#knownUpTo
    this.#unseen = undefined
    this.#mirror.startOver()
    this.#applyMarks(state)
    const [first] = await readPage(0, pageSize)
    if (first === undefined) throw new CacheError('log-broken', 'the invalidation log has a head and no records')
    // A log begins with a record that covers nothing; where that one is gone, others are gone with it.
    if (first.covers.length > 0) this.forget()
    this.#head = headAt(first, state.head)
    this.#mirror.record(first.covers, first.position)
    await this.catchUp(readPage)
  }

  /** Goes on at the end of the log. The records in between are gone; the marks say what they did to prefixes and tags. */
  skipTo(state: LogState): void {
    this.#applyMarks(state)
    this.#unseen = undefined
    this.#moveTo(state.head)
  }

  /** Nothing of what was stored or judged until now may be used: records that may cover it cannot be had. */
  forget(): void {
    this.#mirror.forgetEverything()
    this.#duties.onForget()
  }

  /** Shared by all who find the head ahead; asks again when it has moved on meanwhile. */
  async #catchUpWith(text: string | undefined, askedAt: number): Promise<void> {
    const { onLostTrack } = this.#duties
    if (text === undefined) return onLostTrack('the head of the invalidation log is gone')
    const ahead = readHead(text)
    if (ahead === undefined) return onLostTrack('the head of the invalidation log is none')
    while (this.#head?.text !== text || this.#unseen !== undefined) {
      const known: Head | undefined = this.#head
      if (known === undefined || known.incarnation !== ahead.incarnation) {
        return onLostTrack('the invalidation log is a new one')
      }
      if (this.#wentBack(ahead, known, askedAt)) return onLostTrack('the invalidation log lost records')
      // A reply may overtake another: what it says has been applied already.
      if (known.text === text || known.position > ahead.position) break
      if (known.position === ahead.position) {
        if (known.nonce !== ahead.nonce) return onLostTrack('the invalidation log has another history')
        this.#moveTo(ahead)
        break
      }
      this.#catchingUp ??= this.catchUp().finally(() => {
        this.#catchingUp = undefined
      })
      try {
        await this.#catchingUp
      } catch (thrown) {
        if (thrown instanceof CacheError && thrown.code === 'log-broken') return onLostTrack(thrown.message)
        throw thrown
      }
    }
    this.confirm(askedAt)
  }

  /** Whether a head that was asked for later than another was known comes before that one. */
  #wentBack(ahead: Head, known: Head, askedAt: number): boolean {
    const unseen = this.#unseen
    if (ahead.position < known.position && askedAt > this.#movedAt) return true
    return unseen !== undefined && ahead.position < unseen.position && askedAt > unseen.takenAt
  }

  #apply(record: LogRecord, known: Head): void {
    const current = this.#head
    if (current === undefined || current.incarnation !== known.incarnation || record.position <= current.position)
      return
    this.#moveTo(headAt(record, known))
    this.#meet(record)
    if (this.#nonces.isOwn(record.nonce)) return
    if (forgottenUpTo(record.nonce) > this.#cameFrom) this.forget()
    if (record.covers.length === 0) return
    this.#mirror.record(record.covers, record.position)
    this.#duties.onRecords(record.covers)
  }

  /** @throws CacheError when the log has gone past the place of a record of ours, and it was not there */
  #meet(record: LogRecord): void {
    const unseen = this.#unseen
    if (unseen === undefined || record.position < unseen.position) return
    if (record.nonce !== unseen.nonce) throw new CacheError('log-broken', 'the invalidation log lost a record')
    this.#unseen = undefined
  }

  #applyMarks(state: LogState): void {
    for (const { cover, position } of state.marks) this.#mirror.record([cover], position)
    this.#mirror.raiseFloor(state.head.floor)
  }

  #moveTo(head: Head): void {
    this.#head = head
    this.#movedAt = this.#clock.monotonic()
    this.#mirror.raiseFloor(head.floor)
  }
}

const nowhere: Stamp = { incarnation: '-', position: 0 }

function headAt({ position, nonce }: LogRecord, { incarnation, floor }: Head): Head {
  return { incarnation, position, nonce, floor, text: `${incarnation} ${position} ${nonce} ${floor}` }
}
