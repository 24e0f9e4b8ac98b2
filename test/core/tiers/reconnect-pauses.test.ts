import { describe, expect, it } from 'vitest'
import { ReconnectPauses } from '../../../src/core/tiers/reconnect-pauses.js'

describe('ReconnectPauses', () => {
  const within = (pause: number, least: number): void => {
    expect(pause).toBeGreaterThanOrEqual(least)
    expect(pause).toBeLessThan(least + 100)
  }

  it('double up to two seconds, and begin again once a connection is trusted', () => {
    const pauses = new ReconnectPauses()
    for (const least of [50, 100, 200, 400, 800, 1600, 2000, 2000]) within(pauses.next(), least)
    pauses.settle()
    within(pauses.next(), 50)
  })

  it('go on to five seconds where the server refuses', () => {
    const pauses = new ReconnectPauses()
    pauses.refused()
    for (let attempt = 0; attempt < 20; attempt++) pauses.next()
    within(pauses.next(), 5000)
  })
})
