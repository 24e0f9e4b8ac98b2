import { Random } from '../simulation/random.js'
import { fuzzOrigins } from './origins.js'
import { fuzzPaths } from './paths.js'
import { fuzzQueries } from './queries.js'
import { fuzzSelecting } from './selecting.js'
import type { Trial } from './trial.js'

/** What a number of random pairs came to. */
export interface Count {
  pairs: number
  /** The cache takes them for one, although they are spelled differently; a parser of the framework must, too. */
  equated: number
  faults: number
}

const TRIALS: Readonly<Record<string, Trial>> = {
  'selecting fields': fuzzSelecting,
  queries: fuzzQueries,
  origins: fuzzOrigins,
  paths: fuzzPaths,
}

/** Random pairs of requests: those that the key treats as one, the real parsers must not tell apart. */
export function fuzzKeys(cases: number, seed: number) {
  const counts: Record<string, Count> = {}
  const faults: string[] = []
  for (const [at, [name, trial]] of Object.entries(TRIALS).entries()) {
    const count: Count = { pairs: 0, equated: 0, faults: 0 }
    const random = new Random(seed + at)
    counts[name] = count
    for (; count.pairs < cases / Object.keys(TRIALS).length; count.pairs++) {
      const { equated, fault } = trial(random)
      if (equated) count.equated += 1
      if (fault === undefined) continue
      count.faults += 1
      faults.push(`${name}: ${fault}`)
    }
  }
  return { counts, faults }
}
