import { drive } from '../load/load.js'
import type { Measured, Scenario } from '../scenario.js'
import { isKnown } from '../start.js'
import { Started } from '../started.js'
import { printTable, shown } from '../table.js'

/** What an entry takes: growth of the process, after a collection of garbage, for each response stored. */
export const memory: Scenario = {
  name: 'memory',
  about:
    'resident bytes of the process for each 1 KB response stored, about 100,000 of them, or as many as are stored within 9 s',
  isInShort: true,
  async run({ node, isShort }) {
    const measured: Measured = new Map()
    const rows: string[][] = []
    const others = ['ours koa', 'express by hand', 'apicache', 'koa-cash']
    for (const candidate of isShort ? ['ours express'] : ['ours express', ...others].filter(isKnown)) {
      const [growth] = await growthOf(candidate, [isShort ? 100 : 100_000], node)
      if (growth === undefined) continue
      const { entries, resident, counted } = growth
      rows.push([
        candidate,
        String(entries),
        shown(resident / entries, 0),
        shown(counted / entries, 0),
        shown(resident / counted),
      ])
      measured.set(`memory: ${candidate}: each`, resident / entries)
      measured.set(`memory: ${candidate}: grown / counted`, resident / counted)
    }
    printTable(['candidate', 'entries', 'resident bytes each', 'counted bytes each', 'grown / counted'], rows)
    return measured
  },
}

/** By how much a process has grown. */
export interface Growth {
  /** Responses stored. */
  readonly entries: number
  /** Bytes resident. */
  readonly resident: number
  /** Bytes that the candidate counts. */
  readonly counted: number
}

/** The growth of one process at each of these numbers of entries. */
export async function growthOf(candidate: string, sizes: readonly number[], node: string): Promise<readonly Growth[]> {
  const server = await Started.start(node, { candidate, maxEntries: 1_000_000 }, '--expose-gc')
  try {
    await fill(server, Math.min(2000, sizes[0] ?? 0), 'warm')
    const before = await server.usage('usage after gc')
    const growths: Growth[] = []
    for (const size of sizes) {
      const { runs } = await server.usage()
      await fill(server, size - (runs - before.runs), 'page')
      const after = await server.usage('usage after gc')
      growths.push({
        entries: after.runs - before.runs,
        resident: after.rss - before.rss,
        counted: (after.memoryBytes ?? Number.NaN) - (before.memoryBytes ?? Number.NaN),
      })
    }
    return growths
  } finally {
    await server.stop()
  }
}

/** A candidate that stores a few hundred a second is not waited for: what one entry takes shows with fewer as well. */
const patience = 9_000

/** Asks for pages until so many are stored. */
async function fill(server: Started, entries: number, name: string): Promise<void> {
  const { runs } = await server.usage()
  const seconds = entries <= 100 ? 0.05 : 0.6
  const load = { paths: [`/page/${name}`], unique: true, connections: 20, seconds }
  const until = performance.now() + patience
  while ((await server.usage()).runs - runs < entries && performance.now() < until) await drive(server.port, load)
}
