import type { Clock } from '../clock.js'
import { CacheError } from '../errors.js'
import { type Follower, PAGE_SIZE } from './follower.js'
import { type Head, headAt } from './head.js'
import type { Knowledge } from './knowledge.js'
import type { LogParts } from './log-parts.js'
import { CLOCK_MARGIN, type LogPosition } from './log-position.js'
import type { MetNotes, Origin } from './met-notes.js'
import type { Mirror } from './mirror.js'
import { NO_LIFE } from './nonces.js'
import type { LogReader } from './patient-reader.js'
import type { CoverMark, LogState } from './shared-log.js'

/** Maximum number of records since its start that a new process reads; if there are more, it discards its entries. */
const MOST_READ = 10_000
/** Maximum size of those records, in bytes: so many arrive in time over a slow link. */
const MOST_BYTES_READ = 2_500_000

/** Begins to follow a life of the log: the first one, the next one, or the same one after a gap. */
export class LogJoiner {
  readonly #follower: Follower
  readonly #reader: LogReader
  readonly #mirror: Mirror
  readonly #knowledge: Knowledge
  readonly #notes: MetNotes
  readonly #position: LogPosition
  readonly #clock: Clock
  readonly #startedAt: number

  constructor(follower: Follower, reader: LogReader, { mirror, knowledge, notes, position, clock }: LogParts) {
    this.#follower = follower
    this.#reader = reader
    this.#mirror = mirror
    this.#knowledge = knowledge
    this.#notes = notes
    this.#position = position
    this.#clock = clock
    this.#startedAt = clock.monotonic()
  }

  /** The knowledge that this process would bring to another life of the log. */
  get origin(): Origin {
    const { life, from, upTo } = this.#knowledge
    const leftAt = this.#clock.monotonic()
    const age = life === NO_LIFE ? leftAt - this.#startedAt : this.#knowledge.age
    return { life, from, upTo, age, leftAt, records: this.#knowledge.after(0) }
  }

  /**
   * Joins the log as a process that has not followed it before. The marks contain earlier invalidations by prefix and
   * tag. Records are read only from the start of this process on, because only they can cover entries that it made
   * alone.
   *
   * @param holdsEntries - whether it has made entries; if not, at most one page of records is read
   */
  async join(state: LogState, holdsEntries: boolean): Promise<void> {
    this.#notes.enter(state, this.origin)
    this.#mirror.startOver()
    await this.#placeMarks(state)
    await this.#readSinceStart(state, holdsEntries ? MOST_READ : 0)
    this.#knowledge.enter(state.head.incarnation, state.head.position)
    this.#position.moveTo(state.head)
    await this.#follower.catchUp(this.#reader)
  }

  /** Follows another life of the log that contains the last record applied here, and continues from there. */
  async goOn(state: LogState, known: Head, origin: Origin): Promise<void> {
    this.#notes.enter(state, origin)
    this.#position.expectNoOwn()
    this.#knowledge.rename(state.head.incarnation)
    this.#position.moveTo(headAt(known, state.head))
    await this.#follower.catchUp(this.#reader)
  }

  /** Follows another life of the log from its first record, because each of them may cover entries in memory. */
  async startOver(state: LogState, origin: Origin | undefined): Promise<void> {
    this.#notes.enter(state, origin)
    this.#position.expectNoOwn()
    this.#mirror.startOver()
    await this.#applyMarks(state)
    const { records } = await this.#reader.since(0, 1)
    const [first] = records
    if (first === undefined) throw new CacheError('log-broken', 'the invalidation log has a head and no records')
    // A log begins with a record that covers nothing; if that record is missing, others are missing too.
    if (first.covers.length > 0) this.#follower.forget()
    this.#knowledge.enter(state.head.incarnation, first.covers.length > 0 ? first.position : 0)
    this.#position.moveTo(headAt(first, state.head))
    this.#follower.take(first)
    await this.#follower.catchUp(this.#reader)
  }

  /**
   * Continues at the end of the log. The records in between are gone, but the marks contain their prefixes and tags.
   */
  async skipTo(state: LogState): Promise<void> {
    await this.#placeMarks(state)
    this.#position.expectNoOwn()
    this.#knowledge.skip(state.head.position)
    this.#position.moveTo(state.head)
    await this.#follower.catchUp(this.#reader)
  }

  async #readSinceStart(state: LogState, most: number): Promise<void> {
    const age = this.#clock.monotonic() - this.#startedAt
    const since = Math.max(0, state.time - (age + CLOCK_MARGIN) * 1000)
    const { records: oldest } = await this.#reader.since(0, 1)
    const isTrimmed = oldest[0] === undefined || (oldest[0].covers.length > 0 && oldest[0].position > since)
    let from = since
    let count = 0
    let size = 0
    for (let isOver = isTrimmed; !isOver; ) {
      const { records, bytes, hasMore } = await this.#reader.since(Math.floor(from), PAGE_SIZE)
      for (const record of records) {
        if (record.position > state.head.position) break
        if (record.position >= from && !(count > 0 && record.position === from)) this.#follower.take(record)
      }
      count += records.length
      size += bytes
      from = records.at(-1)?.position ?? from
      isOver = !hasMore || from >= state.head.position || records.length <= 1
      if ((count > most || size > MOST_BYTES_READ) && !isOver) return this.#follower.forget()
    }
    if (isTrimmed) this.#follower.forget()
  }

  /** Adds marks as positions in the log: they judge entries read from Redis. */
  async #placeMarks(state: LogState): Promise<void> {
    await readMarks(this.#reader, state, ({ cover, position }) => this.#mirror.place([cover], position))
    this.#mirror.raiseFloor(state.head.floor)
  }

  /** Adds marks as records learned now: they judge entries in memory as well. */
  async #applyMarks(state: LogState): Promise<void> {
    await readMarks(this.#reader, state, ({ cover, position }) => void this.#mirror.record([cover], position))
    this.#mirror.raiseFloor(state.head.floor)
  }
}

/** Reads all marks. If another program has added some, everything is covered that cannot be read, up to the head. */
async function readMarks(reader: LogReader, { head }: LogState, take: (mark: CoverMark) => void): Promise<void> {
  for (let from = 0; ; ) {
    const { marks, hasMore } = await reader.marksFrom(from)
    for (const { cover, position } of marks) take({ cover, position: Math.min(position, head.position) })
    const last = marks.at(-1)?.position ?? from
    if (!hasMore) return
    if (last <= from) return take({ cover: { kind: 'all' }, position: head.position })
    from = last
  }
}
