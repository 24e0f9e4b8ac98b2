import type { CacheEngine } from '../../core/engine.js'
import type { RecordedHead } from '../store/recorded-response.js'
import type { StoredHead } from '../store/stored-head.js'
import { StoredResponses, type ToStore } from '../store/stored-responses.js'
import type { Kept } from '../store/variants.js'
import type { fingerprintBytes, LateShadow } from './late-shadow.js'
import type { ShadowReport } from './shadow-report.js'

/** What the middlewares of one cache in shadow mode share. Most of its code is loaded when it is made. */
export class Shadow {
  /** The cache, which does everything else as ever. */
  readonly real: CacheEngine
  /** What the protocol uses instead: it finds and stores fingerprints, in the directory. */
  readonly engine: CacheEngine
  /** Settles soon after the shadow was made. */
  readonly loaded: Promise<LateShadow>
  #late: LateShadow | undefined
  #fingerprintBytes: typeof fingerprintBytes | undefined

  constructor(real: CacheEngine) {
    this.real = real
    this.engine = real.shadow({
      kept: (key, entry) => this.#late?.kept(key, entry),
      left: (key, reason) => this.#late?.left(key, reason),
    })
    this.loaded = import('./late-shadow.js').then(({ LateShadow, fingerprintBytes }) => {
      this.#fingerprintBytes = fingerprintBytes
      this.#late = new LateShadow(this.engine)
      return this.#late
    })
    // Each request that needs it hears of a failure.
    this.loaded.catch(() => {})
  }

  /** What is stored in place of a body. Requests wait until the code is loaded, so it is. */
  packed(head: StoredHead, body: Buffer, { request }: ToStore): Buffer {
    return this.#fingerprintBytes?.(head, body, request) ?? NOTHING
  }

  /** `undefined` until the code is loaded. */
  report(): ShadowReport | undefined {
    return this.#late?.report()
  }
}

/** Stores responses of which only the fingerprint is kept. */
export class ShadowResponses extends StoredResponses {
  readonly #shadow: Shadow

  constructor(shadow: Shadow) {
    super(shadow.engine)
    this.#shadow = shadow
  }

  override keep(recorded: RecordedHead, head: StoredHead, body: Buffer, of: ToStore): Kept {
    // The length of the body is not that of its fingerprint.
    const fields = head.fields.filter((_, at) => String(head.fields[at - (at % 2)]).toLowerCase() !== 'content-length')
    return super.keep(recorded, { ...head, fields }, this.#shadow.packed(head, body, of), of)
  }
}

const NOTHING = Buffer.alloc(0)

const SHADOWS = new WeakMap<CacheEngine, Shadow>()

/** The shadow of a cache, made at the first call. */
export function shadowOf(real: CacheEngine): Shadow {
  const shadow = SHADOWS.get(real) ?? new Shadow(real)
  SHADOWS.set(real, shadow)
  return shadow
}
