import { AsyncResource } from 'node:async_hooks'
import { randomBytes } from 'node:crypto'
import { type Clock, pause, settledWithin, type Timer } from '../clock.js'
import type { Counters } from '../counters.js'
import { asError, CacheError } from '../errors.js'
import type { GuardedEmitter } from '../events.js'
import { notify } from '../logger.js'
import type { CoreSettings } from '../options.js'
import type { Stamp } from '../stamp.js'
import { CircuitBreaker } from '../tiers/circuit-breaker.js'
import type { RedisPort } from '../tiers/redis-client.js'
import { noConnection, RedisTier } from '../tiers/redis-tier.js'
import { type Purpose, type RedisRefusal, Refusals } from '../tiers/refusals.js'
import { replyCode, WRITE_REFUSED, WRONG_SERVER } from '../tiers/reply-code.js'
import type { CoherenceParts } from './coherence-parts.js'
import type { Cover } from './cover.js'
import { Follower } from './follower.js'
import { type Issued, Journal, type JournalStats, type KnownStats } from './journal.js'
import { JournalFile } from './journal-file.js'
import { Knowledge } from './knowledge.js'
import { Link } from './link.js'
import { echoScript } from './log-scripts.js'
import type { Recorded } from './mirror.js'
import { ownName } from './names.js'
import { Nonces } from './nonces.js'
import { Recovery } from './recovery.js'
import { type LogState, SharedLog } from './shared-log.js'
import { tellInvalidation } from './tell-invalidation.js'

/** The async context of background work: the one in which this module was loaded. */
const background = new AsyncResource('FallbackCacheBackground')

