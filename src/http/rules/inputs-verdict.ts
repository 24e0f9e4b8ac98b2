import type { CacheControl } from '../syntax/cache-control.js'
import { type Fields, fieldValue } from '../syntax/fields.js'
import { cookieValue } from './cookie-values.js'
import type { InputsPolicy } from './inputs-policy.js'
import type { InputsRead } from './inputs-read.js'
import type { StoragePolicy } from './storage-policy.js'

/** What follows from the inputs of a run. */
export interface InputsVerdict {
  /** Why its response is not stored; `undefined`: the inputs allow it. */
  readonly refusal: 'cookie-read' | 'fields-read' | 'query-read' | 'address-read' | 'filled-read' | undefined
  /** The name of the input that refuses, as `inputs` and `vary` spell it; `''` where there is none. */
  readonly input: string
  /** Further selecting inputs of the stored response. */
  readonly selecting: readonly string[]
}

/** What an {@link InputsVerdict} is made of beside the inputs. */
export interface InputsContext {
  /** The request as the client sent it. */
  readonly request: { readonly method: string; readonly headers: Fields }
  readonly control: CacheControl
  /** What the response varies by already: its Vary and the `vary` option. */
  readonly selecting: readonly string[]
  readonly storage: StoragePolicy
  readonly policy: InputsPolicy
}

const NO_NAMES: readonly string[] = Object.freeze([])

/** The verdict about a run that has read nothing that counts. */
export const NO_INPUTS: InputsVerdict = { refusal: undefined, input: '', selecting: NO_NAMES }

/** Whether a response may be stored that was made from these inputs, and by which of them it is selected. */
export function judgeInputs(read: InputsRead, context: InputsContext): InputsVerdict {
  if (read.version === 0) return NO_INPUTS
  const { control, policy } = context
  const parameter = [...read.parameters].find((name) => !policy.ignored.has(`query:${name}`))
  if (parameter !== undefined) return { refusal: 'query-read', input: `query:${parameter}`, selecting: NO_NAMES }
  if (read.addressReads > (read.excusesAddress?.() === true ? 1 : 0) && !policy.ignored.has('ip')) {
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

/** A cookie that came keeps the response from being stored; one that did not come selects by its absence. */
function judgeCookies(
  { cookies, everyCookie }: InputsRead,
  { request, selecting: known, policy }: InputsContext,
  selecting: string[],
): InputsVerdict {
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

/** Whether an object that was filled in is ignored, or named in `vary` and can be compared. */
function isTold(input: string, { filledBy }: InputsRead, { selecting, policy }: InputsContext): boolean {
  return policy.ignored.has(input) || (selecting.includes(input) && filledBy?.(input) !== undefined)
}

/** Whether the key or another rule tells apart what a field tells apart. */
function isCovered(name: string, context: InputsContext): boolean {
  const { request, storage, policy } = context
  if (ORIGIN_FIELDS.has(name) || varies(name, context) || policy.ignored.has(name)) return true
  if (CONTENT_FIELDS.has(name) && METHODS_WITH_CONTENT.has(request.method)) return true
  // Requests with a credential get nothing that was stored for those without. Proxies send an empty one for unknown visitors.
  const isCredential = name === 'authorization' || storage.isCredentialField?.(name) === true
  return isCredential && !storage.reuseForCredentials && fieldValue(request.headers, name) !== ''
}

/** What a request says of its origin is part of the key; see `otherOrigin`. */
const ORIGIN_FIELDS: ReadonlySet<string> = new Set([
  'host',
  ':authority',
  ':scheme',
  'x-forwarded-host',
  'x-forwarded-proto',
])

/**
 * Fields that describe the content of a request. For QUERY they are part of the key. The response to a POST is stored for GET only
 * when it says that GET would get the same, and a GET has no content.
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
