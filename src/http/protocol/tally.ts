import { LONGEST_ROUTE, type Meter, type RequestResult } from '../../core/meters.js'
import type { Exchange } from '../port/exchange.js'
import type { Reason } from '../rules/reasons.js'
import type { Reports } from './reports.js'

/**
 * Counts one request that goes on to the handler, once, when its response begins: only then is its route known. A run
 * in the background has no request, so only the handler is counted.
 */
export class Tally {
  /** Replaced if the framework's exchange comes later than the decision. */
  exchange: Pick<Exchange, 'raw' | 'route'>
  /** How the request is answered, as far as is known. */
  result: RequestResult
  /** Why the cache did not answer. */
  readonly reason: Reason
  /** How long the handler took until the response began, in ms. */
  took = 0
  readonly #reports: Reports
  /** `null`: not asked for yet. */
  #route: string | undefined | null = null
  #meter: Meter | undefined
  #isCounted = false

  constructor(
    reports: Reports,
    exchange: Pick<Exchange, 'raw' | 'route'>,
    { result, reason }: { readonly result: RequestResult; readonly reason: Reason },
  ) {
    this.#reports = reports
    this.exchange = exchange
    this.result = result
    this.reason = reason
  }

  /** The pattern of the route, as of the first call. */
  get route(): string | undefined {
    if (this.#route === null) this.#route = this.exchange.route?.slice(0, LONGEST_ROUTE)
    return this.#route
  }

  /** The meter of the route, as of the first call. */
  get meter(): Meter {
    this.#meter ??= this.#reports.meterOf(this.route)
    return this.#meter
  }

  /** Records that the handler has answered or failed, `milliseconds` after its start. */
  noteRun(milliseconds: number): void {
    this.took = Math.max(0, milliseconds)
    this.meter.handler.record(this.took)
  }

  /** Counts the request, unless it was counted before. */
  count(): void {
    if (this.#isCounted) return
    this.#isCounted = true
    this.#reports.forwarded(this)
  }

  /** Leaves the counting to another middleware, or says that there is no request. */
  leave(): void {
    this.#isCounted = true
  }
}
