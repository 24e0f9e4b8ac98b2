import { availableParallelism } from 'node:os'
import { drive } from '../load/load.js'
import { pin } from '../pinned.js'
import type { Measured, Scenario, Surroundings } from '../scenario.js'
import type { Question, Server, Usage } from '../server.js'
import { start } from '../start.js'
import { printTable, quantile, shown, sum } from '../table.js'

/** To each process: as many for one of four as for one alone, for what a request costs depends on how many come in one turn. */
const connections = 12

/** While the delay of the event loop is watched. */
const connectionsAtOnce = 48

/** Several processes on one Redis: whether they are in each other's way. And how long others wait for the event loop. */
export const processes: Scenario = {
  name: 'processes',
  about: `1, 2 or 4 processes on one Redis, 1 KB, one key, ${connections} connections to each; with more than ${coresTaken(4) - 1} cores each process has its own`,
  needsRedis: true,
  isInShort: true,
  async run(around) {
    const measured: Measured = new Map()
    const rows: string[][] = []
    const lines: [name: string, counts: readonly number[]][] = [
      ['raw', [1, 4]],
      ['ours express', [1]],
      ['ours koa', [1]],
      ['express by hand, redis', [1, 4]],
      ['ours express, redis-first', [1, 2, 4]],
      ['koa by hand, redis', [1, 4]],
      ['ours koa, redis-first', [1, 2, 4]],
    ]
    const short: typeof lines = [['ours express, redis-first', [2]]]
    for (const [name, counts] of around.isShort ? short : lines) {
      for (const count of counts) {
        const { perSecond, cpu, delayP99 } = await together(name, count, around)
        rows.push([name, String(count), shown(perSecond, 0), shown(cpu, 1), shown(delayP99, 1)])
        measured.set(`processes: ${name}: ${count}: per second`, perSecond)
        measured.set(`processes: ${name}: ${count}: cpu`, cpu)
        measured.set(`processes: ${name}: ${count}: delay`, delayP99)
      }
    }
    printTable(['candidate', 'processes', 'hits per s', 'CPU µs', 'event loop delay p99 ms'], rows)
    return measured
  },
}

interface Together {
  readonly perSecond: number
  /** Microseconds for a request: the lowest tenth of all windows of all processes. */
  readonly cpu: number
  /** Of one process alone. */
  readonly delayP99: number
}

async function together(candidate: string, count: number, around: Surroundings): Promise<Together> {
  await around.redis?.client.flushall()
  const servers: Server[] = []
  try {
    for (let at = 0; at < count; at++) servers.push(await start({ candidate }, around))
    if (availableParallelism() >= coresTaken(count)) await spread(servers)
    const seconds = around.isShort ? 0.15 : 1
    const load = { paths: ['/page/1'], headers: { Host: 'bench.test' }, seconds }
    // Each by itself, to the end of compiling: several on one core would still be at it.
    if (!around.isShort) for (const { port } of servers) await drive(port, { ...load, connections, seconds: 0.6 })
    await usageOf(servers)
    const driven = await driveAll(servers, { ...load, connections })
    const windows = (await usageOf(servers, 'watch delay')).flatMap(({ cpu }) => cpu)
    // Several on one core wait for each other, and not for their own loops.
    if (count === 1) await driveAll(servers, { ...load, connections: connectionsAtOnce })
    const delays = count === 1 ? (await usageOf(servers)).map(({ delayP99 }) => delayP99 ?? Number.NaN) : []
    return {
      perSecond: sum(driven.map(({ perSecond }) => perSecond)),
      cpu: quantile(windows, 0.1),
      delayP99: delays[0] ?? Number.NaN,
    }
  } finally {
    await Promise.all(servers.map((server) => server.stop()))
  }
}

/** The processes, and one core for the load and Redis. */
function coresTaken(count: number): number {
  return count + 1
}

async function spread(servers: readonly Server[]): Promise<void> {
  for (const [at, server] of servers.entries()) pin(await pidOf(server), at === 0 ? 0 : at + 1)
}

function usageOf(servers: readonly Server[], question?: Question): Promise<readonly Usage[]> {
  return Promise.all(servers.map((server) => server.usage(question)))
}

async function pidOf(server: Server): Promise<number> {
  return (await server.usage()).pid
}

function driveAll(
  servers: readonly Server[],
  load: Parameters<typeof drive>[1],
): Promise<Awaited<ReturnType<typeof drive>>[]> {
  return Promise.all(servers.map(({ port }) => drive(port, load)))
}
