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
