import { describe, expect, it } from 'vitest'
import type { Entry } from '../../src/core/entry.js'
import { keepParsed } from '../../src/http/parsed-entries.js'

function entry(): Entry {
  return { storedAt: 0, staleAt: 1, deleteAt: 1, tags: [], meta: '', body: Buffer.alloc(0), memo: undefined }
}

describe('keepParsed', () => {
  it('keeps the forms of the latest entries, and lets go of the others', () => {
    const list = Array.from({ length: 10_000 }, entry)
    for (const one of list) keepParsed(one, { of: one })
    const kept = list.filter(({ memo }) => memo !== undefined)
    expect(kept).toHaveLength(4096)
    expect(kept.at(-1)).toBe(list.at(-1))
    expect(kept[0]).toBe(list[10_000 - 4096])
  })

  it('keeps the newest form of an entry that is parsed over and over', () => {
    const one = entry()
    for (let time = 0; time < 10_000; time++) {
      keepParsed(one, { time })
      expect(one.memo).toEqual({ time })
    }
  })
})
