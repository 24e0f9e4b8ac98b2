import { trimWhitespace } from './fields.js'

/** A timestamp in milliseconds since 1970-01-01T00:00:00Z. */
export type EpochMilliseconds = number

/**
 * Parses an HTTP-date to a timestamp; `undefined` if the text is not an HTTP-date (RFC 9110, section 5.6.7).
 *
 * Accepts only the three formats of the specification: the zone must be GMT, the spacing exact, the day valid for the
 * month, and the weekday correct. Case is ignored (RFC 9111, section 4.2). A two-digit year more than 50 years ahead of
 * `now` is taken as past.
 */
export function parseHttpDate(value: string | undefined, now: EpochMilliseconds): EpochMilliseconds | undefined {
  if (value === undefined || value.length < 24 || value.length > 40) return undefined
  const text = trimWhitespace(value)
  const imf = IMF_FIXDATE.exec(text)
  if (imf !== null) {
    const [, weekday = '', day = '', month = '', year = '', time = ''] = imf
    return onWeekday(momentOf(Number(year), month, Number(day), time), weekday)
  }
  const asctime = ASCTIME_DATE.exec(text)
  if (asctime !== null) {
    const [, weekday = '', month = '', day = '', time = '', year = ''] = asctime
    return onWeekday(momentOf(Number(year), month, Number(day), time), weekday)
  }
  const rfc850 = RFC850_DATE.exec(text)
  if (rfc850 !== null) {
    const [, weekday = '', day = '', month = '', year = '', time = ''] = rfc850
    return onWeekday(momentOfTwoDigitYear({ year: Number(year), month, day: Number(day), time }, now), weekday)
  }
  return undefined
}

/**
 * Formats a timestamp as IMF-fixdate, the only format that may be sent (RFC 9110, section 5.6.7); fractions of a second
 * are truncated.
 */
export function formatHttpDate(moment: EpochMilliseconds): string {
  const second = Math.floor(moment / 1000)
  if (second !== latestSecond) {
    latestDate = new Date(moment).toUTCString()
    latestSecond = second
  }
  return latestDate
}

/** The last formatted second, cached because most calls are for the current second. */
let latestSecond = Number.NaN
let latestDate = ''

const IMF_FIXDATE = /^(mon|tue|wed|thu|fri|sat|sun), (\d\d) ([a-z]{3}) (\d{4}) (\d\d:\d\d:\d\d) gmt$/i
const ASCTIME_DATE = /^(mon|tue|wed|thu|fri|sat|sun) ([a-z]{3}) (\d\d| \d) (\d\d:\d\d:\d\d) (\d{4})$/i
const RFC850_DATE =
  /^(monday|tuesday|wednesday|thursday|friday|saturday|sunday), (\d\d)-([a-z]{3})-(\d\d) (\d\d:\d\d:\d\d) gmt$/i

const WEEKDAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']
const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']

interface TwoDigitYearDate {
  readonly year: number
  readonly month: string
  readonly day: number
  /** `hh:mm:ss`. */
  readonly time: string
}

/** Uses the latest year with these two digits that is at most 50 years ahead of `now`. */
function momentOfTwoDigitYear(
  { year, month, day, time }: TwoDigitYearDate,
  now: EpochMilliseconds,
): EpochMilliseconds | undefined {
  const horizon = new Date(now)
  const horizonYear = horizon.getUTCFullYear() + 50
  horizon.setUTCFullYear(horizonYear)
  const latestYear = horizonYear - ((horizonYear - year) % 100)
  const latest = momentOf(latestYear, month, day, time)
  return latest === undefined || latest <= horizon.getTime() ? latest : momentOf(latestYear - 100, month, day, time)
}

function momentOf(year: number, monthName: string, day: number, time: string): EpochMilliseconds | undefined {
  const month = MONTHS.indexOf(monthName.toLowerCase())
  const hour = Number(time.slice(0, 2))
  const minute = Number(time.slice(3, 5))
  const second = Number(time.slice(6, 8))
  if (hour > 23 || minute > 59 || second > 60) return undefined
  const date = new Date(0)
  // Date.UTC would interpret the years 0 to 99 as 1900 to 1999.
  date.setUTCFullYear(year, month, day)
  // Also refuses an unknown month, which is -1, and day 0.
  if (date.getUTCMonth() !== month) return undefined
  // Date has no leap seconds: second 60 is read as 59, the nearest earlier time (RFC 9111, section 4.2).
  return date.setUTCHours(hour, minute, Math.min(second, 59), 0)
}

/** Returns the timestamp if it falls on the given weekday (long or short name), otherwise `undefined`. */
function onWeekday(moment: EpochMilliseconds | undefined, weekday: string): EpochMilliseconds | undefined {
  if (moment === undefined) return undefined
  const expected = WEEKDAYS[new Date(moment).getUTCDay()]
  return expected === weekday.slice(0, 3).toLowerCase() ? moment : undefined
}
