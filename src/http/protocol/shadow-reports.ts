import type { Shadow } from '../shadow/shadow.js'
import { type Forwarded, Reports } from './reports.js'

/**
 * Counts what the cache would have done, for the report of shadow mode; for all others, each request bypasses the cache.
 */
export class ShadowReports extends Reports {
  readonly #real: Reports

  constructor({ real, engine }: Shadow) {
    super(engine)
    this.#real = new Reports(real)
  }

  override forwarded({ meter, result, reason, route, exchange }: Forwarded): void {
    if (result === 'hit' || result === 'stale') meter.answered('memory', result === 'stale')
    else if (result === 'collapsed') meter.collapsed += 1
    else meter.ran(result)
    if (result === 'bypass') meter.refuse(reason)
    this.#real.forwarded({ result: 'bypass', reason: 'shadow', meter: this.#real.meterOf(route), route, exchange })
  }
}
