import type { Clock, Timer } from './clock.js'

/** A response body that is being recorded, as {@link Recordings} sees it. */
export interface OpenRecording {
  /** Monotonic time in ms after which the result cannot be stored. */
  readonly endsAt: number
  /**
   * Called once when the recording must release its bytes. It must not call methods of {@link Recordings} other than
   * `end`.
   */
  drop(reason: 'too-slow' | 'recordings-full'): void
}

/** Usage of the response bodies that are being recorded. */
export interface RecordingStats {
  /** Number of responses that are being recorded. */
  readonly open: number
  /** Their size in bytes. */
  readonly bytes: number
  /** The maximum size in bytes. */
  readonly maxBytes: number
}

/** Estimated overhead of a chunk, in bytes. */
const CHUNK_COST = 128

/**
 * Limits the response bodies that are being recorded, which are not part of the memory tier yet, to `maxBytes` in
 * total. If the limit is exceeded, recordings that have not grown for the longest time are dropped, so that slow
 * clients do not prevent other responses from being stored. Each recording ends at its `endsAt` at the latest.
 */
export class Recordings {
  readonly #clock: Clock
  readonly #maxBytes: number
  /** Bytes held by each recording, in the order of their last growth. */
  readonly #open = new Map<OpenRecording, number>()
  #bytes = 0
  #timer: Timer
  /** Monotonic time in ms that the timer waits for; infinite without one. */
  #watchedUntil = Number.POSITIVE_INFINITY

  constructor(clock: Clock, maxBytes: number) {
    this.#clock = clock
    this.#maxBytes = maxBytes
  }

  /** Counts a chunk of `length` bytes; drops the recording itself if it is overdue or larger than the limit. */
  grow(recording: OpenRecording, length: number): void {
    if (this.#clock.monotonic() > recording.endsAt) {
      this.#drop(recording, 'too-slow')
      return
    }
    const held = this.#open.get(recording) ?? 0
    this.#open.delete(recording)
    this.#open.set(recording, held + length + CHUNK_COST)
    this.#bytes += length + CHUNK_COST
    for (const oldest of this.#open.keys()) {
      if (this.#bytes <= this.#maxBytes) break
      this.#drop(oldest, 'recordings-full')
    }
    if (recording.endsAt < this.#watchedUntil && this.#open.has(recording)) this.#watch(recording.endsAt)
  }

  /** Removes a recording that has ended and released its bytes. */
  end(recording: OpenRecording): void {
    const held = this.#open.get(recording)
    if (held === undefined) return
    this.#open.delete(recording)
    this.#bytes -= held
    if (this.#open.size === 0) this.#stopWatching()
  }

  /** Number and size of the open recordings. */
  stats(): RecordingStats {
    return { open: this.#open.size, bytes: this.#bytes, maxBytes: this.#maxBytes }
  }

  #drop(recording: OpenRecording, reason: 'too-slow' | 'recordings-full'): void {
    this.end(recording)
    recording.drop(reason)
  }

  /** Sets the timer, because a recording whose client has stopped reading does not grow. */
  #watch(until: number): void {
    this.#stopWatching()
    this.#watchedUntil = until
    this.#timer = this.#clock.setTimer(() => this.#dropOverdue(), until - this.#clock.monotonic() + 1)
  }

  #dropOverdue(): void {
    const now = this.#clock.monotonic()
    let next = Number.POSITIVE_INFINITY
    for (const recording of [...this.#open.keys()]) {
      if (recording.endsAt < now) this.#drop(recording, 'too-slow')
      else next = Math.min(next, recording.endsAt)
    }
    if (this.#open.size > 0) this.#watch(next)
  }

  #stopWatching(): void {
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer)
    this.#timer = undefined
    this.#watchedUntil = Number.POSITIVE_INFINITY
  }
}
