import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { answerFromStore } from '../../../src/http/protocol/answer.js'
import type { Lookup } from '../../../src/http/protocol/lookup.js'
import { encodingOf } from '../../../src/http/store/encodings.js'
import { StoredResponse } from '../../../src/http/store/stored-response.js'
import {
  describedBy,
  headObject,
  headText,
  markerText,
  parseStored,
  readStored,
  withEncodings,
} from '../../../src/http/store/stored-text.js'
import { NO_DIRECTIVES } from '../../../src/http/syntax/cache-control.js'
import { heads } from '../../support/any-stored-head.js'
import { storedHead } from '../../support/stored-head.js'

const HEAD = { i: '/page', s: 200, f: ['content-type', 'text/plain'], v: ['accept'], u: ['text/html'] }

function read(meta: object): unknown {
  const entry = { storedAt: 1, staleAt: 2, deleteAt: 3, tags: [], body: Buffer.from('page'), id: undefined }
  return readStored({ ...entry, meta: JSON.stringify(meta), memo: undefined })
}

/** JSON that no release has written. */
const UNFIT: readonly unknown[] = [{ toString: 0 }, { valueOf: 0, toString: 0 }, [], [[]], true, -1, 1e300, null]

describe('the text of a stored response', () => {
  it('is read', () => {
    expect(read(HEAD)).toMatchObject({ status: 200, selecting: ['accept'], values: ['text/html'] })
    expect(read({ i: '/page', m: ['accept'], n: { a: 7 } })).toMatchObject({ counted: new Map([['a', 7]]) })
  })

  it.each(['a', 'd', 'w', 'e', 's', 'r', 'f', 'p', 'x', 'v', 'u', 'z'])(
    'is none of ours, and no error, if %s is of another type',
    (name) => {
      for (const unfit of UNFIT) expect(() => read({ ...HEAD, [name]: unfit })).not.toThrow()
      expect(read({ ...HEAD, [name]: { toString: 0 } })).toBeUndefined()
    },
  )

  it('has no selecting values but texts, and null for what was absent', () => {
    expect(read({ ...HEAD, u: [null] })).toBeDefined()
    for (const value of [7, {}, [], true]) expect(read({ ...HEAD, u: [value] })).toBeUndefined()
  })

  it('counts only numbers in a marker of variants', () => {
    for (const unfit of UNFIT.slice(0, 7)) {
      expect(read({ i: '/page', m: ['accept'], n: { a: unfit, b: 7 } })).toMatchObject({ counted: new Map([['b', 7]]) })
    }
  })
})

describe('the text of a marker', () => {
  const entry = {
    storedAt: 1,
    staleAt: 2,
    deleteAt: 3,
    tags: [],
    body: Buffer.alloc(0),
    id: undefined,
    memo: undefined,
  }

  it('is read as the marker that was written', () => {
    for (const counted of [
      new Map<string, number>(),
      new Map([
        ['a1', 7],
        ['b2', 8],
      ]),
    ]) {
      const marker = { identity: '/page', selecting: ['accept', 'cookie'], counted }
      expect(readStored({ ...entry, meta: markerText(marker) })).toEqual(marker)
    }
    expect(markerText({ identity: '/page', selecting: [], counted: new Map() })).not.toContain('"n"')
  })
})

