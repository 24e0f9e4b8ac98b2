import { describe, expect, it } from 'vitest'
import { History } from '../../src/dashboard/history.js'
import { type CacheStats, FallbackCache } from '../../src/index.js'

/** A history of 15 minutes, in which Redis was lost at some of its 450 samples. */
function historyOf(isLost: (index: number) => boolean): History {
  const stats = new FallbackCache().stats()
  const history = new History()
  for (let index = 0; index < 450; index++) {
    const connected = !isLost(index)
    history.add({ ...stats, connected } as CacheStats, index * 2000)
  }
  return history
}

describe('a history', () => {
  it('has 15 minutes, also of a process that is often suspended', () => {
    const stats = new FallbackCache().stats()
    const history = new History()
    for (let index = 0; index < 450; index++) history.add(stats, index * 40_000)
    const times = history.samplesAfter(0).map(({ at }) => at / 1000)
    expect([times[0], times.at(-1)]).toEqual([449 * 40 - 880, 449 * 40])
    expect(history.outline.length).toBeLessThanOrEqual(60)
  })

  it('begins again if the clock is set back', () => {
    const stats = new FallbackCache().stats()
    const history = new History()
    for (const at of [1_000_000, 1_002_000, 500_000, 502_000]) history.add(stats, at)
    expect(history.samplesAfter(0).map(({ at }) => at)).toEqual([500_000, 502_000])
  })
})

describe('the outline of a history', () => {
  it('has a sample for each half minute, and the last ones', () => {
    const times = historyOf(() => false).outline.map(({ at }) => at / 1000)
    expect(times.slice(0, 3)).toEqual([0, 30, 60])
    expect(times.slice(-5)).toEqual([890, 892, 894, 896, 898])
    expect(times).toHaveLength(35)
  })

  it('has the samples at which Redis was lost and came back, so that an outage is as long as it was', () => {
    const { outline } = historyOf((index) => index >= 104 && index < 109)
    const around = outline.filter(({ at }) => at > 180_000 && at < 240_000)
    expect(around.map(({ at, connected }) => [at / 1000, connected])).toEqual([
      [206, true],
      [208, false],
      [210, false],
      [216, false],
      [218, true],
    ])
  })

  it('stays short if Redis is lost again and again', () => {
    expect(historyOf((index) => index % 2 === 0).outline.length).toBeLessThanOrEqual(60)
  })
})
