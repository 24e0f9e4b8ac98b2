import { describe, expect, it } from 'vitest'
import { type Clock, systemClock } from '../../../src/core/clock.js'
import { release } from '../../../src/http/protocol/release.js'
import { ManualClock } from '../../support/manual-clock.js'

describe('release', () => {
  it('gives each the same value, in their order', async () => {
    const order: number[] = []
    const resolves = [0, 1, 2].map((at) => () => order.push(at))
    await release(resolves, 'landing', new ManualClock())
    expect(order).toEqual([0, 1, 2])
  })

  it('lets the event loop turn whenever those who went on have worked for a few milliseconds', async () => {
    let now = 0
    const turns: number[] = []
    const endOfTurn = (run: () => void) => {
      turns.push(now)
      setImmediate(run)
    }
    const clock: Clock = { ...systemClock, monotonic: () => now, endOfTurn }
    const resolves: ((value: string) => void)[] = []
    const done = Array.from({ length: 50 }, async () => {
      const value = await new Promise<string>((resolve) => resolves.push(resolve))
      // As a request does: it looks, and answers a few promises later.
      for (let step = 0; step < 8; step++) await undefined
      now += 2
      return value
    })
    await release(resolves, 'landing', clock)
    expect(await Promise.all(done)).toEqual(Array(50).fill('landing'))
    const slices = turns.map((at, index) => at - (turns[index - 1] ?? 0))
    expect(slices.length).toBeGreaterThan(10)
    expect(Math.max(...slices)).toBeLessThan(10)
  })
})
