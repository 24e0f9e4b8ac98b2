import { describe, expect, it } from 'vitest'
import { fuzzFrames } from './frames.js'

describe('npm run fuzz -- frames', () => {
  // The second has an entry with an object in place of a number.
  it.each([1, 709457698, Date.now() % 2 ** 31])(
    'finds no entry that is read as another one, and no bytes that throw (seed %i)',
    async (seed) => {
      const { counts, faults } = await fuzzFrames(2_000, seed)
      expect(faults).toEqual([])
      expect(counts.responses).toBeGreaterThan(500)
    },
  )
})
