import { describe, expect, it } from 'vitest'
import { parseDuration, positiveDuration, positiveMilliseconds, timerDuration } from '../../src/core/duration.js'

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
    [' 00.00s ', 0],
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
    ['0s!'],
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

  it.each([[-1], ['-5m'], [Number.NaN], [Number.POSITIVE_INFINITY]])('refuses %j, which is out of range', (given) => {
    expect(() => parseDuration(given, 'ttl')).toThrow(RangeError)
    expect(() => parseDuration(given, 'ttl')).toThrow(
      /^ttl must be a number of seconds or a duration such as "5m", got /,
    )
  })
})

describe('positiveDuration', () => {
  it.each([[0], ['0s'], [-1], [Number.NaN], [Number.POSITIVE_INFINITY]])('refuses %j', (given) => {
    expect(() => positiveDuration(given, 'ttl')).toThrow(RangeError)
    expect(() => positiveDuration(given, 'ttl')).toThrow(
      /^ttl must be a positive number of seconds or a duration such as "5m", got /,
    )
  })

  it('reads what is greater than 0', () => {
    expect(positiveDuration(0.5, 'ttl')).toBe(0.5)
    expect(positiveDuration('1ms', 'ttl')).toBe(0.001)
  })
})

describe('timerDuration', () => {
  it('reads as many seconds as a timer can wait', () => {
    expect(timerDuration('24 days', 'timeout')).toBe(2_073_600)
    expect(timerDuration(2_147_483.647, 'timeout')).toBe(2_147_483.647)
    expect(() => timerDuration(2_147_483.648, 'timeout')).toThrow(
      new RangeError('timeout must be at most 24 days, got 2147483.648'),
    )
    expect(() => timerDuration(0, 'timeout')).toThrow(RangeError)
  })
})

describe('positiveMilliseconds', () => {
  it.each([
    [50, 50],
    [0.5, 0.5],
    ['50ms', 50],
    ['2s', 2_000],
    [2_147_483_647, 2_147_483_647],
  ])('reads %j as %d milliseconds', (given, milliseconds) => {
    expect(positiveMilliseconds(given, 'redisTimeout')).toBe(milliseconds)
  })

  it.each([
    ['50', TypeError],
    ['5 apples', TypeError],
    [0, RangeError],
    ['0ms', RangeError],
    [-1, RangeError],
    ['-1ms', RangeError],
    [Number.POSITIVE_INFINITY, RangeError],
    [true, RangeError],
    [undefined, TypeError],
  ])('refuses %j', (given, kind) => {
    const read = (): number => positiveMilliseconds(given, 'redisTimeout')
    expect(read).toThrow(kind)
    expect(read).toThrow(/^redisTimeout must be a positive number of milliseconds or a duration such as "50ms", got /)
  })

  it('refuses what no timer can wait', () => {
    expect(() => positiveMilliseconds('25 days', 'redisTimeout')).toThrow(
      new RangeError('redisTimeout must be at most 24 days, got "25 days"'),
    )
    expect(() => positiveMilliseconds(2_147_483_648, 'redisTimeout')).toThrow(/at most 24 days/)
  })
})
