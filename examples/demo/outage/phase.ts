import type { AnswerSource } from '../answer-source.js'

/** An answer to a user, or what came in its place. */
export interface Met {
  /** What was asked, for a reader: `GET /countries/FR`. */
  readonly asked: string
  readonly ms: number
  /** 0 without an answer. */
  readonly status: number
  /** What came in place of an answer. */
  readonly error?: string | undefined
  readonly source: AnswerSource
}

/** What users met in one phase of the outage. */
export class Phase {
  readonly name: string
  /** The same phase beside the Redis that is left alone, to which its times are compared; undefined where they are not. */
  readonly calm: Phase | undefined
  requests = 0
  writes = 0
  handlerRuns = 0
  /** The requests that got no 200, and what they got. */
  readonly failures: string[] = []
  /** The reads that got what was older than an acknowledged write. */
  readonly outdated: string[] = []
  readonly sources: Record<AnswerSource, number> = { redis: 0, memory: 0, handler: 0, collapsed: 0, none: 0 }
  readonly #reads: Met[] = []

  constructor(name: string, calm?: Phase) {
    this.name = name
    this.calm = calm
  }

  /** Adds an answer to a read. */
  read(met: Met, outdated: boolean): void {
    this.requests++
    this.#reads.push(met)
    this.sources[met.source]++
    this.#note(met)
    if (outdated) this.outdated.push(text(met))
  }

  /** Adds an answer to a write. */
  write(met: Met): void {
    this.requests++
    this.writes++
    this.#note(met)
  }

  /** The slowest reads, as text. */
  slowest(count: number): string[] {
    return this.#reads
      .toSorted((a, b) => b.ms - a.ms)
      .slice(0, count)
      .map(text)
  }

  /** The time that a share of the reads stayed below, in milliseconds; 0 without any. */
  quantile(share: number): number {
    const sorted = this.#reads.map(({ ms }) => ms).sort((a, b) => a - b)
    return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0
  }

  #note(met: Met): void {
    if (met.status !== 200) this.failures.push(text(met))
  }
}

function text({ asked, ms, status, error, source }: Met): string {
  return `${asked}: ${error ?? `${status} from ${source}`}, after ${ms.toFixed(0)} ms`
}

const COLUMNS = [
  'requests',
  'writes',
  'non-200',
  'stale',
  'handler runs',
  'Redis',
  'memory',
  'p50',
  'p99',
  'calm p99',
] as const
const NAME_WIDTH = 34

/** The head of the table. */
export function tableHead(): string {
  return `${'phase'.padEnd(NAME_WIDTH)}${COLUMNS.map((column) => column.padStart(widthOf(column))).join('')}`
}

/** A phase as a line of the table. */
export function tableRow(phase: Phase): string {
  const reads = phase.requests - phase.writes
  const share = (count: number) => (reads === 0 ? '–' : `${Math.round((100 * count) / reads)} %`)
  const cells: Record<(typeof COLUMNS)[number], string> = {
    requests: String(phase.requests),
    writes: String(phase.writes),
    'non-200': String(phase.failures.length),
    stale: String(phase.outdated.length),
    'handler runs': String(phase.handlerRuns),
    Redis: share(phase.sources.redis),
    memory: share(phase.sources.memory),
    p50: `${phase.quantile(0.5).toFixed(1)} ms`,
    p99: `${phase.quantile(0.99).toFixed(0)} ms`,
    'calm p99': phase.calm === undefined ? '–' : `${phase.calm.quantile(0.99).toFixed(0)} ms`,
  }
  return `${phase.name.padEnd(NAME_WIDTH)}${COLUMNS.map((column) => cells[column].padStart(widthOf(column))).join('')}`
}

function widthOf(column: string): number {
  return Math.max(column.length, 6) + 3
}
