import type { CacheControl, Seconds } from '../syntax/cache-control.js'
import { type Fields, fieldValue, hasField } from '../syntax/fields.js'
import type { EpochMilliseconds } from '../syntax/http-date.js'
import { contentRangeOf } from '../syntax/range.js'
import { correctedInitialAge, type Milliseconds } from './age.js'
import { preconditions } from './conditional.js'
import { unsharedCredential } from './credentials.js'
import { isEndless } from './endless-types.js'
import { explicitLifetime, type Freshness, freshnessLifetime, isHeuristicallyCacheable } from './freshness.js'
import { targetUri } from './invalidation.js'
import type { Reason } from './reasons.js'
import { requestControl } from './reusable.js'
import { staleWindows } from './stale.js'
import type { StoragePolicy } from './storage-policy.js'
import { type ResponseControl, responseControl } from './targeted.js'
import { selectingFields } from './vary.js'

/** The parts of a request that decide about storing. */
export interface StorableRequest {
  /** In upper case. */
  readonly method: string
  /** `http` or `https`. */
  readonly protocol: string
  /** Host and port. */
  readonly host: string
  /** Path and query, as received. */
  readonly url: string
  readonly headers: Fields
}

/** The head of a response. */
export interface StatusAndFields {
  readonly status: number
  readonly fields: Fields
}

/** When a request was forwarded and when the head of its response arrived. */
export interface ExchangeTimes {
  readonly requestedAt: EpochMilliseconds
  readonly receivedAt: EpochMilliseconds
  /** The lifetime that the handler set from code; takes precedence over everything the response states. */
  readonly ttl?: Seconds | undefined
}

/** The result of {@link isStorable}: the reason why a response may not be stored, or the data for its entry. */
export type Storability = { readonly storable: false; readonly reason: Reason } | Storable

/** The data derived from the head of a storable response. */
export interface Storable {
  readonly storable: true
  readonly by: ResponseControl
  readonly freshness: Freshness
  /** `corrected_initial_age`: its age when it arrived (RFC 9111, section 4.2.3). */
  readonly initialAge: Milliseconds
  /** End of its freshness lifetime; before `receivedAt` if it arrived stale. */
  readonly staleAt: EpochMilliseconds
  /** When it is deleted: it may no longer be served stale, and is not worth keeping for validation. */
  readonly deleteAt: EpochMilliseconds
  /** Seconds after `staleAt` during which it may be sent while it is revalidated. */
  readonly staleWhileRevalidate: Seconds
  /** Seconds after `staleAt` during which it may be sent instead of an error. */
  readonly staleIfError: Seconds
}

/**
 * Decides whether a response may be stored, by the request and the response head alone (RFC 9111, section 3);
 * `refuseBody` checks the body.
 */
export function isStorable(
  request: StorableRequest,
  response: StatusAndFields,
  times: ExchangeTimes,
  policy: StoragePolicy,
): Storability {
  const { status, fields } = response
  const by = responseControl(fields, policy.targets)
  const refused =
    refuseRequest(request, policy) ??
    refuseStatus(response, by.control, policy) ??
    refuseDirectives(status, by.control, policy) ??
    refuseFields(request, fields, by.control, policy)
  if (refused !== undefined) return { storable: false, reason: refused }
  const freshness = lifetimeOf(response, by, times, policy)
  if (typeof freshness === 'string') return { storable: false, reason: freshness }
  if (request.method === 'POST' && !isStorablePost(request, response, freshness)) {
    return { storable: false, reason: 'content-location' }
  }
  const initialAge = correctedInitialAge(fields, times.requestedAt, times.receivedAt)
  const staleAt = times.receivedAt + freshness.lifetime * 1000 - initialAge
  const windows = staleWindows(by.control, policy)
  const usable = by.control.noCache
    ? times.receivedAt
    : staleAt + Math.max(windows.staleWhileRevalidate, windows.staleIfError) * 1000
  const validatable = preconditions(fields) !== undefined
  if (usable <= times.receivedAt && !(validatable && policy.storeForValidation)) {
    return { storable: false, reason: by.control.noCache ? 'no-cache' : 'stale' }
  }
  const deleteAt = validatable ? Math.max(usable, staleAt, times.receivedAt) + retention(freshness) * 1000 : usable
  return { ...windows, storable: true, by, freshness, initialAge, staleAt, deleteAt: Math.max(deleteAt, staleAt) }
}

/**
 * Why no response to this request can be stored, known before the handler runs; `undefined` if the response decides.
 */
export function refuseRequest(request: StorableRequest, policy: StoragePolicy): Reason | undefined {
  if (!policy.methods.has(request.method)) return 'method'
  if (policy.allowRequestDirectives && requestControl(request.headers)?.noStore === true) return 'request-no-store'
  return undefined
}

