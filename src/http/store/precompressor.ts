import type { CacheEngine } from '../../core/engine.js'
import { encode, isSupported } from '../syntax/content-coding.js'
import { type Encoding, encodedBody, encodingOf } from './encodings.js'
import type { StoredResponse } from './stored-response.js'
import { withEncodings } from './stored-text.js'

/** So many bodies are encoded at one time, whatever the number of caches: libuv has four threads, and files and names need some. */
const AT_ONCE = 2

/** So many bodies are in hand at most. Others are sent as they are, until one of their hits asks again. */
const MAX_IN_HAND = 64

/** A response that another process has stored is left to that process for so long, ms. */
const LEFT_TO_OTHERS = 2_000

/** Before what came to nothing is tried again; ms, doubled at each try up to the longest. */
const FIRST_PAUSE = 1_000
const LONGEST_PAUSE = 60_000

/** So many places are remembered. */
const MEMORY = 1_000

/**
 * Makes the encoded forms of stored responses, once each and behind the back of all requests, and puts them into the entry that
 * they are made of: in both tiers, so that one process works for all.
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
   * Takes a response in hand that has just been stored, if there is anything to make of it.
   *
   * @param written - settles when Redis has it or will not have it: only then can it be amended there
   */
  afterStore(place: string, stored: StoredResponse, written: Promise<boolean>): void {
    if (stored.isToBeEncoded) this.#begin(place, stored, written, FIRST_PAUSE)
  }

  /** The same for one that was found: its process may have died, had too much to do, or not have had a coding. */
  afterHit(place: string, stored: StoredResponse, now: number): void {
    if (!stored.isToBeEncoded || now - stored.receivedAt < LEFT_TO_OTHERS) return
    const last = this.#tries.get(place)
    if (last !== undefined && this.#cache.clock.monotonic() < last.againAt) return
    const pause = last === undefined ? FIRST_PAUSE : Math.min(2 * last.pause, LONGEST_PAUSE)
    this.#begin(place, stored, Promise.resolve(true), pause)
  }

  #begin(place: string, stored: StoredResponse, written: Promise<boolean>, pause: number): void {
    if (encoders.inHand >= MAX_IN_HAND) return
    encoders.inHand += 1
    if (this.#tries.size >= MEMORY) this.#tries.clear()
    const begun: Try = { pause, againAt: Number.POSITIVE_INFINITY }
    this.#tries.set(place, begun)
    void this.#encode(place, stored, written)
      .catch(this.#onFault)
      .finally(() => {
        encoders.inHand -= 1
        // Also when it is made: the entry may be lost, or be without it in the tier that is asked next.
        begun.againAt = this.#cache.clock.monotonic() + pause
      })
  }

  async #encode(place: string, stored: StoredResponse, written: Promise<boolean>): Promise<void> {
    await written
    await takeEncoder()
    let made: Made | undefined
    let isKept: boolean
    try {
      isKept = await this.#cache.amend(place, stored.entry, async () => {
        made = await makeEncodings(stored)
        return made
      })
    } finally {
      giveEncoder()
    }
    if (isKept && made !== undefined) this.#tell(place, stored, made.anew)
  }

  #tell(key: string, stored: StoredResponse, anew: readonly Encoding[]): void {
    const { counters } = this.#cache
    for (const { coding, length } of anew) {
      counters.precompressed += 1
      counters.precompressedBytes += length
      if (this.#cache.listenerCount('precompress') === 0) continue
      this.#cache.emit('precompress', { key, coding, from: stored.body.length, to: length })
    }
  }
}

/** What was tried last for a place. */
interface Try {
  /** ms */
  readonly pause: number
  /** From when on a hit may try again, monotonic ms; never while it is in hand. */
  againAt: number
}

/** The content of an entry with encoded forms behind its body. */
interface Made {
  readonly meta: string
  readonly body: Buffer
  /** Those that were not there before. */
  readonly anew: readonly Encoding[]
}

async function makeEncodings(stored: StoredResponse): Promise<Made> {
  const { entry, body, encodings: wanted = [] } = stored
  const encodings: Encoding[] = []
  const anew: Encoding[] = []
  const parts = [body]
  for (const encoding of wanted) {
    const { coding, length } = encoding
    if (length > 0 || !isSupported(coding)) {
      encodings.push(encoding)
      parts.push(encodedBody(entry.body, wanted, encoding))
      continue
    }
    const encoded = await encode(coding, body)
    // What does not get smaller is not kept, and not tried again.
    if (encoded.length >= body.length) continue
    const made = encodingOf(coding, encoded)
    encodings.push(made)
    anew.push(made)
    parts.push(encoded)
  }
  return { meta: withEncodings(entry.meta, encodings), body: joined(parts), anew }
}

/** A buffer that shares its memory with no other, as all that is stored. */
function joined(parts: readonly Buffer[]): Buffer {
  const whole = Buffer.allocUnsafeSlow(parts.reduce((length, part) => length + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** The encoders of this process: how many bodies are in hand, how many encoders are free, and who waits for one. */
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
