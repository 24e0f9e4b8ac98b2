import { describe, expect, it } from 'vitest'
import { engineOf, FallbackCache } from '../../../src/core/fallback-cache.js'
import { Flight } from '../../../src/http/protocol/flight.js'
import { RecentlyRefused } from '../../../src/http/store/recently-refused.js'
import { ManualClock } from '../../support/manual-clock.js'

describe('Flight', () => {
  const take = () => {
    const clock = new ManualClock()
    const cache = new FallbackCache({ clock })
    let landings = 0
    const flight = new Flight(engineOf(cache).mark(), engineOf(cache), 10_000, () => landings++)
    return { clock, cache, flight, landings: () => landings }
  }

  it('gives everybody who waits how it landed first', async () => {
    const { flight, landings } = take()
    const waiting = [flight.wait(), flight.wait()]
    flight.land({ kind: 'failed' })
    flight.land({ kind: 'refused' })
    expect(await Promise.all([...waiting, flight.wait()])).toEqual(Array(3).fill({ kind: 'failed' }))
    expect(landings()).toBe(1)
  })

  it('keeps no request waiting beyond its limit, and leaves no timer behind', async () => {
    const { clock, flight } = take()
    const waiting = flight.wait()
    expect(flight.isOverdue).toBe(false)
    clock.advance(10_000)
    expect(await waiting).toEqual({ kind: 'refused' })
    expect(flight.isOverdue).toBe(true)
    const other = take()
    void other.flight.wait()
    other.flight.land({ kind: 'failed' })
    expect(other.clock.pending).toBe(0)
  })

  it('keeps those who wait for half a second from its head on, when its body comes in pieces', async () => {
    const { clock, flight } = take()
    clock.advance(3_000)
    flight.stream()
    const waiting = flight.wait()
    clock.advance(499)
    expect(flight.isOverdue).toBe(false)
    clock.advance(1)
    expect(await waiting).toEqual({ kind: 'refused' })
  })

  it('is not worth joining half a second after its head', () => {
    const { clock, flight } = take()
    flight.stream()
    clock.advance(500)
    expect(flight.isOverdue).toBe(true)
  })

  it('has another request take over when its client has not read for a tenth of a second', async () => {
    const { clock, flight } = take()
    flight.stream()
    const waiting = flight.wait()
    flight.pause()
    clock.advance(60)
    flight.resume()
    clock.advance(60)
    flight.pause()
    clock.advance(99)
    expect(flight.isOverdue).toBe(false)
    clock.advance(1)
    expect(await waiting).toEqual({ kind: 'abandoned' })
  })

  it('tells another process of its end, also when that was before anybody asked', () => {
    const { flight } = take()
    const told: string[] = []
    flight.land({ kind: 'failed' })
    flight.afterwards(({ kind }) => told.push(kind))
    expect(told).toEqual(['failed'])
  })

  it('is counted among what waits as long as it is waited for', () => {
    const { cache, flight } = take()
    void flight.wait()
    void flight.wait()
    expect(cache.stats().waiting).toBe(2)
    flight.land({ kind: 'failed' })
    expect(cache.stats().waiting).toBe(0)
  })
})

describe('RecentlyRefused', () => {
  it('remembers a key for its time, or until it is stored', () => {
    const clock = new ManualClock()
    const refused = new RecentlyRefused(clock)
    refused.add('a', 1_000)
    refused.add('b', 1_000)
    refused.delete('b')
    expect([refused.has('a'), refused.has('b')]).toEqual([true, false])
    clock.advance(1_000)
    expect(refused.has('a')).toBe(false)
  })

  it('forgets the oldest when there are too many', () => {
    const refused = new RecentlyRefused(new ManualClock())
    for (let index = 0; index < 10_001; index++) refused.add(String(index), 1_000)
    expect([refused.has('0'), refused.has('1'), refused.has('10000')]).toEqual([false, true, true])
  })
})
