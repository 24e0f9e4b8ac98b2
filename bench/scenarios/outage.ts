import type { Measured, Scenario, Surroundings } from '../scenario.js'
import { Started } from '../started.js'
import { printTable, quantile, shown } from '../table.js'

/** Nobody waits longer than that for an answer here, ms. */
const patience = 3000

/** What requests wait for while Redis is gone: the first ones, and those behind the circuit breaker. */
export const outage: Scenario = {
  name: 'outage',
  about: 'Redis dies (refuses connections) or freezes (answers nothing); every request asks for another key',
  needsRedis: true,
  async run(around) {
    const measured: Measured = new Map()
    const rows: string[][] = []
    const calm = await during('express uncached', 'refused', around)
    rows.push(['express uncached', '-', shown(calm.first, 1), shown(calm.p50, 1), shown(calm.p99, 1), '-'])
    for (const name of ['ours express, redis-first', 'ours koa, redis-first', 'express by hand, redis']) {
      for (const how of ['refused', 'frozen'] as const) {
        const { first, p50, p99 } = await during(name, how, around)
        rows.push([name, how, shownOrNever(first), shownOrNever(p50), shownOrNever(p99), shown(p99 - calm.p99, 1)])
        measured.set(`outage: ${name}: ${how}: first`, first)
        measured.set(`outage: ${name}: ${how}: added`, p99 - calm.p99)
      }
    }
    printTable(['candidate', 'Redis', 'first 20: longest ms', 'then p50 ms', 'p99 ms', '+ uncached p99 ms'], rows)
    return measured
  },
}

interface Waits {
  readonly first: number
  readonly p50: number
  readonly p99: number
}

async function during(candidate: string, how: 'refused' | 'frozen', around: Surroundings): Promise<Waits> {
  const { redis } = around
  if (redis === undefined) throw new Error('there is no redis-server')
  const server = await Started.start(around.node, { candidate, maxEntries: 1000, redisPort: redis.port })
  try {
    // As many at a time as are asked afterwards: neither side shall be slow because it never did so before.
    for (let round = 0; round < 25; round++) await together('warm', (path) => server.get(`${path}-${round}`))
    if (how === 'frozen') redis.freeze()
    else await redis.kill()
    const first = await together('first', (path) => waitOf(server, path))
    if (Math.max(...first) >= patience) return { first: patience, p50: patience, p99: patience }
    // Until the breaker has made up its mind.
    for (let at = 0; at < 10; at++) await waitOf(server, `/page/then-${at}`)
    const later: number[] = []
    for (let at = 0; at < (around.isShort ? 50 : 1000); at++) later.push(await waitOf(server, `/page/later-${at}`))
    return { first: Math.max(...first), p50: quantile(later, 0.5), p99: quantile(later, 0.99) }
  } finally {
    await server.stop()
    if (redis.frozen) redis.resume()
    if (!redis.running) await redis.restart()
  }
}

/** Twenty requests at one time. */
function together<T>(name: string, run: (path: string) => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: 20 }, (_, at) => run(`/page/${name}-${at}`)))
}

async function waitOf(server: Started, path: string): Promise<number> {
  const begun = performance.now()
  let timer: NodeJS.Timeout | undefined
  const enough = new Promise((resolve) => {
    timer = setTimeout(resolve, patience)
  })
  await Promise.race([server.get(path).catch(() => {}), enough])
  clearTimeout(timer)
  return performance.now() - begun
}

function shownOrNever(ms: number): string {
  return ms >= patience ? `> ${patience}` : shown(ms, 1)
}
