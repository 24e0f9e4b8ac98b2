import { describe, expect, it } from 'vitest'
import { fieldsOfPart, partWithin } from '../../../src/http/store/stored-part.js'
import { StoredResponse } from '../../../src/http/store/stored-response.js'
import { storedHead } from '../../support/stored-head.js'

const now = Date.UTC(2026, 0, 1)

/** Bytes 10 to 19 of a hundred, unless told otherwise. */
function part(contentRange = 'bytes 10-19/100'): StoredResponse {
  const entry = {
    storedAt: now,
    staleAt: now + 60_000,
    deleteAt: now + 60_000,
    tags: [],
    meta: '',
    body: Buffer.from('abcdefghij'),
    memo: undefined,
  }
  return new StoredResponse(entry, storedHead({ status: 206, fields: ['ETag', '"a"', 'Content-Range', contentRange] }))
}

describe('partWithin (RFC 9111, section 3.3)', () => {
  it.each([
    ['bytes=10-19', 'bytes 10-19/100', 'abcdefghij'],
    ['bytes=12-14', 'bytes 12-14/100', 'cde'],
    ['bytes=19-19', 'bytes 19-19/100', 'j'],
  ])('gives what %s asks for', (range, contentRange, text) => {
    const found = partWithin({ range }, part(), now)
    expect([found?.contentRange, found?.body.toString()]).toEqual([contentRange, text])
  })

  it.each(['bytes=9-12', 'bytes=12-20', 'bytes=10-', 'bytes=-5', 'bytes=10-11,12-13', 'bytes=200-', 'lines=10-11'])(
    'gives nothing for %s, which is not wholly within it',
    (range) => {
      expect(partWithin({ range }, part(), now)).toBeUndefined()
    },
  )

  it('gives nothing to a request for the whole, nor when the whole is of unknown length', () => {
    expect(partWithin({}, part(), now)).toBeUndefined()
    expect(partWithin({ range: 'bytes=10-12' }, part('bytes 10-19/*'), now)).toBeUndefined()
  })

  it('gives the end of the whole when it holds it', () => {
    expect(partWithin({ range: 'bytes=-2' }, part('bytes 90-99/100'), now)?.body.toString()).toBe('ij')
  })

  it('obeys If-Range', () => {
    expect(partWithin({ range: 'bytes=10-12', 'if-range': '"b"' }, part(), now)).toBeUndefined()
    expect(partWithin({ range: 'bytes=10-12', 'if-range': '"a"' }, part(), now)).toBeDefined()
  })
})

describe('fieldsOfPart', () => {
  it('puts length and place of the smaller part in place of the stored ones', () => {
    const found = { contentRange: 'bytes 12-14/100', body: Buffer.from('cde') }
    expect(fieldsOfPart(part().list, found)).toEqual([
      ...['ETag', '"a"', 'Content-Range', 'bytes 12-14/100', 'Content-Length', '3'],
    ])
  })
})
