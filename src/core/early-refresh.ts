/** The three timestamps of an entry, in epoch milliseconds. */
interface Moments {
  readonly storedAt: number
  readonly staleAt: number
  readonly deleteAt: number
}

/**
 * Shortens the freshness lifetime of an entry by a random part of up to `jitter`, so that entries stored together do
 * not become stale together: `lifetime × (1 − jitter × random)`. A lifetime is never extended.
 *
 * @param jitter - 0 (none) to 1
 */
export function shortened(
  entry: { readonly staleAt: number; readonly deleteAt: number },
  storedAt: number,
  jitter: number,
  random: () => number = Math.random,
): Moments {
  const cut = jitter === 0 ? 0 : Math.floor(Math.max(0, entry.staleAt - storedAt) * jitter * random())
  return { storedAt, staleAt: entry.staleAt - cut, deleteAt: entry.deleteAt - cut }
}

/** An entry that can be computed again. */
export interface Recomputable {
  /** Epoch ms. */
  readonly staleAt: number
  /** How long the computation took, in ms. */
  readonly cost: number
}

/**
 * Whether a fresh entry should be recomputed early, so that it does not become stale for all callers at once (XFetch):
 * `now − cost × beta × ln(random) ≥ staleAt`. The probability grows with the cost of the entry and towards the end of
 * its lifetime.
 *
 * @param beta - 0 for never, 1 for the optimum under the usual assumptions, greater values for earlier
 * @see "Optimal Probabilistic Cache Stampede Prevention", Vattani, Chierichetti, Lowenstein, 2015
 */
export function isDueEarly(
  { staleAt, cost }: Recomputable,
  beta: number,
  now: number,
  random: () => number = Math.random,
): boolean {
  if (beta === 0 || cost === 0) return false
  return now - cost * beta * Math.log(1 - random()) >= staleAt
}
