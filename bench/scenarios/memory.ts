import { drive } from '../load/load.js'
import type { Measured, Scenario } from '../scenario.js'
import { Started } from '../started.js'
import { printTable, shown } from '../table.js'

/** What an entry takes: growth of the process, after a collection of garbage, for each response stored. */
export const memory: Scenario = {
  name: 'memory',
  about: 'resident bytes of the process for each 1 KB response stored, about 100,000 of them',
  async run(around) {
    const measured: Measured = new Map()
    const rows: string[][] = []
    for (const candidate of ['ours express', 'ours koa', 'express by hand', 'apicache', 'koa-cash']) {
      const setup = { candidate, size: 1024, delay: 0, maxEntries: 400_000, redisPort: 0 }
      const server = await Started.start(around.node, setup, '--expose-gc')
      try {
        const warm = 2000
        await fill(server, warm, 'warm')
        const before = await server.usage('usage after gc')
        await fill(server, 100_000, 'page')
        const after = await server.usage('usage after gc')
        const stored = after.runs - before.runs
        const each = (after.rss - before.rss) / stored
        const counted = ((after.memoryBytes ?? Number.NaN) - (before.memoryBytes ?? Number.NaN)) / stored
        rows.push([candidate, String(stored), shown(each, 0), shown(counted, 0), shown(each / counted)])
        measured.set(`memory: ${candidate}: each`, each)
        measured.set(`memory: ${candidate}: grown / counted`, each / counted)
      } finally {
        await server.stop()
      }
    }
    printTable(['candidate', 'entries', 'resident bytes each', 'counted bytes each', 'grown / counted'], rows)
    return measured
  },
}

/** Asks for pages until so many are stored. */
async function fill(server: Started, entries: number, name: string): Promise<void> {
  const { runs } = await server.usage()
  const load = { paths: [`/page/${name}`], unique: true, connections: 20, seconds: 1 }
  for (let round = 0; round < 30; round++) {
    await drive(server.port, load)
    if ((await server.usage()).runs - runs >= entries) return
  }
}
