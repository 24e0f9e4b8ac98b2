import type { Clock } from '../clock.js'
import { CacheError } from '../errors.js'
import type { Stamp } from '../stamp.js'
import type { Cover } from './cover.js'
import { type Head, headAt, readHead } from './head.js'
import type { Issued, Journal } from './journal.js'
import type { Knowledge } from './knowledge.js'
import type { LogParts } from './log-parts.js'
import { type MetNote, MetNotes, type Origin } from './met-notes.js'
import type { Mirror } from './mirror.js'
import { type Nonces, noLife } from './nonces.js'
import type { CoverMark, LogPage, LogRecord, LogState, SharedLog } from './shared-log.js'

/** Callbacks of a {@link Follower}. */
export interface FollowerDuties {
  /** Called with the records of other processes. */
  readonly onRecords: (covers: readonly Cover[], record: Pick<LogRecord, 'position' | 'nonce'>) => void
  /** Called if all entries in memory may be invalid. */
  readonly onForget: () => void
  /** Called if the log can no longer be followed; rejects when everything possible has been done about it. */
  readonly onLostTrack: (message: string) => Promise<never>
}

/** Reads the log within the caller's deadlines. */
export interface LogReader {
  /** Reads up to `count` records from a position on, inclusive. */
  readonly since: (from: number, count: number) => Promise<LogPage>
  /** Reads some marks, from a position on. */
  readonly marksFrom: (from: number) => Promise<{ readonly marks: readonly CoverMark[]; readonly hasMore: boolean }>
}

/** Number of records per reply when catching up. */
const pageSize = 1000
/** Maximum number of records since its start that a new process reads; if there are more, it discards its entries. */
const mostRead = 10_000
/** Maximum size of those records, in bytes: so many arrive in time over a slow link. */
const mostBytesRead = 2_500_000
/**
 * Tolerated difference between the clocks of two servers, in ms; if it is larger, a new process may miss records since
 * its start.
 */
const clockMargin = 5000

/**
 * Tracks the position of this process in the shared log, and catches up with it. If a head is ahead, the records up to
 * it are read and added to the mirror; if it cannot follow the last one, the log has lost records.
 */
export class Follower {
  readonly #log: SharedLog
  readonly #journal: Journal
  readonly #mirror: Mirror
  readonly #nonces: Nonces
  readonly #knowledge: Knowledge
  readonly #clock: Clock
  readonly #duties: FollowerDuties
  readonly #notes: MetNotes
  readonly #startedAt: number
  #head: Head | undefined
  /** When the head last changed, in monotonic ms. */
  #movedAt = Number.NEGATIVE_INFINITY
  /**
   * The newest own record that the log acknowledged but that was not read from it yet: if it is missing, the log has
   * lost it.
   */
  #unseen: { readonly position: number; readonly nonce: string; readonly takenAt: number } | undefined
  #confirmedAt = Number.NEGATIVE_INFINITY
  #catchingUp: Promise<void> | undefined

  constructor({ log, journal, mirror, nonces, knowledge, clock }: LogParts, duties: FollowerDuties) {
    this.#log = log
    this.#journal = journal
    this.#mirror = mirror
    this.#nonces = nonces
    this.#knowledge = knowledge
    this.#clock = clock
    this.#duties = duties
    this.#notes = new MetNotes(clock)
    this.#startedAt = clock.monotonic()
  }

  /** The end of the applied part of the log; `undefined` until the log was opened. */
  get head(): Head | undefined {
    return this.#head
  }

  /** The position in the log of a handler that starts now. */
  get stamp(): Stamp {
    return this.#head ?? nowhere
  }

  /** When the mirror was last known to be complete, in monotonic ms. */
  get confirmedAt(): number {
    return this.#confirmedAt
  }

  /** Whether an own record was acknowledged by the log, but not read from it yet. */
  get missesOwn(): boolean {
    return this.#unseen !== undefined
  }

