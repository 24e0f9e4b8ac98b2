import type { Entry } from '../core/entry.js'

/** The parsed forms of so many entries are kept: each takes more room than the text it was read from. */
const MOST = 4096

/** The entries that have one, in the order in which they were parsed. Weak: one that is evicted shall not stay for it. */
const entries: WeakRef<Entry>[] = []
let oldest = 0

/** Keeps the parsed form of an entry with it, and lets go of the one that was kept for longest when they are too many. */
export function keepParsed(entry: Entry, parsed: object): void {
  entry.memo = parsed
  if (entries.length < MOST) {
    entries.push(new WeakRef(entry))
    return
  }
  const other = entries[oldest]?.deref()
  if (other !== undefined && other !== entry) other.memo = undefined
  entries[oldest] = new WeakRef(entry)
  oldest = (oldest + 1) % MOST
}
