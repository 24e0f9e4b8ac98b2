import { type Clock, pause, settledWithin, type Timer } from '../clock.js'
import type { Counters } from '../counters.js'
import { asError, CacheError } from '../errors.js'
import { type GuardedEmitter, tellInvalidation } from '../events.js'
import type { CoreSettings } from '../options.js'
import { CircuitBreaker } from '../tiers/circuit-breaker.js'
import type { RedisPort } from '../tiers/redis-client.js'
import { noConnection, RedisTier } from '../tiers/redis-tier.js'
import type { Stamp } from '../wire-frame.js'
import type { Cover } from './cover.js'
import { Follower } from './follower.js'
import { type Issued, Journal, type JournalStats } from './journal.js'
import { JournalFile } from './journal-file.js'
import { Knowledge } from './knowledge.js'
import { Link } from './link.js'
import type { Mirror, Recorded } from './mirror.js'
import { Nonces } from './nonces.js'
import { Recovery } from './recovery.js'
import { type LogState, SharedLog } from './shared-log.js'

/** How often each process looks whether the log is whole; ms. */
const vouchPeriod = 5000

/** What coherence tells the cache that it serves. */
export interface CoherenceDuties {
  /** Records came from other processes; exact keys they name leave memory. */
  readonly onRecords: (covers: readonly Cover[]) => void
  /** Whatever is in memory may be wrong: records were lost, or an operator emptied Redis. */
  readonly onForget: () => void
  /** Redis is trusted again: write back what it does not have. Gives how much that is. */
  readonly onConnected: () => number
  /** Whether memory holds entries. */
  readonly holdsEntries: () => boolean
}

/**
 * Keeps this process in step with the shared log of invalidations, so that an entry can be judged by what is known
 * here; see `docs/coherence.md`. Every read follows the log, every invalidation is issued to it, and when Redis is lost
 * nothing of it is believed until the recovery is complete.
 */
export class Coherence {
  readonly tier: RedisTier
  readonly breaker: CircuitBreaker
  readonly #link: Link
  readonly #log: SharedLog
  readonly #follower: Follower
  readonly #recovery: Recovery
  readonly #journal: Journal
  readonly #port: RedisPort
  readonly #clock: Clock
  readonly #settings: CoreSettings
  readonly #counters: Counters
  readonly #events: GuardedEmitter
  readonly #duties: CoherenceDuties
  /** What the client said last of its connection, while it has none. */
  #connectionError: Error | undefined
  #isSuspect = false
  #heartbeat: Timer | undefined
  #vouchedAt = 0
  #saidPolicy = false
  #closed = false