  /** The notes of other processes in this life of the log that this process has read. */
  get notes(): readonly MetNote[] {
    return this.#notes.ofThisLife
  }

  /** Number of notes this process has read, in all lives. */
  get notesMet(): number {
    return this.#notes.count
  }

  /** The knowledge that this process would bring to another life of the log. */
  get origin(): Origin {
    const { life, from, upTo } = this.#knowledge
    const leftAt = this.#clock.monotonic()
    const age = life === noLife ? leftAt - this.#startedAt : this.#knowledge.age
    return { life, from, upTo, age, leftAt, records: this.#knowledge.after(0) }
  }

  /**
   * Ensures that all records up to this head have been applied.
   *
   * @param text - the head as returned by Redis, together with the entries it judges or after them
   * @param askedAt - when the command was sent, in monotonic ms
   * @returns undefined if there is nothing to do; otherwise a promise that rejects if the log cannot be followed
   */
  follow(text: string | undefined, askedAt: number): undefined | Promise<void> {
    if (text !== undefined && text === this.#head?.text && this.#unseen === undefined) {
      this.confirm(askedAt)
      return undefined
    }
    return this.#catchUpWith(text, askedAt)
  }

  /**
   * Whether this process was in step with the log before the clock of the same server reached this position, within a
   * few seconds.
   *
   * @param now - the time of that clock, just read: it may have been set since this process entered its life of the log
   */
  wasInStepBefore(position: number, now: number): boolean {
    const outOfStepFor = this.#clock.monotonic() - this.#confirmedAt
    return now - position < (outOfStepFor + clockMargin) * 1000
  }

  /** Notes that all records in the log at `askedAt` have been applied. */
  confirm(askedAt: number): void {
    if (askedAt > this.#confirmedAt) this.#confirmedAt = askedAt
  }

  /**
   * Appends invalidations of this process to this life of the log, in one record. If there are several, its name is new:
   * by the answer to an earlier record with others of them, it cannot be taken for appended.
   *
   * @throws CacheError if the log has another life
   */
  async append(incarnation: string, batch: readonly [Issued, ...Issued[]]): Promise<void> {
    const nonce = batch.length === 1 ? batch[0].nonce : this.#nonces.next()
    const covers = batch.flatMap(({ recorded }) => recorded.covers)
    const result = await this.#log.append(incarnation, this.#head?.position ?? 0, nonce, covers)
    if (!result.appended)
      throw new CacheError('log-broken', 'the invalidation log is a new one, or a part of it is gone')
    const { head } = result
    if (head.nonce !== nonce) throw new CacheError('redis-out-of-step', 'the log answered for another record')
    this.#acknowledge(batch, head.position, result.existed)
    if (head.incarnation === this.#head?.incarnation) {
      for (const issued of batch) this.#knowledge.add(head.position, issued.nonce, issued.recorded.covers)
    }
    // No other record came in between: the head can move without reading the log.
    if (isSamePlace(readHead(result.previous), this.#head)) this.#moveTo(head)
    else if (head.incarnation === this.#head?.incarnation && head.position > this.#head.position) {
      this.#unseen = { position: head.position, nonce, takenAt: this.#clock.monotonic() }
    }
  }

  /** @param existed - the first bytes of the previous values of all exact keys */
  #acknowledge(batch: readonly Issued[], position: number, existed: readonly Buffer[]): void {
    let at = 0
    for (const issued of batch) {
      const keys = issued.recorded.covers.filter(({ kind }) => kind === 'key').length
      this.#journal.acknowledge(issued, position)
      // Last: the journal remembers the invalidation, and not what it replaced.
      issued.told = { position, existed: existed.slice(at, at + keys) }
      at += keys
    }
  }

  /** Applies the records after the last one applied here. @throws CacheError if that record is missing */
  async catchUp(reader: Pick<LogReader, 'since'> = this.#log): Promise<void> {
    for (;;) {
      const known = this.#head
      if (known === undefined) throw new CacheError('log-broken', 'the invalidation log is not known yet')
      const { records, hasMore } = await reader.since(known.position, pageSize)
      const [first] = records
      if (first === undefined || !isSameRecord(first, known)) {
        throw new CacheError('log-broken', 'the invalidation log does not continue where it was left')
      }
      for (const record of records.slice(1)) this.#apply(record, known)
      if (!hasMore || records.length === 1) return
    }
  }

  /**
   * Joins the log as a process that has not followed it before. The marks contain earlier invalidations by prefix and
   * tag. Records are read only from the start of this process on, because only they can cover entries that it made
   * alone.
   *
   * @param holdsEntries - whether it has made entries; if not, at most one page of records is read
   */
  async join(state: LogState, holdsEntries: boolean, reader: LogReader): Promise<void> {
    this.#notes.enter(state, this.origin)
    this.#mirror.startOver()
    await this.#placeMarks(state, reader)
    await this.#readSinceStart(state, holdsEntries ? mostRead : 0, reader)
    this.#knowledge.enter(state.head.incarnation, state.head.position)
    this.#moveTo(state.head)
    await this.catchUp(reader)
  }

  /** Follows another life of the log that contains the last record applied here, and continues from there. */
  async goOn(state: LogState, known: Head, origin: Origin, reader: LogReader): Promise<void> {
    this.#notes.enter(state, origin)
    this.#unseen = undefined
    this.#knowledge.rename(state.head.incarnation)
    this.#moveTo(headAt(known, state.head))
    await this.catchUp(reader)
  }

  /** Follows another life of the log from its first record, because each of them may cover entries in memory. */
  async startOver(state: LogState, origin: Origin | undefined, reader: LogReader): Promise<void> {
    this.#notes.enter(state, origin)
    this.#unseen = undefined
    this.#mirror.startOver()
    await this.#applyMarks(state, reader)
    const { records } = await reader.since(0, 1)
    const [first] = records
    if (first === undefined) throw new CacheError('log-broken', 'the invalidation log has a head and no records')
    // A log begins with a record that covers nothing; if that record is missing, others are missing too.
    if (first.covers.length > 0) this.forget()
    this.#knowledge.enter(state.head.incarnation, first.covers.length > 0 ? first.position : 0)
    this.#moveTo(headAt(first, state.head))
    this.#take(first)
    await this.catchUp(reader)
  }

  /**
   * Continues at the end of the log. The records in between are gone, but the marks contain their prefixes and tags.
   */
  async skipTo(state: LogState, reader: LogReader): Promise<void> {
    await this.#placeMarks(state, reader)
    this.#unseen = undefined
    this.#knowledge.skip(state.head.position)
    this.#moveTo(state.head)
    await this.catchUp(reader)
  }

  /** Waits no longer for records that were asked for before an outage: the reply may never come. */
  abandonReads(): void {
    this.#catchingUp = undefined
  }

  /** Adds a record that this process has appended to the log again. */
  told(position: number, nonce: string, covers: readonly Cover[]): void {
    this.#mirror.place(covers, position)
    this.#knowledge.add(position, nonce, covers)
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
    while (this.#head?.text !== text || this.#unseen !== undefined) {
      const known: Head | undefined = this.#head
      if (known === undefined || known.incarnation !== ahead.incarnation) {
        return onLostTrack('the invalidation log is a new one')
      }
      if (this.#wentBack(ahead, known, askedAt)) return onLostTrack('the invalidation log lost records')
      // Replies may overtake each other: this head has already been applied.
      if (known.text === text) break
      if (known.position > ahead.position) {
        // That changes are counted is learned from this head, if the known one comes from a record.
        if (known.more === '') this.#head = headAt(known, { ...known, more: ahead.more })
        break
      }
      if (known.position === ahead.position) {
        if (known.nonce !== ahead.nonce) return onLostTrack('the invalidation log has another history')
        this.#moveTo(ahead)
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
    this.confirm(askedAt)
  }

  /** Whether a head precedes one that was known before it was requested. */
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
    if (!this.#nonces.isOwn(record.nonce)) this.#take(record)
  }

  /** Adds a record of another process to the mirror. */
  #take({ position, nonce, covers }: LogRecord): void {
    if (this.#notes.meet(nonce, position, this.#head?.born ?? 0)) this.forget()
    if (covers.length === 0) return
    this.#knowledge.add(position, nonce, covers)
    this.#mirror.record(covers, position)
    this.#duties.onRecords(covers, { position, nonce })
  }

  /** @throws CacheError if the log has passed the position of an own record, and the record was missing */
  #meet(record: LogRecord): void {
    const unseen = this.#unseen
    if (unseen === undefined || record.position < unseen.position) return
    if (record.nonce !== unseen.nonce) throw new CacheError('log-broken', 'the invalidation log lost a record')
    this.#unseen = undefined
  }

  async #readSinceStart(state: LogState, most: number, reader: LogReader): Promise<void> {
    const age = this.#clock.monotonic() - this.#startedAt
    const since = Math.max(0, state.time - (age + clockMargin) * 1000)
    const { records: oldest } = await reader.since(0, 1)
    const isTrimmed = oldest[0] === undefined || (oldest[0].covers.length > 0 && oldest[0].position > since)
    let from = since
    let count = 0
    let size = 0
    for (let isOver = isTrimmed; !isOver; ) {
      const { records, bytes, hasMore } = await reader.since(Math.floor(from), pageSize)
      for (const record of records) {
        if (record.position > state.head.position) break
        if (record.position >= from && !(count > 0 && record.position === from)) this.#take(record)
      }
      count += records.length
      size += bytes
      from = records.at(-1)?.position ?? from
      isOver = !hasMore || from >= state.head.position || records.length <= 1
      if ((count > most || size > mostBytesRead) && !isOver) return this.forget()
    }
    if (isTrimmed) this.forget()
  }

  /** Adds marks as positions in the log: they judge entries read from Redis. */
  async #placeMarks(state: LogState, reader: LogReader): Promise<void> {
    await readMarks(reader, ({ cover, position }) => this.#mirror.place([cover], position))
    this.#mirror.raiseFloor(state.head.floor)
  }

  /** Adds marks as records learned now: they judge entries in memory as well. */
  async #applyMarks(state: LogState, reader: LogReader): Promise<void> {
    await readMarks(reader, ({ cover, position }) => void this.#mirror.record([cover], position))
    this.#mirror.raiseFloor(state.head.floor)
  }

  #moveTo(head: Head): void {
    this.#head = head
    this.#movedAt = this.#clock.monotonic()
    this.#knowledge.reach(head.position)
    this.#mirror.raiseFloor(head.floor)
  }
}

const nowhere: Stamp = { incarnation: '-', position: 0 }

async function readMarks(reader: LogReader, take: (mark: CoverMark) => void): Promise<void> {
  for (let from = 0; ; ) {
    const { marks, hasMore } = await reader.marksFrom(from)
    for (const mark of marks) take(mark)
    const last = marks.at(-1)?.position ?? from
    if (!hasMore) return
    if (last <= from) throw new CacheError('log-broken', 'the marks of the invalidation log do not end')
    from = last
  }
}

/** Whether two heads name the same last record: what follows the fields of the log may have changed. */
function isSamePlace(one: Head | undefined, other: Head | undefined): boolean {
  if (one === undefined || one.incarnation !== other?.incarnation) return false
  return one.position === other.position && one.nonce === other.nonce
}

function isSameRecord(record: LogRecord, head: Head): boolean {
  return record.position === head.position && record.nonce === head.nonce
}
