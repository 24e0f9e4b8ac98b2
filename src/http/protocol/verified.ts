import type { VerifyReport } from '../shadow/verify-report.js'
import type { Hit } from './decision.js'
import type { VerifyParts, VerifyRuns } from './verify-runs.js'

/** Compares a share of the hits with new runs of their handlers. Its code is loaded by the first middleware in this mode. */
export class Verified<Context extends object> {
  readonly #share: number
  #runs: VerifyRuns<Context> | undefined

  /** @param share - of the hits, 0 to 1 */
  constructor(share: number, of: VerifyParts<Context>) {
    this.#share = share
    import('./verify-runs.js').then(
      ({ VerifyRuns }) => {
        this.#runs = new VerifyRuns(of)
      },
      (thrown: unknown) => of.parts.reports.fault(thrown),
    )
  }

  /** A hit is being answered. */
  afterHit(hit: Hit<Context>): void {
    if (Math.random() < this.#share) this.#runs?.begin(hit)
  }

  /** `undefined` until the code is loaded. */
  report(): VerifyReport | undefined {
    return this.#runs?.report()
  }
}
