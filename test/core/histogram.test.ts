import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { addedDurations, Histogram } from '../../src/core/histogram.js'

function bucketsOf(...milliseconds: readonly number[]): Readonly<Record<string, number>> {
  const histogram = new Histogram()
  for (const one of milliseconds) histogram.record(one)
  return histogram.stats().buckets
}

describe('Histogram', () => {
  it('counts a duration up to and including the bound of its bucket', () => {
    expect(bucketsOf(0, 0.05, 0.1)).toEqual({ '0.0001': 3 })
    expect(bucketsOf(0.11, 0.15)).toEqual({ '0.00015': 2 })
    expect(bucketsOf(1, 1.01, 1.5, 9.6, 10, 10.1)).toEqual({ '0.001': 1, '0.0015': 2, '0.01': 2, '0.015': 1 })
    expect(bucketsOf(100_000, 100_001, Number.POSITIVE_INFINITY)).toEqual({ '100': 1, Infinity: 2 })
  })

  it('puts each duration between the bounds of its bucket, which are at most half as far apart again', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.1001, max: 99_999, noNaN: true }), (milliseconds) => {
        const [bound = ''] = Object.keys(bucketsOf(milliseconds))
        const upper = Number(bound) * 1000
        expect(milliseconds).toBeLessThanOrEqual(upper * (1 + 1e-9))
        expect(upper).toBeLessThanOrEqual(milliseconds * 1.5 * (1 + 1e-9))
      }),
    )
  })

  it('has the bounds of the usual histograms of HTTP servers', () => {
    for (const seconds of [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]) {
      expect(bucketsOf(seconds * 1000)).toEqual({ [seconds]: 1 })
    }
  })

  it('keeps the sum, and those of several processes can be added', () => {
    const [one, other] = [new Histogram(), new Histogram()]
    for (const milliseconds of [250, 500]) one.record(milliseconds)
    other.record(500)
    expect(addedDurations([one.stats(), other.stats()])).toEqual({
      count: 3,
      seconds: 1.25,
      buckets: { '0.25': 1, '0.5': 2 },
    })
  })
})
