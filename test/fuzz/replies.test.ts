import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Mangled, plays } from './replies.js'

describe('npm run fuzz -- replies', () => {
  let mangled: Mangled
  beforeAll(async () => {
    mangled = await Mangled.open()
  })
  afterAll(() => mangled.close())

  it('finds no wrong answer, no rejection and no lasting outage, whichever replies go missing, come twice or are others', async () => {
    const property = fc.asyncProperty(plays, async (play) => {
      expect(await mangled.play(play)).toEqual([])
    })
    await fc.assert(property, { numRuns: 15, interruptAfterTimeLimit: 10_000 })
  }, 60_000)
})
