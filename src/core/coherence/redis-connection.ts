import { type Clock, settledWithin } from '../clock.js'
import type { Counters } from '../counters.js'
import { asError, CacheError } from '../errors.js'
import type { CoreSettings } from '../options.js'
import { CircuitBreaker } from '../tiers/circuit-breaker.js'
import { untilLoaded } from '../tiers/late-port.js'
import type { RedisPort } from '../tiers/redis-client.js'
import { noConnection, RedisTier } from '../tiers/redis-tier.js'
import { Refusals } from '../tiers/refusals.js'
import type { CoherenceParts } from './coherence-parts.js'
import { Link } from './link.js'
import { type RedisReports, redisCodeOf } from './redis-reports.js'
import { ServerCheck } from './server-check.js'

/** Callbacks of a {@link RedisConnection}. */
export interface ConnectionDuties {
  /** Performs what is required before Redis is used. */
  readonly recover: () => Promise<void>
  /** Called when Redis can no longer be used. */
  readonly onLost: (cause: Error | undefined) => void
  /** Called when Redis can be used again, after so many ms. */
  readonly onConnected: (disconnectedFor: number) => void
  /** Called when the connection of the client was closed. */
  readonly onClosed: () => void
  /** Called when the circuit breaker opens, before Redis counts as lost. */
  readonly onBreakerOpened: () => void
}

/** The connection to Redis: whether Redis can be used now, why not, and when it is tried again. */
export class RedisConnection {
  readonly tier: RedisTier
  readonly breaker: CircuitBreaker
  readonly #port: RedisPort
  readonly #clock: Clock
  readonly #settings: CoreSettings
  readonly #counters: Counters
  readonly #reports: RedisReports
  readonly #duties: ConnectionDuties
  readonly #refusals: Refusals
  readonly #check: ServerCheck
  readonly #link: Link
  #clientError: Error | undefined
  /** Whether the client has given up commands by a deadline of its own, so that late replies are not reported. */
  #givesUp = false

  constructor(parts: CoherenceParts, reports: RedisReports, duties: ConnectionDuties) {
    const { port, settings, counters, events } = parts
    const { clock } = settings
    this.#port = port
    this.#clock = clock
    this.#settings = settings
    this.#counters = counters
    this.#reports = reports
    this.#duties = duties
    this.breaker = new CircuitBreaker(settings.circuitBreaker.threshold, (from, to) => {
      events.tell('circuit', { from, to })
      if (to !== 'open') return
      counters.circuitOpened++
      duties.onBreakerOpened()
      this.#link.lose(this.breaker.lastFailure)
    })
    this.#refusals = new Refusals(
      clock,
      counters,
      (refusal) => reports.refused(refusal),
      (refusal) => reports.refusalEnded(refusal),
    )
    this.tier = new RedisTier({ port, breaker: this.breaker, clock, counters, refusals: this.#refusals }, settings, {
      onLateReply: () => this.#link.lookSoon(),
      onGivenUp: () => this.#onGivenUp(),
      onWrongServer: (failure) => this.#onWrongServer(failure),
      onOutOfStep: (failure) => this.#onOutOfStep(failure),
    })
    this.#check = new ServerCheck(parts, this.tier)
    this.#link = this.#newLink()
  }

  #newLink(): Link {
    const { cooldown } = this.#settings.circuitBreaker
    // A cluster client does not report a failover, because it remains ready while another node takes over.
    const most = this.#port.isCluster ? Math.min(cooldown, 2000) : cooldown
    return new Link(this.breaker, this.#clock, most, {
      ping: () => this.#check.greet(),
      recover: () => this.#check.orReconnect(this.#duties.recover),
      onLost: (cause) => this.#duties.onLost(cause),
      onStillLost: (cause) => this.#reports.stillLost(cause),
      onConnected: (milliseconds) => this.#onConnected(milliseconds),
      isUnheard: ({ cause }) => (this.#givesUp || cause instanceof Error) && this.#port.isReady(),
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
        this.#clientError = undefined
        this.#check.step.reconnected()
        this.#link.lookSoon()
      },
      () => {
        this.tier.forgetInFlight()
        this.#check.step.reconnected()
        this.#duties.onClosed()
        const cause = this.#clientError
        const why =
          cause === undefined ? 'the connection to Redis was closed' : `Redis cannot be used: ${cause.message}`
        this.#link.lose(new CacheError('redis-unavailable', why, cause))
      },
      (error) => {
        this.#clientError = asError(error)
      },
    )
    this.#port.connect()
    if (this.#port.isReady()) this.#link.lookSoon()
  }

  /** A client that its owner forgot to connect emits no events: called when most are connected. */
  noteObstacle(): void {
    const { obstacle } = this.#port
    if (this.#link.state === 'starting' && obstacle !== undefined) this.#link.lose(noConnection(undefined, obstacle))
  }

  /** Whether Redis answers and this process has caught up with the log. */
  get isConnected(): boolean {
    return this.#link.state === 'connected'
  }

  /** Whether lookups are answered by Redis: it is connected, and does not refuse them. */
  get isUsed(): boolean {
    return this.isConnected && !this.#refusals.refusesReads
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
    this.breaker.fail(noConnection(this.#clientError, this.#port.obstacle))
  }

  /** Notes that Redis can no longer be used, and schedules the next attempt. */
  lose(cause: Error): void {
    this.#link.lose(cause)
  }

  /** See {@link Link.lookSoon}. */
  lookSoon(): void {
    this.#link.lookSoon()
  }

  /** See {@link Link.lookNow}. */
  lookNow(): Promise<void> {
    return this.#link.lookNow()
  }

  /** The client's last connection error; `undefined` while it has a connection. */
  get clientError(): Error | undefined {
    return this.#clientError
  }

  /** See {@link Link.cause}. */
  get cause(): Error | undefined {
    return this.#link.cause
  }

  /** The reason why Redis cannot be used, or the first of its current refusals; `undefined` if there is no problem. */
  get error(): string | undefined {
    if (this.isConnected) return this.#refusals.first?.message
    if (this.#clientError !== undefined) return this.#clientError.message
    const { cause } = this.#link
    return cause === undefined ? this.#port.obstacle : wordsOf(cause)
  }

  /** Whether the client will not connect by itself. */
  get isHopeless(): boolean {
    return this.#port.obstacle !== undefined
  }

  /** Stops trying, and closes the client if it is not the user's. */
  async close(): Promise<void> {
    this.#link.close()
    await this.#port.close()
  }

  #onWrongServer(failure: CacheError): void {
    this.#link.lose(failure)
    this.#port.reconnect()
  }

  #onGivenUp(): void {
    // After this one, the pauses between two attempts are short.
    if (!this.#givesUp) this.#link.lookSoon()
    this.#givesUp = true
  }

  #onOutOfStep(failure: CacheError): void {
    this.#check.step.drop()
    this.#link.lose(failure)
  }

  #onConnected(milliseconds: number): void {
    this.#clientError = undefined
    this.#port.settle()
    this.#refusals.recovered()
    this.#duties.onConnected(milliseconds)
  }
}

/** The original message of Redis or of its client. */
function wordsOf(failure: Error): string {
  return redisCodeOf(failure) !== undefined && failure.cause instanceof Error ? failure.cause.message : failure.message
}
