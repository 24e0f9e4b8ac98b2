import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatHttpDate, parseHttpDate } from '../../../src/http/syntax/http-date.js'

const now = Date.UTC(2026, 10, 22)
const example = Date.UTC(1994, 10, 6, 8, 49, 37)

describe('parseHttpDate', () => {
  it.each([
    ['IMF-fixdate', 'Sun, 06 Nov 1994 08:49:37 GMT', example],
    ['rfc850-date', 'Sunday, 06-Nov-94 08:49:37 GMT', example],
    ['asctime-date', 'Sun Nov  6 08:49:37 1994', example],
    ['asctime-date with two digits', 'Wed Nov 16 08:49:37 1994', Date.UTC(1994, 10, 16, 8, 49, 37)],
    ['any case (RFC 9111, 4.2)', 'sUN, 06 nOV 1994 08:49:37 gmt', example],
    ['a leap second as the second before', 'Sat, 31 Dec 2016 23:59:60 GMT', Date.UTC(2016, 11, 31, 23, 59, 59)],
    ['29 February of a leap year', 'Thu, 29 Feb 2024 00:00:00 GMT', Date.UTC(2024, 1, 29)],
    ['a two-digit year up to 50 years ahead', 'Thursday, 18-Aug-50 02:01:18 GMT', Date.UTC(2050, 7, 18, 2, 1, 18)],
    ['a two-digit year just within 50 years', 'Saturday, 21-Nov-76 00:00:00 GMT', Date.UTC(2076, 10, 21)],
    ['a two-digit year exactly 50 years ahead', 'Sunday, 22-Nov-76 00:00:00 GMT', Date.UTC(2076, 10, 22)],
    ['a two-digit year just beyond 50 years', 'Tuesday, 23-Nov-76 00:00:00 GMT', Date.UTC(1976, 10, 23)],
    ['a two-digit year of last century', 'Saturday, 01-Jan-77 00:00:00 GMT', Date.UTC(1977, 0, 1)],
  ])('RFC 9110, 5.6.7: reads %s: %s', (_title, text, expected) => {
    expect(parseHttpDate(text, now)).toBe(expected)
  })

  it.each([
    ['another zone', 'Sun, 06 Nov 1994 08:49:37 UTC'],
    ['a numeric zone', 'Sun, 06 Nov 1994 08:49:37 +0000'],
    ['no zone', 'Sun, 06 Nov 1994 08:49:37'],
    ['a zone after asctime', 'Sun Nov  6 08:49:37 1994 GMT'],
    ['one digit for the day', 'Sun, 6 Nov 1994 08:49:37 GMT'],
    ['one digit for the hour', 'Sun, 06 Nov 1994 8:49:37 GMT'],
    ['two spaces', 'Sun,  06 Nov 1994 08:49:37 GMT'],
    ['no comma', 'Sun 06 Nov 1994 08:49:37 GMT'],
    ['dashes in IMF-fixdate', 'Sun, 06-Nov-1994 08:49:37 GMT'],
    ['dots for colons', 'Sun, 06 Nov 1994 08.49.37 GMT'],
    ['a weekday that contradicts', 'Mon, 06 Nov 1994 08:49:37 GMT'],
    ['a day that the month does not have', 'Fri, 30 Feb 2024 00:00:00 GMT'],
    ['day zero', 'Mon, 00 Nov 1994 08:49:37 GMT'],
    ['day zero of January', 'Fri, 00 Jan 1994 00:00:00 GMT'],
    ['hour 24', 'Sun, 06 Nov 1994 24:00:00 GMT'],
    ['hour 24, which would be the next day', 'Mon, 06 Nov 1994 24:00:00 GMT'],
    ['minute 60', 'Sun, 06 Nov 1994 08:60:00 GMT'],
    ['second 61', 'Sun, 06 Nov 1994 08:49:61 GMT'],
    ['a weekday that would fit a century before', 'Thursday, 28-Feb-24 00:00:00 GMT'],
    ['a weekday that would fit a century before at the limit', 'Sunday, 21-Nov-76 00:00:00 GMT'],
    ['a weekday that contradicts in a year below 100', 'Tue, 06 Nov 0094 08:49:37 GMT'],
    ['no month', 'Sun, 06 Foo 1994 08:49:37 GMT'],
    ['no month, which would be December', 'Tue, 06 Foo 1994 08:49:37 GMT'],
    ['something before IMF-fixdate', '-Sun, 06 Nov 1994 08:49:37 GMT'],
    ['something before asctime-date', '-Sun Nov  6 08:49:37 1994'],
    ['something before rfc850-date', '-Sunday, 06-Nov-94 08:49:37 GMT'],
    ['something behind rfc850-date', 'Sunday, 06-Nov-94 08:49:37 GMT-'],
    ['ISO 8601', '1994-11-06T08:49:37.000Z'],
    ['a number', '784111777'],
    ['zero (RFC 9111, 5.3)', '0'],
    ['minus one', '-1'],
    ['nothing', ''],
    ['two dates', 'Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT'],
    ['something behind', 'Sun, 06 Nov 1994 08:49:37 GMT;'],
  ])('RFC 9110, 5.6.7: refuses %s: %s', (_title, text) => {
    expect(parseHttpDate(text, now)).toBeUndefined()
  })

  it('RFC 9110, 5.6.7: refuses a day of a two-digit year that the month had a century before', () => {
    const text = 'Tuesday, 29-Feb-00 00:00:00 GMT'
    expect(parseHttpDate(text, now)).toBe(Date.UTC(2000, 1, 29))
    expect(parseHttpDate(text, Date.UTC(2060, 0))).toBeUndefined()
  })

  it('takes an absent field for no date', () => {
    expect(parseHttpDate(undefined, now)).toBeUndefined()
  })

  it('reads what formatHttpDate writes, to the second', () => {
    fc.assert(
      fc.property(fc.integer({ min: Date.UTC(1000, 0), max: Date.UTC(9999, 11, 31) }), (moment) => {
        expect(parseHttpDate(formatHttpDate(moment), now)).toBe(Math.floor(moment / 1000) * 1000)
      }),
    )
  })

  it('never throws, and never answers with anything but a whole number of seconds', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string().map((tail) => `Sun, 06 Nov 1994 08:49:3${tail}`),
        ),
        (text) => {
          const moment = parseHttpDate(text, now)
          return moment === undefined || moment % 1000 === 0
        },
      ),
    )
  })
})

describe('formatHttpDate', () => {
  it('RFC 9110, 5.6.7: writes IMF-fixdate, and drops fractions of a second', () => {
    expect(formatHttpDate(example)).toBe('Sun, 06 Nov 1994 08:49:37 GMT')
    expect(formatHttpDate(example + 999)).toBe('Sun, 06 Nov 1994 08:49:37 GMT')
    expect(formatHttpDate(example + 1000)).toBe('Sun, 06 Nov 1994 08:49:38 GMT')
    expect(formatHttpDate(example)).toBe('Sun, 06 Nov 1994 08:49:37 GMT')
  })
})
