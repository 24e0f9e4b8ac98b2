import { describe, expect, it } from 'vitest'
import { entrySize, type MemorySlot, MemoryTier } from '../../../src/core/tiers/memory-tier.js'

function slot(body = 'x', meta = '', tags: readonly string[] = []): MemorySlot {
  return {
    entry: { storedAt: 0, staleAt: 1, deleteAt: 1, tags, meta, body: Buffer.from(body), memo: undefined },
    sequence: 0,
    softened: false,
    knownAt: 0,
    stamp: { incarnation: '-', position: 0 },
    writtenIn: undefined,
  }
}

function make(maxEntries: number, maxBytes = 1_000_000): { tier: MemoryTier; evicted: string[] } {
  const evicted: string[] = []
  return { evicted, tier: new MemoryTier(maxEntries, maxBytes, (key, reason) => evicted.push(`${key} ${reason}`)) }
}

describe('MemoryTier', () => {
  it('evicts what has not been used for longest', () => {
    const { tier, evicted } = make(3)
    for (const key of ['a', 'b', 'c']) tier.put(key, slot())
    tier.get('a')
    tier.put('d', slot())
    expect(evicted).toEqual(['b size'])
    expect(tier.keys()).toEqual(['c', 'a', 'd'])
  })

  it('does not count a peek as use', () => {
    const { tier, evicted } = make(2)
    tier.put('a', slot())
    tier.put('b', slot())
    tier.peek('a')
    tier.put('c', slot())
    expect(evicted).toEqual(['a size'])
  })

  it('evicts nothing when a key is written again, and takes it for the newest', () => {
    const { tier, evicted } = make(2)
    tier.put('a', slot())
    tier.put('b', slot())
    tier.put('a', slot('y'))
    expect(evicted).toEqual([])
    expect(tier.keys()).toEqual(['b', 'a'])
  })

  it('keeps to its bytes, counting key, tags, meta and bookkeeping', () => {
    const one = slot('x'.repeat(1000), 'meta', ['tag'])
    const size = 1000 + 'a'.length + 'meta'.length + '["tag"]'.length + 380
    const { tier, evicted } = make(100, 2 * size)
    tier.put('a', one)
    expect(entrySize('a', one.entry)).toBe(size)
    tier.put('b', slot('x'.repeat(1000), 'meta', ['tag']))
    expect(tier.stats()).toEqual({ entries: 2, bytes: 2 * size, maxEntries: 100, maxBytes: 2 * size })
    tier.put('c', slot())
    expect(evicted).toEqual(['a size'])
  })

  it('does not keep what is larger than all of it, nor what that would replace, and leaves the rest alone', () => {
    const { tier, evicted } = make(100, 2000)
    tier.put('a', slot('old'))
    tier.put('b', slot('other'))
    expect(tier.put('b', slot('other'))).toBe(true)
    expect(tier.put('a', slot('x'.repeat(3000)))).toBe(false)
    expect(tier.peek('a')).toBeUndefined()
    expect(tier.keys()).toEqual(['b'])
    expect(evicted).toEqual([])
    expect(tier.stats().entries).toBe(1)
  })

  it('counts the texts beside a large body twice, as strings of two bytes', () => {
    const { tier } = make(100)
    tier.put('a', slot('x'.repeat(100_000), 'meta', ['tag']))
    expect(tier.stats().bytes).toBe(100_000 + 2 * ('meta'.length + '["tag"]'.length) + 'a'.length + 620)
  })

  it('counts the buffer that a large body has to itself', () => {
    const { tier } = make(100)
    const one = slot('x'.repeat(100_000))
    tier.put('a', one)
    expect(tier.stats().bytes).toBe(100_000 + 'a'.length + 620)
  })

  it.each([[2], [8], [Number.POSITIVE_INFINITY]])('counts from zero after it was cleared, with room for %d', (room) => {
    const { tier, evicted } = make(room)
    for (const key of ['a', 'b']) tier.put(key, slot())
    const before = tier.get('a')
    tier.clear()
    expect(tier.stats()).toMatchObject({ entries: 0, bytes: 0 })
    if (before !== undefined) tier.put('c', before)
    tier.put('d', slot('y'))
    expect(tier.stats()).toMatchObject({ entries: 2, bytes: 2 * entrySize('c', tier.get('c')?.entry ?? slot().entry) })
    expect([tier.delete('c'), tier.delete('a'), tier.keys(), evicted]).toEqual([true, false, ['d'], []])
  })

  it('is cleared in much less time than it takes to make room for all entries that it may have', () => {
    const [made, cleared]: [number[], number[]] = [[], []]
    for (let round = 0; round < 3; round++) {
      const startedAt = performance.now()
      const { tier } = make(300_000)
      made.push(performance.now() - startedAt)
      for (const key of ['a', 'b']) tier.put(key, slot())
      const filledAt = performance.now()
      tier.clear()
      cleared.push(performance.now() - filledAt)
    }
    expect(Math.min(...cleared)).toBeLessThan(Math.min(...made) / 2)
  })

  it('does not call a deletion or a clearing an eviction', () => {
    const { tier, evicted } = make(3)
    for (const key of ['a', 'b', 'c']) tier.put(key, slot())
    expect([tier.delete('a'), tier.delete('a')]).toEqual([true, false])
    tier.clear()
    expect(evicted).toEqual([])
    expect(tier.stats()).toMatchObject({ entries: 0, bytes: 0 })
  })

  it('tells the entry that is next to go', () => {
    const { tier } = make(3)
    expect(tier.oldest()).toBeUndefined()
    const first = slot()
    tier.put('a', first)
    tier.put('b', slot())
    expect(tier.oldest()).toBe(first)
  })

  it('takes any text for a key', () => {
    const { tier } = make(20)
    for (const key of ['', '__proto__', 'constructor', 'toString', '\0', '😀', 'x'.repeat(100_000)]) {
      const one = slot(key)
      expect(tier.get(key)).toBeUndefined()
      tier.put(key, one)
      expect(tier.get(key)).toBe(one)
    }
  })
})