describe('readStored', () => {
  const entry = { storedAt: 1, staleAt: 2, deleteAt: 3, tags: [], body: Buffer.from('page'), id: undefined }

  it('gives what was kept of an entry, and notes that a response was used', () => {
    const response = parseStored({ ...entry, meta: JSON.stringify(HEAD), memo: undefined })
    const marker = parseStored({ ...entry, meta: '{"i":"/page","m":["accept"]}', memo: undefined })
    for (const memo of [response, marker]) expect(readStored({ ...entry, meta: '', memo })).toBe(memo)
    expect(response).toMatchObject({ isUsed: true })
  })

  it.each([undefined, null, 'page', {}, { status: 200 }])('reads the text beside what others kept: %j', (memo) => {
    expect(readStored({ ...entry, meta: JSON.stringify(HEAD), memo })).toBeInstanceOf(StoredResponse)
  })

  it('keeps for some entries what it read, so that it is read once', () => {
    const kept = Array.from({ length: 512 }, () => ({
      ...entry,
      meta: JSON.stringify(HEAD),
      memo: undefined as unknown,
    }))
      .map((one) => [one, readStored(one)] as const)
      .filter(([one]) => one.memo !== undefined)
    expect(kept.length).toBeGreaterThan(0)
    for (const [one, read] of kept) expect(readStored(one)).toBe(read)
  })

  it.each(['', '7', 'null', '"text"', '[]', '{}', '{"i":7,"m":["accept"]}', JSON.stringify({ ...HEAD, i: undefined })])(
    'reads %j as none of ours, and keeps nothing',
    (meta) => {
      for (let at = 0; at < 64; at++) {
        const one = { ...entry, meta, memo: undefined }
        expect(readStored(one)).toBeUndefined()
        expect(one.memo).toBeUndefined()
      }
    },
  )

  it('reads a response with more or fewer values than selecting fields as none of ours', () => {
    for (const u of [undefined, [], ['a', 'b']]) expect(read({ ...HEAD, u })).toBeUndefined()
    expect(read({ ...HEAD, v: undefined, u: undefined })).toBeDefined()
  })
})

describe('withEncodings', () => {
  it('replaces the encodings, and nothing else', () => {
    const [br, gzip] = [encodingOf('br', Buffer.from('BR')), encodingOf('gzip', Buffer.from('GZ'))]
    const head = storedHead({ fields: ['ETag', '"a"'], encodings: [br] })
    expect(withEncodings(headObject(head), [gzip])).toBe(headObject({ ...head, encodings: [gzip] }))
    const added: unknown = JSON.parse(withEncodings(headObject(storedHead()), [br]))
    expect(added).toEqual(JSON.parse(headObject(storedHead({ encodings: [br] }))))
  })
})

describe('describedBy', () => {
  it('has the status and the route of a response, written as JSON or as lines', () => {
    const head = storedHead({ status: 404, fields: ['ETag', '"a"'], routePattern: '/pages/:id' })
    for (const text of [headText(head), headObject(head)]) {
      expect(describedBy(text)).toMatchObject({ s: 404, t: '/pages/:id', i: expect.any(String) })
    }
    expect(headText(head)).toContain('\n')
    expect(describedBy('{"i":"/page","m":["accept"]}')).toEqual({ i: '/page', m: ['accept'] })
    expect(describedBy('foreign')).toBeUndefined()
    expect(describedBy('foreign\n')).toBeUndefined()
  })
})

const moments = { storedAt: 1000, staleAt: 61_000, deleteAt: 99_000, tags: [], id: undefined }

function parsed(meta: string, body = 'page'): StoredResponse {
  const stored = parseStored({ ...moments, body: Buffer.from(body), meta, memo: undefined })
  if (!(stored instanceof StoredResponse)) throw new Error(`not read: ${meta}`)
  return stored
}

/** All that a stored response says, and the replies that clients get from it. */
function saidBy(stored: StoredResponse): unknown {
  const { entry: _, names, representations: __, ...own } = stored
  const whole = stored.asHit(5000, 'memory', undefined)
  const to = (method: string, headers: Record<string, string>) =>
    answerFromStore(
      { exchange: { request: { method, headers }, field: () => undefined }, storage: {} } as unknown as Lookup<object>,
      { stored, whole, now: 5000 },
    )
  const replies = [
    to('GET', {}),
    to('HEAD', {}),
    to('GET', { 'if-none-match': '*' }),
    to('GET', { 'if-modified-since': 'Thu, 01 Jan 2099 00:00:00 GMT' }),
    to('GET', { range: 'bytes=1-2' }),
  ]
  return { own, names, byName: { ...stored.byName }, replies }
}

