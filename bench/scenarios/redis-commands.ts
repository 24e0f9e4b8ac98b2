import { ask } from '../ask.js'
import { drive } from '../load/load.js'
import type { Measured, Scenario, Surroundings } from '../scenario.js'
import { startRight } from '../start.js'
import { printTable, shown } from '../table.js'

/** What Redis is asked for a hit: commands, by INFO commandstats, and how often it had something to read. */
export const redisCommands: Scenario = {
  name: 'redis-commands',
  about: 'commands and round trips that Redis sees for each hit, one request after the other and 50 at a time',
  needsRedis: true,
  isInShort: true,
  async run(around) {
    const measured: Measured = new Map()
    const rows: string[][] = []
    const names = [
      'ours express, redis-first',
      'ours koa, redis-first',
      'ours express, memory-first',
      'express by hand, redis',
    ]
    for (const candidate of around.isShort ? names.slice(0, 1) : names) {
      for (const [how, connections] of [
        ['alone', 1],
        ['50 at a time', 50],
      ] as const) {
        const found = await commandsOf(candidate, connections, around)
        if (found === undefined) continue
        const { commands, readings, names } = found
        rows.push([candidate, how, shown(commands), shown(readings), names])
        measured.set(`redis-commands: ${candidate}: ${how}`, commands)
        measured.set(`redis-commands: ${candidate}: ${how}: readings`, readings)
      }
    }
    printTable(['candidate', 'requests', 'commands a hit', 'readings a hit', 'which'], rows)
    return measured
  },
}

interface Commands {
  /** For each hit. */
  readonly commands: number
  /** How often Redis read from a connection, for each hit: with one request at a time, round trips. */
  readonly readings: number
  readonly names: string
}

async function commandsOf(candidate: string, connections: number, around: Surroundings): Promise<Commands | undefined> {
  const { redis } = around
  if (redis === undefined) return undefined
  await redis.client.flushall()
  const server = await startRight({ candidate }, around)
  if (server === undefined) return undefined
  try {
    for (let at = 0; at < 20; at++) await ask(server.port, '/page/1')
    const before = { counts: await redis.commandCounts(), readings: await readingsOf(around) }
    const load = { paths: ['/page/1'], connections, seconds: around.isShort ? 0.2 : 1 }
    const { requests } = await drive(server.port, load)
    const after = { counts: await redis.commandCounts(), readings: await readingsOf(around) }
    const own = new Set(['info', 'flushall', 'client', 'hello'])
    const each = Object.entries(after.counts)
      .filter(([name]) => !own.has(name.split('|')[0] ?? ''))
      .map(([name, count]) => [name, (count - (before.counts[name] ?? 0)) / requests] as const)
      .filter(([, count]) => count > 0.001)
    return {
      commands: each.reduce((sum, [, count]) => sum + count, 0),
      // Less the two of this scenario itself.
      readings: (after.readings - before.readings - 2) / requests,
      names: each.map(([name, count]) => `${name} ${shown(count)}`).join(', '),
    }
  } finally {
    await server.stop()
  }
}

async function readingsOf({ redis }: Surroundings): Promise<number> {
  return Number(/total_reads_processed:(\d+)/.exec(String(await redis?.command('INFO', 'stats')))?.[1] ?? Number.NaN)
}
