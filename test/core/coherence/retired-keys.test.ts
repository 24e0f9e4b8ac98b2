import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RetiredKeys, type Settlement } from '../../../src/core/coherence/retired-keys.js'
import { derivedKey, rootOf } from '../../../src/core/derived-key.js'

const root = '/page:0123456789ab'
const variant = derivedKey(root, 'ba9876543210')
const userVariant = derivedKey(variant, 'aaaaaaaaaaaa')
const later = { id: 'i', isOwn: true, isSettled: false, position: 0 }

/** A tombstone that was sent so late that others may have expired, unless a lifetime is given. */
const settlement = (given: Omit<Settlement, 'lifetime'>, lifetime = 0): Settlement => ({ ...given, lifetime })

describe('rootOf', () => {
  it('finds what a key is derived from, by its form', () => {
    expect(rootOf(root)).toBeUndefined()
    expect(rootOf(variant)).toBe(root)
    expect(rootOf(userVariant)).toBe(variant)
    expect(rootOf('')).toBeUndefined()
    fc.assert(
      fc.property(
        fc.string(),
        fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 12, maxLength: 12 }),
        (text, hash) => {
          const key = `${text}:${hash}`
          expect(rootOf(derivedKey(key, hash))).toBe(key)
        },
      ),
    )
  })
})

