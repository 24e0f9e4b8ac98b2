import { randomBytes } from 'node:crypto'
import type { Clock } from '../clock.js'
import { CacheError } from '../errors.js'
import type { RedisTier } from '../tiers/redis-tier.js'
import { type Cover, coverText, inParts } from './cover.js'
import type { Follower, LogReader, Origin } from './follower.js'
import type { Head } from './head.js'
import type { Journal } from './journal.js'
import type { Knowledge } from './knowledge.js'
import type { Nonces } from './nonces.js'
import type { LogState, SharedLog } from './shared-log.js'
import { ToldLife } from './told-life.js'

/** What recovery asks and tells. */
export interface RecoveryDuties {
  /** Whether memory holds entries. */
  readonly holdsEntries: () => boolean
  /** The log was opened, and all is well. */
  readonly onOpened: (state: LogState) => void
}

/** How often recovery looks whether more was issued, or told by others, while it told the log what it had to. */
const mostRounds = 10

/** Ends the name of a life of the log that was begun because its history had changed, not because it was gone. */
const repaired = 'r'

/** How often recovery begins the log anew when what it finds then is not to be trusted either. */
const mostLives = 3

/** What this life of the log has yet to be told. */
interface Owed {
  readonly origin: Origin
  /** The log has everything up to here. */
  readonly toldUpTo: number
}

