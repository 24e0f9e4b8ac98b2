import type { Measured, Scenario, Surroundings } from '../scenario.js'
import { Started } from '../started.js'
import { printTable, shown } from '../table.js'

const handlerTime = 200

/** One site, whichever process answers: the port of the process would be part of its name. */
const host = { Host: 'bench.test' }

/** How often the handler runs when many ask for a page that nobody has, and how long they wait. */
export const stampede: Scenario = {
  name: 'stampede',
  about: `500 requests at one time for a key that is not there; the handler takes ${handlerTime} ms`,
  isInShort: true,
  async run(around) {
    const requests = around.isShort ? 20 : 500
    const measured: Measured = new Map()
    const rows: string[][] = []
    const lines: [name: string, processes: number][] = [
      ['express uncached', 1],
      ['ours express', 1],
      ['ours koa', 1],
      ['apicache', 1],
      ['route-cache', 1],
      ['koa-cash', 1],
    ]
    if (around.redis !== undefined) lines.push(['ours express, redis-first', 4], ['express by hand, redis', 4])
    for (const [name, processes] of around.isShort ? lines.slice(1, 2) : lines) {
      const { runs, time } = await rush(name, processes, requests, around)
      const label = processes === 1 ? name : `${name}, ${processes} processes`
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
  const setup = { candidate, size: 1024, delay: handlerTime, maxEntries: 1000, redisPort: around.redis?.port ?? 0 }
  await around.redis?.client.flushall()
  const servers = await Promise.all(Array.from({ length: processes }, () => Started.start(around.node, setup)))
  try {
    // The first request of a process is slow for other reasons.
    await Promise.all(servers.map((server) => server.get('/page/warm', host)))
    const before = await runsOf(servers)
    const begun = performance.now()
    await Promise.all(Array.from({ length: requests }, (_, at) => servers[at % processes]?.get('/page/cold', host)))
    const time = performance.now() - begun
    return { runs: (await runsOf(servers)) - before, time }
  } finally {
    await Promise.all(servers.map((server) => server.stop()))
  }
}

async function runsOf(servers: readonly Started[]): Promise<number> {
  const usages = await Promise.all(servers.map((server) => server.usage()))
  return usages.reduce((sum, { runs }) => sum + runs, 0)
}
