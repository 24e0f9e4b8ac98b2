import { isAsking } from './confirmations.js'
import { RecordRoom } from './cover.js'
import type { Issued } from './journal.js'

/** Invalidations that fit one record of the log; at least one. */
export type Batch = readonly [Issued, ...Issued[]]

/**
 * The first of these invalidations, and those after it that fit the same record. One that other processes are asked to
 * confirm has a record of its own.
 */
export function firstBatch(first: Issued, others: Iterable<Issued>): Batch {
  const batch: [Issued, ...Issued[]] = [first]
  if (isAsking(first.nonce)) return batch
  const room = new RecordRoom()
  room.takes(first.recorded.covers)
  for (const issued of others) {
    if (issued === first) continue
    if (isAsking(issued.nonce) || !room.takes(issued.recorded.covers)) break
    batch.push(issued)
  }
  return batch
}

/** All of these invalidations, in their order, in as few batches as possible. */
export function* inBatches(all: readonly Issued[]): Generator<Batch> {
  for (let at = 0; at < all.length; ) {
    const [first, ...others] = all.slice(at, at + MOST_AT_ONCE)
    if (first === undefined) return
    const batch = firstBatch(first, others)
    yield batch
    at += batch.length
  }
}

/** More than one record has covers. */
const MOST_AT_ONCE = 100
