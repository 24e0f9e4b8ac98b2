import { hostname } from 'node:os'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { entryKey, entryName, ownName, processName } from '../../../src/core/coherence/names.js'

const key = fc
  .array(fc.constantFrom('{fallback-cache}:', '{fallback-cache}', ':', 'head', 'a'))
  .map((parts) => parts.join(''))

describe('entryName', () => {
  it('is prefix and key, for keys as they usually are', () => {
    expect(entryName('shop:', 'product:1')).toBe('shop:product:1')
    expect(entryName('', '{tag}a')).toBe('{tag}a')
  })

  it('is never a name of the library itself, under this prefix or a longer one', () => {
    fc.assert(
      fc.property(key, (given) => {
        for (const what of ['head', 'log', 'marks', 'sweep'] as const) {
          expect(entryName('', given)).not.toBe(ownName('', what))
          expect(entryName('', given)).not.toBe(ownName('a', what))
        }
      }),
    )
  })

  it('is another name for another key, and says which key it is', () => {
    fc.assert(
      fc.property(key, key, (one, other) => {
        expect(entryName('p:', one) === entryName('p:', other)).toBe(one === other)
        expect(entryKey('p:', entryName('p:', one))).toBe(one)
      }),
    )
  })
})

describe('ownName', () => {
  it('is what processes of other versions name it, in one slot of a cluster', () => {
    expect(ownName('', 'head')).toBe('{fallback-cache}:head')
    expect(ownName('shop:', 'log')).toBe('shop:{fallback-cache}:log')
  })
})

describe('processName', () => {
  it('says on which host a process runs, with its pid', () => {
    expect(processName('4be1')).toBe(`${hostname()}/${process.pid}/4be1`)
  })
})
