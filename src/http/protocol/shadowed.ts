import type { Exchange } from '../port/exchange.js'
import type { Shadow } from '../shadow/shadow.js'
import type { Decision } from './decision.js'
import type { Forwarding } from './forwarding.js'
import type { ShadowParts, ShadowRuns } from './shadow-runs.js'

/** Carries decisions out in shadow mode, with code that is loaded when a middleware is in this mode. */
export class Shadowed<Context extends object> {
  readonly #loading: Promise<ShadowRuns<Context>>
  #runs: ShadowRuns<Context> | undefined

  constructor(shadow: Shadow, of: ShadowParts<Context>) {
    this.#loading = Promise.all([shadow.loaded, import('./shadow-runs.js')]).then(([late, { ShadowRuns }]) => {
      this.#runs = new ShadowRuns(shadow, late, of)
      return this.#runs
    })
    // Each request hears of a failure.
    this.#loading.catch(() => {})
  }

  /** Requests wait until the code is loaded. Rejects if it is missing. */
  carryOut(
    exchange: Exchange<Context>,
    decision: Exclude<Decision<Context>, { kind: 'enter' }>,
  ): Forwarding | Promise<Forwarding> {
    return this.#runs?.carryOut(exchange, decision) ?? this.#loading.then((runs) => runs.carryOut(exchange, decision))
  }
}
