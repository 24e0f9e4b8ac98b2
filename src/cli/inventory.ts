import type { EntryKind, EntryState, EntrySummary, Inspector } from '../inspect/index.js'

/** Entries of one class: those of a group and the first segment of a path, or of the beginning of a key. */
export interface ClassCount {
  readonly name: string
  entries: number
  bytes: number
}

/** The entries in Redis, counted. */
export interface Inventory {
  readonly entries: number
  readonly bytes: number
  readonly byState: Readonly<Partial<Record<EntryState, number>>>
  readonly byKind: Readonly<Partial<Record<EntryKind, number>>>
  /** At most {@link MOST_CLASSES}, and `(others)`. */
  readonly classes: readonly ClassCount[]
  /** The largest entries, the largest first. */
  readonly largest: readonly EntrySummary[]
  /** False if the count ended at its limit. */
  readonly isComplete: boolean
}

/** Maximum number of classes that are counted separately; maximum length of their names in characters. */
const MOST_CLASSES = 500
const LONGEST_NAME = 80
const MOST_LARGEST = 20
const PAGE = 500

/** Counts the entries, page by page; the memory that it takes does not depend on their number. */
export async function takeInventory(inspector: Inspector, most: number, signal: AbortSignal): Promise<Inventory> {
  const byState: Partial<Record<EntryState, number>> = {}
  const byKind: Partial<Record<EntryKind, number>> = {}
  const classes = new Map<string, ClassCount>()
  let largest: EntrySummary[] = []
  let entries = 0
  let bytes = 0
  let cursor: string | undefined
  do {
    const page = await inspector.page({ tier: 'redis', limit: PAGE, cursor })
    for (const entry of page.entries) {
      entries++
      bytes += entry.bytes
      byState[entry.state] = (byState[entry.state] ?? 0) + 1
      byKind[entry.kind] = (byKind[entry.kind] ?? 0) + 1
      countIn(classes, entry)
    }
    largest = [...largest, ...page.entries].sort((one, other) => other.bytes - one.bytes).slice(0, MOST_LARGEST)
    cursor = page.cursor
  } while (cursor !== undefined && entries < most && !signal.aborted)
  const isComplete = cursor === undefined
  return { entries, bytes, byState, byKind, classes: [...classes.values()], largest, isComplete }
}

function countIn(classes: Map<string, ClassCount>, { key, bytes }: EntrySummary): void {
  const own = classOf(key)
  const name = classes.has(own) || classes.size < MOST_CLASSES ? own : '(others)'
  const count = classes.get(name) ?? { name, entries: 0, bytes: 0 }
  count.entries++
  count.bytes += bytes
  classes.set(name, count)
}

/** `shop:/products` for a path of a group, `user:` for `user:17`. */
function classOf(key: string): string {
  const slash = key.indexOf('/')
  const isPath = slash === 0 || key[slash - 1] === ':'
  const from = isPath ? slash + 1 : 0
  const end = key.slice(from).search(/[/:]/)
  // The mark at the end belongs to the name of a class of values, and not to that of a path.
  const length = end < 0 ? key.length : from + end + (isPath ? 0 : 1)
  return key.slice(0, Math.min(LONGEST_NAME, length))
}
