import type { Exchange, RequestHead } from '../port/exchange.js'
import { credentialsOf, unservedCredential } from '../rules/credentials.js'
import type { Reason } from '../rules/reasons.js'
import type { StoragePolicy } from '../rules/storage-policy.js'
import { matchesSelecting } from '../rules/vary.js'
import type { SearchKeys } from '../store/no-vary-search-index.js'
import type { PrimaryKey } from '../store/primary-key.js'
import { partWithin } from '../store/stored-part.js'
import type { StoredResponse } from '../store/stored-response.js'
import type { CacheControl } from '../syntax/cache-control.js'

/** What decides whether a stored response is one for a request, beside its key. */
export type LookupTerms = Pick<Lookup<never>, 'search' | 'storage' | 'personal' | 'directives' | 'nested'> & {
  readonly isLoggedIn: boolean
}

/** One request that asks for a stored response. */
export class Lookup<Context extends object> {
  readonly exchange: Exchange<Context>
  readonly request: RequestHead
  /** Where its response lies, or would lie, as far as is known. */
  key: PrimaryKey
  /** Where it may lie instead; `undefined` where No-Vary-Search does not count. */
  readonly search: SearchKeys | undefined
  readonly storage: StoragePolicy
  /** Whether the key names the user. */
  readonly personal: boolean
  /** The request's directives, where they count. */
  readonly directives: CacheControl | undefined
  /** Whether another cache of the same request has left the work to this one. */
  readonly nested: boolean
  /** Whether the request carries credentials that count. */
  readonly hasCredentials: boolean
  readonly #isLoggedIn: boolean
  /** False once it has waited for another request in vain. */
  collapsed: boolean | undefined = undefined
  /** How often it has waited for another request. */
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

  /** Why this request's credentials keep a stored response from it; `undefined`: nothing does. */
  refusalOf(stored: StoredResponse): Reason | undefined {
    if (!this.hasCredentials) return undefined
    const credential = unservedCredential(this.request.headers, stored.control, stored.selecting, this.storage)
    if (credential !== undefined || !this.#isLoggedIn) return credential
    return stored.control.public || stored.control.sMaxage !== undefined ? undefined : 'logged-in'
  }

  /** Whether a stored response holds all that is asked for, which a part may not (RFC 9111, section 3.3). */
  isWithin(stored: StoredResponse, now: number): boolean {
    if (stored.status !== 206) return true
    return this.request.method === 'GET' && partWithin(this.request.headers, stored, now) !== undefined
  }

  /** Whether a response that was made for another request is one for this request too. */
  mayUse(stored: StoredResponse, now: number): boolean {
    return (
      this.isWithin(stored, now) &&
      stored.identity === this.key.identity &&
      stored.nested === this.nested &&
      matchesSelecting(stored.selecting, stored.values, this.request.headers, this.request)
    )
  }
}
