import { describe, expect, it } from 'vitest'
import type { Cover } from '../../../src/core/coherence/cover.js'
import { type Issued, Journal } from '../../../src/core/coherence/journal.js'
import { ManualClock } from '../../support/manual-clock.js'

function issued(nonce: string, ...keys: readonly string[]): Issued {
  const covers: Cover[] = keys.map((key) => ({ kind: 'key', key }))
  return { nonce, recorded: { covers, sequence: 1 } }
}

describe('Journal', () => {
  it('keeps what waits in order, until the log has it', () => {
    const journal = new Journal(new ManualClock(), 10_000)
    for (const nonce of ['1', '2', '3']) journal.add(issued(nonce, 'k'))
    expect(journal.isWaiting('2')).toBe(true)
    expect(journal.acknowledge('2', 20)?.nonce).toBe('2')
    expect(journal.isWaiting('2')).toBe(false)
    expect(journal.pending().map(({ nonce }) => nonce)).toEqual(['1', '3'])
    expect(journal.recent().map(({ nonce }) => nonce)).toEqual(['2'])
  })

  it('acknowledges once: a reply that comes twice, or for something folded, changes nothing', () => {
    const journal = new Journal(new ManualClock(), 10_000)
    journal.add(issued('1', 'k'))
    journal.acknowledge('1', 10)
    expect(journal.acknowledge('1', 10)).toBeUndefined()
    expect(journal.acknowledge('unknown', 10)).toBeUndefined()
    expect(journal.stats()).toEqual({ pending: 0, bytes: 0, maxBytes: 10_000, recent: 1, recentBytes: 182 })
  })

  it('says when more waits than may be kept', () => {
    const journal = new Journal(new ManualClock(), 1000)
    expect(journal.add(issued('1', 'k'.repeat(200)))).toBe(false)
    expect(journal.add(issued('2', 'k'.repeat(200)))).toBe(true)
    journal.drop('1')
    expect(journal.add(issued('3', 'k'))).toBe(false)
    expect(journal.recent()).toEqual([])
  })

  it('remembers what the log took for a minute, and up to where it does not', () => {
    const clock = new ManualClock()
    const journal = new Journal(clock, 10_000)
    const take = (nonce: string, position: number) => {
      journal.add(issued(nonce, 'k'))
      journal.acknowledge(nonce, position)
    }
    take('1', 10)
    clock.advance(59_999)
    take('2', 20)
    expect(journal.recent().map(({ nonce }) => nonce)).toEqual(['1', '2'])
    expect(journal.forgottenUpTo).toBe(0)
    clock.advance(1)
    take('3', 30)
    expect(journal.recent().map(({ nonce }) => nonce)).toEqual(['2', '3'])
    expect(journal.forgottenUpTo).toBe(10)
  })

  it('lets nothing go while the log takes nothing: an outage may be long', () => {
    const clock = new ManualClock()
    const journal = new Journal(clock, 10_000)
    journal.add(issued('1', 'k'))
    journal.acknowledge('1', 10)
    clock.advance(3_600_000)
    expect(journal.recent()).toHaveLength(1)
  })

  it('remembers no more of it than fits, the newest', () => {
    const journal = new Journal(new ManualClock(), 2000)
    for (let index = 0; index < 100; index++) {
      journal.add(issued(String(index), 'k'.repeat(100)))
      journal.acknowledge(String(index), index + 1)
    }
    const recent = journal.recent().map(({ nonce }) => nonce)
    expect(recent.length).toBeLessThanOrEqual(2000 / 380)
    expect(recent.at(-1)).toBe('99')
  })

  it('counts the bytes of every kind of cover', () => {
    const journal = new Journal(new ManualClock(), 10_000)
    const covers: Cover[] = [
      { kind: 'key', key: 'x'.repeat(100) },
      { kind: 'prefix', prefix: 'x'.repeat(100), ignoreCase: true },
      { kind: 'tag', tag: 'x'.repeat(100) },
      { kind: 'all' },
    ]
    journal.add({ nonce: '1', recorded: { covers, sequence: 1 } })
    expect(journal.stats().bytes).toBe(120 + 4 * 60 + 3 * 200)
    journal.drop('1')
    expect(journal.stats().bytes).toBe(0)
  })
})
