import type { Milliseconds } from './age.js'
import type { Seconds } from './cache-control.js'
import type { CredentialPolicy } from './credentials.js'
import type { Fields } from './fields.js'
import type { Freshness, FreshnessPolicy } from './freshness.js'
import type { EpochMilliseconds } from './http-date.js'
import type { Reason } from './reasons.js'
import type { StalePolicy } from './stale.js'
import type { ResponseControl } from './targeted.js'

/** What a route lets the cache keep. The presets are {@link APPLICATION_STORAGE} and {@link PROXY_STORAGE}; each property is an option of its own. */
export interface StoragePolicy extends FreshnessPolicy, StalePolicy, CredentialPolicy {
  /** Request methods whose responses are stored, in upper case. HEAD is answered from GET, never stored. */
  readonly methods: ReadonlySet<string>
  /** Statuses that are stored when the response itself states its freshness; `'final'`: any final one. */
  readonly statuses: 'final' | ReadonlySet<number>
  /** Whether responses with Set-Cookie are stored and replayed (RFC 9111, section 7.3). */
  readonly storeSetCookie: boolean
  /** Whether 206 responses are stored (RFC 9111, section 3.3). */
  readonly storePartial: boolean
  /** The target list, in lower case (RFC 9213, section 2.2). */
  readonly targets: readonly string[]
  /** Whether the no-store of a request keeps its response from being stored. */
  readonly allowRequestDirectives: boolean
  /** The largest body that is stored, in bytes. */
  readonly maxBodySize: number
}

/** The part of a request that decides about storing. */
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
export interface ResponseHead {
  readonly status: number
  readonly fields: Fields
}

/** When a response was asked for and when its head arrived. */
export interface ExchangeTimes {
  readonly requestedAt: EpochMilliseconds
  readonly receivedAt: EpochMilliseconds
  /** The lifetime that the handler gave this response from code; stronger than all that the response states. */
  readonly ttl?: Seconds | undefined
}

/** The verdict about a response: why it may not be stored, or all that its entry needs to know. */
export type Storability = { readonly storable: false; readonly reason: Reason } | Storable

/** All that follows from the head of a response that may be stored. */
export interface Storable {
  readonly storable: true
  readonly by: ResponseControl
  readonly freshness: Freshness
  /** `corrected_initial_age`: how old it was when it arrived (RFC 9111, section 4.2.3). */
  readonly initialAge: Milliseconds
  /** The end of its freshness lifetime; before `receivedAt` when it arrived stale. */
  readonly staleAt: EpochMilliseconds
  /** The end of its use: no window of staleness is open any more, and keeping it for validation is not worth it. */
  readonly deleteAt: EpochMilliseconds
  /** The seconds after `staleAt` during which it may be sent while it is refreshed. */
  readonly staleWhileRevalidate: Seconds
  /** The seconds after `staleAt` during which it may be sent in place of an error. */
  readonly staleIfError: Seconds
}

/** Whether a response may be stored, judged by request and response head alone (RFC 9111, section 3); the body is judged by {@link refuseBody}. */
export function isStorable(
  _request: StorableRequest,
  _response: ResponseHead,
  _times: ExchangeTimes,
  _policy: StoragePolicy,
): Storability {
  throw new Error('not written yet')
}

/** Why no response to this request can ever be stored, known before the handler runs; `undefined` when the response decides. */
export function refuseRequest(_request: StorableRequest, _policy: StoragePolicy): Reason | undefined {
  throw new Error('not written yet')
}

/** What is known of a body once it ended, or as far as it came. */
export interface ReceivedBody {
  /** Bytes received. */
  readonly length: number
  /** Whether the handler ended it and nothing failed. */
  readonly ended: boolean
  /** Whether trailer fields came with it. */
  readonly trailers: boolean
}

/** Why a body keeps its response from being stored; `undefined` when nothing does (RFC 9111, section 3.3). */
export function refuseBody(_response: ResponseHead, _body: ReceivedBody, _policy: StoragePolicy): Reason | undefined {
  throw new Error('not written yet')
}

/** Whether a body of this type never ends, so that nobody should wait for it: event streams and their like. */
export function isEndless(_response: Fields): boolean {
  throw new Error('not written yet')
}
