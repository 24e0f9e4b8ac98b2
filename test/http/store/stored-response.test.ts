import { describe, expect, it } from 'vitest'
import type { Entry } from '../../../src/core/entry.js'
import type { StoredHead } from '../../../src/http/store/stored-head.js'
import { StoredResponse } from '../../../src/http/store/stored-response.js'
import { headText, markerText, readStored } from '../../../src/http/store/stored-text.js'
import { NO_DIRECTIVES } from '../../../src/http/syntax/cache-control.js'
import type { FieldValue } from '../../../src/http/syntax/fields.js'

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

  it('is another answer before it was made, for another source and for another key', () => {
    const response = stored()
    const first = response.asHit(at + 200, 'memory', 'k')
    expect(response.asHit(at + 200, 'memory', 'k')).toBe(first)
    expect(response.asHit(at + 199, 'memory', 'k')).not.toBe(first)
    const second = response.asHit(at + 200, 'memory', 'k')
    expect(response.asHit(at + 200, 'redis', 'k')).not.toBe(second)
    const third = response.asHit(at + 200, 'memory', 'k')
    expect(response.asHit(at + 200, 'memory', 'other').fields.at(-1)).toContain('other')
    expect(third.fields.at(-1)).toBe('fallback-cache; hit; ttl=60; key="k"; detail=memory')
  })

  it('says nothing about the cache unless it is asked to', () => {
    expect(stored().asHit(at, undefined, undefined).fields.slice(-2)).toEqual(['Age', '1'])
    expect(stored().hitStatus(at, undefined, undefined)).toBeUndefined()
  })

  it('is the same answer until its Age or its remaining lifetime in seconds changes, also when it is stale', () => {
    const changes = (initialAge: number, staleAfter: number, from: number) => {
      const response = stored({ ...entryOf(headText({ ...head, initialAge })), staleAt: at + staleAfter })
      const first = response.asHit(at + from, 'memory', undefined)
      let later = from
      while (response.asHit(at + later, 'memory', undefined) === first) later++
      expect(response.asHit(at + later, 'memory', undefined).fields).not.toEqual(first.fields)
      return later
    }
    expect(changes(0, 60_000, 0)).toBe(1000)
    expect(changes(0, 60_000, 2400)).toBe(3000)
    expect(changes(300, 60_000, 0)).toBe(700)
    expect(changes(0, 60_250, 0)).toBe(250)
    expect(changes(0, 60_250, 100)).toBe(250)
    expect(changes(0, 5250, 5300)).toBe(6000)
    expect(changes(900, 5250, 6150)).toBe(6251)
    expect(changes(0, 5000, 5000)).toBe(5001)
    expect(changes(900, 5250, 6250)).toBe(6251)
    expect(changes(0, 2000, 2000)).toBe(2001)
  })

  it('is one answer for all requests that waited for it, within a second and for one reason', () => {
    const response = stored()
    let asked = 0
    const status = () => `fallback-cache; fwd=miss; asked=${++asked}`
    const first = response.asCollapsed(at + 100, 'miss', status)
    expect(first.fields.slice(-4)).toEqual(['Age', '1', 'Cache-Status', 'fallback-cache; fwd=miss; asked=1'])
    expect(response.asCollapsed(at + 100, 'miss', status)).toBe(first)
    expect(response.asCollapsed(at + 499, 'miss', status)).toBe(first)
    expect(response.asCollapsed(at + 500, 'miss', status)).not.toBe(first)
    expect(asked).toBe(2)
    response.asCollapsed(at + 500, 'stale', status)
    response.asCollapsed(at + 499, 'stale', status)
    expect(asked).toBe(4)
  })

  it('adds to the Cache-Status of caches nearer to the origin', () => {
    for (const fields of [
      ['Cache-Status', 'origin; hit', 'X-A', 'a'],
      ['X-A', 'a', 'Cache-Status', ['origin; hit']],
    ]) {
      const added = stored(entryOf(headText({ ...head, fields })))
        .asHit(at, 'memory', undefined)
        .fields.at(-1)
      expect(added).toBe('origin; hit, fallback-cache; hit; ttl=60; detail=memory')
    }
  })

  it('is checked by Node.js when it is sent, if it has a value that Node.js does not accept', () => {
    const checked = (value: FieldValue) =>
      new StoredResponse(entryOf(''), { ...head, fields: ['X-A', value] }).asHit(at, 'memory', undefined).checkedNames
    expect(checked('a')).toEqual(['x-a', 'content-length', 'age', 'cache-status'])
    expect(checked(['a', 'b'])).toEqual(['x-a', 'content-length', 'age', 'cache-status'])
    expect(checked('a\r\nX-B: b')).toBeUndefined()
    expect(checked(['a', 'b\nc'])).toBeUndefined()
  })

  it('gives the handler no entity tag of the cache', () => {
    const validators = (ownEntityTag: boolean) => ({
      ...stored(entryOf(headText({ ...head, fields: ['ETag', '"1"', 'X-A', 'a'], ownEntityTag }))).validators,
    })
    expect(validators(false)).toEqual({ etag: '"1"', 'x-a': 'a', 'content-length': '4' })
    expect(validators(true)).toEqual({ etag: undefined, 'x-a': 'a', 'content-length': '4' })
  })

  it('knows which encodings are missing, and what its bytes are without them', () => {
    const encoded = (encodings: StoredHead['encodings'], body: string) =>
      stored(entryOf(headText({ ...head, encodings }), body))
    const missing = encoded([{ coding: 'br', length: 0, digest: '' }], 'body')
    expect([missing.isToBeEncoded, missing.codings, missing.representations?.size]).toEqual([true, [], 0])
    const made = encoded([{ coding: 'br', length: 3, digest: 'abc' }], 'bodyxyz')
    expect([made.isToBeEncoded, made.codings, made.body.toString()]).toEqual([false, ['br'], 'body'])
    const none = stored()
    expect([none.isToBeEncoded, none.codings, none.representations]).toEqual([false, [], undefined])
    expect([none.isEncoded, none.coding]).toEqual([false, undefined])
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
