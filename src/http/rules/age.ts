import { MAX_DELTA_SECONDS, parseDeltaSeconds, type Seconds } from '../syntax/cache-control.js'
import { type Fields, fieldValue } from '../syntax/fields.js'
import { type EpochMilliseconds, parseHttpDate } from '../syntax/http-date.js'

/** A duration in milliseconds. */
export type Milliseconds = number

/**
 * The age with which a response arrived: the first member of its Age field; 0 if there is none or it is not a
 * non-negative integer (RFC 9111, section 5.1).
 */
export function parseAge(value: string | undefined): Seconds {
  if (value === undefined) return 0
  const comma = value.indexOf(',')
  return parseDeltaSeconds((comma < 0 ? value : value.slice(0, comma)).trim()) ?? 0
}

/**
 * The age of a response when it arrived: `corrected_initial_age`, the greater of the age according to Date, and its Age
 * field plus the duration of the request (RFC 9111, section 4.2.3).
 *
 * @param requestedAt - when the request was forwarded, which is when the handler started
 * @param receivedAt - when the response's header section arrived
 */
export function correctedInitialAge(
  fields: Fields,
  requestedAt: EpochMilliseconds,
  receivedAt: EpochMilliseconds,
): Milliseconds {
  const responseDelay = Math.max(0, receivedAt - requestedAt)
  const correctedAgeValue = parseAge(fieldValue(fields, 'age')) * 1000 + responseDelay
  return Math.max(apparentAge(fields, receivedAt), correctedAgeValue)
}

/**
 * The current age of a stored response in whole seconds, as sent in the Age field (RFC 9111, sections 4.2.3 and 5.1).
 *
 * @param initialAge - the result of {@link correctedInitialAge} when the response was stored
 * @param receivedAt - when the response was received or last validated
 */
export function currentAge(initialAge: Milliseconds, receivedAt: EpochMilliseconds, now: EpochMilliseconds): Seconds {
  const residentTime = Math.max(0, now - receivedAt)
  return Math.min(Math.floor((initialAge + residentTime) / 1000), MAX_DELTA_SECONDS)
}

/**
 * The age according to Date, in whole seconds on both sides because Date has no fractions: a response of the current
 * second has age 0.
 */
function apparentAge(fields: Fields, receivedAt: EpochMilliseconds): Milliseconds {
  const date = parseHttpDate(fieldValue(fields, 'date'), receivedAt)
  if (date === undefined) return 0
  return Math.max(0, Math.floor(receivedAt / 1000) * 1000 - date)
}
