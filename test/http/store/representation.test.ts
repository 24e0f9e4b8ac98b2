import { describe, expect, it } from 'vitest'
import { encodingOf } from '../../../src/http/store/encodings.js'
import { representationFor } from '../../../src/http/store/representation.js'
import type { StoredHead } from '../../../src/http/store/stored-head.js'
import { StoredResponse } from '../../../src/http/store/stored-response.js'
import { headText, readStored } from '../../../src/http/store/stored-text.js'
import type { FieldList, Fields } from '../../../src/http/syntax/fields.js'
import { storedHead } from '../../support/stored-head.js'

const at = Date.UTC(2026, 0, 1)
const body = Buffer.from('the body')
const br = Buffer.from('BR')
const gzip = Buffer.from('GZIP')

const encodings = [encodingOf('br', br), encodingOf('gzip', gzip), { coding: 'zstd', length: 0, digest: '' }]

function stored(fields: FieldList = ['ETag', '"a"'], change: Partial<StoredHead> = {}): StoredResponse {
  const meta = headText(storedHead({ fields, encodings, ...change }))
  const moments = { storedAt: at, staleAt: at + 60_000, deleteAt: at + 60_000 }
  const read = readStored({ ...moments, tags: [], meta, body: Buffer.concat([body, br, gzip]), memo: undefined })
  if (!(read instanceof StoredResponse)) throw new Error('no stored response')
  return read
}

function shown(response: StoredResponse, headers: Fields): StoredResponse {
  return representationFor(response, { method: 'GET', headers }, at)
}

