import { performance } from 'node:perf_hooks'
import type { FallbackCache } from '../../src/core/fallback-cache.js'
import type { OpenClient } from './clients.js'

/** Requests to be made to a cache. */
export interface LoadOptions {
  /** Milliseconds. */
  readonly duration: number
  /** Requests per second. @defaultValue 500 */
  readonly rate?: number
  /** How many keys that were set before are asked for (`known:0` …, each with its own name as the value). @defaultValue 20 */
  readonly known?: number
  /** One in so many requests asks for a key that was never set; 0 for none. @defaultValue 5 */
  readonly unknownEvery?: number
  /** One in so many requests sets a known key (to its own name, so that answers stay checkable); 0 for none. @defaultValue 7 */
  readonly setEvery?: number
}

/** What became of them. Times in milliseconds, without those in which the event loop stood still. */
export interface LoadReport {
  readonly requests: number
  /** Answers that were not what the key was set to, and rejections. */
  readonly wrong: readonly string[]
  /** Known keys that were answered with nothing. */
  readonly misses: number
  readonly worst: number
  readonly p50: number
  readonly p99: number
  /** Of the last quarter of the requests only. */
  readonly lateWorst: number
  readonly lateP50: number
  /** The most commands that the client held at one time; `undefined` if that is unknown. */
  readonly mostPending: number | undefined
  /** The longest time that the event loop stood still; already subtracted above. */
  readonly longestStall: number
  /** Resident memory that was gained, MiB. */
  readonly memoryGrowth: number
}

/** The value that every known key carries. */
export function knownValue(key: string): string {
  return `value of ${key}`
}

/** Sends requests at an even rate and judges every answer. */
export async function runLoad(
  cache: FallbackCache,
  client: OpenClient | undefined,
  options: LoadOptions,
): Promise<LoadReport> {
  const { duration, rate = 500, known = 20, unknownEvery = 5, setEvery = 7 } = options
  const stalls = meter()
  const times: number[] = []
  const wrong: string[] = []
  const memoryBefore = process.memoryUsage().rss
  let misses = 0
  let mostPending: number | undefined
  let sent = 0
  const running = new Set<Promise<void>>()

  const request = async (index: number): Promise<void> => {
    const key = unknownEvery > 0 && index % unknownEvery === 0 ? `unknown:${index}` : `known:${index % known}`
    const isSet = setEvery > 0 && index % setEvery === 0 && !key.startsWith('unknown')
    const start = performance.now()
    try {
      if (isSet) await cache.set(key, knownValue(key))
      else {
        const value = await cache.get(key)
        if (value === null) misses += key.startsWith('known') ? 1 : 0
        else if (key.startsWith('unknown') || value !== knownValue(key)) wrong.push(`${key}: ${JSON.stringify(value)}`)
      }
    } catch (error) {
      wrong.push(`${key}: ${String(error)}`)
    }
    const end = performance.now()
    times[index] = Math.max(0, end - start - stalls.during(start, end))
  }

  const started = performance.now()
  await new Promise<void>((resolve) => {
    const tick = setInterval(() => {
      const elapsed = performance.now() - started
      const due = Math.floor((Math.min(elapsed, duration) / 1000) * rate)
      for (; sent < due; sent++) {
        const promise: Promise<void> = request(sent).finally(() => running.delete(promise))
        running.add(promise)
      }
      const pending = client?.pending()
      if (pending !== undefined) mostPending = Math.max(mostPending ?? 0, pending)
      if (elapsed >= duration) {
        clearInterval(tick)
        resolve()
      }
    }, 2)
  })
  const patience = setTimeout(() => {}, 15_000)
  await Promise.race([Promise.all(running), new Promise((resolve) => setTimeout(resolve, 15_000).unref())])
  clearTimeout(patience)
  if (running.size > 0) wrong.push(`${running.size} requests were never answered`)
  const longestStall = stalls.longestSince(started)
  releaseMeter()

  const answered = times.filter((time) => time !== undefined)
  const late = answered.slice(Math.floor(answered.length * 0.75))
  return {
    requests: sent,
    wrong: wrong.slice(0, 20),
    misses,
    worst: quantile(answered, 1),
    p50: quantile(answered, 0.5),
    p99: quantile(answered, 0.99),
    lateWorst: quantile(late, 1),
    lateP50: quantile(late, 0.5),
    mostPending,
    longestStall,
    memoryGrowth: (process.memoryUsage().rss - memoryBefore) / 2 ** 20,
  }
}

function quantile(times: readonly number[], share: number): number {
  const sorted = [...times].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}

/**
 * Notices when the event loop stood still, because of another process on the same core or of long work in this one:
 * a timer of 2 ms that fires later than that by more than 2 ms.
 */
class StallMeter {
  readonly #stalls: { readonly start: number; readonly end: number }[] = []
  readonly #timer: NodeJS.Timeout
  #last = performance.now()

  constructor() {
    this.#timer = setInterval(() => this.#tick(), 2)
  }

  /** How much of the time between two moments was lost. */
  during(start: number, end: number): number {
    this.#tick()
    let lost = 0
    for (let index = this.#stalls.length - 1; index >= 0; index--) {
      const stall = this.#stalls[index]
      if (!stall || stall.end < start) break
      lost += Math.max(0, Math.min(end, stall.end) - Math.max(start, stall.start))
    }
    return lost
  }

  /** The longest stall after a moment. */
  longestSince(start: number): number {
    return Math.max(0, ...this.#stalls.filter((stall) => stall.end > start).map((stall) => stall.end - stall.start))
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #tick(): void {
    const now = performance.now()
    const late = now - this.#last - 2
    if (late > 2) {
      this.#stalls.push({ start: this.#last + 2, end: now })
    }
    this.#last = now
  }
}

/** One for all that measure in this process at the same time. */
let shared: { readonly meter: StallMeter; users: number } | undefined

function meter(): StallMeter {
  shared ??= { meter: new StallMeter(), users: 0 }
  shared.users++
  return shared.meter
}

function releaseMeter(): void {
  if (!shared || --shared.users > 0) return
  shared.meter.stop()
  shared = undefined
}
