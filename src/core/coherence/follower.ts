import type { Clock } from '../clock.js'
import { CacheError } from '../errors.js'
import type { Stamp } from '../stamp.js'
import type { Cover } from './cover.js'
import { type Head, headAt, readHead } from './head.js'
import type { Issued, Journal } from './journal.js'
import type { Knowledge, KnownRecord } from './knowledge.js'
import { decisive, type MetNote, mostNotes } from './met-note.js'
import type { Mirror } from './mirror.js'
import { type Nonces, noLife, readNote } from './nonces.js'
import type { CoverMark, LogPage, LogRecord, LogState, SharedLog } from './shared-log.js'

/** What a {@link Follower} asks and tells. */
export interface FollowerDuties {
  /** Records came from other processes. */
  readonly onRecords: (covers: readonly Cover[]) => void
  /** Whatever is in memory may be wrong. */
  readonly onForget: () => void
  /** The log cannot be followed any more; rejects when all has been done about it that can be. */
  readonly onLostTrack: (message: string) => Promise<never>
}

/** How the log is read, within whose deadlines. */
export interface LogReader {
  /** Reads up to `count` records from a position on, the one at that position included. */
  readonly since: (from: number, count: number) => Promise<LogPage>
  /** Reads some marks, from a position on. */
  readonly marksFrom: (from: number) => Promise<{ readonly marks: readonly CoverMark[]; readonly hasMore: boolean }>
}

/** What a process brings from the life of the log that it leaves. */
export interface Origin {
  readonly life: string
  readonly from: number
  readonly upTo: number
  /** How long it has known the record at `from`; without a life, how long the process has run. Monotonic ms at `leftAt`. */
  readonly age: number
  readonly leftAt: number
  readonly records: readonly KnownRecord[]
}

/** Records read in one reply when catching up. */
const pageSize = 1000
/** Records that a newcomer reads of what was issued since its process started; with more, what it made until then goes. */
const mostRead = 10_000
/** How far the clocks of two servers may differ, beyond which a newcomer may miss what was issued since it started; ms. */
const clockMargin = 5000

/**
 * Where this process is in the shared log, and how it keeps up: a head that is ahead means reading the records up
 * to it and entering them in the mirror; a head that cannot come after the last one means that the log lost something.
 */
export class Follower {
  readonly #log: SharedLog
  readonly #journal: Journal
  readonly #mirror: Mirror
  readonly #nonces: Nonces
  readonly #knowledge: Knowledge
  readonly #clock: Clock
  readonly #duties: FollowerDuties
  readonly #startedAt: number
  #head: Head | undefined
  /** When the head moved last; monotonic ms. */
  #movedAt = Number.NEGATIVE_INFINITY
  /** The newest record of ours that the log took and that has not been met in it since: if it is not there, the log lost it. */
  #unseen: { readonly position: number; readonly nonce: string; readonly takenAt: number } | undefined
  /** Where what memory holds of before this life comes from; `undefined` when it holds nothing of before. */
  #origin: Origin | undefined
  /** Notes of this life that were met since it was entered. */
  #notes: MetNote[] = []
  #notesMet = 0
  /** The Redis clock, epoch µs, at a moment of ours, monotonic ms. */
  #redisTime = { at: 0, monotonic: 0 }
  #confirmedAt = Number.NEGATIVE_INFINITY
  #catchingUp: Promise<void> | undefined

