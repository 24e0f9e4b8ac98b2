import { type CredentialPolicy, isCredentialField, isSessionCookie } from './credentials.js'
import { ENDLESS_TYPES } from './endless-types.js'
import type { FreshnessPolicy } from './freshness.js'
import type { StalePolicy } from './stale.js'
import { OWN_TARGETS } from './targeted.js'

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
  /** Whether responses that can never be sent without asking the handler (no-cache, no lifetime left) are stored for their validators. */
  readonly storeForValidation: boolean
  /** Whether Vary is taken at its word; see `selectingFields`. */
  readonly exactVary: boolean
  /** Whether the directives of requests are obeyed (RFC 9111, section 5.2.1). */
  readonly allowRequestDirectives: boolean
  /** Media types, in lower case, whose bodies have no end. */
  readonly endlessTypes: ReadonlySet<string>
  /** Whether the route names fields as credentials, which no list knows. */
  readonly namesFields: boolean
  /**
   * Whether requests mean what they mean to the framework without a cache, where RFC 9111 leaves the choice: `no-cache` asks for
   * the whole whatever If-None-Match says, and a 200 to a Range is stored only if the handler is known not to have read it.
   */
  readonly answersAsOrigin: boolean
  /** The largest body that is stored, in bytes. */
  readonly maxBodySize: number
}

/** Safe in front of handlers that never thought about caching. */
export const APPLICATION_STORAGE: StoragePolicy = Object.freeze({
  methods: new Set(['GET']),
  statuses: new Set([200, 203, 204, 300, 301, 302, 303, 307, 308, 404, 410]),
  heuristic: false,
  ttl: undefined,
  ttlStatuses: new Set([200, 203, 204, 300, 301, 308]),
  statusTtl: new Map(),
  staleWhileRevalidate: 0,
  staleIfError: 0,
  storeSetCookie: false,
  storePartial: false,
  storeForValidation: false,
  allowRequestDirectives: false,
  targets: OWN_TARGETS,
  isCredentialField,
  isSessionCookie,
  keyedFields: [],
  reuseForCredentials: false,
  exactVary: false,
  endlessTypes: ENDLESS_TYPES,
  namesFields: false,
  answersAsOrigin: true,
  maxBodySize: 2 ** 20,
})

/** All that RFC 9111 permits a shared cache. */
export const PROXY_STORAGE: StoragePolicy = Object.freeze({
  ...APPLICATION_STORAGE,
  methods: new Set(['GET', 'POST']),
  statuses: 'final',
  heuristic: true,
  staleIfError: 7 * 24 * 60 * 60,
  storeSetCookie: true,
  storePartial: true,
  storeForValidation: true,
  allowRequestDirectives: true,
  targets: [...OWN_TARGETS, 'cdn-cache-control'],
  isCredentialField: undefined,
  isSessionCookie: undefined,
  reuseForCredentials: true,
  exactVary: true,
  answersAsOrigin: false,
})
