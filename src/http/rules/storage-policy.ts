import { type CredentialPolicy, isCredentialField, isSessionCookie } from './credentials.js'
import { ENDLESS_TYPES } from './endless-types.js'
import type { FreshnessPolicy } from './freshness.js'
import type { StalePolicy } from './stale.js'
import { OWN_TARGETS } from './targeted.js'

/**
 * Determines which responses a route stores. The presets are {@link APPLICATION_STORAGE} and {@link PROXY_STORAGE};
 * each property is a separate option.
 */
export interface StoragePolicy extends FreshnessPolicy, StalePolicy, CredentialPolicy {
  /** Request methods whose responses are stored, in upper case. HEAD is answered from GET and never stored. */
  readonly methods: ReadonlySet<string>
  /** Statuses that are stored if the response states its own freshness; `'final'` for all final ones. */
  readonly statuses: 'final' | ReadonlySet<number>
  /** Whether responses with Set-Cookie are stored and replayed (RFC 9111, section 7.3). */
  readonly storeSetCookie: boolean
  /** Whether 206 responses are stored (RFC 9111, section 3.3). */
  readonly storePartial: boolean
  /** The target list of targeted fields, in lower case (RFC 9213, section 2.2). */
  readonly targets: readonly string[]
  /** Whether responses that always need validation (no-cache, or no lifetime left) are stored for their validators. */
  readonly storeForValidation: boolean
  /** Whether every member of Vary is respected; see `selectingFields`. */
  readonly exactVary: boolean
  /** Whether request directives are respected (RFC 9111, section 5.2.1). */
  readonly allowRequestDirectives: boolean
  /** Media types, in lower case, whose bodies have no end. */
  readonly endlessTypes: ReadonlySet<string>
  /** Whether the route defines credential fields by name, which are not in the general list. */
  readonly namesFields: boolean
  /**
   * Whether requests have the same meaning as in the framework without a cache, where RFC 9111 leaves the choice:
   * `no-cache` requests the whole response regardless of If-None-Match, and a 200 response to a Range request is stored
   * only if the handler is known not to have read Range.
   */
  readonly answersAsOrigin: boolean
  /** Maximum size of a stored body, in bytes. */
  readonly maxBodySize: number
}

/** The preset for applications, safe in front of handlers that were written without caching in mind. */
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

/** The preset for proxies: everything that RFC 9111 permits a shared cache. */
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
