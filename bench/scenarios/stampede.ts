import { drive } from '../load/load.js'
import { Rush } from '../load/rush.js'
import type { Measured, Scenario, Surroundings } from '../scenario.js'
import type { Server } from '../server.js'
import { isKnown, leaveOut, start } from '../start.js'
import { printTable, shown } from '../table.js'

const handlerTime = 200

/** One site, whichever process answers: the port of the process would be part of its name. */
const host = 'bench.test'

/** How often the handler runs when many ask for a page that is not stored, and how long they wait. */
export const stampede: Scenario = {
  name: 'stampede',
  about: `500 requests at one time for a key that is not there; the handler takes ${handlerTime} ms`,
  isInShort: true,
  async run(around) {
    const requests = around.isShort ? 20 : 500
    const measured: Measured = new Map()
    const rows: string[][] = []
    const alone = ['ours express', 'ours koa', 'ours express, front door', 'ours koa, front door', 'express uncached']
    const peers = ['apicache', 'apicache-plus', 'route-cache', 'koa-cash', 'nginx', 'varnish']
    const lines: [name: string, processes: number][] = [...alone, ...peers].map((name) => [name, 1])
    if (around.redis !== undefined) lines.push(['ours express, redis-first', 4], ['express by hand, redis', 4])
    for (const [name, processes] of around.isShort ? lines.slice(0, 1) : lines.filter(([name]) => isKnown(name))) {
      const label = processes === 1 ? name : `${name}, ${processes} processes`
      const outcome = await rush(name, processes, requests, around).catch((error: unknown) => {
        leaveOut(label, error instanceof Error ? error.message : String(error))
      })
      if (outcome === undefined) continue
      const { runs, time } = outcome
      rows.push([label, String(runs), shown(time, 0), shown(time / handlerTime)])
      measured.set(`stampede: ${label}: runs`, runs)
      measured.set(`stampede: ${label}: time`, time / handlerTime)
    }
    printTable(['candidate', 'handler runs', 'ms until all have it', '/ handler time'], rows)
    return measured
  },
}

async function rush(
  candidate: string,
  processes: number,
  requests: number,
  around: Surroundings,
): Promise<{ readonly runs: number; readonly time: number }> {
  await around.redis?.client.flushall()
  const servers: Server[] = []
  try {
    for (let at = 0; at < processes; at++)
      servers.push(await start({ candidate, delay: handlerTime, maxEntries: 1000 }, around))
    // The first requests of a process are slow for other reasons.
    const warm = {
      paths: ['/page/warm'],
      headers: { Host: host },
      connections: 20,
      seconds: around.isShort ? 0.25 : 0.6,
    }
    for (const { port } of servers) await drive(port, warm)
    const ports = servers.map(({ port }) => port)
    // Nor has it ever had so many at one time: the first stampede of a process is by far the slowest.
    for (let time = 0; time < (around.isShort ? 0 : 4); time++) {
      await (await Rush.open(ports, requests)).run(() => `/page/warm-${time}`, host)
    }
    const before = await runsOf(servers)
    const time = await (await Rush.open(ports, requests)).run(() => '/page/cold', host)
    return { runs: (await runsOf(servers)) - before, time }
  } finally {
    await Promise.all(servers.map((server) => server.stop()))
  }
}

async function runsOf(servers: readonly Server[]): Promise<number> {
  const usages = await Promise.all(servers.map((server) => server.usage()))
  return usages.reduce((sum, { runs }) => sum + runs, 0)
}
