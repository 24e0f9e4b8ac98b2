import type { Clock } from '../clock.js'
import type { Counters } from '../counters.js'
import { asError, CacheError } from '../errors.js'
import type { CircuitBreaker } from './circuit-breaker.js'
import type { RedisPort } from './redis-client.js'

/** What a {@link RedisTier} keeps to. */
export interface RedisTierLimits {
  /** Milliseconds a caller waits at most. */
  readonly redisTimeout: number
  /** Operations waiting at one time. */
  readonly maxInFlight: number
}

/**
 * Redis that cannot hurt: whatever the client does with a command, the caller has an answer within the deadline.
 *
 * A command that was given up may still be carried out later. Its late reply is good for one thing: it says that
 * Redis is answering again.
 */
export class RedisTier {
  readonly #port: RedisPort
  readonly #breaker: CircuitBreaker
  readonly #clock: Clock
  readonly #limits: RedisTierLimits
  readonly #counters: Counters
  readonly #onLateReply: () => void
  #inFlight = 0
  #generation = 0

  constructor(
    port: RedisPort,
    breaker: CircuitBreaker,
    clock: Clock,
    limits: RedisTierLimits,
    counters: Counters,
    onLateReply: () => void,
  ) {
    this.#port = port
    this.#breaker = breaker
    this.#clock = clock
    this.#limits = limits
    this.#counters = counters
    this.#onLateReply = onLateReply
  }

  /** Operations that still wait for Redis, given up or not. */
  get inFlight(): number {
    return this.#inFlight
  }

  /**
   * Runs commands for a request, all of them within one deadline.
   *
   * @throws CacheError always, whatever went wrong
   */
  run<T>(operation: () => Promise<T>): Promise<T> {
    if (this.#breaker.state !== 'closed')
      return this.#skip(new CacheError('redis-unavailable', 'the circuit breaker is open'))
    if (!this.#port.isReady()) {
      const failure = noConnection()
      this.#breaker.fail(failure)
      return this.#skip(failure)
    }
    if (this.#inFlight >= this.#limits.maxInFlight) {
      return this.#skip(new CacheError('redis-busy', 'too many commands wait for Redis'))
    }
    return this.#bounded(operation, true)
  }

  /** Runs commands for nobody, to see whether Redis can be trusted: asks neither breaker nor limits, moves neither. */
  probe<T>(operation: () => Promise<T>): Promise<T> {
    if (!this.#port.isReady()) return this.#skip(noConnection())
    return this.#bounded(operation, false)
  }

  /** The connection is gone: commands that wait on it may never settle, and must not hold their places. */
  forgetInFlight(): void {
    this.#generation++
    this.#inFlight = 0
  }

  #bounded<T>(operation: () => Promise<T>, counts: boolean): Promise<T> {
    const generation = this.#generation
    this.#inFlight++
    return new Promise<T>((resolve, reject) => {
      let isWaiting = true
      const timer = this.#clock.setTimer(() => {
        isWaiting = false
        this.#counters.redisTimeouts++
        const failure = new CacheError('redis-timeout', `Redis did not answer within ${this.#limits.redisTimeout} ms`)
        if (counts) this.#breaker.fail(failure)
        reject(failure)
      }, this.#limits.redisTimeout)
      const settle = (): boolean => {
        if (generation === this.#generation) this.#inFlight--
        if (!isWaiting) return false
        isWaiting = false
        this.#clock.clearTimer(timer)
        return true
      }
      start(operation).then(
        (value) => {
          if (!settle()) return this.#onLateReply()
          if (counts) this.#breaker.succeed()
          resolve(value)
        },
        (thrown: unknown) => {
          if (!settle()) return
          reject(this.#judge(thrown, counts))
        },
      )
    })
  }

  #judge(thrown: unknown, counts: boolean): CacheError {
    if (thrown instanceof CacheError) return thrown
    const error = asError(thrown)
    if (isHealthyReply(error)) {
      this.#counters.redisErrorReplies++
      if (counts) this.#breaker.succeed()
      return new CacheError('redis-reply', `Redis answered: ${error.message}`, error)
    }
    this.#counters.redisFailures++
    const failure = new CacheError('redis-unavailable', `Redis cannot be reached: ${error.message}`, error)
    if (counts) this.#breaker.fail(failure)
    return failure
  }

  #skip(reason: CacheError): Promise<never> {
    this.#counters.redisSkipped++
    return Promise.reject(reason)
  }
}

/** What a command meets that cannot be sent; the client's last `error`, where there was one, says why. */
export function noConnection(cause?: Error): CacheError {
  const why = cause === undefined ? '' : `: ${cause.message}`
  return new CacheError('redis-unavailable', `there is no connection to Redis${why}`, cause)
}

/** A client may throw at once instead of giving a promise. */
async function start<T>(operation: () => Promise<T>): Promise<T> {
  return operation()
}

/** Whether Redis itself said this: an error reply starts with its code in capitals. */
export function isErrorReply(thrown: unknown): thrown is Error {
  return thrown instanceof Error && replyCode(thrown) !== undefined
}

/** A few codes say that the server is not able to serve at all. */
function isHealthyReply(error: Error): boolean {
  const code = replyCode(error)
  return code !== undefined && !unableCodes.has(code)
}

function replyCode(error: Error): string | undefined {
  return /^-?([A-Z][A-Z0-9]+)(?:\s|$)/.exec(error.message)?.[1]
}

const unableCodes: ReadonlySet<string> = new Set(['LOADING', 'MASTERDOWN', 'CLUSTERDOWN', 'BUSY'])
