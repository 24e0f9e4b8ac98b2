import type { FieldChanges } from '../port/exchange.js'
import type { RequestHead } from '../port/request-head.js'
import { preconditions, SELECTIVE_FIELDS, VALIDATING_FIELDS } from '../rules/conditional.js'
import type { InputsRead } from '../rules/inputs-read.js'
import type { StoredResponse } from '../store/stored-response.js'
import type { Fields, FieldValue } from '../syntax/fields.js'

/** The field changes for a request whose response other requests may wait for; `undefined` if there are none. */
export function changesOf(request: RequestHead, stale: StoredResponse | undefined): FieldChanges | undefined {
  return changesFor(conditionsOf(request), stale !== undefined && isAskable(stale) ? stale : undefined)
}

/**
 * The field changes that hide the client's conditions from the handler and add those of the stored response (RFC 9111,
 * section 4.3.1).
 */
export function changesFor(
  conditions: Fields | undefined,
  asked: StoredResponse | undefined,
): FieldChanges | undefined {
  if (conditions === undefined && asked === undefined) return undefined
  const hidden = Object.keys(conditions ?? {}).map((name) => [name, undefined] as const)
  return { ...Object.fromEntries(hidden), ...(asked && preconditions(asked.validators)) }
}

/** The request's conditions that the cache evaluates itself; `undefined` if there are none. */
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

/**
 * Whether the handler can revalidate a stored response. A partial response (206) cannot be revalidated, because a 304
 * does not tell whether the rest of the representation is unchanged.
 */
export function isAskable(stored: StoredResponse): boolean {
  return stored.status !== 206 && preconditions(stored.validators) !== undefined
}

/**
 * Whether the handler sees fields that ask for a part (`'range'`) or for a certain version (`'version'`) of the
 * response.
 */
export function seenOf({ method, headers }: RequestHead): 'range' | 'version' | undefined {
  if (method === 'POST') return undefined
  if (headers.range !== undefined) return 'range'
  return SELECTIVE_FIELDS.some((name) => headers[name] !== undefined) ? 'version' : undefined
}

/** Copies the method and fields of the request as the client sent it, before they are changed for the handler. */
export function asItCame(request: RequestHead): Pick<RequestHead, 'method' | 'headers'> {
  return { method: request.method, headers: { ...request.headers } }
}

/** A copy of a request, kept during a run. */
export class Snapshot implements RequestHead {
  readonly method: string
  readonly originalMethod: string | undefined
  readonly url: string
  readonly protocol: string
  readonly host: string
  readonly rewritten: string | undefined
  readonly otherOrigin: string | undefined
  readonly begun: string | undefined
  readonly headers: RequestHead['headers']
  /** The inputs of the run, which know the values set by middleware; `undefined` if it is not observed. */
  inputs: InputsRead | undefined = undefined

  constructor(request: RequestHead, headers: RequestHead['headers']) {
    this.method = request.method === 'HEAD' ? 'GET' : request.method
    this.originalMethod = request.originalMethod
    this.url = request.url
    this.protocol = request.protocol
    this.host = request.host
    this.rewritten = request.rewritten
    this.otherOrigin = request.otherOrigin
    this.begun = request.begun
    this.headers = headers
  }

  filled(input: string): string | null | undefined {
    return this.inputs?.filledBy?.filled?.(input)
  }
}

/**
 * Copies a request as the client sent it. The application may change the fields (a proxy deletes credentials, other
 * middleware sets a language), but these changes must not affect which requests the response is stored for. A
 * background run may also outlive the request.
 */
export function snapshotOf(request: RequestHead): Snapshot {
  return new Snapshot(request, { ...request.headers })
}
