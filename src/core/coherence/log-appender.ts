import { type Clock, pause, settledWithin } from '../clock.js'
import { asError } from '../errors.js'
import { Lanes } from '../tiers/lanes.js'
import type { RedisTier } from '../tiers/redis-tier.js'
import { firstBatch } from './batches.js'
import { asking, type Confirmations } from './confirmations.js'
import type { Heartbeat } from './heartbeat.js'
import type { Issued, Journal, Told } from './journal.js'
import type { LogParts } from './log-parts.js'
import type { LogPosition } from './log-position.js'
import { LogWriter } from './log-writer.js'
import type { Recorded } from './mirror.js'
import type { Nonces } from './nonces.js'

/**
 * Limits for invalidations that are to be appended to the log: a burst is sent as fast as it is acknowledged, and what
 * waits is sent together.
 */
const APPENDING = { running: 16, waiting: 100_000, patience: 5_000 }

/** How long {@link LogAppender.drain} waits without getting any further, in ms. */
const PATIENCE = 1_000
/** How long it waits at most: a program may end before its first connection, or send thousands. */
const LONGEST_PATIENCE = 5_000

/** An invalidation that the log has taken, and the processes that have applied it, if they were asked. */
export interface Confirmed extends Told {
  readonly confirmedBy: readonly string[] | undefined
}

/** The parts that appending needs. */
interface AppendingParts {
  readonly tier: RedisTier
  readonly heartbeat: Heartbeat
  readonly confirmations: Confirmations
}

/** What a {@link LogAppender} asks and tells its owner. */
interface AppenderDuties {
  readonly waitForStart: () => Promise<void>
  readonly isConnected: () => boolean
  /** Called if Redis cannot be used now. */
  readonly onUnavailable: () => void
  /** Tries now to connect. Never rejects. */
  readonly connect: () => Promise<void>
  /** Called if the log may not have the record: until it does, Redis must not be trusted. */
  readonly onFailed: (error: Error) => void
}

/** Appends the invalidations of this process to the log: at once if possible, otherwise they remain in the journal. */
export class LogAppender {
  readonly #journal: Journal
  readonly #nonces: Nonces
  readonly #clock: Clock
  readonly #tier: RedisTier
  readonly #position: LogPosition
  readonly #writer: LogWriter
  readonly #heartbeat: Heartbeat
  readonly #confirmations: Confirmations
  readonly #duties: AppenderDuties
  readonly #lanes: Lanes
  /** Invalidations that wait to be sent, oldest first. */
  readonly #waiting = new Set<Issued>()
  /** Those that were sent with others, and wait for the answer. */
  readonly #sent = new Map<Issued, Promise<void>>()

  constructor(log: LogParts, parts: AppendingParts, duties: AppenderDuties) {
    this.#journal = log.journal
    this.#nonces = log.nonces
    this.#clock = log.clock
    this.#position = log.position
    this.#writer = new LogWriter(log)
    this.#tier = parts.tier
    this.#heartbeat = parts.heartbeat
    this.#confirmations = parts.confirmations
    this.#duties = duties
    this.#lanes = new Lanes(log.clock, APPENDING)
  }

  /**
   * Appends an invalidation of this process to the log, and so announces it to all processes.
   *
   * @param confirms - whether to wait for other processes to confirm it
   * @returns `undefined` if it will be appended later
   */
  async issue(recorded: Recorded, confirms: boolean): Promise<Confirmed | undefined> {
    const nonce = this.#nonces.next()
    const issued = this.#journal.add(recorded, confirms ? asking(nonce) : nonce)
    const told = await this.append(issued)
    if (told === undefined) this.#journal.keep(issued)
    if (told === undefined || !confirms) return told && { ...told, confirmedBy: undefined }
    return { ...told, confirmedBy: await this.#confirmations.of(issued.nonce) }
  }

  /** Appends an issued invalidation. Returns `undefined` if the log does not have it yet. Never rejects. */
  async append(issued: Issued): Promise<Told | undefined> {
    await this.#duties.waitForStart()
    // Recovery appends what is pending when a process starts.
    if (issued.told !== undefined) return issued.told
    this.#waiting.add(issued)
    try {
      await this.#lanes.run(() => this.#appendNow(issued))
      // Other processes have appended records before it: read them, so that the next stamp is not older than this
      // record.
      if (issued.told !== undefined && this.#position.missesOwn) await this.#heartbeat.look(this.#clock.monotonic())
    } catch (thrown) {
      // Until the log has the record, Redis may return the entries that were just invalidated.
      if (issued.told === undefined) this.#duties.onFailed(asError(thrown))
    } finally {
      this.#waiting.delete(issued)
    }
    return issued.told
  }

  /** Waits until pending invalidations are appended, also over a connection that is just being made: for five seconds at most. */
  async drain(): Promise<void> {
    const last = this.#clock.monotonic() + LONGEST_PATIENCE
    const next = (): number => Math.min(this.#clock.monotonic() + PATIENCE, last)
    let end = this.#position.head === undefined ? last : next()
    for (let { pending } = this.#journal.stats(); pending > 0; ) {
      const left = end - this.#clock.monotonic()
      if (left <= 0) return
      await settledWithin(this.#clock, this.#duties.connect(), left)
      // Those that were sent are pending until Redis has answered.
      await pause(this.#clock, this.#duties.isConnected() ? 5 : 50)
      const now = this.#journal.stats().pending
      if (now < pending) end = next()
      pending = now
    }
  }

  /** Appends an invalidation, and others that wait, to the log, unless Redis cannot be used now. */
  async #appendNow(issued: Issued): Promise<void> {
    if (issued.told !== undefined) return
    const sent = this.#sent.get(issued)
    if (sent !== undefined) return sent
    const { head } = this.#position
    if (!this.#duties.isConnected() || head === undefined) return this.#duties.onUnavailable()
    const batch = firstBatch(issued, this.#waiting)
    const answered = this.#tier.run(() => this.#writer.append(head.incarnation, batch), 'invalidate')
    for (const one of batch) {
      this.#waiting.delete(one)
      this.#sent.set(one, answered)
    }
    try {
      await answered
    } finally {
      for (const one of batch) this.#sent.delete(one)
    }
  }
}