describe('RetiredKeys', () => {
  it('covers a key and what is derived from it, if it is older', () => {
    const keys = new RetiredKeys()
    expect(keys.coversSince(root, 0)).toBe(false)
    keys.add(root, { ...later, sequence: 5 })
    for (const key of [root, variant, userVariant]) {
      expect([key, keys.coversSince(key, 4), keys.coversSince(key, 5)]).toEqual([key, true, false])
    }
    for (const key of ['/page', `${root}x`, `x${variant}`]) expect(keys.coversSince(key, 0)).toBe(false)
  })

  it('covers what Redis holds until its tombstone is there, and afterwards what is derived and no newer', () => {
    let now = 0
    const keys = new RetiredKeys(() => now, 1000)
    keys.add(root, { ...later, sequence: 1 })
    for (const key of [root, variant]) expect(keys.coversAfter(key, 1e15)).toBe(true)
    keys.settle(root, 'another', 2, settlement({ position: 70, leftId: 'another', met: '' }))
    expect(keys.coversAfter(root, 1e15)).toBe(true)
    keys.settle(root, 'i', 3, settlement({ position: 70, leftId: 'i', met: '' }))
    expect([root, variant].map((key) => keys.coversAfter(key, 99, { asked: 2, after: 'x' }))).toEqual([true, true])
    expect([root, variant].map((key) => keys.coversAfter(key, 99, { asked: 2, after: 'i' }))).toEqual([false, true])
    expect(keys.coversAfter(root, 0)).toBe(false)
    expect([keys.coversAfter(variant, 70), keys.coversAfter(variant, 71)]).toEqual([true, false])
    keys.add(variant, { ...later, sequence: 2, isSettled: true })
    expect(keys.coversAfter(variant, 70)).toBe(false)
    now = 1001
    expect(keys.coversAfter(userVariant, 0)).toBe(false)
  })

  it('counts a key as retired once more when its tombstone has another id in Redis, and only then', () => {
    const keys = new RetiredKeys()
    keys.add(root, { ...later, sequence: 1 })
    keys.settle(root, 'i', 3, settlement({ position: 70, leftId: 'other', met: '' }))
    for (const key of [root, variant])
      expect([keys.coversSince(key, 2), keys.coversSince(key, 3)]).toEqual([true, false])
    expect([keys.idFor(root, 2), keys.idFor(root, 3)]).toEqual(['', 'other'])
    const readAt = (asked: number) => keys.coversAfter(root, 0, { asked, after: 'x' })
    expect([readAt(2), readAt(3)]).toEqual([true, false])
    keys.settle(root, 'i', 5, settlement({ position: 90, leftId: 'third', met: '' }))
    expect(keys.idFor(root, 4)).toBe('other')
    expect(keys.unsettle(9)).toEqual([[root, 'other']])
    keys.settle(root, 'other', 6, settlement({ position: 90, leftId: 'other', met: '' }))
    expect([keys.coversSince(root, 3), keys.idFor(root, 3)]).toEqual([false, 'other'])
  })

  it('names the tombstone that a result came after, and no other', () => {
    const keys = new RetiredKeys()
    expect(keys.idFor(root, 9)).toBe('')
    keys.add(root, { ...later, sequence: 5 })
    expect([keys.idFor(root, 4), keys.idFor(root, 5), keys.idFor(variant, 5)]).toEqual(['', 'i', ''])
    expect([keys.knows(root, 'i'), keys.knows(root, 'j')]).toEqual([true, false])
  })

  it('uses of what Redis holds under the very key what came after the newest tombstone, or after one not met before', () => {
    const keys = new RetiredKeys()
    const isUsable = (after: string | undefined) => !keys.coversAfter(root, 1e15, { asked: 99, after })
    expect([undefined, 'a'].map(isUsable)).toEqual([true, true])
    keys.add(root, { ...later, id: 'a', sequence: 1, isSettled: true })
    expect([undefined, 'a', 'x'].map(isUsable)).toEqual([false, true, true])
    keys.add(root, { ...later, id: 'b', sequence: 2 })
    keys.settle(root, 'b', 3, settlement({ position: 0, leftId: 'b', met: 'w' }))
    expect([undefined, 'a', 'w', 'b', 'x'].map(isUsable)).toEqual([false, false, false, true, true])
    expect(keys.olderThan(root)).toBe('w a')
    for (const id of ['c', 'd', 'e', 'f']) keys.meet(root, id, 4, 0)
    expect(keys.olderThan(root)).toBe('e d c b')
    expect([keys.knows(root, 'c'), keys.knows(root, 'w')]).toEqual([true, false])
  })

  it('keeps a tombstone that Redis is still to be told when it meets another one', () => {
    const keys = new RetiredKeys()
    keys.add(root, { ...later, id: 'own', sequence: 1 })
    keys.meet(root, 'met', 2, 0)
    expect([keys.isUnsettled(root), keys.knows(root, 'met'), keys.idFor(root, 1), keys.idFor(root, 2)]).toEqual([
      true,
      true,
      '',
      'own',
    ])
    expect(keys.coversSince(root, 1)).toBe(true)
    expect(keys.coversAfter(root, 0, { asked: 9, after: 'met' })).toBe(true)
    keys.settle(root, 'own', 3, settlement({ position: 0, leftId: 'own', met: 'met' }))
    expect(['met', 'own'].map((after) => keys.coversAfter(root, 0, { asked: 9, after }))).toEqual([true, false])
  })

  it('gives up on a tombstone that Redis will not be told, and on nothing that came after it', () => {
    const keys = new RetiredKeys()
    keys.add(root, { ...later, sequence: 1 })
    keys.giveUp(root, 'another')
    expect(keys.isUnsettled(root)).toBe(true)
    keys.giveUp(root, 'i')
    expect(keys.isUnsettled(root)).toBe(false)
    expect([undefined, 'i'].map((after) => keys.coversAfter(root, 1e15, { asked: 9, after }))).toEqual([true, false])
    expect(keys.coversAfter(variant, 1e15)).toBe(true)
  })

  it('gives its own back for a Redis that may have lost them', () => {
    let now = 0
    const keys = new RetiredKeys(() => now, 1000)
    const name = (what: unknown) => `/${what}:0123456789ab`
    keys.add(name('expired'), { ...later, sequence: 0, isSettled: true })
    now = 1001
    for (const [at, isOwn] of [true, false, true, true].entries()) {
      keys.add(name(at), { ...later, id: `${at}`, sequence: at, isOwn, isSettled: true })
    }
    keys.add('x'.repeat(5_000), { ...later, sequence: 9, isSettled: true })
    expect(keys.unsettle(2)).toEqual([
      [name(2), '2'],
      [name(3), '3'],
    ])
    expect([0, 1, 2].map((at) => keys.isUnsettled(name(at)))).toEqual([false, false, true])
    const covers = (what: unknown) => keys.coversAfter(derivedKey(name(what), 'ba9876543210'), 1e15)
    expect([0, 1, 2, 'expired'].map(covers)).toEqual([true, false, true, false])
  })

  it('never grows, never forgets what a running handler must not store, and covers nothing that is stored by chance', () => {
    const keys = new RetiredKeys()
    const flood = 40_000
    const name = (at: number) => `/flood/${at}/${'y'.repeat(at % 700)}:0123456789ab`
    for (let at = 1; at <= flood; at++) keys.add(name(at), { ...later, sequence: at })
    const { records, maxRecords, folds } = keys.stats()
    expect([records, folds]).toEqual([maxRecords, flood - maxRecords])
    for (let at = 1; at <= flood; at += 97) {
      expect(keys.coversSince(name(at), at - 1) || keys.mayCoverResult(name(at), at - 1)).toBe(true)
      expect(keys.mayCoverResult(derivedKey(name(at), 'ba9876543210'), at - 1) || at > flood - maxRecords).toBe(true)
      expect(keys.coversSince(`/kept/${at}`, 0)).toBe(false)
      expect(keys.mayCoverResult(name(at), flood)).toBe(false)
    }
  })

  it('keeps what was made here since, if no other tombstone was there or can have expired', () => {
    let now = 0
    const keys = new RetiredKeys(() => now, 1000)
    const settle = (id: string, sequence: number, met: string) =>
      keys.settle(root, id, sequence, settlement({ position: 0, leftId: `${id} late`, met }, 500))
    keys.add(root, { sequence: 1, id: 'own', isOwn: true, isSettled: false, position: 0 })
    settle('own', 3, '')
    expect([keys.coversSince(root, 0), keys.coversSince(root, 2)]).toEqual([true, false])
    expect(keys.idFor(root, 2)).toBe('own late')
    // What was read before it was sent may be older all the same.
    expect(keys.coversAfter(root, 0, { asked: 2, after: undefined })).toBe(true)

    keys.add(root, { sequence: 4, id: 'met', isOwn: true, isSettled: false, position: 0 })
    settle('met', 6, 'of another process')
    expect(keys.coversSince(root, 5)).toBe(true)

    keys.add(root, { sequence: 7, id: 'long ago', isOwn: true, isSettled: false, position: 0 })
    now += 501
    settle('long ago', 9, '')
    expect(keys.coversSince(root, 8)).toBe(true)
  })
})
