/** How long something took, as counts in fixed buckets, so that those of several processes can be added. */
export interface DurationStats {
  /** Number of recorded durations. */
  readonly count: number
  /** Their sum, in seconds. */
  readonly seconds: number
  /**
   * Number of durations by the upper bound of their bucket in seconds; empty buckets are left out. A bucket begins
   * where the one before it ends. The bounds are the same in every process: 0.0001, then each half step of a digit (0.00015, 0.0002, …
   * 0.001, 0.0015, …) up to 100, then `Infinity`.
   */
  readonly buckets: Readonly<Record<string, number>>
}

/** The upper bound of the first bucket, in ms. */
const FIRST = 0.1

/** From each bound to the next power of ten, in half steps of a digit. */
const STEPS = 18

const DECADES = 6

/** The upper bounds in seconds, as text. */
const BOUNDS: readonly string[] = [
  '0.0001',
  ...Array.from({ length: STEPS * DECADES }, (_, at) => {
    const tenths = (at % STEPS) + 3
    return String(Number(((tenths / 2) * 10 ** (Math.floor(at / STEPS) - 4)).toPrecision(2)))
  }),
  'Infinity',
]

/** Counts durations in log-linear buckets: each is at most half as wide again as it is high. */
export class Histogram {
  // 64-bit, because a 32-bit count would wrap within weeks.
  readonly #counts = new Float64Array(BOUNDS.length)
  #count = 0
  #milliseconds = 0

  /** Adds a duration in ms. */
  record(milliseconds: number): void {
    this.#count += 1
    this.#milliseconds += milliseconds
    const at = bucketOf(milliseconds)
    this.#counts[at] = (this.#counts[at] ?? 0) + 1
  }

  stats(): DurationStats {
    const buckets: Record<string, number> = {}
    this.#counts.forEach((count, at) => {
      if (count > 0) buckets[BOUNDS[at] ?? 'Infinity'] = count
    })
    return { count: this.#count, seconds: this.#milliseconds / 1000, buckets }
  }
}

function bucketOf(milliseconds: number): number {
  if (!(milliseconds > FIRST)) return 0
  let base = FIRST
  let before = 0
  while (milliseconds > base * 10) {
    base *= 10
    before += STEPS
    if (before === STEPS * DECADES) return before + 1
  }
  return before + Math.ceil((milliseconds / base - 1) * 2)
}

/** The durations of several histograms, as one. */
export function addedDurations(all: readonly DurationStats[]): DurationStats {
  const buckets: Record<string, number> = {}
  let [count, seconds] = [0, 0]
  for (const one of all) {
    count += one.count
    seconds += one.seconds
    for (const [bound, more] of Object.entries(one.buckets)) buckets[bound] = (buckets[bound] ?? 0) + more
  }
  return { count, seconds, buckets }
}
