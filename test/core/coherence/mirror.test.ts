import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Cover, isCovered } from '../../../src/core/coherence/cover.js'
import { Mirror, type Recorded } from '../../../src/core/coherence/mirror.js'

const roomy = 2 ** 30

/** Everything that was ever recorded, asked one by one. */
class NaiveMirror {
  readonly records: { covers: readonly Cover[]; sequence: number; position: number | undefined }[] = []
  readonly floors: { sequence: number; position: number }[] = []

  coversSince(key: string, tags: readonly string[], sequence: number): boolean {
    return (
      this.floors.some((floor) => floor.sequence > sequence) ||
      this.records.some((record) => record.sequence > sequence && covers(record.covers, key, tags, false))
    )
  }

  softensSince(key: string, tags: readonly string[], sequence: number): boolean {
    return this.records.some((record) => record.sequence > sequence && covers(record.covers, key, tags, true))
  }

  softensAfter(key: string, tags: readonly string[], position: number): boolean {
    return this.records.some(
      (record) => (record.position ?? Number.POSITIVE_INFINITY) > position && covers(record.covers, key, tags, true),
    )
  }

  coversAfter(key: string, tags: readonly string[], position: number): boolean {
    return (
      this.floors.some((floor) => floor.position > position) ||
      this.records.some(
        (record) => (record.position ?? Number.POSITIVE_INFINITY) > position && covers(record.covers, key, tags, false),
      )
    )
  }

  startOver(): void {
    for (const record of this.records) if (record.position !== undefined) record.position = 0
    this.floors.splice(0, this.floors.length, ...this.floors.map(({ sequence }) => ({ sequence, position: 0 })))
  }
}

function covers(list: readonly Cover[], key: string, tags: readonly string[], soft: boolean): boolean {
  return list.some((cover) => (cover.soft === true) === soft && isCovered(cover, key, tags))
}

type Step =
  | { readonly do: 'issue' | 'learn'; readonly covers: readonly Cover[]; readonly settledLater: boolean }
  | { readonly do: 'settle'; readonly which: number }
  | { readonly do: 'replaceWaiting' }
  | { readonly do: 'startOver' | 'forgetEverything' }
  | { readonly do: 'raiseFloor'; readonly by: number }

const name = fc.string({ unit: fc.constantFrom('a', 'b', 'A'), maxLength: 3 })
const tag = fc.constantFrom('s', 't', 'u')
const hardCover: fc.Arbitrary<Cover> = fc.oneof(
  { weight: 4, arbitrary: name.map((key) => ({ kind: 'key' as const, key })) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('prefix' as const), prefix: name, ignoreCase: fc.boolean() }) },
  { weight: 3, arbitrary: tag.map((one) => ({ kind: 'tag' as const, tag: one })) },
  { weight: 1, arbitrary: fc.constant({ kind: 'all' as const }) },
)
const cover = fc
  .tuple(hardCover, fc.boolean())
  .map(([one, soft]): Cover => (one.kind === 'key' || !soft ? one : { ...one, soft }))
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constantFrom('issue' as const, 'learn' as const),
      covers: fc.array(cover, { minLength: 1, maxLength: 3 }),
      settledLater: fc.boolean(),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('settle' as const), which: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('replaceWaiting' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('startOver' as const, 'forgetEverything' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('raiseFloor' as const), by: fc.nat({ max: 5 }) }) },
)
const question = fc.record({
  key: name,
  tags: fc.uniqueArray(tag, { maxLength: 2 }),
  sequence: fc.nat({ max: 40 }),
  position: fc.nat({ max: 40 }),
})

