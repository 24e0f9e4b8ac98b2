import type { Clock } from '../clock.js'
import type { Counters } from '../counters.js'
import { CacheError } from '../errors.js'
import { bareError } from './bare-error.js'
import type { CircuitBreaker } from './circuit-breaker.js'
import type { RedisPort } from './redis-client.js'
import type { Purpose, Refusals } from './refusals.js'
import { replyCode, UNABLE, WRONG_SERVER } from './reply-code.js'

/** Limits of a {@link RedisTier}. */
export interface RedisTierLimits {
  /** Maximum time a caller waits, in milliseconds. */
  readonly redisTimeout: number
  /** Maximum number of operations in flight. */
  readonly maxInFlight: number
}

/** The parts that a {@link RedisTier} works with. */
export interface RedisTierParts {
  readonly port: RedisPort
  readonly breaker: CircuitBreaker
  readonly clock: Clock
  readonly counters: Counters
  readonly refusals?: Refusals
}

/** Callbacks of a {@link RedisTier}. */
export interface RedisTierDuties {
  /** Called when a command is answered after its deadline. */
  readonly onLateReply: () => void
  /**
   * Called when the client gives up a command after its deadline, and keeps the connection: a late reply will not be
   * reported.
   */
  readonly onGivenUp?: () => void
  /** Called if the answer shows that this is not the server that was meant, such as a replica. */
  readonly onWrongServer?: (failure: CacheError) => void
  /** Called if the answer belongs to another command. */
  readonly onOutOfStep?: (failure: CacheError) => void
}

/**
 * The Redis tier: callers get a result or an error within the deadline, even if the client never settles.
 *
 * A command may still be executed after its deadline. Its late reply is only used as a sign that Redis answers again.
 */
export class RedisTier {
  readonly #port: RedisPort
  readonly #breaker: CircuitBreaker
  readonly #clock: Clock
  readonly #limits: RedisTierLimits
  readonly #counters: Counters
  readonly #refusals: Refusals | undefined
  readonly #duties: RedisTierDuties
  #inFlight = 0
  #generation = 0

  constructor(parts: RedisTierParts, limits: RedisTierLimits, duties: RedisTierDuties) {
    this.#port = parts.port
    this.#breaker = parts.breaker
    this.#clock = parts.clock
    this.#counters = parts.counters
    this.#refusals = parts.refusals
    this.#limits = limits
    this.#duties = duties
  }

  /** Operations without a reply yet, including those whose deadline has passed. */
  get inFlight(): number {
    return this.#inFlight
  }

