/** What of a V8 profile is looked at (`--cpu-prof`). */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
  }[]
  readonly samples: readonly number[]
  /** Microseconds from each sample to the next. */
  readonly timeDeltas: readonly number[]
}

/** A share of the time in which the thread was not idle. */
export interface Share {
  readonly name: string
  /** 0 to 1. */
  readonly part: number
}

/** The shares of a profile's last seconds: whose code ran, and which functions of this library. */
export function sharesOf(profile: CpuProfile, seconds: number): { groups: readonly Share[]; own: readonly Share[] } {
  const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]))
  const groups = new Map<string, number>()
  const own = new Map<string, number>()
  let busy = 0
  let left = seconds * 1e6
  for (let at = profile.samples.length - 1; at >= 0 && left > 0; at--) {
    const time = profile.timeDeltas[at] ?? 0
    left -= time
    const frame = frames.get(profile.samples[at] ?? 0)
    if (frame === undefined || frame.functionName === '(idle)') continue
    busy += time
    const group = groupOf(frame)
    groups.set(group, (groups.get(group) ?? 0) + time)
    if (group === LIBRARY) own.set(frame.functionName, (own.get(frame.functionName) ?? 0) + time)
  }
  return { groups: sorted(groups, busy), own: sorted(own, busy) }
}

const LIBRARY = 'this library'

function groupOf({ functionName, url }: CpuProfile['nodes'][number]['callFrame']): string {
  if (functionName === '(garbage collector)') return 'garbage collector'
  if (url === '') return WRITES.test(functionName) ? 'writing to sockets' : 'outside of JavaScript'
  if (url.startsWith('node:')) return 'node'
  const [, name] = /node_modules\/((?:@[^/]+\/)?[^/]+)(?!.*node_modules)/.exec(url) ?? []
  if (name !== undefined) return name
  return /\/library-[^/]*$/.test(url) ? LIBRARY : 'the application'
}

/** Functions of node's sockets that end in a system call. */
const WRITES = /^(?:writev|write(?:Buffer|Latin1String|Utf8String|AsciiString)|shutdown)$/

function sorted(times: ReadonlyMap<string, number>, of: number): readonly Share[] {
  return Array.from(times, ([name, time]) => ({ name, part: time / of })).sort((one, other) => other.part - one.part)
}
