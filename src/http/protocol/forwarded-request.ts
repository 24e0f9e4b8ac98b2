import type { FieldChanges, RequestHead } from '../port/exchange.js'
import { preconditions, SELECTIVE_FIELDS, VALIDATING_FIELDS } from '../rules/conditional.js'
import type { StoredResponse } from '../store/stored-response.js'
import type { Fields, FieldValue } from '../syntax/fields.js'

/** The fields that a request is sent on with when others may wait for its response; `undefined`: as they came. */
export function changesOf(request: RequestHead, stale: StoredResponse | undefined): FieldChanges | undefined {
  return changesFor(conditionsOf(request), stale !== undefined && isAskable(stale) ? stale : undefined)
}

/** What a request is sent on with: without these of the client's conditions, and with ours (RFC 9111, section 4.3.1). */
export function changesFor(
  conditions: Fields | undefined,
  asked: StoredResponse | undefined,
): FieldChanges | undefined {
  if (conditions === undefined && asked === undefined) return undefined
  const hidden = Object.keys(conditions ?? {}).map((name) => [name, undefined] as const)
  return { ...Object.fromEntries(hidden), ...(asked && preconditions(asked.validators)) }
}

/** The request's own conditions that the cache evaluates; `undefined` when there are none. */
export function conditionsOf(request: RequestHead): Fields | undefined {
  let conditions: Record<string, FieldValue> | undefined
  for (const name of VALIDATING_FIELDS) {
    const value = request.headers[name]
    if (value === undefined) continue
    conditions ??= {}
    conditions[name] = value
  }
  return conditions
}

/** Whether the handler can be asked about a stored response. A 304 says nothing about a part: whether the rest is still the same is not known. */
export function isAskable(stored: StoredResponse): boolean {
  return stored.status !== 206 && preconditions(stored.validators) !== undefined
}

/** What of a request is for its handler to understand: `'range'`: a part, `'version'`: one version only. */
export function seenOf({ method, headers }: RequestHead): 'range' | 'version' | undefined {
  if (method === 'POST') return undefined
  if (headers.range !== undefined) return 'range'
  return SELECTIVE_FIELDS.some((name) => headers[name] !== undefined) ? 'version' : undefined
}

/** What the client asked for, whatever fields the handler is going to be run with. */
export function asItCame(request: RequestHead): Pick<RequestHead, 'method' | 'headers'> {
  return { method: request.method, headers: { ...request.headers } }
}

/** A request that a run keeps. */
export type Snapshot = RequestHead & { filled?: RequestHead['filled'] }

/**
 * A request as it came. What the application makes of it (proxies delete credentials before they send it on, others set
 * a language) must not decide whom its response is for; and when a background run ends, the request may long be gone.
 */
export function snapshotOf({ method, originalMethod, url, protocol, host, headers }: RequestHead): Snapshot {
  return { method: method === 'HEAD' ? 'GET' : method, originalMethod, url, protocol, host, headers: { ...headers } }
}