/** Takes both through the same steps. */
function walk(steps: readonly Step[], mirror: Mirror): { naive: NaiveMirror; pending: number } {
  const naive = new NaiveMirror()
  const waiting: { recorded: Recorded; index: number }[] = []
  let position = 0
  for (const one of steps) {
    switch (one.do) {
      case 'issue':
      case 'learn': {
        const at = one.do === 'learn' ? ++position : undefined
        const recorded = mirror.record(one.covers, at)
        naive.records.push({ covers: one.covers, sequence: recorded.sequence, position: at })
        if (at === undefined) waiting.push({ recorded, index: naive.records.length - 1 })
        break
      }
      case 'settle': {
        const [settled] = waiting.splice(one.which % Math.max(1, waiting.length), 1)
        if (settled === undefined) break
        mirror.settle(settled.recorded, ++position)
        const record = naive.records[settled.index]
        if (record !== undefined) record.position = position
        break
      }
      case 'replaceWaiting': {
        mirror.settleAll()
        for (const { index } of waiting.splice(0)) {
          const record = naive.records[index]
          if (record !== undefined) record.position = 0
        }
        const covers = [{ kind: 'all' }] as const
        const recorded = mirror.record(covers, undefined)
        naive.records.push({ covers, sequence: recorded.sequence, position: undefined })
        waiting.push({ recorded, index: naive.records.length - 1 })
        break
      }
      case 'startOver':
        mirror.startOver()
        naive.startOver()
        break
      case 'forgetEverything':
        mirror.forgetEverything()
        naive.floors.push({ sequence: mirror.sequence, position: 0 })
        break
      case 'raiseFloor':
        position += one.by
        mirror.raiseFloor(position)
        naive.floors.push({ sequence: 0, position })
        break
    }
  }
  return { naive, pending: waiting.length }
}

