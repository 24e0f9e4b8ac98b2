import { describe, expect, it } from 'vitest'
import { isPlainField } from '../../../src/http/rules/plain-fields.js'

describe('isPlainField', () => {
  it.each([
    'Host',
    'accept',
    'Accept-Language',
    'User-Agent',
    'Connection',
    'Sec-Fetch-Mode',
    'x-forwarded-for',
    'Referer',
  ])('lets %s have no say', (name) => {
    expect(isPlainField(name)).toBe(true)
    expect(isPlainField(name)).toBe(true)
  })

  it.each([
    'Authorization',
    'proxy-authorization',
    'X-Api-Key',
    'x-user-id',
    'Cookie',
    'Cache-Control',
    'PRAGMA',
    'If-None-Match',
    'if-modified-since',
    'If-Match',
    'If-Range',
    'range',
    'Content-Length',
    'transfer-encoding',
    'Expect',
    'Upgrade',
    ':authority',
  ])('looks at %s', (name) => {
    expect(isPlainField(name)).toBe(false)
  })

  it('judges names of any number and length', () => {
    for (let at = 0; at < 2_000; at++) expect(isPlainField(`x-field-${at}`)).toBe(true)
    expect(isPlainField('x'.repeat(10_000))).toBe(true)
  })
})
