import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { isPlain } from '../../src/core/plain-object.js'

class Fields {
  accept = '*/*'
}

describe('isPlain', () => {
  it.each([
    ['a literal', {}],
    ['one without a prototype', Object.create(null)],
    ['a literal of another realm', runInNewContext('({ a: 1 })')],
  ])('is true for %s', (_what, object) => {
    expect(isPlain(object)).toBe(true)
  })

  it.each([
    ['an instance of a class', new Fields()],
    ['one that inherits a property', Object.create({ a: 1 })],
    ['one that inherits a property of an object without a prototype', Object.create({ __proto__: null, a: 1 })],
    ['an array', []],
    ['an array of another realm', runInNewContext('[]')],
    ['an instance of a class of another realm', runInNewContext('new (class { a = 1 })()')],
  ])('is false for %s', (_what, object) => {
    expect(isPlain(object)).toBe(false)
  })
})
