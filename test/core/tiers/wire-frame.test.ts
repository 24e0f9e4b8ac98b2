import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Slabs } from '../../../src/core/tiers/slabs.js'
import {
  decodeFrame,
  decodeHead,
  encodeFrame,
  FRAME_MAGIC,
  frameStart,
  isTombstone,
  tombstoneFrame,
} from '../../../src/core/tiers/wire-frame.js'

const golden = new URL('../../golden/', import.meta.url)
const stamp = { incarnation: '0a1b2c3d4e5f', position: 1_767_225_600_000_123 }
const storedAt = 1_767_225_600_000

const entries = {
  full: {
    staleAt: storedAt + 60_000,
    deleteAt: storedAt + 3_600_000,
    tags: ['product:1', 'Grüße', '日本', 'a"b\\c'],
    meta: '{"status":200,"fields":[["content-type","text/plain; charset=utf-8"]],"q":"é"}',
    body: Buffer.from([0x00, 0x0a, 0xff, 0xfe, 0x7b, 0x20, 0xc3, 0x28]),
  },
  plain: { staleAt: storedAt + 1, deleteAt: storedAt + 1, body: Buffer.from('"value"') },
  empty: { staleAt: storedAt, deleteAt: storedAt + 1, tags: [], meta: '', body: Buffer.alloc(0) },
}

describe('encodeFrame', () => {
  for (const [name, entry] of Object.entries(entries)) {
    it(`writes the bytes of wire-frame-v1-${name}.bin, for as long as the magic says 1`, () => {
      const file = readFileSync(new URL(`wire-frame-v1-${name}.bin`, golden))
      expect(hexDump(encodeFrame(entry, storedAt, { stamp }))).toBe(hexDump(file))
    })
  }

  it('leaves a mark of an exact invalidation as wire-frame-v1-tombstone.bin has it', () => {
    const file = readFileSync(new URL('wire-frame-v1-tombstone.bin', golden))
    expect(hexDump(Buffer.from(tombstoneFrame(stamp)))).toBe(hexDump(file))
  })

  it('is what wire-frame-v1.hex shows', () => {
    const shown = [...Object.keys(entries), 'tombstone']
      .map((name) => `${name}\n${hexDump(readFileSync(new URL(`wire-frame-v1-${name}.bin`, golden)))}`)
      .join('\n')
    expect(readFileSync(new URL('wire-frame-v1.hex', golden), 'utf8')).toBe(shown)
  })

  it('can be read by eye: one line of words, then tags, meta and body', () => {
    const [line, rest] = encodeFrame(entries.plain, storedAt, { stamp }).toString().split('\n')
    expect(line).toBe('fallback-cache/1 0a1b2c3d4e5f 1767225600000123 1767225600000 1767225600001 1767225600001 0 0 7')
    expect(rest).toBe('"value"')
  })
})

describe('encodeFrame of what is in memory', () => {
  it('writes the same bytes as for the entry that was put in', () => {
    for (const entry of Object.values(entries)) {
      const packed = new Slabs().pack({ tags: [], meta: '', memo: undefined, storedAt, ...entry })
      const origin = { stamp, label: 'k1', after: 'z9' }
      expect(hexDump(encodeFrame(packed, storedAt, origin))).toBe(hexDump(encodeFrame(entry, storedAt, origin)))
    }
  })
})

describe('the end of the first line', () => {
  const numbers = '1767225600000123 1767225600000 1767225600001 1767225600001 0 0 7'
  it.each([
    [{}, undefined, ''],
    [{ label: 'k1' }, undefined, ' =k1'],
    [{ after: 'z9' }, undefined, ' +z9'],
    [{ label: 'k1', after: 'z9' }, 'id5', ' =k1 +z9 id5'],
  ])('holds what is known: %j %s', (origin, id, end) => {
    const frame = encodeFrame({ ...entries.plain, id }, storedAt, { stamp, ...origin })
    expect(frame.toString()).toBe(`fallback-cache/1 0a1b2c3d4e5f ${numbers}${end}\n"value"`)
    expect(decodeHead(frame)).toMatchObject({ ...origin, id, tags: [] })
  })
})

describe('frameStart', () => {
  const whole = { memo: undefined, storedAt, ...entries.full }

  it('is the first line of an entry with an id, and the whole frame without one', () => {
    const frame = encodeFrame({ ...whole, id: 'id5' }, storedAt, { stamp })
    const line = frame.subarray(0, frame.indexOf('\n') + 1)
    expect(frameStart({ ...whole, id: 'id5' }, { stamp }).toString()).toBe(line.toString())
    expect(hexDump(frameStart(whole, { stamp }))).toBe(hexDump(encodeFrame(whole, storedAt, { stamp })))
  })
})

