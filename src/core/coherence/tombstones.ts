import { randomBytes } from 'node:crypto'

/**
 * How long the tombstone of an exact invalidation rejects late stores, in addition to the longest handler time, in ms. A
 * tombstone is a short value that replaces an invalidated entry in Redis: the result of a handler that started before
 * the invalidation is not stored over it.
 */
export const TOMBSTONE_GRACE = 60_000

/** A random id for a tombstone, by which processes recognize one that they have read before. */
export function newTombstoneId(): string {
  return randomBytes(8).toString('hex')
}
