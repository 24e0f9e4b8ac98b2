import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { buildKey } from '../../src/core/build-key.js'

interface Vector {
  readonly class: string
  readonly prefix: string
  readonly params: string
  readonly key: string
  readonly plain: boolean
}

const { vectors } = JSON.parse(readFileSync(new URL('../vectors/build_key.json', import.meta.url), 'utf8')) as {
  vectors: readonly Vector[]
}

describe('buildKey', () => {
  for (const [index, vector] of vectors.entries()) {
    if (!vector.plain) continue
    it(`gives the original's key for ${vector.class} #${index}`, () => {
      expect(buildKey(vector.prefix, JSON.parse(vector.params))).toBe(vector.key)
    })
  }

  it("gives the original's key for large integers handed in as bigint", () => {
    const large = vectors.filter((vector) => vector.class === 'int_unsafe')
    expect(large.length).toBeGreaterThan(0)
    for (const vector of large) {
      const params = Object.fromEntries(
        [...vector.params.matchAll(/"(\w+)": (-?\d+)/g)].map(([, name, digits]) => [name, BigInt(digits ?? '0')]),
      )
      expect(buildKey(vector.prefix, params)).toBe(vector.key)
    }
  })

  it('does not see what JavaScript numbers do not keep: 1.0 is the integer 1', () => {
    expect(buildKey('p', { f: 1.0 })).toBe(buildKey('p', { f: 1 }))
    expect(buildKey('p', { f: -0 })).toBe(buildKey('p', { f: 0 }))
  })

  it('leaves out null and undefined at the top level only', () => {
    expect(buildKey('p', { a: null, b: undefined })).toBe(buildKey('p'))
    expect(buildKey('p', { a: { b: null } })).not.toBe(buildKey('p', { a: {} }))
  })

  it('hashes a Date as its ISO text', () => {
    const at = new Date(0)
    expect(buildKey('p', { at })).toBe(buildKey('p', { at: '1970-01-01T00:00:00.000Z' }))
  })

  it('keeps a parameter named __proto__', () => {
    expect(buildKey('p', JSON.parse('{"__proto__": 1}'))).not.toBe(buildKey('p'))
  })

  it('refuses what has no text of its own', () => {
    const loop: Record<string, unknown> = {}
    loop.self = loop
    expect(() => buildKey('p', loop)).toThrow(TypeError)
    expect(() => buildKey('p', { f: () => 1 })).toThrow(TypeError)
    expect(() => buildKey(1 as unknown as string)).toThrow('prefix must be a string')
  })
})
