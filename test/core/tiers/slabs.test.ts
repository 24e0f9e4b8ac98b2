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

const KIB = 1024
/** Bytes of the largest entry that is packed. */
const LARGEST = 8 * KIB

function textAt(at: number): string {
  return `${at} `.padEnd(2 * KIB, 'x')
}

/** Packs so many entries of 2 KiB: 32 fill the first slab. */
function fill(slabs: Slabs, count: number): readonly Entry[] {
  return Array.from({ length: count }, (_, at) => slabs.pack(entry(textAt(at))))
}

function free(slabs: Slabs, entries: readonly Entry[]): void {
  for (const one of entries) slabs.free(one)
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

  it('begins with 64 KiB and doubles, up to slabs of 1 MiB', () => {
    const slabs = new Slabs()
    const sizes = new Set<number>()
    for (let at = 0; at < 300; at++) {
      slabs.pack(entry('x'.repeat(LARGEST)))
      sizes.add(slabs.allocated / KIB)
    }
    expect([...sizes]).toEqual([64, 128, 256, 512, 1024, 2048, 3072])
  })

  it('fills a slab to its last byte, and packs entries of up to 8 KiB', () => {
    const slabs = new Slabs()
    for (let at = 0; at < 8; at++) slabs.pack(entry('x'.repeat(LARGEST)))
    expect(slabs.allocated).toBe(64 * KIB)
    slabs.pack(entry('x'.repeat(LARGEST + 1)))
    expect(slabs.allocated).toBe(64 * KIB)
    slabs.pack(entry('x'))
    expect(slabs.allocated).toBe(128 * KIB)
  })

  it('drops a slab with its last entry, and the newest once the next one is needed', () => {
    const slabs = new Slabs()
    const first = Array.from({ length: 8 }, () => slabs.pack(entry('x'.repeat(LARGEST))))
    const next = slabs.pack(entry('x'))
    for (const one of first.slice(1)) slabs.free(one)
    expect(slabs.allocated).toBe(128 * KIB)
    slabs.free(first[0] ?? next)
    expect(slabs.allocated).toBe(64 * KIB)
    slabs.free(next)
    expect(slabs.allocated).toBe(64 * KIB)
    for (let at = 0; at < 8; at++) slabs.free(slabs.pack(entry('x'.repeat(LARGEST))))
    expect(slabs.allocated).toBe(64 * KIB)
  })

  it('leaves slabs alone until more than 64 KiB are unused, then empties the one with the least in it', () => {
    const slabs = new Slabs()
    const held = fill(slabs, 65)
    free(slabs, held.slice(0, 31))
    free(slabs, held.slice(32, 33))
    expect(slabs.allocated).toBe(256 * KIB)
    free(slabs, held.slice(33, 34))
    expect(slabs.allocated).toBe(192 * KIB)
    expect(held[31]?.body.toString()).toBe(textAt(31))
    expect(held[34]?.body.toString()).toBe(textAt(34))
    free(slabs, held.slice(34, 63))
    expect(slabs.allocated).toBe(192 * KIB)
    free(slabs, held.slice(63, 64))
    expect(slabs.allocated).toBe(128 * KIB)
  })

  it('leaves slabs alone until more than 15 % of their bytes are unused', () => {
    const slabs = new Slabs()
    const held = fill(slabs, 257)
    expect(slabs.allocated).toBe(1024 * KIB)
    // 10 of 32 entries are left in the first slab, 12 of 64 in the third one.
    free(slabs, held.slice(0, 22))
    free(slabs, held.slice(64, 116))
    free(slabs, held.slice(32, 34))
    expect(slabs.allocated).toBe(1024 * KIB)
    free(slabs, held.slice(34, 35))
    expect(slabs.allocated).toBe(896 * KIB)
    for (const at of [22, 35, 116, 127, 128, 256]) expect(held[at]?.body.toString()).toBe(textAt(at))
  })

  it('moves nothing while all that is unused is in the newest slab', () => {
    const slabs = new Slabs()
    const held = fill(slabs, 128)
    free(slabs, held.slice(64, 97))
    expect(slabs.allocated).toBe(256 * KIB)
    const next = slabs.pack(entry('x'))
    free(slabs, held.slice(97, 102))
    expect(slabs.allocated).toBe(512 * KIB)
    free(slabs, held.slice(102, 103))
    expect(slabs.allocated).toBe(384 * KIB)
    for (const at of [0, 63, 103, 127]) expect(held[at]?.body.toString()).toBe(textAt(at))
    expect(next.body.toString()).toBe('x')
  })

  it('counts the rest of a slab that the next entry does not fit into as unused', () => {
    const slabs = new Slabs()
    const large = Array.from({ length: 11 }, () => slabs.pack(entry('x'.repeat(6_000))))
    // The rest of the first slab: 65,536 - 10 * 6,000 = 5,536 bytes.
    const small = fill(slabs, 60)
    free(slabs, small.slice(0, 29))
    expect(slabs.allocated).toBe(256 * KIB)
    free(slabs, small.slice(29, 30))
    expect(slabs.allocated).toBe(192 * KIB)
    expect(large[0]?.body.length).toBe(6_000)
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
