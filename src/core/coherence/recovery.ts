import { randomBytes } from 'node:crypto'
import type { Clock } from '../clock.js'
import { CacheError } from '../errors.js'
import type { RedisTier } from '../tiers/redis-tier.js'
import { inBatches } from './batches.js'
import { type Cover, coverText, inParts } from './cover.js'
import type { Follower, LogReader } from './follower.js'
import type { Head } from './head.js'
import type { Journal } from './journal.js'
import type { Knowledge } from './knowledge.js'
import type { LogParts } from './log-parts.js'
import type { Origin } from './met-notes.js'
import type { Nonces } from './nonces.js'
import { patientReader } from './patient-reader.js'
import type { LogState, SharedLog } from './shared-log.js'
import { ToldLife } from './told-life.js'

/** Callbacks of a {@link Recovery}. */
export interface RecoveryDuties {
  /** Whether memory holds entries. */
  readonly holdsEntries: () => boolean
  /** Called when this process follows the life of the log, before it appends what it has issued. */
  readonly onEntered: (life: string) => Promise<void>
  /** Called when the log was opened, and the recovery is complete. */
  readonly onOpened: (state: LogState) => void
}

/** How many times recovery checks whether more was issued, or appended by others, while it was appending records. */
const mostRounds = 10

/** Ends the name of a life of the log that was begun because its history had changed, not because it was missing. */
const repaired = 'r'

/** How many times recovery begins a new life of the log if the previous one is not reliable either. */
const mostLives = 3

/** The records that this life of the log still lacks. */
interface Owed {
  readonly origin: Origin
  /** The log contains all records up to this position. */
  readonly toldUpTo: number
}

/**
 * Performs the steps required before Redis is used, at the start and after every outage: opens the log; checks whether
 * it continues from the last record applied here; if not, begins a new life of it, or follows the new one from its
 * start, and appends the records that this process knows; appends the pending invalidations of the journal; and catches
 * up.
 *
 * Each command has its own deadline, and none is sent for a request.
 */
export class Recovery {
  readonly #tier: RedisTier
  readonly #log: SharedLog
  readonly #follower: Follower
  readonly #journal: Journal
  readonly #knowledge: Knowledge
  readonly #nonces: Nonces
  readonly #clock: Clock
  readonly #duties: RecoveryDuties
  readonly #reader: LogReader
  #runId = ''
  #owed: Owed | undefined
  #wasBroken = false
  #replayed = 0

  constructor(tier: RedisTier, follower: Follower, parts: LogParts, duties: RecoveryDuties) {
    const { log, journal, knowledge, nonces, clock } = parts
    this.#tier = tier
    this.#log = log
    this.#follower = follower
    this.#journal = journal
    this.#knowledge = knowledge
    this.#nonces = nonces
    this.#clock = clock
    this.#duties = duties
    this.#reader = patientReader(tier, log, clock)
  }

  /** Number of invalidations that the last recovery appended to the log. */
  get replayed(): number {
    return this.#replayed
  }

  /** Notes that the connection broke: if the log is missing afterwards, it was lost, not deleted on purpose. */
  connectionBroke(): void {
    this.#wasBroken = true
  }

  /** Performs the recovery. Rejects if Redis cannot be used yet. */
  async run(): Promise<void> {
    this.#replayed = 0
    const askedAt = this.#clock.monotonic()
    this.#follower.abandonReads()
    const known = this.#follower.head
    const state = await this.#openTrusted(known)
    if (known === undefined) await this.#join(state)
    else if (state.head.incarnation !== this.#follower.head?.incarnation) await this.#adopt(state, known)
    this.#runId = state.runId
    this.#wasBroken = false
    if (this.#owed !== undefined) await this.#tellKnown(this.#owed)
    await this.#duties.onEntered(this.#follower.stamp.incarnation)
    // Last: what is issued while another command is awaited must not be pending once Redis is trusted.
    await this.#tellPending()
    this.#follower.confirm(askedAt)
    this.#duties.onOpened(state)
  }

  /** Opens the log, and begins a new life of it if it has lost records that this process knows. */
  async #openTrusted(known: Head | undefined): Promise<LogState> {
    for (let lives = 0; lives < mostLives; lives++) {
      const state = await this.#open()
      if (known === undefined || (await this.#isTrusted(known, state))) return state
      const name = newName()
      await this.#tier.probe(() => this.#log.rotate(state.head.incarnation, name, known.position, this.#nonces.next()))
    }
    throw new CacheError('log-broken', 'the invalidation log was lost again and again while it was repaired')
  }

  #open(): Promise<LogState> {
    return this.#tier.probe(() => this.#log.open(newName(), this.#follower.head?.position ?? 0, this.#nonces.next()))
  }

  /**
   * Whether this log has kept all records applied here.
   *
   * A life that this process has left, or that began before the records it knows, was restored from a snapshot or a
   * backup.
   */
  async #isTrusted(known: Head, { head, oldest, ...state }: LogState): Promise<boolean> {
    if (head.incarnation !== known.incarnation) {
      if (this.#knowledge.hasLeft(head.incarnation)) return false
      if (head.born > known.position) return true
      // Positions may be ahead of a clock that was set back: a life begun on purpose after this process was in step is
      // new.
      return this.#wasFlushed({ head, oldest, ...state }) && this.#follower.wasInStepBefore(head.born, state.time)
    }
    if (await this.#holds(known)) return (await this.#catchesUp()) && !this.#follower.missesOwn
    // Records are trimmed from the old end, by the hundred: a later oldest record means trimming, otherwise history
    // changed.
    if (oldest <= known.position || head.position <= known.position) return false
    this.#follower.forget()
    await this.#follower.skipTo({ head, oldest, ...state }, this.#reader)
    return true
  }

  /** Whether the log contains the last record applied here. */
  async #holds(known: Head): Promise<boolean> {
    const { records } = await this.#reader.since(known.position, 1)
    return records[0]?.position === known.position && records[0].nonce === known.nonce
  }

  /** Applies newer records; returns false if the log has lost some. */
  async #catchesUp(): Promise<boolean> {
    try {
      await this.#follower.catchUp(this.#reader)
      return true
    } catch (thrown) {
      if (thrown instanceof CacheError && thrown.code === 'log-broken') return false
      throw thrown
    }
  }

  async #join(state: LogState): Promise<void> {
    const { origin } = this.#follower
    const holdsEntries = this.#duties.holdsEntries()
    await this.#follower.join(state, holdsEntries, this.#reader)
    if (holdsEntries) this.#owed = { origin, toldUpTo: 0 }
  }

