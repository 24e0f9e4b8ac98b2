import fc from 'fast-check'
import { asked, fault, handlers, Pair } from './handlers.js'

/** Plays random handlers, and stops at the first fault, made as small as it gets. */
export async function fuzzHandlers(
  cases: number,
  seed: number,
): Promise<{ readonly counts: Readonly<Record<string, number>>; readonly faults: readonly string[] }> {
  const pair = await new Pair().open()
  const counts = { handlers: 0, stored: 0 }
  const property = fc.asyncProperty(handlers, asked, async (acts, by) => {
    const played = await pair.play(acts, by)
    counts.handlers += 1
    if (played.next.isHit) counts.stored += 1
    const found = fault(played)
    if (found !== undefined) throw new Error(found)
  })
  try {
    const { failed, counterexample, errorInstance } = await fc.check(property, { numRuns: cases, seed })
    return { counts, faults: failed ? [`${JSON.stringify(counterexample)}: ${String(errorInstance)}`] : [] }
  } finally {
    await pair.close()
  }
}
