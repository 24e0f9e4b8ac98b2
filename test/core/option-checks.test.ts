import { describe, expect, it } from 'vitest'
import { record, rejectUnknownOptions } from '../../src/core/option-checks.js'

describe('rejectUnknownOptions', () => {
  it('names the owner and the nearest name, in any letter case', () => {
    expect(() => rejectUnknownOptions({ TAGS: 1 }, { ttl: {}, tags: {} }, 'set')).toThrow(
      new TypeError('unknown option "TAGS" of set; did you mean "tags"?'),
    )
  })
})

describe('record', () => {
  it('rejects objects that have no options as properties, and says how a Map becomes one', () => {
    expect(() => record(new Map(), 'statusTtl')).toThrow(
      new TypeError('statusTtl must be an object, got a Map: pass Object.fromEntries(map)'),
    )
    for (const [box, text] of [
      [new Set(), 'a Set'],
      [Promise.resolve(), 'a Promise'],
      [/x/, 'a RegExp'],
      [new Date(), 'a Date'],
    ] as const) {
      expect(() => record(box, 'options')).toThrow(new TypeError(`options must be an object, got ${text}`))
    }
  })

  it('takes an object of any class', () => {
    const own = new (class Options {
      readonly ttl = 60
    })()
    expect(record(own, 'options')).toBe(own)
  })
})
