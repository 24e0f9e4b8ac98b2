import type { AnswerSource } from '../answer-source.js'

/** What users met in one phase of the outage. */
export class Phase {
  readonly name: string
  /** Whether its p99 is held to the limit. */
  readonly timed: boolean
  requests = 0
  writes = 0
  failed = 0
  outdated = 0
  handlerRuns = 0
  readonly sources: Record<AnswerSource, number> = { redis: 0, memory: 0, handler: 0, collapsed: 0, none: 0 }
  readonly #times: number[] = []

  constructor(name: string, timed: boolean) {
    this.name = name
    this.timed = timed
  }

  /** Adds an answer to a read. */
  read(ms: number, status: number, source: AnswerSource, outdated: boolean): void {
    this.requests++
    this.#times.push(ms)
    this.sources[source]++
    if (status !== 200) this.failed++
    if (outdated) this.outdated++
  }

  /** Adds an answer to a write. */
  write(status: number): void {
    this.requests++
    this.writes++
    if (status !== 200) this.failed++
  }

  /** The time that a share of the reads stayed below, in milliseconds; 0 without any. */
  quantile(share: number): number {
    const sorted = this.#times.toSorted((a, b) => a - b)
    return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0
  }
}

const COLUMNS = ['requests', 'writes', 'non-200', 'stale', 'handler runs', 'Redis', 'memory', 'p50', 'p99'] as const
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
    'non-200': String(phase.failed),
    stale: String(phase.outdated),
    'handler runs': String(phase.handlerRuns),
    Redis: share(phase.sources.redis),
    memory: share(phase.sources.memory),
    p50: `${phase.quantile(0.5).toFixed(1)} ms`,
    p99: `${phase.quantile(0.99).toFixed(0)} ms`,
  }
  return `${phase.name.padEnd(NAME_WIDTH)}${COLUMNS.map((column) => cells[column].padStart(widthOf(column))).join('')}`
}

function widthOf(column: string): number {
  return Math.max(column.length, 6) + 3
}
