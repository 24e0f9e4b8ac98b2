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

/** Where the time of a profile went. */
export interface Shares {
  /** Whose code ran. */
  readonly groups: readonly Share[]
  /** Which functions of this library. */
  readonly own: readonly Share[]
  /** What was called outside of JavaScript, by whomever. */
  readonly outside: readonly Share[]
}

/** The shares of a profile's last seconds. */
export function sharesOf(profile: CpuProfile, seconds: number): Shares {
  const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]))
  const groups = new Map<string, number>()
  const own = new Map<string, number>()
  const outside = new Map<string, number>()
  let busy = 0
  let left = seconds * 1e6
  for (let at = profile.samples.length - 1; at >= 0 && left > 0; at--) {
    const time = profile.timeDeltas[at] ?? 0
    left -= time
    const frame = frames.get(profile.samples[at] ?? 0)
    if (frame === undefined || frame.functionName === '(idle)') continue
    busy += time
    const group = groupOf(frame)
    add(groups, group, time)
    if (group === LIBRARY) add(own, frame.functionName, time)
    else if (group === OUTSIDE) add(outside, frame.functionName, time)
  }
  return { groups: sorted(groups, busy), own: sorted(own, busy), outside: sorted(outside, busy) }
}

const LIBRARY = 'this library'
const OUTSIDE = 'outside of JavaScript'

function add(times: Map<string, number>, name: string, time: number): void {
  times.set(name, (times.get(name) ?? 0) + time)
}

function groupOf({ functionName, url }: CpuProfile['nodes'][number]['callFrame']): string {
  if (functionName === '(garbage collector)') return 'garbage collector'
  if (url === '') return WRITES.test(functionName) ? 'writing to sockets' : OUTSIDE
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
