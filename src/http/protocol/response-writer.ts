import type { Clock } from '../../core/clock.js'
import type { CacheEngine } from '../../core/engine.js'
import { type Entry, entryWith } from '../../core/entry.js'
import { asError } from '../../core/errors.js'
import type { Recordings } from '../../core/recordings.js'
import { credentialsOf } from '../rules/credentials.js'
import type { Reason } from '../rules/reasons.js'
import { APPLICATION_STORAGE } from '../rules/storage-policy.js'
import type { NoVarySearchIndex } from '../store/no-vary-search-index.js'
import { Precompressor } from '../store/precompressor.js'
import type { RecentlyRefused } from '../store/recently-refused.js'
import type { RecordedHead } from '../store/recorded-response.js'
import type { StoredHead, StoredResponse } from '../store/stored-response.js'
import type { Variants } from '../store/variants.js'
import { pathOf } from '../syntax/target.js'
import { type Landing, StoredRun } from './flight.js'
import { givenUp } from './inputs-advice.js'
import type { RecordedRequest, RecorderTarget } from './recorded-request.js'

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
  'head',
  'fault',
  'stale-if-error',
  'wrong-validator',
  'precondition',
  'cache-if',
])

/** Stores recorded responses, and takes note of those that are not stored and why. */
export class ResponseWriter implements RecorderTarget {
  readonly clock: Clock
  readonly recordings: Recordings
  readonly maxHandlerTime: number
  /** Encodes what has been kept. */
  readonly precompressor: Precompressor
  readonly #cache: CacheEngine
  readonly #variants: Variants
  readonly #searchIndex: NoVarySearchIndex
  readonly #recentlyRefused: RecentlyRefused
  readonly #warned = new Set<string>()

  constructor(
    cache: CacheEngine,
    variants: Variants,
    searchIndex: NoVarySearchIndex,
    recentlyRefused: RecentlyRefused,
  ) {
    this.clock = cache.clock
    this.recordings = cache.recordings
    this.maxHandlerTime = cache.maxHandlerTime
    this.precompressor = new Precompressor(cache, (thrown) => this.fault(thrown))
    this.#cache = cache
    this.#variants = variants
    this.#searchIndex = searchIndex
    this.#recentlyRefused = recentlyRefused
  }

  refuses(of: RecordedRequest, recorded: RecordedHead): Reason | undefined {
    if (!this.#variants.hasRoom(recorded.key, recorded)) return 'too-many-variants'
    if (!this.#variants.isGivenUp(recorded.key, recorded)) return undefined
    const { observed } = recorded
    this.advise(`given up ${observed.join()}`, () => givenUp(pathOf(of.request.url), observed))
    return 'too-many-variants'
  }

  /** Whether a response was invalidated since its handler started. */
  isInvalidated(of: RecordedRequest, recorded: RecordedHead): boolean {
    return this.#variants.isInvalidated(recorded.key, of.request, recorded, of.mark)
  }

  isTooLate(of: RecordedRequest, recorded: RecordedHead): boolean {
    const took = this.clock.monotonic() - of.mark.startedAt
    return this.#cache.isClosed || took > this.maxHandlerTime || this.isInvalidated(of, recorded)
  }

  keep(of: RecordedRequest, recorded: RecordedHead, head: StoredHead, body: Buffer): Landing {
    const kept = this.#variants.keep(recorded.key, of.request, recorded, head, body, of.mark)
    if ('refusal' in kept) {
      const reason = kept.refusal
      this.#note(of, reason, false)
      // The requests that waited were accepted before the cache was closed.
      if (reason === 'closed' && !this.isInvalidated(of, recorded)) {
        this.count(reason)
        return new StoredRun(unstoredEntry(recorded, body), head, Promise.resolve(false))
      }
      // Of the others the core has told already.
      if (reason === 'too-large' || reason === 'too-many-variants') this.tell(of.key.text, reason)
      else this.count(reason)
      // Those who waited run the handler once more, not once each.
      return { kind: reason === 'invalidated' || reason === 'too-slow' ? 'abandoned' : 'refused', reason }
    }
    if (of.search !== undefined) this.#searchIndex.keep(of.search, recorded, of.mark)
    this.#recentlyRefused.delete(of.storageKey)
    const landing = new StoredRun(kept.entry, head, kept.written)
    if (head.encodings !== undefined) this.precompressor.afterStore(kept.storageKey, landing.stored, kept.written)
    return landing
  }

  refused(of: RecordedRequest, reason: Reason, detail: string, failed: boolean, input = ''): void {
    this.#note(of, reason, failed, input)
    if (reason === 'logged-in') this.#warnOnce(reason, loggedInWarning(of))
    this.tell(of.key.text, reason, detail)
  }

  discard(storageKey: string): void {
    void this.#cache.retire([storageKey])
  }

  outdate({ storageKey, mark }: RecordedRequest, { entry }: StoredResponse): void {
    const now = this.clock.now()
    if (entry.staleAt <= now) return
    this.#cache.store(storageKey, { ...entryWith(entry, { staleAt: now }) }, mark)
  }

  /** A response was refused: counts it, and says so. */
  tell(key: string, reason: Reason, detail: string = reason): void {
    this.count(reason)
    if (this.#cache.listenerCount('skip') > 0) this.#cache.emit('skip', { key, reason: detail })
  }

  /** A request or a response was refused. */
  count(reason: Reason): void {
    const { refused } = this.#cache.counters
    refused[reason] = (refused[reason] ?? 0) + 1
  }

  advise(topic: string, text: () => string): void {
    if (!this.#warned.has(topic)) this.#warnOnce(topic, text())
  }

  /** Something of ours, or a function of the user's, failed; the request goes on without the cache. */
  fault(thrown: unknown): void {
    const error = asError(thrown)
    this.#cache.emit('fault', { error })
    this.#warnOnce(
      error.message,
      `a request passed by the cache because something failed: ${error.stack ?? error.message}`,
    )
  }

  /** Remembers it for the next request of the same key, and for whoever asks why. */
  #note(of: RecordedRequest, reason: Reason, failed: boolean, input = ''): void {
    // What a POST was answered says nothing about the next GET.
    if (of.request.method === 'POST') return
    this.#recentlyRefused.note(of.storageKey, reason, input)
    if (failed) this.#recentlyRefused.add(of.storageKey, FAILED_FOR)
    else if (!PASSING_REASONS.has(reason) && of.sees === undefined && isAnonymous(of))
      this.#recentlyRefused.add(of.storageKey, REFUSED_FOR)
  }

  #warnOnce(topic: string, text: string): void {
    // Bounded: a message may hold what a client sent.
    if (this.#warned.size >= 20 || this.#warned.has(topic)) return
    this.#warned.add(topic)
    process.emitWarning(text, 'FallbackCacheWarning')
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
    'key with the "user" option, or keep such routes away from the cache with "skip". This is said once.'
  )
}
