import type { Clock } from '../../core/clock.js'
import type { RunMark } from '../../core/mark.js'
import type { Recordings } from '../../core/recordings.js'
import type { Reply, RequestHead } from '../port/exchange.js'
import type { FinishedResponse } from '../port/finished-response.js'
import type { InputsPolicy } from '../rules/inputs-policy.js'
import type { Reason } from '../rules/reasons.js'
import type { StoragePolicy } from '../rules/storage-policy.js'
import type { SearchKeys } from '../store/no-vary-search-index.js'
import type { PrimaryKey } from '../store/primary-key.js'
import type { RecordedHead } from '../store/recorded-response.js'
import type { StoredHead, StoredResponse } from '../store/stored-response.js'
import type { CacheStatus, Forward } from '../syntax/cache-status.js'
import type { ContentCoding } from '../syntax/content-coding.js'
import type { Fields } from '../syntax/fields.js'
import type { Flight, Landing } from './flight.js'

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
  /** The stored response that the handler's answer may confirm; `undefined` when there is none. */
  readonly asked: Asked | undefined
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

/** Where a recorder puts what it recorded, and what it tells. */
export interface RecorderTarget {
  readonly clock: Clock
  /** The bodies under way. */
  readonly recordings: Recordings
  /** The longest that a handler may take for its response to be stored, ms. */
  readonly maxHandlerTime: number
  /** Why a response is not going to be stored, known once its head is; `undefined`: nothing keeps it out so far. */
  refuses(of: RecordedRequest, recorded: RecordedHead): Reason | undefined
  /** Whether it is known already that {@link keep} is going to refuse: the cache is closed, or something was invalidated, or it took too long. */
  isTooLate(of: RecordedRequest, recorded: RecordedHead): boolean
  /** Stores a response, if nothing keeps it out at the last moment, and says how that ends the wait of others. */
  keep(of: RecordedRequest, recorded: RecordedHead, stored: StoredHead, body: Buffer): Landing
  /**
   * Takes note that a response is not stored.
   *
   * @param failed - the handler answered with a server error, which says little about its next answer
   * @param input - the name of the input that the reason is about, if it is about one
   */
  refused(of: RecordedRequest, reason: Reason, detail: string, failed: boolean, input?: string): void
  /** Takes out of use what is stored under a key: it may not be stored any longer. */
  discard(storageKey: string): void
  /** Takes a stored response for stale from now on: the handler has another one (RFC 9111, section 4.3.5). It may still stand in for an error. */
  outdate(of: RecordedRequest, stored: StoredResponse): void
  /** Says something once, whatever the request: `topic` tells one thing to be said from another. */
  advise(topic: string, text: () => string): void
  fault(thrown: unknown): void
}
