import { readdirSync, readFileSync } from 'node:fs'

/** A process and all its descendants, as they are now; Linux only, elsewhere just the process. */
export function processesOf(pid: number): readonly number[] {
  const children = new Map<number, number[]>()
  for (const name of listed('/proc')) {
    const stat = /^\d+$/.test(name) ? statOf(Number(name)) : undefined
    if (stat !== undefined) children.set(stat.parent, [...(children.get(stat.parent) ?? []), Number(name)])
  }
  const all = [pid]
  for (const parent of all) all.push(...(children.get(parent) ?? []))
  return all
}

/** Processor time of processes, user and system, in microseconds, and their resident bytes. */
export function cpuOf(pids: readonly number[]): { readonly cpu: number; readonly rss: number } {
  const stats = pids.flatMap((pid) => statOf(pid) ?? [])
  return {
    cpu: pids.reduce((sum, pid) => sum + (exactCpuOf(pid) ?? (statOf(pid)?.ticks ?? 0) * 10_000), 0),
    rss: stats.reduce((sum, { pages }) => sum + pages * 4096, 0),
  }
}

/** The kernel counts the threads of a process in nanoseconds too, and in ticks of a hundredth of a second. */
function exactCpuOf(pid: number): number | undefined {
  const tasks = listed(`/proc/${pid}/task`)
  const times = tasks.map((task) => Number(read(`/proc/${pid}/task/${task}/schedstat`)?.split(' ')[0]))
  return times.length === 0 || times.some(Number.isNaN) ? undefined : times.reduce((sum, time) => sum + time, 0) / 1000
}

interface Stat {
  readonly parent: number
  readonly ticks: number
  readonly pages: number
}

function statOf(pid: number): Stat | undefined {
  // The name, in parentheses, may hold anything. What follows starts with the third field, the state.
  const fields = read(`/proc/${pid}/stat`)?.split(') ').at(-1)?.split(' ')
  if (fields === undefined) return undefined
  return { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]), pages: Number(fields[21]) }
}

function listed(directory: string): readonly string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
