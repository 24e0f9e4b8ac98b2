import type { Reply } from '../port/reply.js'
import { representationFor } from '../store/representation.js'
import { answerFromStore } from './answer.js'
import type { Hit } from './decision.js'
import type { ProtocolParts } from './protocol-parts.js'
import type { ResponseWriter } from './response-writer.js'
import { withServerTiming } from './server-timing.js'

/** Answers requests with stored responses. */
export class Hits<Context extends object> {
  readonly #parts: ProtocolParts<Context>
  readonly #writer: ResponseWriter

  constructor(parts: ProtocolParts<Context>, writer: ResponseWriter) {
    this.#parts = parts
    this.#writer = writer
  }

  /** The reply to a request whose stored response may be used, which is counted as a hit. */
  answer(hit: Hit<Context>): Reply {
    const { lookup, found, stored, now } = hit
    const tier = found.found?.tier ?? 'memory'
    const { cacheStatus, precompress } = this.#parts.policy
    this.#parts.keys.found(lookup.key)
    if (precompress !== undefined && precompress.length > 0) {
      this.#writer.precompressor.afterHit(found.storageKey, stored, now)
    }
    const key = cacheStatus === 'debug' ? lookup.key.text : undefined
    const shown = representationFor(stored, lookup.request, now)
    if (shown.isEncoded) this.#parts.cache.counters.precompressedHits += 1
    const whole = shown.asHit(now, cacheStatus === false ? undefined : tier, key)
    const reply = answerFromStore(lookup, { stored: shown, whole, now })
    this.#parts.reports.hit(hit, reply)
    if (cacheStatus !== 'debug') return reply
    const result = now >= stored.staleAt ? 'stale' : 'hit'
    return withServerTiming(lookup.exchange, reply, { result, detail: tier, handler: stored.cost })
  }
}
