import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isDueEarly, shortened } from '../../src/core/early-refresh.js'

describe('shortened', () => {
  it('leaves the moments alone without jitter', () => {
    const moments = { staleAt: 1000, deleteAt: 2000 }
    expect(shortened(moments, 0, 0, () => 0.999)).toEqual({ storedAt: 0, ...moments })
  })

  it('cuts a part of the freshness lifetime, and keeps the time it may be used stale', () => {
    expect(shortened({ staleAt: 1100, deleteAt: 1600 }, 100, 0.2, () => 0.5)).toEqual({
      storedAt: 100,
      staleAt: 1000,
      deleteAt: 1500,
    })
  })

  it('never makes a lifetime longer, nor shorter than 1 − jitter, in whole milliseconds', () => {
    const unit = fc.double({ min: 0, max: 0.999_999, noNaN: true })
    fc.assert(
      fc.property(fc.nat({ max: 1e9 }), fc.nat({ max: 1e9 }), unit, unit, (lifetime, extra, jitter, random) => {
        const entry = { staleAt: 5 + lifetime, deleteAt: 5 + lifetime + extra }
        const cut = shortened(entry, 5, jitter, () => random)
        expect(Number.isInteger(cut.staleAt)).toBe(true)
        expect(cut.staleAt).toBeLessThanOrEqual(entry.staleAt)
        expect(cut.staleAt - 5).toBeGreaterThanOrEqual(Math.floor(lifetime * (1 - jitter)) - 1)
        expect(cut.deleteAt - cut.staleAt).toBe(extra)
      }),
    )
  })

  it('does not touch a lifetime that is over', () => {
    expect(shortened({ staleAt: 50, deleteAt: 500 }, 100, 1, () => 0.9)).toMatchObject({ staleAt: 50, deleteAt: 500 })
  })
})

describe('isDueEarly', () => {
  it('never asks with a beta of 0, or when the cost of the entry is unknown', () => {
    expect(isDueEarly({ staleAt: 1000, cost: 1e9 }, 0, 999, () => 0.999)).toBe(false)
    expect(isDueEarly({ staleAt: 1000, cost: 0 }, 1, 999, () => 0.999)).toBe(false)
  })

  it('is now − cost × beta × ln(random) ≥ staleAt', () => {
    // random 1 − 1/e: the logarithm is −1, so the entry is due cost × beta before its end.
    const random = (): number => 1 - 1 / Math.E
    expect(isDueEarly({ staleAt: 1000, cost: 100 }, 2, 799, random)).toBe(false)
    expect(isDueEarly({ staleAt: 1000, cost: 100 }, 2, 801, random)).toBe(true)
  })

  it('does not divide by the border of random: 0 is not due, nearly 1 is far ahead', () => {
    expect(isDueEarly({ staleAt: 1000, cost: 100 }, 1, 999, () => 0)).toBe(false)
    expect(isDueEarly({ staleAt: 1000, cost: 100 }, 1, 0, () => 1 - Number.EPSILON)).toBe(true)
  })

  it('is due early as often as the exponential distribution says', () => {
    // At a distance of d from the end: P = exp(−d / (cost × beta)).
    for (const [distance, cost, beta] of [
      [100, 100, 1],
      [100, 50, 1],
      [200, 100, 3],
    ] as const) {
      const random = generator(42)
      let due = 0
      const draws = 20_000
      for (let draw = 0; draw < draws; draw++)
        if (isDueEarly({ staleAt: 1000, cost: cost }, beta, 1000 - distance, random)) due++
      const expected = Math.exp(-distance / (cost * beta))
      const deviation = Math.sqrt((expected * (1 - expected)) / draws)
      expect(Math.abs(due / draws - expected)).toBeLessThan(5 * deviation)
    }
  })
})

/** mulberry32: the same numbers in every run. */
function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
