import { describe, expect, it } from 'vitest'
import { decisive, type MetNote, MOST_NOTES, type Origin } from '../../../src/core/coherence/met-notes.js'
import { NO_LIFE } from '../../../src/core/coherence/nonces.js'
import { ToldLife } from '../../../src/core/coherence/told-life.js'

const records = [30, 40, 50].map((position) => ({ position, nonce: `n${position}`, covers: [], learnedAt: 0 }))
const origin: Origin = { life: 'one', from: 20, upTo: 50, age: 60_000, leftAt: 1000, records }

function note(life: string, from: number, upTo: number, age = 0): MetNote {
  return { life, from, upTo, age, metAt: 1000, writtenAgo: 0, number: 1 }
}

const told = (notes: readonly MetNote[], toldUpTo = 0, from = origin) => {
  const life = new ToldLife(from, toldUpTo, notes)
  return {
    missing: life.missing().map(({ position }) => position),
    everything: life.needsEverything(1000),
    note: life.needsNote() ? life.note(1000) : undefined,
  }
}

describe('ToldLife', () => {
  it('has the first process tell all it remembers, and say so', () => {
    const said = { life: 'one', from: 20, upTo: 50, age: 60_000 }
    expect(told([])).toEqual({ missing: [30, 40, 50], everything: false, note: said })
  })

  it('has the next one tell what the others did not know', () => {
    const said = { life: 'one', from: 25, upTo: 50, age: 60_000 }
    expect(told([note('one', 0, 30), note('one', 25, 40)])).toEqual({ missing: [50], everything: false, note: said })
  })

  it('has a process say nothing that knows no more than another has told', () => {
    expect(told([note('one', 0, 50)])).toEqual({ missing: [], everything: false, note: undefined })
  })

  it('says only who is there when the log has it all', () => {
    const said = { life: 'one', from: 0, upTo: 50, age: 60_000 }
    expect(told([], 50)).toEqual({ missing: [], everything: false, note: said })
  })

  it('invalidates everything when another process missed what can no longer be told', () => {
    const said = { life: 'one', from: 0, upTo: 50, age: 60_000 }
    expect(told([note('one', 0, 10)])).toEqual({ missing: [30, 40, 50], everything: true, note: said })
    expect(told([note('another', 0, 1000)]).everything).toBe(true)
  })

  it('does not when the other one knew all up to the first record that can be told', () => {
    expect([0, 1, 19, 20, 21].map((upTo) => told([note('one', 0, upTo)]).everything)).toEqual([
      true,
      true,
      true,
      false,
      false,
    ])
  })

  it('does not for a process of the same life when the log has it all', () => {
    expect(told([note('one', 0, 10)], 50).everything).toBe(false)
  })

  it('does not for a process that has started since', () => {
    expect(told([note(NO_LIFE, 0, 0, 59_000)]).everything).toBe(false)
    expect(told([note(NO_LIFE, 0, 0, 60_000)]).everything).toBe(true)
    expect(told([note(NO_LIFE, 0, 0, 61_000)]).everything).toBe(true)
    expect(told([{ ...note(NO_LIFE, 0, 0, 59_000), writtenAgo: 999 }]).everything).toBe(false)
    expect(told([{ ...note(NO_LIFE, 0, 0, 59_000), writtenAgo: 1000 }]).everything).toBe(true)
  })

  it('does not for a process without a former life when all can be told, or the log has it all', () => {
    expect(told([note(NO_LIFE, 0, 0, 61_000)], 50).everything).toBe(false)
    expect(told([note(NO_LIFE, 0, 0, 61_000)], 0, { ...origin, from: 0 }).everything).toBe(false)
  })

  it('does not when this process has met no record of its life', () => {
    const empty = { ...origin, from: 0, upTo: 0, records: [] }
    expect(told([note('another', 0, 1000)], 0, empty).everything).toBe(false)
  })

  it('does not when this process knows nothing', () => {
    const newcomer = { ...origin, life: NO_LIFE, from: 0, upTo: 0, records: [] }
    expect(told([note('one', 0, 10)], 0, newcomer)).toEqual({
      missing: [],
      everything: false,
      note: { life: NO_LIFE, from: 0, upTo: 0, age: 60_000 },
    })
  })
})

describe('decisive', () => {
  it('keeps so many notes that the others make no difference', () => {
    const random = (below: number): number => Math.floor(Math.random() * below)
    for (let round = 0; round < 300; round++) {
      const notes = Array.from({ length: 1 + random(30) }, (_, index) => ({
        ...note(['one', 'two', 'three', NO_LIFE][random(4)] ?? NO_LIFE, random(60), random(60), random(100_000)),
        metAt: 1000 - random(1000),
        writtenAgo: random(10_000),
        number: index,
      }))
      const kept = decisive(notes)
      expect(kept.length).toBeLessThanOrEqual(5)
      for (const from of [origin, { ...origin, life: 'four' }])
        expect(told(kept, 0, from)).toEqual(told(notes, 0, from))
    }
  })

  it('keeps no more than half of what there is room for', () => {
    const notes = Array.from({ length: MOST_NOTES }, (_, index) => note(`life ${index}`, 1, 2))
    expect(decisive(notes)).toEqual(notes.slice(MOST_NOTES / 2))
  })
})
