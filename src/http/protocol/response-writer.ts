import type { Clock } from '../../core/clock.js'
import { type Entry, entryWith } from '../../core/entry.js'
import { credentialsOf } from '../rules/credentials.js'
import type { Reason } from '../rules/reasons.js'
import { APPLICATION_STORAGE } from '../rules/storage-policy.js'
import { LatePrecompressor } from '../store/late-precompressor.js'
import type { RecordedHead } from '../store/recorded-response.js'
import type { StoredHead } from '../store/stored-head.js'
import type { StoredResponse } from '../store/stored-response.js'
import { type Landing, StoredRun } from './flight.js'
import type { ProtocolParts } from './protocol-parts.js'
import type { RecordedRequest } from './recorded-request.js'

/** After a response was refused, requests for its key do not wait for each other for this long, in milliseconds. */
const REFUSED_FOR = 60_000

/** The same after a server error, which may be temporary; milliseconds. */
const FAILED_FOR = 1_000

/** Reasons that say nothing about the next response for the key. */
const PASSING_REASONS: ReadonlySet<Reason> = new Set([
  'aborted',
  'incomplete',
  'invalidated',
  'too-slow',
  'recordings-full',
  'authorization',
  'api-key',
  'cookie',
  'cookie-read',
  'fields-read',
  'query-read',
  'address-read',
  'filled-read',
  'reflected',
  'head',
  'fault',
  'stale-if-error',
  'wrong-validator',
  'precondition',
  'cache-if',
])

/** The parts of the protocol that a writer uses. */
type WriterParts = Pick<ProtocolParts<never>, 'cache' | 'responses' | 'recentlyRefused' | 'reports'>

/** A response that is not stored. */
export interface RefusedResponse {
  readonly reason: Reason
  /** The reason as formatted for Cache-Status. */
  readonly detail: string
  /** Whether the handler answered with a server error, which says little about its next response. */
  readonly failed: boolean
  /** The name of the input that the reason refers to; `''` if there is none. */
  readonly input: string
}

/** Stores recorded responses, and records why others are not stored. */
export class ResponseWriter {
  readonly parts: WriterParts
  /** Encodes stored responses. */
  readonly precompressor: LatePrecompressor

  constructor(parts: WriterParts, precompressor?: LatePrecompressor) {
    this.parts = parts
    this.precompressor = precompressor ?? new LatePrecompressor(parts.cache, (thrown) => parts.reports.fault(thrown))
  }

  get clock(): Clock {
    return this.parts.cache.clock
  }

  /**
   * Returns the reason why a response cannot be stored, as far as its head tells; `undefined` if nothing prevents it so
   * far.
   */
  refuses(of: RecordedRequest, recorded: RecordedHead): Reason | undefined {
    const { responses, reports } = this.parts
    const { variants } = responses
    if (!variants.known.hasRoom(recorded)) return 'too-many-variants'
    if (!variants.known.isGivenUp(recorded)) return undefined
    const { observed } = recorded
    reports.warn('given-up', (texts) => texts.givenUp(of.request.url, observed))
    return 'too-many-variants'
  }

  /** Whether a response was invalidated after its handler started. */
  isInvalidated(of: RecordedRequest, recorded: RecordedHead): boolean {
    return this.parts.responses.variants.isInvalidated(recorded, of)
  }

  /**
   * Whether it is already known that {@link keep} will refuse: the cache is closed, the response was invalidated, or
   * the handler took too long.
   */
  isTooLate(of: RecordedRequest, recorded: RecordedHead): boolean {
    const { isClosed, clock, maxHandlerTime } = this.parts.cache
    return isClosed || clock.monotonic() - of.mark.startedAt > maxHandlerTime || this.isInvalidated(of, recorded)
  }

  /**
   * Stores a response unless it is refused at the last moment, and returns the landing for requests that wait for it.
   */
  keep(of: RecordedRequest, recorded: RecordedHead, head: StoredHead, body: Buffer): Landing {
    const { responses, recentlyRefused, reports } = this.parts
    const kept = responses.keep(recorded, head, body, of)
    if ('refusal' in kept) {
      this.#note(of, { reason: kept.refusal, failed: false, input: '' })
      // The requests that waited were accepted before the cache was closed.
      if (kept.refusal === 'closed' && !this.isInvalidated(of, recorded)) {
        reports.count(kept.refusal)
        return new StoredRun(unstoredEntry(recorded, body), head, Promise.resolve(false))
      }
      return this.#notKept(of, kept.refusal)
    }
    recentlyRefused.delete(of.storageKey)
    const landing = new StoredRun(kept.entry, head, kept.written)
    if (head.encodings !== undefined) this.precompressor.afterStore(kept.storageKey, landing.stored, kept.written)
    return landing
  }

  /** Records that a response is not stored. */
  refused(of: RecordedRequest, refused: RefusedResponse): void {
    this.#note(of, refused)
    const { reports } = this.parts
    if (refused.reason === 'logged-in') reports.warn('logged-in', (texts) => texts.knownUser(of.request.url))
    reports.refused(of.key.text, refused.reason, refused.detail)
  }

  /** Invalidates the response under a key, because it may no longer be stored. */
  discard(storageKey: string): void {
    void this.parts.cache.retire([storageKey])
  }

  /**
   * Marks a stored response as stale, because the handler's response differs (RFC 9111, section 4.3.5). It may still
   * replace an error.
   */
  outdate({ storageKey, mark }: RecordedRequest, { entry }: StoredResponse): void {
    const now = this.clock.now()
    if (entry.staleAt <= now) return
    this.parts.cache.store(storageKey, { ...entryWith(entry, { staleAt: now }) }, mark)
  }

  #notKept(of: RecordedRequest, reason: Reason): Landing {
    const { reports } = this.parts
    of.tally.meter.refuse(reason)
    // The core has already reported the other reasons.
    if (reason === 'too-large' || reason === 'too-many-variants') reports.refused(of.key.text, reason)
    else reports.count(reason)
    // If invalidated or too slow, one of the waiting requests runs the handler again for all of them.
    return { kind: reason === 'invalidated' || reason === 'too-slow' ? 'abandoned' : 'refused', reason }
  }

  /** Remembers the reason for the next request with the same key, and for explanations. */
  #note(of: RecordedRequest, { reason, failed, input }: Omit<RefusedResponse, 'detail'>): void {
    // The response to a POST says nothing about the next GET.
    if (of.request.method === 'POST') return
    const { recentlyRefused } = this.parts
    recentlyRefused.note(of.storageKey, reason, input)
    if (failed) recentlyRefused.add(of.storageKey, FAILED_FOR)
    else if (!PASSING_REASONS.has(reason) && of.sees === undefined && isAnonymous(of)) {
      recentlyRefused.add(of.storageKey, REFUSED_FOR)
    }
  }
}

/** An entry that is in no tier. */
function unstoredEntry({ receivedAt: storedAt, staleAt, deleteAt, tags }: RecordedHead, body: Buffer): Entry {
  return { storedAt, staleAt, deleteAt, tags, meta: '', body, memo: undefined }
}

/**
 * Whether a request has no credentials. If it has, its response may be refused although the next visitor's is stored.
 */
function isAnonymous({ request }: RecordedRequest): boolean {
  return credentialsOf(request.headers, APPLICATION_STORAGE).length === 0
}
