import { describe, expect, it } from 'vitest'
import { codingsFor, isCompressible } from '../../../src/http/rules/encodable.js'
import { NO_DIRECTIVES } from '../../../src/http/syntax/cache-control.js'
import type { Fields } from '../../../src/http/syntax/fields.js'

describe('isCompressible', () => {
  const yes = [
    'text/html; charset=utf-8',
    'TEXT/CSS',
    'text/x-anything',
    'application/json',
    'application/json;charset=utf-8',
    'application/problem+json',
    'application/javascript',
    'application/xml',
    'application/atom+xml',
    'application/wasm',
    'image/svg+xml',
    'image/x-icon',
    'font/ttf',
  ]
  const no = [
    undefined,
    '',
    'text',
    'text/event-stream',
    'application/octet-stream',
    'application/gzip',
    'application/pdf',
    'application/zip',
    'application/constructor',
    'audio/mpeg',
    'font/woff2',
    'image/jpeg',
    'image/png',
    'image/webp',
    'multipart/form-data; boundary=a',
    'video/mp4',
    'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  ]
  it.each(yes)('takes %s', (type) => {
    expect(isCompressible(type)).toBe(true)
  })
  it.each(no)('leaves %s', (type) => {
    expect(isCompressible(type)).toBe(false)
  })
})

describe('codingsFor', () => {
  const page = { status: 200, fields: { 'content-type': 'text/html' }, control: NO_DIRECTIVES, length: 5_000 }
  const withFields = (fields: Fields) => ({ ...page, fields: { ...page.fields, ...fields } })

  it('takes all codings of the option for what compresses, or none', () => {
    expect(codingsFor(['gzip', 'br'], page)).toEqual(['gzip', 'br'])
    expect(codingsFor(['br'], { ...page, length: undefined })).toEqual(['br'])
    expect(codingsFor(['br'], { ...page, status: 404 })).toEqual(['br'])
    expect(codingsFor(['br'], { ...page, length: 1_024 })).toEqual(['br'])
    expect(codingsFor(['br'], { ...page, fields: { 'content-type': ' Text/HTML ; charset=utf-8' } })).toEqual(['br'])
    expect(codingsFor([], page)).toEqual([])
    expect(codingsFor(undefined, page)).toEqual([])
  })

  const left: readonly (readonly [string, Parameters<typeof codingsFor>[1]])[] = [
    ['204', { ...page, status: 204 }],
    ['206', { ...page, status: 206 }],
    ['304', { ...page, status: 304 }],
    ['a body below 1 KB', { ...page, length: 1_023 }],
    ['another type', withFields({ 'content-type': 'image/png' })],
    ['a coding of its own', withFields({ 'content-encoding': 'gzip' })],
    ['an empty Content-Encoding', withFields({ 'content-encoding': '' })],
    ['a part', withFields({ 'content-range': 'bytes 0-1/2' })],
    ['a signature', withFields({ signature: 'a=:YQ==:' })],
    ['no-transform (RFC 9110, section 7.7)', withFields({ 'cache-control': 'max-age=5, No-Transform' })],
    ['no-transform in several lines', withFields({ 'cache-control': ['max-age=5', 'no-transform'] })],
    ['no-transform in a targeted field', { ...page, control: { ...NO_DIRECTIVES, noTransform: true } }],
  ]
  it.each(left)('leaves %s', (_what, response) => {
    expect(codingsFor(['br', 'gzip'], response)).toEqual([])
  })
})
