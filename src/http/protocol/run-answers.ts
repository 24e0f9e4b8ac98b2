import type { CacheEngine } from '../../core/engine.js'
import type { Reply } from '../port/reply.js'
import type { RequestHead } from '../port/request-head.js'
import { isForSeveral, mayReuseOnError } from '../rules/reusable.js'
import { representationFor } from '../store/representation.js'
import { CACHE_NAME, type StoredResponse } from '../store/stored-response.js'
import { type CacheStatus, cacheStatusMember } from '../syntax/cache-status.js'
import { answerFromStore } from './answer.js'
import type { MissReason } from './decision.js'
import type { Landing } from './flight.js'
import { asItCame, isAskable } from './forwarded-request.js'
import type { Lookup } from './lookup.js'
import type { Policy } from './policy.js'
import type { ProtocolParts } from './protocol-parts.js'
import type { Asked, RecordedRequest } from './recorded-request.js'
import type { Reports } from './reports.js'

/** Makes replies from stored responses for requests whose handler has run, or was about to. */
export class RunAnswers<Context extends object> {
  readonly #cache: CacheEngine
  readonly #cacheStatus: Policy<Context>['cacheStatus']

  readonly #reports: Reports

  constructor({ cache, policy, reports }: ProtocolParts<Context>) {
    this.#cache = cache
    this.#cacheStatus = policy.cacheStatus
    this.#reports = reports
  }

  /** The reply to a request that waited for a run; `undefined` if its response cannot be used. */
  after(landing: Landing, lookup: Lookup<Context>, miss: MissReason): Reply | undefined {
    if (landing.kind === 'failed') {
      const instead = this.onError(lookup, miss, true)?.(undefined)
      if (instead !== undefined && miss.stale !== undefined)
        this.#reports.staleInstead(lookup.exchange.raw, miss.stale, instead)
      return instead
    }
    if (landing.kind !== 'stored') return undefined
    const { stored } = landing
    const now = this.#cache.clock.now()
    if (!lookup.mayUse(stored, now) || !isForSeveral(stored, now)) return undefined
    const { fwd } = miss
    const status = () =>
      this.#member(lookup, { fwd, fwdStatus: stored.status, collapsed: true, ttl: stored.lifetimeLeft(now) })
    const shown = representationFor(stored, lookup.request, now)
    // In debug mode Cache-Status contains the key, so each reply has a status of its own.
    const whole =
      this.#cacheStatus === 'debug'
        ? shown.answer(shown.list, now, status())
        : shown.asCollapsed(now, this.#cacheStatus ? fwd : undefined, status)
    const reply = answerFromStore(lookup, { stored: shown, whole, now })
    this.#reports.collapsed(lookup.exchange.raw, stored, reply)
    return reply
  }

  /** A function that returns the stale response to send instead of an error, if permitted (RFC 5861, section 4). */
  onError(lookup: Lookup<Context>, { stale }: MissReason, collapsed: boolean | undefined): RecordedRequest['onError'] {
    if (stale === undefined) return undefined
    const request = asItCame(lookup.request)
    return (fwdStatus) => {
      const now = this.#cache.clock.now()
      if (!mayReuseOnError(stale, lookup.directives, now)) return undefined
      this.#cache.counters.stale += 1
      const ttl = stale.lifetimeLeft(now)
      return this.#answer(lookup, stale, { fwd: 'stale', fwdStatus, collapsed, ttl, detail: 'stale-if-error' }, request)
    }
  }

  /** Prepares the revalidation of a stored response; `undefined` if it has no validators (RFC 9111, section 4.3.1). */
  asked(lookup: Lookup<Context>, { fwd }: MissReason, stored: StoredResponse, by: Asked['by']): Asked | undefined {
    if (by === '304' && !isAskable(stored)) return undefined
    const request = asItCame(lookup.request)
    return {
      stored,
      by,
      answer: (updated, outcome) => {
        const ttl = outcome.detail === undefined ? updated.lifetimeLeft(this.#cache.clock.now()) : undefined
        return this.#answer(lookup, updated, { fwd, fwdStatus: 304, ttl, ...outcome }, request)
      },
    }
  }

  #answer(
    lookup: Lookup<Context>,
    stored: StoredResponse,
    status: CacheStatus,
    request: Pick<RequestHead, 'method' | 'headers'>,
  ): Reply {
    const now = this.#cache.clock.now()
    const shown = representationFor(stored, request, now)
    const whole = shown.answer(shown.list, now, this.#member(lookup, status))
    return answerFromStore(lookup, { stored: shown, whole, now }, request)
  }

  /** This cache's member of Cache-Status; `undefined` if it is disabled. */
  #member(lookup: Lookup<Context>, status: CacheStatus): string | undefined {
    if (this.#cacheStatus === false) return undefined
    const key = this.#cacheStatus === 'debug' ? lookup.key.text : undefined
    return cacheStatusMember(CACHE_NAME, { ...status, key })
  }
}
