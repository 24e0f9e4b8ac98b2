import { type Fields, fieldValue } from '../syntax/fields.js'

/** Whether a method is safe (RFC 9110, section 9.2.1). Unknown methods are not. */
export function isSafe(method: string): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS' || method === 'TRACE' || method === 'QUERY'
}

/** Whether a status is 2xx or 3xx, the "non-error response" of RFC 9111, section 4.4. */
export function isNonError(status: number): boolean {
  return status >= 200 && status < 400
}

/** The parts of a URI from which the keys of stored responses are built. */
export interface Target {
  readonly protocol: string
  readonly host: string
  /** Path and query. */
  readonly url: string
}

/**
 * The URIs whose stored responses a response invalidates: the target URI, and the URIs in Location and Content-Location
 * if they have the same origin; none for safe methods and for errors (RFC 9111, section 4.4).
 */
export function invalidatedTargets(
  request: Target & { readonly method: string },
  response: { readonly status: number; readonly fields: Fields },
): readonly Target[] {
  if (isSafe(request.method) || !isNonError(response.status)) return []
  const { protocol, host, url } = request
  const { location, 'content-location': content } = response.fields
  // Fast path for the common case without references to resolve.
  if (location === undefined && content === undefined && url.startsWith('/')) return [request]
  const target = parseUri(url, `${protocol}://${host}`)
  if (target === undefined) return url.startsWith('/') ? [request] : []
  // The absolute form of the target contains the host itself (RFC 9112, section 3.2.2).
  const own = url.startsWith('/') ? host : target.host
  const urls = new Set([url.startsWith('/') ? url : target.pathname + target.search])
  for (const name of LOCATIONS) {
    const uri = parseUri(fieldValue(response.fields, name), target.href)
    // Other origins are excluded: otherwise any site could invalidate another's entries (RFC 9111, section 4.4).
    if (uri !== undefined && uri.origin === target.origin) urls.add(uri.pathname + uri.search)
  }
  return Array.from(urls, (each) => ({ protocol, host: own, url: each }))
}

const LOCATIONS = ['location', 'content-location'] as const

/** The target URI of a request, or a reference resolved against it; `undefined` if it cannot be parsed. */
export function targetUri(
  request: { readonly protocol: string; readonly host: string; readonly url: string },
  reference: string | undefined = request.url,
): URL | undefined {
  const target = parseUri(request.url, `${request.protocol}://${request.host}`)
  return target && parseUri(reference, target.href)
}

/** Resolves a URI reference against a base; `undefined` if either cannot be parsed. */
function parseUri(reference: string | undefined, base: string): URL | undefined {
  if (reference === undefined) return undefined
  try {
    return new URL(reference, base)
  } catch {
    return undefined
  }
}
