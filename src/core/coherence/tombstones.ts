import { randomBytes } from 'node:crypto'

/**
 * How long the tombstone of an exact invalidation rejects late stores, in addition to the longest handler time, in ms.
 */
export const tombstoneGrace = 60_000

/** A unique id for a tombstone. */
export function newTombstoneId(): string {
  return randomBytes(8).toString('hex')
}
