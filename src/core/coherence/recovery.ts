import { randomBytes } from 'node:crypto'
import type { Clock } from '../clock.js'
import { CacheError } from '../errors.js'
import type { RedisTier } from '../tiers/redis-tier.js'
import type { Follower } from './follower.js'
import type { Head } from './head.js'
import type { Knowledge } from './knowledge.js'
import { LogCompleter } from './log-completer.js'
import { LogJoiner } from './log-joiner.js'
import type { LogParts } from './log-parts.js'
import type { LogPosition } from './log-position.js'
import type { Nonces } from './nonces.js'
import { type LogReader, patientReader } from './patient-reader.js'
import type { LogState, SharedLog } from './shared-log.js'

/** Callbacks of a {@link Recovery}. */
export interface RecoveryDuties {
  /** Whether memory holds entries. */
  readonly holdsEntries: () => boolean
  /** Called when this process follows the life of the log, before it appends what it has issued. */
  readonly onEntered: (life: string) => Promise<void>
  /** Called when the log was opened, and the recovery is complete. */
  readonly onOpened: (state: LogState) => void
}

/** Ends the name of a life of the log that was begun because its history had changed, not because it was missing. */
const REPAIRED = 'r'

/** How many times recovery begins a new life of the log if the previous one is not reliable either. */
const MOST_LIVES = 3

/**
 * Performs the steps required before Redis is used, at the start and after every outage: opens the log; checks whether
 * it continues from the last record applied here; if not, begins a new life of it, or follows the new one from its
 * start; and lets a {@link LogCompleter} append what the log lacks.
 *
 * Each command has its own deadline, and none is sent for a request.
 */
export class Recovery {
  readonly #tier: RedisTier
  readonly #log: SharedLog
  readonly #follower: Follower
  readonly #joiner: LogJoiner
  readonly #completer: LogCompleter
  readonly #position: LogPosition
  readonly #knowledge: Knowledge
  readonly #nonces: Nonces
  readonly #clock: Clock
  readonly #duties: RecoveryDuties
  readonly #reader: LogReader
  #runId = ''
  #wasBroken = false
  /** Whether the log was in use by another protocol since the last recovery: what was invalidated in it is not known. */
  #wasOthers = false

  constructor(tier: RedisTier, follower: Follower, parts: LogParts, duties: RecoveryDuties) {
    const { log, position, knowledge, nonces, clock } = parts
    this.#tier = tier
    this.#log = log
    this.#follower = follower
    this.#position = position
    this.#knowledge = knowledge
    this.#nonces = nonces
    this.#clock = clock
    this.#duties = duties
    this.#reader = patientReader(tier, log, clock)
    this.#joiner = new LogJoiner(follower, this.#reader, parts)
    this.#completer = new LogCompleter(tier, follower, this.#reader, parts)
  }

  /** Number of invalidations that the last recovery appended to the log. */
  get replayed(): number {
    return this.#completer.replayed
  }

  /** Notes that the connection broke: if the log is missing afterwards, it was lost, not deleted on purpose. */
  connectionBroke(): void {
    this.#wasBroken = true
  }

  /** Performs the recovery. Rejects if Redis cannot be used yet. */
  async run(): Promise<void> {
    this.#completer.begin()
    const askedAt = this.#clock.monotonic()
    this.#follower.abandonReads()
    const known = this.#position.head
    const state = await this.#openTrusted(known)
    if (known === undefined) await this.#join(state)
    else if (state.head.incarnation !== this.#position.head?.incarnation) await this.#adopt(state, known)
    if (this.#wasOthers) this.#follower.forget()
    this.#wasOthers = false
    this.#runId = state.runId
    this.#wasBroken = false
    if (this.#completer.owes) await this.#completer.appendLost()
    await this.#duties.onEntered(this.#position.stamp.incarnation)
    // Last: what is issued while another command is awaited must not be pending once Redis is trusted.
    await this.#completer.appendPending()
    this.#position.confirm(askedAt)
    this.#duties.onOpened(state)
  }

  /** Opens the log, and begins a new life of it if it has lost records that this process knows. */
  async #openTrusted(known: Head | undefined): Promise<LogState> {
    let name: string | undefined
    for (let lives = 0; lives < MOST_LIVES; lives++) {
      const state = await this.#open()
      // One begun just now is new, even if positions had to start over in it.
      if (known === undefined || state.head.incarnation === `${name}${REPAIRED}`) return state
      if (await this.#isTrusted(known, state)) return state
      const next = newName()
      name = next
      await this.#tier.probe(() => this.#log.rotate(state.head.incarnation, next, known.position, this.#nonces.next()))
    }
    const keys = this.#log.keys.join(' ')
    throw new CacheError(
      'log-broken',
      `the invalidation log was lost again and again while it was repaired: if this lasts, DEL ${keys}`,
    )
  }

  async #open(): Promise<LogState> {
    const seen = this.#position.head?.position ?? 0
    try {
      return await this.#tier.probe(() => this.#log.open(newName(), seen, this.#nonces.next()))
    } catch (thrown) {
      this.#wasOthers ||= thrown instanceof CacheError && thrown.code === 'log-version'
      throw thrown
    }
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
      return this.#wasFlushed({ head, oldest, ...state }) && this.#position.wasInStepBefore(head.born, state.time)
    }
    if (await this.#holds(known)) return (await this.#catchesUp()) && !this.#position.missesOwn
    // Records are trimmed from the old end, by the hundred: a later oldest record means trimming, otherwise history
    // changed.
    if (oldest <= known.position || head.position <= known.position) return false
    this.#follower.forget()
    await this.#joiner.skipTo({ head, oldest, ...state })
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
    const { origin } = this.#joiner
    const holdsEntries = this.#duties.holdsEntries()
    await this.#joiner.join(state, holdsEntries)
    if (holdsEntries) this.#completer.owe(origin, 0)
  }

  /**
   * Follows another life of the log. On the same server it was begun on purpose by an operator; on another one by
   * accident.
   */
  async #adopt(state: LogState, known: Head): Promise<void> {
    const origin = this.#completer.originFrom(this.#joiner.origin)
    const wasFlushed = this.#wasFlushed(state)
    if (wasFlushed) this.#follower.forget()
    const goesOn = !this.#completer.owes && (await this.#holds(known))
    this.#completer.owe(origin, goesOn ? known.position : 0)
    if (goesOn) await this.#joiner.goOn(state, known, origin)
    else await this.#joiner.startOver(state, wasFlushed ? undefined : origin)
  }

  /** Whether this life of the log began because the same server was emptied. */
  #wasFlushed({ head, runId }: LogState): boolean {
    const isSameServer = runId === '' || this.#runId === '' ? !this.#wasBroken : runId === this.#runId
    return isSameServer && !head.incarnation.endsWith(REPAIRED)
  }
}

function newName(): string {
  return randomBytes(6).toString('hex')
}
