import type { Tier } from '../../core/events.js'
import type { Absence } from '../../core/found.js'
import type { Credential } from '../rules/credentials.js'
import type { Reason } from '../rules/reasons.js'
import type { RecentRefusal } from '../store/recently-refused.js'
import type { CacheControl, Seconds } from '../syntax/cache-control.js'
import type { Forward } from '../syntax/cache-status.js'
import type { EpochMilliseconds } from '../syntax/http-date.js'

/** A request given as plain data, for explanations outside of requests. */
export interface RequestDescription {
  /** @defaultValue `'GET'` */
  readonly method?: string | undefined
  /** Path and query as a client sends them, or an absolute URL, which determines protocol and host too. */
  readonly url: string
  /** Fields by name, in any letter case. */
  readonly headers?: Readonly<Record<string, string | readonly string[] | undefined>> | undefined
  /** As the framework resolves it. @defaultValue that of `url`, or `'http'` */
  readonly protocol?: string | undefined
  /** Host and port, as the framework resolves them. @defaultValue that of `url`, or the Host field */
  readonly host?: string | undefined
  /** The content, which is part of the key of a QUERY. Functions in the options find it as `req.body`. */
  readonly body?: string | Uint8Array | undefined
  /** Further properties that functions in the options read: `user`, `session`, … */
  readonly [more: string]: unknown
}

/**
 * What the cache would do with a request:
 * - `hit`: answer from the cache;
 * - `wait`: wait for a handler that is already running for the same response;
 * - `forward`: run the handler; its response may be stored, or confirm a stored one;
 * - `pass`: run the handler without storing its response; {@link Explanation.reason} says why;
 * - `refuse`: answer 504, because the client only accepts a stored response.
 */
export type Outcome = 'hit' | 'wait' | 'forward' | 'pass' | 'refuse'

/** The complete decision about a request, made without running a handler or changing anything. */
export interface Explanation {
  readonly request: ExplainedRequest
  /** The key of its response, existing or not; `undefined` if the cache is not searched. */
  readonly key: ExplainedKey | undefined
  /** The names of fields and cookies that identify the user, without their values. */
  readonly credentials: readonly ExplainedCredential[]
  readonly outcome: Outcome
  /** The tier that would answer. */
  readonly tier: Tier | undefined
  /** Why it would not be answered from the cache (docs/reasons.md); `undefined` for a hit. */
  readonly reason: Reason | undefined
  /** The reason in the terms of RFC 9211; `undefined` if no handler runs. */
  readonly fwd: Forward | undefined
  /** The status of the response, if it does not depend on the handler: 200, 304, 206, 416, … or 504. */
  readonly status: number | undefined
  /** Whether a stale response is sent at once while its handler runs in the background. */
  readonly refreshes: boolean
  /** The request as forwarded to the handler; `undefined` if none runs. */
  readonly forwarded: ExplainedForward | undefined
  /**
   * The Cache-Status field of the response, as far as it is known before the handler runs; `undefined` if the field is
   * disabled.
   */
  readonly cacheStatus: string | undefined
  /** The stored response that was found, even if it may not be used. */
  readonly stored: ExplainedResponse | undefined
  /** Why no stored response was found, if known. */
  readonly absence: Absence | undefined
  /** Why the last response of this key was not stored, if this process refused one recently. */
  readonly refused: RecentRefusal | undefined
  /** The error thrown by a function in the options, or another failure. */
  readonly fault: string | undefined
  /** A readable summary of a few lines; the same as `String(explanation)`. */
  readonly text: string
  toString(): string
}

/** The request as the cache sees it. */
export interface ExplainedRequest {
  readonly method: string
  readonly url: string
  /** Protocol and host. */
  readonly origin: string
}

/** A primary key and the parts it was built from (RFC 9111, section 2). */
export interface ExplainedKey {
  /** The text that prefix invalidations match, and that `Cache-Status` shows when debugging. */
  readonly text: string
  /** The group without its colon; `''` for none. */
  readonly group: string
  readonly origin: string
  readonly path: string
  /** The part of the query that belongs to the key. */
  readonly query: string
  /** The No-Vary-Search rule that was applied, if a stored response has one. */
  readonly noVarySearch: string | undefined
  /** Whether the `key` or the `user` option adds a value, which may be secret. */
  readonly isRefined: boolean
  /** Whether the key contains the user, so that credentials do not prevent caching. */
  readonly isPersonal: boolean
}

/** A credential that identifies the user. */
export interface ExplainedCredential {
  readonly kind: Credential | 'logged-in'
  /** The name of the field or the cookie. */
  readonly name: string
}

/** The request as forwarded to the handler. */
export interface ExplainedForward {
  /** The preconditions that the cache adds to validate the stored response (RFC 9111, section 4.3.1). */
  readonly conditions: Readonly<Record<string, string>>
  /** The client's own preconditions, which are hidden from the handler. */
  readonly hidden: readonly string[]
}

/** A stored response. */
export interface ExplainedResponse {
  readonly status: number
  readonly tier: Tier
  /** When it was stored or last confirmed. */
  readonly storedAt: EpochMilliseconds
  /** The value of its Age field. */
  readonly age: Seconds
  /** The remaining freshness lifetime; negative once it is stale. */
  readonly lifetimeLeft: Seconds
  readonly staleAt: EpochMilliseconds
  /** The time from which it may not be used even stale. */
  readonly deleteAt: EpochMilliseconds
  readonly staleWhileRevalidate: Seconds
  readonly staleIfError: Seconds
  /** The fields in Vary and in the `vary` option, and whether this request has the values that it was stored for. */
  readonly selecting: readonly ExplainedSelection[]
  readonly tags: readonly string[]
  readonly entityTag: string | undefined
  /** Whether the entity tag was generated by this cache, so that the handler does not know it. */
  readonly isOwnEntityTag: boolean
  readonly lastModified: string | undefined
  /** The directives that were applied, from whichever field. */
  readonly control: Partial<CacheControl>
  /** Length of its body in bytes, before encoding by the cache. */
  readonly size: number
  /**
   * The one of {@link encodings} that this request would get, or `'identity'`; `undefined` if the cache does not encode
   * it.
   */
  readonly coding: string | undefined
  /** The codings that the cache has made or will make. */
  readonly encodings: readonly ExplainedEncoding[]
  /** Whether it was stored by a middleware that another one has to ask first. */
  readonly isNested: boolean
  /** Whether a soft invalidation covers it, so that it is used while it is made again. */
  readonly isSoftened: boolean
}

/** A stored body in a content coding. */
export interface ExplainedEncoding {
  readonly coding: string
  /** In bytes; `undefined` if it was not made yet. */
  readonly size: number | undefined
}

/** One selecting field (RFC 9111, section 4.1). */
export interface ExplainedSelection {
  readonly name: string
  /** The normalized value; `null` if absent; `'(hidden)'` for credentials. */
  readonly stored: string | null
  readonly asked: string | null
  readonly isEqual: boolean
}
