import type { CacheControl } from '../syntax/cache-control.js'
import { type Fields, fieldValue, hasField } from '../syntax/fields.js'
import { cookieValue } from './cookie-values.js'
import type { InputsPolicy } from './inputs-policy.js'
import type { InputsRead } from './inputs-read.js'
import type { StoragePolicy } from './storage-policy.js'

/** The consequences of the inputs of a run. */
export interface InputsDecision {
  /** Why the response is not stored; `undefined` if the inputs permit it. */
  readonly refusal: 'cookie-read' | 'fields-read' | 'query-read' | 'address-read' | 'filled-read' | undefined
  /** The name of the refused input, as in `inputs` and `vary`; `''` if there is none. */
  readonly input: string
  /** Additional selecting inputs of the stored response. */
  readonly selecting: readonly string[]
}

/** The context in which inputs are judged. */
export interface InputsContext {
  /** The request as the client sent it. */
  readonly request: { readonly method: string; readonly headers: Fields }
  readonly control: CacheControl
  /** The inputs by which the response already varies: its Vary and the `vary` option. */
  readonly selecting: readonly string[]
  readonly storage: StoragePolicy
  readonly policy: InputsPolicy
}

const NO_NAMES: readonly string[] = Object.freeze([])

/** The decision for a run that has read nothing significant. */
export const NO_INPUTS: InputsDecision = { refusal: undefined, input: '', selecting: NO_NAMES }

/** Decides whether a response made from these inputs may be stored, and by which of them it is selected. */
export function judgeInputs(read: InputsRead, context: InputsContext): InputsDecision {
  if (read.version === 0) return NO_INPUTS
  const { control, policy } = context
  const parameter = [...read.parameters].find((name) => !policy.ignored.has(`query:${name}`))
  if (parameter !== undefined) return { refusal: 'query-read', input: `query:${parameter}`, selecting: NO_NAMES }
  if (read.addressReads > (read.addressExcuse?.excusesOne() === true ? 1 : 0) && !policy.ignored.has('ip')) {
    return { refusal: 'address-read', input: 'ip', selecting: NO_NAMES }
  }
  const shared = control.public || control.sMaxage !== undefined
  const object = [...read.filledObjects].find((input) => !isTold(input, read, context))
  if (object !== undefined) return { refusal: 'filled-read', input: object, selecting: NO_NAMES }
  if (read.everyField && !shared) return { refusal: 'fields-read', input: '', selecting: NO_NAMES }
  const selecting: string[] = []
  for (const name of read.filledValues) {
    if (!context.selecting.includes(name) && !policy.ignored.has(name)) selecting.push(name)
  }
  for (const name of read.fields) if (!isCovered(name, context)) selecting.push(name)
  if (shared || varies('cookie', context)) return { refusal: undefined, input: '', selecting }
  return judgeCookies(read, context, selecting)
}

/**
 * A cookie that the request has prevents storing; a cookie that it lacks becomes a selecting input, with the value
 * "absent".
 */
function judgeCookies(
  { cookies, everyCookie }: InputsRead,
  { request, selecting: known, policy }: InputsContext,
  selecting: string[],
): InputsDecision {
  const field = fieldValue(request.headers, 'cookie')
  if (everyCookie && !policy.ignored.has('cookie')) {
    if (field !== undefined) return { refusal: 'cookie-read', input: 'cookie', selecting: NO_NAMES }
    return { refusal: undefined, input: '', selecting: [...selecting, 'cookie'] }
  }
  for (const name of cookies) {
    const input = `cookie:${name}`
    if (known.includes(input) || policy.ignored.has(input)) continue
    if (cookieValue(field, name) !== null) return { refusal: 'cookie-read', input, selecting: NO_NAMES }
    selecting.push(input)
  }
  return { refusal: undefined, input: '', selecting }
}

/** Whether an object set by middleware is ignored, or listed in `vary` and convertible to text. */
function isTold(input: string, { filledBy }: InputsRead, { selecting, policy }: InputsContext): boolean {
  return policy.ignored.has(input) || (selecting.includes(input) && filledBy?.filled?.(input) !== undefined)
}

/** Whether the key or another rule already distinguishes requests by this field. */
function isCovered(name: string, context: InputsContext): boolean {
  const { request, storage, policy } = context
  if (varies(name, context) || policy.ignored.has(name)) return true
  if (ORIGIN_FIELDS.has(name)) return name.startsWith('x-') || isCertain(name, request.headers)
  if (CONTENT_FIELDS.has(name) && METHODS_WITH_CONTENT.has(request.method)) return true
  // A request with a credential never gets a response stored without. Proxies send an empty field for anonymous
  // visitors.
  const isCredential = name === 'authorization' || storage.isCredentialField?.(name) === true
  return isCredential && !storage.reuseForCredentials && fieldValue(request.headers, name) !== ''
}

/**
 * Whether each request with the same key has this field of the origin, too: requests of HTTP/2 may lack Host, and those of
 * HTTP/1.1 lack `:authority`.
 */
function isCertain(name: string, headers: Fields): boolean {
  return hasField(headers, name) && (name !== 'host' || !hasField(headers, ':authority'))
}

/** Fields from which the origin of a request is derived, which is part of the key; see `otherOrigin`. */
const ORIGIN_FIELDS: ReadonlySet<string> = new Set([
  'host',
  ':authority',
  ':scheme',
  'x-forwarded-host',
  'x-forwarded-proto',
])

/**
 * Fields that describe the content of a request. For QUERY they are part of the key. The response to a POST is stored
 * for GET only if it states that GET would return the same, and a GET has no content.
 */
const CONTENT_FIELDS: ReadonlySet<string> = new Set([
  'content-type',
  'content-encoding',
  'content-language',
  'content-location',
])

const METHODS_WITH_CONTENT: ReadonlySet<string> = new Set(['POST', 'QUERY'])

function varies(name: string, { selecting, storage }: InputsContext): boolean {
  return selecting.includes(name) || storage.keyedFields.includes(name)
}
