import { REQUESTS, type RequestMessage } from '../../core/channels.js'
import type { CacheEngine } from '../../core/engine.js'
import { asError } from '../../core/errors.js'
import type { AnswerTier, Meter, RequestResult } from '../../core/meters.js'
import type { Reply } from '../port/reply.js'
import type { RequestHead } from '../port/request-head.js'
import type { Reason } from '../rules/reasons.js'
import type { StoredResponse } from '../store/stored-response.js'
import { pathOf } from '../syntax/target.js'
import type { Hit } from './decision.js'

/** The subject of a warning; each is given once. */
export type WarningKind =
  | 'fields-read'
  | 'query-read'
  | 'address-read'
  | 'cookie-read'
  | 'filled-read'
  | 'field-selects'
  | 'value-selects'
  | 'reflected'
  | 'given-up'
  | 'omitted-tags'
  | 'logged-in'

/** Makes the text of a warning, of those that the first warning loads. */
export type Warning = (texts: typeof import('./warning-texts.js')) => string

/** A request that went on to the handler. */
export interface Forwarded {
  readonly result: RequestResult
  readonly reason: Reason
  /** Counts the requests of its route. */
  readonly meter: Meter
  readonly route: string | undefined
  readonly exchange: { readonly raw: object }
}

/** Maximum number of different faults that are printed, because their messages may contain client input. */
const MOST_FAULTS = 10

/**
 * The warnings already given for a cache, shared by all middlewares with the same core, including those made by
 * `with()`.
 */
interface Told {
  readonly kinds: Set<WarningKind>
  readonly faults: Set<string>
}

const TOLD = new WeakMap<CacheEngine, Told>()

/** Reports what happens to requests and responses: counters, events, and warnings that are given once. */
export class Reports {
  readonly #cache: CacheEngine
  readonly #told: Told

  constructor(cache: CacheEngine) {
    this.#cache = cache
    this.#told = TOLD.get(cache) ?? { kinds: new Set(), faults: new Set() }
    TOLD.set(cache, this.#told)
  }

  /** A request is answered with a stored response. */
  hit({ lookup, found, stored, now }: Hit<object>, reply: Reply): void {
    const { counters } = this.#cache
    const tier = found.found?.tier ?? 'memory'
    const stale = now >= stored.staleAt || found.found?.softened === true
    if (tier === 'memory') counters.memoryHits += 1
    else counters.redisHits += 1
    if (stale) counters.stale += 1
    if (found.found?.disconnected === true) counters.servedWhileDisconnected += 1
    const meter = this.#saved(stored, reply)
    meter.answered(tier, stale)
    if (REQUESTS.hasSubscribers) this.#publishSaved(lookup.exchange.raw, [stale ? 'stale' : 'hit', tier], stored, reply)
    if (this.#cache.listenerCount('hit') > 0) this.#cache.emit('hit', { key: lookup.key.text, tier, stale })
  }

  /** A request is answered with the response of a handler run that it waited for. */
  collapsed(raw: object, stored: StoredResponse, reply: Reply): void {
    this.#cache.counters.collapsed += 1
    this.#saved(stored, reply).collapsed += 1
    if (REQUESTS.hasSubscribers) this.#publishSaved(raw, ['collapsed', 'memory'], stored, reply)
  }

  /** A request that waited for a handler run is answered with a stale response, because the run has failed. */
  staleInstead(raw: object, stored: StoredResponse, reply: Reply): void {
    this.#saved(stored, reply).staleIfError += 1
    if (REQUESTS.hasSubscribers) this.#publishSaved(raw, ['stale', 'origin'], stored, reply)
  }

  /** A request was forwarded to the handler, and its response begins, or will not come. */
  forwarded({ meter, result, reason, route, exchange }: Forwarded): void {
    meter.ran(result)
    if (result === 'bypass') meter.refuse(reason)
    if (!REQUESTS.hasSubscribers) return
    const { keyPrefix } = this.#cache
    const unknown = { ttl: undefined, size: undefined, saved: undefined }
    const message: RequestMessage = {
      keyPrefix,
      request: exchange.raw,
      result,
      tier: 'origin',
      route,
      reason,
      ...unknown,
    }
    REQUESTS.publish(message)
  }

  /** The meter of a route. */
  meterOf(route: string | undefined): Meter {
    return this.#cache.meters.of(route)
  }

  /** A request is not answered with a stored response. */
  miss(key: string, reason: Reason): void {
    this.#cache.counters.misses += 1
    if (reason !== 'uri-miss') this.count(reason)
    if (this.#cache.listenerCount('miss') > 0) this.#cache.emit('miss', { key, reason })
  }

  /** A request is not handled by the cache. */
  bypass({ method, url }: RequestHead, reason: Reason): void {
    this.#cache.counters.bypassed += 1
    this.count(reason)
    if (this.#cache.listenerCount('bypass') > 0) this.#cache.emit('bypass', { reason, method, path: pathOf(url) })
  }

  /** A response is not stored. */
  refused(key: string, reason: Reason, detail: string = reason): void {
    this.count(reason)
    if (this.#cache.isHeard('skip')) this.#cache.emit('skip', { key, reason: detail })
  }

  /** Counts a request or response by the reason why it was refused. */
  count(reason: Reason): void {
    const { refused } = this.#cache.counters
    refused[reason] = (refused[reason] ?? 0) + 1
  }

  /** The meter of a stored response's route, after counting what an answer from the cache has saved. */
  #saved(stored: StoredResponse, { body }: Reply): Meter {
    const meter = this.#meterOf(stored)
    meter.saved += stored.cost
    if (body !== undefined) meter.servedBytes += body.length
    return meter
  }

  #publishSaved(
    request: object,
    [result, tier]: readonly [RequestResult, AnswerTier],
    stored: StoredResponse,
    { body }: Reply,
  ): void {
    const message: RequestMessage = {
      keyPrefix: this.#cache.keyPrefix,
      request,
      result,
      tier,
      route: stored.routePattern,
      reason: undefined,
      ttl: stored.lifetimeLeft(this.#cache.clock.now()),
      size: body?.length ?? 0,
      saved: stored.cost / 1000,
    }
    REQUESTS.publish(message)
  }

  #meterOf(stored: StoredResponse): Meter {
    stored.meter ??= this.#cache.meters.of(stored.routePattern)
    return stored.meter
  }

  /** Reports an error of this library or of an option function; the request continues without the cache. */
  fault(thrown: unknown): void {
    const error = asError(thrown)
    this.#cache.emit('fault', { error })
    const { faults } = this.#told
    if (faults.size >= MOST_FAULTS || faults.has(error.message)) return
    faults.add(error.message)
    emitWarning(
      `a request bypassed the cache, or its response was not stored, because of an error: ${error.stack ?? error.message}`,
    )
  }

  /** Gives a warning, once per kind for all requests. */
  warn(kind: WarningKind, text: Warning): void {
    if (this.#told.kinds.has(kind)) return
    this.#told.kinds.add(kind)
    import('./warning-texts.js').then((texts) => emitWarning(text(texts)), nothing)
  }
}

/** Without the texts, there is no warning. */
function nothing(): void {}

function emitWarning(text: string): void {
  process.emitWarning(text, 'FallbackCacheWarning')
}