describe('representationFor', () => {
  it('is the stored response itself where nothing is encoded', () => {
    const meta = headText(storedHead({ fields: ['ETag', '"a"'] }))
    const moments = { storedAt: at, staleAt: at + 60_000, deleteAt: at + 60_000 }
    const plain = readStored({ ...moments, tags: [], meta, body, memo: undefined })
    if (!(plain instanceof StoredResponse)) throw new Error('no stored response')
    expect(shown(plain, { 'accept-encoding': 'br' })).toBe(plain)
    expect(plain.body).toBe(body)
  })

  it('is a response of its own for each coding, with the bytes and the entity tag of that coding', () => {
    const response = stored()
    expect(response.body.toString()).toBe('the body')
    for (const [acceptEncoding, bytes, coding] of [
      ['br', 'BR', 'br'],
      ['gzip', 'GZIP', 'gzip'],
      ['zstd', 'the body', undefined],
    ] as const) {
      const { byName, body, isEncoded } = shown(response, { 'accept-encoding': acceptEncoding })
      expect(body.toString()).toBe(bytes)
      expect(isEncoded).toBe(coding !== undefined)
      expect(byName).toMatchObject({ vary: 'Accept-Encoding', 'content-length': String(bytes.length) })
      expect(byName['content-encoding']).toBe(coding)
      expect(byName.etag).toBe(coding ? `"a-${coding}-${encodingOf(coding, Buffer.from(bytes)).digest}"` : '"a"')
    }
  })

  it('is made once, and so is its answer of one second', () => {
    const response = stored()
    const one = shown(response, { 'accept-encoding': 'br, gzip' })
    const other = shown(response, { 'accept-encoding': 'gzip;q=0.5, br' })
    expect(other).toBe(one)
    expect(other.asHit(at, 'memory', undefined)).toBe(one.asHit(at + 10, 'memory', undefined))
    expect(one.asHit(at, 'memory', undefined).checkedNames).toContain('content-encoding')
  })

  it('leaves the fields of the stored response as they were, for what is stored of it later', () => {
    const response = stored(['ETag', '"a"', 'Vary', 'Accept-Language'])
    shown(response, { 'accept-encoding': 'br' })
    expect(response.byName).toEqual({ etag: '"a"', vary: 'Accept-Language', 'content-length': '8' })
  })

  it.each([
    [['Vary', 'Accept-Language'], 'Accept-Language, Accept-Encoding'],
    [['vary', 'accept-encoding'], 'accept-encoding'],
    [['Vary', ['Origin', 'Accept-Language']], 'Origin, Accept-Language, Accept-Encoding'],
    [[], 'Accept-Encoding'],
  ])('unites %j with Vary: Accept-Encoding', (fields, vary) => {
    for (const acceptEncoding of ['br', '']) {
      expect(shown(stored(fields), { 'accept-encoding': acceptEncoding }).byName.vary).toBe(vary)
    }
  })

  it.each([
    ['W/"a"', /^W\/"a"$/],
    ['"a"', /^"a-br-[\w-]{8}"$/],
    ['a', /^a-br-[\w-]{8}$/],
    ['""', /^"-br-[\w-]{8}"$/],
  ])('has for the entity tag %s one of its own only where that is strong', (etag, expected) => {
    expect(shown(stored(['ETag', etag]), { 'accept-encoding': 'br' }).byName.etag).toMatch(expected)
  })

  it('has the digests of the bytes only where these are the bytes (RFC 9530, section 3)', () => {
    const digests = ['Content-Digest', 'Repr-Digest', 'Digest', 'Content-MD5'].flatMap((name) => [name, 'x'])
    const response = stored([...digests, 'X-Digest', 'x'])
    const names = ['content-digest', 'repr-digest', 'digest', 'content-md5', 'x-digest']
    const kept = (acceptEncoding: string) => {
      const { byName } = shown(response, { 'accept-encoding': acceptEncoding })
      return names.filter((name) => byName[name] !== undefined)
    }
    expect(kept('identity')).toEqual(names)
    expect(kept('br')).toEqual(['x-digest'])
  })

  const tagOfBr = `"a-br-${encodingOf('br', br).digest}"`
  it.each<[string, Fields, string]>([
    ['the unencoded bytes, of which the client has nothing', { range: 'bytes=0-1' }, 'the body'],
    ['the unencoded bytes, if these are the ones it has', { range: 'bytes=0-1', 'if-range': '"a"' }, 'the body'],
    ['the encoded bytes, if these are the ones it has', { range: 'bytes=0-1', 'if-range': tagOfBr }, 'BR'],
    ['all encoded bytes, if it has others', { range: 'bytes=0-1', 'if-range': '"b"' }, 'BR'],
    ['all encoded bytes, if the range cannot be read', { range: 'lines=0-1' }, 'BR'],
    ['encoded bytes, if it takes no others', { range: 'bytes=0-1', 'accept-encoding': 'br, identity;q=0' }, 'BR'],
    ['unencoded bytes, if it takes no others', { range: 'bytes=0-1', 'accept-encoding': 'identity' }, 'the body'],
  ])('answers a range with %s', (_title, headers, bytes) => {
    const request = { 'accept-encoding': 'br', ...headers }
    expect(shown(stored(), request).body.toString()).toBe(bytes)
  })

  it('ignores Range unless the request is GET and the status 200 (RFC 9110, section 14.2)', () => {
    const headers = { 'accept-encoding': 'br', range: 'bytes=0-1' }
    expect(representationFor(stored(), { method: 'HEAD', headers }, at).isEncoded).toBe(true)
    expect(shown(stored(undefined, { status: 404 }), headers).isEncoded).toBe(true)
    expect(shown(stored(), { 'accept-encoding': 'br' }).isEncoded).toBe(true)
  })

  it('is the first of two equal encodings and never one that is not there', () => {
    const twice = stored(undefined, { encodings: [encodingOf('br', br), encodingOf('br', gzip)] })
    expect(shown(twice, { 'accept-encoding': 'br' }).body.toString()).toBe('BR')
    expect(shown(twice, { 'accept-encoding': 'gzip' }).body.toString()).toBe('the body')
  })
})

describe('a stored response with encodings', () => {
  it('is a miss when they do not fit its bytes', () => {
    const meta = headText(storedHead({ encodings }))
    const moments = { storedAt: at, staleAt: at + 60_000, deleteAt: at + 60_000 }
    expect(readStored({ ...moments, tags: [], meta, body: Buffer.from('short'), memo: undefined })).toBeUndefined()
  })
})
