import type { RunMark } from '../../core/mark.js'
import type { FinishedResponse } from '../port/finished-response.js'
import type { Reply } from '../port/reply.js'
import type { RequestHead } from '../port/request-head.js'
import type { TagField } from '../rules/emitted-tags.js'
import type { InputsPolicy } from '../rules/inputs-policy.js'
import type { StoragePolicy } from '../rules/storage-policy.js'
import type { SelectingFields } from '../rules/vary.js'
import type { SearchKeys } from '../store/no-vary-search-index.js'
import type { PrimaryKey } from '../store/primary-key.js'
import type { StoredResponse } from '../store/stored-response.js'
import type { CacheStatus, Forward } from '../syntax/cache-status.js'
import type { ContentCoding } from '../syntax/content-coding.js'
import type { Fields } from '../syntax/fields.js'
import type { Flight } from './flight.js'
import type { Tally } from './tally.js'

/** The properties of a request that its recorder needs. */
export interface RecordedRequest {
  readonly request: RequestHead
  readonly key: PrimaryKey
  /**
   * The keys that the response may be stored under instead, depending on its No-Vary-Search; `undefined` if
   * No-Vary-Search is not supported for this route.
   */
  readonly search: SearchKeys | undefined
  /** The key of the last lookup: the primary key, or the storage key of a variant. */
  readonly storageKey: string
  /** The handler's start, which decides which invalidations affect the response. */
  readonly mark: RunMark
  /** The handler's start in wall-clock time, epoch ms. */
  readonly requestedAt: number
  /** The reason why the handler runs. */
  readonly fwd: Forward
  /** False if this request waited for another one without getting a usable response. */
  readonly collapsed: boolean | undefined
  /** The run that other requests may wait for; `undefined` if there is none. */
  readonly flight: Flight | undefined
  /** Returns the reply to send instead of an error with this status, or if the handler threw (`undefined`). */
  readonly onError: ((status: number | undefined) => Reply | undefined) | undefined
  /** The client's conditions, which are hidden from the handler; `undefined` if there are none. */
  readonly conditions: Fields | undefined
  /**
   * Whether the handler sees fields that ask for a part (`'range'`) or for a certain version of the response;
   * `undefined` if it sees neither.
   */
  readonly sees: 'range' | 'version' | undefined
  /** The stored response that a partial response (206) may be combined with (RFC 9111, section 3.4). */
  readonly part: StoredResponse | undefined
  /** For a refresh, the inputs that select the stored response, which it must have as well. */
  readonly selecting?: SelectingFields | undefined
  /** Whether the key names the user. */
  readonly personal: boolean
  readonly nested: boolean
  /** Counts the request and the run. */
  readonly tally: Tally
}

/** A stored response that the handler revalidates (RFC 9111, section 4.3). */
export interface Asked {
  readonly stored: StoredResponse
  /**
   * `'304'` if its validators are added to the request; `'HEAD'` if the client's request is a HEAD, whose response also
   * validates the stored one.
   */
  readonly by: '304' | 'HEAD'
  /**
   * Makes the client's reply from the updated response.
   *
   * @param outcome - that the update is stored, or why it is not; empty if that is not known yet
   */
  answer(updated: StoredResponse, outcome: Pick<CacheStatus, 'stored' | 'detail'>): Reply
}

/** The options that a recorder takes from its route; a nested middleware refines them. */
export interface RecorderPolicy {
  readonly storage: StoragePolicy
  readonly vary: readonly string[]
  readonly exactVary: boolean
  /** Maximum number of variants per primary key; `undefined` for no limit. */
  readonly maxVariants: number | undefined
  readonly dropPerRun: boolean
  /** Called once after the handler has answered; each returns a list of tags, or a promise of one. */
  readonly tags: readonly (() => unknown)[]
  /** Returns whether a complete response may be stored, or a promise; `undefined` if every response may. */
  readonly cacheIf: ((response: FinishedResponse) => unknown) | undefined
  /** Time limit for the promises of {@link tags} and {@link cacheIf}, in ms. */
  readonly patience: number
  readonly cacheStatus: boolean | 'debug'
  readonly precompress: readonly ContentCoding[] | undefined
  /** Which inputs of the run are considered; `undefined` if the run is not observed. */
  readonly inputs: InputsPolicy | undefined
  /** The query parameters in the key; `undefined` if the key contains all of them. */
  readonly keyedParameters: readonly string[] | undefined
  /** The field that tells caches on the way the tags of a response; `undefined` for none. */
  readonly emitTags: TagField | undefined
  /** The names in {@link vary} of values that middleware in front of the cache sets. */
  readonly filledNames: readonly string[]
}
