import fc from 'fast-check'
import type { Entry } from '../../src/core/entry.js'
import { HIGHEST_POSITION } from '../../src/core/stamp.js'
import { Slabs } from '../../src/core/tiers/slabs.js'
import { decodeFrame, decodeHead, encodeFrame, HEAD_BYTES } from '../../src/core/tiers/wire-frame.js'
import { StoredResponse } from '../../src/http/store/stored-response.js'
import { readStored } from '../../src/http/store/stored-text.js'

const text = fc.string({ unit: 'grapheme', maxLength: 20 })
const moment = fc.integer({ min: 1, max: 2 ** 42 })
const word = fc.stringMatching(/^[0-9a-z]{1,16}$/)

/** The head of a stored response as `StoredHead` is written, of all sorts of values. */
const head = fc.record(
  {
    i: fc.oneof(fc.constant('GET http://a.example/'), text, fc.jsonValue()),
    s: fc.oneof(fc.integer({ min: -1, max: 700 }), fc.jsonValue()),
    r: fc.oneof(text, fc.jsonValue()),
    f: fc.oneof(fc.array(fc.oneof(word, text, fc.array(text, { maxLength: 3 })), { maxLength: 6 }), fc.jsonValue()),
    p: fc.oneof(fc.array(word), fc.jsonValue()),
    x: fc.oneof(fc.array(word), fc.jsonValue()),
    c: fc.oneof(fc.dictionary(word, fc.jsonValue()), fc.jsonValue()),
    v: fc.oneof(fc.array(word), fc.jsonValue()),
    u: fc.oneof(fc.array(fc.option(text)), fc.jsonValue()),
    m: fc.oneof(fc.array(word), fc.jsonValue()),
    n: fc.oneof(fc.boolean(), fc.dictionary(text, fc.jsonValue())),
    a: fc.oneof(fc.nat(), fc.jsonValue()),
    d: fc.oneof(fc.nat(), fc.jsonValue()),
    w: fc.oneof(fc.nat(), fc.jsonValue()),
    e: fc.oneof(fc.nat(), fc.jsonValue()),
    z: fc.oneof(fc.array(fc.tuple(word, fc.nat(20))), fc.jsonValue()),
    o: fc.boolean(),
  },
  { requiredKeys: [] },
)

/** An object may have no usable `toString`. */
function shownAs(value: unknown): string {
  return typeof value === 'string' ? value : String(JSON.stringify(value))
}

/** The same as lines: names and values that belong together, and some that do not. */
const lines = fc
  .record({
    head,
    names: fc.array(fc.oneof({ weight: 6, arbitrary: word }, text), { maxLength: 5 }),
    values: fc.array(text, { maxLength: 5 }),
    numbers: fc.oneof({ weight: 6, arbitrary: fc.tuple(fc.nat(), fc.nat()) }, fc.array(text)),
  })
  .map(({ head: { i, f, ...shape }, names, values, numbers }) =>
    [JSON.stringify({ ...shape, h: names }), numbers.join(' '), ...values, shownAs(i)].join('\n'),
  )

/** An entry, its place, and what happens to its bytes on the way: some are replaced, and the end is cut off or goes on. */
const frames = fc.record({
  entry: fc.record({
    staleAt: moment,
    lasts: fc.nat(2 ** 30),
    tags: fc.array(text, { maxLength: 4 }),
    meta: fc.oneof(
      text,
      head.map((value) => JSON.stringify(value)),
      lines,
    ),
    body: fc.uint8Array({ maxLength: 60 }),
    id: fc.option(word, { nil: undefined }),
  }),
  storedAt: moment,
  incarnation: word,
  position: fc.integer({ min: 0, max: HIGHEST_POSITION }),
  label: fc.option(word, { nil: undefined }),
  after: fc.option(word, { nil: undefined }),
  changes: fc.array(fc.tuple(fc.nat(300), fc.oneof(fc.nat(255), fc.constantFrom(0x0a, 0x20, 0x2b, 0x30, 0x39, 0x3d))), {
    maxLength: 6,
  }),
  longer: fc.integer({ min: -20, max: 3 }),
})
type Frame = typeof frames extends fc.Arbitrary<infer Value> ? Value : never

/** What is wrong with how a frame is written and read; `undefined` for nothing. */
function frameFault(frame: Frame): string | undefined {
  const { entry, storedAt, incarnation, position, label, after, changes, longer } = frame
  const { staleAt, lasts, tags, meta, id } = entry
  const whole: Entry = {
    storedAt,
    ...{ staleAt, deleteAt: staleAt + lasts, tags, meta, id },
    body: Buffer.from(entry.body),
    memo: undefined,
  }
  const stamp = { incarnation, position }
  const bytes = encodeFrame(whole, storedAt, { stamp, label, after })
  // An entry with an id is too large to be packed.
  const packed = id === undefined ? new Slabs().pack(whole) : whole
  if (!encodeFrame(packed, storedAt, { stamp, label, after }).equals(bytes)) return 'packed, it has other bytes'
  const read = decodeFrame(bytes)
  const same = { stamp, label, after, entry: { ...whole, body: [...whole.body] } }
  const got = read && { ...read, entry: { ...read.entry, body: [...read.entry.body] } }
  if (!isSame(got, same)) return `it is read as ${fc.stringify(got)}`
  const fault = storedFault(whole)
  if (fault !== undefined) return fault
  const other = Buffer.concat([bytes, Buffer.alloc(Math.max(0, longer), 0x30)])
  for (const [at, byte] of changes) if (at < other.length) other[at] = byte
  const mangled = other.subarray(0, longer < 0 ? Math.max(0, other.length + longer) : other.length)
  decodeHead(mangled.subarray(0, HEAD_BYTES))
  const late = decodeFrame(mangled)
  if (late === undefined) return undefined
  if (late.entry.deleteAt < late.entry.staleAt)
    return 'mangled, it is read with an end before its freshness lifetime is over'
  if (changes.length === 0 && longer !== 0) return 'cut off or continued, it is read all the same'
  return storedFault(late.entry)
}

/** A stored response that cannot be what was written is none, and one that is can be sent. */
function storedFault(entry: Entry): string | undefined {
  const stored = readStored({ ...entry, memo: undefined })
  if (!(stored instanceof StoredResponse)) return undefined
  const { status, fields } = stored.asHit(entry.storedAt, 'memory', undefined)
  if (!Number.isInteger(status) || status < 200 || status > 599) return `it has the status ${status}`
  if (fields.length % 2 !== 0) return 'it has a field without a value'
  if (!Number.isFinite(stored.ageAt(entry.storedAt))) return 'it has no age'
  return undefined
}

function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one, keys) === JSON.stringify(other, keys)
}

/** Objects whose members come in one order. */
function keys(_: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([one], [two]) => (one < two ? -1 : 1)))
}

/** Writes, mangles and reads random frames, and stops at the first fault, made as small as it gets. */
export async function fuzzFrames(
  cases: number,
  seed: number,
): Promise<{ readonly counts: Readonly<Record<string, number>>; readonly faults: readonly string[] }> {
  const counts = { frames: 0, responses: 0 }
  const property = fc.property(frames, (frame) => {
    counts.frames += 1
    const found = frameFault(frame)
    if (found !== undefined) throw new Error(found)
    if (frame.entry.meta.startsWith('{')) counts.responses += 1
  })
  const { failed, counterexample, errorInstance } = fc.check(property, { numRuns: cases, seed })
  return { counts, faults: failed ? [`${fc.stringify(counterexample)}: ${String(errorInstance)}`] : [] }
}
