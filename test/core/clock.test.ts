import { describe, expect, it, vi } from 'vitest'
import { systemClock } from '../../src/core/clock.js'

describe('systemClock', () => {
  it('does not fire a timer at once that is longer than node can hold', async () => {
    const run = vi.fn()
    const timer = systemClock.setTimer(run, 60 * 24 * 3600 * 1000)
    await turns(20)
    expect(run).not.toHaveBeenCalled()
    systemClock.clearTimer(timer)
  })

  it('does not fire a timer that was taken back, even when its time had come', async () => {
    const run = vi.fn()
    const timer = systemClock.setTimer(run, 1)
    const end = performance.now() + 5
    while (performance.now() < end);
    systemClock.clearTimer(timer)
    await turns(5)
    expect(run).not.toHaveBeenCalled()
  })

  it('ignores a timer that is none, and one that has fired', async () => {
    systemClock.clearTimer(undefined)
    await new Promise<void>((resolve) => {
      const timer = systemClock.setTimer(() => {
        systemClock.clearTimer(timer)
        resolve()
      }, 0)
    })
  })

  it('keeps its own timers and its own monotonic time under the fake timers of a test runner', async () => {
    vi.useFakeTimers()
    try {
      const before = systemClock.monotonic()
      const fired = new Promise<void>((resolve) => systemClock.setTimer(resolve, 5))
      await Promise.all([fired, new Promise<void>((resolve) => systemClock.endOfTurn(resolve))])
      expect(systemClock.monotonic() - before).toBeGreaterThan(3)
      vi.setSystemTime(0)
      expect(systemClock.now()).toBe(0)
    } finally {
      vi.useRealTimers()
    }
  })
})

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) {
    await new Promise<void>((resolve) => {
      setTimeout(resolve, 1)
    })
  }
}
