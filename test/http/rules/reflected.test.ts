import * as zlib from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { InputsRead } from '../../../src/http/rules/inputs-read.js'
import { reflectedText, unkeyedTexts } from '../../../src/http/rules/reflected.js'
import type { Fields } from '../../../src/http/syntax/fields.js'

describe('reflectedText', () => {
  const text = { input: 'query:utm', text: 'utm=newsletter' }

  it('finds a text in the body and in a field', () => {
    expect(reflectedText([text], {}, Buffer.from('<a href="/p?utm=newsletter">'))).toBe(text)
    expect(reflectedText([text], { link: '</p?utm=newsletter>; rel=next' }, Buffer.alloc(0))).toBe(text)
    expect(reflectedText([text], {}, Buffer.from('<a href="/p">'))).toBe(undefined)
  })

  it('looks for as many texts as clients send in bounded time, and takes the rest for found', () => {
    const body = Buffer.alloc(5_000_000, '<a href="/p?page=1&utm=">next</a>')
    const texts = Array.from({ length: 32 }, (_, at) => ({
      input: `query:utm${at}`,
      text: `utm${at}=&'"${'a'.repeat(40)}`,
    }))
    const startedAt = process.cpuUsage().user
    expect(reflectedText(texts, {}, body)).toBe(texts[0])
    expect((process.cpuUsage().user - startedAt) / 1000).toBeLessThan(100)
    // A few texts in a body of that size are within the bound.
    expect(reflectedText([{ input: 'baggage', text: 'abcdefgh' }], {}, body)).toBe(undefined)
  })

  const within = (text: string, body: string, input = 'x-request-id') =>
    reflectedText([{ input, text }], {}, Buffer.from(body)) !== undefined

  it.each([
    ['as it is', 'a&b<c>"d\'e'],
    ['in HTML', 'a&amp;b&lt;c&gt;&quot;d&#39;e'],
    ['in HTML, with the other apostrophe', 'a&amp;b&lt;c&gt;&quot;d&#x27;e'],
    ['in JSON', 'a&b<c>\\"d\'e'],
    ['in a URL', "a%26b%3Cc%3E%22d'e"],
  ])('finds a value %s', (_where, written) => {
    expect(within('a&b<c>"d\'e', `before ${written} behind`)).toBe(true)
    expect(within('a&b<c>"d\'e', `before ${written.slice(0, -1)} behind`)).toBe(false)
  })

  it('finds a value that a handler has decoded from a URL', () => {
    expect(within('name=J%C3%BCrgen', 'Hello name=J\u00fcrgen')).toBe(true)
    expect(within('name=%zz-%zz', 'name=%zz-%zz')).toBe(true)
    expect(within('name=\ud83d-abc', 'nothing')).toBe(false)
  })

  it.each([
    ['a=1', '?a=1&', true],
    ['a=1', 'a=1', true],
    ['a=1', '?a=12', false],
    ['a=1', 'Za=1', false],
    ['a=1', '9a=1', false],
    ['a=1', 'za=1 _a=1', true],
    ['a=1', '/a=1:', true],
    ['a=1', '@a=1[', true],
    ['a=1', '`a=1{', true],
    ['a=1', 'aa=1', false],
    ['a=1', 'Aa=1', false],
    ['a=1', '0a=1', false],
    ['a=12345', 'xa=123456', false],
    ['a=123456', 'xa=1234567', true],
    ['\u00fc=1', 'a \u00fc=1.', true],
    ['\u00fc=1', 'a \u00fc=12 \u00fc=13', false],
  ])(
    'looks for the short parameter %s between other characters than letters and digits: in %s',
    (text, body, isFound) => {
      expect(within(text, body, 'query:a')).toBe(isFound)
      expect(reflectedText([{ input: 'query:a', text }], { 'x-a': body }, Buffer.alloc(0)) !== undefined).toBe(isFound)
    },
  )

  it.each([
    ['17', 'user 17 of 20', true],
    ['17', 'u17u', true],
    ['17', '117', false],
    ['17', '171', false],
    ['17', '170 017 17', true],
    ['12345678', '123456789', true],
    ['1234567', '12345678', false],
    ['u-1', 'xu-12', true],
  ])(
    'looks for the short number %s between other characters than digits, and for other values anywhere: in %s',
    (text, body, isFound) => {
      expect(within(text, body)).toBe(isFound)
    },
  )

  it('searches the fields that are sent, but for validators, numbers and dates', () => {
    const text = { input: 'x-request-id', text: '12345678' }
    for (const name of ['cache-control', 'content-length', 'date', 'etag', 'expires', 'last-modified'])
      expect(reflectedText([text], { [name]: '12345678' }, Buffer.alloc(0))).toBeUndefined()
    expect(reflectedText([text], { etag: '', 'x-a': ['a', '12345678'] }, Buffer.alloc(0))).toBe(text)
    // A value is in one field, not in the end of one and the beginning of the next.
    expect(reflectedText([text], { 'x-a': '1234', 'x-b': '5678' }, Buffer.alloc(0))).toBeUndefined()
  })

  it('takes the first value that it finds, and none where there is none', () => {
    const [one, other] = [
      { input: 'a', text: 'first value' },
      { input: 'b', text: 'other value' },
    ]
    expect(reflectedText([one, other], {}, Buffer.from('other value, first value'))).toBe(one)
    expect(reflectedText([one, other], {}, Buffer.from('other value'))).toBe(other)
    expect(reflectedText([], { 'content-encoding': 'unknown' }, Buffer.from('a'))).toBeUndefined()
  })

  const coded: readonly (readonly [string, (body: Buffer) => Buffer])[] = [
    ['gzip', zlib.gzipSync],
    ['X-Gzip ', zlib.gzipSync],
    ['deflate', zlib.deflateSync],
    ['br', zlib.brotliCompressSync],
    ['identity', (body) => body],
    ['', (body) => body],
  ]
  it.each(coded)('looks into a body in %s', (coding, encode) => {
    const fields = { 'content-encoding': coding }
    expect(reflectedText([text], fields, encode(Buffer.from('utm=newsletter')))).toBe(text)
    expect(reflectedText([text], fields, encode(Buffer.from('nothing')))).toBeUndefined()
  })

  it('takes a value for found in a body that it cannot decode, or that becomes larger than 4 MiB', () => {
    for (const coding of ['gzip', 'br', 'unknown', 'gzip, br'])
      expect(reflectedText([text], { 'content-encoding': coding }, Buffer.from('nothing'))).toBe(text)
    const zipped = (size: number) => zlib.gzipSync(Buffer.alloc(size, 'a'))
    expect(reflectedText([text], { 'content-encoding': 'gzip' }, zipped(2 ** 22))).toBeUndefined()
    expect(reflectedText([text], { 'content-encoding': 'gzip' }, zipped(2 ** 22 + 1))).toBe(text)
  })
})

