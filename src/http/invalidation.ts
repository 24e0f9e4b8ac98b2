import type { Fields } from './fields.js'

/** Whether a method is defined as safe (RFC 9110, section 9.2.1). An unknown one is not. */
export function isSafe(method: string): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS' || method === 'TRACE' || method === 'QUERY'
}

/**
 * The paths (with query), on the request's own origin, whose stored responses an answer invalidates: the target URI, and Location and Content-Location when
 * they are of the same origin; none for safe methods and for errors (RFC 9111, section 4.4).
 */
export function invalidatedPaths(
  _request: { readonly method: string; readonly protocol: string; readonly host: string; readonly url: string },
  _response: { readonly status: number; readonly fields: Fields },
): readonly string[] {
  throw new Error('not written yet')
}
