import { describe, expect, it } from 'vitest'
import { measure } from '../../scripts/house.mjs'

describe('the structure of src', () => {
  const house = measure()

  it('has no import against the order of its folders', () => {
    expect(house.arrows.filter(({ isAgainst }) => isAgainst)).toEqual([])
  })

  it('exports each name once', () => {
    expect(house.sameNames).toEqual([])
  })
})
