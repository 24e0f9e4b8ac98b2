/** The three moments of an entry, epoch ms. */
interface Moments {
  readonly storedAt: number
  readonly staleAt: number
  readonly deleteAt: number
}

/**
 * The moments of an entry whose freshness lifetime is cut by a random part of up to `jitter`, so that entries stored
 * together do not become stale together: `lifetime × (1 − jitter × random)`. A lifetime is never made longer.
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

/**
 * Whether a fresh entry should be made again already, so that not everybody finds it stale at once (XFetch):
 * `now − cost × beta × ln(random) ≥ staleAt`. The dearer an entry and the nearer its end, the likelier.
 *
 * @param cost - how long it took to make, ms
 * @param beta - 0 never, 1 the optimum under the usual assumptions, more is earlier
 * @see "Optimal Probabilistic Cache Stampede Prevention", Vattani, Chierichetti, Lowenstein, 2015
 */
export function isDueEarly(
  staleAt: number,
  cost: number,
  beta: number,
  now: number,
  random: () => number = Math.random,
): boolean {
  if (beta === 0 || cost === 0) return false
  return now - cost * beta * Math.log(1 - random()) >= staleAt
}