  /**
   * Follows another life of the log. On the same server it was begun on purpose by an operator; on another one by
   * accident.
   */
  async #adopt(state: LogState, known: Head): Promise<void> {
    const origin = this.#originOf()
    const wasFlushed = this.#wasFlushed(state)
    if (wasFlushed) this.#follower.forget()
    const goesOn = this.#owed === undefined && (await this.#holds(known))
    this.#owed = { origin, toldUpTo: goesOn ? known.position : 0 }
    if (goesOn) await this.#follower.goOn(state, known, origin, this.#reader)
    else await this.#follower.startOver(state, wasFlushed ? undefined : origin, this.#reader)
  }

  /** Whether this life of the log began because the same server was emptied. */
  #wasFlushed({ head, runId }: LogState): boolean {
    const isSameServer = runId === '' || this.#runId === '' ? !this.#wasBroken : runId === this.#runId
    return isSameServer && !head.incarnation.endsWith(repaired)
  }

  /** The knowledge of this process: records not yet appended to the last life, and those learned in it. */
  #originOf(): Origin {
    const { origin } = this.#follower
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
  async #tellKnown({ origin, toldUpTo }: Owed): Promise<void> {
    const own = this.#journal.recent(toldUpTo)
    for (const batch of inBatches(own)) {
      const position = await this.#repeat(
        batch.length === 1 ? batch[0].nonce : this.#nonces.next(),
        batch.flatMap(({ recorded }) => recorded.covers),
      )
      for (const issued of batch) this.#journal.repeated(issued, position)
    }
    let told = new ToldLife(origin, toldUpTo, this.#follower.notes)
    const repeated = new Set(own.map(({ nonce }) => nonce))
    const missing = told.missing().filter(({ nonce }) => !repeated.has(nonce))
    for (const covers of inChunks(missing)) await this.#repeat(this.#nonces.next(), covers)
    if (told.needsEverything(this.#clock.monotonic())) await this.#repeat(this.#nonces.next(), [{ kind: 'all' }])
    if (told.needsNote()) await this.#repeat(this.#nonces.nextNote(told.note(this.#clock.monotonic())), [])
    // Another process may have appended its records at the same time, and may be the one that missed something.
    for (let round = 0; round < mostRounds; round++) {
      const { notesMet } = this.#follower
      await this.#follower.catchUp(this.#reader)
      const fresh = this.#follower.notes.filter(({ number }) => number > notesMet)
      if (fresh.length === 0) break
      told = new ToldLife(origin, toldUpTo, fresh)
      if (told.needsEverything(this.#clock.monotonic())) await this.#repeat(this.#nonces.next(), [{ kind: 'all' }])
    }
    this.#owed = undefined
  }

  /** Appends a record again; its position does not mean that this process has applied the log up to it. */
  async #repeat(nonce: string, covers: readonly Cover[]): Promise<number> {
    const { head } = this.#follower
    if (head === undefined) throw new CacheError('log-broken', 'the invalidation log is not known yet')
    const result = await this.#tier.probe(() => this.#log.append(head.incarnation, head.position, nonce, covers))
    if (!result.appended) throw new CacheError('log-broken', 'the invalidation log changed during recovery')
    if (result.head.nonce !== nonce) throw new CacheError('redis-out-of-step', 'the log answered for another record')
    this.#follower.told(result.head.position, nonce, covers)
    if (covers.length > 0) this.#replayed++
    return result.head.position
  }

  /**
   * Appends the journal's pending invalidations, and those issued during that time, up to a limit; later ones are
   * appended afterwards.
   */
  async #tellPending(): Promise<void> {
    for (let round = 0; round < mostRounds; round++) {
      for (const batch of inBatches(this.#journal.pending())) {
        const incarnation = this.#follower.head?.incarnation ?? ''
        await this.#tier.probe(() => this.#follower.append(incarnation, batch))
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

function newName(): string {
  return randomBytes(6).toString('hex')
}
