import { Rush } from '../load/rush.js'
import type { Measured, Scenario, Surroundings } from '../scenario.js'
import { Started } from '../started.js'
import { printTable, quantile, shown } from '../table.js'

/** Requests at one time. */
const atOnce = 20

/** No request waits longer than that for an answer here, ms. */
const patience = 3000

/** What requests wait for while Redis is gone: the first ones, and those behind the circuit breaker. */
export const outage: Scenario = {
  name: 'outage',
  about:
    'Redis dies (refuses connections) or freezes (answers nothing); every request asks for another key, in turn with one without a cache',
  needsRedis: true,
  async run(around) {
    const measured: Measured = new Map()
    const rows: string[][] = []
    for (const [uncached, ...candidates] of [
      ['express uncached', 'ours express, redis-first', 'express by hand, redis'],
      ['koa uncached', 'ours koa, redis-first'],
    ] as const) {
      for (const name of candidates) {
        for (const how of ['refused', 'frozen'] as const) {
          const { first, p50, p99, plainP99 } = await during(name, uncached, how, around)
          const added = p99 - plainP99
          rows.push([name, how, ...[first, p50, p99].map(shownOrNever), shown(plainP99), shown(added)])
          measured.set(`outage: ${name}: ${how}: first`, first)
          measured.set(`outage: ${name}: ${how}: added`, added)
        }
      }
    }
    printTable(['candidate', 'Redis', 'first 20: longest ms', 'then p50 ms', 'p99 ms', 'uncached p99 ms', '+ ms'], rows)
    return measured
  },
}

/** Milliseconds. */
interface Waits {
  readonly first: number
  readonly p50: number
  readonly p99: number
  /** Of the server without a cache, asked in turn with the other. */
  readonly plainP99: number
}

async function during(
  candidate: string,
  uncached: string,
  how: 'refused' | 'frozen',
  around: Surroundings,
): Promise<Waits> {
  const { redis } = around
  if (redis === undefined) throw new Error('there is no redis-server')
  const server = await Started.start(around.node, { candidate, maxEntries: 1000, redisPort: redis.port })
  const plain = await Started.start(around.node, { candidate: uncached })
  try {
    // As many at a time as are asked afterwards: neither side shall be slow because it never did so before.
    for (const { port } of [server, plain]) {
      for (let round = 0; round < (around.isShort ? 5 : 100); round++) {
        await together(await Rush.open([port], atOnce), `warm-${round}`)
      }
    }
    const rush = await Rush.open([server.port], atOnce)
    if (how === 'frozen') redis.freeze()
    else await redis.kill()
    const first = await together(rush, 'first')
    if (first >= patience) return { first: patience, p50: patience, p99: patience, plainP99: Number.NaN }
    // Until the breaker has made up its mind.
    for (let at = 0; at < 10; at++) await waitOf(server, `/page/then-${at}`)
    const later: number[] = []
    const plainWaits: number[] = []
    for (let at = 0; at < (around.isShort ? 50 : 2000); at++) {
      later.push(await waitOf(server, `/page/later-${at}`))
      plainWaits.push(await waitOf(plain, `/page/later-${at}`))
    }
    return { first, p50: quantile(later, 0.5), p99: quantile(later, 0.99), plainP99: quantile(plainWaits, 0.99) }
  } finally {
    await Promise.all([server.stop(), plain.stop()])
    if (redis.frozen) redis.resume()
    if (!redis.running) await redis.restart()
  }
}

/** Milliseconds until all of them have the answer that each asks for. */
function together(rush: Rush, name: string): Promise<number> {
  return waitFor(rush.run((at) => `/page/${name}-${at}`, 'bench.test')).finally(() => rush.close())
}

function waitOf(server: Started, path: string): Promise<number> {
  return waitFor(server.get(path))
}

/** Milliseconds until something has happened, and no longer than {@link patience}. */
async function waitFor(something: Promise<unknown>): Promise<number> {
  const begun = performance.now()
  let timer: NodeJS.Timeout | undefined
  const enough = new Promise((resolve) => {
    timer = setTimeout(resolve, patience)
  })
  await Promise.race([something.catch(() => {}), enough])
  clearTimeout(timer)
  return performance.now() - begun
}

function shownOrNever(ms: number): string {
  return ms >= patience ? `> ${patience}` : shown(ms)
}
