import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Entry } from '../../../src/core/entry.js'
import type { Parsed } from '../../../src/http/store/parsed-entries.js'

let keepParsed: (entry: Entry, parsed: Parsed) => void

// What others have parsed in this process takes room too.
beforeEach(async () => {
  vi.resetModules()
  keepParsed = (await import('../../../src/http/store/parsed-entries.js')).keepParsed
})

afterEach(() => {
  vi.restoreAllMocks()
})

function entry(): Entry {
  return { storedAt: 0, staleAt: 1, deleteAt: 1, tags: [], meta: '', body: Buffer.alloc(0), memo: undefined }
}

const MOST = 512

describe('keepParsed', () => {
  it('keeps the forms of so many entries and no more', () => {
    const list = Array.from({ length: 50_000 }, entry)
    for (const one of list) keepParsed(one, {})
    expect(list.filter(({ memo }) => memo !== undefined)).toHaveLength(MOST)
  })

  it('keeps one form in sixteen, also while there is room', () => {
    const isKept = (random: number) => {
      vi.spyOn(Math, 'random').mockReturnValue(random)
      const one = entry()
      keepParsed(one, {})
      return one.memo !== undefined
    }
    expect([0, 0.0624, 0.0625, 0.0626, 0.999].map(isKept)).toEqual([true, true, false, false, false])
  })

  it('replaces forms in their order, and passes over each that was used since it was last considered', () => {
    vi.spyOn(Math, 'random').mockReturnValue(0)
    const list = Array.from({ length: MOST }, entry)
    for (const one of list) keepParsed(one, {})
    const [first = entry(), second = entry()] = list
    read(first)
    const refused = entry()
    keepParsed(refused, {})
    expect([first.memo, refused.memo]).toEqual([{ isUsed: false }, undefined])
    const taken = entry()
    keepParsed(taken, {})
    expect([second.memo, taken.memo]).toEqual([undefined, {}])
    for (let at = 2; at < MOST; at++) keepParsed(entry(), {})
    expect(first.memo).toEqual({ isUsed: false })
    keepParsed(entry(), {})
    expect([first.memo, taken.memo]).toEqual([undefined, {}])
  })

  it('has what is asked for often take the place of what is not, and keeps it', () => {
    const often = Array.from({ length: 100 }, entry)
    for (let round = 0; round < 1_000; round++) {
      for (const one of often) read(one)
      for (let at = 0; at < 100; at++) read(entry())
    }
    expect(often.every(({ memo }) => memo !== undefined)).toBe(true)
  })
})

/** As a hit does. */
function read(one: Entry): void {
  const known = one.memo as Parsed | undefined
  if (known === undefined) keepParsed(one, {})
  else known.isUsed = true
}
