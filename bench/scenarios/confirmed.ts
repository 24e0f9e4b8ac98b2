import { ask } from '../ask.js'
import { drive } from '../load/load.js'
import { zipf } from '../load/zipf.js'
import { cpuOf } from '../processor-time.js'
import type { Measured, Scenario, Surroundings } from '../scenario.js'
import type { Server } from '../server.js'
import { start } from '../start.js'
import { printTable, quantile, shown, sum } from '../table.js'

/** To each process. */
const connections = 12
const keys = 200
const HOST = 'bench.test'

/** What hits cost Redis, and the process, if each moves its entry and if the head of the log confirms it. */
export const confirmed: Scenario = {
  name: 'confirmed',
  about: `commands, bytes and processor time for each hit, ${keys} keys, ${connections} connections to each process; in the last rows one request in twenty stores`,
  needsRedis: true,
  isInShort: true,
  async run(around) {
    const measured: Measured = new Map()
    const rows: string[][] = []
    const modes = ['ours express, redis-first', 'ours express, confirmed']
    const lines: [size: number, processes: number, stores: boolean][] = [
      [1024, 1, false],
      [1024, 2, false],
      [1024, 4, false],
      [16_384, 2, false],
      [1024, 2, true],
    ]
    for (const [size, count, stores] of around.isShort ? lines.slice(1, 2) : lines) {
      for (const candidate of modes) {
        const cost = await costOf({ candidate, size }, { count, stores }, around)
        const what = stores ? `${size}, with stores` : String(size)
        rows.push([what, String(count), candidate, ...FIGURES.map((name) => shown(cost[name], 2))])
        for (const name of FIGURES) measured.set(`confirmed: ${candidate}: ${what}: ${count}: ${name}`, cost[name])
      }
    }
    printTable(['bytes', 'processes', 'candidate', 'stores', 'commands', 'bytes sent', 'Redis µs', 'process µs'], rows)
    return measured
  },
}

const FIGURES = ['stores', 'commands', 'bytes', 'redis', 'process'] as const

/** For each request; of the processes, that of the lowest tenth of all tenths of a second. */
type Cost = Readonly<Record<(typeof FIGURES)[number], number>>

interface Fleet {
  readonly count: number
  readonly stores: boolean
}

async function costOf(
  setup: { readonly candidate: string; readonly size: number },
  { count, stores }: Fleet,
  around: Surroundings,
): Promise<Cost> {
  await around.redis?.client.flushall()
  const servers: Server[] = []
  try {
    for (let at = 0; at < count; at++) servers.push(await start(setup, around))
    const seconds = around.isShort ? 0.2 : 1.5
    const load = { paths: zipf(keys, 5_000), headers: { Host: HOST }, connections, seconds }
    const storing = { paths: ['/page/new'], headers: { Host: HOST }, unique: true, connections: 1, seconds }
    // Every process gets every page first, and runs compiled code.
    await Promise.all(servers.map(({ port }) => askForAll(port)))
    await Promise.all(servers.map(({ port }) => drive(port, load)))
    const rates = stores
      ? await Promise.all(servers.map(({ port }) => drive(port, { ...load, seconds: seconds / 3 })))
      : []
    await Promise.all(servers.map((server) => server.usage()))
    const before = await usageOf(around)
    const driven = await Promise.all(
      servers.flatMap(({ port }, at) => [
        drive(port, load),
        ...(stores ? [drive(port, { ...storing, rate: (rates[at]?.perSecond ?? 0) / 20 })] : []),
      ]),
    )
    const windows = (await Promise.all(servers.map((server) => server.usage()))).flatMap(({ cpu }) => cpu)
    const after = await usageOf(around)
    const requests = sum(driven.map(({ requests }) => requests))
    const each = (name: keyof Used): number => (after[name] - before[name]) / requests
    const stored = stores ? sum(driven.filter((_, at) => at % 2 === 1).map((one) => one.requests)) : 0
    return {
      stores: stored / requests,
      commands: each('commands'),
      bytes: each('bytes'),
      redis: each('redis'),
      process: quantile(windows, 0.1),
    }
  } finally {
    await Promise.all(servers.map((server) => server.stop()))
  }
}

async function askForAll(port: number): Promise<void> {
  for (let key = 0; key < keys; key++) await ask(port, `/page/${key}`, { headers: { Host: HOST } })
}

/** What Redis has done since its start. */
type Used = Readonly<Record<'commands' | 'bytes' | 'redis', number>>

async function usageOf({ redis }: Surroundings): Promise<Used> {
  if (redis === undefined) throw new Error('there is no Redis')
  const stats = String(await redis.command('INFO', 'stats'))
  return {
    commands: sum(Object.values(await redis.commandCounts())),
    bytes: Number(/total_net_output_bytes:(\d+)/.exec(stats)?.[1] ?? Number.NaN),
    redis: cpuOf([redis.pid]).cpu,
  }
}