/** Statuses that answer the conditions, the range or the expectation of one request. */
export const ANSWERS_CONDITIONS: ReadonlySet<number> = new Set([304, 412, 416, 417])

/** Statuses that concern one client, and that no cache may store (RFC 6585). */
export const ABOUT_ONE_CLIENT: ReadonlySet<number> = new Set([428, 429, 431, 511])

/** Statuses whose caching rules this cache implements: all final statuses of RFC 9110 without special rules. */
const UNDERSTOOD = /^(?:20[0-5]|30[0-3578]|40\d|41[0-7]|42[126]|50[0-5])$/

function isUnderstood(status: number, policy: StoragePolicy): boolean {
  return UNDERSTOOD.test(String(status)) || (status === 206 && policy.storePartial)
}

function refuseStatus(response: StatusAndFields, control: CacheControl, policy: StoragePolicy): Reason | undefined {
  const { status, fields } = response
  if (ANSWERS_CONDITIONS.has(status)) return 'precondition'
  if (ABOUT_ONE_CLIENT.has(status)) return 'status'
  if (!(status >= 200 && status <= 599) || policy.statusTtl.get(status) === false) return 'status'
  if (control.mustUnderstand && !isUnderstood(status, policy)) return 'must-understand'
  if (status !== 206) return undefined
  if (!policy.storePartial) return 'partial'
  return contentRangeOf(fields) === undefined ? 'content-range' : undefined
}

function refuseDirectives(status: number, control: CacheControl, policy: StoragePolicy): Reason | undefined {
  // A response with must-understand has a no-store for caches that do not support it (RFC 9111, section 5.2.2.3).
  if (control.noStore && !(control.mustUnderstand && isUnderstood(status, policy))) return 'no-store'
  return control.private ? 'private' : undefined
}

function refuseFields(
  request: StorableRequest,
  fields: Fields,
  control: CacheControl,
  policy: StoragePolicy,
): Reason | undefined {
  const selecting = selectingFields(fields, [], policy.exactVary)
  if (selecting === '*') return 'vary-star'
  const credential = unsharedCredential(request.headers, control, selecting, policy)
  if (credential !== undefined) return credential
  if (!policy.storeSetCookie && hasField(fields, 'set-cookie') && !isLeftOut('set-cookie', control)) return 'set-cookie'
  return isEndless(fields, policy.endlessTypes) ? 'event-stream' : undefined
}

/** Whether `private="…"` or `no-cache="…"` excludes a field from the stored response. */
function isLeftOut(name: string, control: CacheControl): boolean {
  return control.privateFields.includes(name) || control.noCacheFields.includes(name)
}

/** The lifetime of a response if its status permits one, otherwise the reason why it has none. */
function lifetimeOf(
  response: StatusAndFields,
  by: ResponseControl,
  times: ExchangeTimes,
  policy: StoragePolicy,
): Freshness | 'status' | 'no-freshness' {
  const { status, fields } = response
  const permitted =
    policy.statuses === 'final' || policy.statuses.has(status) || (status === 206 && policy.storePartial)
  const given = permitted || policy.ttlStatuses.has(status) ? times.ttl : undefined
  if (given !== undefined) return { lifetime: given, source: 'ttl' }
  const explicit = explicitLifetime(fields, by, times.receivedAt)
  if (explicit !== undefined) return permitted || policy.statusTtl.has(status) ? explicit : 'status'
  const lifetime = freshnessLifetime(response, by, times.receivedAt, policy)
  if (lifetime !== undefined) return lifetime
  if (policy.storeForValidation && (isHeuristicallyCacheable(status) || by.control.public)) {
    if (preconditions(fields) !== undefined) return { lifetime: 0, source: 'heuristic' }
  }
  return permitted && (policy.ttl === undefined || policy.ttlStatuses.has(status)) ? 'no-freshness' : 'status'
}

/**
 * Whether a POST response may be stored: it needs explicit freshness and a Content-Location equal to its own URI (RFC
 * 9110, section 9.3.3). Only with status 200 does this mean that GET would return the same (section 8.7).
 */
function isStorablePost(request: StorableRequest, { status, fields }: StatusAndFields, freshness: Freshness): boolean {
  if (status !== 200 || freshness.source === 'heuristic' || freshness.source === 'ttl') return false
  const location = fieldValue(fields, 'content-location')
  const target = targetUri(request)
  return location !== undefined && target !== undefined && targetUri(request, location)?.href === target.href
}

/**
 * How many seconds a response that can be validated is kept after its last use: as long as its lifetime, but at least a
 * minute and at most a day.
 */
function retention(freshness: Freshness): Seconds {
  return Math.min(Math.max(freshness.lifetime, 60), 24 * 60 * 60)
}
