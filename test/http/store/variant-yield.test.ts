import { describe, expect, it } from 'vitest'
import { VariantYield } from '../../../src/http/store/variant-yield.js'

describe('VariantYield', () => {
  it('gives up after 32 new variants of which no request found one, for a minute', () => {
    const variants = new VariantYield()
    for (let at = 0; at < 31; at++) variants.store(at)
    expect(variants.isGivenUp(31)).toBe(false)
    variants.store(31)
    expect([variants.isGivenUp(32), variants.isGivenUp(60_030), variants.isGivenUp(60_031)]).toEqual([
      true,
      true,
      false,
    ])
  })

  it('goes on where one request for eight new variants finds one', () => {
    const variants = new VariantYield()
    for (let at = 0; at < 320; at++) {
      if (at % 8 === 0) variants.find()
      variants.store(at)
      expect(variants.isGivenUp(at)).toBe(false)
    }
  })
})
