import type { Clock } from '../clock.js'
import type { Cover } from './cover.js'
import type { Recorded } from './mirror.js'

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
  readonly #clock: Clock
  readonly #maxBytes: number
  #pendingBytes = 0
  #recentBytes = 0
  #forgottenUpTo = 0

  constructor(clock: Clock, maxBytes: number) {
    this.#clock = clock
    this.#maxBytes = maxBytes
  }

  /** Takes note of an invalidation that the log does not have yet. True when what waits is more than may be kept. */
  add(issued: Issued): boolean {
    this.#pending.set(issued.nonce, issued)
    this.#pendingBytes += bytesOf(issued.recorded.covers)
    return this.#pendingBytes > this.#maxBytes
  }

  /** What waits, oldest first. */
  pending(): Issued[] {
    return [...this.#pending.values()]
  }

  /** Whether the log has yet to take it. */
  isWaiting(nonce: string): boolean {
    return this.#pending.has(nonce)
  }

  /** The log has it, at this position: it waits no longer. Undefined when it did not. */
  acknowledge(nonce: string, position: number): Issued | undefined {
    const issued = this.drop(nonce)
    if (issued === undefined) return undefined
    this.#recent.set(nonce, { ...issued, position, until: this.#clock.monotonic() + recentFor })
    this.#recentBytes += bytesOf(issued.recorded.covers)
    this.#forgetOld()
    return issued
  }

  /** Takes out one that something wider replaces. */
  drop(nonce: string): Issued | undefined {
    const issued = this.#pending.get(nonce)
    if (issued === undefined) return undefined
    this.#pending.delete(nonce)
    this.#pendingBytes -= bytesOf(issued.recorded.covers)
    return issued
  }

  /** What the log took recently, oldest first: to be appended again to a log that may have lost it. */
  recent(): readonly Issued[] {
    return [...this.#recent.values()]
  }

  /** The newest position of what was let go: a log that lost that cannot be told again. 0: nothing was. */
  get forgottenUpTo(): number {
    return this.#forgottenUpTo
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

  #forgetOld(): void {
    const now = this.#clock.monotonic()
    for (const [nonce, issued] of this.#recent) {
      if (issued.until > now && this.#recentBytes <= this.#maxBytes) return
      this.#recent.delete(nonce)
      if (issued.position > this.#forgottenUpTo) this.#forgottenUpTo = issued.position
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
