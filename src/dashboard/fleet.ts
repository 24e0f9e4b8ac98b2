import type { Sample } from './history.js'
import { type ProcessReport, readReport, reportText } from './process-report.js'

/** A place that all processes of a cache reach, on which each writes a text about itself. */
export interface Board {
  /** The name of this process, as in the receipts of invalidations. */
  readonly self: string
  /** The length of a text in bytes, and the number of processes, that it takes. */
  readonly longestText: number
  readonly mostProcesses: number
  /** Whether a process has read it lately. */
  isWanted(): Promise<boolean>
  write(text: string): Promise<boolean>
  /** `undefined` if it cannot be reached. `at` and `now` are epoch ms of the same clock. */
  read(): Promise<
    | {
        readonly now: number
        readonly processes: readonly { readonly id: string; readonly at: number; readonly text: string | undefined }[]
      }
    | undefined
  >
}

/** Another process, as far as it has told of itself. */
export interface OtherProcess extends ProcessReport {
  /** Seconds since it has last told of itself. */
  readonly age: number
}

/** The other processes of a cache. */
export interface Others {
  readonly processes: readonly OtherProcess[]
  /** Processes that have written a text of another form, such as another version of the package. */
  readonly unreadable: number
  /** Whether there may be more processes than a board takes. */
  readonly isFull: boolean
}

/** How long a reading serves several pages, in ms. */
const READ_EVERY = 1500

/** How long reports are kept after the last page, in ms. */
const KEPT_FOR = 30_000

/** Wall clocks that differ by less than this, in ms, are left as they are. */
const SAME_CLOCK = 1000

/** What the processes of a cache know of one another: each writes its report for the others while one of them shows it. */
export class Fleet {
  readonly #board: Board
  readonly #report: () => ProcessReport
  #reading: Promise<Others | undefined> | undefined
  #readAt = Number.NEGATIVE_INFINITY
  /** The reports of the last reading. */
  #known: ReadonlyMap<string, Known> = new Map()

  constructor(board: Board, report: () => ProcessReport) {
    this.#board = board
    this.#report = report
  }

  /** Writes the report of this process, if one of them reads it. Never rejects. */
  async tell(): Promise<void> {
    this.#forget()
    try {
      if (!(await this.#board.isWanted())) return
      const text = reportText(this.#report(), this.#board.longestText)
      if (text !== undefined) await this.#board.write(text)
    } catch (error) {
      process.emitWarning(`the dashboard wrote no report: ${error}`, 'FallbackCacheWarning')
    }
  }

  /** The other processes; `undefined` if they cannot be read. Never rejects. */
  others(): Promise<Others | undefined> {
    const now = performance.now()
    if (this.#reading === undefined || now - this.#readAt > READ_EVERY) {
      this.#readAt = now
      this.#reading = this.#read()
    }
    return this.#reading
  }

  /** Lets the reports go, half a minute after the last page. */
  #forget(): void {
    if (performance.now() - this.#readAt < KEPT_FOR) return
    this.#reading = undefined
    this.#known = new Map()
  }

  /** Reads a report, unless it is the one of the last time. Lets other work through: many reports take a while. */
  async #reportOf(id: string, at: number, text: string | undefined): Promise<ProcessReport | undefined> {
    const before = this.#known.get(id)
    if (before?.at === at) return before.report
    await new Promise((resolve) => setImmediate(resolve))
    return text === undefined ? undefined : readReport(id, text)
  }

  async #read(): Promise<Others | undefined> {
    const reading = await this.#board.read()
    if (reading === undefined) return undefined
    const ownOffset = reading.now - Date.now()
    const others = reading.processes.filter(({ id }) => id !== this.#board.self)
    const processes: OtherProcess[] = []
    const known = new Map<string, Known>()
    for (const { id, at, text } of others) {
      const report = await this.#reportOf(id, at, text)
      known.set(id, { at, report })
      if (report === undefined) continue
      const age = Math.max(0, (reading.now - at) / 1000)
      processes.push({ ...recentOf(onClock(report, at - report.at - ownOffset)), age })
    }
    this.#known = known
    const isFull = reading.processes.length >= this.#board.mostProcesses
    return { processes, unreadable: others.length - processes.length, isFull }
  }
}

/** A report that was read before, by the moment when it was written. */
interface Known {
  readonly at: number
  readonly report: ProcessReport | undefined
}

/** A report with its moments on the clock of this process. */
function onClock(report: ProcessReport, shift: number): ProcessReport {
  if (Math.abs(shift) < SAME_CLOCK) return report
  const moved = <Moved extends { readonly at: number }>(one: Moved): Moved => ({ ...one, at: one.at + shift })
  return {
    ...moved(report),
    startedAt: report.startedAt + shift,
    samples: report.samples.map(moved<Sample>),
    moments: report.moments.map(moved),
  }
}

/** How long before now a sample may be, and how long after it by a clock that differs little, in ms. */
const OLDEST = 1_000_000
const NEWEST = 10_000

/** A report without samples of other times, which would stretch the charts of all. */
function recentOf(report: ProcessReport): ProcessReport {
  const now = Date.now()
  const isRecent = ({ at }: Sample): boolean => at > now - OLDEST && at < now + NEWEST
  return report.samples.every(isRecent) ? report : { ...report, samples: report.samples.filter(isRecent) }
}
