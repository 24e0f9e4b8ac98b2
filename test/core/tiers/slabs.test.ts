import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Entry } from '../../../src/core/entry.js'
import { Slabs } from '../../../src/core/tiers/slabs.js'

function entry(body: string | Buffer, meta = '', tags: readonly string[] = []): Entry {
  return { storedAt: 1, staleAt: 2, deleteAt: 3, tags, meta, body: Buffer.from(body), memo: undefined }
}

function parts({ storedAt, staleAt, deleteAt, tags, meta, body }: Entry): unknown {
  return { storedAt, staleAt, deleteAt, tags, meta, body: body.toString() }
}

describe('Slabs', () => {
  it('gives back what was put in', () => {
    const slabs = new Slabs()
    const given = entry('grüße', '{"ä":1}', ['é', 'b'])
    expect(parts(slabs.pack(given))).toEqual(parts(given))
    expect(parts(slabs.pack(entry('')))).toEqual(parts(entry('')))
  })

  it('shares nothing with what was put in', () => {
    const slabs = new Slabs()
    const body = Buffer.from('one')
    const packed = slabs.pack({ ...entry(''), body })
    body.write('two')
    expect(packed.body.toString()).toBe('one')
  })

  it('packs an entry once', () => {
    const slabs = new Slabs()
    const packed = slabs.pack(entry('x'))
    expect(slabs.pack(packed)).toBe(packed)
  })

  it('gives a large body a buffer that holds nothing else, and leaves one alone that has it', () => {
    const slabs = new Slabs()
    const whole = Buffer.allocUnsafeSlow(100_000).fill('x')
    expect(slabs.pack({ ...entry(''), body: whole }).body).toBe(whole)
    const { body } = slabs.pack({ ...entry(''), body: whole.subarray(1) })
    expect([body.length, body.buffer.byteLength]).toEqual([99_999, 99_999])
    expect(slabs.allocated).toBe(0)
  })

  it('leaves a view as it is when its entry goes', () => {
    const slabs = new Slabs()
    const packed = slabs.pack(entry('a page for one reader'))
    const { body } = packed
    slabs.free(packed)
    for (let at = 0; at < 20_000; at++) slabs.free(slabs.pack(entry(`another page ${at}`.repeat(10))))
    expect(body.toString()).toBe('a page for one reader')
    expect(packed.body.toString()).toBe('a page for one reader')
  })

  it('can take in again what has left it', () => {
    const slabs = new Slabs()
    const packed = slabs.pack(entry('x', 'meta', ['tag']))
    slabs.free(packed)
    slabs.free(packed)
    const again = slabs.pack(packed)
    expect(again).not.toBe(packed)
    expect(parts(again)).toEqual(parts(packed))
    slabs.clear()
    expect(slabs.pack(again)).not.toBe(again)
  })

  it('forgets what was made of the bytes when they are let go', () => {
    const slabs = new Slabs()
    const packed = slabs.pack(entry('x'))
    packed.memo = 'made of it'
    slabs.free(packed)
    expect(packed.memo).toBeUndefined()
  })

  it('wastes little room, in any order in which entries come and go, and mixes nothing up', () => {
    const step = fc.record({ key: fc.nat(400), size: fc.nat(9_000), remove: fc.boolean() })
    fc.assert(
      fc.property(fc.array(step, { minLength: 500, maxLength: 3000 }), (steps) => {
        const slabs = new Slabs()
        const held = new Map<number, { readonly packed: Entry; readonly text: string }>()
        let live = 0
        for (const { key, size, remove } of steps) {
          const old = held.get(key)
          if (old !== undefined) {
            slabs.free(old.packed)
            held.delete(key)
            live -= old.text.length
          }
          if (remove) continue
          const text = String.fromCharCode(97 + (key % 26)).repeat(size)
          held.set(key, { packed: slabs.pack(entry(text)), text })
          live += size
        }
        for (const { packed, text } of held.values()) expect(packed.body.toString()).toBe(text)
        // One slab that is being filled, one that is not worth emptying.
        expect(slabs.allocated).toBeLessThanOrEqual(live / 0.8 + 2 * 1024 * 1024)
        for (const { packed } of held.values()) slabs.free(packed)
        expect(slabs.allocated).toBeLessThanOrEqual(1024 * 1024)
      }),
      { numRuns: 60 },
    )
  })
})
