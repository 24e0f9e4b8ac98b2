import type { Exchange } from '../port/exchange.js'
import type { Reply } from '../port/reply.js'
import { ResponseNotes } from '../port/response-notes.js'
import type { Reason } from '../rules/reasons.js'
import type { Invalidations } from '../store/invalidations.js'
import { CACHE_NAME } from '../store/stored-response.js'
import { type CacheStatus, cacheStatusMember } from '../syntax/cache-status.js'
import { type Pass, passFor } from './decision.js'
import { Forwarding } from './forwarding.js'
import type { Lookup } from './lookup.js'
import { Invalidating, PassThrough } from './pass-through.js'
import type { Policy } from './policy.js'
import type { ProtocolParts } from './protocol-parts.js'
import type { Reports } from './reports.js'
import { type Retiring, retiringFor } from './retiring.js'
import { type Scopes, scopeOf } from './scope.js'
import { Tally } from './tally.js'

/** Forwards requests whose responses are not stored, and triggers the invalidations of unsafe methods (RFC 9111, section 4.4). */
export class Passes<Context extends object> {
  readonly #policy: Policy<Context>
  readonly #invalidations: Invalidations
  readonly #reports: Reports
  readonly #scopes: Scopes

  constructor({ policy, invalidations, reports }: ProtocolParts<Context>, scopes: Scopes) {
    this.#policy = policy
    this.#invalidations = invalidations
    this.#reports = reports
    this.#scopes = scopes
  }

  bypass(exchange: Exchange<Context>, { reason, fwd }: Pick<Pass<Context>, 'reason' | 'fwd'>): Forwarding {
    const { raw, request } = exchange
    this.#reports.bypass(request, reason)
    if (fwd === 'bypass') return this.through(exchange, { fwd, detail: reason }, { result: 'bypass', reason })
    const retiring = [retiringFor(exchange, this.#policy, this.#invalidations)]
    const onFault = (thrown: unknown) => this.#reports.fault(thrown)
    const status = this.status({ fwd, detail: reason })
    const tally = new Tally(this.#reports, exchange, { result: 'bypass', reason })
    const recording = new Invalidating(new ResponseNotes(), status, { request, retiring, onFault, tally })
    this.#scopes.open(raw, recording, fwd)
    return new Forwarding(recording)
  }

  /**
   * The invalidations that this POST triggers, including those of outer middlewares, which otherwise would happen later
   * and invalidate the response it stores.
   */
  toRetire({ exchange, key }: Lookup<Context>): readonly Retiring[] {
    const outer = scopeOf(exchange.raw)?.recording
    const own = { invalidations: this.#invalidations, extra: () => '', key: key.text }
    return outer instanceof Invalidating ? [...outer.release(), own] : [own]
  }

  faulty(exchange: Exchange<Context>, thrown: unknown): Forwarding {
    this.#reports.fault(thrown)
    return this.bypass(exchange, passFor(exchange.request, 'fault'))
  }

  through(
    exchange: Exchange<Context>,
    status: CacheStatus,
    of: { readonly result: 'miss' | 'bypass'; readonly reason: Reason },
  ): Forwarding {
    const tally = new Tally(this.#reports, exchange, of)
    const recording = new PassThrough(new ResponseNotes(), this.status(status), tally)
    this.#scopes.open(exchange.raw, recording, of.result === 'bypass' ? of.reason : undefined)
    return new Forwarding(recording)
  }

  status(status: CacheStatus): CacheStatus | undefined {
    return this.#policy.cacheStatus === false ? undefined : status
  }

  /** Replies to `only-if-cached` if no stored response can be used (RFC 9111, section 5.2.1.7). */
  gatewayTimeout(exchange: Exchange<Context>): Reply {
    const reason = 'only-if-cached'
    this.#reports.count(reason)
    new Tally(this.#reports, exchange, { result: 'miss', reason }).count()
    const status = this.status({ detail: reason })
    const fields = ['Content-Length', '0']
    if (status !== undefined) fields.push('Cache-Status', cacheStatusMember(CACHE_NAME, status))
    return { status: 504, reason: undefined, fields, removed: [], body: undefined }
  }
}
