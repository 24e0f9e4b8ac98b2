import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { Entry } from '../../../src/core/entry.js'
import type { Parsed } from '../../../src/http/store/parsed-entries.js'

let keepParsed: (entry: Entry, parsed: Parsed) => void

// What others have parsed in this process takes room too.
beforeEach(async () => {
  vi.resetModules()
  keepParsed = (await import('../../../src/http/store/parsed-entries.js')).keepParsed
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
