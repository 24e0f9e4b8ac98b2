import type { Clock } from '../clock.js'
import type { Cover } from './cover.js'
import type { JournalFile } from './journal-file.js'
import type { Mirror, Recorded } from './mirror.js'
import type { Nonces } from './nonces.js'

/** An invalidation issued here, under a name that the log repeats. */
export interface Issued {
  readonly nonce: string
  readonly recorded: Recorded
}

/** How full the journal is. */
export interface JournalStats {
  /** Invalidations that the log does not have yet. */
  readonly pending: number
  readonly bytes: number
  readonly maxBytes: number
  /** Invalidations of the last while that the log has, kept in case it loses them. */
  readonly recent: number
  /** What those take; no more than `maxBytes` either. */
  readonly recentBytes: number
}

/** How full the memory of what this process and others issued lately is. */
export interface KnownStats {
  /** Records of the last minute of the log, whoever issued them, kept in case the log loses them. */
  readonly known: number
  /** What those take; no more than `maxBytes` of the journal. */
  readonly knownBytes: number
}

/** How long an acknowledged invalidation is remembered; a failover loses less. ms. */
const recentFor = 60_000

/**
 * The invalidations issued here: those the log has yet to take, and those it took recently and might lose.
 *
 * Bounded: past `maxBytes` what waits becomes one invalidation of everything, and the oldest recent ones are let go.
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

  /** @param file - where what has to wait outlives this process; what an earlier one left there is issued again */
  constructor(mirror: Mirror, nonces: Nonces, clock: Clock, maxBytes: number, file?: JournalFile) {
    this.#mirror = mirror
    this.#nonces = nonces
    this.#clock = clock
    this.#maxBytes = maxBytes
    this.#file = file
    for (const { nonce, covers } of file?.read() ?? []) this.#add({ nonce, recorded: mirror.record(covers, undefined) })
  }

  /** Takes note of an invalidation that the log does not have yet. Gives what the log is to be told: it, or one in its place. */
  add(recorded: Recorded): Issued {
    const issued = this.#add({ nonce: this.#nonces.next(), recorded })
    return this.#pendingBytes > this.#maxBytes ? this.#fold() : issued
  }

  /** The log could not be told now: the invalidation is written down, if there is a file. */
  keep({ nonce, recorded }: Issued): void {
    if (this.#pending.has(nonce)) this.#file?.add(nonce, recorded.covers)
  }

  /** What waits, oldest first. */
  pending(): Issued[] {
    return [...this.#pending.values()]
  }

  /** The log has it, at this position: it waits no longer. Nothing happens when it did not. */
  acknowledge({ nonce, recorded }: Issued, position: number): void {
    const issued = this.#drop(nonce)
    if (issued !== undefined) {
      this.#recent.set(nonce, { ...issued, position, until: this.#clock.monotonic() + recentFor })
      this.#recentBytes += bytesOf(issued.recorded.covers)
      this.#forgetOld()
      this.#mirror.settle(recorded, position)
    }
    this.#file?.remove(nonce)
  }

  /** What the log took recently after a position, oldest first: to be appended again to a log that may have lost it. */
  recent(after = 0): readonly Issued[] {
    return [...this.#recent.values()].filter(({ position }) => position > after)
  }

  /** The log has taken it once more, at this position. */
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

  /** More waits than may be kept: one invalidation of everything takes its place. */
  #fold(): Issued {
    const waiting = [...this.#pending.values()]
    for (const { nonce, recorded } of waiting) {
      this.#drop(nonce)
      this.#mirror.settle(recorded, 0)
    }
    const covers: readonly Cover[] = [{ kind: 'all' }]
    const everything = this.#add({ nonce: this.#nonces.next(), recorded: this.#mirror.record(covers, undefined) })
    this.#file?.add(everything.nonce, covers)
    this.#file?.removeAll(waiting.map(({ nonce }) => nonce))
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
