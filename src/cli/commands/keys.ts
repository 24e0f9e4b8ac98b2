import { type EntryKind, type EntryState, type EntrySummary, Inspector } from '../../inspect/index.js'
import type { Arguments } from '../arguments.js'
import type { Command, ExitCode, Surroundings } from '../command.js'
import { UsageError } from '../errors.js'
import { bytesText, durationText } from '../figures.js'
import { REDIS_OPTIONS, withRedis } from '../redis-options.js'
import { visible } from '../terminal.js'

const STATES: readonly EntryState[] = ['fresh', 'stale', 'softened', 'invalidated', 'expired', 'other-life', 'none']
const KINDS: readonly EntryKind[] = ['response', 'value', 'variants', 'search-rule', 'tombstone', 'unreadable']

/** Number of entries per page; maximum number of other prefixes that are named if there are no entries. */
const PAGE = 500
const MOST_OTHERS = 10

/** `fallback-cache keys`: list the entries in Redis. */
export const keysCommand: Command = {
  synopsis: '[prefix] [options]',
  description: [
    `Lists entries in Redis, in no order: state, kind, status, age, remaining freshness lifetime, size, key. The states are ${STATES.join(', ')}; the kinds ${KINDS.join(', ')}.`,
    'It changes nothing: it reads with SCAN in small steps, and the first bytes of each entry. When it stops, it prints the cursor to continue with. An entry that is stored throughout is never left out.',
  ].join('\n\n'),
  options: {
    limit: { value: 'n', text: 'stop after the page that has the n-th entry; 0: list all. Default: 100' },
    cursor: { value: 'text', text: 'go on where an earlier list stopped' },
    state: { value: 'name', text: 'only entries in this state' },
    kind: { value: 'name', text: 'only entries of this kind' },
    tag: { value: 'name', text: 'only entries with this tag' },
    names: { text: 'print only the keys' },
    ...REDIS_OPTIONS,
  },
  arity: [0, 1],
  examples: [
    ['The first hundred entries', 'keys'],
    ['All pages below a path, of the group "shop"', 'keys shop:/products/ --limit 0'],
    ['What an invalidation has covered and the sweep has not removed yet', 'keys --state invalidated --limit 0'],
    ['For programs: one entry in each line, the last line has the cursor', 'keys --json --limit 1000'],
  ],
  failsIf: 'Redis failed',
  run: (given, around) =>
    withRedis(given, around, async (redis) => {
      const filter = readFilter(given)
      const standing = await redis.standing()
      const inspector = new Inspector(() => ({ redis: redis.inspected(standing) }))
      return list(inspector, filter, given, around)
    }),
}

interface Filter {
  readonly limit: number
  readonly fits: (entry: EntrySummary) => boolean
}

function readFilter(given: Arguments): Filter {
  const limit = given.number('limit', 100, [0, Number.MAX_SAFE_INTEGER])
  const [state, kind, tag] = [given.word('state', STATES), given.word('kind', KINDS), given.text('tag')]
  const fits = (entry: EntrySummary): boolean =>
    (state === undefined || entry.state === state) &&
    (kind === undefined || entry.kind === kind) &&
    (tag === undefined || entry.tags.includes(tag))
  return { limit: limit === 0 ? Number.POSITIVE_INFINITY : limit, fits }
}

async function list(
  inspector: Inspector,
  { limit, fits }: Filter,
  given: Arguments,
  { terminal, signal }: Surroundings,
): Promise<ExitCode> {
  const form = given.has('json') ? 'json' : given.has('names') ? 'names' : 'table'
  const [prefix = ''] = given.positionals
  let cursor = given.text('cursor')
  let listed = 0
  let isWhole = false
  const others = new Set<string>()
  if (form === 'table') await terminal.print(terminal.style('bold', HEADER))
  do {
    const query = { prefix, cursor, limit: Math.min(PAGE, limit - listed), tier: 'redis' as const }
    const page = await inspector.page(query).catch((thrown: unknown) => {
      // Ctrl-C ends the connection: the list can be continued at the start of this page.
      if (signal.aborted) return undefined
      throw thrown instanceof RangeError ? new UsageError(thrown.message) : thrown
    })
    if (page === undefined) break
    const entries = page.entries.filter(fits)
    for (const entry of entries) {
      if (form === 'json') await terminal.json(entry)
      else await terminal.print(form === 'names' ? visible(entry.key) : line(entry))
    }
    listed += entries.length
    if (others.size < MOST_OTHERS) for (const other of page.otherPrefixes) others.add(other)
    cursor = page.cursor
    isWhole = cursor === undefined
  } while (!isWhole && listed < limit && !signal.aborted)
  if (form === 'json') await terminal.json({ cursor: cursor ?? null })
  else if (cursor !== undefined) terminal.note(`${listed} listed, and there is more: --cursor ${cursor}`)
  if (others.size > 0) {
    terminal.note(
      `there are keys of other applications, with a keyPrefix: --key-prefix ${[...others].map(visible).join(', ')}`,
    )
  }
  // Ctrl-C after the last page has interrupted nothing.
  return signal.aborted && !isWhole ? 130 : 0
}

const HEADER = 'STATE        KIND         STATUS     AGE    LEFT     SIZE  KEY'

function line({ key, kind, state, status, storedAt, staleAt, deleteAt, bytes }: EntrySummary): string {
  const now = Date.now()
  const hasTimes = deleteAt > 0
  return [
    state.padEnd(11),
    kind.padEnd(11),
    String(status ?? '').padStart(6),
    (hasTimes ? durationText(now - storedAt) : '').padStart(6),
    (hasTimes ? durationText(staleAt - now) : '').padStart(6),
    bytesText(bytes).padStart(7),
    visible(key),
  ].join('  ')
}
