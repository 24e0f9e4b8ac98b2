import { describe, expect, it } from 'vitest'
import { isEndless } from '../../../src/http/rules/endless-types.js'
import type { Reason } from '../../../src/http/rules/reasons.js'
import { refuseBody, refuseFraming } from '../../../src/http/rules/storable-body.js'
import { APPLICATION_STORAGE } from '../../../src/http/rules/storage-policy.js'
import type { Fields } from '../../../src/http/syntax/fields.js'

describe('refuseBody', () => {
  const body = { length: 5, ended: true, trailers: false }
  it.each<[string, Fields, Partial<typeof body>, Reason | undefined]>([
    ['a whole body', { 'content-length': '5' }, {}, undefined],
    ['a body of unknown length', {}, {}, undefined],
    ['a short body', { 'content-length': '6' }, {}, 'incomplete'],
    ['a long body', { 'content-length': '4' }, {}, 'incomplete'],
    ['a length that is no number', { 'content-length': 'x' }, {}, 'incomplete'],
    ['two lengths', { 'content-length': ['5', '5'] }, {}, 'incomplete'],
    ['a body without end', {}, { ended: false }, 'aborted'],
    ['trailers', {}, { trailers: true }, 'trailers'],
    ['a large body', {}, { length: 2 ** 20 + 1 }, 'too-large'],
    ['the largest body', {}, { length: 2 ** 20 }, undefined],
  ])('RFC 9111, 3.3: %s: %s', (_title, fields, given, expected) => {
    expect(refuseBody({ fields }, { ...body, ...given }, APPLICATION_STORAGE)).toBe(expected)
  })
})

describe('refuseFraming', () => {
  it.each<[Fields, Reason | undefined]>([
    [{}, undefined],
    [{ 'content-length': '5' }, undefined],
    [{ 'content-length': '0' }, undefined],
    ...['1e1', '0x0a', '+10', '-1', '10.0', '', ' ', '5, 5', '5,5', '٥', '1_0', 'NaN'].map(
      (length): [Fields, Reason] => [{ 'content-length': length }, 'content-length'],
    ),
    [{ 'content-length': ['5', '5'] }, 'content-length'],
    [{ 'transfer-encoding': 'chunked' }, undefined],
    [{ 'transfer-encoding': 'Chunked ' }, undefined],
    [{ 'transfer-encoding': 'gzip, chunked' }, 'transfer-encoding'],
    [{ 'transfer-encoding': ['gzip', 'chunked'] }, 'transfer-encoding'],
    [{ 'transfer-encoding': 'identity' }, 'transfer-encoding'],
  ])('%j: %s', (fields, expected) => {
    expect(refuseFraming(fields)).toBe(expected)
  })
})

describe('refuseBody of a part (RFC 9110, section 14.4)', () => {
  it.each([
    [4, 'incomplete'],
    [5, undefined],
  ])('%i bytes of five: %s', (length, expected) => {
    const part = { status: 206, fields: { 'content-range': 'bytes 0-4/9' } }
    expect(refuseBody(part, { length, ended: true, trailers: false }, APPLICATION_STORAGE)).toBe(expected)
  })
})

describe('isEndless', () => {
  it.each([
    ['text/event-stream', true],
    ['Text/Event-Stream; charset=utf-8', true],
    ['multipart/x-mixed-replace; boundary=x', true],
    ['application/x-ndjson', true],
    ['text/event-stream-like', false],
    ['text/html', false],
    [undefined, false],
  ])('%s: %s', (type, expected) => {
    expect(isEndless({ 'content-type': type })).toBe(expected)
  })
})
