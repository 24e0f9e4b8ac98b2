import { type Answer, ask } from '../ask.js'
import type { Setup } from '../candidates/setup.js'
import { drive, type Load } from '../load/load.js'
import type { Measured, Surroundings } from '../scenario.js'
import type { Server } from '../server.js'
import { isKnown, leaveOut, startRight } from '../start.js'
import { lowCpu, nameBefore, printChanges, printComparison, type Round } from './comparison-table.js'

/** One line of the table: a candidate under a load. */
export interface Line {
  /** @defaultValue the name of the candidate */
  readonly name?: string
  readonly candidate: string
  /** What differs from that of the others. */
  readonly setup?: Partial<Setup>
  readonly load?: Partial<Load>
  /** Requests before anything is measured. @defaultValue that of the comparison */
  readonly warmUp?: number
  /** Whether the client has the page, and says so by its ETag. */
  readonly revalidates?: boolean
  /** What is wrong with an answer to what is asked under this load; `undefined`: nothing. It is asked again for a while. */
  fault?(answer: Answer): string | undefined
}

/** Candidates side by side, under one load unless their lines say otherwise. */
export interface Comparison {
  readonly name: string
  readonly lines: readonly (string | Line)[]
  /** The line that ratios are made to, beside `raw`. */
  readonly ours: string
  readonly setup?: Partial<Setup>
  readonly load: Omit<Load, 'connections' | 'seconds'>
  /** Seconds a candidate is driven at a time. @defaultValue 0.4 */
  readonly seconds?: number
  /** Requests before anything is measured. @defaultValue 10,000 */
  readonly warmUp?: number
  /** The candidates of a short run. @defaultValue those of this library */
  readonly short?: readonly string[]
}

interface Runner {
  readonly name: string
  readonly server: Server
  readonly load: Load
  readonly warmUp: number
}

/** Starts candidates, checks their answers, drives them in turn (A B C, A B C, …), prints a table, and says what it holds. */
export async function compare(comparison: Comparison, around: Surroundings): Promise<Measured> {
  const rounds = await measure(comparison, around)
  const measured = printComparison(comparison, rounds)
  if (around.hasBefore) printChanges(rounds)
  return measured
}

/** The same without a table: the CPU time of each line, by its name. */
export async function cpuOfLines(comparison: Comparison, around: Surroundings): Promise<ReadonlyMap<string, number>> {
  const rounds = await measure(comparison, around)
  return new Map([...rounds].map(([name, done]) => [name, lowCpu(done)]))
}

async function measure(comparison: Comparison, around: Surroundings): Promise<ReadonlyMap<string, readonly Round[]>> {
  const rounds = new Map<string, Round[]>()
  for (let fresh = 0; fresh < around.processes; fresh++) {
    const servers: Server[] = []
    try {
      const runners = await startLines(comparison, around, servers)
      for (const { server, load, warmUp } of runners) await warm(server, load, warmUp, around)
      for (let round = 0; round < around.rounds; round++) {
        for (const { name, server, load } of runners) {
          const done = rounds.get(name) ?? []
          rounds.set(name, done)
          done.push(await driveOnce(server, load))
        }
      }
    } finally {
      await Promise.all(servers.map((server) => server.stop()))
    }
  }
  return rounds
}

async function startLines(comparison: Comparison, around: Surroundings, servers: Server[]): Promise<readonly Runner[]> {
  await around.redis?.client.flushall()
  const lines = comparison.lines
    .map((line) => (typeof line === 'string' ? { candidate: line } : line))
    .filter(({ candidate }) => isKnown(candidate) && (!around.isShort || isInShort(candidate, comparison)))
    .flatMap((line) => (around.hasBefore && /\bours\b/.test(line.candidate) ? [line, beforeOf(line)] : [line]))
  const bySetup = new Map<string, Promise<void>>()
  const started = new Map<string, Server>()
  const keyOf = (line: Line): string => JSON.stringify([line.candidate, line.setup])
  for (const line of lines) {
    const key = keyOf(line)
    if (bySetup.has(key)) continue
    const setup = { ...comparison.setup, ...line.setup, candidate: line.candidate }
    bySetup.set(
      key,
      startRight(setup, around).then((server) => {
        if (server === undefined) return
        servers.push(server)
        started.set(key, server)
      }),
    )
  }
  await Promise.all(bySetup.values())
  const runners: Runner[] = []
  for (const line of lines) {
    const server = started.get(keyOf(line))
    if (server === undefined) continue
    const load = await loadOf(line, server, comparison, around)
    const warmUp = line.warmUp ?? comparison.warmUp ?? 10_000
    if (load !== undefined) runners.push({ name: line.name ?? line.candidate, server, load, warmUp })
  }
  return runners
}

/** The same line with the library of the other checkout. */
function beforeOf(line: Line): Line {
  return { ...line, name: nameBefore(line.name ?? line.candidate), setup: { ...line.setup, isBefore: true } }
}

function isInShort(candidate: string, { short }: Comparison): boolean {
  return short === undefined ? /\bours\b/.test(candidate) : short.includes(candidate)
}

/** What a line is driven with, once its answers are found right. */
async function loadOf(
  line: Line,
  server: Server,
  comparison: Comparison,
  { isShort }: Surroundings,
): Promise<Load | undefined> {
  const common = { connections: isShort ? 4 : 50, seconds: isShort ? 0.15 : (comparison.seconds ?? 0.4) }
  const load = { ...common, ...comparison.load, ...line.load }
  const path = load.paths[0] ?? '/'
  const method = load.method ?? 'GET'
  let headers = load.headers ?? {}
  const first = await ask(server.port, path, { method, headers })
  const { etag } = line.revalidates === true ? (await ask(server.port, path)).headers : first.headers
  if (line.revalidates === true) headers = { ...headers, 'If-None-Match': etag ?? '"none"' }
  // What is made off the request's path is there by then.
  const deadline = Date.now() + (isShort ? 300 : 1000)
  for (;;) {
    const fault = line.fault?.(await ask(server.port, path, { method, headers }))
    if (fault === undefined) return { ...load, headers }
    if (Date.now() < deadline) continue
    leaveOut(line.name ?? line.candidate, fault)
    return undefined
  }
}

/** Until node has compiled what is hot, however little of the machine is free. */
async function warm(server: Server, load: Load, enough: number, { isShort }: Surroundings): Promise<void> {
  if (isShort) return
  let requests = 0
  for (let round = 0; round < 8 && requests < enough; round++) {
    // As fast as it can: a rate would only make it last longer.
    requests += (await drive(server.port, { ...load, rate: undefined, seconds: Math.max(0.3, load.seconds) })).requests
  }
}

async function driveOnce(server: Server, load: Load): Promise<Round> {
  const before = await server.usage()
  const driven = await drive(server.port, load)
  const after = await server.usage()
  // Short of windows: what counts no requests, and what had hardly any.
  const cpu = after.cpu.length > 0 ? after.cpu : [(after.totalCpu - before.totalCpu) / driven.requests]
  const gc = (after.gcTime ?? Number.NaN) - (before.gcTime ?? Number.NaN)
  const pageFaults = (after.pageFaults ?? Number.NaN) - (before.pageFaults ?? Number.NaN)
  return { cpu, gc, pageFaults, driven }
}
