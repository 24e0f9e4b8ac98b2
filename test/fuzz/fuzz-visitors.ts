import { Agent } from 'node:http'
import fc from 'fast-check'
import { Visited } from './visitors.js'
import { programs, visits } from './visitors-programs.js'

/** Plays random applications for several visitors, and stops at the first fault, made as small as it gets. */
export async function fuzzVisitors(
  cases: number,
  seed: number,
): Promise<{ readonly counts: Readonly<Record<string, number>>; readonly faults: readonly string[] }> {
  const visited = await new Visited(new Agent({ keepAlive: true })).open()
  const property = fc.asyncProperty(
    fc.constantFrom(...visited.names),
    programs,
    visits,
    fc.boolean(),
    async (name, program, all, atOnce) => {
      const found = await visited.play(name, program, all, atOnce)
      if (found !== undefined) throw new Error(found)
    },
  )
  try {
    const { failed, counterexample, errorInstance } = await fc.check(property, { numRuns: cases, seed })
    const faults = failed ? [`${JSON.stringify(counterexample)}: ${String(errorInstance)}`] : []
    return { counts: visited.counts, faults }
  } finally {
    await visited.close()
  }
}