describe('decodeFrame', () => {
  it('reads a first line of 255 bytes, and none of 256', () => {
    const ofLength = (length: number) => {
      const rest = ' 1 1 2 3 0 0 0\n'
      return Buffer.from(`${FRAME_MAGIC} ${'i'.repeat(length + 1 - FRAME_MAGIC.length - 1 - rest.length)}${rest}`)
    }
    expect(ofLength(255).indexOf('\n')).toBe(255)
    expect(decodeFrame(ofLength(255))).toBeDefined()
    expect(decodeFrame(ofLength(256))).toBeUndefined()
  })

  for (const [name, entry] of Object.entries(entries)) {
    it(`reads wire-frame-v1-${name}.bin`, () => {
      const framed = decodeFrame(readFileSync(new URL(`wire-frame-v1-${name}.bin`, golden)))
      expect(framed).toEqual({
        stamp,
        entry: { tags: [], meta: '', storedAt, memo: undefined, ...entry },
      })
    })
  }

  it('gives a body that is a view of the frame, not a copy', () => {
    const frame = encodeFrame(entries.full, storedAt, { stamp })
    const body = decodeFrame(frame)?.entry.body
    expect(body?.buffer).toBe(frame.buffer)
    expect(body?.byteOffset).toBe(frame.byteOffset + frame.length - entries.full.body.length)
  })

  it('counts tags and meta in bytes, not in characters', () => {
    const framed = decodeFrame(encodeFrame(entries.full, storedAt, { stamp }))
    expect(framed?.entry.tags).toEqual(entries.full.tags)
    expect(framed?.entry.meta).toBe(entries.full.meta)
  })

  it('keeps half a surrogate pair in a tag', () => {
    const framed = decodeFrame(encodeFrame({ ...entries.plain, tags: ['\ud83d', '\ude00'] }, storedAt, { stamp }))
    expect(framed?.entry.tags).toEqual(['\ud83d', '\ude00'])
  })

  it('knows the mark of an exact invalidation', () => {
    const framed = decodeFrame(Buffer.from(tombstoneFrame(stamp)))
    expect(framed?.stamp).toEqual(stamp)
    expect(framed !== undefined && isTombstone(framed)).toBe(true)
    const other = decodeFrame(encodeFrame(entries.plain, storedAt, { stamp }))
    expect(other !== undefined && isTombstone(other)).toBe(false)
  })

  it('gives undefined for a frame cut off anywhere, and for one that goes on', () => {
    const frame = encodeFrame(entries.full, storedAt, { stamp })
    for (let length = 0; length < frame.length; length++) {
      expect(decodeFrame(frame.subarray(0, length)), `${length} bytes`).toBeUndefined()
    }
    expect(decodeFrame(Buffer.concat([frame, Buffer.from([0])]))).toBeUndefined()
  })

  const line = (...words: readonly unknown[]): Buffer => Buffer.from(`${words.join(' ')}\n`)
  const foreign: [string, Buffer][] = [
    ['nothing', Buffer.alloc(0)],
    ['a line end alone', Buffer.from('\n')],
    ['JSON', Buffer.from('{"a":1}')],
    ['JSON of the Python original', Buffer.from('{"name": "x"}\n')],
    ['a later version', line('fallback-cache/2', 'i', 1, 1, 2, 3, 0, 0, 0)],
    ['an earlier version', line('fallback-cache/0', 'i', 1, 1, 2, 3, 0, 0, 0)],
    ['a word too few', line(FRAME_MAGIC, 'i', 1, 1, 2, 3, 0, 0)],
    ['a word too many', line(FRAME_MAGIC, 'i', 1, 1, 2, 3, 0, 0, 0, 'id', 0)],
    ['an id of other letters', line(FRAME_MAGIC, 'i', 1, 1, 2, 3, 0, 0, 0, 'ID')],
    ['an empty id', line(FRAME_MAGIC, 'i', 1, 1, 2, 3, 0, 0, 0, '')],
    ['an empty incarnation', line(FRAME_MAGIC, '', 1, 1, 2, 3, 0, 0, 0)],
    ['a negative number', line(FRAME_MAGIC, 'i', -1, 1, 2, 3, 0, 0, 0)],
    ['a fraction', line(FRAME_MAGIC, 'i', 1.5, 1, 2, 3, 0, 0, 0)],
    ['an exponent', line(FRAME_MAGIC, 'i', '1e3', 1, 2, 3, 0, 0, 0)],
    ['hexadecimal', line(FRAME_MAGIC, 'i', '0x10', 1, 2, 3, 0, 0, 0)],
    ['no number', line(FRAME_MAGIC, 'i', 'NaN', 1, 2, 3, 0, 0, 0)],
    ['a number no double keeps', line(FRAME_MAGIC, 'i', '9007199254740993', 1, 2, 3, 0, 0, 0)],
    ['a body of absurd length', line(FRAME_MAGIC, 'i', 1, 1, 2, 3, 0, 0, '9007199254740991')],
    ['tags of absurd length', line(FRAME_MAGIC, 'i', 1, 1, 2, 3, '9007199254740991', '9007199254740991', 1)],
    ['an end before the freshness lifetime is over', line(FRAME_MAGIC, 'i', 1, 1, 3, 2, 0, 0, 0)],
    ['tags that are no JSON', Buffer.concat([line(FRAME_MAGIC, 'i', 1, 1, 2, 3, 2, 0, 0), Buffer.from('[x')])],
    ['tags that are no list', Buffer.concat([line(FRAME_MAGIC, 'i', 1, 1, 2, 3, 2, 0, 0), Buffer.from('{}')])],
    ['tags that are no texts', Buffer.concat([line(FRAME_MAGIC, 'i', 1, 1, 2, 3, 3, 0, 0), Buffer.from('[1]')])],
    ['a first line without end', Buffer.from(`${FRAME_MAGIC} ${'9'.repeat(100_000)}`)],
    ['a first line that is too long', line(FRAME_MAGIC, 'i'.repeat(300), 1, 1, 2, 3, 0, 0, 0)],
    ['\\r\\n for \\n', Buffer.from(`${FRAME_MAGIC} i 1 1 2 3 0 0 0\r\n`)],
  ]
  for (const [what, bytes] of foreign) {
    it(`gives undefined for ${what}`, () => {
      expect(decodeFrame(bytes)).toBeUndefined()
    })
  }

  it('gives back what encodeFrame was given, for any entry', () => {
    const moment = fc.nat({ max: 8_640_000_000_000_000 })
    const entry = fc.record({
      tags: fc.array(fc.string({ unit: 'binary', maxLength: 10 }), { maxLength: 5 }),
      meta: fc.string({ unit: 'binary', maxLength: 20 }),
      body: fc.uint8Array({ maxLength: 30 }).map((bytes) => Buffer.from(bytes)),
      storedAt: moment,
      staleAt: moment,
      id: fc.option(fc.stringMatching(/^[0-9a-z]{1,12}$/), { nil: undefined }),
    })
    fc.assert(
      fc.property(entry, moment, fc.nat(), (given, extra, position) => {
        const deleteAt = Math.min(given.staleAt + extra, Number.MAX_SAFE_INTEGER)
        const framed = decodeFrame(
          encodeFrame({ ...given, deleteAt }, given.storedAt, { stamp: { incarnation: 'name', position } }),
        )
        expect(framed).toEqual({
          stamp: { incarnation: 'name', position },
          entry: { ...given, deleteAt, memo: undefined },
        })
      }),
    )
  })

  it('never throws, for any bytes', () => {
    const word = fc.oneof(fc.constant(FRAME_MAGIC), fc.nat().map(String), fc.string({ maxLength: 20 }))
    const almost = fc
      .tuple(fc.array(word, { maxLength: 11 }), fc.uint8Array({ maxLength: 60 }))
      .map(([words, rest]) => Buffer.concat([Buffer.from(`${words.join(' ')}\n`), rest]))
    const broken = fc.tuple(fc.nat(), fc.nat({ max: 255 })).map(([at, byte]) => {
      const frame = encodeFrame(entries.full, storedAt, { stamp })
      frame[at % frame.length] = byte
      return frame
    })
    const anything = fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes))
    fc.assert(
      fc.property(fc.oneof(almost, broken, anything), (bytes) => {
        const framed = decodeFrame(bytes)
        if (framed !== undefined) expect(framed.entry.deleteAt).toBeGreaterThanOrEqual(framed.entry.staleAt)
      }),
      { numRuns: 2000 },
    )
  })
})

describe('decodeHead', () => {
  const frame = encodeFrame(entries.full, storedAt, { stamp })

  it('reads the first line of a frame of which only the beginning is there', () => {
    const head = decodeHead(frame.subarray(0, 110))
    expect(head).toMatchObject({ stamp, storedAt, deleteAt: entries.full.deleteAt, end: frame.length })
  })

  it('says that the tags are not all there', () => {
    expect(decodeHead(frame.subarray(0, 110))?.tags).toBeUndefined()
    expect(decodeHead(frame)?.tags).toEqual(entries.full.tags)
  })
})

function hexDump(bytes: Buffer): string {
  let dump = ''
  for (let at = 0; at < bytes.length; at += 16) {
    const row = bytes.subarray(at, at + 16)
    const hex = [...row].map((byte) => byte.toString(16).padStart(2, '0')).join(' ')
    const text = [...row].map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('')
    dump += `${at.toString(16).padStart(8, '0')}  ${hex.padEnd(47)}  ${text}\n`
  }
  return dump
}
