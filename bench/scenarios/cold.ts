import { setTimeout as sleep } from 'node:timers/promises'
import { ask } from '../ask.js'
import { drive } from '../load/load.js'
import { Rush } from '../load/rush.js'
import { zipf } from '../load/zipf.js'
import type { Measured, Scenario, Surroundings } from '../scenario.js'
import { start } from '../start.js'
import { median, printTable, shown } from '../table.js'

/** Milliseconds that the handler takes for each page. */
const handlerTime = 20

/** Milliseconds that it takes for the page that all ask for at once. */
const stampedeTime = 200

/** What is new in each process: how the first requests fare, one process after the other, each candidate in turn. */
export const cold: Scenario = {
  name: 'cold',
  about: `a process that has answered nothing yet: its first 1,000 requests at 500 a second, of 100 pages that take ${handlerTime} ms; and 500 at one time for a page that takes ${stampedeTime} ms`,
  isInShort: true,
  async run(around) {
    const measured: Measured = new Map()
    const rows: string[][] = []
    const all = ['express', 'koa'].flatMap((name) => [`${name} uncached`, `ours ${name}`, `ours ${name}, front door`])
    const names = around.isShort ? ['ours express'] : all
    const found = new Map(names.map((name) => [name, [] as Cold[]]))
    for (let round = 0; round < (around.isShort ? 1 : 5); round++)
      for (const [name, each] of found) each.push(await coldStart(name, around))
    for (const [name, each] of found) {
      const first = median(each.map(({ first }) => first))
      const p99 = median(each.map(({ p99 }) => p99))
      const stampede = median(each.map(({ stampede }) => stampede)) / stampedeTime
      rows.push([name, shown(first, 1), shown(p99, 1), shown(stampede)])
      measured.set(`cold: ${name}: first`, first)
      measured.set(`cold: ${name}: p99`, p99)
      measured.set(`cold: ${name}: stampede`, stampede)
    }
    printTable(['candidate', 'first ms', 'p99 ms of 1,000', '500 at once / handler time'], rows)
    return measured
  },
}

/** Milliseconds: of the first request, of all but the slowest hundredth, and until 500 have the page that they asked for at once. */
interface Cold {
  readonly first: number
  readonly p99: number
  readonly stampede: number
}

async function coldStart(candidate: string, around: Surroundings): Promise<Cold> {
  const first = await start({ candidate, delay: handlerTime }, around)
  try {
    const begun = performance.now()
    await ask(first.port, '/page/first')
    const elapsed = performance.now() - begun
    const seconds = around.isShort ? 0.2 : 2
    const { p99 } = await drive(first.port, { paths: zipf(100, 1000), connections: 50, seconds, rate: 500 })
    return { first: elapsed, p99, stampede: await coldStampede(candidate, around) }
  } finally {
    await first.stop()
  }
}

async function coldStampede(candidate: string, around: Surroundings): Promise<number> {
  const server = await start({ candidate, delay: stampedeTime }, around)
  try {
    const rush = await Rush.open([server.port], around.isShort ? 20 : 500)
    // All connections are accepted by then.
    await sleep(100)
    return await rush.run(() => '/page/cold', 'bench.test')
  } finally {
    await server.stop()
  }
}
