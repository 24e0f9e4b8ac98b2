import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  areToBeMade,
  encodedBody,
  encodingOf,
  encodingsText,
  encodingsToMake,
  lengthOfIdentity,
  readEncodings,
} from '../../../src/http/store/encodings.js'

describe('encodings', () => {
  it('come back as they were written, and so do their bytes', () => {
    const bytes = fc.uint8Array({ minLength: 1, maxLength: 40 }).map((array) => Buffer.from(array))
    const forms = fc.uniqueArray(fc.tuple(fc.constantFrom('br', 'gzip', 'zstd'), fc.option(bytes)), {
      selector: ([coding]) => coding,
    })
    fc.assert(
      fc.property(bytes, forms, (body, made) => {
        const encodings = made.map(([coding, form]) =>
          form === null ? { coding, length: 0, digest: '' } : encodingOf(coding, form),
        )
        const whole = Buffer.concat([body, ...made.flatMap(([, form]) => (form === null ? [] : [form]))])
        const written: unknown = JSON.parse(JSON.stringify(encodingsText(encodings)))
        const read = readEncodings(written, whole.length) ?? []
        expect(read).toEqual(encodings)
        expect(lengthOfIdentity(whole, read)).toBe(body.length)
        for (const [at, [, form]] of made.entries()) {
          const encoding = read[at]
          if (encoding !== undefined) expect(encodedBody(whole, read, encoding)).toEqual(form ?? Buffer.alloc(0))
        }
      }),
    )
  })

  const garbage: readonly unknown[] = [
    null,
    {},
    'br',
    [null],
    ['br'],
    [['br', -1, '']],
    [['br', 1.5, '']],
    [['br', '1', '']],
    [['a b', 1, '']],
    [['br\r\nX: 1', 1, '']],
    [['br', 1, '"\r\n']],
    [['br', 1, 5]],
    [['br', 10, '']],
    [
      ['br', 4, ''],
      ['gzip', 6, ''],
    ],
    [['br', Number.MAX_SAFE_INTEGER, '']],
  ]
  it.each(garbage.map((one) => [JSON.stringify(one), one]))('are none that another program wrote: %s', (_text, one) => {
    expect(readEncodings(one, 10)).toBeUndefined()
  })

  it('are to be made for what is large enough', () => {
    expect(encodingsToMake(['br'], 1_023)).toBeUndefined()
    expect(encodingsToMake([], 5_000)).toBeUndefined()
    const wanted = encodingsToMake(['br', 'gzip'], 1_024) ?? []
    expect(wanted.map(({ coding, length }) => [coding, length])).toEqual([
      ['br', 0],
      ['gzip', 0],
    ])
    expect(areToBeMade(wanted)).toBe(true)
  })

  it('are no longer to be made when they are there, or cannot be made here', () => {
    expect(areToBeMade(undefined)).toBe(false)
    expect(areToBeMade([])).toBe(false)
    expect(areToBeMade([encodingOf('br', Buffer.from('a'))])).toBe(false)
    expect(areToBeMade([{ coding: 'compress', length: 0, digest: '' }])).toBe(false)
  })

  it('are told apart by their bytes', () => {
    const [one, other] = [encodingOf('br', Buffer.from('one')), encodingOf('br', Buffer.from('two'))]
    expect(one.digest).toMatch(/^[\w-]{8}$/)
    expect(one.digest).not.toBe(other.digest)
    expect(encodingOf('br', Buffer.from('one'))).toEqual(one)
  })
})
