import { brand } from './brand.js'

/**
 * The kind of a {@link CacheError}. The remedy for each code is in `docs/errors.md`.
 *
 * - `redis-timeout`: Redis did not answer within `redisTimeout`.
 * - `redis-unavailable`: there is no usable connection, or the circuit breaker is open.
 * - `redis-busy`: the maximum number of commands is already waiting for Redis.
 * - `redis-reply`: Redis answered with an error.
 * - `redis-out-of-step`: Redis replied to a different command than the one sent.
 * - `log-broken`: the invalidation log in Redis cannot be read or does not continue at the expected position.
 * - `log-version`: the invalidation log in Redis belongs to another version of this library.
 * - `serializer`: the `serializer` or `deserializer` option threw, or a value has no serialized form.
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

/** An error of the cache itself. Misuse throws a `TypeError` or a `RangeError` instead. */
export class CacheError extends Error {
  override readonly name = 'CacheError'
  /** The kind of the fault. */
  readonly code: CacheErrorCode

  /** @param code - the kind of fault; @param message - a description; @param cause - the underlying error, if any */
  constructor(code: CacheErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
  }
}

/** Converts a thrown value of any type to an `Error`. */
export function asError(thrown: unknown): Error {
  try {
    if (thrown instanceof Error) return thrown
  } catch {
    // A revoked proxy has no prototype.
  }
  return new Error(textOf(thrown))
}

/** Text of anything that can be thrown, objects without a text included. */
export function textOf(thrown: unknown): string {
  try {
    return String(thrown)
  } catch {
    return 'a value was thrown that is no error and has no text'
  }
}

brand(CacheError, 'error')
