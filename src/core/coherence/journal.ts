import type { Clock } from '../clock.js'
import type { Cover } from './cover.js'
import type { JournalFile } from './journal-file.js'
import type { Mirror, Recorded } from './mirror.js'
import type { Nonces } from './nonces.js'

/** An invalidation issued by this process, with the name of its log record. */
export interface Issued {
  readonly nonce: string
  readonly recorded: Recorded
  /** What the log said when it took the invalidation; `undefined` until then. */
  told?: Told | undefined
}

/** An invalidation that the log has taken. */
export interface Told {
  readonly position: number
  /** The first bytes of the previous values of the exact keys in Redis. */
  readonly existed: readonly Buffer[]
}

/** Usage of the journal. */
export interface JournalStats {
  /** Number of invalidations that are not in the log yet. */
  readonly pending: number
  readonly bytes: number
  readonly maxBytes: number
  /** Number of recent invalidations that are in the log, kept in case the log loses them. */
  readonly recent: number
  /** Size of the recent invalidations, at most `maxBytes` as well. */
  readonly recentBytes: number
}

/** Usage of the memory for recent log records of this process and others. */
export interface KnownStats {
  /** Number of records of the last minute, from all processes, kept in case the log loses them. */
  readonly known: number
  /** Size of those records, at most the journal's `maxBytes`. */
  readonly knownBytes: number
}

/** The parts that a {@link Journal} works with. */
export interface JournalParts {
  readonly mirror: Mirror
  readonly nonces: Nonces
  readonly clock: Clock
}

/** How long an acknowledged invalidation is remembered, in ms; a failover loses less. */
const RECENT_FOR = 60_000

/**
 * Keeps the invalidations issued by this process: those that are not in the log yet, and recent ones that the log might
 * lose.
 *
 * Bounded: if the pending ones exceed `maxBytes`, one invalidation of everything replaces them; if the recent ones do,
 * the oldest are dropped.
 */
export class Journal {
  readonly #pending = new Map<string, Issued>()
  readonly #recent = new Map<string, Issued & { readonly until: number; readonly position: number }>()
  readonly #mirror: Mirror
  readonly #nonces: Nonces
  readonly #clock: Clock
  readonly #maxBytes: number
  readonly #file: JournalFile | undefined
  #pendingBytes = 0
  #recentBytes = 0

  /**
   * @param file - keeps pending invalidations if this process ends; those that an earlier process left are issued again
   */
  constructor({ mirror, nonces, clock }: JournalParts, maxBytes: number, file?: JournalFile) {
    this.#mirror = mirror
    this.#nonces = nonces
    this.#clock = clock
    this.#maxBytes = maxBytes
    this.#file = file
    for (const { nonce, covers } of file?.read(maxBytes) ?? []) {
      this.#add({ nonce, recorded: mirror.recordEarlier(covers) })
    }
    if (this.#pendingBytes > maxBytes) this.#fold()
  }

  /**
   * Adds an invalidation that is not in the log yet. Returns the one to append to the log: the same, or one that
   * replaces all pending ones.
   */
  add(recorded: Recorded, nonce = this.#nonces.next()): Issued {
    const issued = this.#add({ nonce, recorded })
    return this.#pendingBytes > this.#maxBytes ? this.#fold() : issued
  }

  /** Writes an invalidation that could not be appended to the log to the file, if there is one. */
  keep({ nonce, recorded }: Issued): void {
    if (this.#pending.has(nonce)) this.#file?.add(nonce, recorded.covers)
  }

  /** Writes all pending invalidations to the file. Returns whether it has them, so that they survive this process. */
  keepAll(): boolean {
    for (const issued of this.#pending.values()) this.keep(issued)
    return this.#file?.isComplete === true
  }

  /** The pending invalidations, oldest first. */
  pending(): Issued[] {
    return [...this.#pending.values()]
  }

  /** Notes that an invalidation is in the log, at this position. Does nothing if it was not pending. */
  acknowledge({ nonce, recorded }: Issued, position: number): void {
    const issued = this.#drop(nonce)
    if (issued !== undefined) {
      this.#recent.set(nonce, { ...issued, position, until: this.#clock.monotonic() + RECENT_FOR })
      this.#recentBytes += bytesOf(issued.recorded.covers)
      this.#forgetOld()
      this.#mirror.settle(recorded, position)
    }
    this.#file?.remove(nonce)
  }

  /**
   * Recent invalidations that the log took after a position, oldest first, to append them again to a log that may have
   * lost them.
   */
  recent(after = 0): readonly Issued[] {
    return [...this.#recent.values()].filter(({ position }) => position > after)
  }

  /** Notes that an invalidation was appended to the log again, at this position. */
  repeated({ nonce }: Issued, position: number): void {
    const recent = this.#recent.get(nonce)
    if (recent !== undefined) this.#recent.set(nonce, { ...recent, position })
  }

  stats(): JournalStats {
    return {
      pending: this.#pending.size,
      bytes: this.#pendingBytes,
      maxBytes: this.#maxBytes,
      recent: this.#recent.size,
      recentBytes: this.#recentBytes,
    }
  }

  #add(issued: Issued): Issued {
    this.#pending.set(issued.nonce, issued)
    this.#pendingBytes += bytesOf(issued.recorded.covers)
    return issued
  }

  #drop(nonce: string): Issued | undefined {
    const issued = this.#pending.get(nonce)
    if (issued === undefined) return undefined
    this.#pending.delete(nonce)
    this.#pendingBytes -= bytesOf(issued.recorded.covers)
    return issued
  }

  /** Replaces all pending invalidations by one of everything, because they exceed the limit. */
  #fold(): Issued {
    this.#pending.clear()
    this.#pendingBytes = 0
    this.#mirror.settleAll()
    const covers: readonly Cover[] = [{ kind: 'all' }]
    const everything = this.#add({ nonce: this.#nonces.next(), recorded: this.#mirror.record(covers, undefined) })
    this.#file?.add(everything.nonce, covers)
    this.#file?.removeOthers(everything.nonce)
    return everything
  }

  #forgetOld(): void {
    const now = this.#clock.monotonic()
    for (const [nonce, issued] of this.#recent) {
      if (issued.until > now && this.#recentBytes <= this.#maxBytes) return
      this.#recent.delete(nonce)
      this.#recentBytes -= bytesOf(issued.recorded.covers)
    }
  }
}

function bytesOf(covers: readonly Cover[]): number {
  let bytes = 120
  for (const cover of covers) {
    bytes += 60
    if (cover.kind === 'key') bytes += 2 * cover.key.length
    else if (cover.kind === 'prefix') bytes += 2 * cover.prefix.length
    else if (cover.kind === 'tag') bytes += 2 * cover.tag.length
  }
  return bytes
}
