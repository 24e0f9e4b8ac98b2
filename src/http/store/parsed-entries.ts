import type { Entry } from '../../core/entry.js'

/** A parsed entry, as kept in `Entry.memo`. */
export interface Parsed {
  /** Whether it was used since it was last considered for replacement. */
  isUsed?: boolean
}

/** Maximum number of entries whose parsed form is kept, because it takes more memory than the text. */
const MOST = 4096

/**
 * When full, 1 in 16 new forms replaces an old one. If more entries are used in turn than can be kept, replacing one
 * each time would evict each before it is used again, and burden the garbage collector. Frequently used entries are
 * still admitted soon.
 */
const ONE_IN = 16

/**
 * The entries with a parsed form, in the order of parsing. Weak references, so that evicted entries can be collected.
 */
const entries: WeakRef<Entry>[] = []
/** Index of the next entry considered for replacement (clock algorithm). */
let hand = 0

/** Keeps the parsed form of an entry, if there is room or an entry that was not used recently can be replaced. */
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
