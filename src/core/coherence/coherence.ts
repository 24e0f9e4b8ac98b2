import { background } from '../background.js'
import type { Clock } from '../clock.js'
import type { Counters } from '../counters.js'
import { asError, CacheError } from '../errors.js'
import type { GuardedEmitter } from '../events.js'
import type { CoreSettings } from '../options.js'
import type { Stamp } from '../stamp.js'
import type { RedisPort } from '../tiers/redis-client.js'
import { Changes, UNCOUNTED_FOR } from './changes.js'
import type { CoherenceParts } from './coherence-parts.js'
import { Confirmations } from './confirmations.js'
import type { Cover } from './cover.js'
import { Follower } from './follower.js'
import { Heartbeat } from './heartbeat.js'
import type { JournalStats, KnownStats } from './journal.js'
import { JournalFile } from './journal-file.js'
import { type Confirmed, LogAppender } from './log-appender.js'
import { type LogParts, newLogParts } from './log-parts.js'
import type { LogPosition, LogStats } from './log-position.js'
import type { Recorded } from './mirror.js'
import { type OutageStats, Outages } from './outages.js'
import { Recovery } from './recovery.js'
import { RedisConnection } from './redis-connection.js'
import { RedisReports } from './redis-reports.js'
import type { LogState } from './shared-log.js'
import { tellInvalidation } from './tell-invalidation.js'

/** Callbacks to the cache that a {@link Coherence} serves. */
export interface CoherenceDuties {
  /** Called with the records of other processes, so that the exact keys in them are removed from memory. */
  readonly onRecords: (covers: readonly Cover[]) => void
  /** Called if all entries in memory may be invalid, because records were lost or an operator emptied Redis. */
  readonly onForget: () => void
  /** Called when Redis can be used again, to write back missing entries. Returns their number. */
  readonly onConnected: () => number
  /** Whether memory holds entries. */
  readonly holdsEntries: () => boolean
}

/**
 * Keeps this process synchronized with the shared log of invalidations, so that entries can be judged by the
 * invalidations known here; see `docs/coherence.md`. Every read follows the log, and every invalidation is appended to
 * it. If Redis is lost, nothing from it is used until the recovery is complete.
 */
export class Coherence {
  readonly connection: RedisConnection
  /** What changes in Redis; `undefined` unless memory answers what Redis has confirmed. */
  readonly changes: Changes | undefined
  readonly #reports: RedisReports
  readonly #heartbeat: Heartbeat
  readonly #parts: LogParts
  readonly #position: LogPosition
  readonly #follower: Follower
  readonly #recovery: Recovery
  readonly #appender: LogAppender
  readonly #confirmations: Confirmations
  readonly #outages: Outages
  readonly #clock: Clock
  readonly #settings: CoreSettings
  readonly #counters: Counters
  readonly #events: GuardedEmitter
  readonly #duties: CoherenceDuties
  #isSuspect = false
  #closed = false