describe('Mirror', () => {
  it('knows exactly what a list of all records knows, as long as there is room', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), fc.array(question), (steps, questions) => {
        const mirror = new Mirror(roomy)
        const { naive } = walk(steps, mirror)
        for (const { key, tags, sequence, position } of questions) {
          expect(mirror.coversSince(key, tags, sequence)).toBe(naive.coversSince(key, tags, sequence))
          expect(mirror.coversAfter(key, tags, position)).toBe(naive.coversAfter(key, tags, position))
          expect(mirror.softensSince(key, tags, sequence)).toBe(naive.softensSince(key, tags, sequence))
          expect(mirror.softensAfter(key, tags, position)).toBe(naive.softensAfter(key, tags, position))
        }
        expect(mirror.stats().folds).toBe(0)
      }),
      { numRuns: 1000 },
    )
  })

  it('forgets nothing when there is no room: it covers more, never less, and keeps to its bytes', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.array(question), (steps, questions) => {
        const maxBytes = 700
        const mirror = new Mirror(maxBytes)
        const { naive, pending } = walk(steps, mirror)
        for (const { key, tags, sequence, position } of questions) {
          if (naive.coversSince(key, tags, sequence)) expect(mirror.coversSince(key, tags, sequence)).toBe(true)
          if (naive.coversAfter(key, tags, position)) expect(mirror.coversAfter(key, tags, position)).toBe(true)
          if (naive.softensSince(key, tags, sequence)) expect(mirror.softensSince(key, tags, sequence)).toBe(true)
          if (naive.softensAfter(key, tags, position)) expect(mirror.softensAfter(key, tags, position)).toBe(true)
        }
        // What waits for its place in the log cannot be folded; a step makes three records at most.
        expect(mirror.stats().bytes).toBeLessThanOrEqual(maxBytes + (pending + 1) * 3 * 170)
      }),
      { numRuns: 1000 },
    )
  })

  const key = (text: string): Cover => ({ kind: 'key', key: text })
  const prefix = (text: string): Cover => ({ kind: 'prefix', prefix: text, ignoreCase: false })

  it('covers everything that comes out of Redis while the log does not have the record yet', () => {
    const mirror = new Mirror(roomy)
    const recorded = mirror.record([prefix('a')], undefined)
    expect(mirror.coversAfter('ab', [], Number.MAX_SAFE_INTEGER)).toBe(true)
    expect(mirror.coversAfter('b', [], 0)).toBe(false)
    mirror.settle(recorded, 100)
    expect(mirror.coversAfter('ab', [], 99)).toBe(true)
    expect(mirror.coversAfter('ab', [], 100)).toBe(false)
  })

  it('covers until the last of several waiting for the same place is settled', () => {
    const mirror = new Mirror(roomy)
    const first = mirror.record([key('a')], undefined)
    const second = mirror.record([key('a')], undefined)
    mirror.settle(first, 10)
    expect(mirror.coversAfter('a', [], 50)).toBe(true)
    mirror.settle(second, 11)
    expect(mirror.coversAfter('a', [], 50)).toBe(false)
  })

  it('keeps to its bytes again once what was waiting has its place in the log', () => {
    const mirror = new Mirror(1000)
    const recorded = Array.from({ length: 20 }, (_, index) => mirror.record([key(`k${index}`)], undefined))
    expect(mirror.stats().bytes).toBeGreaterThan(3000)
    for (const [index, one] of recorded.entries()) mirror.settle(one, index + 1)
    expect(mirror.stats().bytes).toBeLessThanOrEqual(1000)
    expect(mirror.coversAfter('k0', [], 0)).toBe(true)
    expect(mirror.coversAfter('other', [], 20)).toBe(false)
  })

  it('makes room beside a record that waits for its place in the log, however old it is', () => {
    const mirror = new Mirror(1000)
    const recorded = mirror.record([{ kind: 'tag', tag: 'waiting' }], undefined)
    for (let index = 0; index < 500; index++) mirror.record([prefix(`p${index}`)], index + 1)
    expect(mirror.stats().bytes).toBeLessThanOrEqual(1000)
    expect(mirror.coversAfter('other', ['waiting'], 1000)).toBe(true)
    mirror.settle(recorded, 501)
    expect(mirror.coversAfter('other', ['waiting'], 501)).toBe(false)
  })

  it('folds the oldest: what was stored after them stays valid', () => {
    const mirror = new Mirror(4000)
    for (let index = 1; index <= 50; index++) mirror.record([key(`k${index}`)], index)
    const { folds, bytes } = mirror.stats()
    expect(folds).toBeGreaterThan(0)
    expect(bytes).toBeLessThanOrEqual(4000)
    expect(mirror.coversSince('other', [], 1)).toBe(true)
    expect(mirror.coversAfter('other', [], 1)).toBe(true)
    expect(mirror.coversSince('other', [], mirror.sequence)).toBe(false)
    expect(mirror.coversAfter('other', [], 49)).toBe(false)
    expect(mirror.coversAfter('k50', [], 49)).toBe(true)
  })

  it('does not fold what still waits for its place in the log', () => {
    const mirror = new Mirror(1000)
    const recorded = mirror.record([key('waiting')], undefined)
    for (let index = 1; index <= 50; index++) mirror.record([key(`k${index}`)], index)
    expect(mirror.coversAfter('waiting', [], 10_000)).toBe(true)
    mirror.settle(recorded, 51)
    expect(mirror.coversAfter('waiting', [], 51)).toBe(false)
  })

  it('leaves out the exact key when asked what else covers it', () => {
    const mirror = new Mirror(roomy)
    mirror.record([key('ab')], 5)
    expect(mirror.coversOtherwise('ab', 0)).toBe(false)
    mirror.record([{ kind: 'prefix', prefix: 'A', ignoreCase: true }], 6)
    expect(mirror.coversOtherwise('ab', 5)).toBe(true)
    expect(mirror.coversOtherwise('ab', 6)).toBe(false)
  })

  it('lets go of the record of a key that was old twice, unless it was renewed or still waits', () => {
    const mirror = new Mirror(roomy)
    mirror.record([key('a'), prefix('p'), { kind: 'tag', tag: 't' }], 1)
    const waiting = mirror.record([key('w')], undefined)
    mirror.ageKeys()
    mirror.record([key('b')], 2)
    mirror.record([key('a')], 3)
    expect(mirror.coversAfter('a', [], 2)).toBe(true)
    mirror.ageKeys()
    expect(mirror.coversAfter('a', [], 2)).toBe(true)
    expect(mirror.coversAfter('b', [], 1)).toBe(true)
    expect(mirror.coversAfter('w', [], 100)).toBe(true)
    mirror.settle(waiting, 4)
    mirror.ageKeys()
    expect(mirror.coversAfter('a', [], 2)).toBe(false)
    expect(mirror.coversAfter('b', [], 1)).toBe(false)
    expect(mirror.coversAfter('w', [], 3)).toBe(true)
    expect(mirror.coversAfter('p', ['t'], 0)).toBe(true)
    mirror.ageKeys()
    expect(mirror.stats()).toMatchObject({ records: 2, bytes: 2 * 162 })
  })

  it('has a record of an earlier process cover what Redis has, and nothing that this process has made', () => {
    const mirror = new Mirror(roomy)
    const recorded = mirror.recordEarlier([key('a')])
    expect(mirror.coversSince('a', [], 0)).toBe(false)
    expect(mirror.coversAfter('a', [], 1_000)).toBe(true)
    mirror.settle(recorded, 5)
    expect([4, 5].map((position) => mirror.coversAfter('a', [], position))).toEqual([true, false])
  })

  it('keeps the record of a key while one of several still waits, however often it ages', () => {
    const mirror = new Mirror(roomy)
    const [first, second] = [mirror.record([key('a')], undefined), mirror.record([key('a')], undefined)]
    mirror.settle(first, 5)
    for (let round = 0; round < 3; round++) mirror.ageKeys()
    expect(mirror.coversAfter('a', [], 1_000)).toBe(true)
    mirror.settle(second, 6)
    for (let round = 0; round < 3; round++) mirror.ageKeys()
    expect([mirror.coversAfter('a', [], 0), mirror.stats().records]).toEqual([false, 0])
  })

  const softly = (text: string): Cover => ({ kind: 'prefix', prefix: text, ignoreCase: false, soft: true })

  it('knows which invalidations are its own, hard and soft, after which others', () => {
    const mirror = new Mirror(roomy)
    mirror.record([key('own')], undefined)
    mirror.record([softly('soft')], undefined)
    mirror.record([key('learned')], 5)
    mirror.record([softly('very soft')], 6)
    mirror.record([{ kind: 'tag', tag: 't' }], undefined)
    const issued = (sequence: number) =>
      ['own', 'soft', 'learned', 'very soft', 'other'].filter((name) => mirror.issuedSince(name, [], sequence))
    expect([0, 1, 2].map(issued)).toEqual([['own', 'soft'], ['soft'], []])
    expect([0, 4, 5].map((sequence) => mirror.issuedSince('other', ['t'], sequence))).toEqual([true, true, false])
  })

  it('still knows them when an earlier process has invalidated the same', () => {
    const mirror = new Mirror(roomy)
    mirror.record([key('own')], undefined)
    mirror.recordEarlier([key('own')])
    expect([mirror.issuedSince('own', [], 0), mirror.coversSince('own', [], 0)]).toEqual([true, true])
  })

  it('takes all for its own when its own records are folded, and none when others are', () => {
    const [own, learned] = [new Mirror(0), new Mirror(0)]
    own.settle(own.record([key('a')], undefined), 5)
    learned.record([key('a')], 5)
    expect([own, learned].map((mirror) => mirror.stats())).toMatchObject([{ records: 0 }, { records: 0 }])
    expect([own, learned].map((mirror) => mirror.issuedSince('other', [], 0))).toEqual([true, false])
    expect([own, learned].map((mirror) => mirror.coversSince('other', [], 0))).toEqual([true, true])
  })

  it('knows the keys that requests have retired, here and in other processes', () => {
    const mirror = new Mirror(roomy)
    mirror.record([key('x')], 5)
    const before = mirror.sequence
    mirror.retire('here', 'id 1')
    const between = mirror.sequence
    expect(between).toBeGreaterThan(before)
    expect([mirror.learnRetired('here', 'id 1'), mirror.learnRetired('there', 'id 2')]).toEqual([false, true])
    expect(mirror.learnRetired('there', 'id 2')).toBe(false)
    const all = ['here', 'there', 'other']
    expect(all.filter((name) => mirror.coversSince(name, [], before))).toEqual(['here', 'there'])
    expect(all.filter((name) => mirror.coversSince(name, [], between))).toEqual(['there'])
    expect(all.filter((name) => mirror.coversSince(name, [], mirror.sequence))).toEqual([])
    expect(all.filter((name) => mirror.issuedSince(name, [], before))).toContain('here')
    expect(mirror.issuedSince('other', [], before)).toBe(false)
    expect(mirror.coversAfter('here', [], 5)).toBe(true)
    expect(mirror.coversAfter('other', [], 5)).toBe(false)
  })

  it.each([
    [9, 5],
    [5, 9],
  ])('has the newest place of all that covers a key, of a prefix at %i and the key at %i', (ofPrefix, ofKey) => {
    const mirror = new Mirror(roomy)
    mirror.record([{ kind: 'prefix', prefix: '', ignoreCase: false }], ofPrefix)
    mirror.record([key('a')], ofKey)
    expect(mirror.newestCovering('a', [])).toBe(9)
    expect(mirror.newestCovering('b', [])).toBe(ofPrefix)
  })

  it('takes any text for a name', () => {
    const mirror = new Mirror(roomy)
    for (const odd of ['__proto__', 'constructor', '', '\0', '😀', 'x'.repeat(10_000)]) {
      expect(mirror.coversAfter(odd, [odd], 1)).toBe(false)
      mirror.record([key(odd)], 2)
      expect(mirror.coversAfter(odd, [], 1)).toBe(true)
      expect(mirror.coversAfter(`${odd}.`, [], 1)).toBe(false)
      mirror.record([{ kind: 'tag', tag: odd }], 3)
      expect(mirror.coversAfter('other', [odd], 2)).toBe(true)
    }
  })
})
