import { deserialize, serialize } from 'node:v8'
import { describe, expect, it } from 'vitest'
import type { Entry } from '../../src/core/entry.js'
import { CacheError } from '../../src/core/errors.js'
import { costOf, ValueCodec } from '../../src/core/values.js'

const json = new ValueCodec(JSON.stringify, ((text: string) => JSON.parse(text)) as (data: never) => unknown)

function entry(codec: ValueCodec, value: unknown, cost = 0): Entry {
  return { storedAt: 0, staleAt: 1, deleteAt: 1, tags: [], memo: undefined, ...codec.serialize(value, cost) }
}

describe('ValueCodec', () => {
  it.each([[null], [0], [''], [false], ['Grüße 😀'], [[1, [2]]], [{ a: { b: null } }], ['x'.repeat(100_000)]])(
    'brings %j back',
    (value) => {
      expect(json.deserialize(entry(json, value))).toEqual(value)
    },
  )

  it('hands the deserializer what the serializer gave: text for text, a Buffer for a Buffer', () => {
    const kinds: string[] = []
    const note = (data: never): unknown => kinds.push(typeof data === 'string' ? 'text' : String(Buffer.isBuffer(data)))
    const text = new ValueCodec(String, note)
    text.deserialize(entry(text, 'b'))
    const bytes = new ValueCodec((value) => Buffer.from(String(value)), note)
    bytes.deserialize(entry(bytes, 'b', 12))
    expect(kinds).toEqual(['text', 'true'])
  })

  it('keeps every byte of a Buffer', () => {
    const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
    const raw = new ValueCodec(
      (value) => value as Buffer,
      (data) => data,
    )
    const back = raw.deserialize(entry(raw, all)) as Buffer
    expect(back.equals(all)).toBe(true)
  })

  it('brings back what JSON cannot, with a serializer that can', () => {
    const v8 = new ValueCodec(serialize, deserialize as (data: never) => unknown)
    const value = new Map<unknown, unknown>([[new Date(0), new Set([1n])]])
    expect(v8.deserialize(entry(v8, value))).toEqual(value)
  })

  it('takes a Buffer as it is now: the serializer may use it again, the reader may write on it', () => {
    const shared = Buffer.from('first')
    const raw = new ValueCodec(
      () => shared,
      (data) => data,
    )
    const kept = entry(raw, undefined)
    shared.write('other')
    const read = raw.deserialize(kept) as Buffer
    expect(read.toString()).toBe('first')
    read.write('wrong')
    expect((raw.deserialize(kept) as Buffer).toString()).toBe('first')
  })

  it('keeps alive no more than the bytes of the value', () => {
    const raw = new ValueCodec(
      (value) => value as Buffer,
      (data) => data,
    )
    expect(entry(raw, Buffer.alloc(1_000_000).subarray(0, 100)).body.buffer.byteLength).toBe(100)
    expect(entry(json, 'x').body.buffer.byteLength).toBe(3)
  })

  it.each([[undefined], [() => 1], [Symbol('s')]])('says that %s has no serialized form', (value) => {
    expect(() => json.serialize(value, 0)).toThrow(CacheError)
    expect(() => json.serialize(value, 0)).toThrow('the serializer returned undefined, not a string or a Buffer')
  })

  it('says what the serializer or the deserializer threw, with the error as cause', () => {
    const cause = new Error('no')
    const broken = new ValueCodec(
      () => {
        throw cause
      },
      () => {
        throw cause
      },
    )
    for (const attempt of [() => broken.serialize(1, 0), () => broken.deserialize(entry(json, 1))]) {
      try {
        attempt()
        expect.unreachable()
      } catch (error) {
        expect(error).toMatchObject({ name: 'CacheError', code: 'serializer', cause })
      }
    }
  })

  it('says what happened of something thrown that has no text', () => {
    const thrown: unknown = Object.create(null)
    const broken = new ValueCodec(
      () => {
        throw thrown
      },
      () => undefined,
    )
    expect(() => broken.serialize(1, 0)).toThrow('no error and has no text')
  })

  it('notes how long a value took to make', () => {
    expect(costOf(entry(json, 1, 120.4))).toBe(120)
    expect(costOf(entry(json, 1))).toBe(0)
    const raw = new ValueCodec(
      (value) => value as Buffer,
      (data) => data,
    )
    expect(costOf(entry(raw, Buffer.from('x'), 7))).toBe(7)
    expect(costOf({ ...entry(json, 1), meta: '{"status":200}' })).toBe(0)
  })
})
