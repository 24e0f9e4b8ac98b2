import { describe, expect, it } from 'vitest'
import { ManualClock } from './manual-clock.js'

describe('ManualClock', () => {
  it('fires timers in order, at their moment, also those set by a timer', () => {
    const clock = new ManualClock()
    const start = clock.monotonic()
    const fired: [string, number][] = []
    const note = (name: string) => (): void => {
      fired.push([name, clock.monotonic() - start])
    }
    clock.setTimer(note('b'), 20)
    clock.setTimer(() => {
      note('a')()
      clock.setTimer(note('a2'), 5)
    }, 10)
    const never = clock.setTimer(note('never'), 15)
    clock.clearTimer(never)
    clock.setTimer(note('late'), 31)
    clock.advance(30)
    expect(fired).toEqual([
      ['a', 10],
      ['a2', 15],
      ['b', 20],
    ])
    expect(clock.pending).toBe(1)
  })

  it('lets the wall clock be wrong without touching timers', () => {
    const clock = new ManualClock(1_000_000)
    let fired = false
    clock.setTimer(() => {
      fired = true
    }, 100)
    clock.setWallClock(1_000_000 - 3_600_000)
    clock.advance(100)
    expect(fired).toBe(true)
    expect(clock.now()).toBe(1_000_000 - 3_600_000 + 100)
  })

  it('gives promises their turn between timers', async () => {
    const clock = new ManualClock()
    let steps = 0
    const sleep = (ms: number): Promise<void> => new Promise((resolve) => clock.setTimer(resolve, ms))
    void (async () => {
      for (; steps < 3; steps++) await sleep(10)
    })()
    await clock.advanceInTurns(30)
    expect(steps).toBe(3)
  })
})
