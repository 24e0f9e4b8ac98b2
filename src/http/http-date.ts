/** A moment: milliseconds since 1970-01-01T00:00:00Z. */
export type EpochMilliseconds = number

/**
 * The moment that an HTTP-date names, or `undefined` when the text is none (RFC 9110, section 5.6.7).
 *
 * Reads the three formats of the specification and nothing else: no zone but GMT, no other spacing, no day that the month does not
 * have or the weekday contradicts. Case does not matter (RFC 9111, section 4.2). A two-digit year more than 50 years ahead of `now` is in the past.
 */
export function parseHttpDate(value: string | undefined, now: EpochMilliseconds): EpochMilliseconds | undefined {
  if (value === undefined) return undefined
  throw new Error(`not written yet: ${now}`)
}

/** A moment as an IMF-fixdate, the only format that may be sent (RFC 9110, section 5.6.7); fractions of a second are cut off. */
export function formatHttpDate(moment: EpochMilliseconds): string {
  return new Date(moment).toUTCString()
}