describe('the lines of a stored response', () => {
  it('say the same as its JSON', () => {
    let lines = 0
    fc.assert(
      fc.property(heads, (head) => {
        const text = headText(head)
        if (text.includes('\n')) lines += 1
        const [one, other] = [saidBy(parsed(text)), saidBy(parsed(headObject(head)))]
        // As fast as it gets: toEqual only tells the difference.
        if (!isDeepStrictEqual(one, other)) expect(one).toEqual(other)
      }),
      { numRuns: 200 },
    )
    expect(lines).toBeGreaterThan(50)
  })

  it('are written unless a field has several lines, or there are encodings', () => {
    const fields = ['Content-Type', 'text/html', 'X-Empty', '', 'X-Latin', 'caf\u00e9']
    expect(headText(storedHead({ fields }))).toBe(
      '{"s":200,"h":["Content-Type","X-Empty","X-Latin"]}\n0 0\ntext/html\n\ncaf\u00e9\nGET http://cache.test/',
    )
    for (const head of [
      storedHead({ fields: ['Set-Cookie', ['a=1', 'b=2']] }),
      storedHead({ encodings: [{ coding: 'br', length: 0, digest: '' }] }),
      storedHead({ fields: ['X-Wide', '\u20ac'] }),
    ]) {
      expect(headText(head)).toBe(headObject(head))
    }
  })

  it('have an identity of several lines, and the selecting values', () => {
    const head = storedHead({
      identity: 'GET http://a/\n["1"]',
      selecting: ['accept'],
      values: ['text/html\n'],
      cost: 1.5,
    })
    expect(parsed(headText(head))).toMatchObject({
      identity: head.identity,
      selecting: head.selecting,
      values: head.values,
      cost: 1.5,
      control: NO_DIRECTIVES,
    })
  })

  it.each([['0'], ['00']])('have a Content-Length of %s if that is of the body', (length) => {
    for (const text of [headText, headObject]) {
      expect(parsed(text(storedHead({ fields: ['content-length', length] })), '').byName).toEqual({
        'content-length': length,
      })
    }
  })

  it('and JSON are none of ours with a length of more bytes, a field of connections, or one twice', () => {
    for (const f of [
      ['Content-Length', '5'],
      ['Content-Length', ['4', '4']],
      ['Trailer', 'a'],
      ['A', '1', 'a', '1'],
    ]) {
      expect(read({ ...HEAD, f })).toBeUndefined()
    }
    expect(read({ ...HEAD, f: ['Content-Length', '4'] })).toBeDefined()
  })

  it.each([
    ['a shape that is none', '{"s":200\n0 0\nGET http://a/'],
    ['a status that is none', '{"s":99,"h":[]}\n0 0\nGET http://a/'],
    ['no names', '{"s":200}\n0 0\nGET http://a/'],
    ['a name that Node.js rejects', '{"s":200,"h":["a b"]}\n0 0\nc\nGET http://a/'],
    ['fewer lines than names', '{"s":200,"h":["a","b"]}\n0 0\nc\nGET'],
    ['a line with a carriage return', '{"s":200,"h":["a"]}\n0 0\nc\rd: e\nGET'],
    ['a line that no field can have', '{"s":200,"h":["a"]}\n0 0\n\u20ac\nGET'],
    ['a length of more bytes', '{"s":200,"h":["Content-Length"]}\n0 0\n1\nGET'],
    ['a length that is none', '{"s":200,"h":["Content-Length"]}\n0 0\n0x0\nGET'],
    ['a field that is for one connection', '{"s":200,"h":["Transfer-Encoding"]}\n0 0\nchunked\nGET'],
    ['a field twice', '{"s":200,"h":["X-A","x-a"]}\n0 0\na\nb\nGET'],
    ['no numbers', '{"s":200,"h":[]}\nGET'],
    ['numbers below zero', '{"s":200,"h":[]}\n-1 0\nGET'],
    ['numbers that are none', '{"s":200,"h":[]}\nx 0\nGET'],
    ['no selecting values', '{"s":200,"h":[],"v":["accept"]}\n0 0\nGET'],
    ['too few selecting values', '{"s":200,"h":[],"v":["accept"]}\n0 0\n[]\nGET'],
  ])('are none of ours, and no error, with %s', (_, meta) => {
    expect(parseStored({ ...moments, body: Buffer.alloc(0), meta, memo: undefined })).toBeUndefined()
  })
})
