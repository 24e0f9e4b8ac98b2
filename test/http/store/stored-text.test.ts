import { describe, expect, it } from 'vitest'
import { readStored } from '../../../src/http/store/stored-text.js'

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
