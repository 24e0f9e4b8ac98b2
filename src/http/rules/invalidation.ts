import { type Fields, fieldValue } from '../syntax/fields.js'

/** Whether a method is defined as safe (RFC 9110, section 9.2.1). An unknown one is not. */
export function isSafe(method: string): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS' || method === 'TRACE' || method === 'QUERY'
}

/** Whether a status is 2xx or 3xx, the "non-error response" of RFC 9111, section 4.4. */
export function isNonError(status: number): boolean {
  return status >= 200 && status < 400
}

/** A URI of the origin of a request: what of it the keys of stored responses are made of. */
export interface Target {
  readonly protocol: string
  readonly host: string
  /** Path and query. */
  readonly url: string
}

/**
 * The URIs whose stored responses an answer invalidates: the target URI, and those of Location and Content-Location that are
 * of the same origin; none for safe methods and for errors (RFC 9111, section 4.4).
 */
export function invalidatedTargets(
  request: Target & { readonly method: string },
  response: { readonly status: number; readonly fields: Fields },
): readonly Target[] {
  if (isSafe(request.method) || !isNonError(response.status)) return []
  const { protocol, host, url } = request
  // As nearly always: nothing is to be resolved.
  if (LOCATIONS.every((name) => response.fields[name] === undefined) && url.startsWith('/')) return [request]
  const target = parseUri(url, `${protocol}://${host}`)
  if (target === undefined) return url.startsWith('/') ? [request] : []
  // The absolute form names the host itself (RFC 9112, section 3.2.2).
  const own = url.startsWith('/') ? host : target.host
  const urls = new Set([url.startsWith('/') ? url : target.pathname + target.search])
  for (const name of LOCATIONS) {
    const uri = parseUri(fieldValue(response.fields, name), target.href)
    // Another origin could be made to lose its entries by anybody who answers a POST (RFC 9111, section 4.4).
    if (uri !== undefined && uri.origin === target.origin) urls.add(uri.pathname + uri.search)
  }
  return Array.from(urls, (each) => ({ protocol, host: own, url: each }))
}

const LOCATIONS = ['location', 'content-location'] as const

/** The target URI of a request, or a reference resolved against it; `undefined` when it cannot be read. */
export function targetUri(
  request: { readonly protocol: string; readonly host: string; readonly url: string },
  reference: string | undefined = request.url,
): URL | undefined {
  const target = parseUri(request.url, `${request.protocol}://${request.host}`)
  return target && parseUri(reference, target.href)
}

/** A URI reference resolved against a base; `undefined` when either cannot be read. */
function parseUri(reference: string | undefined, base: string): URL | undefined {
  if (reference === undefined) return undefined
  try {
    return new URL(reference, base)
  } catch {
    return undefined
  }
}
