import { Inspector, type OpenedRedis } from '../../inspect/index.js'
import type { Arguments } from '../arguments.js'
import type { Command, Surroundings } from '../command.js'
import { DASHBOARD_OPTIONS, dashboardAddress, dashboardProcesses, type ToldProcess } from '../dashboard-client.js'
import { logFindings } from '../examine-use.js'
import { bytesText, countText, tableLines } from '../figures.js'
import { type Inventory, takeInventory } from '../inventory.js'
import { redisInfo, serverName } from '../redis-info.js'
import { REDIS_OPTIONS, withRedis } from '../redis-options.js'
import { visible } from '../terminal.js'
import { hitCount, requestCount, routeCounts, routeRows, shareText } from '../traffic.js'

/** Maximum number of classes and of routes that are printed. */
const MOST_SHOWN = 20

/** `fallback-cache stats`: count what Redis stores for an application, or show the traffic of its processes. */
export const statsCommand: Command = {
  synopsis: '[options]',
  description: [
    'Counts what Redis stores for an application: entries by state, kind and class (group and first segment of the path), their bytes, the memory of the server, and the log of invalidations.',
    'Redis does not record hits and misses: with --url the command prints the traffic of the processes behind a dashboard instead.',
  ].join('\n\n'),
  options: {
    limit: { value: 'n', text: 'count at most this many entries; 0: all. Default: 50000' },
    ...DASHBOARD_OPTIONS,
    ...REDIS_OPTIONS,
  },
  arity: [0, 0],
  examples: [
    ['What is stored', 'stats'],
    ['How well it works', "stats --url http://10.0.0.1:3000/__cache --header 'X-Operator: …'"],
  ],
  failsIf: 'Redis or the dashboard failed',
  async run(given, around) {
    const address = dashboardAddress(given)
    if (address !== undefined) {
      await tellTraffic(await dashboardProcesses(address, around.signal), given, around)
      return 0
    }
    const limit = given.number('limit', 50_000, [0, Number.MAX_SAFE_INTEGER])
    const most = limit === 0 ? Number.POSITIVE_INFINITY : limit
    return withRedis(given, around, async (redis) => {
      const standing = await redis.standing()
      const inspector = new Inspector(() => ({ redis: redis.inspected(standing) }))
      await tellInventory(await takeInventory(inspector, most, around.signal), redis, given, around)
      return around.signal.aborted ? 130 : 0
    })
  },
}

async function tellInventory(
  found: Inventory,
  redis: OpenedRedis,
  given: Arguments,
  { terminal }: Surroundings,
): Promise<void> {
  const [server, memory] = [await redisInfo(redis, 'server'), await redisInfo(redis, 'memory')]
  const [log] = await logFindings(redis)
  const classes = [...found.classes].sort((one, other) => other.bytes - one.bytes)
  if (given.has('json')) {
    const usedMemory = Number(memory.get('used_memory') ?? Number.NaN)
    const { largest: _largest, ...counts } = found
    return terminal.json({ server: serverName(server), usedMemory, ...counts, classes, log: log?.text })
  }
  const more = found.isComplete ? '' : ' (the count ended at its limit: there is more)'
  const used = memory.get('used_memory')
  const rows = [
    [
      'server',
      used === undefined
        ? 'unknown: INFO is not permitted to this user'
        : `${serverName(server) ?? 'unknown'}, ${bytesText(Number(used))} used in all`,
    ],
    ['entries', `${found.entries}, ${bytesText(found.bytes)}${more}`],
    ['by state', countsText(found.byState)],
    ['by kind', countsText(found.byKind)],
    ['log', log?.text ?? ''],
  ]
  const table = classes
    .slice(0, MOST_SHOWN)
    .map(({ name, entries, bytes }) => [String(entries), bytesText(bytes), visible(name)])
  await terminal.print(tableLines(rows, 'll').map(visible).join('\n'))
  if (table.length > 0)
    await terminal.print(`\n${tableLines([['ENTRIES', 'BYTES', 'CLASS'], ...table], 'rrl').join('\n')}`)
  if (classes.length > MOST_SHOWN) await terminal.print(`and ${classes.length - MOST_SHOWN} more classes`)
}

async function tellTraffic(
  processes: readonly ToldProcess[],
  given: Arguments,
  { terminal }: Surroundings,
): Promise<void> {
  const routes = routeCounts(processes)
  if (given.has('json')) return terminal.json({ processes, routes })
  const rows = processes.map(({ host, pid, stats }) => {
    const { connected, entries, memoryBytes, pendingInvalidations, traffic } = stats
    const requests = requestCount(traffic.requests)
    const ratio = requests === 0 ? 'no request yet' : `${shareText(hitCount(traffic.requests), requests)} hits`
    const state = connected ? 'connected' : 'NOT connected'
    return [
      `${host}/${pid}`,
      state,
      ratio,
      `${countText(entries, 'entry', 'entries')} in memory`,
      bytesText(memoryBytes),
      `${pendingInvalidations} pending`,
    ]
  })
  await terminal.print(tableLines(rows, 'llllll').map(visible).join('\n'))
  const shown = routeRows(routes.slice(0, MOST_SHOWN)).map((row) => row.map(visible))
  await terminal.print(`\n${tableLines(shown, 'rrrrrl').join('\n')}`)
}

function countsText(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .sort(([, one], [, other]) => other - one)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ')
}
