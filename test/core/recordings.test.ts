import { describe, expect, it } from 'vitest'
import { type OpenRecording, Recordings } from '../../src/core/recordings.js'
import { ManualClock } from '../support/manual-clock.js'

describe('Recordings', () => {
  const open = (maxBytes: number) => {
    const clock = new ManualClock()
    const dropped: string[] = []
    const recordings = new Recordings(clock, maxBytes)
    const one = (name: string, endsAt = clock.monotonic() + 1_000): OpenRecording => ({
      endsAt,
      drop: (reason) => dropped.push(`${name} ${reason}`),
    })
    return { clock, recordings, dropped, one }
  }

  it('counts what is recorded until it ends', () => {
    const { recordings, one } = open(10_000)
    const [first, second] = [one('first'), one('second')]
    recordings.grow(first, 1_000)
    recordings.grow(second, 1_000)
    recordings.grow(first, 1_000)
    expect(recordings.stats()).toMatchObject({ open: 2, maxBytes: 10_000 })
    expect(recordings.stats().bytes).toBeGreaterThanOrEqual(3_000)
    recordings.end(first)
    recordings.end(first)
    recordings.end(second)
    expect(recordings.stats()).toEqual({ open: 0, bytes: 0, maxBytes: 10_000 })
  })

  it('drops what has not grown for the longest time, and never holds more than its room', () => {
    const { recordings, dropped, one } = open(10_000)
    const [stalled, moving, late] = [one('stalled'), one('moving'), one('late')]
    recordings.grow(stalled, 4_000)
    recordings.grow(moving, 2_000)
    recordings.grow(moving, 2_000)
    recordings.grow(late, 4_000)
    expect(dropped).toEqual(['stalled recordings-full'])
    expect(recordings.stats().bytes).toBeLessThanOrEqual(10_000)
  })

  it('drops what is larger than all room', () => {
    const { recordings, dropped, one } = open(10_000)
    recordings.grow(one('huge'), 10_001)
    expect(dropped).toEqual(['huge recordings-full'])
    expect(recordings.stats().bytes).toBe(0)
  })

  it('counts what small chunks take beside their bytes', () => {
    const { recordings, dropped, one } = open(10_000)
    const dripping = one('dripping')
    for (let chunk = 0; chunk < 200 && dropped.length === 0; chunk++) recordings.grow(dripping, 1)
    expect(dropped).toEqual(['dripping recordings-full'])
  })

  it('ends each at its time, whether it grows or not, and leaves no timer behind', () => {
    const { clock, recordings, dropped, one } = open(10_000)
    const early = one('early', clock.monotonic() + 500)
    recordings.grow(one('late'), 10)
    recordings.grow(early, 10)
    clock.advance(501)
    clock.advance(500)
    expect(dropped.toSorted()).toEqual(['early too-slow', 'late too-slow'])
    expect(clock.pending).toBe(0)
  })

  it('takes bytes up to its end, and to the last byte of its room', () => {
    const { clock, recordings, dropped, one } = open(10_000)
    const last = one('last', clock.monotonic() + 500)
    clock.advance(500)
    recordings.grow(last, 10_000 - 128)
    expect([dropped, recordings.stats().bytes]).toEqual([[], 10_000])
    clock.advance(1)
    expect(dropped).toEqual(['last too-slow'])
  })

  it('has one timer while it has recordings, and none when the last one ends', () => {
    const { clock, recordings, dropped, one } = open(10_000)
    const [first, second] = [one('first'), one('second', clock.monotonic() + 2_000)]
    for (const recording of [first, second, first]) recordings.grow(recording, 10)
    expect(clock.pending).toBe(1)
    recordings.end(first)
    expect(clock.pending).toBe(1)
    clock.advance(1_500)
    expect([dropped, clock.pending]).toEqual([[], 1])
    recordings.end(second)
    expect(clock.pending).toBe(0)
    recordings.grow(one('third'), 10)
    expect(clock.pending).toBe(1)
    clock.advance(1_001)
    expect([dropped, clock.pending]).toEqual([['third too-slow'], 0])
  })

  it.each([
    ['before', ['early', 'late']],
    ['after', ['late', 'early']],
  ])('drops at its time what began to grow %s what ends later', (_title, names) => {
    const { clock, recordings, dropped, one } = open(10_000)
    const ends = clock.monotonic() + 500
    for (const name of names) recordings.grow(one(name, name === 'early' ? ends : ends + 500), 10)
    expect(clock.pending).toBe(1)
    clock.advance(501)
    expect(dropped).toEqual(['early too-slow'])
    clock.advance(499)
    expect(dropped).toEqual(['early too-slow'])
    clock.advance(1)
    expect(dropped).toEqual(['early too-slow', 'late too-slow'])
  })

  it('takes nothing for one whose time is over', () => {
    const { clock, recordings, dropped, one } = open(10_000)
    const over = one('over', clock.monotonic() - 1)
    recordings.grow(over, 10)
    expect(dropped).toEqual(['over too-slow'])
    expect(recordings.stats()).toMatchObject({ open: 0, bytes: 0 })
    expect(clock.pending).toBe(0)
  })
})
