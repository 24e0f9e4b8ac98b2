import { describe, expect, it } from 'vitest'
import { Knowledge } from '../../../src/core/coherence/knowledge.js'
import { NO_LIFE } from '../../../src/core/coherence/nonces.js'
import { ManualClock } from '../../support/manual-clock.js'

function newKnowledge({ maxBytes = 10_000, clock = new ManualClock() } = {}) {
  const knowledge = new Knowledge(clock, maxBytes)
  const add = (position: number, key = 'k') => knowledge.add(position, `n${position}`, [{ kind: 'key', key }])
  const positions = (after = 0) => knowledge.after(after).map(({ position }) => position)
  return { knowledge, clock, add, positions }
}

describe('Knowledge', () => {
  it('is of no life until one is entered', () => {
    const { knowledge } = newKnowledge()
    expect([knowledge.life, knowledge.from, knowledge.upTo]).toEqual([NO_LIFE, 0, 0])
  })

  it('remembers records for a minute of traffic, and up to where it does not', () => {
    const { knowledge, clock, add, positions } = newKnowledge()
    knowledge.enter('one', 5)
    add(10)
    clock.advance(59_999)
    add(20)
    expect([positions(), knowledge.from]).toEqual([[10, 20], 5])
    clock.advance(1)
    add(30)
    expect([positions(), knowledge.from, knowledge.age]).toEqual([[20, 30], 10, 60_000])
    clock.advance(3_600_000)
    expect(positions(20)).toEqual([30])
  })

  it('remembers no more than fits, the newest', () => {
    const { knowledge, add, positions } = newKnowledge({ maxBytes: 2000 })
    knowledge.enter('one', 0)
    for (let position = 1; position <= 100; position++) add(position, 'k'.repeat(100))
    expect(positions().at(-1)).toBe(100)
    expect(positions().length).toBeLessThan(10)
    expect(knowledge.from).toBe(100 - positions().length)
  })

  it('knows the lives it has left, a hundred of them', () => {
    const { knowledge } = newKnowledge()
    for (let life = 0; life <= 101; life++) knowledge.enter(`life ${life}`, 0)
    expect([101, 100, 1, 0].map((life) => knowledge.hasLeft(`life ${life}`))).toEqual([false, true, true, false])
  })

  it('keeps what it knows when only the name of the life changes, and nothing when it enters another', () => {
    const { knowledge, add, positions } = newKnowledge()
    knowledge.enter('one', 0)
    add(10)
    knowledge.reach(10)
    knowledge.rename('two')
    expect([knowledge.life, knowledge.upTo, positions()]).toEqual(['two', 10, [10]])
    knowledge.enter('three', 3)
    expect([knowledge.life, knowledge.from, knowledge.upTo, positions()]).toEqual(['three', 3, 3, []])
  })

  it('counts what it remembers', () => {
    const { knowledge, clock, add } = newKnowledge()
    expect(knowledge.size).toEqual({ known: 0, knownBytes: 0 })
    add(1, 'k'.repeat(10))
    const one = knowledge.size.knownBytes
    add(2, 'k'.repeat(20))
    expect(knowledge.size).toEqual({ known: 2, knownBytes: 2 * one + 20 })
    knowledge.add(3, 'n3', [])
    expect(knowledge.size.known).toBe(2)
    clock.advance(60_000)
    add(4, 'k'.repeat(10))
    expect(knowledge.size).toEqual({ known: 1, knownBytes: one })
  })

  it('remembers as many bytes as the limit says, and not one more', () => {
    const { knowledge: measured, add: measure } = newKnowledge()
    measure(1)
    const { add, positions } = newKnowledge({ maxBytes: 2 * measured.size.knownBytes })
    add(1)
    add(2)
    expect(positions()).toEqual([1, 2])
    add(3)
    expect(positions()).toEqual([2, 3])
  })

  it('goes back to no earlier position', () => {
    const { knowledge, clock, add } = newKnowledge()
    knowledge.enter('one', 10)
    knowledge.reach(7)
    expect(knowledge.upTo).toBe(10)
    add(5)
    clock.advance(60_000)
    add(20)
    expect(knowledge.from).toBe(10)
  })

  it('has left no life before it has followed one', () => {
    const { knowledge } = newKnowledge()
    knowledge.enter('one', 0)
    expect(knowledge.hasLeft(NO_LIFE)).toBe(false)
  })
})
