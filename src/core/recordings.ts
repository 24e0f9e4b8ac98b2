import type { Clock, Timer } from './clock.js'

/** A response body that is being recorded, as its bookkeeping sees it. */
export interface OpenRecording {
  /** The moment after which its result cannot be kept, on the monotonic clock; ms. */
  readonly endsAt: number
  /** Called once when it has to give up its bytes. It must not call {@link Recordings} back except for `end`. */
  drop(reason: 'too-slow' | 'recordings-full'): void
}

/** How full the recordings are; see {@link Recordings}. */
export interface RecordingStats {
  /** Responses that are being recorded. */
  readonly open: number
  /** Bytes that they hold. */
  readonly bytes: number
  /** The most that they may hold. */
  readonly maxBytes: number
}

/** What one chunk takes beside its bytes. */
const chunkCost = 128

/**
 * The bodies that are being recorded, which memory does not count yet. Together they hold at most `maxBytes`: past that the
 * recordings that have not grown for the longest time are dropped, so clients that do not read keep no other response out.
 * None outlives its `endsAt`.
 */
export class Recordings {
  readonly #clock: Clock
  readonly #maxBytes: number
  /** In the order of their last growth. */
  readonly #open = new Map<OpenRecording, number>()
  #bytes = 0
  #timer: Timer

  constructor(clock: Clock, maxBytes: number) {
    this.#clock = clock
    this.#maxBytes = maxBytes
  }

  /** Counts a chunk of `length` bytes; drops the recording itself when it is overdue or larger than all room. */
  grow(recording: OpenRecording, length: number): void {
    if (this.#clock.monotonic() > recording.endsAt) {
      this.#drop(recording, 'too-slow')
      return
    }
    const held = this.#open.get(recording) ?? 0
    this.#open.delete(recording)
    this.#open.set(recording, held + length + chunkCost)
    this.#bytes += length + chunkCost
    for (const oldest of this.#open.keys()) {
      if (this.#bytes <= this.#maxBytes) break
      this.#drop(oldest, 'recordings-full')
    }
    if (this.#timer === undefined && this.#open.size > 0) this.#watch()
  }

  /** The recording has ended, and holds nothing any more. */
  end(recording: OpenRecording): void {
    const held = this.#open.get(recording)
    if (held === undefined) return
    this.#open.delete(recording)
    this.#bytes -= held
    if (this.#open.size > 0 || this.#timer === undefined) return
    this.#clock.clearTimer(this.#timer)
    this.#timer = undefined
  }

  /** How many there are, and how large they are. */
  stats(): RecordingStats {
    return { open: this.#open.size, bytes: this.#bytes, maxBytes: this.#maxBytes }
  }

  #drop(recording: OpenRecording, reason: 'too-slow' | 'recordings-full'): void {
    this.end(recording)
    recording.drop(reason)
  }

  /** A recording whose client has stopped reading does not grow: a timer ends it. */
  #watch(): void {
    let next = Number.POSITIVE_INFINITY
    for (const { endsAt } of this.#open.keys()) next = Math.min(next, endsAt)
    this.#timer = this.#clock.setTimer(
      () => {
        this.#timer = undefined
        const now = this.#clock.monotonic()
        for (const recording of [...this.#open.keys()]) if (recording.endsAt < now) this.#drop(recording, 'too-slow')
        if (this.#timer === undefined && this.#open.size > 0) this.#watch()
      },
      Math.max(0, next - this.#clock.monotonic()) + 1,
    )
  }
}
