import type { Entry } from '../../core/entry.js'

/** A parsed entry, as kept in `Entry.memo`. */
export interface Parsed {
  /** Whether it was used since it was last considered for replacement. */
  isUsed?: boolean
}

/**
 * Maximum number of entries whose parsed form is kept. It takes more memory than the text, and what is attached to it
 * outlives the cheap collections of young objects: for a page that is not requested many times a second, that costs more
 * than to read its lines again.
 */
const MOST = 512

/**
 * 1 in 16 new forms is kept, so that pages that are requested once do not take the place of those that are requested
 * often, which are still admitted soon. This applies while there is room, too: if the first forms all survived a
 * collection, V8 would from then on allocate every form among the old objects.
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
  if (Math.random() * ONE_IN >= 1) return
  if (entries.length < MOST) {
    entry.memo = parsed
    entries.push(new WeakRef(entry))
    return
  }
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
