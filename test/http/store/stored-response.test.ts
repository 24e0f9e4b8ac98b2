import { describe, expect, it } from 'vitest'
import type { Entry } from '../../../src/core/entry.js'
import type { StoredHead } from '../../../src/http/store/stored-head.js'
import { StoredResponse } from '../../../src/http/store/stored-response.js'
import { headText, markerText, readStored } from '../../../src/http/store/stored-text.js'
import { NO_DIRECTIVES } from '../../../src/http/syntax/cache-control.js'

const at = Date.UTC(2026, 0, 1)

const head: StoredHead = {
  identity: 'GET http://a.example/a',
  status: 200,
  reason: 'Fine',
  fields: ['Content-Type', 'text/plain', 'Link', ['</a>', '</b>'], 'X-Binary', '\u00c3\u00a4\u0080'],
  ownEntityTag: false,
  appended: ['link'],
  removed: ['x-powered-by'],
  control: { ...NO_DIRECTIVES, sMaxage: 60, noCacheFields: ['x-a'] },
  initialAge: 1_500,
  cost: 20,
  staleWhileRevalidate: 5,
  staleIfError: 0,
  selecting: ['accept'],
  values: [null],
  nested: true,
}

function entryOf(meta: string, body = 'body'): Entry {
  return {
    storedAt: at,
    staleAt: at + 60_000,
    deleteAt: at + 90_000,
    tags: [],
    meta,
    body: Buffer.from(body),
    memo: undefined,
  }
}

function stored(entry: Entry = entryOf(headText(head))): StoredResponse {
  const read = readStored(entry)
  if (!(read instanceof StoredResponse)) throw new Error('no stored response')
  return read
}

describe('StoredResponse', () => {
  it('comes back as it was kept', () => {
    const { fields, ...rest } = head
    const response = stored()
    expect(response).toMatchObject(rest)
    expect(response.list).toEqual([...fields, 'Content-Length', '4'])
  })

  it('is not parsed for each of many hits', () => {
    const entry = entryOf(headText(head))
    for (let hit = 0; hit < 1000; hit++) readStored(entry)
    expect(readStored(entry)).toBe(readStored(entry))
  })

  it('is the same answer within a second, and another one after it', () => {
    const response = stored()
    const first = response.asHit(at, 'memory', undefined)
    expect(first.fields.slice(-4)).toEqual(['Age', '1', 'Cache-Status', 'fallback-cache; hit; ttl=60; detail=memory'])
    expect(response.asHit(at + 499, 'memory', undefined)).toBe(first)
    expect(response.asHit(at + 500, 'memory', undefined).fields.slice(-4, -2)).toEqual(['Age', '2'])
    expect(response.asHit(at + 499, 'redis', undefined).fields.at(-1)).toContain('detail=redis')
  })

  it('says how long it has been stale', () => {
    const response = stored()
    expect([0, 59_999, 60_000, 60_001, 61_001].map((later) => response.lifetimeLeft(at + later))).toEqual([
      60, 1, 0, -1, -2,
    ])
  })

  it('keeps the Content-Length it was stored with, and has none with 204', () => {
    const fields = ['content-length', '4']
    expect(stored(entryOf(headText({ ...head, fields }))).list).toEqual(fields)
    expect(stored(entryOf(headText({ ...head, status: 204, fields: [] }), '')).list).toEqual([])
  })
})

describe('readStored', () => {
  it('reads the marker of a response that varies', () => {
    for (const counted of [new Map(), new Map([['0123456789ab', 1_800_000_000_000]])]) {
      const marker = { identity: head.identity, selecting: ['accept', 'origin'], counted }
      expect(readStored(entryOf(markerText(marker)))).toEqual(marker)
    }
  })

  it('reads a marker without a count, and one whose count is none', () => {
    for (const count of ['', ',"n":1', ',"n":null', ',"n":["a"]', ',"n":{"a":"b"}']) {
      const marker = { identity: 'a', selecting: ['accept'], counted: new Map() }
      expect(readStored(entryOf(`{"i":"a","m":["accept"]${count}}`))).toEqual(marker)
    }
  })

  for (const foreign of [
    '',
    'x',
    '{',
    '{}',
    '[]',
    'null',
    '{"i":1}',
    '{"i":"a"}',
    '{"i":"a","s":200,"f":["odd"]}',
    '{"i":"a","m":[1]}',
  ]) {
    it(`takes for nothing what is not ours: ${foreign || 'an empty text'}`, () => {
      expect(readStored(entryOf(foreign))).toBeUndefined()
    })
  }
})