  constructor(parts: CoherenceParts, duties: CoherenceDuties) {
    const { port, settings, counters, events } = parts
    const { clock } = settings
    this.#clock = clock
    this.#settings = settings
    this.#counters = counters
    this.#events = events
    this.#duties = duties
    this.#outages = new Outages(clock)
    this.#reports = new RedisReports(settings, events, {
      later: (run, ms) => this.later(run, ms),
      cause: () => this.connection.clientError ?? this.connection.cause,
    })
    this.connection = this.#newConnection(parts)
    const { tier } = this.connection
    const log = newLogParts(parts, this.#openFile())
    this.#parts = log
    this.#position = log.position
    this.#confirmations = new Confirmations(parts, tier, log.nonces.id)
    const onLostTrack = (message: string) => this.#onLostTrack(message)
    this.#follower = new Follower(log, {
      onRecords: (covers, { nonce, position }) => {
        this.#onRecords(covers)
        void this.#confirmations.confirm(nonce, position)
      },
      onForget: duties.onForget,
      onLostTrack,
    })
    this.changes = settings.read === 'confirmed' ? new Changes(port, settings.keyPrefix, clock) : undefined
    this.#heartbeat = new Heartbeat(
      parts,
      { tier, ...log },
      {
        isConnected: () => this.connection.isConnected,
        follow: (text, askedAt) => this.follow(text, askedAt),
        onLostTrack,
      },
    )
    this.#recovery = new Recovery(tier, this.#follower, log, {
      holdsEntries: duties.holdsEntries,
      onEntered: (life) => this.#onEntered(life),
      onOpened: (state) => this.#onOpened(state),
    })
    this.#appender = this.#newAppender()
  }

  #newConnection(parts: CoherenceParts): RedisConnection {
    return new RedisConnection(parts, this.#reports, {
      recover: () => this.#recover(),
      onLost: (cause) => this.#onLost(cause),
      onConnected: (milliseconds) => this.#onConnected(milliseconds),
      onClosed: () => this.#recovery.connectionBroke(),
      onBreakerOpened: () => {
        // This is a real outage: memory must answer now, even if it was suspect.
        this.#isSuspect = false
      },
    })
  }

  #newAppender(): LogAppender {
    const { connection } = this
    const parts = { tier: connection.tier, heartbeat: this.#heartbeat, confirmations: this.#confirmations }
    return new LogAppender(this.#parts, parts, {
      waitForStart: () => connection.waitForStart(),
      isConnected: () => connection.isConnected,
      onUnavailable: () => connection.noteUnavailable(),
      connect: () => connection.lookNow(),
      onFailed: (error) => {
        connection.lose(error)
        connection.lookSoon()
      },
    })
  }

  /**
   * Starts to listen to the client, and to connect.
   *
   * @param watch - listens to the client, like {@link RedisPort.watch}
   */
  open(watch: RedisPort['watch']): void {
    this.connection.open(watch)
    this.later(() => this.connection.noteObstacle())
    this.#heartbeat.start()
  }

  /** True while it is unknown whether Redis was emptied on purpose, so that memory must not be used. */
  get isSuspect(): boolean {
    return this.#isSuspect
  }

  /** See {@link LogPosition.confirmedAt}. */
  get confirmedAt(): number {
    return this.#position.confirmedAt
  }

  /** See {@link LogPosition.stamp}. */
  get stamp(): Stamp {
    return this.#position.stamp
  }

  /** Whether processes of this log may read which entries in Redis have changed: not if the head has just denied it. */
  get countsChanges(): boolean {
    if (this.changes !== undefined || this.#clock.monotonic() - this.confirmedAt > UNCOUNTED_FOR) return true
    return /^ c\d/.test(this.#position.head?.more ?? '')
  }

  /** The key of the log's head, which is read together with every entry. */
  get headKey(): string {
    return this.#parts.log.headKey
  }

  /** See {@link Follower.follow} and {@link Changes.follow}. */
  follow(text: string | undefined, askedAt: number): undefined | Promise<void> {
    const followed = this.#follower.follow(text, askedAt)
    const { changes } = this
    if (changes === undefined) return followed
    return followed === undefined ? changes.follow(text, askedAt) : followed.then(() => changes.follow(text, askedAt))
  }

  /** See {@link LogAppender.issue}. */
  issue(recorded: Recorded, confirms: boolean): Promise<Confirmed | undefined> {
    return this.#appender.issue(recorded, confirms)
  }

  /** The name of this process in confirmations. */
  get processName(): string {
    return this.#confirmations.self
  }

  /**
   * Calls `run` after `ms`, unless this instance is closed by then. Always runs outside the caller's async context,
   * because background work belongs to no request and must not appear in its trace.
   */
  later(run: () => void, ms = 1000): void {
    background.runInAsyncScope(() => {
      this.#clock.setTimer(() => {
        if (!this.#closed) run()
      }, ms)
    })
  }

  stats(): JournalStats & KnownStats {
    return { ...this.#parts.journal.stats(), ...this.#parts.knowledge.size }
  }

  /** See {@link Outages.stats}. */
  outageStats(): OutageStats {
    return this.#outages.stats()
  }

  /** See {@link LogPosition.stats}. */
  logStats(): LogStats {
    return this.#position.stats()
  }

  /**
   * Appends pending invalidations to the log, for at most five seconds, then stops: earlier if it gets no further for a
   * second, unless Redis was never connected. Does not try with a client that will not connect by itself. Warns of those that are lost.
   */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    if (!this.connection.isHopeless) await this.#appender.drain()
    const { pending } = this.#parts.journal.stats()
    if (pending > 0) this.#reports.untold(pending, this.#parts.journal.keepAll())
    this.#heartbeat.stop()
    await this.connection.close()
  }

  /**
   * Recovers after losing track of the log. Nothing is answered until then, because only recovery can tell whether
   * Redis was emptied on purpose, which empties memory too, or by accident.
   */
  async #onLostTrack(message: string): Promise<never> {
    const error = new CacheError('log-broken', message)
    if (this.connection.isConnected) this.#isSuspect = true
    this.connection.lose(error)
    await this.connection.lookNow()
    throw error
  }

  async #recover(): Promise<void> {
    await this.#recovery.run()
    this.#isSuspect = false
  }

  #openFile(): JournalFile | undefined {
    const { journalFile } = this.#settings
    if (journalFile === undefined) return undefined
    return new JournalFile(
      journalFile,
      (error) => this.#reports.journalFault(asError(error)),
      (path) => this.#reports.sharedJournal(path),
    )
  }

  #onRecords(covers: readonly Cover[]): void {
    this.#duties.onRecords(covers)
    tellInvalidation(this.#events, covers, 'log')
  }

  #onLost(cause: Error | undefined): void {
    this.#counters.outages++
    this.#outages.begin()
    // Under load, requests may give up before a healthy Redis is connected: wait before logging, unless the client
    // reports an error.
    if (this.#position.head === undefined && this.connection.clientError === undefined) {
      this.later(() => {
        if (this.#position.head === undefined) {
          this.#reports.neverUsable(this.connection.clientError ?? this.connection.cause ?? cause)
        }
      })
    } else if (this.#position.head === undefined) this.#reports.neverUsable(cause)
    else this.#reports.lost(cause)
    this.#events.tell('outage', { cause })
  }

  #onConnected(milliseconds: number): void {
    this.#outages.end()
    const writeBack = this.#duties.onConnected()
    this.#reports.recovered({ seconds: milliseconds / 1000, replayed: this.#recovery.replayed, writeBack })
    // Invalidations issued while the recovery was completing.
    for (const issued of this.#parts.journal.pending()) void this.#appender.append(issued)
  }

  async #onEntered(life: string): Promise<void> {
    const { changes } = this
    if (changes !== undefined) await this.connection.tier.probe(() => changes.enter(this.headKey, life))
  }

  #onOpened({ evictionPolicy }: LogState): void {
    this.#heartbeat.vouched()
    this.#reports.evictionPolicy(evictionPolicy)
  }
}
