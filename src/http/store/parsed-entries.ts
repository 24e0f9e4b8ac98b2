import type { Entry } from '../../core/entry.js'

/** What is kept. */
export interface Parsed {
  /** Whether it was used since it was last looked at to make room. */
  isUsed?: boolean
}

/** The parsed forms of so many entries are kept: each takes more room than the text it was read from. */
const MOST = 4096

/**
 * When there are so many, one in this many takes the place of another. Where more entries are asked for in turn than can be kept, to
 * replace one each time would have each live just long enough to be dear to the garbage collector, and be of no use to anybody; what is
 * asked for often soon has its turn.
 */
const ONE_IN = 16

/** The entries that have one, in the order in which they were parsed. Weak: one that is evicted shall not stay for it. */
const entries: WeakRef<Entry>[] = []
/** The one to be looked at next. */
let hand = 0

/** Keeps the parsed form of an entry with it, if there is room, or one that was not used lately gives way. */
export function keepParsed(entry: Entry, parsed: object & Parsed): void {
  if (entries.length < MOST) {
    entry.memo = parsed
    entries.push(new WeakRef(entry))
    return
  }
  if (Math.random() * ONE_IN >= 1) return
  const other = entries[hand]?.deref()
  const kept = other?.memo as Parsed | undefined
  if (kept?.isUsed === true) {
    kept.isUsed = false
  } else {
    if (other !== undefined) other.memo = undefined
    entry.memo = parsed
    entries[hand] = new WeakRef(entry)
  }
  hand = (hand + 1) % MOST
}