/**
 * All that must be done before Redis is trusted, at the start and after every outage, in this order: open the log; see
 * whether it goes on from what was applied here; when it does not, begin it anew or follow the new one from its start,
 * and tell it what this process knows; append what waited in the journal; catch up.
 *
 * Each command has a deadline of its own, and none of them is sent for a request.
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

  constructor(
    tier: RedisTier,
    log: SharedLog,
    follower: Follower,
    journal: Journal,
    knowledge: Knowledge,
    nonces: Nonces,
    clock: Clock,
    duties: RecoveryDuties,
  ) {
    this.#tier = tier
    this.#log = log
    this.#follower = follower
    this.#journal = journal
    this.#knowledge = knowledge
    this.#nonces = nonces
    this.#clock = clock
    this.#duties = duties
    // One page within a deadline of its own: a long log takes several.
    this.#reader = {
      since: (from, count) => tier.probe(() => log.since(from, count)),
      marksFrom: (from) => tier.probe(() => log.marksFrom(from)),
    }
  }

  /** How many invalidations the last recovery told the log. */
  get replayed(): number {
    return this.#replayed
  }

  /** The connection broke: a log that is gone after that was lost, and not deleted by order. */
  connectionBroke(): void {
    this.#wasBroken = true
  }

  /** Rejects when Redis cannot be trusted yet. */
  async run(): Promise<void> {
    this.#replayed = 0
    const askedAt = this.#clock.monotonic()
    const known = this.#follower.head
    const state = await this.#openTrusted(known)
    if (known === undefined) await this.#join(state)
    else if (state.head.incarnation !== this.#follower.head?.incarnation) await this.#adopt(state, known)
    this.#runId = state.runId
    this.#wasBroken = false
    if (this.#owed !== undefined) await this.#tellKnown(this.#owed)
    await this.#tellPending()
    this.#follower.confirm(askedAt)
    this.#duties.onOpened(state)
  }

  /** Opens the log, and begins another life of it when it has lost what this process knows. */
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
   * Whether this log has lost nothing of what was applied here.
   *
   * A life that this process has left, or that began before what it knows, has come back with a snapshot or a backup.
   */
  async #isTrusted(known: Head, { head, oldest, ...state }: LogState): Promise<boolean> {
    if (head.incarnation !== known.incarnation) {
      if (this.#knowledge.hasLeft(head.incarnation)) return false
      if (head.born > known.position) return true
      // Positions may be ahead of a clock that was set back: a life begun on order since this process was in step is no old one.
      return this.#wasFlushed({ head, oldest, ...state }) && this.#follower.wasInStepBefore(head.born)
    }
    if (await this.#holds(known)) return (await this.#catchesUp()) && !this.#follower.missesOwn
    // Records go from the old end only, and by the hundred: a younger oldest record says trimmed, else history changed.
    if (oldest <= known.position || head.position <= known.position) return false
    this.#follower.forget()
    await this.#follower.skipTo({ head, oldest, ...state }, this.#reader)
    return true
  }

  /** Whether the log holds the record that was applied here last. */
  async #holds(known: Head): Promise<boolean> {
    const { records } = await this.#reader.since(known.position, 1)
    return records[0]?.position === known.position && records[0].nonce === known.nonce
  }

  /** Applies what came since; false when the log turns out to have lost something. */
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

  /** Another life of the log: an operator's order when the server is the same, an accident when it is another. */
  async #adopt(state: LogState, known: Head): Promise<void> {
    const origin = this.#originOf()
    const wasFlushed = this.#wasFlushed(state)
    if (wasFlushed) this.#follower.forget()
    const goesOn = this.#owed === undefined && (await this.#holds(known))
    this.#owed = { origin, toldUpTo: goesOn ? known.position : 0 }
    if (goesOn) await this.#follower.goOn(state, known, origin, this.#reader)
    else await this.#follower.startOver(state, wasFlushed ? undefined : origin, this.#reader)
  }

  /** Whether this life of the log began because the same server had been emptied. */
  #wasFlushed({ head, runId }: LogState): boolean {
    const isSameServer = runId === '' || this.#runId === '' ? !this.#wasBroken : runId === this.#runId
    return isSameServer && !head.incarnation.endsWith(repaired)
  }

  /** What this process brings; what it did not get to tell the last life is added to what it learned there. */
  #originOf(): Origin {
    const { origin } = this.#follower
    const owed = this.#owed?.origin
    if (owed === undefined) return origin
    if (owed.life === origin.life) return owed
    // A server that crashes again and again brings the same records each time.
    const isOwed = new Set(owed.records.map(({ nonce }) => nonce))
    const learned = origin.records.filter(({ nonce }) => !isOwed.has(nonce))
    const last = learned.map((record) => ({ ...record, position: Number.MAX_SAFE_INTEGER }))
    return { ...owed, records: [...owed.records, ...last] }
  }

  /** Tells this life of the log what it may have lost: what was issued here, and what others issued that is known here. */
  async #tellKnown({ origin, toldUpTo }: Owed): Promise<void> {
    const own = this.#journal.recent(toldUpTo)
    for (const issued of own) {
      const position = await this.#repeat(issued.nonce, issued.recorded.covers)
      this.#journal.repeated(issued, position)
    }
    let told = new ToldLife(origin, toldUpTo, this.#follower.notes)
    const repeated = new Set(own.map(({ nonce }) => nonce))
    const missing = told.missing().filter(({ nonce }) => !repeated.has(nonce))
    for (const covers of inChunks(missing)) await this.#repeat(this.#nonces.next(), covers)
    if (told.needsEverything(this.#clock.monotonic())) await this.#repeat(this.#nonces.next(), [{ kind: 'all' }])
    if (told.needsNote()) await this.#repeat(this.#nonces.nextNote(told.note(this.#clock.monotonic())), [])
    // Another process may have told its part at the same time, and be the one that missed something.
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

  /** Appends a record whose place in the log says nothing of what this process has applied. */
  async #repeat(nonce: string, covers: readonly Cover[]): Promise<number> {
    const { head } = this.#follower
    if (head === undefined) throw new CacheError('log-broken', 'the invalidation log is not known yet')
    const result = await this.#tier.probe(() => this.#log.append(head.incarnation, head.position, nonce, covers))
    if (!result.appended) throw new CacheError('log-broken', 'the invalidation log changed during recovery')
    this.#follower.told(result.head.position, nonce, covers)
    if (covers.length > 0) this.#replayed++
    return result.head.position
  }

  /** Tells the log what it does not have yet, and what is issued in that time; what is issued without end is told later. */
  async #tellPending(): Promise<void> {
    for (let round = 0; round < mostRounds; round++) {
      for (const issued of this.#journal.pending()) {
        const incarnation = this.#follower.head?.incarnation ?? ''
        await this.#tier.probe(() => this.#follower.append(incarnation, issued))
        this.#replayed++
      }
      await this.#follower.catchUp(this.#reader)
      if (this.#journal.pending().length === 0) return
    }
  }
}

/** The covers of records, each once, as many at a time as one record may have. */
function inChunks(records: readonly { readonly covers: readonly Cover[] }[]): readonly (readonly Cover[])[] {
  const covers = new Map(records.flatMap(({ covers }) => covers.map((cover) => [coverText(cover), cover] as const)))
  return covers.size === 0 ? [] : inParts([...covers.values()])
}

function newName(): string {
  return randomBytes(6).toString('hex')
}
