import type { CacheControl, Seconds } from '../syntax/cache-control.js'

/** How long responses may be used after their lifetime, unless they state it themselves. */
export interface StalePolicy {
  /**
   * Seconds during which a stale response is sent while it is revalidated in the background (RFC 5861, section 3). 0:
   * never.
   */
  readonly staleWhileRevalidate: Seconds
  /**
   * Seconds during which a stale response is sent instead of an error (RFC 5861, section 4; RFC 9111, section 4.2.4).
   * 0: never.
   */
  readonly staleIfError: Seconds
}

/**
 * How long a response may be served stale, in seconds: from its own directives, otherwise from the policy; 0 if
 * {@link forbidsStale}.
 */
export function staleWindows(control: CacheControl, policy: StalePolicy): StalePolicy {
  if (forbidsStale(control)) return NEVER_STALE
  return {
    staleWhileRevalidate: control.staleWhileRevalidate ?? policy.staleWhileRevalidate,
    staleIfError: control.staleIfError ?? policy.staleIfError,
  }
}

/**
 * Whether a response must not be sent stale without validation: no-cache, must-revalidate, proxy-revalidate, s-maxage
 * (RFC 9111, section 4.2.4).
 */
export function forbidsStale(control: CacheControl): boolean {
  return control.noCache || control.mustRevalidate || control.proxyRevalidate || control.sMaxage !== undefined
}

/** Whether a status is an error that a stale response may replace (RFC 5861, section 4). */
export function isStaleIfErrorStatus(status: number): boolean {
  return status === 500 || status === 502 || status === 503 || status === 504
}

const NEVER_STALE: StalePolicy = Object.freeze({ staleWhileRevalidate: 0, staleIfError: 0 })

/**
 * Whether an error thrown by a handler represents a status from 400 to 499 (`ctx.throw(404)`): a regular response, not
 * a failure (RFC 5861, section 4).
 */
export function isClientError(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false
  const { status, statusCode } = error as Readonly<Record<string, unknown>>
  const number = typeof status === 'number' ? status : statusCode
  return typeof number === 'number' && number >= 400 && number < 500
}
