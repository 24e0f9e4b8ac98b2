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

  it('has no function of more than 60 lines', () => {
    expect(house.longFunctions).toEqual([])
  })

  it('has no signature of more than four parameters', () => {
    expect(house.longSignatures).toEqual([])
  })

  it('casts by way of unknown only where it relies on private parts of Node.js', () => {
    const isPrivate = ({ file }: { readonly file: string }) => file.startsWith('src/middleware/node-internals/')
    expect(house.casts.filter((cast) => !isPrivate(cast))).toEqual([])
  })

  it('has no word that needs the sentence before it', () => {
    expect(house.unclearWords).toEqual([])
  })
})
