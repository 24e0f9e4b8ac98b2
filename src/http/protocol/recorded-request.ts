import type { RunMark } from '../../core/mark.js'
import type { Reply, RequestHead } from '../port/exchange.js'
import type { FinishedResponse } from '../port/finished-response.js'
import type { InputsPolicy } from '../rules/inputs-policy.js'
import type { StoragePolicy } from '../rules/storage-policy.js'
import type { SearchKeys } from '../store/no-vary-search-index.js'
import type { PrimaryKey } from '../store/primary-key.js'
import type { StoredResponse } from '../store/stored-response.js'
import type { CacheStatus, Forward } from '../syntax/cache-status.js'
import type { ContentCoding } from '../syntax/content-coding.js'
import type { Fields } from '../syntax/fields.js'
import type { Flight } from './flight.js'

/** What a recorder has to know of its request. */
export interface RecordedRequest {
  readonly request: RequestHead
  readonly key: PrimaryKey
  /** The keys under which the response may lie instead, depending on its No-Vary-Search; `undefined` where that does not count. */
  readonly search: SearchKeys | undefined
  /** Where the response was looked for last: the primary key, or that of a variant. */
  readonly storageKey: string
  /** The moment before the handler, as far as invalidations go. */
  readonly mark: RunMark
  /** The same as wall-clock time. */
  readonly requestedAt: number
  /** Why the handler runs at all. */
  readonly fwd: Forward
  /** False when this request waited for another one in vain. */
  readonly collapsed: boolean | undefined
  /** The run that others may wait for. */
  readonly flight: Flight | undefined
  /** What may be sent in place of an error of this status, or of a handler that threw (`undefined`). */
  readonly onError: ((status: number | undefined) => Reply | undefined) | undefined
  /** The client's own conditions, which are hidden from the handler; `undefined` when there are none. */
  readonly conditions: Fields | undefined
  /** What the handler sees of a client that asks for a part (`'range'`) or for one version only; `undefined`: it asks for neither. */
  readonly sees: 'range' | 'version' | undefined
  /** A stored part (206) that the handler's answer may add to (RFC 9111, section 3.4). */
  readonly part: StoredResponse | undefined
  /** Whether the key names the user. */
  readonly personal: boolean
  readonly nested: boolean
}

/** A stored response about which the handler is asked (RFC 9111, section 4.3). */
export interface Asked {
  readonly stored: StoredResponse
  /** `'304'`: its validators are put on the request; `'HEAD'`: the client's own request is a HEAD, whose answer tells by the way. */
  readonly by: '304' | 'HEAD'
  /**
   * What the client gets of it once it is updated.
   *
   * @param outcome - that the update is stored, or why it is not; empty: that is known later
   */
  answer(updated: StoredResponse, outcome: Pick<CacheStatus, 'stored' | 'detail'>): Reply
}

/** What a recorder takes from its route; a nested middleware refines it. */
export interface RecorderPolicy {
  readonly storage: StoragePolicy
  readonly vary: readonly string[]
  readonly exactVary: boolean
  /** So many variants lie side by side under one primary key at most; `undefined`: any number. */
  readonly maxVariants: number | undefined
  readonly dropPerRun: boolean
  /** Called once, when the handler has answered; each gives a list of tags, or a promise of one. */
  readonly tags: readonly (() => unknown)[]
  /** Whether a complete response may be stored, at once or as a promise; `undefined`: it may. */
  readonly cacheIf: ((response: FinishedResponse) => unknown) | undefined
  /** How long the promises of {@link tags} and {@link cacheIf} may take, ms. */
  readonly patience: number
  readonly cacheStatus: boolean | 'debug'
  readonly precompress: readonly ContentCoding[] | undefined
  /** Which inputs of the run count; `undefined`: it is not watched. */
  readonly inputs: InputsPolicy | undefined
  /** The parameters of the query that the key holds; `undefined`: all of them. */
  readonly keyedParameters: readonly string[] | undefined
  /** The values filled in front of the cache that {@link vary} names. */
  readonly filledNames: readonly string[]
}
