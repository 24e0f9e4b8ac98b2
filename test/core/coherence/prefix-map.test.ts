import { describe, expect, it } from 'vitest'
import { PrefixMap } from '../../../src/core/coherence/prefix-map.js'

function mapOf(...prefixes: readonly string[]): PrefixMap<string> {
  const map = new PrefixMap<string>()
  for (const prefix of prefixes) map.set(prefix, `of ${prefix}`)
  return map
}

describe('PrefixMap', () => {
  it('finds every prefix of a key, the empty one and the key itself included, and no other', () => {
    const map = mapOf('', 'a', 'ab', 'abc', 'abcd', 'b', 'xb')
    const found: string[] = []
    map.some('abc', (value) => {
      found.push(value)
      return false
    })
    expect(found).toEqual(['of ', 'of a', 'of ab', 'of abc'])
  })

  it('stops at the first that is wanted', () => {
    const map = mapOf('a', 'ab')
    expect(map.some('abc', (value) => value === 'of ab')).toBe(true)
    expect(map.some('b', () => true)).toBe(false)
  })

  it('counts each prefix once, and forgets what is deleted', () => {
    const map = mapOf('a', 'b', 'a')
    expect(map.size).toBe(2)
    expect([map.delete('a'), map.delete('a'), map.delete('unknown')]).toEqual([true, false, false])
    expect([map.size, map.get('a'), map.get('b')]).toEqual([1, undefined, 'of b'])
    expect([...map]).toEqual([['b', 'of b']])
    expect([map.some('ax', () => true), map.some('bx', () => true)]).toEqual([false, true])
    map.delete('b')
    expect(map.some('bx', () => true)).toBe(false)
    map.set('a', 'again')
    expect(map.some('ax', (value) => value === 'again')).toBe(true)
  })
})
