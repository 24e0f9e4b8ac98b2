import type { Likeness } from './ledger.js'
import type { ShadowRoute } from './shadow-report.js'

/** How some hits compare with what their handlers have answered beside them. */
export interface VerifiedAnswers {
  /** Hits that were compared. */
  readonly compared: number
  /**
   * `same`, `stale`, `leaked` (a page made for another visitor), `suspected` (perhaps), `noise` (different in each run),
   * `unseen` (not comparable: an error, a redirection to a part, a run that was cut off, an invalidation during the run).
   */
  readonly answers: Readonly<Record<Likeness, number>>
}

/** The hits of one route that were compared. */
export interface VerifiedRoute extends VerifiedAnswers {
  /** The pattern of the route; `''` if it is not known. */
  readonly route: string
  /** Keys whose answers differed, at most three for each outcome. */
  readonly examples: ShadowRoute['examples']
}

/** The hits that were compared with runs of their handlers, in the mode `verify`. */
export interface VerifyReport extends VerifiedAnswers {
  /** When comparing began, in epoch ms. */
  readonly since: number
  /** The most often compared first. */
  readonly routes: readonly VerifiedRoute[]
}
