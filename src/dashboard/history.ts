import type { CacheStats } from '../index.js'

/** How often the process is sampled, in ms. */
export const SAMPLE_EVERY = 2000

/** Samples that are kept, and for how long, in ms: 15 minutes, also if a busy or suspended process takes fewer of them. */
const MOST_SAMPLES = 450
const KEPT_FOR = MOST_SAMPLES * SAMPLE_EVERY

/** Moments that are kept: outages, changes of the circuit breaker, faults. */
const MOST_MOMENTS = 200

/** Samples of an outline at which the state of Redis changes. */
const MOST_CHANGES = 20

/** What the charts need of one moment. All counts are totals since the start of the process. */
export interface Sample {
  /** Epoch ms. */
  readonly at: number
  readonly memory: number
  readonly redis: number
  readonly stale: number
  readonly collapsed: number
  readonly revalidated: number
  readonly miss: number
  readonly bypass: number
  readonly savedSeconds: number
  readonly servedBytes: number
  readonly handlerCount: number
  readonly handlerSeconds: number
  /** Runs of the handler by the upper bound of their duration, in seconds. */
  readonly handlerBuckets: Readonly<Record<string, number>>
  /** Reads of Redis in the same form. */
  readonly redisBuckets: Readonly<Record<string, number>>
  readonly memoryBytes: number
  readonly connected: boolean
  readonly circuit: 'closed' | 'open' | 'half_open'
}

/** Something that happened rarely, and is marked in the charts. */
export interface Moment {
  readonly at: number
  readonly kind: 'outage' | 'recovery' | 'circuit' | 'fault'
  readonly text: string
}

/** The last minutes of one process. */
export class History {
  #samples: Sample[] = []
  readonly #moments: Moment[] = []

  add(stats: CacheStats, at: number): void {
    const samples = this.#samples
    // After the clock was set back, a page would take no sample until it is as late again.
    if ((samples.at(-1)?.at ?? 0) > at) this.#samples = []
    else while (samples.length >= MOST_SAMPLES || (samples[0]?.at ?? at) <= at - KEPT_FOR) samples.shift()
    this.#samples.push(sampleOf(stats, at))
  }

  note(kind: Moment['kind'], text: string, at: number): void {
    this.#moments.push({ at, kind, text: text.slice(0, 300) })
    if (this.#moments.length > MOST_MOMENTS) this.#moments.shift()
  }

  /** The samples after a moment, in epoch ms. */
  samplesAfter(at: number): readonly Sample[] {
    return this.#samples.filter((sample) => sample.at > at)
  }

  /** The samples of all minutes, two for each, the last ones, and those at which Redis was lost or came back. */
  get outline(): readonly Sample[] {
    const samples = this.#samples
    const half = ({ at }: Sample): number => Math.floor(at / 30_000)
    const isRegular = (sample: Sample, index: number): boolean => {
      const before = samples[index - 1]
      return index >= samples.length - 5 || before === undefined || half(before) !== half(sample)
    }
    const changes = samples.flatMap((sample, index) => (isChange(samples[index - 1], sample) ? [index - 1, index] : []))
    const changed = new Set(changes.slice(-MOST_CHANGES))
    return samples.filter((sample, index) => changed.has(index) || isRegular(sample, index))
  }

  get moments(): readonly Moment[] {
    return this.#moments
  }
}

function isChange(before: Sample | undefined, { connected, circuit }: Sample): boolean {
  return before !== undefined && (before.connected !== connected || before.circuit !== circuit)
}

/** Reduces statistics to what the charts show. */
function sampleOf(stats: CacheStats, at: number): Sample {
  const { requests, handler, savedSeconds, servedBytes } = stats.traffic
  return {
    at,
    memory: requests.hit.memory,
    redis: requests.hit.redis,
    stale: requests.stale.memory + requests.stale.redis + requests.stale.origin,
    collapsed: requests.collapsed.memory,
    revalidated: requests.revalidated.origin,
    miss: requests.miss.origin,
    bypass: requests.bypass.origin,
    savedSeconds,
    servedBytes,
    handlerCount: handler.count,
    handlerSeconds: handler.seconds,
    handlerBuckets: handler.buckets,
    redisBuckets: stats.redisReads?.buckets ?? {},
    memoryBytes: stats.memoryBytes,
    connected: stats.connected,
    circuit: stats.circuitBreakerState,
  }
}
