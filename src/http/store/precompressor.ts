import type { CacheEngine } from '../../core/engine.js'
import { isSupported } from '../syntax/content-coding.js'
import { encode } from '../syntax/encode.js'
import { type Encoding, encodedBody, encodingOf } from './encodings.js'
import type { StoredResponse } from './stored-response.js'
import { withEncodings } from './stored-text.js'

/**
 * Maximum number of bodies encoded concurrently in this process: libuv has four threads, which file access and DNS need
 * too.
 */
const AT_ONCE = 2

/**
 * Maximum number of bodies waiting or being encoded. Others are sent unencoded until one of their hits requests
 * encoding again.
 */
const MAX_IN_HAND = 64

/** How long a response stored by another process is left to that process, in ms. */
const LEFT_TO_OTHERS = 2_000

/** Delay before an unsuccessful attempt is repeated; in ms, doubled at each attempt up to the maximum. */
const FIRST_PAUSE = 1_000
const LONGEST_PAUSE = 60_000

/** Maximum number of remembered attempts. */
const MEMORY = 1_000

/**
 * Makes the encoded forms of stored responses in the background, once each, and adds them to their entries in both
 * tiers, so that other processes can use them.
 */
export class Precompressor {
  readonly #cache: CacheEngine
  readonly #onFault: (thrown: unknown) => void
  readonly #tries = new Map<string, Try>()

  constructor(cache: CacheEngine, onFault: (thrown: unknown) => void) {
    this.#cache = cache
    this.#onFault = onFault
  }

  /**
   * Encodes a response that was just stored, if it has missing encodings.
   *
   * @param written - settles when Redis has stored the entry or will not: it can only be amended there afterwards
   */
  afterStore(storageKey: string, stored: StoredResponse, written: Promise<boolean>): void {
    if (stored.isToBeEncoded) this.#begin(storageKey, stored, written, FIRST_PAUSE)
  }

  /** Encodes a response that was found: the process that stored it may have ended, been too busy, or lack a coding. */
  afterHit(storageKey: string, stored: StoredResponse, now: number): void {
    if (!stored.isToBeEncoded || now - stored.receivedAt < LEFT_TO_OTHERS) return
    const last = this.#tries.get(storageKey)
    if (last !== undefined && this.#cache.clock.monotonic() < last.againAt) return
    const pause = last === undefined ? FIRST_PAUSE : Math.min(2 * last.pause, LONGEST_PAUSE)
    this.#begin(storageKey, stored, Promise.resolve(true), pause)
  }

  #begin(storageKey: string, stored: StoredResponse, written: Promise<boolean>, pause: number): void {
    if (encoders.inHand >= MAX_IN_HAND) return
    encoders.inHand += 1
    if (this.#tries.size >= MEMORY) this.#tries.clear()
    const begun: Try = { pause, againAt: Number.POSITIVE_INFINITY }
    this.#tries.set(storageKey, begun)
    void this.#encode(storageKey, stored, written)
      .catch(this.#onFault)
      .finally(() => {
        encoders.inHand -= 1
        // Also after success: the entry may be lost, or lack the encoding in the tier that is read next.
        begun.againAt = this.#cache.clock.monotonic() + pause
      })
  }

  async #encode(storageKey: string, stored: StoredResponse, written: Promise<boolean>): Promise<void> {
    await written
    await takeEncoder()
    let made: Made | undefined
    let isKept: boolean
    try {
      isKept = await this.#cache.amend(storageKey, stored.entry, async () => {
        made = await makeEncodings(stored)
        return made
      })
    } finally {
      giveEncoder()
    }
    if (isKept && made !== undefined) this.#tell(storageKey, stored, made.added)
  }

  #tell(key: string, stored: StoredResponse, added: readonly Encoding[]): void {
    const { counters } = this.#cache
    for (const { coding, length } of added) {
      counters.precompressed += 1
      counters.precompressedBytes += length
      if (this.#cache.listenerCount('precompress') === 0) continue
      this.#cache.emit('precompress', { key, coding, from: stored.body.length, to: length })
    }
  }
}

/** The last attempt for a storage key. */
interface Try {
  /** In ms. */
  readonly pause: number
  /** When a hit may start the next attempt, in monotonic ms; infinite while one is in progress. */
  againAt: number
}

/** The new content of an entry, with encoded forms after its body. */
interface Made {
  readonly meta: string
  readonly body: Buffer
  /** The encodings that were added. */
  readonly added: readonly Encoding[]
}

async function makeEncodings(stored: StoredResponse): Promise<Made> {
  const { entry, body, encodings: wanted = [] } = stored
  const encodings: Encoding[] = []
  const added: Encoding[] = []
  const parts = [body]
  for (const encoding of wanted) {
    const { coding, length } = encoding
    if (length > 0 || !isSupported(coding)) {
      encodings.push(encoding)
      parts.push(encodedBody(entry.body, wanted, encoding))
      continue
    }
    const encoded = await encode(coding, body)
    // An encoding that is not smaller is dropped, and not attempted again.
    if (encoded.length >= body.length) continue
    const made = encodingOf(coding, encoded)
    encodings.push(made)
    added.push(made)
    parts.push(encoded)
  }
  return { meta: withEncodings(entry.meta, encodings), body: joined(parts), added }
}

/** Concatenates into a Buffer with memory of its own, as for all stored bodies. */
function joined(parts: readonly Buffer[]): Buffer {
  const whole = Buffer.allocUnsafeSlow(parts.reduce((length, part) => length + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** State of the encoders in this process: bodies waiting or being encoded, free encoders, and the queue for them. */
const encoders = { inHand: 0, free: AT_ONCE, waiting: [] as (() => void)[] }

function takeEncoder(): Promise<void> | undefined {
  if (encoders.free > 0) {
    encoders.free -= 1
    return undefined
  }
  return new Promise((resolve) => encoders.waiting.push(resolve))
}

function giveEncoder(): void {
  const next = encoders.waiting.shift()
  if (next === undefined) encoders.free += 1
  else next()
}
