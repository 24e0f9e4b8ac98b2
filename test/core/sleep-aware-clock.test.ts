import { describe, expect, it } from 'vitest'
import { SleepAwareClock } from '../../src/core/sleep-aware-clock.js'
import { ManualClock } from '../support/manual-clock.js'

const HOUR = 3_600_000

function make(): { machine: ManualClock; clock: SleepAwareClock } {
  const machine = new ManualClock()
  return { machine, clock: new SleepAwareClock(machine) }
}

describe('SleepAwareClock', () => {
  it('counts as the machine does while it is awake', () => {
    const { machine, clock } = make()
    const before = clock.monotonic()
    machine.advance(90_000)
    expect(clock.monotonic() - before).toBe(90_000)
  })

  it('counts an hour of sleep, of which the monotonic clock knows nothing', () => {
    const { machine, clock } = make()
    const before = clock.monotonic()
    machine.setWallClock(machine.now() + HOUR)
    expect(clock.monotonic() - before).toBe(HOUR)
    machine.advance(1000)
    expect(clock.monotonic() - before).toBe(HOUR + 1000)
  })

  it('never goes back, also if the wall clock does', () => {
    const { machine, clock } = make()
    let before = clock.monotonic()
    for (const step of [-HOUR, HOUR, 100, -100, -5 * HOUR, 2 * HOUR]) {
      machine.setWallClock(machine.now() + step)
      const now = clock.monotonic()
      expect(now).toBeGreaterThanOrEqual(before)
      before = now
    }
  })

  it('takes a wall clock that is adjusted in small steps for awake', () => {
    const { machine, clock } = make()
    const before = clock.monotonic()
    for (let step = 0; step < 100; step++) {
      machine.advance(1000)
      machine.setWallClock(machine.now() + 5)
      clock.monotonic()
    }
    expect(clock.monotonic() - before).toBe(100_000)
  })
})