  /**
   * Runs the commands of a request within one common deadline.
   *
   * @param purpose - what the commands are for; refusals by Redis are tracked per purpose
   * @throws CacheError for every failure
   */
  run<T>(operation: () => Promise<T>, purpose: Purpose = 'read'): Promise<T> {
    if (this.#breaker.state !== 'closed')
      return this.#skip(new CacheError('redis-unavailable', 'the circuit breaker is open'))
    if (!this.#port.isReady()) {
      const failure = noConnection(undefined, this.#port.obstacle)
      this.#breaker.fail(failure)
      return this.#skip(failure)
    }
    // Invalidations have a limit of their own (`Lanes`): after one that is not sent, Redis could not be trusted.
    if (purpose !== 'invalidate' && this.#inFlight >= this.#limits.maxInFlight) {
      return this.#skip(new CacheError('redis-busy', 'too many commands wait for Redis'))
    }
    return this.#bounded(operation, purpose)
  }

  /**
   * Runs the commands of a probe, which checks whether Redis can be trusted. Ignores the breaker and the limits, and
   * changes neither.
   *
   * @param patience - how many times the deadline they may take
   */
  probe<T>(operation: () => Promise<T>, patience = 1): Promise<T> {
    if (!this.#port.isReady()) return this.#skip(noConnection(undefined, this.#port.obstacle))
    return this.#bounded(operation, undefined, patience)
  }

  /** How long each operation may take, in ms. */
  get deadline(): number {
    return this.#limits.redisTimeout
  }

  /** Resets the in-flight count after the connection is lost: commands on it may never settle. */
  forgetInFlight(): void {
    this.#generation++
    this.#inFlight = 0
  }

  /** @param purpose - `undefined` for a probe, which changes neither breaker nor refusals */
  #bounded<T>(operation: () => Promise<T>, purpose: Purpose | undefined, patience = 1): Promise<T> {
    const deadline = patience * this.#limits.redisTimeout
    const counts = purpose !== undefined
    const generation = this.#generation
    this.#inFlight++
    return new Promise<T>((resolve, reject) => {
      let isWaiting = true
      const timer = this.#clock.setTimer(() => {
        isWaiting = false
        this.#counters.redisTimeouts++
        const failure = new CacheError('redis-timeout', `Redis did not answer within ${deadline} ms`)
        if (counts) this.#breaker.fail(failure)
        reject(failure)
      }, deadline)
      const settle = (): boolean => {
        if (generation === this.#generation) this.#inFlight--
        if (!isWaiting) return false
        isWaiting = false
        this.#clock.clearTimer(timer)
        return true
      }
      start(operation).then(
        (value) => {
          if (!settle()) return this.#duties.onLateReply()
          if (counts) {
            this.#breaker.succeed()
            if (this.#refusals?.isAny === true) this.#refusals.worked(purpose)
          }
          resolve(value)
        },
        (thrown: unknown) => {
          if (!settle()) return this.#failedLate(thrown)
          reject(this.#judge(thrown, purpose))
        },
      )
    })
  }

  #failedLate(thrown: unknown): void {
    // A refusal shows that Redis answers again, although not what was asked for.
    if (isErrorReply(thrown)) this.#duties.onLateReply()
    else if (this.#port.isReady()) this.#duties.onGivenUp?.()
  }

  #judge(thrown: unknown, purpose: Purpose | undefined): CacheError {
    if (thrown instanceof CacheError) {
      if (thrown.code === 'redis-out-of-step') this.#duties.onOutOfStep?.(thrown)
      return thrown
    }
    const error = bareError(thrown)
    const code = replyCode(error)
    // Scripts handle this reply themselves, so it belongs to another command.
    if (code === 'NOSCRIPT') return this.#judge(outOfStep(error), purpose)
    if (code !== undefined) {
      this.#counters.redisErrorReplies++
      this.#refusals?.count(error)
    }
    if (code !== undefined && !UNABLE.has(code)) {
      const failure = new CacheError('redis-reply', `Redis answered: ${error.message}`, error)
      if (purpose !== undefined) this.#refused(code, failure, error, purpose)
      return failure
    }
    if (code === undefined) this.#counters.redisFailures++
    const failure = new CacheError('redis-unavailable', `Redis cannot be reached: ${error.message}`, error)
    if (purpose !== undefined) this.#breaker.fail(failure)
    return failure
  }

  #refused(code: string, failure: CacheError, error: Error, purpose: Purpose): void {
    if (WRONG_SERVER.has(code)) {
      this.#duties.onWrongServer?.(failure)
      return
    }
    this.#breaker.succeed()
    this.#refusals?.begin(code, error, purpose)
  }

  #skip(reason: CacheError): Promise<never> {
    this.#counters.redisSkipped++
    return Promise.reject(reason)
  }
}

/**
 * The error for a command that cannot be sent.
 *
 * @param cause - the client's last `error` event, if any
 * @param obstacle - the reason why the client does not connect at all
 */
export function noConnection(cause: Error | undefined, obstacle: string | undefined): CacheError {
  const why = obstacle ?? cause?.message
  return new CacheError(
    'redis-unavailable',
    `there is no connection to Redis${why === undefined ? '' : `: ${why}`}`,
    cause,
  )
}

function outOfStep(error: Error): CacheError {
  return new CacheError('redis-out-of-step', `Redis answered: ${error.message}`, error)
}

/** Turns a synchronous throw of a client into a rejection. */
async function start<T>(operation: () => Promise<T>): Promise<T> {
  return operation()
}

/** Whether Redis sent this error: an error reply starts with a code in capital letters. */
export function isErrorReply(thrown: unknown): thrown is Error {
  return thrown instanceof Error && replyCode(thrown) !== undefined
}
