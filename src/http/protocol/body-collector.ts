import type { OpenRecording, Recordings } from '../../core/recordings.js'

/** Collects the bytes of one response body, of which all recordings together hold a bounded number. */
export class BodyCollector implements OpenRecording {
  readonly endsAt: number
  readonly drop: OpenRecording['drop']
  readonly #recordings: Recordings
  #chunks: Buffer[] = []
  #length = 0

  /**
   * @param endsAt - the moment after which its response cannot be stored, on the monotonic clock; ms
   * @param drop - called when the bytes have to go, at once or later
   */
  constructor(recordings: Recordings, endsAt: number, drop: OpenRecording['drop']) {
    this.#recordings = recordings
    this.endsAt = endsAt
    this.drop = drop
  }

  /** Bytes collected. */
  get length(): number {
    return this.#length
  }

  /** Takes a body that is complete. It is stored within this turn, and does not count as one under way. */
  takeWhole(body: Buffer): void {
    this.#chunks = [body]
    this.#length = body.length
  }

  /** Takes a copy of some bytes, unless there are more than `limit` with them; false: there are. */
  add(chunk: Uint8Array | string, limit: number): boolean {
    const bytes = ownBytes(chunk)
    this.#length += bytes.length
    if (this.#length > limit) return false
    this.#chunks.push(bytes)
    this.#recordings.grow(this, bytes.length)
    return true
  }

  /** All bytes. */
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

  /** Counts the bytes of the complete body as those of a recording until {@link end}: it waits to be stored. */
  hold(body: Buffer): void {
    this.#recordings.end(this)
    this.#recordings.grow(this, body.length)
  }

  /** Forgets the bytes, which somebody else may hold. */
  forget(): void {
    this.#chunks = []
  }

  /** Nothing is held any longer. */
  end(): void {
    this.#recordings.end(this)
  }
}

/** A copy. A large one shares its memory with nothing; small ones are copied once more as they are stored, and not kept. */
export function ownBytes(bytes: Uint8Array | string): Buffer {
  if (bytes.length <= SMALL) return typeof bytes === 'string' ? Buffer.from(bytes) : Buffer.from(bytes)
  const own = Buffer.allocUnsafeSlow(byteLength(bytes))
  if (typeof bytes === 'string') own.write(bytes, 'utf8')
  else own.set(bytes)
  return own
}

const SMALL = 4096

/** The length of some bytes; a string stands for its UTF-8. */
export function byteLength(bytes: Uint8Array | string): number {
  return typeof bytes === 'string' ? Buffer.byteLength(bytes) : bytes.byteLength
}
