import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { fuzzVisitors } from './fuzz-visitors.js'
import { asked, fault, handlers, Pair } from './handlers.js'

describe('a handler, with its calls in any order', () => {
  const pairs: Promise<Pair>[] = []
  afterAll(async () => {
    for (const pair of pairs) await (await pair).close()
  })

  it('is seen behind the cache as it is without one, and stored whole or not at all', async () => {
    const opening = new Pair().open()
    pairs.push(opening)
    const pair = await opening
    const property = fc.asyncProperty(handlers, asked, async (acts, by) => {
      expect(fault(await pair.play(acts, by))).toBeUndefined()
    })
    await fc.assert(property, { numRuns: 300, interruptAfterTimeLimit: 15_000 })
  }, 30_000)
})

describe('npm run fuzz -- visitors', () => {
  it('finds no visitor who gets anything else than without the cache (seed 1), and enough who have hits', async () => {
    const { counts, faults } = await fuzzVisitors(60, 1)
    expect(faults).toEqual([])
    expect(counts.hits).toBeGreaterThan(5)
  }, 60_000)

  // How many of so few visitors have a hit is left to chance.
  it.each([Date.now() % 2 ** 31])(
    'finds none with another seed each time (seed %i)',
    async (seed) => {
      const { counts, faults } = await fuzzVisitors(60, seed)
      expect(faults).toEqual([])
      expect(counts.visits).toBeGreaterThan(60)
    },
    60_000,
  )
})