  constructor(
    port: RedisPort,
    mirror: Mirror,
    settings: CoreSettings,
    counters: Counters,
    events: GuardedEmitter,
    duties: CoherenceDuties,
  ) {
    const { clock } = settings
    this.#port = port
    this.#clock = clock
    this.#settings = settings
    this.#counters = counters
    this.#events = events
    this.#duties = duties
    this.breaker = new CircuitBreaker(settings.threshold, (from, to) => {
      events.tell('circuit', { from, to })
      if (to === 'open') this.#breakerOpened()
    })
    this.tier = new RedisTier(port, this.breaker, clock, settings, counters, () => this.#link.lookSoon())
    const nonces = new Nonces()
    const knowledge = new Knowledge(clock, settings.maxJournalBytes)
    this.#journal = new Journal(mirror, nonces, clock, settings.maxJournalBytes, this.#openFile())
    this.#log = new SharedLog(port, settings.keyPrefix, settings.maxHandlerTime)
    this.#follower = new Follower(this.#log, this.#journal, mirror, nonces, knowledge, clock, {
      onRecords: (covers) => this.#onRecords(covers),
      onForget: duties.onForget,
      onLostTrack: (message) => this.#onLostTrack(message),
    })
    this.#recovery = new Recovery(this.tier, this.#log, this.#follower, this.#journal, knowledge, nonces, clock, {
      holdsEntries: duties.holdsEntries,
      onOpened: (state) => this.#onOpened(state),
    })
    // A cluster client tells nothing of a failover: one of its nodes went, another took over, and it was ready all along.
    const cooldown = port.isCluster ? Math.min(settings.cooldown, 2000) : settings.cooldown
    this.#link = new Link(this.breaker, clock, cooldown, {
      ping: () => this.tier.probe(() => port.send(this.#log.headKey, ['PING'])),
      recover: () => this.#recover(),
      onLost: (cause) => this.#onLost(cause),
      onConnected: (milliseconds) => this.#onConnected(milliseconds),
    })
  }

  /** Starts to listen and to connect. */
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
    this.#beat()
  }

  /** True when Redis answers and this process has caught up with the log. */
  get isConnected(): boolean {
    return this.#link.state === 'connected'
  }

  /** While the first connection is on its way: what to wait for. */
  get starting(): Promise<void> | undefined {
    return this.#link.state === 'starting' ? this.#link.whenStarted : undefined
  }

  /** Waits for the first connection, but no longer than for any answer of Redis. Never rejects. */
  async waitForStart(): Promise<void> {
    const { starting } = this
    if (starting === undefined) return
    await settledWithin(this.#clock, starting, this.#settings.redisTimeout)
    if (this.starting !== undefined && this.breaker.state === 'closed') this.#failUnconnected()
  }

  /** A request had to do without Redis. Counted as the failure it is, as long as the breaker is closed. */
  noteUnavailable(): void {
    this.#counters.redisSkipped++
    if (this.breaker.state === 'closed' && !this.#port.isReady()) this.#failUnconnected()
  }

  #failUnconnected(): void {
    this.breaker.fail(noConnection(this.#connectionError))
  }

  /** True while it is not known whether Redis was emptied on purpose: memory must not answer then. */
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

  /** The key to read beside every entry. */
  get headKey(): string {
    return this.#log.headKey
  }

  /** See {@link Follower.follow}. */
  follow(text: string | undefined, askedAt: number): undefined | Promise<void> {
    return this.#follower.follow(text, askedAt)
  }

  /**
   * Tells the log, and so every process, what was invalidated here.
   *
   * @returns what the exact keys held in Redis, when the log has taken it; undefined when it will have to later
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
      const existed = await this.tier.run(() => this.#follower.append(head.incarnation, issued))
      // Others were faster. What is stored next must not seem to come from before this record.
      if (this.#follower.missesOwn) await this.#look(this.#clock.monotonic())
      return existed
    } catch (thrown) {
      // Until the log has it, what Redis says may be what was just invalidated.
      this.#link.lose(asError(thrown))
      this.#link.lookSoon()
      return undefined
    }
  }

  /** Calls `run` in a while, unless this was closed by then. */
  later(run: () => void, ms = 1000): void {
    this.#clock.setTimer(() => {
      if (!this.#closed) run()
    }, ms)
  }

  /** Why Redis cannot be used, as far as its client says; `undefined` while it can. */
  get connectionError(): Error | undefined {
    return this.#connectionError
  }

  stats(): JournalStats {
    return this.#journal.stats()
  }

  /** Tells the log what it does not know yet, if that takes no longer than a second, then stops. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#drain()
    this.#link.close()
    if (this.#heartbeat !== undefined) this.#clock.clearTimer(this.#heartbeat)
    await this.#port.close()
  }

  /** A connection that is only just coming back gets its chance. */
  async #drain(): Promise<void> {
    const end = this.#clock.monotonic() + 1000
    for (let left = 1000; this.#journal.stats().pending > 0 && left > 0; left = end - this.#clock.monotonic()) {
      await settledWithin(this.#clock, this.#link.lookNow(), left)
      if (!this.isConnected) await pause(this.#clock, 50)
    }
  }

  /** Memory may have been emptied by order, or Redis by accident: only recovery can tell, so nothing answers until then. */
  async #onLostTrack(message: string): Promise<never> {
    const error = new CacheError('log-broken', message)
    if (this.isConnected) this.#isSuspect = true
    this.#link.lose(error)
    await this.#link.lookNow()
    throw error
  }

  async #recover(): Promise<void> {
    await this.#recovery.run()
    this.#isSuspect = false
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
    // An outage proper: whatever was suspected, memory has to answer now.
    this.#isSuspect = false
    this.#link.lose(this.breaker.lastFailure)
  }

  #onLost(cause: Error | undefined): void {
    this.#counters.outages++
    // Under load requests give up before a healthy Redis is connected: unless the client says what is wrong, it has a while.
    if (this.#follower.head === undefined && this.#connectionError === undefined) {
      this.later(() => {
        if (this.#follower.head === undefined) this.#sayLost(this.#connectionError ?? cause)
      })
    } else this.#sayLost(cause)
    this.#events.tell('outage', { cause })
  }

  #sayLost(cause: Error | undefined): void {
    const details = { code: cause instanceof CacheError ? cause.code : undefined, cause: cause?.message }
    this.#settings.logger?.warn(details, 'fallback-cache: Redis is not usable, memory answers alone')
    // A wrong address or password must not go unnoticed for want of a logger.
    if (this.#follower.head === undefined && this.#settings.logger === undefined) {
      process.emitWarning(`memory answers alone: ${cause?.message ?? 'there is no Redis'}`, 'FallbackCacheWarning')
    }
  }

  #onConnected(milliseconds: number): void {
    const writeBack = this.#duties.onConnected()
    const seconds = milliseconds / 1000
    const details = { seconds, replayed: this.#recovery.replayed, writeBack }
    this.#settings.logger?.info(details, 'fallback-cache: Redis is trusted')
    this.#events.tell('recovery', details)
    // Issued in the very moment between.
    for (const issued of this.#journal.pending()) void this.#tell(issued)
  }

  /** Looks at the head when nobody else did, so that the mirror is never far behind. */
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

  /** Looks whether the log is still whole, and keeps it from being evicted as long unused. Never rejects. */
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

  /** A misconfiguration must not go unnoticed for want of a logger. */
  #warn(details: object, message: string): void {
    const { logger } = this.#settings
    if (logger === undefined) process.emitWarning(message, 'FallbackCacheWarning')
    else logger.warn(details, `fallback-cache: ${message}`)
  }

  /** Never rejects. */
  #look(askedAt: number): Promise<void> {
    return this.tier
      .run(async () => {
        const reply = await this.#port.send(this.headKey, ['GET', this.headKey])
        await this.follow(reply === null || reply === undefined ? undefined : String(reply), askedAt)
      })
      .catch(() => {})
  }
}

/** What is wrong with how a server makes room, and what to set instead; `undefined` for nothing. */
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
