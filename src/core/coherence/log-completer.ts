import type { Clock } from '../clock.js'
import { CacheError } from '../errors.js'
import type { RedisTier } from '../tiers/redis-tier.js'
import { inBatches } from './batches.js'
import { type Cover, coverText, inParts } from './cover.js'
import type { Follower } from './follower.js'
import type { Journal } from './journal.js'
import type { Knowledge } from './knowledge.js'
import type { LogParts } from './log-parts.js'
import type { LogPosition } from './log-position.js'
import { LogWriter } from './log-writer.js'
import type { MetNotes, Origin } from './met-notes.js'
import type { Mirror } from './mirror.js'
import type { Nonces } from './nonces.js'
import type { LogReader } from './patient-reader.js'
import type { SharedLog } from './shared-log.js'
import { ToldLife } from './told-life.js'

/** How many times recovery checks whether more was issued, or appended by others, while it was appending records. */
const MOST_ROUNDS = 10

/** The records that this life of the log still lacks. */
interface Owed {
  readonly origin: Origin
  /** The log contains all records up to this position. */
  readonly toldUpTo: number
}

/** Appends what a life of the log lacks: records that it may have lost, and the pending invalidations of this process. */
export class LogCompleter {
  readonly #tier: RedisTier
  readonly #follower: Follower
  readonly #reader: LogReader
  readonly #log: SharedLog
  readonly #position: LogPosition
  readonly #writer: LogWriter
  readonly #notes: MetNotes
  readonly #journal: Journal
  readonly #mirror: Mirror
  readonly #knowledge: Knowledge
  readonly #nonces: Nonces
  readonly #clock: Clock
  #owed: Owed | undefined
  #replayed = 0

  constructor(tier: RedisTier, follower: Follower, reader: LogReader, parts: LogParts) {
    this.#tier = tier
    this.#follower = follower
    this.#reader = reader
    this.#log = parts.log
    this.#position = parts.position
    this.#writer = new LogWriter(parts)
    this.#notes = parts.notes
    this.#journal = parts.journal
    this.#mirror = parts.mirror
    this.#knowledge = parts.knowledge
    this.#nonces = parts.nonces
    this.#clock = parts.clock
  }

  /** Number of invalidations appended since {@link begin}. */
  get replayed(): number {
    return this.#replayed
  }

  /** Whether the log may lack records that were not appended again yet. */
  get owes(): boolean {
    return this.#owed !== undefined
  }

  /** Begins to count. */
  begin(): void {
    this.#replayed = 0
  }

  /**
   * Notes that a life of the log may lack records of a former one.
   *
   * @param origin - what this process knows of the former life; see {@link originFrom}
   * @param toldUpTo - the log contains all records up to this position
   */
  owe(origin: Origin, toldUpTo: number): void {
    this.#owed = { origin, toldUpTo }
  }

  /**
   * What this process knows when it leaves a life of the log: the records that it has not appended there yet, then those
   * that it has learned there, which are `origin`.
   */
  originFrom(origin: Origin): Origin {
    const owed = this.#owed?.origin
    if (owed === undefined) return origin
    if (owed.life === origin.life) return owed
    // A server that crashes repeatedly returns the same records each time.
    const isOwed = new Set(owed.records.map(({ nonce }) => nonce))
    const learned = origin.records.filter(({ nonce }) => !isOwed.has(nonce))
    const last = learned.map((record) => ({ ...record, position: Number.MAX_SAFE_INTEGER }))
    return { ...owed, records: [...owed.records, ...last] }
  }

  /** Appends the records that this life of the log may have lost: own ones, and those of other processes known here. */
  async appendLost(): Promise<void> {
    if (this.#owed === undefined) return
    const { origin, toldUpTo } = this.#owed
    const own = this.#journal.recent(toldUpTo)
    for (const batch of inBatches(own)) {
      const position = await this.#repeat(
        batch.length === 1 ? batch[0].nonce : this.#nonces.next(),
        batch.flatMap(({ recorded }) => recorded.covers),
      )
      for (const issued of batch) this.#journal.repeated(issued, position)
    }
    let told = new ToldLife(origin, toldUpTo, this.#notes.ofThisLife)
    const repeated = new Set(own.map(({ nonce }) => nonce))
    const missing = told.missing().filter(({ nonce }) => !repeated.has(nonce))
    for (const covers of inChunks(missing)) await this.#repeat(this.#nonces.next(), covers)
    if (told.needsEverything(this.#clock.monotonic())) await this.#repeat(this.#nonces.next(), [{ kind: 'all' }])
    if (told.needsNote()) await this.#repeat(this.#nonces.nextNote(told.note(this.#clock.monotonic())), [])
    // Another process may have appended its records at the same time, and may be the one that missed something.
    for (let round = 0; round < MOST_ROUNDS; round++) {
      const met = this.#notes.count
      await this.#follower.catchUp(this.#reader)
      const fresh = this.#notes.ofThisLife.filter(({ number }) => number > met)
      if (fresh.length === 0) break
      told = new ToldLife(origin, toldUpTo, fresh)
      if (told.needsEverything(this.#clock.monotonic())) await this.#repeat(this.#nonces.next(), [{ kind: 'all' }])
    }
    this.#owed = undefined
  }

  /** Appends a record again; its position does not mean that this process has applied the log up to it. */
  async #repeat(nonce: string, covers: readonly Cover[]): Promise<number> {
    const { head } = this.#position
    if (head === undefined) throw new CacheError('log-broken', 'the invalidation log is not known yet')
    const result = await this.#tier.probe(() => this.#log.append(head.incarnation, head.position, nonce, covers))
    if (!result.appended) throw new CacheError('log-broken', 'the invalidation log changed during recovery')
    if (result.head.nonce !== nonce) throw new CacheError('redis-out-of-step', 'the log answered for another record')
    this.#mirror.place(covers, result.head.position)
    this.#knowledge.add(result.head.position, nonce, covers)
    if (covers.length > 0) this.#replayed++
    return result.head.position
  }

  /**
   * Appends the journal's pending invalidations, and those issued during that time, up to a limit; later ones are
   * appended afterwards.
   */
  async appendPending(): Promise<void> {
    for (let round = 0; round < MOST_ROUNDS; round++) {
      for (const batch of inBatches(this.#journal.pending())) {
        const incarnation = this.#position.head?.incarnation ?? ''
        await this.#tier.probe(() => this.#writer.append(incarnation, batch))
        this.#replayed += batch.length
      }
      await this.#follower.catchUp(this.#reader)
      if (this.#journal.pending().length === 0) return
    }
  }
}

/** The covers of records, without duplicates, in groups that each fit one record. */
function inChunks(records: readonly { readonly covers: readonly Cover[] }[]): readonly (readonly Cover[])[] {
  const covers = new Map(records.flatMap(({ covers }) => covers.map((cover) => [coverText(cover), cover] as const)))
  return covers.size === 0 ? [] : inParts([...covers.values()])
}
