import type { RequestHead } from '../port/exchange.js'
import type { Reason } from '../rules/reasons.js'
import { mayReuse, type Reuse } from '../rules/reusable.js'
import { refuseRequest } from '../rules/storable.js'
import type { StoragePolicy } from '../rules/storage-policy.js'
import type { StoredResponse } from '../store/stored-response.js'
import type { OnShelf } from '../store/variants.js'
import type { Forward } from '../syntax/cache-status.js'
import type { Lookup } from './lookup.js'

/** What follows from what lies on the shelf. */
export type Verdict =
  /** The stored response is sent. */
  | { readonly kind: 'hit'; readonly reuse: Reuse }
  /** The handler has to be asked; `usable`: about the stored response, which may also be sent in place of an error. */
  | { readonly kind: 'miss'; readonly fwd: Forward; readonly reason: Reason; readonly usable: boolean }
  /** A middleware further in has stored it, and has questions of its own to ask first. */
  | { readonly kind: 'inner' }
  /** It is not for this request. */
  | { readonly kind: 'refused'; readonly reason: Reason }

/** What a route handles at all. */
export interface Handled {
  /** Whether HEAD is answered from what is stored for GET. */
  readonly answersHead: boolean
  readonly storage: Pick<StoragePolicy, 'methods'>
}

/** Whether requests of a method are answered from the store, or what they are answered may be stored. */
export function isCached(method: string, { answersHead, storage }: Handled): boolean {
  return method === 'HEAD' ? answersHead : storage.methods.has(method)
}

/** Why a request is none that the cache handles, judged by its method and body alone; `undefined`: it is. */
export function passedBy(request: RequestHead, handled: Handled): 'method' | 'request-body' | undefined {
  const { method, originalMethod } = request
  if (!isCached(method, handled)) return 'method'
  if (originalMethod !== undefined && originalMethod !== method) return 'method'
  return (method === 'GET' || method === 'HEAD') && hasBody(request) ? 'request-body' : undefined
}

/** Whether what was found answers a request, and if not, why not (RFC 9111, section 4). */
export function verdictOn<Context extends object>(lookup: Lookup<Context>, shelf: OnShelf, now: number): Verdict {
  const { stored } = shelf
  if (stored === undefined) return shelf.varies ? VARY_MISS : URI_MISS
  if (stored.nested !== lookup.nested) return INNER
  const credential = lookup.refusalOf(stored)
  if (credential !== undefined) return { kind: 'refused', reason: credential }
  if (!lookup.isWithin(stored, now)) return OUTSIDE_PART
  return BY_REUSE[mayReuse(stored, lookup.wishes, now)]
}

/** How a request goes on that the store does not answer. */
export type Course =
  /** Run the handler; requests for the same response wait for it. */
  | { readonly kind: 'run' }
  /** Run the handler for this request only: it carries credentials. */
  | { readonly kind: 'alone' }
  /** Ask the handler by the client's own HEAD whether the stored response is still right. */
  | { readonly kind: 'check'; readonly stored: StoredResponse }
  /** The handler's answer goes through and cannot be stored, or there is none. */
  | { readonly kind: 'head' | 'only-if-cached' }
  | { readonly kind: 'refused'; readonly reason: Reason }

/**
 * How a request goes on that the store does not answer.
 *
 * @param usable - the stored response that the handler can be asked about
 */
export function courseOf<Context extends object>(lookup: Lookup<Context>, usable: StoredResponse | undefined): Course {
  const { request, wishes, hasCredentials, storage } = lookup
  if (wishes?.onlyIfCached === true) return ONLY_IF_CACHED
  if (request.method === 'HEAD') {
    return usable === undefined || hasCredentials ? HEAD : { kind: 'check', stored: usable }
  }
  const reason = refuseRequest(request, storage)
  if (reason !== undefined) return { kind: 'refused', reason }
  return hasCredentials ? ALONE : RUN
}

/** Nothing is stored for the request. */
export const URI_MISS = { kind: 'miss', fwd: 'uri-miss', reason: 'uri-miss', usable: false } as const
const VARY_MISS: Verdict = { kind: 'miss', fwd: 'vary-miss', reason: 'vary-miss', usable: false }
const OUTSIDE_PART: Verdict = { kind: 'miss', fwd: 'partial', reason: 'outside-part', usable: false }
const INNER: Verdict = { kind: 'inner' }

/** The stored response may not be sent without asking, for its lifetime is over. */
export const OUTLIVED = { kind: 'miss', fwd: 'stale', reason: 'outlived', usable: true } as const

const BY_REUSE: Readonly<Record<Reuse, Verdict>> = {
  fresh: { kind: 'hit', reuse: 'fresh' },
  'max-stale': { kind: 'hit', reuse: 'max-stale' },
  'stale-while-revalidate': { kind: 'hit', reuse: 'stale-while-revalidate' },
  stale: OUTLIVED,
  'no-cache': { kind: 'miss', fwd: 'stale', reason: 'unvalidated', usable: true },
  request: { kind: 'miss', fwd: 'request', reason: 'request', usable: true },
}

const RUN: Course = { kind: 'run' }
const ALONE: Course = { kind: 'alone' }
const HEAD: Course = { kind: 'head' }
const ONLY_IF_CACHED: Course = { kind: 'only-if-cached' }

/** Whether a GET or HEAD comes with a body, be it announced only. */
function hasBody(request: RequestHead): boolean {
  if (request.hasBody === true) return true
  if (request.isPlain) return false
  const { headers } = request
  const length = headers['content-length']
  return (length !== undefined && length !== '0') || headers['transfer-encoding'] !== undefined
}
