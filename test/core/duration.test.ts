import { describe, expect, it } from 'vitest'
import { parseDuration, positiveDuration } from '../../src/core/duration.js'

describe('parseDuration', () => {
  it.each([
    [0, 0],
    [1, 1],
    [0.25, 0.25],
    ['90s', 90],
    ['5m', 300],
    ['5 minutes', 300],
    ['1h', 3600],
    ['1.5h', 5400],
    ['2 days', 172_800],
    ['1w', 604_800],
    ['250ms', 0.25],
    ['0s', 0],
    ['0.0 minutes', 0],
  ])('reads %j as %d seconds', (given, seconds) => {
    expect(parseDuration(given, 'ttl')).toBe(seconds)
  })

  it.each([
    ['5'],
    ['5.5'],
    [' 5 '],
    ['+5'],
    [''],
    ['m'],
    ['5 apples'],
    ['0 apples'],
    ['5m 3s'],
    ['∞'],
    [null],
    [undefined],
    [5n],
    [{}],
    [[5]],
  ])('does not guess what %s means', (given) => {
    expect(() => parseDuration(given, 'ttl')).toThrow(TypeError)
    expect(() => parseDuration(given, 'ttl')).toThrow(
      /^ttl must be a number of seconds or a duration such as "5m", got /,
    )
  })

  it('shows only the beginning of a long text', () => {
    expect(() => parseDuration('x'.repeat(1000), 'ttl')).toThrow(`got "${'x'.repeat(40)}…"`)
  })
})

describe('positiveDuration', () => {
  it.each([[0], ['0s'], [-1], [Number.NaN]])('refuses %j', (given) => {
    expect(() => positiveDuration(given, 'ttl')).toThrow(RangeError)
  })
})