/** How often each process checks whether the log is complete, in ms. */
const vouchPeriod = 5000

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
  readonly #link: Link
  readonly #refusals: Refusals
  /** Redis error codes already logged during this outage. */
  readonly #said = new Set<string>()
  #isLossSaid = false
  readonly #log: SharedLog
  readonly #follower: Follower
  readonly #recovery: Recovery
  readonly #journal: Journal
  readonly #knowledge: Knowledge
  readonly #port: RedisPort
  readonly #clock: Clock
  readonly #settings: CoreSettings
  readonly #counters: Counters
  readonly #events: GuardedEmitter
  readonly #duties: CoherenceDuties
  /** The client's last connection error; `undefined` while it has a connection. */
  #connectionError: Error | undefined
  #isSuspect = false
  #heartbeat: Timer | undefined
  #vouchedAt = 0
  #saidPolicy = false
  #closed = false

  constructor({ port, mirror, settings, counters, events }: CoherenceParts, duties: CoherenceDuties) {
    const { clock } = settings
    this.#port = port
    this.#clock = clock
    this.#settings = settings
    this.#counters = counters
    this.#events = events
    this.#duties = duties
    this.breaker = new CircuitBreaker(settings.circuitBreaker.threshold, (from, to) => {
      events.tell('circuit', { from, to })
      if (to === 'open') this.#breakerOpened()
    })
    this.#refusals = new Refusals(
      clock,
      counters,
      (refusal) => this.#onRefusal(refusal),
      ({ code, purpose }) => {
        this.#settings.logger?.info(
          { code, purpose },
          `fallback-cache: Redis no longer answers ${code} to ${DEEDS[purpose]}`,
        )
      },
    )
    this.tier = new RedisTier({ port, breaker: this.breaker, clock, counters, refusals: this.#refusals }, settings, {
      onLateReply: () => this.#link.lookSoon(),
      onWrongServer: (failure) => this.#onWrongServer(failure),
    })
    const nonces = new Nonces()
    this.#knowledge = new Knowledge(clock, settings.maxJournalBytes)
    this.#journal = new Journal({ mirror, nonces, clock }, settings.maxJournalBytes, this.#openFile())
    this.#log = new SharedLog(port, settings.keyPrefix, settings.maxHandlerTime)
    const log = { log: this.#log, journal: this.#journal, mirror, nonces, knowledge: this.#knowledge, clock }
    this.#follower = new Follower(log, {
      onRecords: (covers) => this.#onRecords(covers),
      onForget: duties.onForget,
      onLostTrack: (message) => this.#onLostTrack(message),
    })
    this.#recovery = new Recovery(this.tier, this.#follower, log, {
      holdsEntries: duties.holdsEntries,
      onOpened: (state) => this.#onOpened(state),
    })
    // A cluster client does not report a failover, because it remains ready while another node takes over.
    const cooldown = port.isCluster
      ? Math.min(settings.circuitBreaker.cooldown, 2000)
      : settings.circuitBreaker.cooldown
    this.#link = new Link(this.breaker, clock, cooldown, {
      ping: () => this.#greet(),
      recover: () => this.#recover(),
      onLost: (cause) => this.#onLost(cause),
      onStillLost: (cause) => this.#onStillLost(cause),
      onConnected: (milliseconds) => this.#onConnected(milliseconds),
    })
  }

  /**
   * Whether the replies of Redis match the commands. If they do not, the connection is dropped, and Redis is not used
   * until there is a new one. Never rejects.
   */
  async isInStep(): Promise<boolean> {
    try {
      await this.tier.run(() => this.#askEcho())
      return true
    } catch (thrown) {
      if (thrown instanceof CacheError && thrown.code === 'redis-out-of-step') this.#link.lose(thrown)
      return false
    }
  }

  /** @throws CacheError if the reply does not contain this call's random text */
  async #askEcho(): Promise<void> {
    const question = randomBytes(6).toString('hex')
    const reply = await echoScript.run(this.#port, [this.#log.headKey], [question])
    if (String(reply) === question) return
    this.#port.reset()
    throw new CacheError('redis-out-of-step', 'Redis replied to a different command: the connection is dropped')
  }

  /** Starts to listen to the client, and to connect. */
  open(): void {
    this.#port.watch(
      () => {
        this.#connectionError = undefined
        this.#link.lookSoon()
      },
      () => {
        this.tier.forgetInFlight()
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
    this.#beat()
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

  /** See {@link Follower.confirmedAt}. */
  get confirmedAt(): number {
    return this.#follower.confirmedAt
  }

  /** See {@link Follower.stamp}. */
  get stamp(): Stamp {
    return this.#follower.stamp
  }

  /** The key of the log's head, which is read together with every entry. */
  get headKey(): string {
    return this.#log.headKey
  }

  /** See {@link Follower.follow}. */
  follow(text: string | undefined, askedAt: number): undefined | Promise<void> {
    return this.#follower.follow(text, askedAt)
  }

  /**
   * Appends an invalidation of this process to the log, and so announces it to all processes.
   *
   * @returns the previous values of the exact keys in Redis if the log has the record; `undefined` if it will be
   * appended later
   */
  async issue(recorded: Recorded): Promise<readonly Buffer[] | undefined> {
    const issued = this.#journal.add(recorded)
    const existed = await this.#tell(issued)
    if (existed === undefined) this.#journal.keep(issued)
    return existed
  }

  async #tell(issued: Issued): Promise<readonly Buffer[] | undefined> {
    await this.waitForStart()
    const { head } = this.#follower
    if (!this.isConnected || head === undefined) {
      this.noteUnavailable()
      return undefined
    }
    try {
      const existed = await this.tier.run(() => this.#follower.append(head.incarnation, issued), 'invalidate')
      // Other processes have appended records before it: read them, so that the next stamp is not older than this
      // record.
      if (this.#follower.missesOwn) await this.#look(this.#clock.monotonic())
      return existed
    } catch (thrown) {
      // Until the log has the record, Redis may return the entries that were just invalidated.
      this.#link.lose(asError(thrown))
      this.#link.lookSoon()
      return undefined
    }
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
    return { ...this.#journal.stats(), ...this.#knowledge.size }
  }

  /** Appends pending invalidations to the log if that takes at most one second, then stops. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#drain()
    this.#link.close()
    if (this.#heartbeat !== undefined) this.#clock.clearTimer(this.#heartbeat)
    await this.#port.close()
  }

  /** Tries to append pending invalidations, also over a connection that is just being restored. */
  async #drain(): Promise<void> {
    const end = this.#clock.monotonic() + 1000
    for (let left = 1000; this.#journal.stats().pending > 0 && left > 0; left = end - this.#clock.monotonic()) {
      await settledWithin(this.#clock, this.#link.lookNow(), left)
      if (!this.isConnected) await pause(this.#clock, 50)
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

  /**
   * Checks that Redis answers, that the intended database is selected, and, by a write without effect, that the server
   * is a master. A replica answers reads late, and every write to it would be lost.
   */
  async #greet(): Promise<void> {
    const name = ownName(this.#settings.keyPrefix, 'probe')
    await this.#orReconnect(async () => {
      // First: if a reply goes missing, the late reply to this command reaches the next check, which recognizes it.
      await this.tier.probe(() => this.#askEcho())
      await this.tier.probe(() => this.#port.selectDatabase())
      await this.tier.probe(() => this.#port.send(name, ['UNLINK', name]).catch(passRefusedWrite))
    })
  }

  async #recover(): Promise<void> {
    await this.#orReconnect(() => this.#recovery.run())
    this.#isSuspect = false
  }

  /** Requests another connection if the server turns out to be the wrong one. */
  async #orReconnect(look: () => Promise<void>): Promise<void> {
    try {
      await look()
    } catch (thrown) {
      if (WRONG_SERVER.has(codeOf(asError(thrown)) ?? '')) this.#port.reconnect()
      throw thrown
    }
  }

  #onWrongServer(failure: CacheError): void {
    this.#link.lose(failure)
    this.#port.reconnect()
  }

  #openFile(): JournalFile | undefined {
    const { journalFile } = this.#settings
    if (journalFile === undefined) return undefined
    return new JournalFile(journalFile, (error) => this.#events.tell('fault', { error: asError(error) }))
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
    // Under load, requests may give up before a healthy Redis is connected: wait before logging, unless the client
    // reports an error.
    if (this.#follower.head === undefined && this.#connectionError === undefined) {
      this.later(() => {
        if (this.#follower.head === undefined) this.#sayLost(this.#connectionError ?? this.#link.cause ?? cause)
      })
    } else this.#sayLost(cause)
    this.#events.tell('outage', { cause })
  }

  #sayLost(cause: Error | undefined): void {
    const kind = cause && codeOf(cause)
    this.#isLossSaid = true
    if (kind !== undefined) this.#said.add(kind)
    const details = { code: cause instanceof CacheError ? cause.code : undefined, kind, cause: cause?.message }
    this.#settings.logger?.warn(details, 'fallback-cache: Redis is not usable, memory answers alone')
    // A wrong address or password must be visible even without a logger.
    if (this.#follower.head === undefined && this.#settings.logger === undefined) {
      process.emitWarning(`memory answers alone: ${cause?.message ?? 'there is no Redis'}`, 'FallbackCacheWarning')
    }
  }

  /** Logs an outage whose reason has changed, such as a restarted server that requires a password. */
  #onStillLost(cause: Error): void {
    const kind = codeOf(cause)
    if (kind === undefined || !this.#isLossSaid || this.#said.has(kind)) return
    this.#said.add(kind)
    const details = { code: cause instanceof CacheError ? cause.code : undefined, kind, cause: cause.message }
    this.#settings.logger?.warn(details, 'fallback-cache: Redis is still not usable, for another reason')
  }

  #onRefusal({ code, message, purpose }: RedisRefusal): void {
    // A refused invalidation is an outage, and reported as one.
    if (purpose === 'invalidate') return
    const remedy = REMEDIES[code] ?? 'See docs/redis.md'
    const said = `Redis answers ${code} to ${DEEDS[purpose]}, memory does without: ${message.replace(/\.$/, '')}. ${remedy}`
    notify(this.#settings.logger, said, { code: 'redis-reply', kind: code, purpose, cause: message })
    this.#events.tell('fault', { error: new CacheError('redis-reply', `Redis answered: ${message}`) })
  }

  #onConnected(milliseconds: number): void {
    this.#said.clear()
    this.#isLossSaid = false
    this.#connectionError = undefined
    this.#port.settle()
    const writeBack = this.#duties.onConnected()
    const seconds = milliseconds / 1000
    const details = { seconds, replayed: this.#recovery.replayed, writeBack }
    this.#settings.logger?.info(details, 'fallback-cache: Redis is trusted')
    this.#events.tell('recovery', details)
    // Invalidations issued while the recovery was completing.
    for (const issued of this.#journal.pending()) void this.#tell(issued)
  }

  /** Reads the head if no other read did, so that the mirror is never far behind. */
  #beat(): void {
    const { lease, read } = this.#settings
    const period = read === 'memory-first' ? Math.max(lease / 4, 10) : 1000
    this.#heartbeat = this.#clock.setTimer(() => {
      if (this.#closed) return
      this.#beat()
      const now = this.#clock.monotonic()
      if (!this.isConnected) return
      if (now - this.#vouchedAt >= vouchPeriod) void this.#vouch(now)
      if (now - this.confirmedAt >= period / 2) void this.#look(now)
    }, period)
  }

  /** Checks whether the log is complete; the check also prevents its eviction as unused. Never rejects. */
  #vouch(now: number): Promise<void> {
    this.#vouchedAt = now
    return this.tier
      .run(async () => {
        const { incarnation } = this.stamp
        const isWhole = await this.#log.isWhole(incarnation)
        if (!isWhole && incarnation === this.stamp.incarnation && this.isConnected) {
          await this.#onLostTrack('a key of the invalidation log is gone, or the server is another one')
        }
      })
      .catch(() => {})
  }

  #onOpened({ evictionPolicy }: LogState): void {
    this.#vouchedAt = this.#clock.monotonic()
    const advice = policyAdvice(evictionPolicy)
    if (advice === undefined || this.#saidPolicy) return
    this.#saidPolicy = true
    this.#warn({ policy: evictionPolicy }, advice)
  }

  /** Logs a warning, or prints it if there is no logger, because a misconfiguration must not go unnoticed. */
  #warn(details: object, message: string): void {
    const { logger } = this.#settings
    if (logger === undefined) process.emitWarning(message, 'FallbackCacheWarning')
    else logger.warn(details, `fallback-cache: ${message}`)
  }

  /** Reads the head, and follows it. Never rejects. */
  #look(askedAt: number): Promise<void> {
    return this.tier
      .run(async () => {
        const reply = await this.#port.send(this.headKey, ['GET', this.headKey])
        await this.follow(reply === null || reply === undefined ? undefined : String(reply), askedAt)
      }, 'read')
      .catch(() => {})
  }
}

/** The problem with a server's eviction policy, and its remedy; `undefined` if there is none. */
function policyAdvice(policy: string): string | undefined {
  if (policy.startsWith('allkeys-')) {
    return (
      `Redis evicts by maxmemory-policy ${policy}, which may take the invalidation log. Nothing false is served then, but ` +
      'all entries in Redis are lost with it: set maxmemory-policy to volatile-lru or volatile-lfu'
    )
  }
  if (policy !== 'noeviction') return undefined
  return (
    'Redis has a maxmemory and maxmemory-policy noeviction: once it is full, it refuses entries and invalidations, and ' +
    'memory answers alone: set maxmemory-policy to volatile-lru or volatile-lfu'
  )
}

/** The description of each command purpose for log messages. */
const DEEDS: Readonly<Record<Purpose, string>> = {
  read: 'reads',
  store: 'the storing of entries',
  invalidate: 'invalidations',
  'single flight': 'the single flight between processes',
  sweep: 'the removal of invalidated entries',
}

const REMEDIES: Readonly<Record<string, string | undefined>> = {
  OOM: 'Give Redis more memory, or an eviction policy (docs/redis.md)',
  NOPERM: 'Give its user the permissions in docs/redis.md',
  MISCONF: 'Redis cannot save to its disk, and takes no writes until it can',
  NOREPLICAS: 'Redis takes no writes while too few replicas are connected (min-replicas-to-write)',
}

/** The Redis error code of a failure, if Redis answered. */
function codeOf(failure: Error): string | undefined {
  return replyCode(failure.cause instanceof Error ? failure.cause : failure)
}

/** The original message of Redis or of its client. */
function wordsOf(failure: Error): string {
  return codeOf(failure) !== undefined && failure.cause instanceof Error ? failure.cause.message : failure.message
}

/** Ignores a refused write: a master that temporarily accepts no writes is still a master. */
function passRefusedWrite(thrown: unknown): void {
  if (!WRITE_REFUSED.has(replyCode(asError(thrown)) ?? '')) throw thrown
}
