import { setTimeout as pause } from 'node:timers/promises'
import { type OpenedRedis, type ReadableRecord, readRecords } from '../../inspect/index.js'
import type { Command, ExitCode, Surroundings } from '../command.js'
import { coverWords } from '../covers.js'
import { DASHBOARD_OPTIONS, dashboardAddress, dashboardEvents } from '../dashboard-client.js'
import { CommandFailure } from '../errors.js'
import { REDIS_OPTIONS, withRedis } from '../redis-options.js'
import { visible } from '../terminal.js'

const PAGE = 200
/** Pause between two reads of the log, in ms. */
const LOOK_EVERY = 500

/** `fallback-cache tail`: print invalidations, or the events of a process, as they happen. */
export const tailCommand: Command = {
  synopsis: '[options]',
  description:
    'Prints the invalidations of every process as they are added to the log in Redis. The log does not contain who invalidated, nor hits and misses: with --url the command prints the events of one process (hits, misses, stores, evictions, outages, …), from its dashboard. Ends with Ctrl-C.',
  options: {
    lines: { value: 'n', short: 'n', text: 'begin with the last n invalidations, at most 1000. Default: 10' },
    once: { short: '1', text: 'print only these, and end' },
    ...DASHBOARD_OPTIONS,
    ...REDIS_OPTIONS,
  },
  arity: [0, 0],
  examples: [
    ['The last ten invalidations, and those to come', 'tail'],
    ['What one process does', "tail --url http://10.0.0.1:3000/__cache --header 'X-Operator: …'"],
  ],
  failsIf: 'Redis or the dashboard failed',
  async run(given, around): Promise<ExitCode> {
    const { terminal, signal } = around
    const isJson = given.has('json')
    const lines = given.number('lines', 10, [0, 1000])
    const address = dashboardAddress(given)
    if (address !== undefined) {
      for await (const event of dashboardEvents(address, signal)) {
        if (isJson) await terminal.json(event)
        else await terminal.print(`${timeText(event.at)}  ${visible(event.name).padEnd(10)}  ${visible(event.text)}`)
      }
      return 0
    }
    return withRedis(given, around, async (redis): Promise<ExitCode> => {
      if ((await redis.standing()).head === undefined) {
        throw new CommandFailure('there is no log of invalidations: is --key-prefix right?')
      }
      for await (const { position, covers } of records(redis, lines, given.has('once'), around)) {
        const at = position / 1000
        if (isJson) await terminal.json({ position, at: Math.floor(at), covers })
        else for (const cover of covers) await terminal.print(`${timeText(at)}  ${visible(coverWords(cover))}`)
      }
      return 0
    })
  },
}

/** The last records of the log and, without `--once`, those that follow. */
async function* records(
  redis: OpenedRedis,
  lines: number,
  isOnce: boolean,
  { signal }: Surroundings,
): AsyncGenerator<ReadableRecord> {
  // A log begins with a record that covers nothing. The newest record is read to find the end of the log.
  const last = await readRecords(redis, { count: lines + 1 })
  const shown = last.filter(({ covers }) => covers.length > 0)
  yield* lines === 0 ? [] : shown.slice(-lines)
  let after = last.at(-1)?.position ?? 0
  while (!isOnce && !signal.aborted) {
    const next = await readRecords(redis, { after, count: PAGE })
    yield* next.filter(({ covers }) => covers.length > 0)
    after = next.at(-1)?.position ?? after
    if (next.length < PAGE) await pause(LOOK_EVERY, undefined, { signal }).catch(() => {})
  }
}

function timeText(ms: number): string {
  const date = new Date(ms)
  return Number.isNaN(date.getTime()) ? String(ms) : date.toISOString()
}
