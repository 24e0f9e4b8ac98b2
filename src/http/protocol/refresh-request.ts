import { REPRESENTATION_METADATA } from '../port/request-content.js'
import type { RequestHead } from '../port/request-head.js'
import { CONDITIONAL_FIELDS } from '../rules/conditional.js'
import { cookieValue } from '../rules/cookie-values.js'
import { COOKIE, type SelectingFields } from '../rules/vary.js'
import { type FieldValue, fieldValue } from '../syntax/fields.js'

/** The inputs that decide which fields of a client's request are kept for a refresh. */
export interface Carrying {
  /** The fields that select the stored response. */
  readonly selecting: SelectingFields
  /** Whether option functions, which may read any field, have added a part of the key. */
  readonly isNamed: boolean
}

/**
 * Makes the request that refreshes a stored response, from a client's request. It keeps the Host field (`:authority` and
 * `:scheme` over HTTP/2), the fields and single cookies that select the stored response, and for QUERY the fields that
 * describe the content. If the `key` or `user` option added a part of the key, it keeps all fields except conditions and
 * connection-specific fields.
 */
export function refreshRequest(request: RequestHead, carrying: Carrying): RequestHead {
  const { method, originalMethod, url, protocol, host, rewritten, otherOrigin, begun } = request
  const headers = carriedFields(request, carrying)
  const asked = method === 'HEAD' ? 'GET' : method
  return { method: asked, originalMethod, url, protocol, host, rewritten, otherOrigin, begun, headers }
}

function carriedFields(request: RequestHead, { selecting, isNamed }: Carrying): Record<string, FieldValue> {
  const carried: Record<string, FieldValue> = { 'user-agent': USER_AGENT }
  const { headers } = request
  const names = isNamed ? Object.keys(headers).filter((name) => !NEVER.has(name) && !name.startsWith(':')) : selecting
  const content = request.method === 'QUERY' ? REPRESENTATION_METADATA : []
  // They are part of the key then, because a handler may trust proxies where the application does not.
  const origin = request.otherOrigin === undefined ? [] : FORWARDED_FIELDS
  for (const name of [...names, ...content, ...origin, 'host', ':authority', ':scheme']) {
    const value = headers[name]
    if (value !== undefined) carried[name] = value
  }
  // A handler that has read the absence of Host over HTTP/2 must read it again.
  if (carried[':authority'] === undefined) carried.host ??= request.host
  const cookies = selectingCookies(fieldValue(headers, 'cookie'), selecting)
  if (cookies !== undefined) carried.cookie ??= cookies
  return carried
}

/** The cookies that select the stored response, without the others. */
function selectingCookies(field: string | undefined, selecting: SelectingFields): string | undefined {
  const kept = new Set<string>()
  for (const name of selecting) {
    if (!name.startsWith(COOKIE)) continue
    for (const part of cookieValue(field, name.slice(COOKIE.length))?.split(';') ?? []) kept.add(part)
  }
  return kept.size === 0 ? undefined : [...kept].join('; ')
}

/** The User-Agent of a refresh whose response does not depend on the client's. */
const USER_AGENT = 'fallback-cache'

/** The fields by which a trusted proxy names the origin that its client asked for, in lower case. */
export const FORWARDED_FIELDS = ['x-forwarded-host', 'x-forwarded-proto'] as const

const NEVER: ReadonlySet<string> = new Set([
  ...CONDITIONAL_FIELDS,
  'connection',
  'content-length',
  'expect',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])
