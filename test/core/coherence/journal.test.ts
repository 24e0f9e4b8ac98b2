import { describe, expect, it } from 'vitest'
import { firstBatch, inBatches } from '../../../src/core/coherence/batches.js'
import { asking } from '../../../src/core/coherence/confirmations.js'
import type { Cover } from '../../../src/core/coherence/cover.js'
import { type Issued, Journal } from '../../../src/core/coherence/journal.js'
import { Mirror, type Recorded } from '../../../src/core/coherence/mirror.js'
import { Nonces } from '../../../src/core/coherence/nonces.js'
import { ManualClock } from '../../support/manual-clock.js'

function newJournal({ maxBytes = 10_000, clock = new ManualClock() } = {}) {
  const mirror = new Mirror(100_000)
  const journal = new Journal({ mirror, nonces: new Nonces(), clock }, maxBytes)
  const issue = (...keys: readonly string[]): Recorded =>
    mirror.record(
      keys.map((key) => ({ kind: 'key', key })),
      undefined,
    )
  return { journal, mirror, issue, add: (...keys: readonly string[]) => journal.add(issue(...keys)) }
}

const noncesOf = (issued: readonly Issued[]): readonly string[] => issued.map(({ nonce }) => nonce)

describe('Journal', () => {
  it('keeps what waits in order, until the log has it', () => {
    const { journal, add } = newJournal()
    const [first, second, third] = [add('1'), add('2'), add('3')]
    journal.acknowledge(second, 20)
    expect(journal.pending()).toEqual([first, third])
    expect(noncesOf(journal.recent())).toEqual([second.nonce])
  })

  it('gives the mirror the place of what the log has taken', () => {
    const { journal, mirror, add } = newJournal()
    const issued = add('k')
    expect(mirror.coversAfter('k', [], 1000)).toBe(true)
    journal.acknowledge(issued, 20)
    expect([19, 20].map((position) => mirror.coversAfter('k', [], position))).toEqual([true, false])
  })

  it('acknowledges once: a reply that comes twice, or for something folded, changes nothing', () => {
    const { journal, mirror, issue, add } = newJournal()
    const issued = add('k')
    journal.acknowledge(issued, 10)
    journal.acknowledge(issued, 20)
    journal.acknowledge({ nonce: 'unknown', recorded: issue('other') }, 20)
    expect(mirror.newestCovering('k', [])).toBe(10)
    expect(journal.stats()).toEqual({ pending: 0, bytes: 0, maxBytes: 10_000, recent: 1, recentBytes: 182 })
  })

  it('puts an invalidation of everything in the place of what waits, when that is more than may be kept', () => {
    const { journal, mirror, add } = newJournal({ maxBytes: 1000 })
    const first = add('k'.repeat(200))
    expect(journal.pending()).toEqual([first])
    const everything = add('l'.repeat(200))
    expect(everything.recorded.covers).toEqual([{ kind: 'all' }])
    expect(journal.pending()).toEqual([everything])
    expect(journal.recent()).toEqual([])
    expect(mirror.coversAfter('any', [], 1000)).toBe(true)
    journal.acknowledge(everything, 30)
    expect(mirror.coversAfter('any', [], 30)).toBe(false)
    expect(add('k').recorded.covers).toEqual([{ kind: 'key', key: 'k' }])
  })

  it('remembers what the log took for a minute', () => {
    const clock = new ManualClock()
    const { journal, add } = newJournal({ clock })
    const take = (position: number): string => {
      const issued = add('k')
      journal.acknowledge(issued, position)
      return issued.nonce
    }
    const first = take(10)
    clock.advance(59_999)
    const second = take(20)
    expect(noncesOf(journal.recent())).toEqual([first, second])
    clock.advance(1)
    const third = take(30)
    expect(noncesOf(journal.recent())).toEqual([second, third])
    expect(noncesOf(journal.recent(20))).toEqual([third])
  })

  it('gives what was repeated the place it has in the new life of the log', () => {
    const { journal, add } = newJournal()
    const issued = add('k')
    journal.acknowledge(issued, 10)
    journal.repeated(issued, 7)
    expect([journal.recent(6), journal.recent(7)].map((recent) => recent.length)).toEqual([1, 0])
  })

  it('lets nothing go while the log takes nothing: an outage may be long', () => {
    const clock = new ManualClock()
    const { journal, add } = newJournal({ clock })
    journal.acknowledge(add('k'), 10)
    clock.advance(3_600_000)
    expect(journal.recent()).toHaveLength(1)
  })

  it('remembers no more of it than fits, the newest', () => {
    const { journal, add } = newJournal({ maxBytes: 2000 })
    let last = ''
    for (let position = 1; position <= 100; position++) {
      const issued = add('k'.repeat(100))
      journal.acknowledge(issued, position)
      last = issued.nonce
    }
    const recent = noncesOf(journal.recent())
    expect(recent.length).toBeLessThanOrEqual(2000 / 380)
    expect(recent.at(-1)).toBe(last)
  })

  it('counts the bytes of every kind of cover', () => {
    const { journal, mirror } = newJournal()
    const covers: Cover[] = [
      { kind: 'key', key: 'x'.repeat(100) },
      { kind: 'prefix', prefix: 'x'.repeat(100), ignoreCase: true },
      { kind: 'tag', tag: 'x'.repeat(100) },
      { kind: 'all' },
    ]
    const issued = journal.add(mirror.record(covers, undefined))
    expect(journal.stats().bytes).toBe(120 + 4 * 60 + 3 * 200)
    journal.acknowledge(issued, 10)
    expect(journal.stats().bytes).toBe(0)
  })
})

describe('batches of invalidations', () => {
  const issued = (covers: readonly Cover[], nonce = 'n'): Issued => ({ nonce, recorded: { covers, sequence: 1 } })
  const keys = (count: number, name = 'k'): Cover[] =>
    Array.from({ length: count }, (_, index) => ({ kind: 'key', key: `${name}${index}` }))
  const sizes = (all: readonly Issued[]): number[] => [...inBatches(all)].map((batch) => batch.length)

  it('hold as many as fit a record, each once and in their order', () => {
    const all = Array.from({ length: 205 }, (_, index) => issued(keys(1), `n${index}`))
    expect([...inBatches(all)].flat()).toEqual(all)
    expect(sizes(all)).toEqual([80, 80, 45])
    expect(sizes([])).toEqual([])
  })

  it('end where the covers or their names are too many for a record', () => {
    expect(sizes([issued(keys(50)), issued(keys(30)), issued(keys(1))])).toEqual([2, 1])
    expect(sizes([issued(keys(50)), issued(keys(31)), issued(keys(1))])).toEqual([1, 2])
    const long = Array.from({ length: 70 }, () => issued(keys(1, 'k'.repeat(250))))
    expect(sizes(long)).toEqual([32, 32, 6])
  })

  it('hold one alone that fills a record, or that other processes are asked to confirm', () => {
    expect(sizes([issued(keys(80)), issued(keys(1))])).toEqual([1, 1])
    expect(sizes([issued(keys(1)), issued(keys(1), asking('n')), issued(keys(1)), issued(keys(1))])).toEqual([1, 1, 2])
  })

  it('begin with the one whose turn it is, and go on with those that wait longest', () => {
    const [first, second, third] = [issued(keys(1), 'a'), issued(keys(1), 'b'), issued(keys(1), 'c')]
    expect(firstBatch(second, [first, second, third])).toEqual([second, first, third])
    expect(firstBatch(issued(keys(1), asking('d')), [first])).toHaveLength(1)
  })
})
