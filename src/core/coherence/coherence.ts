import { background } from '../background.js'
import { type Clock, pause, settledWithin } from '../clock.js'
import type { Counters } from '../counters.js'
import { asError, CacheError } from '../errors.js'
import type { GuardedEmitter } from '../events.js'
import type { CoreSettings } from '../options.js'
import type { Stamp } from '../stamp.js'
import { CircuitBreaker } from '../tiers/circuit-breaker.js'
import { untilLoaded } from '../tiers/late-port.js'
import type { RedisPort } from '../tiers/redis-client.js'
import { noConnection, RedisTier } from '../tiers/redis-tier.js'
import { Refusals } from '../tiers/refusals.js'
import { Changes, uncountedFor } from './changes.js'
import type { CoherenceParts } from './coherence-parts.js'
import { Confirmations } from './confirmations.js'
import type { Cover } from './cover.js'
import { Follower } from './follower.js'
import { Heartbeat } from './heartbeat.js'
import type { JournalStats, KnownStats } from './journal.js'
import { JournalFile } from './journal-file.js'
import { Link } from './link.js'
import { type Confirmed, LogAppender } from './log-appender.js'
import { type LogParts, newLogParts } from './log-parts.js'
import type { LogPosition } from './log-position.js'
import type { Recorded } from './mirror.js'
import { type OutageStats, Outages } from './outages.js'
import { Recovery } from './recovery.js'
import { RedisReports, redisCodeOf } from './redis-reports.js'
import { ServerCheck } from './server-check.js'
import type { LogState } from './shared-log.js'
import { tellInvalidation } from './tell-invalidation.js'

/** How long `close` tries to append pending invalidations without getting any further, in ms. */
const patience = 1_000
/** How long it tries at most: a program may end before its first connection, or send thousands. */
const longestPatience = 5_000

