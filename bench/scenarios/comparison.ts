import type { Setup } from '../candidates/setup.js'
import { type Driven, drive, type Load } from '../load/load.js'
import type { Measured, Surroundings } from '../scenario.js'
import { Started } from '../started.js'
import { median, printTable, quantile, shown } from '../table.js'

/** Candidates side by side under one load. */
export interface Comparison {
  readonly name: string
  readonly candidates: readonly string[]
  /** What ratios are made to, beside `raw`. */
  readonly ours: string
  readonly size: number
  readonly load: Omit<Load, 'connections' | 'seconds'>
  /** Requests before anything is measured; the ETag of the last one is sent along as If-None-Match when `revalidates`. */
  readonly revalidates?: boolean
  /** Whether there is nothing to be hit, so that the check of answers is all that hits. */
  readonly seconds?: number
}

interface Round {
  readonly cpu: readonly number[]
  readonly driven: Driven
}

/**
 * Starts each candidate in a process of its own, checks its answers, and drives them in turn: A B C, A B C, …
 */
export async function compare(comparison: Comparison, around: Surroundings): Promise<Measured> {
  const rounds = new Map<Started, Round[]>()
  const connections = around.isShort ? 4 : 50
  const seconds = around.isShort ? 0.3 : (comparison.seconds ?? 1)
  try {
    const few = comparison.candidates.filter((name) => name === 'raw' || name.startsWith('ours'))
    for (const candidate of around.isShort ? few : comparison.candidates) {
      const started = await startRight(candidate, comparison, around)
      if (started !== undefined) rounds.set(started, [])
    }
    const loads = new Map<Started, Load>()
    for (const started of rounds.keys()) {
      const load = { ...comparison.load, connections, seconds, ...(await conditions(started, comparison)) }
      loads.set(started, load)
      await warm(started, load, around)
    }
    for (let round = 0; round < around.rounds; round++) {
      for (const [started, done] of rounds) {
        await started.usage()
        const driven = await drive(started.port, loads.get(started) ?? { ...comparison.load, connections, seconds })
        done.push({ cpu: (await started.usage()).cpu, driven })
      }
    }
  } finally {
    await Promise.all([...rounds.keys()].map((started) => started.stop()))
  }
  return print(comparison, rounds)
}

/** Until node has compiled what is hot, however little of the machine is free. */
async function warm(started: Started, load: Load, { isShort }: Surroundings): Promise<void> {
  let requests = 0
  for (let round = 0; round < 4 && requests < 20_000; round++) {
    requests += (await drive(started.port, load)).requests
    if (isShort) return
  }
}

async function startRight(
  candidate: string,
  comparison: Comparison,
  around: Surroundings,
): Promise<Started | undefined> {
  const setup: Setup = {
    candidate,
    size: comparison.size,
    delay: 0,
    maxEntries: 20_000,
    redisPort: around.redis?.port ?? 0,
  }
  await around.redis?.client.flushall()
  let started: Started
  try {
    started = await Started.start(around.node, setup)
  } catch (error) {
    console.log(`${candidate} is left out: ${String(error)}`)
    return undefined
  }
  const fault = await started.fault()
  if (fault === undefined) return started
  console.log(`${candidate} is left out: ${fault}`)
  await started.stop()
  return undefined
}

async function conditions(started: Started, { revalidates, load }: Comparison): Promise<Pick<Load, 'headers'>> {
  if (revalidates !== true) return {}
  const path = load.paths[0] ?? '/'
  await started.get(path)
  const { headers } = await started.get(path)
  const etag = typeof headers.etag === 'string' ? headers.etag : '"none"'
  const { status } = await started.get(path, { 'If-None-Match': etag })
  if (status !== 304) console.log(`${started.name} answers ${status}, not 304`)
  return { headers: { 'If-None-Match': etag } }
}

function print(comparison: Comparison, rounds: ReadonlyMap<Started, readonly Round[]>): Measured {
  const measured: Measured = new Map()
  const named = new Map([...rounds].map(([started, done]) => [started.name, done]))
  const cpu = new Map([...named].map(([name, done]) => [name, lowCpu(done)]))
  const ratio = (name: string, to: string): number => (cpu.get(name) ?? Number.NaN) / (cpu.get(to) ?? Number.NaN)
  const rows = [...named].map(([name, done]) => {
    measured.set(`${comparison.name}: ${name}`, cpu.get(name) ?? Number.NaN)
    for (const other of named.keys()) measured.set(`${comparison.name}: ${name} / ${other}`, ratio(name, other))
    const middle = (of: (driven: Driven) => number): number => median(done.map(({ driven }) => of(driven)))
    const errors = done.reduce((sum, { driven }) => sum + driven.errors, 0)
    return [
      name,
      shown(cpu.get(name), 1),
      shown(ratio(name, 'raw')),
      shown(ratio(name, comparison.ours)),
      shown(
        middle(({ perSecond }) => perSecond),
        0,
      ),
      shown(middle(({ p50 }) => p50)),
      shown(middle(({ p99 }) => p99)),
      String(errors),
    ]
  })
  printTable(['candidate', 'CPU µs', '/ raw', `/ ${comparison.ours}`, 'per s', 'p50 ms', 'p99 ms', 'errors'], rows)
  return measured
}

/** The lower quartile of all windows: what others do on the machine makes a request dearer, and never cheaper. */
function lowCpu(done: readonly Round[]): number {
  return quantile(
    done.flatMap(({ cpu }) => cpu),
    0.25,
  )
}
