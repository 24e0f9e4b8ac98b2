import { drive, type Load } from '../load/load.js'
import type { Measured, Scenario, Surroundings } from '../scenario.js'
import type { Server } from '../server.js'
import { startRight } from '../start.js'
import { median, printTable, shown } from '../table.js'
import { compare } from './comparison.js'

const KIB = 1024
const MIB = 1024 * KIB

/** Bytes of a body, by the name in the table. */
const sizes = [
  ['64k', 64 * KIB],
  ['1m', MIB],
  ['8m', 8 * MIB],
] as const

/** What sends a large body from memory. */
const fromMemory = [
  'raw',
  'ours express',
  'ours koa',
  'ours express, front door',
  'ours koa, front door',
  'express by hand',
  'nginx',
]

/** Small reads, per second: far from what the server can do. */
const smallRate = 1000

/** Bytes that fill a large entry, and its reads per second, over so few connections. */
const large = { size: MIB, rate: 40, connections: 4 }

/** Large bodies: beside a server that only sends them, and what reading them from Redis does to small reads. */
export const bodies: readonly Scenario[] = [
  {
    name: 'bodies',
    about: 'one key of 64 KB, 1 MB and 8 MB, from memory, 8 connections',
    isInShort: true,
    async run(around) {
      const measured: Measured = new Map()
      for (const [name, size] of around.isShort ? sizes.slice(1, 2) : sizes) {
        console.log(`### ${name}`)
        const load = { paths: ['/page/1'], connections: around.isShort ? 2 : 8 }
        const values = await compare(
          {
            name: `bodies-${name}`,
            lines: fromMemory.map((candidate) => ({ candidate, load })),
            ours: 'ours express',
            setup: { size },
            load,
            seconds: 0.8,
            warmUp: Math.max(300, (64 * MIB) / size),
            short: ['raw', 'ours express'],
          },
          around,
        )
        for (const [key, value] of values) measured.set(key, value)
      }
      return measured
    },
  },
  {
    name: 'beside-large',
    about: `p99 of ${smallRate} small reads a second from Redis: alone, and beside ${large.rate} of 1 MB`,
    isInShort: true,
    needsRedis: true,
    async run(around) {
      const measured: Measured = new Map()
      const rows: string[][] = []
      const names = ['express by hand, redis', 'ours express, redis only', 'ours koa, redis only']
      for (const candidate of around.isShort ? names.slice(1, 2) : names) {
        await around.redis?.client.flushall()
        const server = await startRight({ candidate, largeSize: large.size }, around)
        if (server === undefined) continue
        try {
          const { alone, beside } = await besideLarge(server, around)
          rows.push([candidate, shown(alone), shown(beside), shown(beside / alone)])
          measured.set(`beside-large: ${candidate}`, beside / alone)
        } finally {
          await server.stop()
        }
      }
      printTable(['candidate', 'p99 ms alone', 'p99 ms beside 1 MB', 'beside / alone'], rows)
      return measured
    },
  },
]

async function besideLarge(server: Server, { isShort }: Surroundings): Promise<{ alone: number; beside: number }> {
  const seconds = isShort ? 0.3 : 1.5
  const small: Load = {
    paths: ['/page/1', '/page/2', '/page/3'],
    connections: 20,
    seconds,
    rate: isShort ? 200 : smallRate,
  }
  const { rate, connections } = large
  const big: Load = { paths: ['/page/large-1'], connections, seconds, rate }
  if (!isShort) for (const load of [small, big]) await drive(server.port, { ...load, rate: undefined, seconds: 1 })
  const alone: number[] = []
  const beside: number[] = []
  for (let round = 0; round < (isShort ? 1 : 5); round++) {
    alone.push((await drive(server.port, small)).p99)
    const [{ p99 }] = await Promise.all([drive(server.port, small), drive(server.port, big)])
    beside.push(p99)
  }
  return { alone: median(alone), beside: median(beside) }
}
