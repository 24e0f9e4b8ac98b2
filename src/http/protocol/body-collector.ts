import type { OpenRecording, Recordings } from '../../core/recordings.js'
import { ownBytes } from '../port/own-bytes.js'

/** Collects the bytes of one response body. All recordings of a cache together hold a bounded number of bytes. */
export class BodyCollector implements OpenRecording {
  readonly endsAt: number
  readonly drop: OpenRecording['drop']
  readonly #recordings: Recordings
  #chunks: Buffer[] = []
  #length = 0

  /**
   * @param endsAt - time on the monotonic clock, in ms, after which the response can no longer be stored
   * @param drop - called if the bytes must be released, immediately or later
   */
  constructor(recordings: Recordings, endsAt: number, drop: OpenRecording['drop']) {
    this.#recordings = recordings
    this.endsAt = endsAt
    this.drop = drop
  }

  /** Number of bytes received. */
  get length(): number {
    return this.#length
  }

  /** Takes a complete body. It is not counted as an open recording, because it is stored within the same turn. */
  takeWhole(body: Buffer): void {
    this.#chunks = [body]
    this.#length = body.length
  }

  /** Takes a chunk that is not modified any more, unless the total length exceeds `limit`; returns false if it does. */
  add(chunk: Buffer | string, limit: number): boolean {
    const bytes = typeof chunk === 'string' ? ownBytes(chunk) : chunk
    this.#length += bytes.length
    if (this.#length > limit) return false
    this.#chunks.push(bytes)
    this.#recordings.grow(this, bytes.length)
    return true
  }

  /** Returns all bytes in one buffer. */
  join(): Buffer {
    const [only] = this.#chunks
    if (this.#chunks.length === 1 && only !== undefined) return only
    const body = Buffer.allocUnsafeSlow(this.#length)
    let at = 0
    for (const chunk of this.#chunks) {
      body.set(chunk, at)
      at += chunk.length
    }
    return body
  }

  /** Counts the complete body as an open recording until {@link end}, because it is not stored yet. */
  hold(body: Buffer): void {
    this.#recordings.end(this)
    this.#recordings.grow(this, body.length)
  }

  /** Drops the references to the bytes; other code may still hold them. */
  forget(): void {
    this.#chunks = []
  }

  /** Ends the recording, and removes its bytes from the total. */
  end(): void {
    this.#recordings.end(this)
  }
}
