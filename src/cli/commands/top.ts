import { setTimeout as pause } from 'node:timers/promises'
import { Inspector } from '../../inspect/index.js'
import type { Arguments } from '../arguments.js'
import type { Command, ExitCode, Surroundings } from '../command.js'
import { DASHBOARD_OPTIONS, type DashboardAddress, dashboardAddress, dashboardProcesses } from '../dashboard-client.js'
import { bytesText, countText, tableLines } from '../figures.js'
import { takeInventory } from '../inventory.js'
import { REDIS_OPTIONS, withRedis } from '../redis-options.js'
import { visible } from '../terminal.js'
import { type RouteCount, routeCounts, routeRows } from '../traffic.js'

/** `fallback-cache top`: show the largest classes and entries, or the busiest routes, until Ctrl-C. */
export const topCommand: Command = {
  synopsis: '[options]',
  description:
    'With --url, prints the busiest routes of the processes behind a dashboard, counted since the previous view (in the first view, since the processes began). Without it, prints the classes that take most memory in Redis, and the largest entries; each view counts at most 50000 entries. Repeats until Ctrl-C.',
  options: {
    sort: { value: 'bytes|entries', text: 'the order of classes. Default: bytes' },
    rows: { value: 'n', text: 'rows of each table. Default: 15' },
    every: { value: 'seconds', text: 'pause between two views. Default: 5' },
    once: { short: '1', text: 'print one view' },
    ...DASHBOARD_OPTIONS,
    ...REDIS_OPTIONS,
  },
  arity: [0, 0],
  examples: [
    ['What takes the memory of Redis', 'top -1'],
    ['The busiest routes, every two seconds', 'top --every 2 --url http://10.0.0.1:3000/__cache'],
  ],
  failsIf: 'Redis or the dashboard failed',
  run(given, around) {
    const view = {
      rows: given.number('rows', 15, [1, 1000]),
      every: given.number('every', 5, [0.2, 3600], false) * 1000,
    }
    const sort = given.word('sort', ['bytes', 'entries']) ?? 'bytes'
    const address = dashboardAddress(given)
    if (address !== undefined) return again(view.every, given, around, busiest(address, view.rows, given, around))
    return withRedis(given, around, async (redis) => {
      const show = async (): Promise<void> => {
        const standing = await redis.standing()
        const inspector = new Inspector(() => ({ redis: redis.inspected(standing) }))
        const { classes, largest, entries, bytes, isComplete } = await takeInventory(inspector, 50_000, around.signal)
        const sorted = [...classes].sort((one, other) => other[sort] - one[sort]).slice(0, view.rows)
        if (given.has('json')) return around.terminal.json({ entries, bytes, isComplete, classes: sorted, largest })
        await around.terminal.print(
          [
            `${countText(entries, 'entry', 'entries')}${isComplete ? '' : ' and more'}, ${bytesText(bytes)}`,
            '',
            ...tableLines(
              [
                ['ENTRIES', 'BYTES', 'CLASS'],
                ...sorted.map((one) => [String(one.entries), bytesText(one.bytes), visible(one.name)]),
              ],
              'rrl',
            ),
            '',
            ...tableLines(
              [
                ['BYTES', 'STATE', 'KEY'],
                ...largest.slice(0, view.rows).map((one) => [bytesText(one.bytes), one.state, visible(one.key)]),
              ],
              'rll',
            ),
          ].join('\n'),
        )
      }
      return again(view.every, given, around, show)
    })
  },
}

/** Refreshes a view until Ctrl-C. */
async function again(
  every: number,
  given: Arguments,
  { terminal, signal }: Surroundings,
  show: () => Promise<void>,
): Promise<ExitCode> {
  for (;;) {
    if (!given.has('once') && !given.has('json')) terminal.clear()
    await show().catch((thrown: unknown) => {
      // Ctrl-C is the regular end, also while a view is being made.
      if (!signal.aborted || given.has('once')) throw thrown
    })
    if (given.has('once')) return 0
    await pause(every, undefined, { signal }).catch(() => {})
    if (signal.aborted) return 0
  }
}

/** Shows the routes of a dashboard, and what was counted since the last time. */
function busiest(
  address: DashboardAddress,
  rows: number,
  given: Arguments,
  { terminal, signal }: Surroundings,
): () => Promise<void> {
  let before: ReadonlyMap<string, RouteCount> = new Map()
  return async () => {
    const now = routeCounts(await dashboardProcesses(address, signal))
    const since = now.map((one) => difference(one, before.get(one.route))).sort((a, b) => b.requests - a.requests)
    before = new Map(now.map((one) => [one.route, one]))
    if (given.has('json')) return terminal.json({ routes: since.slice(0, rows) })
    const table = routeRows(since.slice(0, rows)).map((row) => row.map(visible))
    await terminal.print(tableLines(table, 'rrrrrl').join('\n'))
  }
}

function difference(now: RouteCount, before: RouteCount | undefined): RouteCount {
  // A process that was started again counts from 0.
  if (before === undefined || before.requests > now.requests) return now
  return {
    route: now.route,
    requests: now.requests - before.requests,
    hits: now.hits - before.hits,
    handlerRuns: now.handlerRuns - before.handlerRuns,
    savedSeconds: now.savedSeconds - before.savedSeconds,
    servedBytes: now.servedBytes - before.servedBytes,
  }
}
