import { drive } from '../load/load.js'
import type { Measured, Scenario, Surroundings } from '../scenario.js'
import type { Server } from '../server.js'
import { startRight } from '../start.js'
import { median, printTable, quantile, shown } from '../table.js'

const hosts = ['ours express', 'ours express, front door', 'ours koa', 'ours koa, front door']

/** One key, in rounds so short that the machine is the same for all three processes of a group. */
const load = { paths: ['/page/1'], connections: 50, seconds: 0.3 }

/** Requests before anything is measured. */
const WARM_UP = 20_000

/** Groups of fresh processes of each host, and rounds of each group, for each that the options ask for. */
const GROUPS = 4
const ROUNDS = 3

/** The processes of a group: two of them do the same. */
type Role = 'none' | 'again' | 'all'

/** Ratios to the process without metrics of the same group. */
interface Ratios {
  readonly again: number
  readonly all: number
}

/**
 * What all metrics cost a hit. Two processes of one candidate differ by several hundredths, because V8 compiles each differently: the figure is
 * the median of several groups, beside the same figure of two processes without metrics, which shows the error.
 */
export const metrics: Scenario = {
  name: 'metrics',
  about: 'a hit with all metrics on, and another process with none, beside one with none',
  run: async (around) => {
    const measured: Measured = new Map()
    const rows: string[][] = []
    for (const host of hosts) {
      const groups = await measureHost(host, around)
      for (const role of ['all', 'again'] as const) {
        const ratios = groups.map((group) => group[role])
        measured.set(`metrics: ${host}: ${role}`, median(ratios))
        const quarters = [0.25, 0.75].map((part) => shown(quantile(ratios, part), 3))
        rows.push([host, `${role} / none`, shown(median(ratios), 3), ...quarters, String(ratios.length)])
      }
    }
    printTable(['candidate', 'ratio', 'median', 'first quarter', 'last quarter', 'groups'], rows)
    return measured
  },
}

async function measureHost(host: string, around: Surroundings): Promise<readonly Ratios[]> {
  const groups: Ratios[] = []
  const count = around.isShort ? 1 : GROUPS * around.processes
  for (let at = 0; at < count; at++) {
    const ratios = await measureGroup(host, at, around)
    if (ratios !== undefined) groups.push(ratios)
  }
  return groups
}

async function measureGroup(host: string, at: number, around: Surroundings): Promise<Ratios | undefined> {
  const group = new Map<Role, { readonly server: Server; readonly windows: number[] }>()
  try {
    for (const role of orderOf(at)) {
      const server = await startRight({ candidate: role === 'all' ? `${host}, metrics` : host }, around)
      if (server === undefined) return undefined
      group.set(role, { server, windows: [] })
      if (!around.isShort) await warm(server)
    }
    for (let round = 0; round < ROUNDS * around.rounds; round++) {
      for (const role of orderOf(at + round)) {
        const process = group.get(role)
        if (process !== undefined) process.windows.push(...(await windowsOf(process.server)))
      }
    }
    // What others do on the machine makes a request dearer, and never cheaper.
    const time = (role: Role): number => quantile(group.get(role)?.windows ?? [], 0.1)
    return { again: time('again') / time('none'), all: time('all') / time('none') }
  } finally {
    await Promise.all([...group.values()].map(({ server }) => server.stop()))
  }
}

const ORDERS: readonly (readonly Role[])[] = [
  ['none', 'again', 'all'],
  ['all', 'none', 'again'],
  ['again', 'all', 'none'],
  ['again', 'none', 'all'],
  ['all', 'again', 'none'],
  ['none', 'all', 'again'],
]

/** Each order in its turn: no process is always the first, or always after the same one. */
function orderOf(round: number): readonly Role[] {
  return ORDERS[round % ORDERS.length] ?? []
}

async function warm({ port }: Server): Promise<void> {
  let requests = 0
  for (let round = 0; round < 8 && requests < WARM_UP; round++) requests += (await drive(port, load)).requests
}

async function windowsOf(server: Server): Promise<readonly number[]> {
  await server.usage()
  await drive(server.port, load)
  return (await server.usage()).cpu
}
