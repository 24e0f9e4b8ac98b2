import { describe, expect, it } from 'vitest'
import { fuzzKeys } from './keys.js'

describe('npm run fuzz -- keys', () => {
  it.each([1, Date.now() % 2 ** 31])(
    'finds no two requests that the key takes for one and a parser tells apart (seed %i)',
    (seed) => {
      const { counts, faults } = fuzzKeys(8_000, seed)
      expect(faults).toEqual([])
      for (const { pairs, equated } of Object.values(counts)) {
        expect(pairs).toBe(2_000)
        expect(equated).toBeGreaterThan(0)
      }
    },
  )
})
