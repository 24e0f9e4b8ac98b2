import { drive } from '../load/load.js'
import type { Measured, Scenario, Surroundings } from '../scenario.js'
import type { Server } from '../server.js'
import { startRight } from '../start.js'
import { median, printTable, shown } from '../table.js'

/** Requests per second. */
const rates = [1000, 4000, 12_000]

/** The rate at which candidates are compared: none of them is near its end. */
const calm = 4000

/** How long an answer takes while requests come at a rate of their own, whether or not the last one is answered. */
export const latency: Scenario = {
  name: 'latency',
  about: 'one key, 1 KB, at so many requests per second, also if the server is slow; each counts from when it was due',
  isInShort: true,
  async run(around) {
    const memory = ['raw', 'ours express', 'ours koa']
    const withRedis = [
      'express by hand, redis',
      'ours express, redis-first',
      'koa by hand, redis',
      'ours koa, redis-first',
    ]
    const all = around.redis === undefined ? memory : [...memory, ...withRedis]
    const names = around.isShort ? ['ours express'] : all
    const measured: Measured = new Map()
    const rows: string[][] = []
    for (const { name, rate, p50, p99 } of await latenciesOf(names, around.isShort ? [500] : rates, around)) {
      rows.push([name, String(rate), shown(p50), shown(p99)])
      measured.set(`latency: ${name}: ${rate}: p50`, p50)
      measured.set(`latency: ${name}: ${rate}: p99`, p99)
      if (rate === calm) measured.set(`latency: ${name}: p99`, p99)
    }
    printTable(['candidate', 'per s', 'p50 ms', 'p99 ms'], rows)
    return measured
  },
}

/** What answers took at a rate; NaN where the server did not keep up. */
export interface Latency {
  readonly name: string
  readonly rate: number
  readonly p50: number
  readonly p99: number
}

/** The latencies of candidates at each rate, driven in turn: medians of the rounds. */
export async function latenciesOf(
  candidates: readonly string[],
  rates: readonly number[],
  around: Surroundings,
): Promise<readonly Latency[]> {
  await around.redis?.client.flushall()
  const servers: Server[] = []
  try {
    for (const candidate of candidates) {
      const server = await startRight({ candidate }, around)
      if (server !== undefined) servers.push(server)
    }
    const load = { paths: ['/page/1'], connections: 50, seconds: around.isShort ? 0.2 : 0.5 }
    if (!around.isShort) for (const { port } of servers) await drive(port, load)
    const latencies: Latency[] = []
    for (const rate of rates) {
      const rounds = new Map<Server, { p50: number; p99: number }[]>(servers.map((server) => [server, []]))
      for (let round = 0; round < (around.isShort ? 1 : 3); round++) {
        for (const [server, done] of rounds) {
          const driven = await drive(server.port, { ...load, rate })
          const keptUp = driven.requests >= rate * load.seconds * 0.98
          done.push(keptUp ? driven : { p50: Number.NaN, p99: Number.NaN })
        }
      }
      for (const [{ name }, done] of rounds) {
        const [p50, p99] = [median(done.map((one) => one.p50)), median(done.map((one) => one.p99))]
        latencies.push({ name, rate, p50, p99 })
      }
    }
    return candidates.flatMap((name) => latencies.filter((one) => one.name === name))
  } finally {
    await Promise.all(servers.map((server) => server.stop()))
  }
}