  constructor(
    log: SharedLog,
    journal: Journal,
    mirror: Mirror,
    nonces: Nonces,
    knowledge: Knowledge,
    clock: Clock,
    duties: FollowerDuties,
  ) {
    this.#log = log
    this.#journal = journal
    this.#mirror = mirror
    this.#nonces = nonces
    this.#knowledge = knowledge
    this.#clock = clock
    this.#duties = duties
    this.#startedAt = clock.monotonic()
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

  /** The notes of other processes in this life of the log, as far as this process has read it. */
  get notes(): readonly MetNote[] {
    return this.#notes
  }

  /** How many notes this process has met, in all lives. */
  get notesMet(): number {
    return this.#notesMet
  }

  /** What this process would bring to another life of the log. */
  get origin(): Origin {
    const { life, from, upTo } = this.#knowledge
    const leftAt = this.#clock.monotonic()
    const age = life === noLife ? leftAt - this.#startedAt : this.#knowledge.age
    return { life, from, upTo, age, leftAt, records: this.#knowledge.after(0) }
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

  /** Whether this process was in step with the log before the clock of the same server came to this position, within some seconds. */
  wasInStepBefore(position: number): boolean {
    const { at, monotonic } = this.#redisTime
    return position > at + (this.#confirmedAt - monotonic - clockMargin) * 1000
  }

  /** Everything that was in the log at `askedAt` has been applied. */
  confirm(askedAt: number): void {
    if (askedAt > this.#confirmedAt) this.#confirmedAt = askedAt
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
    if (!result.appended)
      throw new CacheError('log-broken', 'the invalidation log is a new one, or a part of it is gone')
    const { head } = result
    if (head.nonce !== nonce) throw new CacheError('redis-out-of-step', 'the log answered for another record')
    this.#journal.acknowledge(issued, head.position)
    if (head.incarnation === this.#head?.incarnation) this.#knowledge.add(head.position, nonce, recorded.covers)
    // Nothing came between what had been applied and this record: the head may move without reading the log.
    if (result.previous === this.#head?.text) this.#moveTo(head)
    else if (head.incarnation === this.#head?.incarnation && head.position > this.#head.position) {
      this.#unseen = { position: head.position, nonce, takenAt: this.#clock.monotonic() }
    }
    return result.existed
  }

  /** Applies what the log has beyond the last record applied here. @throws CacheError when that record is not there */
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
   * Joins the log as a process that was in none. Its marks say what was invalidated by prefix and tag before; of the
   * records only those are read that were issued since this process started: they may cover what it has made alone.
   *
   * @param holdsEntries - whether it has made any; when it has not, one page of records is worth reading at most
   */
  async join(state: LogState, holdsEntries: boolean, reader: LogReader): Promise<void> {
    this.#meetLife(state, this.origin)
    this.#mirror.startOver()
    await this.#placeMarks(state, reader)
    await this.#readSinceStart(state, holdsEntries ? mostRead : 0, reader)
    this.#knowledge.enter(state.head.incarnation, state.head.position)
    this.#moveTo(state.head)
    await this.catchUp(reader)
  }

  /** Follows another life of the log in which the last record applied here is found: goes on from there. */
  async goOn(state: LogState, known: Head, origin: Origin, reader: LogReader): Promise<void> {
    this.#meetLife(state, origin)
    this.#unseen = undefined
    this.#knowledge.rename(state.head.incarnation)
    this.#moveTo(headAt(known, state.head))
    await this.catchUp(reader)
  }

  /** Follows another life of the log, from its start: what memory holds may be covered by any of it. */
  async startOver(state: LogState, origin: Origin | undefined, reader: LogReader): Promise<void> {
    this.#meetLife(state, origin)
    this.#unseen = undefined
    this.#mirror.startOver()
    await this.#applyMarks(state, reader)
    const { records } = await reader.since(0, 1)
    const [first] = records
    if (first === undefined) throw new CacheError('log-broken', 'the invalidation log has a head and no records')
    // A log begins with a record that covers nothing; where that one is gone, others are gone with it.
    if (first.covers.length > 0) this.forget()
    this.#knowledge.enter(state.head.incarnation, first.covers.length > 0 ? first.position : 0)
    this.#moveTo(headAt(first, state.head))
    this.#take(first)
    await this.catchUp(reader)
  }

  /** Goes on at the end of the log. The records in between are gone; the marks say what they did to prefixes and tags. */
  async skipTo(state: LogState, reader: LogReader): Promise<void> {
    await this.#placeMarks(state, reader)
    this.#unseen = undefined
    this.#knowledge.skip(state.head.position)
    this.#moveTo(state.head)
    await this.catchUp(reader)
  }

  /** Takes note of a record that this process told the log once more. */
  told(position: number, nonce: string, covers: readonly Cover[]): void {
    this.#mirror.place(covers, position)
    this.#knowledge.add(position, nonce, covers)
  }

  /** Nothing of what was stored or judged until now may be used: records that may cover it cannot be had. */
  forget(): void {
    this.#origin = undefined
    this.#mirror.forgetEverything()
    this.#duties.onForget()
  }

  /** Shared by all who find the head ahead; asks again when it has moved on since. */
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
    if (!this.#nonces.isOwn(record.nonce)) this.#take(record)
  }

  /** Enters a record of another process in the mirror. */
  #take({ position, nonce, covers }: LogRecord): void {
    this.#readNote(position, nonce)
    if (covers.length === 0) return
    this.#knowledge.add(position, nonce, covers)
    this.#mirror.record(covers, position)
    this.#duties.onRecords(covers)
  }

  /** @throws CacheError when the log has gone past the place of a record of ours, and it was not there */
  #meet(record: LogRecord): void {
    const unseen = this.#unseen
    if (unseen === undefined || record.position < unseen.position) return
    if (record.nonce !== unseen.nonce) throw new CacheError('log-broken', 'the invalidation log lost a record')
    this.#unseen = undefined
  }

  /** Another process says what it has told this life of the log, and so what nothing here can tell. */
  #readNote(position: number, nonce: string): void {
    const note = readNote(nonce)
    // A note of a life before was for those who came to that one.
    if (note === undefined || position < (this.#head?.born ?? 0)) return
    const metAt = this.#clock.monotonic()
    const redisNow = this.#redisTime.at + (metAt - this.#redisTime.monotonic) * 1000
    const met: MetNote = {
      ...note,
      metAt,
      writtenAgo: Math.max(0, (redisNow - position) / 1000),
      number: ++this.#notesMet,
    }
    this.#notes.push(met)
    if (this.#notes.length > mostNotes) this.#notes = decisive(this.#notes)
    if (this.#origin !== undefined && misses(this.#origin, met)) this.forget()
  }

  #meetLife(state: LogState, origin: Origin | undefined): void {
    this.#origin = origin
    this.#notes = []
    this.#redisTime = { at: state.time, monotonic: this.#clock.monotonic() }
  }

  async #readSinceStart(state: LogState, most: number, reader: LogReader): Promise<void> {
    const age = this.#clock.monotonic() - this.#startedAt
    const since = Math.max(0, state.time - (age + clockMargin) * 1000)
    const { records: oldest } = await reader.since(0, 1)
    const isTrimmed = oldest[0] === undefined || (oldest[0].covers.length > 0 && oldest[0].position > since)
    let from = since
    let count = 0
    for (let isOver = isTrimmed; !isOver; ) {
      const { records, hasMore } = await reader.since(Math.floor(from), pageSize)
      for (const record of records) {
        if (record.position > state.head.position) break
        if (record.position >= from && !(count > 0 && record.position === from)) this.#take(record)
      }
      count += records.length
      from = records.at(-1)?.position ?? from
      isOver = !hasMore || from >= state.head.position || records.length <= 1
      if (count > most && !isOver) return this.forget()
    }
    if (isTrimmed) this.forget()
  }

  /** Marks as places in the log: they judge what comes out of Redis. */
  async #placeMarks(state: LogState, reader: LogReader): Promise<void> {
    await readMarks(reader, ({ cover, position }) => this.#mirror.place([cover], position))
    this.#mirror.raiseFloor(state.head.floor)
  }

  /** Marks as records just learned of: they judge what memory holds as well. */
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

/** Whether a process from that origin has missed something that the writer of a note can no longer tell. */
function misses(origin: Origin, note: MetNote): boolean {
  if (note.life === noLife) return false
  // Made here, all of it, since this process started.
  if (origin.life === noLife)
    return note.from > 0 && note.age + note.writtenAgo <= origin.age + note.metAt - origin.leftAt
  return note.life !== origin.life || origin.upTo < note.from
}

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

function isSameRecord(record: LogRecord, head: Head): boolean {
  return record.position === head.position && record.nonce === head.nonce
}
