import { describe, expect, it } from 'vitest'
import { rejectUnknownOptions } from '../../src/core/option-checks.js'

describe('rejectUnknownOptions', () => {
  it('names the owner and the nearest name, whatever the letter case', () => {
    expect(() => rejectUnknownOptions({ TAGS: 1 }, { ttl: {}, tags: {} }, 'set')).toThrow(
      new TypeError('unknown option "TAGS" of set; did you mean "tags"?'),
    )
  })
})
