import type { Exchange } from '../port/exchange.js'
import type { RequestHead } from '../port/request-head.js'
import { credentialsOf, unservedCredential } from '../rules/credentials.js'
import type { Reason } from '../rules/reasons.js'
import type { StoragePolicy } from '../rules/storage-policy.js'
import { matchesSelecting } from '../rules/vary.js'
import type { SearchKeys } from '../store/no-vary-search-index.js'
import type { PrimaryKey } from '../store/primary-key.js'
import { partWithin } from '../store/stored-part.js'
import type { StoredResponse } from '../store/stored-response.js'
import type { CacheControl } from '../syntax/cache-control.js'

/** The values, besides the key, that decide whether a stored response may be used for a request. */
export type LookupTerms = Pick<Lookup<never>, 'search' | 'storage' | 'personal' | 'directives' | 'nested'> & {
  readonly isLoggedIn: boolean
}

/** The lookup of a stored response for one request. */
export class Lookup<Context extends object> {
  readonly exchange: Exchange<Context>
  readonly request: RequestHead
  /** The key that the response is stored under, as far as it is known. */
  key: PrimaryKey
  /**
   * The keys that the response may be stored under instead; `undefined` if No-Vary-Search is not supported for this
   * route.
   */
  readonly search: SearchKeys | undefined
  readonly storage: StoragePolicy
  /** Whether the key names the user. */
  readonly personal: boolean
  /** The request directives that are obeyed; `undefined` if there are none. */
  readonly directives: CacheControl | undefined
  /** Whether an outer cache of the same request has left the work to this one. */
  readonly nested: boolean
  /** Whether the request carries credentials, or a logged-in user that the key does not name. */
  readonly hasCredentials: boolean
  readonly #isLoggedIn: boolean
  /** False if the request has waited for another one without getting a usable response. */
  collapsed: boolean | undefined = undefined
  /** How many times the request has waited for another one. */
  waits = 0

  constructor(exchange: Exchange<Context>, key: PrimaryKey, of: LookupTerms) {
    const { search, storage, personal, directives, nested, isLoggedIn } = of
    this.exchange = exchange
    this.request = exchange.request
    this.key = key
    this.search = search
    this.storage = storage
    this.personal = personal
    this.directives = directives
    this.nested = nested
    this.#isLoggedIn = isLoggedIn
    this.hasCredentials =
      isLoggedIn ||
      ((!this.request.isPlain || storage.namesFields) && credentialsOf(this.request.headers, storage).length > 0)
  }

  /** The reason why the request's credentials prevent the use of a stored response; `undefined` if they do not. */
  refusalOf(stored: StoredResponse): Reason | undefined {
    if (!this.hasCredentials) return undefined
    const credential = unservedCredential(this.request.headers, stored.control, stored.selecting, this.storage)
    if (credential !== undefined || !this.#isLoggedIn) return credential
    return stored.control.public || stored.control.sMaxage !== undefined ? undefined : 'logged-in'
  }

  /**
   * Whether a stored response contains everything requested, which a partial response (206) may not (RFC 9111, section
   * 3.3).
   */
  isWithin(stored: StoredResponse, now: number): boolean {
    if (stored.status !== 206) return true
    return this.request.method === 'GET' && partWithin(this.request.headers, stored, now) !== undefined
  }

  /** Whether a response produced for another request may be used for this one. */
  mayUse(stored: StoredResponse, now: number): boolean {
    return (
      this.isWithin(stored, now) &&
      stored.identity === this.key.identity &&
      stored.nested === this.nested &&
      matchesSelecting(stored.selecting, stored.values, this.request.headers, this.request)
    )
  }
}
