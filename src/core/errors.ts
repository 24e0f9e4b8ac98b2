import { brand } from './brand.js'

/**
 * Why a {@link CacheError} was made. Each code has its remedy in `docs/errors.md`.
 *
 * - `redis-timeout`: Redis did not answer within `redisTimeout`.
 * - `redis-unavailable`: there is no usable connection, or the circuit breaker is open.
 * - `redis-busy`: as many commands as we allow are already waiting for Redis.
 * - `redis-reply`: Redis answered with an error.
 * - `redis-out-of-step`: a reply of Redis was that to another command.
 * - `log-broken`: the invalidation log in Redis cannot be read or does not continue where we left it.
 * - `log-version`: the invalidation log in Redis belongs to another version of this library.
 * - `serializer`: the `serializer` or `deserializer` option threw, or a value has no serialised form.
 * - `circular-wait`: a computation of `getOrSet` asks `getOrSet` for a key whose computation waits for it.
 */
export type CacheErrorCode =
  | 'redis-timeout'
  | 'redis-unavailable'
  | 'redis-busy'
  | 'redis-reply'
  | 'redis-out-of-step'
  | 'log-broken'
  | 'log-version'
  | 'serializer'
  | 'circular-wait'

/** A fault of the cache. Misuse is a `TypeError` or a `RangeError` instead. */
export class CacheError extends Error {
  override readonly name = 'CacheError'
  /** Which of the known faults it is. */
  readonly code: CacheErrorCode

  /** @param code - the kind of fault; @param message - what happened; @param cause - the error underneath, if any */
  constructor(code: CacheErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
  }
}

/** The error as an `Error`, whatever was thrown. */
export function asError(thrown: unknown): Error {
  if (thrown instanceof Error) return thrown
  try {
    return new Error(String(thrown))
  } catch {
    return new Error('a value was thrown that is no error and has no text')
  }
}

brand(CacheError, 'error')
