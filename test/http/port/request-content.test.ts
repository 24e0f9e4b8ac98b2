import { describe, expect, it } from 'vitest'
import { contentDigest } from '../../../src/http/port/request-content.js'

describe('contentDigest', () => {
  const body = Buffer.from('{"a":1}')
  const json = { 'content-type': 'application/json' }
  const digest = contentDigest(body, json)

  it('is the same for the same bytes and fields, also if other fields differ', () => {
    expect(contentDigest(Buffer.from(body), { ...json, accept: 'text/html', 'content-length': '7' })).toBe(digest)
    expect(digest).toMatch(/^[0-9a-f]{64}$/)
  })

  it.each([
    ['bytes', Buffer.from('{"a": 1}'), json],
    ['types', body, { 'content-type': 'text/plain' }],
    ['a type and none', body, {}],
    ['codings', body, { ...json, 'content-encoding': 'gzip' }],
    ['languages', body, { ...json, 'content-language': 'en' }],
    ['locations', body, { ...json, 'content-location': '/a' }],
    ['a field that holds what the body begins with', Buffer.from(''), { 'content-type': 'application/json\n{"a":1}' }],
  ])('RFC 10008, 2.7: tells apart %s', (_what, content, headers) => {
    expect(contentDigest(content, headers)).not.toBe(digest)
  })
})
