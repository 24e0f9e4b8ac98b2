import { isIP } from 'node:net'
import type { DashboardRequest } from './answer.js'

/** The field that the page sends with every change. Other origins cannot send it without asking first (CORS). */
const OWN_FIELD = 'x-fallback-cache'

/**
 * Why a request that changes something is refused, or `undefined` if the dashboard's own page has sent it. Browsers tell
 * where a request comes from by `Sec-Fetch-Site`, older ones by `Origin`; programs send neither.
 */
export function foreignness({ headers }: Pick<DashboardRequest, 'headers'>): string | undefined {
  const { origin } = headers
  const site = headers['sec-fetch-site']
  if (headers[OWN_FIELD] === undefined) return `the field ${OWN_FIELD} is missing`
  if (!String(headers['content-type']).startsWith('application/json')) return 'the body is not application/json'
  if (site !== undefined) return site === 'same-origin' ? undefined : 'it comes from another origin'
  if (origin === undefined) return undefined
  const named = hostOf(origin)
  return named !== undefined && named === askedHost(headers) ? undefined : 'it comes from another origin'
}

/** The host and port that a request names; HTTP/2 has them in a field of its own. */
function askedHost(headers: DashboardRequest['headers']): string | undefined {
  const asked = headers.host ?? headers[':authority']
  return asked === undefined ? undefined : String(asked)
}

function hostOf(origin: string | string[]): string | undefined {
  try {
    return new URL(String(origin)).host
  } catch {
    return undefined
  }
}

/**
 * Whether the name in `Host` is an address or `localhost`. A page of another site that lets its own name point here (DNS
 * rebinding) has another one.
 */
export function isLocalName({ headers }: Pick<DashboardRequest, 'headers'>): boolean {
  const name = hostNameOf(String(askedHost(headers)))
  if (name === undefined) return false
  return name === 'localhost' || name.endsWith('.localhost') || isIP(name.replace(/^\[|\]$/g, '')) > 0
}

function hostNameOf(host: string): string | undefined {
  try {
    return new URL(`http://${host}`).hostname
  } catch {
    return undefined
  }
}
