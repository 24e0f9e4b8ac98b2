import type { Tier } from '../../core/events.js'
import type { Absence } from '../../core/found.js'
import type { Credential } from '../rules/credentials.js'
import type { Reason } from '../rules/reasons.js'
import type { RecentRefusal } from '../store/recently-refused.js'
import type { CacheControl, Seconds } from '../syntax/cache-control.js'
import type { Forward } from '../syntax/cache-status.js'
import type { EpochMilliseconds } from '../syntax/http-date.js'

/** A request in plain words, for questions from a console. */
export interface RequestDescription {
  /** @defaultValue `'GET'` */
  readonly method?: string | undefined
  /** Path and query as a client sends them, or a whole URL, which names protocol and host too. */
  readonly url: string
  /** The fields by name, in any letter case. */
  readonly headers?: Readonly<Record<string, string | readonly string[] | undefined>> | undefined
  /** As the framework resolves it. @defaultValue that of `url`, or `'http'` */
  readonly protocol?: string | undefined
  /** Host and port, as the framework resolves them. @defaultValue that of `url`, or the Host field */
  readonly host?: string | undefined
  /** The content, which is part of the key of a QUERY. Functions among the options find it at `req.body`. */
  readonly body?: string | Uint8Array | undefined
  /** More of what the functions among the options look at: `user`, `session`, … */
  readonly [more: string]: unknown
}

/**
 * What the cache would do with a request:
 * - `hit`: answer from the store;
 * - `wait`: wait for a handler that runs for the same response already;
 * - `forward`: run the handler; what it answers may be stored, or confirms what is stored;
 * - `pass`: run the handler without storing its answer, {@link Explanation.reason} says why;
 * - `refuse`: answer 504, for the client wants a stored response only.
 */
export type Outcome = 'hit' | 'wait' | 'forward' | 'pass' | 'refuse'

/** The whole verdict about a request, found without running a handler and without changing anything. */
export interface Explanation {
  readonly request: ExplainedRequest
  /** Where its response lies, or would lie; `undefined` when it is not looked up at all. */
  readonly key: ExplainedKey | undefined
  /** What says who is asking: names of fields and cookies, never their values. */
  readonly credentials: readonly ExplainedCredential[]
  readonly outcome: Outcome
  /** The tier that would answer. */
  readonly tier: Tier | undefined
  /** Why it would not be answered from the store (docs/reasons.md); `undefined` for a hit. */
  readonly reason: Reason | undefined
  /** The same in the words of RFC 9211; `undefined` where no handler runs. */
  readonly fwd: Forward | undefined
  /** The status that goes out, where the handler has no say in it: 200, 304, 206, 416, … or 504. */
  readonly status: number | undefined
  /** A stale response is sent at once, and its handler runs in the background. */
  readonly refreshes: boolean
  /** What the handler would be sent; `undefined` where none runs. */
  readonly forwarded: ExplainedForward | undefined
  /** The Cache-Status field that goes out, as far as it is known before the handler has run; `undefined` when it is switched off. */
  readonly cacheStatus: string | undefined
  /** The stored response that was found, whether or not it may be used. */
  readonly stored: ExplainedResponse | undefined
  /** Why none was found, where that is known. */
  readonly absence: Absence | undefined
  /** Why the last response of this key was not stored, if one was refused of late in this process. */
  readonly refused: RecentRefusal | undefined
  /** What a function among the options threw, or what else failed. */
  readonly fault: string | undefined
  /** All of this in a few lines for a reader; `String(explanation)` is the same. */
  readonly text: string
  toString(): string
}

/** A request, as it is seen. */
export interface ExplainedRequest {
  readonly method: string
  readonly url: string
  /** Protocol and host. */
  readonly origin: string
}

/** A primary key and what it was made of (RFC 9111, section 2). */
export interface ExplainedKey {
  /** What prefixes look at, and what `Cache-Status` names when debugging. */
  readonly text: string
  /** Without its colon; `''`: none. */
  readonly group: string
  readonly origin: string
  readonly path: string
  /** What of the query counts. */
  readonly query: string
  /** The rule by which that is so, where a stored response has stated one. */
  readonly noVarySearch: string | undefined
  /** Whether the `key` or the `user` option adds something. What it is may be secret. */
  readonly isRefined: boolean
  /** Whether the key names the user, so that credentials keep nothing from the cache. */
  readonly isPersonal: boolean
}

/** Something that says who is asking. */
export interface ExplainedCredential {
  readonly kind: Credential | 'logged-in'
  /** The name of the field or the cookie. */
  readonly name: string
}

/** How a request reaches the handler. */
export interface ExplainedForward {
  /** The conditions that the cache puts on it, to ask whether what is stored is still right (RFC 9111, section 4.3.1). */
  readonly conditions: Readonly<Record<string, string>>
  /** The client's own conditions that the handler does not see. */
  readonly hidden: readonly string[]
}

/** A stored response. */
export interface ExplainedResponse {
  readonly status: number
  readonly tier: Tier
  /** When it was stored or last confirmed. */
  readonly storedAt: EpochMilliseconds
  /** What its Age field would say. */
  readonly age: Seconds
  /** What is left of the freshness lifetime; negative once it is stale. */
  readonly lifetimeLeft: Seconds
  readonly staleAt: EpochMilliseconds
  /** From then on it may not even be used stale. */
  readonly deleteAt: EpochMilliseconds
  readonly staleWhileRevalidate: Seconds
  readonly staleIfError: Seconds
  /** The fields that Vary and the `vary` option name, and whether this request has the values it was stored for. */
  readonly selecting: readonly ExplainedSelection[]
  readonly tags: readonly string[]
  readonly entityTag: string | undefined
  /** Whether the entity tag was made by this cache, so that the handler does not know it. */
  readonly isOwnEntityTag: boolean
  readonly lastModified: string | undefined
  /** The directives that decide about it, wherever they stood. */
  readonly control: Partial<CacheControl>
  /** Bytes of its body, without the codings that the cache has put it into. */
  readonly size: number
  /** The one of {@link encodings} that this request would get, or `'identity'`; `undefined`: the cache does not encode it. */
  readonly coding: string | undefined
  /** The codings that the cache has put it into, or is going to. */
  readonly encodings: readonly ExplainedEncoding[]
  /** Whether it was stored by a middleware that another one has to ask first. */
  readonly isNested: boolean
}

/** A stored body in a content coding. */
export interface ExplainedEncoding {
  readonly coding: string
  /** In bytes; `undefined`: it is still to be made. */
  readonly size: number | undefined
}

/** One selecting field (RFC 9111, section 4.1). */
export interface ExplainedSelection {
  readonly name: string
  /** Normalised; `null`: it was absent. Of credentials `'(hidden)'`. */
  readonly stored: string | null
  readonly asked: string | null
  readonly isEqual: boolean
}
