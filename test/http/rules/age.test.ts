import { describe, expect, it } from 'vitest'
import { correctedInitialAge, currentAge, parseAge } from '../../../src/http/rules/age.js'
import { MAX_DELTA_SECONDS } from '../../../src/http/syntax/cache-control.js'
import { formatHttpDate } from '../../../src/http/syntax/http-date.js'

const receivedAt = Date.UTC(2026, 10, 22, 12, 0, 0, 400)

describe('parseAge', () => {
  it.each([
    ['reads a number', '60', 60],
    ['reads zero', '0', 0],
    ['takes the first member of a list', '60, 7200', 60],
    ['ignores what is absent', undefined, 0],
    ['ignores a negative number', '-60', 0],
    ['ignores a decimal', '60.0', 0],
    ['ignores words', 'abc', 0],
    ['ignores a list whose first member is invalid', 'abc, 60', 0],
    ['ignores a list whose first member is empty', ',60', 0],
    ['ignores a quoted number', '"60"', 0],
    ['ignores parameters', '60;foo=bar', 0],
    ['cuts off at 2^31', '99999999999', MAX_DELTA_SECONDS],
  ])('RFC 9111, 5.1: %s', (_title, value, expected) => {
    expect(parseAge(value)).toBe(expected)
  })
})

describe('correctedInitialAge', () => {
  const date = (seconds: number) => formatHttpDate(receivedAt - seconds * 1000)
  it.each([
    ['is 0 for a response made just now', {}, 0, 0],
    ['counts the age of an upstream cache', { age: '60' }, 0, 60_000],
    ['counts the time that the request took', {}, 250, 250],
    ['adds the time that the request took to Age', { age: '60' }, 2000, 62_000],
    ['counts the apparent age', { date: date(90) }, 0, 90_000],
    ['takes the greater of the two: Age', { date: date(30), age: '60' }, 0, 60_000],
    ['takes the greater of the two: Date', { date: date(90), age: '60' }, 0, 90_000],
    ['takes a Date in the future for no age', { date: date(-3600) }, 0, 0],
    ['ignores a Date that cannot be read', { date: 'yesterday' }, 0, 0],
    ['does not make a response older than its own second', { date: date(0) }, 0, 0],
  ])('RFC 9111, 4.2.3: %s', (_title, fields, delay, expected) => {
    expect(correctedInitialAge(fields, receivedAt - delay, receivedAt)).toBe(expected)
  })
})

describe('currentAge', () => {
  it.each([
    ['adds the resident time', 10_000, 5000, 15],
    ['rounds down to whole seconds', 1400, 1500, 2],
    ['does not get younger when the clock goes back', 10_000, -3000, 10],
    ['cuts off at 2^31', 3e12, 0, MAX_DELTA_SECONDS],
  ])('RFC 9111, 4.2.3: %s', (_title, initialAge, resident, expected) => {
    expect(currentAge(initialAge, receivedAt, receivedAt + resident)).toBe(expected)
  })
})
