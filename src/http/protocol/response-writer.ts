import type { Clock } from '../../core/clock.js'
import { type Entry, entryWith } from '../../core/entry.js'
import { credentialsOf } from '../rules/credentials.js'
import type { Reason } from '../rules/reasons.js'
import { APPLICATION_STORAGE } from '../rules/storage-policy.js'
import { Precompressor } from '../store/precompressor.js'
import type { RecordedHead } from '../store/recorded-response.js'
import type { StoredHead, StoredResponse } from '../store/stored-response.js'
import { pathOf } from '../syntax/target.js'
import { type Landing, StoredRun } from './flight.js'
import { givenUp } from './inputs-advice.js'
import type { ProtocolParts } from './protocol-parts.js'
import type { RecordedRequest } from './recorded-request.js'

/** How long requests of a key go on side by side after its response was refused, in milliseconds. */
const REFUSED_FOR = 60_000

/** The same after an error, which may be over soon. */
const FAILED_FOR = 1_000

/** Reasons that say nothing about the next response of the key. */
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

/** What a writer needs of its protocol. */
type WriterParts = Pick<ProtocolParts<never>, 'cache' | 'responses' | 'recentlyRefused' | 'reports'>

/** A response that is not stored. */
export interface RefusedResponse {
  readonly reason: Reason
  /** The reason as Cache-Status says it. */
  readonly detail: string
  /** Whether the handler answered with a server error, which says little about its next answer. */
  readonly failed: boolean
  /** The name of the input that the reason is about; `''`: it is about none. */
  readonly input: string
}

/** Stores recorded responses, and takes note of those that are not stored and why. */
export class ResponseWriter {
  readonly parts: WriterParts
  /** Encodes what has been stored. */
  readonly precompressor: Precompressor

  constructor(parts: WriterParts, precompressor?: Precompressor) {
    this.parts = parts
    this.precompressor = precompressor ?? new Precompressor(parts.cache, (thrown) => parts.reports.fault(thrown))
  }

  get clock(): Clock {
    return this.parts.cache.clock
  }

  /** Why a response is not going to be stored, known once its head is; `undefined`: nothing keeps it out so far. */
  refuses(of: RecordedRequest, recorded: RecordedHead): Reason | undefined {
    const { responses, reports } = this.parts
    const { variants } = responses
    if (!variants.hasRoom(recorded)) return 'too-many-variants'
    if (!variants.isGivenUp(recorded)) return undefined
    const { observed } = recorded
    reports.warn('given-up', () => givenUp(pathOf(of.request.url), observed))
    return 'too-many-variants'
  }

  /** Whether a response was invalidated since its handler started. */
  isInvalidated(of: RecordedRequest, recorded: RecordedHead): boolean {
    return this.parts.responses.variants.isInvalidated(recorded, of)
  }

  /** Whether it is known already that {@link keep} is going to refuse: the cache is closed, or something was invalidated, or it took too long. */
  isTooLate(of: RecordedRequest, recorded: RecordedHead): boolean {
    const { isClosed, clock, maxHandlerTime } = this.parts.cache
    return isClosed || clock.monotonic() - of.mark.startedAt > maxHandlerTime || this.isInvalidated(of, recorded)
  }

  /** Stores a response, if nothing keeps it out at the last moment, and says how that ends the wait of others. */
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

  /** Takes note that a response is not stored. */
  refused(of: RecordedRequest, refused: RefusedResponse): void {
    this.#note(of, refused)
    const { reports } = this.parts
    if (refused.reason === 'logged-in') reports.warn('logged-in', () => loggedInWarning(of))
    reports.refused(of.key.text, refused.reason, refused.detail)
  }

  /** Takes out of use what is stored under a key: it may not be stored any longer. */
  discard(storageKey: string): void {
    void this.parts.cache.retire([storageKey])
  }

  /** Takes a stored response for stale from now on: the handler has another one (RFC 9111, section 4.3.5). It may still stand in for an error. */
  outdate({ storageKey, mark }: RecordedRequest, { entry }: StoredResponse): void {
    const now = this.clock.now()
    if (entry.staleAt <= now) return
    this.parts.cache.store(storageKey, { ...entryWith(entry, { staleAt: now }) }, mark)
  }

  #notKept(of: RecordedRequest, reason: Reason): Landing {
    const { reports } = this.parts
    // Of the others the core has told already.
    if (reason === 'too-large' || reason === 'too-many-variants') reports.refused(of.key.text, reason)
    else reports.count(reason)
    // Those who waited run the handler once more, not once each.
    return { kind: reason === 'invalidated' || reason === 'too-slow' ? 'abandoned' : 'refused', reason }
  }

  /** Remembers it for the next request of the same key, and for whoever asks why. */
  #note(of: RecordedRequest, { reason, failed, input }: Omit<RefusedResponse, 'detail'>): void {
    // What a POST was answered says nothing about the next GET.
    if (of.request.method === 'POST') return
    const { recentlyRefused } = this.parts
    recentlyRefused.note(of.storageKey, reason, input)
    if (failed) recentlyRefused.add(of.storageKey, FAILED_FOR)
    else if (!PASSING_REASONS.has(reason) && of.sees === undefined && isAnonymous(of)) {
      recentlyRefused.add(of.storageKey, REFUSED_FOR)
    }
  }
}

/** An entry that no tier holds. */
function unstoredEntry({ receivedAt: storedAt, staleAt, deleteAt, tags }: RecordedHead, body: Buffer): Entry {
  return { storedAt, staleAt, deleteAt, tags, meta: '', body, memo: undefined }
}

/** What is not stored for somebody with credentials may well be stored for the next visitor. */
function isAnonymous({ request }: RecordedRequest): boolean {
  return credentialsOf(request.headers, APPLICATION_STORAGE).length === 0
}

function loggedInWarning(of: RecordedRequest): string {
  return (
    `the response to ${pathOf(of.request.url)} was not stored: its handler knew who the user is (req.user, ctx.state.user or a session with ` +
    'something in it), and everybody would have got it. Authentication that runs after the cache is not seen by it: name the user in the ' +
    'key with the "user" option, or keep such routes away from the cache with "skip". This is said once for each cache.'
  )
}