describe('unkeyedTexts', () => {
  const none: ReadonlySet<string> = new Set()
  const listed = (
    read: InputsRead,
    { url = '/', headers = {} as Fields, selecting = [] as readonly string[], ignored = none } = {},
  ) =>
    unkeyedTexts(read, { url, headers }, selecting, { ignored } as never).map(({ input, text }) => `${input}: ${text}`)

  function reading(...names: readonly string[]): InputsRead {
    const read = new InputsRead()
    for (const name of names) read.field(name)
    return read
  }

  it('lists neutral fields that were read, with their values', () => {
    const headers = { 'x-request-id': ' r-1 ', baggage: ['a=1', 'b=2'], traceparent: '00-1' }
    expect(listed(reading('x-request-id', 'baggage'), { headers })).toEqual(['x-request-id: r-1', 'baggage: a=1, b=2'])
    expect(listed(reading(), { headers })).toEqual([])
    expect(listed(reading('x-request-id'))).toEqual([])
  })

  it('lists none that selects the response, and none that is ignored', () => {
    const headers = { 'x-request-id': 'r-1', baggage: 'b' }
    const read = reading('x-request-id', 'baggage')
    expect(listed(read, { headers, selecting: ['x-request-id'] })).toEqual(['baggage: b'])
    expect(listed(read, { headers, ignored: new Set(['baggage']) })).toEqual(['x-request-id: r-1'])
  })

  it('lists no value that many clients send', () => {
    const read = reading()
    read.neutral = new Set(['te', 'content-length', 'x-request-id'])
    for (const value of ['chunked', 'Close', 'deflate', 'gzip', 'h2c', 'upgrade', ''])
      expect(listed(read, { headers: { te: value } })).toEqual([])
    expect(listed(read, { headers: { te: 'trailers', 'content-length': '5' } })).toEqual(['te: trailers'])
  })

  it('lists identifiers and response fields that middleware in front has set', () => {
    const read = reading()
    read.neutral = new Set(['req:id', 'response:x-request-id', 'response:x-list', 'response:x-gone'])
    read.identifiers = new Map([['req:id', '17']])
    read.fieldsBefore = { 'x-request-id': 18, 'x-list': ['a', 'b'] }
    const headers = { 'req:id': 'no field', 'response:x-gone': 'no field' }
    expect(listed(read, { headers })).toEqual(['req:id: 17', 'response:x-request-id: 18', 'response:x-list: a, b'])
  })

  it('lists the parameters that are not in the key, as they stand in the URL', () => {
    const read = new InputsRead(['page'])
    expect(listed(read, { url: '/a?page=1&utm=x%20y&flag&b=' })).toEqual(['query:utm: utm=x%20y', 'query:b: b='])
    expect(listed(read, { url: '/a?utm=1&b=2', ignored: new Set(['query:utm']) })).toEqual(['query:b: b=2'])
    expect(listed(read, { url: '/a' })).toEqual([])
    expect(listed(new InputsRead(), { url: '/a?utm=1' })).toEqual([])
    const many = Array.from({ length: 40 }, (_, at) => `p${at}=1`).join('&')
    expect(listed(read, { url: `/a?${many}` })).toHaveLength(32)
  })
})
