import type { RequestHead } from '../port/exchange.js'
import { CONDITIONAL_FIELDS } from '../rules/conditional.js'
import { cookieValue } from '../rules/cookie-values.js'
import { COOKIE, type SelectingFields } from '../rules/vary.js'
import { type FieldValue, fieldValue } from '../syntax/fields.js'

/** What decides which fields of a client's request a refresh keeps. */
export interface Carrying {
  /** The fields that select the stored response. */
  readonly selecting: SelectingFields
  /** Whether functions of the route, which may read any field, have made a part of the key. */
  readonly isNamed: boolean
}

/**
 * The request that makes a stored response again. It is the client's request without the client: of its fields it keeps
 * the host, the fields and the single cookies that select the stored response, and for a QUERY those that describe the content. Where the `key` or
 * `user` option made a part of the key, it keeps all fields but conditions and those of the connection.
 */
export function refreshRequest(request: RequestHead, carrying: Carrying): RequestHead {
  const { method, originalMethod, url, protocol, host } = request
  const headers = carriedFields(request, carrying)
  return { method: method === 'HEAD' ? 'GET' : method, originalMethod, url, protocol, host, headers }
}

function carriedFields(request: RequestHead, { selecting, isNamed }: Carrying): Record<string, FieldValue> {
  const carried: Record<string, FieldValue> = { 'user-agent': USER_AGENT }
  const { headers } = request
  const names = isNamed ? Object.keys(headers).filter((name) => !NEVER.has(name) && !name.startsWith(':')) : selecting
  const content = request.method === 'QUERY' ? CONTENT_FIELDS : []
  for (const name of [...names, ...content, 'host']) {
    const value = headers[name]
    if (value !== undefined) carried[name] = value
  }
  carried.host ??= request.host
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

/** What handlers and logs see of a refresh whose response does not depend on the browser. */
const USER_AGENT = 'fallback-cache'

const CONTENT_FIELDS = ['content-type', 'content-encoding', 'content-language', 'content-location'] as const

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
