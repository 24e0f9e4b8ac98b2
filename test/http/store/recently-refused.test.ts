import { describe, expect, it } from 'vitest'
import { RecentlyRefused } from '../../../src/http/store/recently-refused.js'
import { ManualClock } from '../../support/manual-clock.js'

describe('RecentlyRefused', () => {
  it('remembers a key for its time', () => {
    const clock = new ManualClock()
    const refused = new RecentlyRefused(clock)
    refused.add('/a', 1_000)
    expect(refused.has('/a')).toBe(true)
    clock.advance(1_000)
    expect(refused.has('/a')).toBe(false)
  })

  it('keeps no long keys, of which a client could send ten thousand', () => {
    const refused = new RecentlyRefused(new ManualClock())
    const key = `/${'x'.repeat(12_000)}`
    refused.add(key, 1_000)
    expect(refused.has(key)).toBe(false)
    refused.note(key, 'private')
    expect(refused.last(key)).toBeUndefined()
    const longest = key.slice(0, 1_024)
    refused.add(longest, 1_000)
    expect(refused.has(longest)).toBe(true)
  })

  it('forgets the keys that were refused longest ago when there are ten thousand', () => {
    const refused = new RecentlyRefused(new ManualClock())
    for (let at = 0; at < 10_000; at++) refused.add(`/${at}`, 1_000)
    expect(refused.has('/0')).toBe(true)
    refused.add('/0', 1_000)
    refused.add('/new', 1_000)
    refused.add('/newer', 1_000)
    const kept = ['/0', '/1', '/2', '/3', '/9999', '/new', '/newer'].filter((key) => refused.has(key))
    expect(kept).toEqual(['/0', '/3', '/9999', '/new', '/newer'])
  })

  it('forgets the oldest reasons when there are a thousand', () => {
    const refused = new RecentlyRefused(new ManualClock())
    for (let at = 0; at <= 1_000; at++) refused.note(`/${at}`, 'private')
    expect(['/0', '/1', '/1000'].map((key) => refused.last(key)?.reason)).toEqual([undefined, 'private', 'private'])
  })

  it('forgets a key of which a response was stored', () => {
    const refused = new RecentlyRefused(new ManualClock())
    refused.add('/a', 1_000)
    refused.delete('/a')
    expect([refused.has('/a'), refused.has('/b')]).toEqual([false, false])
  })

  it('tells which input was the reason, if there was one', () => {
    const clock = new ManualClock()
    const refused = new RecentlyRefused(clock)
    refused.note('/a', 'private', 'cookie:theme')
    expect(refused.last('/a')).toEqual({ reason: 'private', at: clock.now(), input: 'cookie:theme' })
    refused.note('/a', 'private')
    expect(Object.keys(refused.last('/a') ?? {})).toEqual(['reason', 'at'])
  })

  it('tells afterwards why the last response of a key was refused, until one is stored', () => {
    const clock = new ManualClock()
    const refused = new RecentlyRefused(clock)
    refused.note('/a', 'private')
    expect(refused.has('/a')).toBe(false)
    expect(refused.last('/a')).toEqual({ reason: 'private', at: clock.now() })
    expect(refused.last('/b')).toBeUndefined()
    refused.delete('/a')
    expect(refused.last('/a')).toBeUndefined()
  })
})