/** How far a process has read the log of invalidations. */
export interface LogStats {
  /**
   * Position of the last record that was applied, in microseconds of the Redis clock: processes that show the same one
   * know the same invalidations. `null` before the first connection.
   */
  readonly position: number | null
  /**
   * For how long other processes may have added records that this one does not know, in seconds. Below 2 while Redis is
   * used; grows during an outage. `null` before the first connection.
   */
  readonly lagSeconds: number | null
}

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
  readonly tier: RedisTier
  readonly breaker: CircuitBreaker
  /** What changes in Redis; `undefined` unless memory answers what Redis has confirmed. */
  readonly changes: Changes | undefined
  readonly #link: Link
  readonly #refusals: Refusals
  readonly #reports: RedisReports
  readonly #check: ServerCheck
  readonly #heartbeat: Heartbeat
  readonly #parts: LogParts
  readonly #position: LogPosition
  readonly #follower: Follower
  readonly #recovery: Recovery
  readonly #appender: LogAppender
  readonly #confirmations: Confirmations
  readonly #outages: Outages
  readonly #port: RedisPort
  readonly #clock: Clock
  readonly #settings: CoreSettings
  readonly #counters: Counters
  readonly #events: GuardedEmitter
  readonly #duties: CoherenceDuties
  /** The client's last connection error; `undefined` while it has a connection. */
  #connectionError: Error | undefined
  #isSuspect = false
  #closed = false

  constructor(parts: CoherenceParts, duties: CoherenceDuties) {
    const { port, settings, counters, events } = parts
    const { clock } = settings
    this.#port = port
    this.#clock = clock
    this.#settings = settings
    this.#counters = counters
    this.#events = events
    this.#duties = duties
    this.#outages = new Outages(clock)
    this.#reports = new RedisReports(parts)
    this.breaker = new CircuitBreaker(settings.circuitBreaker.threshold, (from, to) => {
      events.tell('circuit', { from, to })
      if (to !== 'open') return
      counters.circuitOpened++
      this.#breakerOpened()
    })
    this.#refusals = new Refusals(
      clock,
      counters,
      (refusal) => this.#reports.refused(refusal),
      (refusal) => this.#reports.refusalEnded(refusal),
    )
    this.tier = new RedisTier({ port, breaker: this.breaker, clock, counters, refusals: this.#refusals }, settings, {
      onLateReply: () => this.#link.lookSoon(),
      onWrongServer: (failure) => this.#onWrongServer(failure),
      onOutOfStep: (failure) => this.#onOutOfStep(failure),
    })
    this.#check = new ServerCheck(parts, this.tier)
    const log = newLogParts(parts, this.#openFile())
    this.#parts = log
    this.#position = log.position
    this.#confirmations = new Confirmations(parts, this.tier, log.nonces.id)
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
      { tier: this.tier, ...log },
      { isConnected: () => this.isConnected, follow: (text, askedAt) => this.follow(text, askedAt), onLostTrack },
    )
    this.#recovery = new Recovery(this.tier, this.#follower, log, {
      holdsEntries: duties.holdsEntries,
      onEntered: (life) => this.#onEntered(life),
      onOpened: (state) => this.#onOpened(state),
    })
    this.#appender = this.#newAppender()
    this.#link = this.#newLink()
  }

  #newAppender(): LogAppender {
    const { tier } = this
    const parts = { tier, heartbeat: this.#heartbeat, confirmations: this.#confirmations }
    return new LogAppender(this.#parts, parts, {
      waitForStart: () => this.waitForStart(),
      isConnected: () => this.isConnected,
      onUnavailable: () => this.noteUnavailable(),
      onFailed: (error) => {
        this.#link.lose(error)
        this.#link.lookSoon()
      },
    })
  }

  #newLink(): Link {
    const { cooldown } = this.#settings.circuitBreaker
    // A cluster client does not report a failover, because it remains ready while another node takes over.
    const most = this.#port.isCluster ? Math.min(cooldown, 2000) : cooldown
    return new Link(this.breaker, this.#clock, most, {
      ping: () => this.#check.greet(),
      recover: () => this.#recover(),
      onLost: (cause) => this.#onLost(cause),
      onStillLost: (cause) => this.#reports.stillLost(cause),
      onConnected: (milliseconds) => this.#onConnected(milliseconds),
    })
  }

  /**
   * Whether the replies of Redis match the commands. If they do not, the connection is dropped, and Redis is not used
   * until there is a new one. Never rejects.
   */
  async isInStep(): Promise<boolean> {
    try {
      await this.tier.run(() => this.#check.step.ask())
      return true
    } catch {
      return false
    }
  }

  /**
   * Starts to listen to the client, and to connect.
   *
   * @param watch - listens to the client, like {@link RedisPort.watch}
   */
  open(watch: RedisPort['watch']): void {
    watch(
      () => {
        this.#connectionError = undefined
        this.#check.step.reconnected()
        this.#link.lookSoon()
      },
      () => {
        this.tier.forgetInFlight()
        this.#check.step.reconnected()
        this.#recovery.connectionBroke()
        const cause = this.#connectionError
        const why =
          cause === undefined ? 'the connection to Redis was closed' : `Redis cannot be used: ${cause.message}`
        this.#link.lose(new CacheError('redis-unavailable', why, cause))
      },
      (error) => {
        this.#connectionError = asError(error)
      },
    )
    this.#port.connect()
    if (this.#port.isReady()) this.#link.lookSoon()
    // A client that its owner forgot to connect emits no events. Wait before checking: most are connected soon
    // afterwards.
    this.later(() => {
      const { obstacle } = this.#port
      if (this.#link.state === 'starting' && obstacle !== undefined) this.#link.lose(noConnection(undefined, obstacle))
    })
    this.#heartbeat.start()
  }

  /** Whether Redis answers and this process has caught up with the log. */
  get isConnected(): boolean {
    return this.#link.state === 'connected'
  }

  /** A promise for the first connection while it is being made; `undefined` afterwards. */
  get starting(): Promise<void> | undefined {
    return this.#link.state === 'starting' ? this.#link.whenStarted : undefined
  }

  /** Waits for the first connection, up to the time limit of any Redis command. Never rejects. */
  async waitForStart(): Promise<void> {
    const { starting } = this
    if (starting === undefined) return
    // The package of the client is loaded once, when the process starts, and is not part of the wait for Redis.
    if (this.#port.loading !== undefined) await untilLoaded(this.#clock, this.#port.loading)
    await settledWithin(this.#clock, starting, this.#settings.redisTimeout)
    if (this.starting !== undefined && this.breaker.state === 'closed') this.#failUnconnected()
  }

  /**
   * Notes that a request could not use Redis. Counts as a failure while the breaker is closed and there is no
   * connection.
   */
  noteUnavailable(): void {
    this.#counters.redisSkipped++
    if (this.breaker.state === 'closed' && !this.#port.isReady()) this.#failUnconnected()
  }

  #failUnconnected(): void {
    this.breaker.fail(noConnection(this.#connectionError, this.#port.obstacle))
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
    if (this.changes !== undefined || this.#clock.monotonic() - this.confirmedAt > uncountedFor) return true
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

  /** The reason why Redis cannot be used, or the first of its current refusals; `undefined` if there is no problem. */
  get redisError(): string | undefined {
    if (this.isConnected) return this.#refusals.first?.message
    if (this.#connectionError !== undefined) return this.#connectionError.message
    const { cause } = this.#link
    return cause === undefined ? this.#port.obstacle : wordsOf(cause)
  }

  stats(): JournalStats & KnownStats {
    return { ...this.#parts.journal.stats(), ...this.#parts.knowledge.size }
  }

  /** See {@link Outages.stats}. */
  outageStats(): OutageStats {
    return this.#outages.stats()
  }

  /** How far this process has read the log. */
  logStats(): LogStats {
    const lag = Math.max(0, this.#clock.monotonic() - this.confirmedAt)
    return {
      position: this.#position.head?.position ?? null,
      lagSeconds: Number.isFinite(lag) ? lag / 1000 : null,
    }
  }

  /**
   * Appends pending invalidations to the log, for at most five seconds, then stops: earlier if it gets no further for a
   * second, unless Redis was never connected. Does not try with a client that will not connect by itself. Warns of those that are lost.
   */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const isHopeless = this.#port.obstacle !== undefined
    if (!isHopeless) await this.#drain()
    const { pending } = this.#parts.journal.stats()
    if (pending > 0) this.#reports.untold(pending, this.#settings.journalFile !== undefined)
    this.#link.close()
    this.#heartbeat.stop()
    await this.#port.close()
  }

  /** Tries to append pending invalidations, also over a connection that is just being made. */
  async #drain(): Promise<void> {
    const last = this.#clock.monotonic() + longestPatience
    const next = (): number => Math.min(this.#clock.monotonic() + patience, last)
    let end = this.#position.head === undefined ? last : next()
    for (let { pending } = this.#parts.journal.stats(); pending > 0; ) {
      const left = end - this.#clock.monotonic()
      if (left <= 0) return
      await settledWithin(this.#clock, this.#link.lookNow(), left)
      // Those that were sent are pending until Redis has answered.
      await pause(this.#clock, this.isConnected ? 5 : 50)
      const now = this.#parts.journal.stats().pending
      if (now < pending) end = next()
      pending = now
    }
  }

  /**
   * Recovers after losing track of the log. Nothing is answered until then, because only recovery can tell whether
   * Redis was emptied on purpose, which empties memory too, or by accident.
   */
  async #onLostTrack(message: string): Promise<never> {
    const error = new CacheError('log-broken', message)
    if (this.isConnected) this.#isSuspect = true
    this.#link.lose(error)
    await this.#link.lookNow()
    throw error
  }

  async #recover(): Promise<void> {
    await this.#check.orReconnect(() => this.#recovery.run())
    this.#isSuspect = false
  }

  #onWrongServer(failure: CacheError): void {
    this.#link.lose(failure)
    this.#port.reconnect()
  }

  #onOutOfStep(failure: CacheError): void {
    this.#check.step.drop()
    this.#link.lose(failure)
  }

  #openFile(): JournalFile | undefined {
    const { journalFile } = this.#settings
    if (journalFile === undefined) return undefined
    return new JournalFile(
      journalFile,
      (error) => this.#events.tell('fault', { error: asError(error) }),
      (path) => this.#reports.sharedJournal(path),
    )
  }

  #onRecords(covers: readonly Cover[]): void {
    this.#duties.onRecords(covers)
    tellInvalidation(this.#events, covers, 'log')
  }

  #breakerOpened(): void {
    // This is a real outage: memory must answer now, even if it was suspect.
    this.#isSuspect = false
    this.#link.lose(this.breaker.lastFailure)
  }

  #onLost(cause: Error | undefined): void {
    this.#counters.outages++
    this.#outages.begin()
    // Under load, requests may give up before a healthy Redis is connected: wait before logging, unless the client
    // reports an error.
    if (this.#position.head === undefined && this.#connectionError === undefined) {
      this.later(() => {
        if (this.#position.head === undefined) {
          this.#reports.lost(this.#connectionError ?? this.#link.cause ?? cause, true)
        }
      })
    } else this.#reports.lost(cause, this.#position.head === undefined)
    this.#events.tell('outage', { cause })
  }

  #onConnected(milliseconds: number): void {
    this.#connectionError = undefined
    this.#outages.end()
    this.#port.settle()
    this.#refusals.recovered()
    const writeBack = this.#duties.onConnected()
    this.#reports.recovered({ seconds: milliseconds / 1000, replayed: this.#recovery.replayed, writeBack })
    // Invalidations issued while the recovery was completing.
    for (const issued of this.#parts.journal.pending()) void this.#appender.append(issued)
  }

  async #onEntered(life: string): Promise<void> {
    const { changes } = this
    if (changes !== undefined) await this.tier.probe(() => changes.enter(this.headKey, life))
  }

  #onOpened({ evictionPolicy }: LogState): void {
    this.#heartbeat.vouched()
    this.#reports.evictionPolicy(evictionPolicy)
  }
}

/** The original message of Redis or of its client. */
function wordsOf(failure: Error): string {
  return redisCodeOf(failure) !== undefined && failure.cause instanceof Error ? failure.cause.message : failure.message
}
